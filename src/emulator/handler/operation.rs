//! Long-running operations on the wire: the headers of a first answer, and what their addresses answer. Knows no resource.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::asset::own_url;
use crate::emulator::clock;
use crate::emulator::operation::Progress;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;

/// How soon a client should look again. The service says nothing, and clients then wait five to thirty seconds.
const LOOK_AGAIN_MS: &str = "20";

/// What `Location` of a first answer names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    Resource,
    Result,
}

/// The address of an operation's status, or of its result. `prefix` says what kind of resource it is about.
fn url(state: &State, call: &Call, what: &str, prefix: &str, id: &str) -> String {
    let site = &state.site;
    format!(
        "{}/subscriptions/{}/providers/{PROVIDER}/locations/{}/{what}/{prefix}:{}:{id}?api-version={}",
        site.endpoint,
        site.subscription,
        site.location,
        site.workspace_id,
        call.query("api-version").unwrap_or("")
    )
}

/// As `properties.properties.AzureAsyncOperationUri` says it.
pub(super) fn status_url(state: &State, call: &Call, prefix: &str, id: &str) -> String {
    url(state, call, "mfeOperationsStatus", prefix, id)
}

/// Adds the headers of an operation that has begun.
pub(super) fn begun(
    state: &State,
    call: &Call,
    answer: Response,
    (prefix, id): (&str, &str),
    location: Location,
) -> Response {
    let status = status_url(state, call, prefix, id);
    let location = match location {
        Location::Resource => own_url(state, call),
        Location::Result => url(state, call, "mfeOperationResults", prefix, id),
    };
    let answer = request::with(answer, "azure-asyncoperation", &status);
    let answer = request::with(answer, "location", &location);
    request::with(answer, "x-ms-async-operation-timeout", "PT30M")
}

/// `GET .../mfeOperationsStatus/<prefix>:<workspace>:<id>`. A failure is answered with 200.
pub(crate) fn status(state: &State, name: &str) -> Reply {
    let (prefix, id) = parts(name);
    let progress = state.operations.look(id).ok_or_else(|| unknown(name))?;
    let word = match &progress {
        Progress::Running => "Updating",
        Progress::Done => "Succeeded",
        Progress::Failed(_) => "Failed",
    };
    let site = &state.site;
    let path = format!(
        "/subscriptions/{}/providers/{PROVIDER}/locations/{}/mfeOperationsStatus/{name}",
        site.subscription, site.location
    );
    let mut body = json!({"id": path, "name": name, "status": word});
    // Batch operations answer no more than that.
    if !matches!(prefix, "bebes" | "bdbes") {
        let started = state.operations.started(id);
        body["startTime"] = clock::stamp(started.unwrap_or_else(clock::now)).into();
        body["percentComplete"] = 0.0.into();
        body["endTime"] = match progress {
            Progress::Running => "0001-01-01T00:00:00+00:00".into(),
            Progress::Done | Progress::Failed(_) => clock::stamp(clock::now()).into(),
        };
    }
    if let Progress::Failed(failure) = progress {
        body["error"] = json!({"code": failure.code, "message": failure.message});
    }
    let answer = request::ok(&body);
    Ok(request::with(answer, "retry-after-ms", LOOK_AGAIN_MS))
}

/// `GET .../mfeOperationResults/<prefix>:<workspace>:<id>`: 202 while it lasts, then nothing.
pub(crate) fn result(state: &State, call: &Call, name: &str) -> Reply {
    let (prefix, id) = parts(name);
    match state.operations.look(id).ok_or_else(|| unknown(name))? {
        Progress::Running => {
            let answer = request::json(StatusCode::ACCEPTED, &Value::Null);
            let again = url(state, call, "mfeOperationResults", prefix, id);
            let answer = request::with(answer, "location", &again);
            Ok(request::with(answer, "retry-after-ms", LOOK_AGAIN_MS))
        }
        Progress::Done => Ok(request::empty(StatusCode::NO_CONTENT)),
        Progress::Failed(failure) => {
            let code = failure.code.as_str();
            Err(Problem::arm(StatusCode::BAD_REQUEST, code, failure.message))
        }
    }
}

fn parts(name: &str) -> (&str, &str) {
    let prefix = name.split(':').next().unwrap_or(name);
    (prefix, name.rsplit(':').next().unwrap_or(name))
}

fn unknown(name: &str) -> Problem {
    Problem::arm(
        StatusCode::NOT_FOUND,
        "NotFound",
        format!("The operation {name} was not found."),
    )
}
