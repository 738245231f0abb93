//! MLflow's REST for what jobs log: metrics, parameters, tags. The run of a job has the job's name.
//! <https://mlflow.org/docs/latest/rest-api.html>

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::run::experiment_id;
use crate::emulator::clock;
use crate::emulator::job::{Job, Metric, Role, Status};
use crate::emulator::problem::{Dialect, Problem};
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

pub(crate) fn handle(state: &State, call: &Call, operation: &str) -> Reply {
    match (call.method.as_str(), operation) {
        ("POST", "runs/log-metric") => {
            let body = json_of(call)?;
            log(state, &body, &json!({ "metrics": [body] }))
        }
        ("POST", "runs/log-parameter" | "runs/log-param") => {
            let body = json_of(call)?;
            log(state, &body, &json!({ "params": [body] }))
        }
        ("POST", "runs/set-tag") => {
            let body = json_of(call)?;
            log(state, &body, &json!({ "tags": [body] }))
        }
        ("POST", "runs/log-batch") => {
            let body = json_of(call)?;
            log(state, &body, &body)
        }
        ("POST", "runs/update") => update(state, call),
        ("POST", "runs/create") => create(state, call),
        ("GET", "runs/get") => {
            let id = call.query("run_id").or_else(|| call.query("run_uuid"));
            let job = find(state, id.unwrap_or(""))?;
            Ok(request::ok(&json!({ "run": run(state, &job) })))
        }
        ("GET", "metrics/get-history") => history(state, call),
        ("GET", "experiments/get-by-name") => {
            let name = call.query("experiment_name").unwrap_or("");
            experiment(state, &|job| job.experiment == name)
        }
        ("GET", "experiments/get") => {
            let id = call.query("experiment_id").unwrap_or("");
            experiment(state, &|job| experiment_id(&job.experiment) == id)
        }
        (method, operation) => Err(Problem::not_implemented(&format!(
            "{method} mlflow {operation}"
        ))),
    }
}

fn invalid(message: impl Into<String>) -> Problem {
    let status = StatusCode::BAD_REQUEST;
    Problem::new(status, Dialect::Mlflow, "INVALID_PARAMETER_VALUE", message)
}

fn missing(message: impl Into<String>) -> Problem {
    let status = StatusCode::NOT_FOUND;
    Problem::new(status, Dialect::Mlflow, "RESOURCE_DOES_NOT_EXIST", message)
}

fn json_of(call: &Call) -> Result<Value, Problem> {
    serde_json::from_slice(&call.body)
        .map_err(|error| invalid(format!("Malformed request: {error}")))
}

fn find(state: &State, id: &str) -> Result<Job, Problem> {
    state
        .jobs
        .get(id)
        .ok_or_else(|| missing(format!("Run with id {id} was not found.")))
}

fn metric(value: &Value) -> Result<Metric, Problem> {
    let key = value["key"].as_str().filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| invalid("Missing value for required parameter 'key'."))?;
    let number = &value["value"];
    // Infinities and NaN travel as words.
    let fits =
        number.is_number() || matches!(number.as_str(), Some("NaN" | "Infinity" | "-Infinity"));
    if !fits {
        return Err(invalid(format!(
            "Invalid value for metric '{key}': {number}."
        )));
    }
    let integer = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    Ok(Metric {
        key: key.to_owned(),
        value: number.clone(),
        timestamp: integer(&value["timestamp"]).unwrap_or_else(|| clock::millis(clock::now())),
        step: integer(&value["step"]).unwrap_or(0),
    })
}

fn pairs(value: &Value) -> Result<Vec<(String, String)>, Problem> {
    let pair = |one: &Value| {
        let key = one["key"].as_str().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| invalid("Missing value for required parameter 'key'."))?;
        let text = one["value"]
            .as_str()
            .map_or_else(|| one["value"].to_string(), str::to_owned);
        Ok((key.to_owned(), text))
    };
    value.as_array().into_iter().flatten().map(pair).collect()
}

fn log(state: &State, request: &Value, batch: &Value) -> Reply {
    let id = request["run_id"]
        .as_str()
        .or_else(|| request["run_uuid"].as_str());
    let job = find(state, id.unwrap_or(""))?;
    let metrics = batch["metrics"].as_array().into_iter().flatten();
    let metrics = metrics.map(metric).collect::<Result<Vec<_>, _>>()?;
    let (params, tags) = (pairs(&batch["params"])?, pairs(&batch["tags"])?);
    for (key, value) in &params {
        let known = job.parameters.iter().find(|(known, _)| known == key);
        if let Some((_, old)) = known.filter(|(_, old)| old != value) {
            return Err(invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run ID='{}'. Attempted logging new value '{value}'.",
                job.name
            )));
        }
    }
    state.jobs.update(&job.name, |job| {
        job.metrics.extend(metrics);
        for pair in params {
            if !job.parameters.contains(&pair) {
                job.parameters.push(pair);
            }
        }
        job.tags.extend(
            tags.into_iter()
                .map(|(key, value)| (key, Value::from(value))),
        );
    });
    Ok(request::ok(&json!({})))
}

/// A run that was begun over MLflow takes its end from there; a job's end is the job's own.
fn update(state: &State, call: &Call) -> Reply {
    let body = json_of(call)?;
    let job = find(state, body["run_id"].as_str().unwrap_or(""))?;
    if job.body.is_null() {
        let status = match body["status"].as_str() {
            Some("FINISHED") => Status::Completed,
            Some("FAILED") => Status::Failed,
            Some("KILLED") => Status::Canceled,
            Some(_) | None => Status::Running,
        };
        state.jobs.set_status(&job.name, status);
    }
    let job = find(state, &job.name)?;
    Ok(request::ok(&json!({"run_info": run(state, &job)["info"]})))
}

fn create(state: &State, call: &Call) -> Reply {
    let body = json_of(call)?;
    let id = Uuid::new_v4().to_string();
    let mut job = Job::new(&id, Role::Command, state.closing.child_token());
    let wanted = body["experiment_id"].as_str().unwrap_or("");
    let known = state.jobs.roots().into_iter().map(|job| job.experiment);
    let mut known = known.filter(|name| experiment_id(name) == wanted);
    job.experiment = known.next().unwrap_or_else(|| "Default".to_owned());
    if let Some(name) = body["run_name"].as_str() {
        name.clone_into(&mut job.display_name);
    }
    for (key, value) in pairs(&body["tags"])? {
        job.tags.insert(key, value.into());
    }
    job.status = Status::Running;
    job.started = Some(clock::now());
    state.jobs.put(job.clone());
    Ok(request::ok(&json!({ "run": run(state, &job) })))
}

fn history(state: &State, call: &Call) -> Reply {
    let id = call.query("run_id").or_else(|| call.query("run_uuid"));
    let job = find(state, id.unwrap_or(""))?;
    let key = call.query("metric_key").unwrap_or("");
    let metrics = job.metrics.iter().filter(|metric| metric.key == key);
    let metrics: Vec<Value> = metrics.map(metric_body).collect();
    Ok(request::ok(&json!({ "metrics": metrics })))
}

fn metric_body(metric: &Metric) -> Value {
    json!({"key": metric.key, "value": metric.value, "timestamp": metric.timestamp, "step": metric.step})
}

fn experiment(state: &State, wanted: &dyn Fn(&Job) -> bool) -> Reply {
    let jobs = state.jobs.roots();
    let Some(job) = jobs.iter().find(|job| wanted(job)) else {
        return Err(missing("The experiment was not found."));
    };
    Ok(request::ok(&json!({"experiment": {
        "experiment_id": experiment_id(&job.experiment), "name": job.experiment, "lifecycle_stage": "active",
        "artifact_location": "", "tags": [],
    }})))
}

fn run(state: &State, job: &Job) -> Value {
    let millis = |at: Option<time::OffsetDateTime>| at.map(clock::millis);
    let artifacts = format!(
        "azureml://{}/mlflow/v2.0{}/experiments/{}/runs/{}/artifacts",
        state.site.authority,
        state.site.id(),
        experiment_id(&job.experiment),
        job.name
    );
    let metrics = job.last_metrics();
    let metrics: Vec<Value> = metrics.values().map(|metric| metric_body(metric)).collect();
    let params = job.parameters.iter();
    let params: Vec<Value> = params
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let mut tags: Vec<Value> = job
        .tags
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    tags.push(json!({"key": "mlflow.runName", "value": job.display_name}));
    tags.push(json!({"key": "mlflow.rootRunId", "value": job.root}));
    if let Some(parent) = &job.parent {
        tags.push(json!({"key": "mlflow.parentRunId", "value": parent}));
    }
    json!({
        "info": {
            "run_id": job.name, "run_uuid": job.name, "run_name": job.display_name, "experiment_id": experiment_id(&job.experiment),
            "user_id": "", "status": job.status.mlflow(), "start_time": millis(job.started.or(Some(job.created))),
            "end_time": millis(job.ended), "artifact_uri": artifacts, "lifecycle_stage": "active",
        },
        "data": {"metrics": metrics, "params": params, "tags": tags},
    })
}
