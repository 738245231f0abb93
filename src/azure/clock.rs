//! Time, as a value that can be given: the wall clock for lifetimes and dates, elapsed time for deadlines, and waiting.
//! The one reader of the wall clock outside the emulator; what to wait for is decided elsewhere.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::poll;

/// Where time comes from. Tests give one that moves when it is waited on.
pub trait Time: Debug + Send + Sync {
    fn now(&self) -> SystemTime;
    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
    /// Completes after `limit`, without being what the caller waits for: it only cuts off something that hangs.
    fn alarm(&self, limit: Duration) -> BoxFuture<'static, ()>;
}

pub type Clock = Arc<dyn Time>;

/// The machine's own time.
pub fn system() -> Clock {
    Arc::new(System {
        start: Instant::now(),
    })
}

#[derive(Debug)]
struct System {
    start: Instant,
}

impl Time for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(poll::pause(wait))
    }

    fn alarm(&self, limit: Duration) -> BoxFuture<'static, ()> {
        Box::pin(poll::pause(limit))
    }
}
