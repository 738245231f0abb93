//! Computes. Clusters keep their scale settings and never have nodes: jobs run on this machine.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::asset::shape;
use crate::emulator::clock;
use crate::emulator::operation::Progress;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;

/// How often a client should look at an operation here. The service says nothing, and clients then wait half a minute.
const LOOK_AGAIN_MS: &str = "20";

#[derive(Debug, Clone)]
pub(crate) struct Compute {
    /// `properties` as they were sent, spelled as they are answered.
    properties: Value,
    location: String,
    identity: Value,
    created: time::OffsetDateTime,
    modified: time::OffsetDateTime,
    /// Until this operation is done, the cluster is being made.
    operation: String,
    is_ready: bool,
}

pub(crate) fn handle(state: &State, call: &Call, rest: &[&str]) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let rows = state.computes.list();
            let bodies = rows.iter().map(|(name, row)| body(state, name, row));
            Ok(request::list(&bodies.collect::<Vec<_>>()))
        }
        ("GET", [name]) => get(state, name),
        ("PUT", [name]) => put(state, call, name),
        ("DELETE", [name]) => delete(state, call, name),
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} computes{}",
            shape(rest)
        ))),
    }
}

/// `GET .../locations/<region>/computeOperationsStatus/<id>`.
pub(crate) fn operation(state: &State, id: &str) -> Reply {
    let Some(progress) = state.operations.look(id) else {
        return Err(Problem::arm(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("The operation {id} was not found."),
        ));
    };
    let answer = request::ok(&progress.compute_body());
    Ok(request::with(answer, "retry-after-ms", LOOK_AGAIN_MS))
}

fn get(state: &State, name: &str) -> Reply {
    let Some(mut compute) = state.computes.get(name) else {
        return Err(Problem::arm(
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            format!(
                "The Resource '{PROVIDER}/workspaces/{}/computes/{name}' under resource group '{}' was not found.",
                state.site.workspace, state.site.resource_group
            ),
        ));
    };
    if !compute.is_ready && state.operations.look(&compute.operation) != Some(Progress::Running) {
        compute.is_ready = true;
        state.computes.update(name, |row| row.is_ready = true);
    }
    Ok(request::ok(&body(state, name, &compute)))
}

fn body(state: &State, name: &str, compute: &Compute) -> Value {
    let mut properties = compute.properties.clone();
    let ready = compute.is_ready;
    properties["provisioningState"] = if ready { "Succeeded" } else { "Creating" }.into();
    properties["createdOn"] = clock::stamp(compute.created).into();
    properties["modifiedOn"] = clock::stamp(compute.modified).into();
    properties["computeLocation"] = compute.location.clone().into();
    properties["isAttachedCompute"] = false.into();
    properties["provisioningErrors"] = Value::Null;
    properties["provisioningWarnings"] = json!({});
    let is_cluster = properties["computeType"] == "AmlCompute";
    if let Some(inner) = properties["properties"].as_object_mut()
        && is_cluster
    {
        let nodes = json!({
            "preparingNodeCount": 0, "runningNodeCount": 0, "idleNodeCount": 0, "unusableNodeCount": 0, "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        });
        let more = json!({
            "currentNodeCount": 0, "targetNodeCount": 0, "nodeStateCounts": if ready { nodes } else { Value::Null },
            "allocationState": if ready { "Steady" } else { "Resizing" },
            "allocationStateTransitionTime": clock::stamp(compute.modified),
            "errors": null, "isolatedNetwork": null, "propertyBag": {},
        });
        if let Value::Object(more) = more {
            inner.extend(more);
        }
    }
    json!({
        "id": format!("{}/computes/{name}", state.site.id()), "name": name, "type": format!("{PROVIDER}/workspaces/computes"),
        "location": compute.location, "tags": null, "identity": compute.identity, "properties": properties,
        "systemData": State::system_data(compute.created, compute.modified),
    })
}

fn put(state: &State, call: &Call, name: &str) -> Reply {
    let sent = call.json()?;
    refuse_bad(name, &sent)?;
    let mut properties = sent["properties"].clone();
    if let Some(size) = properties["properties"]["vmSize"].as_str() {
        properties["properties"]["vmSize"] = size.to_uppercase().into();
    }
    let old = state.computes.get(name);
    if let Some(old) = &old {
        for field in ["/computeType", "/properties/vmSize"] {
            if old.properties.pointer(field) != properties.pointer(field) {
                return Err(Problem::bad_request(format!(
                    "The field properties{} of compute {name} cannot be changed.",
                    field.replace('/', ".")
                )));
            }
        }
    }
    let now = clock::now();
    let operation = state.operations.begin();
    let compute = Compute {
        properties,
        location: sent["location"]
            .as_str()
            .unwrap_or(&state.site.location)
            .to_owned(),
        identity: sent["identity"].clone(),
        created: old.map_or(now, |old| old.created),
        modified: now,
        operation: operation.clone(),
        is_ready: false,
    };
    state.computes.put(name, compute.clone());
    // 201 for an update too.
    let answer = request::json(StatusCode::CREATED, &body(state, name, &compute));
    Ok(asynchronous(state, call, answer, &operation))
}

fn asynchronous(
    state: &State,
    call: &Call,
    answer: axum::response::Response,
    operation: &str,
) -> axum::response::Response {
    let url = format!(
        "{}/subscriptions/{}/providers/{PROVIDER}/locations/{}/computeOperationsStatus/{operation}?api-version={}&service=new",
        state.site.endpoint,
        state.site.subscription,
        state.site.location,
        call.query("api-version").unwrap_or("")
    );
    request::with(answer, "azure-asyncoperation", &url)
}

fn delete(state: &State, call: &Call, name: &str) -> Reply {
    let action = call.query("underlyingResourceAction").unwrap_or("");
    if !matches!(action, "Delete" | "Detach") {
        return Err(Problem::bad_request(
            "The query parameter underlyingResourceAction must be Delete or Detach.",
        ));
    }
    if state.computes.remove(name).is_none() {
        return Ok(request::empty(StatusCode::NO_CONTENT));
    }
    let operation = state.operations.begin();
    let answer = request::empty(StatusCode::ACCEPTED);
    Ok(asynchronous(state, call, answer, &operation))
}

fn refuse_bad(name: &str, sent: &Value) -> Result<(), Problem> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let fits = (2..=32).contains(&name.len()) && name.chars().all(plain);
    if !fits
        || !name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        || name.ends_with('-')
    {
        return Err(Problem::bad_request(format!(
            "The compute name '{name}' is invalid: 2 to 32 letters, digits and dashes, beginning with a letter and not ending with a dash."
        )));
    }
    let properties = &sent["properties"];
    match properties["computeType"].as_str() {
        Some("AmlCompute") => {}
        Some(other) => {
            return Err(Problem::not_implemented(&format!("PUT computes ({other})")));
        }
        None => return Err(Problem::bad_request("The field 'computeType' is required.")),
    }
    let inner = &properties["properties"];
    if inner["vmSize"].as_str().is_none_or(str::is_empty) {
        return Err(Problem::bad_request("The field 'vmSize' is required."));
    }
    let count = |name: &str| inner["scaleSettings"][name].as_i64();
    if count("minNodeCount").unwrap_or(0) > count("maxNodeCount").unwrap_or(i64::MAX) {
        return Err(Problem::bad_request(
            "The minimum number of nodes is larger than the maximum.",
        ));
    }
    Ok(())
}
