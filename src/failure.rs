//! Which exit code an error gets and what advice goes with it. The only module that sees every error type; it decides by type, never by text.

use crate::azure::apply::{ApplyError, Missing};
use crate::azure::error::SignInError;
use crate::azure::outputs::DownloadError;
use crate::azure::scoring::Doubt;
use crate::azure::{ArmError, advice};
use crate::cancel::{Cancelled, Signal};
use crate::spec::Problems;
use crate::stage::inputs::InputProblems;
use crate::stage::{JobFailed, Refused, WaitEnded};

/// What kind of failure it was; one exit code each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Azure, or the job, said no.
    Refused,
    /// Inputs or YAML.
    Inputs,
    SignIn,
    TimedOut,
    Network,
    /// Nobody foresaw this error: a bug of ours.
    Bug,
    Cancelled(Signal),
}

impl FailureClass {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Inputs => 2,
            Self::SignIn => 3,
            Self::TimedOut => 4,
            Self::Network => 5,
            Self::Bug => 70,
            Self::Cancelled(signal) => signal.exit_code(),
        }
    }
}

/// Walks the chain of causes until one tells what kind of failure this is.
pub fn classify(error: &anyhow::Error) -> FailureClass {
    error
        .chain()
        .find_map(class_of)
        .unwrap_or(FailureClass::Bug)
}

fn class_of(cause: &(dyn std::error::Error + 'static)) -> Option<FailureClass> {
    if let Some(Cancelled(signal)) = cause.downcast_ref() {
        return Some(FailureClass::Cancelled(*signal));
    }
    if let Some(arm) = arm_error(cause) {
        return Some(class_of_arm(arm));
    }
    if let Some(apply) = cause.downcast_ref::<ApplyError>() {
        return Some(match apply {
            ApplyError::Missing(_) | ApplyError::Fixed { .. } => FailureClass::Refused,
            ApplyError::Arm(arm) => class_of_arm(arm),
            ApplyError::Plan(_) => FailureClass::Bug,
        });
    }
    if let Some(sign_in) = cause.downcast_ref::<SignInError>() {
        return Some(class_of_sign_in(sign_in));
    }
    let inputs =
        cause.is::<Problems>() || cause.is::<InputProblems>() || cause.is::<DownloadError>();
    if inputs || cause.is::<std::io::Error>() {
        return Some(FailureClass::Inputs);
    }
    if cause.is::<JobFailed>() || cause.is::<Refused>() {
        return Some(FailureClass::Refused);
    }
    cause.is::<WaitEnded>().then_some(FailureClass::TimedOut)
}

/// The client's error, wherever it is wrapped: a transparent wrapper hides it from the chain of causes.
fn arm_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a ArmError> {
    if let Some(ApplyError::Arm(arm)) = cause.downcast_ref() {
        return Some(arm);
    }
    if let Some(DownloadError::Arm(arm)) = cause.downcast_ref() {
        return Some(arm);
    }
    if let Some(Doubt::Refused(arm) | Doubt::Open(arm)) = cause.downcast_ref() {
        return Some(arm);
    }
    cause.downcast_ref()
}

fn class_of_arm(error: &ArmError) -> FailureClass {
    match error {
        ArmError::SignIn(sign_in) => class_of_sign_in(sign_in),
        ArmError::Denied(_)
        | ArmError::NotFound(_)
        | ArmError::Conflict(_)
        | ArmError::Throttled(_)
        | ArmError::Api(_)
        | ArmError::Decode { .. } => FailureClass::Refused,
        ArmError::Transport { .. } => FailureClass::Network,
        ArmError::TimedOut { .. } => FailureClass::TimedOut,
        ArmError::Local { .. } => FailureClass::Inputs,
    }
}

fn class_of_sign_in(error: &SignInError) -> FailureClass {
    if error.network {
        FailureClass::Network
    } else {
        FailureClass::SignIn
    }
}

/// What the reader should do next.
pub fn advice_for(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(arm) = arm_error(cause) {
            return advice::advice(arm);
        }
        if let Some(ApplyError::Fixed { advice, .. }) = cause.downcast_ref() {
            return Some(advice.clone());
        }
        if let Some(sign_in) = cause.downcast_ref::<SignInError>() {
            return sign_in.advice.clone();
        }
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.advice.clone();
        }
        if let Some(failed) = cause.downcast_ref::<JobFailed>() {
            return failed.advice.clone();
        }
        cause.downcast_ref::<WaitEnded>().map(|ended| ended.advice.clone())
    })
    .or_else(|| {
        (classify(error) == FailureClass::Bug)
            .then(|| "this is a bug of aml-runner: please report it with the log of a run with --verbose".to_owned())
    })
}

/// The resources that a file names and that are not there, when that is the error: each is shown at its own place.
pub fn missing(error: &anyhow::Error) -> &[Missing] {
    match error.downcast_ref() {
        Some(ApplyError::Missing(missing)) => missing,
        Some(ApplyError::Fixed { .. } | ApplyError::Arm(_) | ApplyError::Plan(_)) | None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::error::ServiceError;
    use anyhow::{Context as _, anyhow};
    use std::time::Duration;

    fn sign_in(network: bool) -> SignInError {
        SignInError {
            message: "no".to_owned(),
            advice: Some("do this".to_owned()),
            network,
        }
    }

    fn code(error: impl Into<anyhow::Error>) -> u8 {
        // Context must not hide what an error is.
        let wrapped = Err::<(), _>(error.into()).context("doing something");
        wrapped.map_or_else(|error| classify(&error).exit_code(), |()| 0)
    }

    #[test]
    fn the_type_of_an_error_decides_the_exit_code_however_it_is_wrapped() {
        let transport = || ArmError::Transport {
            request: "GET x".to_owned(),
            reason: "reset".to_owned(),
        };
        let late = ArmError::TimedOut {
            what: "x".to_owned(),
            state: "y".to_owned(),
            after: Duration::from_secs(1),
        };
        assert_eq!(code(ArmError::Denied(Box::<ServiceError>::default())), 1);
        assert_eq!(code(ArmError::SignIn(sign_in(false))), 3);
        assert_eq!(code(ArmError::SignIn(sign_in(true))), 5);
        assert_eq!(code(sign_in(false)), 3);
        assert_eq!(code(transport()), 5);
        assert_eq!(code(ApplyError::Arm(transport())), 5);
        assert_eq!(code(ApplyError::Arm(ArmError::SignIn(sign_in(false)))), 3);
        assert_eq!(code(DownloadError::Arm(transport())), 5);
        assert_eq!(code(late), 4);
        assert_eq!(code(InputProblems::default()), 2);
        assert_eq!(code(Cancelled(Signal::Terminate)), 143);
        assert_eq!(code(anyhow!("nobody foresaw this")), 70);
    }

    #[test]
    fn advice_comes_through_every_wrapping() {
        let wrapped = anyhow::Error::from(ApplyError::Arm(ArmError::SignIn(sign_in(false))));
        assert_eq!(advice_for(&wrapped).as_deref(), Some("do this"));
        let bug = advice_for(&anyhow!("nobody foresaw this")).unwrap();
        assert!(bug.contains("report it"), "{bug}");
    }
}
