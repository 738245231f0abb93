//! What to do about the common refusals, as a table. Only adds words: nothing is decided here.

use super::error::{ArmError, ServiceError};

/// The next step for a user, where one is known.
pub fn advice(error: &ArmError) -> Option<String> {
    match error {
        ArmError::SignIn(error) => error.advice.clone(),
        ArmError::Denied(said)
        | ArmError::NotFound(said)
        | ArmError::Conflict(said)
        | ArmError::Throttled(said)
        | ArmError::Api(said) => for_service(said),
        ArmError::Transport { .. } => Some(
            "Check the network and the proxy (HTTPS_PROXY); then run again: what is done already is recognised.".to_owned(),
        ),
        ArmError::Decode { .. } | ArmError::TimedOut { .. } | ArmError::Local { .. } => None,
    }
}

pub(crate) fn for_service(_said: &ServiceError) -> Option<String> {
    None
}
