//! What is said of a deployment that failed or is late: its own log, and the cause when that is a known one. Knows the words, not
//! the causes.

use std::time::Duration;

use super::cause::{self, Cause, Evidence};
use super::named;
use crate::azure::endpoints::{Container, Family, deployment_log};
use crate::azure::{ArmError, Azure, advice};
use crate::event::Event;
use crate::stage::endpoint::Aim;
use crate::stage::{Context, Refused, WaitEnded};

/// Lines of each container's log that are shown.
const TAIL: u32 = 100;
/// A log that does not come soon does not keep anybody from the error.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows the deployment's log and turns the error into one that says what is likely wrong. An error that is not about the
/// deployment itself stays as it is.
pub(super) async fn explained(
    context: &Context,
    azure: &Azure,
    aim: &Aim,
    error: ArmError,
) -> anyhow::Error {
    match error {
        ArmError::Api(said) => {
            let cause = likely(context, azure, aim, &said.code, &said.message).await;
            let known = text_of(cause.as_ref());
            let error = ArmError::Api(said);
            Refused {
                message: format!("{} failed: {error}{known}", named(aim)),
                advice: cause
                    .map(|cause| cause.advice())
                    .or_else(|| advice::advice(&error)),
            }
            .into()
        }
        ArmError::TimedOut { state, after, .. } => {
            let cause = likely(context, azure, aim, "", "").await;
            let go_on = "The service goes on with it: running the stage again waits for it, and a longer `timeout` waits longer.";
            WaitEnded {
                message: format!(
                    "{} was not ready within {} s; last state: {state}{}",
                    named(aim),
                    after.as_secs(),
                    text_of(cause.as_ref())
                ),
                advice: cause.map_or(go_on.to_owned(), |cause| {
                    format!("{} {go_on}", cause.advice())
                }),
            }
            .into()
        }
        ArmError::SignIn(_)
        | ArmError::Denied(_)
        | ArmError::NotFound(_)
        | ArmError::Conflict(_)
        | ArmError::Throttled(_)
        | ArmError::Transport { .. }
        | ArmError::Decode { .. }
        | ArmError::Local { .. } => {
            anyhow::Error::from(error).context(format!("making {}", named(aim)))
        }
    }
}

/// Shows the logs and looks in them, and in what the service said, for a cause that is known.
async fn likely(
    context: &Context,
    azure: &Azure,
    aim: &Aim,
    code: &str,
    message: &str,
) -> Option<Cause> {
    let (server, initializer) = logs(context, azure, aim).await;
    cause::find(&Evidence {
        code,
        message,
        server: &server,
        initializer: &initializer,
    })
}

fn text_of(cause: Option<&Cause>) -> String {
    cause.map_or(String::new(), |cause| format!("\n{}", cause.text()))
}

/// The tails of the logs of both containers, which are shown on the way; empty where there is none. Batch deployments have none:
/// their jobs do.
async fn logs(context: &Context, azure: &Azure, aim: &Aim) -> (String, String) {
    if aim.family == Family::Batch {
        return (String::new(), String::new());
    }
    let name = aim.deployment.as_deref().unwrap_or_default();
    let ask = |container| deployment_log(azure, &aim.endpoint, name, container, TAIL);
    let both = async {
        futures::join!(
            ask(Container::InferenceServer),
            ask(Container::StorageInitializer)
        )
    };
    let (server, initializer) = tokio::select! {
        biased;
        both = both => both,
        () = azure.clock().alarm(PATIENCE) => {
            context.note(format!("no log of {} came within {} s", named(aim), PATIENCE.as_secs()));
            return (String::new(), String::new());
        }
    };
    // In the order in which they ran.
    let initializer = shown(context, aim, Container::StorageInitializer, initializer);
    let server = shown(context, aim, Container::InferenceServer, server);
    (server, initializer)
}

fn shown(
    context: &Context,
    aim: &Aim,
    container: Container,
    log: Result<String, ArmError>,
) -> String {
    let (what, source) = match container {
        Container::InferenceServer => ("inference server", "inference-server"),
        Container::StorageInitializer => ("storage initializer", "storage-initializer"),
    };
    match log {
        Ok(log) if log.trim().is_empty() => {
            context.note(format!("the {what} of {} wrote no log", named(aim)));
            String::new()
        }
        Ok(log) => {
            let title = format!("log of {}: {what}, last {TAIL} lines", named(aim));
            context.emit(&Event::GroupStarted { title: &title });
            for line in log.lines() {
                context.emit(&Event::LogLine { source, line });
            }
            context.emit(&Event::GroupEnded);
            log
        }
        Err(error) => {
            context.note(format!(
                "the log of the {what} of {} cannot be read: {error}",
                named(aim)
            ));
            String::new()
        }
    }
}
