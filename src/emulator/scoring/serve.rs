//! The scoring address of an online endpoint: who may call, which deployment answers, and how its answer looks from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use uuid::Uuid;

use super::worker::{Answer, Outcome, Request, Worker};
use crate::emulator::endpoint::{Counts, Deployment, Endpoint, Kind, Look};
use crate::emulator::handler::online_endpoint;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

pub(crate) const DEPLOYMENT: &str = "azureml-model-deployment";

/// `POST /online/<endpoint>/score`.
pub(crate) async fn score(state: &Arc<State>, call: &Call, name: &str) -> Reply {
    let (operations, kind) = (&state.operations, Kind::Online);
    let endpoint = state.endpoints.find(operations, kind, name, Look::Not);
    let endpoint = endpoint.ok_or_else(|| nobody("There is no endpoint at this address."))?;
    online_endpoint::admit(state, call, &endpoint)?;
    let named = call.header(DEPLOYMENT);
    let deployment = match named {
        Some(named) => find(state, &endpoint, named).ok_or_else(|| {
            nobody("The deployment that azureml-model-deployment names does not exist.")
        })?,
        None => by_traffic(state, &endpoint)?,
    };
    let counts = Arc::clone(&deployment.counts);
    let count = if named.is_some() {
        &counts.by_name
    } else {
        mirror(state, call, &endpoint);
        &counts.live
    };
    let name = deployment.name.clone();
    // Only the process is held while it answers: the rest may change meanwhile.
    let worker = deployment.worker;
    let worker = worker.ok_or_else(|| nobody("The deployment is not ready."))?;
    let outcome = asked(&worker, &counts, count, of(call)).await;
    let answer = request::with(answered(outcome), DEPLOYMENT, &name);
    let answer = request::with(answer, "server", "azureml-frontdoor");
    let answer = match call.header("x-ms-client-request-id") {
        Some(id) => request::with(answer, "x-ms-client-request-id", id),
        None => answer,
    };
    Ok(request::with(
        answer,
        "x-request-id",
        &Uuid::new_v4().to_string(),
    ))
}

fn find(state: &State, endpoint: &Endpoint, name: &str) -> Option<Deployment> {
    let pair = (endpoint.name.as_str(), name);
    state
        .endpoints
        .find_deployment(&state.operations, Kind::Online, pair, Look::Not)
}

fn by_traffic(state: &State, endpoint: &Endpoint) -> Result<Deployment, Problem> {
    let split = endpoint.resource.split("traffic");
    let chosen = split.at(endpoint.live.draw());
    chosen
        .and_then(|name| find(state, endpoint, name))
        .ok_or_else(|| nobody("The endpoint has no deployment with positive traffic."))
}

fn nobody(message: &str) -> Problem {
    Problem::arm(StatusCode::NOT_FOUND, "NotFound", message)
}

fn of(call: &Call) -> Request {
    let headers = call.headers.iter();
    let headers = headers.filter(|(name, _)| *name != "authorization");
    Request {
        method: call.method.clone(),
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.as_str().to_owned(), value.into_owned())
            })
            .collect(),
        query: call.query.clone(),
        body: call.body.to_vec(),
    }
}

async fn asked(worker: &Worker, counts: &Counts, count: &AtomicU64, request: Request) -> Outcome {
    count.fetch_add(1, Ordering::Relaxed);
    let outcome = worker.ask(request).await;
    let is_good = matches!(&outcome, Outcome::Answered(answer) if is_success(answer));
    if !is_good {
        counts.failed.fetch_add(1, Ordering::Relaxed);
    }
    outcome
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// Sends a copy to the deployment that has mirrored traffic; nobody waits for what it says.
fn mirror(state: &Arc<State>, call: &Call, endpoint: &Endpoint) {
    let split = endpoint.resource.split("mirrorTraffic");
    if split.sum() == 0 {
        return;
    }
    let chosen = split.at(endpoint.mirror.draw());
    let Some(deployment) = chosen.and_then(|name| find(state, endpoint, name)) else {
        return;
    };
    if let Some(worker) = deployment.worker {
        let (counts, request) = (deployment.counts, of(call));
        state.machine.tasks().spawn(async move {
            asked(&worker, &counts, &counts.mirrored, request).await;
        });
    }
}

fn answered(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Answered(answer) => from_script(answer),
        Outcome::TimedOut => plain(
            StatusCode::REQUEST_TIMEOUT,
            "The request timed out: the scoring script took longer than request_settings.request_timeout_ms.",
        ),
        Outcome::Unreachable => plain(
            StatusCode::BAD_GATEWAY,
            "upstream connect error or disconnect/reset before headers. The container is not reachable.",
        ),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// What a script does not answer with success is a model's error, 424 with the original status in a header.
fn from_script(answer: Answer) -> Response {
    let is_good = is_success(&answer);
    let original = answer.status.to_string();
    let status = if is_good {
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK)
    } else {
        StatusCode::FAILED_DEPENDENCY
    };
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        // The body's length and how it is sent are the server's business.
        if matches!(
            name.to_lowercase().as_str(),
            "content-length" | "transfer-encoding" | "connection"
        ) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    let raised = if answer.raised { "True" } else { "False" };
    let response = request::with(response, "x-ms-run-function-failed", raised);
    let millis = format!("{:.3}", answer.millis);
    let response = request::with(response, "x-ms-run-fn-exec-ms", &millis);
    if is_good {
        return response;
    }
    let response = request::with(response, "ms-azureml-model-error-statuscode", &original);
    request::with(response, "ms-azureml-model-error-reason", "model_error")
}
