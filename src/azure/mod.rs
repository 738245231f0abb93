//! Azure over REST: sign-in, the ARM client, waiting, uploads, run history. Never prints and never knows a stage or a host:
//! progress goes out through an [`Observer`].

pub mod client;
pub mod error;
pub mod id;

pub use client::{Answer, Azure, Call};
pub use error::ArmError;
pub use id::WorkspaceId;

use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

/// Something the caller may want to show. Retries are one notice each.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A request is sent again after `wait`. `attempt` counts from 1, the first repeat.
    Retrying {
        method: String,
        url: String,
        reason: String,
        attempt: u32,
        wait: Duration,
    },
    /// A value that must be masked before anything else is shown: a token, an ID token, a key, a signed URL.
    Minted(Secret),
    /// The service named a state that this version does not know; it counts as in progress.
    UnknownState { of: String, state: String },
    /// Bytes of uploads or downloads so far.
    Transfer {
        label: String,
        done: u64,
        total: u64,
    },
    /// A poll of something that takes long.
    Polled {
        of: String,
        state: String,
        elapsed: Duration,
    },
    /// Worth a debug line.
    Debug(String),
}

pub type Observer = Arc<dyn Fn(&Notice) + Send + Sync>;
