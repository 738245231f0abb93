//! A sign-in that did not work: what to say, and whether another try may go better. Knows no way of signing in.

use std::time::Duration;

use url::Url;

use crate::azure::advice::REACHING;
use crate::azure::error::SignInError;
use crate::azure::retry::failure_of;

/// A sign-in that did not work; `passing` when another try may.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub(crate) struct MintFailure {
    pub(crate) passing: Option<Passing>,
    pub(crate) error: SignInError,
}

#[derive(Debug, Clone)]
pub(crate) struct Passing {
    pub(crate) reason: String,
    pub(crate) asked: Option<Duration>,
}

impl From<SignInError> for MintFailure {
    fn from(error: SignInError) -> Self {
        Self {
            passing: None,
            error,
        }
    }
}

impl MintFailure {
    /// No answer from `whom`.
    pub(crate) fn unreachable(error: &azure_core::Error, whom: &str, reason: &str) -> Self {
        Self {
            passing: failure_of(error).map(|_| Passing {
                reason: format!("{whom}: {reason}"),
                asked: None,
            }),
            error: SignInError {
                message: format!("{whom} could not be reached: {reason}."),
                advice: Some(REACHING.to_owned()),
                network: true,
            },
        }
    }
}

/// A service with its host, for messages about the network.
pub(super) fn at(whom: &str, url: &Url) -> String {
    format!("{whom} ({})", url.host_str().unwrap_or("no host"))
}
