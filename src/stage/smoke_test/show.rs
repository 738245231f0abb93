//! What the user sees of a smoke test: the verdict, and of a failed one what was sent and what came back. Hosts mask secrets and
//! neutralise what is foreign; headers that could hold either are not shown at all.

use std::borrow::Cow;

use serde_json::json;

use super::{Ask, SmokeInputs};
use crate::azure::Azure;
use crate::azure::endpoints::{Container, Family, deployment_log};
use crate::azure::scoring::{Payload, Scored};
use crate::event::Event;
use crate::report::{SmokeTest, milliseconds};
use crate::stage::Context;

/// Bytes of a body that a log shows.
const SHOWN: usize = 4_000;

/// Lines of a deployment's log that are shown when its script failed.
const LOG_LINES: u32 = 30;

/// Headers that say what became of a request (service notes 14.4).
const TELLING: &[&str] = &[
    "azureml-model-deployment",
    "content-type",
    "ms-azureml-model-error-statuscode",
    "ms-azureml-model-error-reason",
    "x-ms-run-function-failed",
    "x-request-id",
    "retry-after",
];

/// A text up to a number of bytes, at a character's end.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    let shown = &text[..end.unwrap_or_default()];
    Cow::Owned(format!("{shown}… ({} bytes in all)", text.len()))
}

/// One line for each rule, and how long the calls took.
pub(super) fn verdict(context: &Context, test: &SmokeTest) {
    for check in &test.checks {
        let found = check
            .found
            .as_deref()
            .map_or(String::new(), |found| format!(": found {found}"));
        let word = if check.passed { "passed" } else { "failed" };
        context.note(format!("{word}: {}{found}", check.rule));
    }
    if let Some(latency) = &test.latency {
        context.note(format!(
            "{} call(s): p50 {}, p95 {}, p99 {}, max {}",
            test.calls,
            milliseconds(latency.p50),
            milliseconds(latency.p95),
            milliseconds(latency.p99),
            milliseconds(latency.max)
        ));
    }
}

/// What was sent and what came back.
pub(super) fn exchange(
    context: &Context,
    address: &str,
    deployment: Option<&str>,
    payload: &Payload,
    answer: &Scored,
) {
    context.emit(&Event::GroupStarted {
        title: "What was sent and what came back",
    });
    let chosen = deployment.map_or(String::new(), |name| format!(", to deployment {name}"));
    context.note(format!(
        "sent: POST {address}{chosen}, {} bytes of {}",
        payload.bytes.len(),
        payload.content_type
    ));
    body(context, "request", &payload.bytes);
    context.note(format!(
        "came back: HTTP {} after {}",
        answer.status,
        milliseconds(answer.latency)
    ));
    for name in TELLING {
        if let Some(value) = answer.header(name) {
            context.note(format!("{name}: {value}"));
        }
    }
    body(context, "answer", &answer.body);
    context.emit(&Event::GroupEnded);
}

fn body(context: &Context, source: &str, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        context.note(format!("{} bytes that are no text", bytes.len()));
        return;
    };
    for line in cut(text, SHOWN).lines() {
        context.emit(&Event::LogLine { source, line });
    }
}

/// The end of a deployment's log. One that cannot be had is no failure of its own.
pub(super) async fn log(context: &Context, azure: &Azure, endpoint: &str, deployment: &str) {
    let server = Container::InferenceServer;
    match deployment_log(azure, endpoint, deployment, server, LOG_LINES).await {
        Ok(text) if text.trim().is_empty() => {}
        Ok(text) => {
            context.emit(&Event::GroupStarted {
                title: &format!("Log of deployment {deployment}"),
            });
            for line in text.lines() {
                let source = deployment;
                context.emit(&Event::LogLine { source, line });
            }
            context.emit(&Event::GroupEnded);
        }
        Err(error) => {
            let text = format!("the log of deployment {deployment} cannot be read: {error}");
            context.warn(text, None);
        }
    }
}

/// What a dry run shows: where the request would go, and the request.
pub(super) fn plan(
    context: &Context,
    family: Family,
    endpoint: &str,
    deployment: Option<&str>,
    inputs: &SmokeInputs,
) -> anyhow::Result<()> {
    let to = deployment.map_or_else(
        || endpoint.to_owned(),
        |deployment| format!("{endpoint}/{deployment}"),
    );
    context.note(format!("POST to {} endpoint {to}", family.as_str()));
    let mut uploads = Vec::new();
    let mut request = json!({"method": "POST", "endpoint": endpoint, "deployment": deployment});
    match &inputs.ask {
        Ask::Request(payload) => {
            let times = if inputs.calls == 1 {
                String::new()
            } else {
                format!(", {} times", inputs.calls)
            };
            let (length, kind) = (payload.bytes.len(), payload.content_type);
            context.note(format!("{length} bytes of {kind}{times}"));
            body(context, "request", &payload.bytes);
            request["content-type"] = kind.into();
            request["body"] = String::from_utf8_lossy(&payload.bytes).into();
        }
        Ask::Job(_, plan) => {
            for upload in &plan.uploads {
                let (written, files) = (&upload.written, upload.files.len());
                context.note(format!("upload {written} ({files} files)"));
                uploads.push(json!({"path": written, "files": files, "hash": upload.hash}));
            }
            let inputs = plan.requests.last().map(|last| last.body.clone());
            let sent = inputs.unwrap_or_default();
            for line in serde_json::to_string_pretty(&sent)?.lines() {
                context.note(line);
            }
            request["body"] = json!({"properties": {"inputData": sent}});
        }
    }
    let mut report = context.report();
    report.plan = Some(json!({"uploads": uploads, "requests": [request]}));
    report.notes.push("dry run: nothing was sent".to_owned());
    Ok(())
}
