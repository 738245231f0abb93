//! A question that is asked once, however many want to know. The answer stays; those who wait while it is asked share a failure
//! too, instead of going through the same retries one after the other. Knows nothing of what is asked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::error::ArmError;

#[derive(Debug)]
pub(super) struct Once<T> {
    answer: OnceLock<T>,
    /// Counts failures, so that those who waited for one know it for theirs.
    failures: AtomicU64,
    asking: Mutex<Option<ArmError>>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            answer: OnceLock::new(),
            failures: AtomicU64::new(0),
            asking: Mutex::default(),
        }
    }
}

impl<T: Clone> Once<T> {
    /// The answer, if there is one yet.
    pub(super) fn get(&self) -> Option<&T> {
        self.answer.get()
    }

    /// The answer; `ask` is only awaited when nobody has it and nobody else is asking. Who comes after a failure asks anew.
    pub(super) async fn get_or_ask(
        &self,
        ask: impl Future<Output = Result<T, ArmError>>,
    ) -> Result<T, ArmError> {
        let before = self.failures.load(Ordering::Acquire);
        if let Some(answer) = self.get() {
            return Ok(answer.clone());
        }
        let mut failure = self.asking.lock().await;
        if let Some(answer) = self.get() {
            return Ok(answer.clone());
        }
        if self.failures.load(Ordering::Acquire) > before
            && let Some(error) = failure.as_ref()
        {
            return Err(error.clone());
        }
        match ask.await {
            Ok(answer) => Ok(self.answer.get_or_init(|| answer).clone()),
            Err(error) => {
                *failure = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> ArmError {
        ArmError::Transport {
            request: "GET x".to_owned(),
            reason: "reset".to_owned(),
        }
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_asks_anew() {
        let once = Once::default();
        let asked = AtomicU64::new(0);
        let ask = |answer: Result<u8, ArmError>| {
            once.get_or_ask(async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                answer
            })
        };
        let (one, two, three) = tokio::join!(ask(Err(broken())), ask(Ok(2)), ask(Ok(3)));
        assert!(one.is_err() && two.is_err() && three.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(ask(Ok(4)).await.unwrap(), 4);
        assert_eq!(ask(Ok(5)).await.unwrap(), 4);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
