//! Really running jobs: a command job as one process, a pipeline as a graph of them. Knows jobs, assets and blobs, no HTTP.

mod binding;
pub(crate) mod graph;
pub(crate) mod inputs;
mod locate;
mod log;
pub(crate) mod machine;
mod outputs;
pub(crate) mod process;
mod step;
mod wiring;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use self::work::Work;
use super::clock;
use super::job::{Output, Role, Status};
use super::state::State;

/// How a job or step ended.
#[derive(Debug)]
pub(crate) enum End {
    Completed(BTreeMap<String, Output>),
    /// With what `details.error` says.
    Failed(Value),
    /// With the reason, when it was not the user who asked for it.
    Canceled(Option<Value>),
}

/// Starts a job that was just written down.
pub(crate) fn start(state: &Arc<State>, name: &str) {
    let (state, name) = (Arc::clone(state), name.to_owned());
    let tasks = state.machine.tasks();
    tasks.spawn(async move {
        let Some(job) = state.jobs.get(&name) else {
            return;
        };
        let end = match job.role {
            Role::Command | Role::Step => match Work::of_command(&state, &job) {
                Ok(work) => step::run(&state, work, job.cancel.clone()).await,
                Err(message) => End::Failed(user_error(&state, &message)),
            },
            Role::Pipeline | Role::SubPipeline => match graph::Pipeline::of_job(&state, &job) {
                Ok(pipeline) => {
                    graph::run(
                        Arc::clone(&state),
                        name.clone(),
                        pipeline,
                        job.cancel.clone(),
                    )
                    .await
                }
                Err(message) => End::Failed(user_error(&state, &message)),
            },
        };
        finish(&state, &name, end);
    });
}

/// Writes down how a job ended.
fn finish(state: &State, name: &str, end: End) {
    let (status, error, outputs) = match end {
        End::Completed(outputs) => (Status::Completed, None, outputs),
        End::Failed(error) => (Status::Failed, Some(error), BTreeMap::new()),
        End::Canceled(reason) => (Status::Canceled, reason, BTreeMap::new()),
    };
    state.jobs.update(name, |job| {
        job.outputs.extend(outputs);
        job.error = error;
    });
    state.jobs.set_status(name, status);
}

/// The error object of a failed run, for a mistake of the user's.
fn user_error(state: &State, message: &str) -> Value {
    let operation = Uuid::new_v4().simple().to_string();
    let request = operation.get(..16).unwrap_or_default().to_owned();
    json!({
        "error": {
            "code": "UserError", "severity": null, "message": message, "messageFormat": message, "messageParameters": {},
            "referenceCode": null, "detailsUri": null, "target": null, "details": [],
            "innerError": {"code": "UserTrainingScriptFailed", "innerError": null}, "debugInfo": null, "additionalInfo": null,
        },
        "correlation": {"operation": operation, "request": request}, "environment": state.site.location,
        "location": state.site.location, "time": clock::stamp(clock::now()), "componentName": "RunHistory",
    })
}
