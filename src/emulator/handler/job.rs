//! Jobs as ARM resources: GET, list, cancel, and how a job is answered. Submitting is in `submit`.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{fill, shape};
use super::submit;
use crate::emulator::job::{Job, Role, Status};
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::{self, PROVIDER};
use crate::emulator::state::State;

pub(crate) fn handle(state: &Arc<State>, call: &Call, rest: &[&str]) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", []) => list(state, call),
        ("GET", [name]) => {
            let job = find(state, name)?;
            Ok(request::ok(&body(state, &job)))
        }
        ("PUT", [name]) => submit::put(state, call, name),
        ("POST", [name, action]) if action.eq_ignore_ascii_case("cancel") => {
            cancel(state, call, name)
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} jobs{}",
            shape(rest)
        ))),
    }
}

pub(crate) fn find(state: &State, name: &str) -> Result<Job, Problem> {
    state.jobs.get(name).ok_or_else(|| {
        Problem::not_found(format!("Job {name} not found."), "JobNotFound")
            .format("Job {jobId} not found.", json!({"jobId": name}))
    })
}

/// The properties of a new job in the service's form: defaults filled, modes and nulls spelled out.
pub(super) fn described(state: &State, job: &Job) -> Value {
    let mut fields: Map<String, Value> = job.request.as_object().cloned().unwrap_or_default();
    fill(&mut fields, submit::defaults(job.role));
    let kind = if job.role == Role::Command {
        "Command"
    } else {
        "Pipeline"
    };
    fields.insert("jobType".to_owned(), kind.into());
    fields.insert("experimentName".to_owned(), job.experiment.clone().into());
    describe_bindings(&mut fields, "inputs", "jobInputType", "ReadOnlyMount");
    describe_bindings(&mut fields, "outputs", "jobOutputType", "ReadWriteMount");
    if job.role == Role::Command {
        let resources = fields.entry("resources").or_insert(Value::Null);
        if resources.is_null() {
            *resources = json!({});
        }
        if let Value::Object(resources) = resources {
            fill(
                resources,
                json!({"instanceCount": 1, "instanceType": null, "properties": null, "shmSize": "2g", "dockerArgs": null}),
            );
        }
        // This exact form, without `paths/`: clients cut the log prefix out of it.
        let default = json!({
            "jobOutputType": "uri_folder", "mode": "ReadWriteMount", "description": null,
            "uri": format!("azureml://datastores/{}/ExperimentRun/dcid.{}", site::ARTIFACT_STORE, job.name),
        });
        if let Some(Value::Object(outputs)) = fields.get_mut("outputs") {
            outputs.insert("default".to_owned(), default);
        }
    }
    let service = |kind: &str, endpoint: String| {
        json!({"jobServiceType": kind, "endpoint": endpoint, "port": null, "status": null, "errorMessage": null,
            "properties": null, "nodes": null})
    };
    let tracking = format!(
        "azureml://{}/mlflow/v1.0{}?",
        state.site.authority,
        state.site.id()
    );
    fields.insert(
        "services".to_owned(),
        json!({
            "Tracking": service("Tracking", tracking),
            "Studio": service("Studio", state.site.studio_url(&job.name)),
        }),
    );
    Value::Object(fields)
}

fn describe_bindings(fields: &mut Map<String, Value>, which: &str, kind: &str, mode: &str) {
    let Some(Value::Object(bindings)) = fields.get_mut(which) else {
        return;
    };
    for (_, binding) in bindings.iter_mut() {
        if binding.is_null() {
            *binding = json!({ kind: "uri_folder" });
        }
        if let Value::Object(binding) = binding {
            let literal = binding.get(kind).and_then(Value::as_str) == Some("literal");
            fill(binding, json!({"description": null}));
            if !literal {
                fill(binding, json!({"mode": mode, "uri": null}));
            }
        }
    }
}

/// The resource. A step answers no `properties`: what there is to know about it is in run history.
pub(crate) fn body(state: &State, job: &Job) -> Value {
    let mut resource = json!({
        "id": format!("{}/jobs/{}", state.site.id(), job.name), "name": job.name, "type": format!("{PROVIDER}/workspaces/jobs"),
    });
    if job.parent.is_none() {
        let mut properties = job.body.clone();
        properties["status"] = job.status.word().into();
        properties["displayName"] = job.display_name.clone().into();
        properties["description"] = job.description.clone();
        properties["tags"] = Value::Object(job.tags.clone());
        properties["properties"] = Value::Object(job.properties.clone());
        properties["isArchived"] = job.is_archived.into();
        resource["properties"] = properties;
    }
    resource["systemData"] = State::system_data(job.created, job.created);
    resource
}

fn list(state: &State, call: &Call) -> Reply {
    let view = call
        .query("listViewType")
        .unwrap_or("ActiveOnly")
        .to_lowercase();
    for filter in ["properties", "scheduled", "scheduleId", "assetName"] {
        if call.query(filter).is_some() {
            let operation = format!("GET jobs by {filter}");
            return Err(Problem::not_implemented(&operation));
        }
    }
    let (kind, tag) = (call.query("jobType"), call.query("tag"));
    let mut jobs = state.jobs.roots();
    jobs.reverse();
    jobs.retain(|job| {
        let in_view = match view.as_str() {
            "all" => true,
            "archivedonly" => job.is_archived,
            _ => !job.is_archived,
        };
        let is_kind = kind.is_none_or(|kind| {
            job.body["jobType"]
                .as_str()
                .is_some_and(|own| own.eq_ignore_ascii_case(kind))
        });
        let has_tag = tag.is_none_or(|tag| match tag.split_once('=') {
            Some((key, value)) => job.tags.get(key).and_then(Value::as_str) == Some(value),
            None => job.tags.contains_key(tag),
        });
        in_view && is_kind && has_tag
    });
    const PAGE: usize = 100;
    let number = |name| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let skip = number("$skip").unwrap_or(0);
    let size = number("$top").unwrap_or(PAGE).min(PAGE);
    let page: Vec<Value> = jobs
        .iter()
        .skip(skip)
        .take(size)
        .map(|job| body(state, job))
        .collect();
    let more = skip + page.len() < jobs.len() && !page.is_empty();
    let next = more.then(|| {
        let version = call.query("api-version").unwrap_or("");
        format!(
            "{}{}/jobs?api-version={version}&$skip={}&$top={size}&listViewType={}",
            state.site.endpoint,
            state.site.id(),
            skip + page.len(),
            call.query("listViewType").unwrap_or("ActiveOnly")
        )
    });
    Ok(request::ok(&json!({"value": page, "nextLink": next})))
}

/// 202 with a `Location` to ask at; what had ended already stays as it is.
fn cancel(state: &State, call: &Call, name: &str) -> Reply {
    let job = find(state, name)?;
    request_cancel(state, &job);
    let answer = request::json(StatusCode::ACCEPTED, &Value::Null);
    let answer = request::with(answer, "location", &result_url(state, call, &job.name));
    Ok(request::with(
        answer,
        "x-ms-async-operation-timeout",
        "PT1H",
    ))
}

fn request_cancel(state: &State, job: &Job) {
    state.jobs.set_status(&job.name, Status::CancelRequested);
    job.cancel.cancel();
}

fn result_url(state: &State, call: &Call, name: &str) -> String {
    format!(
        "{}/subscriptions/{}/providers/{PROVIDER}/locations/{}/mfeOperationResults/jc:{}:{name}?api-version={}",
        state.site.endpoint,
        state.site.subscription,
        state.site.location,
        state.site.workspace_id,
        call.query("api-version").unwrap_or("")
    )
}

/// `GET .../mfeOperationResults/jc:<workspace>:<job>`: 202 with `{}` while it ends, 200 and nothing when it has.
pub(crate) fn cancel_result(state: &State, call: &Call, id: &str) -> Reply {
    let name = id.strip_prefix("jc:").and_then(|rest| rest.split_once(':'));
    let Some((_, name)) = name else {
        return Err(Problem::not_implemented(&format!(
            "GET mfeOperationResults/{id}"
        )));
    };
    let job = find(state, name)?;
    if job.status.is_final() {
        return Ok(request::empty(StatusCode::OK));
    }
    let answer = request::json(StatusCode::ACCEPTED, &json!({}));
    let answer = request::with(answer, "location", &result_url(state, call, name));
    Ok(request::with(answer, "retry-after-ms", "50"))
}
