//! Online deployments: what they may be made of, their process, and its logs.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::deployment::{Rules, fill_deep};
use super::submit::check_asset;
use crate::emulator::asset::{AssetKind, Version};
use crate::emulator::endpoint::{Deployment, Endpoint, Kind, key};
use crate::emulator::operation::Failure;
use crate::emulator::problem::Problem;
use crate::emulator::reference::{self, Reference};
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::scoring::prepare::{self, Order};
use crate::emulator::scoring::worker::Worker;
use crate::emulator::state::State;

/// How many lines of a log are answered when nobody said.
const TAIL: u64 = 5000;

pub(super) static RULES: Rules = Rules {
    kind: Kind::Online,
    operation: "od",
    prepare,
    recipe: |properties| {
        let environment = properties.get("environmentId").unwrap_or(&Value::Null);
        Order::of(properties).recipe(environment)
    },
    provision,
    may_delete,
    action,
};

fn prepare(state: &State, properties: &mut Map<String, Value>) -> Result<(), Problem> {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let compute = text("endpointComputeType").unwrap_or("");
    if !matches!(compute, "Managed" | "Kubernetes") {
        return Err(Problem::bad_request(
            "The field 'endpointComputeType' must be Managed or Kubernetes.",
        ));
    }
    if compute == "Managed" && text("instanceType").is_none_or(str::is_empty) {
        return Err(Problem::bad_request(
            "The field 'instanceType' is required.",
        ));
    }
    if let Some(model) = text("model") {
        check_asset(state, model, AssetKind::Model)?;
    }
    if let Some(environment) = text("environmentId") {
        check_asset(state, environment, AssetKind::Environment)?;
    }
    let code = properties.get("codeConfiguration").unwrap_or(&Value::Null);
    if let Some(id) = code["codeId"].as_str() {
        check_asset(state, id, AssetKind::Code)?;
    }
    if code.is_null() {
        refuse_without_script(state, properties)?;
    } else if code["scoringScript"].as_str().is_none_or(str::is_empty) {
        return Err(Problem::bad_request(
            "The field 'scoringScript' is required.",
        ));
    }
    fill_deep(properties, defaults());
    let variables = Order::of(properties).shown_variables();
    properties.insert("environmentVariables".to_owned(), Value::Object(variables));
    Ok(())
}

/// Without a scoring script only an MLflow model says how it is run. A container of the user's own is not built here.
fn refuse_without_script(state: &State, properties: &Map<String, Value>) -> Result<(), Problem> {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let model = text("model").and_then(|id| find_model(state, id));
    let kind = model.map(|model| model.properties["modelType"].clone());
    if kind == Some("mlflow_model".into()) {
        return Ok(());
    }
    if text("environmentId").is_some() || kind == Some("triton_model".into()) {
        return Err(Problem::not_implemented(
            "PUT deployments (a container without a scoring script)",
        ));
    }
    Err(Problem::bad_request(
        "The field 'codeConfiguration' is required for a model that is no MLflow model.",
    ))
}

fn find_model(state: &State, id: &str) -> Option<Version> {
    match reference::parse(id, AssetKind::Model)? {
        Reference::Asset(kind, name, pick) => state.assets.find(kind, &name, &pick),
        Reference::Curated(_) => None,
    }
}

fn defaults() -> Value {
    let probe = json!({
        "failureThreshold": 30, "successThreshold": 1, "timeout": "PT2S", "period": "PT10S", "initialDelay": "PT10S",
    });
    json!({
        "description": null, "properties": {}, "appInsightsEnabled": false, "model": null, "modelMountPath": null,
        "codeConfiguration": null, "environmentId": null, "environmentVariables": {}, "egressPublicNetworkAccess": "Enabled",
        "requestSettings": {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1},
        "livenessProbe": probe, "readinessProbe": probe, "scaleSettings": {"scaleType": "Default"},
    })
}

/// Starts the process; the old one serves until the new one is ready, and goes on if that never is.
fn provision(state: &Arc<State>, endpoint: &Endpoint, deployment: &Deployment) {
    let key = key(&endpoint.name, &deployment.name);
    let (state, deployment) = (Arc::clone(state), deployment.clone());
    let operation = deployment.resource.lifecycle.operation.clone();
    let recipe = (RULES.recipe)(&deployment.resource.properties);
    let tasks = state.machine.tasks();
    tasks.spawn(async move {
        let made = match state.operations.queued_failure() {
            Some(failure) => Err(failure),
            None => make(&state, &deployment).await,
        };
        // The other copy would keep the old process alive.
        drop(deployment);
        let outcome = made.map(|worker| {
            let worker = Arc::new(worker);
            let table = state.endpoints.deployments(Kind::Online);
            table.update(&key, |row| {
                if row.resource.lifecycle.operation == operation {
                    row.worker = Some(worker);
                    row.made_from = recipe;
                }
            });
        });
        state.operations.end(&operation, outcome);
    });
}

async fn make(state: &Arc<State>, deployment: &Deployment) -> Result<Worker, Failure> {
    let search_path = state.machine.search_path().await.clone();
    let preparing = {
        let (state, log) = (Arc::clone(state), Arc::clone(&deployment.log));
        let order = Order::of(&deployment.resource.properties);
        tokio::task::spawn_blocking(move || prepare::recipe(&state, &order, &log, search_path))
    };
    let recipe = preparing
        .await
        .map_err(|error| Failure::new("InternalServerError", error.to_string()))??;
    Worker::start(state, recipe).await
}

fn may_delete(endpoint: &Endpoint, name: &str) -> Result<(), Problem> {
    for (field, what) in [("traffic", "live"), ("mirrorTraffic", "mirrored")] {
        let share = endpoint.resource.split(field).of(name);
        if share > 0 {
            return Err(Problem::bad_request(format!(
                "The deployment {name} of endpoint {} cannot be deleted because it has {share} percent of the {what} traffic. Set its traffic to 0 first.",
                endpoint.name
            )));
        }
    }
    Ok(())
}

fn action(_: &State, call: &Call, deployment: &Deployment, action: &str) -> Reply {
    if !action.eq_ignore_ascii_case("getLogs") {
        return Err(Problem::not_implemented(&format!(
            "POST onlineEndpoints/{{name}}/deployments/{{name}}/{action}"
        )));
    }
    let sent = call.json()?;
    let container = sent["containerType"].as_str().unwrap_or("InferenceServer");
    let lines = usize::try_from(sent["tail"].as_u64().unwrap_or(TAIL)).unwrap_or(usize::MAX);
    let content = deployment.log.tail(container, lines).ok_or_else(|| {
        Problem::bad_request(
            "The field 'containerType' must be StorageInitializer or InferenceServer.",
        )
    })?;
    Ok(request::ok(&json!({ "content": content })))
}
