//! Waiting: asks one question again and again under a stated budget. The loop knows nothing of Azure but that an unreachable service
//! is no answer; what is asked is a [`Probe`]. The only place outside the emulator where time is waited for.

pub mod lro;
pub mod provisioning;
pub mod status;

use std::time::Duration;

use super::clock::Clock;
use super::error::ArmError;
use super::{Notice, Observer};

pub use lro::put_and_wait;

/// One question, asked once per call.
pub trait Probe {
    type Done;
    /// What is waited for, for messages: `creation of compute cpu-cluster`.
    fn what(&self) -> String;
    fn probe(&mut self) -> impl Future<Output = Result<Progress<Self::Done>, ArmError>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<T> {
    Pending {
        state: String,
        retry_after: Option<Duration>,
    },
    Done(T),
}

/// How long to wait at most. There is no default: every wait says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    Deadline(Duration),
    Unlimited,
}

impl Budget {
    /// What is left of it for the next wait of several.
    #[must_use]
    pub fn after(self, spent: Duration) -> Self {
        left(self, spent).map_or(Self::Unlimited, Self::Deadline)
    }
}

/// How often to ask when the service does not say.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub first: Duration,
    /// Each wait is longer than the one before by this part in a hundred.
    pub growth_percent: u32,
    pub most: Duration,
}

impl Default for Pace {
    /// Long-running operations of Azure ML take 20 s to 10 min and name no interval (service notes 4.4).
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            growth_percent: 20,
            most: Duration::from_secs(30),
        }
    }
}

/// The longest interval that the service may ask for between two questions.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// This many failures to reach the service in a row end a wait; each has been through the retries already.
const DROPS: u32 = 3;

/// An answer that was not the last.
#[derive(Debug)]
pub struct Tick<'a> {
    pub state: &'a str,
    pub elapsed: Duration,
    /// The state is not the one of the tick before.
    pub changed: bool,
}

impl Tick<'_> {
    /// Tells the observer of it.
    fn report(&self, of: &str, observer: &Observer) {
        observer(&Notice::Polled {
            of: of.to_owned(),
            state: self.state.to_owned(),
            elapsed: self.elapsed,
        });
    }
}

/// Asks until it is done. The first question is immediate; then the service's own interval, else `pace`.
pub async fn wait<P: Probe + Send>(
    clock: &Clock,
    mut probe: P,
    budget: Budget,
    pace: Pace,
    tick: &(dyn Fn(&Tick<'_>) + Sync),
) -> Result<P::Done, ArmError> {
    let start = clock.elapsed();
    let mut state = "not known yet".to_owned();
    let mut next = pace.first;
    let mut drops = 0;
    let mut ticked = false;
    loop {
        let late = |state: &str, probe: &P, limit: Duration| ArmError::TimedOut {
            what: probe.what(),
            state: state.to_owned(),
            after: limit,
        };
        let left = left(budget, clock.elapsed().saturating_sub(start));
        let Some(answer) = asked(clock, &mut probe, left).await else {
            return Err(late(&state, &probe, limit_of(budget)));
        };
        let mut interval = next;
        match answer {
            Ok(Progress::Done(done)) => return Ok(done),
            Ok(Progress::Pending {
                state: now,
                retry_after,
            }) => {
                drops = 0;
                let changed = !ticked || now != state;
                ticked = true;
                state = now;
                let elapsed = clock.elapsed().saturating_sub(start);
                tick(&Tick {
                    state: &state,
                    elapsed,
                    changed,
                });
                match retry_after.filter(|wait| !wait.is_zero()) {
                    Some(asked) => interval = asked.min(LONGEST_ASKED),
                    None => next = grown(next, pace),
                }
            }
            Err(error) if error.is_passing() => {
                drops += 1;
                if drops == DROPS {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        let elapsed = clock.elapsed().saturating_sub(start);
        match budget {
            Budget::Unlimited => clock.sleep(interval).await,
            Budget::Deadline(limit) if elapsed >= limit => return Err(late(&state, &probe, limit)),
            Budget::Deadline(limit) => clock.sleep(interval.min(limit - elapsed)).await,
        }
    }
}

/// One question, cut off where the budget ends: a hanging service must not stretch a deadline.
async fn asked<P: Probe>(
    clock: &Clock,
    probe: &mut P,
    left: Option<Duration>,
) -> Option<Result<Progress<P::Done>, ArmError>> {
    /// The last question, at the deadline itself, still gets the time of an answer.
    const GRACE: Duration = Duration::from_secs(5);
    let Some(left) = left else {
        return Some(probe.probe().await);
    };
    tokio::select! {
        biased;
        answer = probe.probe() => Some(answer),
        () = clock.alarm(left.max(GRACE)) => None,
    }
}

fn left(budget: Budget, elapsed: Duration) -> Option<Duration> {
    match budget {
        Budget::Deadline(limit) => Some(limit.saturating_sub(elapsed)),
        Budget::Unlimited => None,
    }
}

fn limit_of(budget: Budget) -> Duration {
    match budget {
        Budget::Deadline(limit) => limit,
        Budget::Unlimited => Duration::MAX,
    }
}

fn grown(wait: Duration, pace: Pace) -> Duration {
    let longer = wait.saturating_mul(100 + pace.growth_percent) / 100;
    longer.min(pace.most).max(pace.first.min(pace.most))
}

/// Lets time pass; everything that waits ends up here.
#[expect(clippy::disallowed_methods, reason = "this is where waiting happens")]
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::clock;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    type Script = VecDeque<Result<Progress<u8>, ArmError>>;

    struct Scripted(Script);

    impl Probe for Scripted {
        type Done = u8;
        fn what(&self) -> String {
            "the test".to_owned()
        }
        async fn probe(&mut self) -> Result<Progress<u8>, ArmError> {
            self.0
                .pop_front()
                .unwrap_or_else(|| Ok(pending("still", None)))
        }
    }

    fn pending(state: &str, seconds: Option<u64>) -> Progress<u8> {
        Progress::Pending {
            state: state.to_owned(),
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn dropped() -> Result<Progress<u8>, ArmError> {
        Err(ArmError::Transport {
            request: "GET x".to_owned(),
            reason: "reset".to_owned(),
        })
    }

    /// The outcome, when it came, and the seconds at which a tick was seen.
    async fn run(
        script: Vec<Result<Progress<u8>, ArmError>>,
        budget: Budget,
    ) -> (Result<u8, ArmError>, u64, Vec<(u64, String, bool)>) {
        let clock = clock::system();
        let ticks = Mutex::new(Vec::new());
        let outcome = wait(
            &clock,
            Scripted(script.into()),
            budget,
            Pace::default(),
            &|tick| {
                ticks.lock().unwrap().push((
                    tick.elapsed.as_secs(),
                    tick.state.to_owned(),
                    tick.changed,
                ));
            },
        )
        .await;
        let end = clock.elapsed().as_secs();
        (outcome, end, ticks.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_question_is_immediate_and_the_services_interval_wins() {
        let (outcome, end, ticks) = run(
            vec![
                Ok(pending("a", None)),
                Ok(pending("a", Some(60))),
                Ok(pending("b", Some(0))),
                Ok(Progress::Done(7)),
            ],
            Budget::Unlimited,
        )
        .await;
        assert_eq!(outcome.unwrap(), 7);
        assert_eq!(end, 5 + 60 + 6);
        let expected = [(0, "a", true), (5, "a", false), (65, "b", true)];
        assert_eq!(
            ticks,
            expected.map(|(at, state, changed)| (at, state.to_owned(), changed))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_the_wait_on_time_with_the_last_state() {
        let (outcome, end, _) = run(vec![], Budget::Deadline(Duration::from_secs(33))).await;
        let Err(ArmError::TimedOut { what, state, after }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((what.as_str(), state.as_str()), ("the test", "still"));
        assert_eq!((after.as_secs(), end), (33, 33));
    }

    #[tokio::test(start_paused = true)]
    async fn two_drops_are_forgiven_and_three_in_a_row_are_not() {
        let forgiven = vec![
            dropped(),
            dropped(),
            Ok(pending("a", None)),
            dropped(),
            dropped(),
            Ok(Progress::Done(1)),
        ];
        assert_eq!(run(forgiven, Budget::Unlimited).await.0.unwrap(), 1);
        let fatal = vec![dropped(), dropped(), dropped(), Ok(Progress::Done(1))];
        let (outcome, _, _) = run(fatal, Budget::Unlimited).await;
        assert!(
            matches!(outcome, Err(ArmError::Transport { .. })),
            "{outcome:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_is_cut_off_at_the_deadline() {
        struct Hanging;
        impl Probe for Hanging {
            type Done = u8;
            fn what(&self) -> String {
                "the test".to_owned()
            }
            async fn probe(&mut self) -> Result<Progress<u8>, ArmError> {
                std::future::pending().await
            }
        }
        let clock = clock::system();
        let budget = Budget::Deadline(Duration::from_secs(60));
        let outcome = wait(&clock, Hanging, budget, Pace::default(), &|_| {}).await;
        assert!(matches!(outcome, Err(ArmError::TimedOut { .. })));
        assert_eq!(clock.elapsed().as_secs(), 60);
    }
}
