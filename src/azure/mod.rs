//! Azure over REST: sign-in, the ARM client, waiting, uploads, run history. Never prints and never knows a stage or a host:
//! progress goes out through an [`Observer`].

pub mod advice;
pub mod apply;
mod blob;
mod call;
pub mod client;
pub mod clock;
pub mod cloud;
mod credential;
pub mod endpoints;
pub mod error;
mod facts;
pub mod history;
pub mod id;
pub mod jobs;
pub mod logs;
pub mod metrics;
mod once;
pub mod outputs;
mod pages;
mod pipeline;
pub mod poll;
pub mod retry;
pub mod scoring;
mod transport;
mod upload;

pub use call::{Address, Answer, Call};
pub use client::{Azure, Tuning};
pub use cloud::{Audience, Cloud};
pub use credential::Identity;
pub use error::ArmError;
pub use facts::WorkspaceFacts;
pub use id::WorkspaceId;
pub use retry::RetryPolicy;
pub use transport::{NetworkSettings, ProxySettings};

use std::fmt;
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

/// An observer inside something that prints itself.
#[derive(Clone)]
pub(crate) struct Watcher(pub(crate) Observer);

impl Watcher {
    pub(crate) fn notify(&self, notice: &Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// Makes ring the process's TLS implementation; to be called before anything connects. Any number of times.
pub fn install_crypto() {
    // An error only says that there is one already.
    let _already = rustls::crypto::ring::default_provider().install_default();
}
