//! What happens to a job's PUT: it is checked as the service checks it, written down, and started; a second one may edit a few words.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::own_url;
use super::{code, component, environment, job, unserved};
use crate::emulator::asset::{AssetKind, Pick};
use crate::emulator::auth;
use crate::emulator::execute;
use crate::emulator::job::{Job, Role, Status};
use crate::emulator::problem::Problem;
use crate::emulator::reference::{self, Reference};
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

/// What a second PUT may change.
const EDITABLE: [&str; 5] = [
    "description",
    "tags",
    "displayName",
    "properties",
    "isArchived",
];

pub(super) fn put(state: &Arc<State>, call: &Call, name: &str) -> Reply {
    let Value::Object(sent) = call.json()?["properties"].take() else {
        return Err(Problem::bad_request("The body has no properties."));
    };
    // One that is there is not judged again: what it was taken with may be gone by now.
    if let Some(old) = state.jobs.get(name) {
        return edit(state, &old, &sent);
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.len() > 255 || !name.chars().all(plain) || name.starts_with(['-', '_']) {
        return Err(Problem::bad_request(format!(
            "The job name '{name}' is invalid: letters, digits, '-' and '_', beginning with a letter or a digit, at most 255 of them."
        )));
    }
    let kind = sent.get("jobType").and_then(Value::as_str).unwrap_or("");
    let role = match kind.to_lowercase().as_str() {
        "command" => Role::Command,
        "pipeline" => Role::Pipeline,
        "" => return Err(Problem::bad_request("The field 'jobType' is required.")),
        _ => return Err(Problem::not_implemented(&format!("PUT jobs ({kind})"))),
    };
    let as_user = sent
        .get("identity")
        .and_then(|identity| identity["identityType"].as_str())
        == Some("UserIdentity");
    if role == Role::Pipeline || as_user {
        auth::require_job_token(&state.site, call)?;
    }
    let target = match role {
        Role::Command => check_command(state, &sent)?,
        Role::Pipeline | Role::Step | Role::SubPipeline => check_pipeline(state, &sent)?,
    };
    let job = new_job(state, name, role, sent.clone(), target);
    // Of two that come at once under one name only one is run.
    if let Some(first) = state.jobs.put_new(&job) {
        return edit(state, &first, &sent);
    }
    execute::start(state, name);
    let answer = request::json(StatusCode::CREATED, &job::body(state, &job));
    Ok(request::with(answer, "location", &own_url(state, call)))
}

pub(super) fn new_job(
    state: &State,
    name: &str,
    role: Role,
    sent: Map<String, Value>,
    target: Option<String>,
) -> Job {
    let text = |field: &str| sent.get(field).and_then(Value::as_str);
    let object = |field: &str| sent.get(field).and_then(Value::as_object).cloned();
    let mut job = Job::new(name, role, state.closing.child_token());
    job.experiment = text("experimentName").unwrap_or("Default").to_owned();
    job.display_name = text("displayName").unwrap_or(name).to_owned();
    job.description = sent.get("description").cloned().unwrap_or(Value::Null);
    job.tags = object("tags").unwrap_or_default();
    job.properties = object("properties").unwrap_or_default();
    job.is_archived = sent.get("isArchived") == Some(&Value::Bool(true));
    let computed = target.clone().unwrap_or_default();
    job.target = target;
    if role == Role::Pipeline {
        job.status = Status::Preparing;
        let settings = sent.get("settings").cloned().unwrap_or(Value::Null);
        let parameters: Map<String, Value> = object("inputs")
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, input)| Some((name, input.get("value")?.clone())))
            .collect();
        let go_on = settings["continue_on_step_failure"] == true;
        for (key, value) in [
            ("azureml.DevPlatv2", "true".to_owned()),
            ("azureml.runsource", "azureml.PipelineRun".to_owned()),
            ("runSource", "MFE".to_owned()),
            ("runType", "HTTP".to_owned()),
            ("azureml.parameters", Value::Object(parameters).to_string()),
            (
                "azureml.continue_on_step_failure",
                if go_on { "True" } else { "False" }.to_owned(),
            ),
            (
                "azureml.continue_on_failed_optional_input",
                "True".to_owned(),
            ),
            ("azureml.defaultComputeName", computed),
            ("azureml.pipelineComponent", "pipelinerun".to_owned()),
        ] {
            job.properties.insert(key.to_owned(), value.into());
        }
    } else {
        job.status = Status::Starting;
        job.properties
            .insert("_azureml.ComputeTargetType".to_owned(), "amlctrain".into());
    }
    job.request = Value::Object(sent);
    job.body = job::described(state, &job);
    job
}

/// A second PUT under the same name.
fn edit(state: &State, old: &Job, sent: &Map<String, Value>) -> Reply {
    for (field, value) in sent {
        let same = old.request.get(field).unwrap_or(&Value::Null) == value;
        let is_words = EDITABLE.contains(&field.as_str());
        // A client that sends back what it read has the service's own fields in it.
        let is_answer =
            old.body.get(field) == Some(value) || field == "status" || field == "services";
        if !same && !is_words && !is_answer {
            return Err(immutable(field));
        }
    }
    if let Some(Value::Object(properties)) = sent.get("properties") {
        let changed = |(key, value): (&String, &Value)| {
            old.properties.get(key).is_some_and(|known| known != value)
        };
        if properties.iter().any(changed) {
            return Err(immutable("properties"));
        }
    }
    let job = state.jobs.update(&old.name, |job| {
        if let Some(text) = sent.get("displayName").and_then(Value::as_str) {
            text.clone_into(&mut job.display_name);
        }
        if let Some(description) = sent.get("description") {
            job.description = description.clone();
        }
        if let Some(Value::Object(tags)) = sent.get("tags") {
            job.tags = tags.clone();
        }
        if let Some(Value::Object(properties)) = sent.get("properties") {
            job.properties.extend(properties.clone());
        }
        if let Some(Value::Bool(archived)) = sent.get("isArchived") {
            job.is_archived = *archived;
        }
        job.clone()
    });
    Ok(request::ok(&job::body(
        state,
        &job.unwrap_or_else(|| old.clone()),
    )))
}

fn immutable(field: &str) -> Problem {
    Problem::conflict(format!(
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are trying to update an existing job, the existing job's {field} cannot be changed. Only description, tags, displayName, properties, and isArchived can be updated."
    ))
}

fn check_command(state: &State, sent: &Map<String, Value>) -> Result<Option<String>, Problem> {
    unserved::refuse_in_command(sent)?;
    let text = |field: &str| sent.get(field).and_then(Value::as_str);
    if text("command").is_none_or(|command| command.trim().is_empty()) {
        return Err(Problem::bad_request("The field 'command' is required."));
    }
    if let Some(code) = text("codeId") {
        check_asset(state, code, AssetKind::Code)?;
    }
    let Some(environment) = text("environmentId") else {
        return Err(Problem::bad_request(
            "The field 'environmentId' is required.",
        ));
    };
    check_asset(state, environment, AssetKind::Environment)?;
    check_compute(state, text("computeId"))
}

pub(super) fn check_asset(state: &State, id: &str, kind: AssetKind) -> Result<(), Problem> {
    let (name, version) = match reference::parse(id, kind) {
        Some(Reference::Curated(_)) => return Ok(()),
        Some(Reference::Asset(found, name, pick)) if found == kind => {
            if state.assets.find(kind, &name, &pick).is_some() {
                return Ok(());
            }
            let version = match pick {
                Pick::Version(version) => version,
                Pick::Latest => "latest".to_owned(),
            };
            (name, version)
        }
        Some(Reference::Asset(..)) | None => {
            return Err(Problem::bad_request(format!(
                "The id '{id}' is not one of {}.",
                kind.segment()
            )));
        }
    };
    Err(match kind {
        AssetKind::Environment => environment::missing(&name, &version),
        AssetKind::Component => component::missing_in_pipeline(id),
        AssetKind::Code | AssetKind::Data | AssetKind::Model => {
            (code::RULES.missing_version)(&name, &version)
        }
    })
}

/// The compute's name, `None` for serverless.
pub(super) fn check_compute(state: &State, id: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(name) = id.and_then(reference::compute_name) else {
        return Ok(None);
    };
    if state.computes.get(name).is_none() {
        return Err(Problem::user(
            StatusCode::BAD_REQUEST,
            format!("Unknown compute target '{name}'."),
            &["BadArgument", "ComputeNotFound"],
        ));
    }
    Ok(Some(name.to_owned()))
}

fn check_pipeline(state: &State, sent: &Map<String, Value>) -> Result<Option<String>, Problem> {
    let steps = sent.get("jobs").and_then(Value::as_object);
    let Some(steps) = steps.filter(|steps| !steps.is_empty()) else {
        return Err(Problem::bad_request("A pipeline needs at least one job."));
    };
    unserved::refuse_in_pipeline(sent)?;
    let settings = sent.get("settings").cloned().unwrap_or(Value::Null);
    let given = sent.get("computeId").and_then(Value::as_str);
    let default = settings["default_compute"].as_str().or(given);
    let target = check_compute(state, default)?;
    for (name, step) in steps {
        check_step(state, name, step)?;
    }
    execute::graph::check(steps).map_err(Problem::bad_request)?;
    Ok(target)
}

fn check_step(state: &State, name: &str, step: &Value) -> Result<(), Problem> {
    let kind = step["type"].as_str().unwrap_or("command");
    if !matches!(kind, "command" | "pipeline") {
        return Err(Problem::not_implemented(&format!(
            "PUT jobs (pipeline step of type {kind})"
        )));
    }
    check_compute(state, step["computeId"].as_str())?;
    let Some(id) = step["componentId"].as_str() else {
        return Err(Problem::bad_request(format!(
            "The step '{name}' has no componentId."
        )));
    };
    let Some(spec) = component::spec(state, id) else {
        return Err(component::missing_in_pipeline(id));
    };
    unserved::refuse_in_step(step, &spec)?;
    let given = |input: &str| !step["inputs"][input].is_null();
    let declared = spec["inputs"].as_object().into_iter().flatten();
    for (input, definition) in declared {
        let spared = definition["optional"] == "True" || !definition["default"].is_null();
        // Inputs of a group are given with dots in their names, one by one.
        let is_group = definition["type"] == "group" || definition.get("type").is_none();
        if !spared && !is_group && !given(input) {
            return Err(Problem::bad_request(format!(
                "The required input '{input}' of step '{name}' is not provided."
            )));
        }
    }
    // A pipeline component brings steps of its own.
    let inner = spec["jobs"].as_object().into_iter().flatten();
    for (inner, step) in inner.filter(|_| kind == "pipeline") {
        check_step(state, &format!("{name}.{inner}"), step)?;
    }
    Ok(())
}

/// Which properties a command or pipeline job answers even if they were not sent.
pub(super) fn defaults(role: Role) -> Value {
    let common = json!({
        "description": null, "tags": {}, "properties": {}, "isArchived": false, "identity": null, "componentId": null,
        "computeId": null, "notificationSetting": null, "inputs": {}, "outputs": {},
    });
    let own = if role == Role::Command {
        json!({
            "codeId": null, "environmentVariables": {}, "limits": null, "distribution": null, "autologgerSettings": null,
            "parameters": {}, "secretsConfiguration": {}, "queueSettings": {"jobTier": "Null", "priority": null},
        })
    } else {
        json!({"settings": {}, "sourceJobId": null})
    };
    let mut all = common;
    if let (Some(all), Value::Object(own)) = (all.as_object_mut(), own) {
        all.extend(own);
    }
    all
}
