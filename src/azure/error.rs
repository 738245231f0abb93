//! Typed errors of the service: one variant per decision a caller makes, with status, code, message and request id kept.

use std::time::Duration;

/// What the service said, field by field (service notes 18).
#[derive(Debug, Clone, Default)]
pub struct ServiceError {
    pub status: u16,
    /// The innermost code that says something: `JobNotFound` rather than `UserError`.
    pub code: String,
    pub message: String,
    pub target: Option<String>,
    /// `x-ms-correlation-request-id`, else `x-ms-request-id`.
    pub request_id: Option<String>,
    /// What was asked: `PUT computes/cpu-cluster`.
    pub request: String,
    /// For debug output only.
    pub body: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// 401 after a renewed token, or no token could be had.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// 403.
    #[error("{}: access denied: {} ({})", .0.request, .0.message, .0.code)]
    Denied(Box<ServiceError>),
    /// 404.
    #[error("{}: not found: {} ({})", .0.request, .0.message, .0.code)]
    NotFound(Box<ServiceError>),
    /// 409 and 412.
    #[error("{}: conflict: {} ({})", .0.request, .0.message, .0.code)]
    Conflict(Box<ServiceError>),
    /// 429 after the retries.
    #[error("{}: throttled: {} ({})", .0.request, .0.message, .0.code)]
    Throttled(Box<ServiceError>),
    /// Any other refusal, and a long-running operation that ended in `Failed` or `Canceled`.
    #[error("{}: {} ({})", .0.request, .0.message, .0.code)]
    Api(Box<ServiceError>),
    /// No answer: refused, reset, timed out, no name, no route, after the retries.
    #[error("{request}: no answer: {reason}")]
    Transport { request: String, reason: String },
    /// An answer that is not what the service documents.
    #[error("{request}: unexpected answer: {reason}")]
    Decode { request: String, reason: String },
    /// A stated deadline passed.
    #[error("{what} did not finish within {} s; last state: {state}", .after.as_secs())]
    TimedOut {
        what: String,
        state: String,
        after: Duration,
    },
    /// A local file could not be read or written during a transfer.
    #[error("{path}: {reason}")]
    Local { path: String, reason: String },
}

/// Sign-in could not be set up or was refused. Messages are complete sentences for the user.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SignInError {
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The login service could not be reached, rather than refusing.
    pub network: bool,
}
