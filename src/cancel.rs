//! Cancellation by signal: who was told to stop, by which signal, and which parts must still finish something first.
//! A leaf: it knows no stage and no host; `main` turns signals into [`Cancel::cancel`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// The signal that asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// 128 + the signal's number, as shells report it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The error of work that a signal ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("cancelled by {}", match .0 { Signal::Interrupt => "SIGINT", Signal::Terminate => "SIGTERM" })]
pub struct Cancelled(pub Signal);

/// Shared by the signal listener, the runner and the stage; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    token: CancellationToken,
    signal: OnceLock<Signal>,
    holds: AtomicUsize,
}

/// While it lives, a cancelled stage is not dropped but given time to undo what it started.
#[derive(Debug)]
pub struct Hold(Arc<Inner>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Cancel {
    /// The first signal wins.
    pub fn cancel(&self, signal: Signal) {
        self.inner.signal.get_or_init(|| signal);
        self.inner.token.cancel();
    }

    pub async fn cancelled(&self) -> Cancelled {
        self.inner.token.cancelled().await;
        self.error()
    }

    pub fn is_cancelled(&self) -> bool {
        self.inner.token.is_cancelled()
    }

    /// What a stage returns once it has cleaned up.
    pub fn error(&self) -> Cancelled {
        Cancelled(
            self.inner
                .signal
                .get()
                .copied()
                .unwrap_or(Signal::Interrupt),
        )
    }

    /// From here on the stage has something remote to undo.
    pub fn hold(&self) -> Hold {
        self.inner.holds.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(&self.inner))
    }

    pub fn is_held(&self) -> bool {
        self.inner.holds.load(Ordering::SeqCst) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_names_the_exit_code() {
        let cancel = Cancel::default();
        cancel.cancel(Signal::Terminate);
        cancel.cancel(Signal::Interrupt);
        assert_eq!(cancel.cancelled().await.0.exit_code(), 143);
    }

    #[test]
    fn a_hold_ends_when_it_is_dropped() {
        let cancel = Cancel::default();
        let hold = cancel.hold();
        assert!(cancel.is_held());
        drop(hold);
        assert!(!cancel.is_held());
    }
}
