//! What online and batch deployments have in common. What differs is a [`Rules`] in the kind's file.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{fill, shape};
use super::endpoint::{
    self, accepted, find, merge, missing, refuse_bad_name, refuse_empty_tags, resource_body,
};
use super::operation::{self, Location};
use super::{batch_deployment, online_deployment};
use crate::emulator::clock;
use crate::emulator::endpoint::{
    Deployment, Endpoint, Kind, Lifecycle, Look, Provisioning, Resource, key,
};
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;
use crate::emulator::store::lock;

/// What a kind does differently.
pub(super) struct Rules {
    pub(super) kind: Kind,
    pub(super) operation: &'static str,
    /// Checks what was sent and brings it into the form that is answered.
    pub(super) prepare: fn(&State, &mut Map<String, Value>) -> Result<(), Problem>,
    /// What a process has to be made anew for; `null` for a kind without one.
    pub(super) recipe: fn(&Map<String, Value>) -> Value,
    /// Begins the operation behind a write; what it needs is in the table by then.
    pub(super) provision: fn(&Arc<State>, &Endpoint, &Deployment),
    /// Refuses to delete what is in use.
    pub(super) may_delete: fn(&Endpoint, &str) -> Result<(), Problem>,
    pub(super) action: fn(&State, &Call, &Deployment, &str) -> Reply,
}

fn rules(kind: Kind) -> &'static Rules {
    match kind {
        Kind::Online => &online_deployment::RULES,
        Kind::Batch => &batch_deployment::RULES,
    }
}

pub(super) fn handle(
    state: &Arc<State>,
    call: &Call,
    kind: Kind,
    endpoint: &str,
    rest: &[&str],
) -> Reply {
    let rules = rules(kind);
    let method = call.method.as_str();
    if let ("DELETE", [name]) = (method, rest) {
        return delete(state, call, rules, endpoint, name);
    }
    let endpoint = find(state, kind, endpoint, Look::Not)?;
    match (method, rest) {
        ("GET", []) => {
            let (operations, name) = (&state.operations, &endpoint.name);
            let found = state
                .endpoints
                .deployments_of(operations, kind, name, Look::Counts);
            let bodies = found.iter().map(|one| body(state, kind, name, one));
            Ok(request::list(&bodies.collect::<Vec<_>>()))
        }
        ("GET", [name]) => {
            let deployment = find_one(state, kind, &endpoint.name, name, Look::Counts)?;
            let body = body(state, kind, &endpoint.name, &deployment);
            Ok(request::ok(&body))
        }
        ("GET", [name, skus]) if skus.eq_ignore_ascii_case("skus") => {
            find_one(state, kind, &endpoint.name, name, Look::Not)?;
            Ok(request::list(&[json!({
                "resourceType": format!("{PROVIDER}/workspaces/{}/deployments", kind.segment()),
                "sku": {"name": "Default", "tier": "Standard"},
                "capacity": {"minimum": 0, "maximum": 500, "default": 1, "scaleType": "Manual"},
            })]))
        }
        ("PUT", [name]) => put(state, call, rules, &endpoint, name),
        ("PATCH", [name]) => patch(state, call, rules, &endpoint, name),
        ("POST", [name, action]) => {
            let deployment = find_one(state, kind, &endpoint.name, name, Look::Not)?;
            (rules.action)(state, call, &deployment, action)
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} {}/{{name}}/deployments{}",
            kind.segment(),
            shape(rest)
        ))),
    }
}

pub(crate) fn find_one(
    state: &State,
    kind: Kind,
    endpoint: &str,
    name: &str,
    look: Look,
) -> Result<Deployment, Problem> {
    let pair = (endpoint, name);
    let found = state
        .endpoints
        .find_deployment(&state.operations, kind, pair, look);
    found.ok_or_else(|| {
        let below = format!("{}/{endpoint}/deployments/{name}", kind.segment());
        missing(state, &below)
    })
}

pub(crate) fn id(state: &State, kind: Kind, endpoint: &str, name: &str) -> String {
    format!("{}/deployments/{name}", endpoint::id(state, kind, endpoint))
}

fn body(state: &State, kind: Kind, endpoint: &str, deployment: &Deployment) -> Value {
    let id = id(state, kind, endpoint, &deployment.name);
    let word = format!("{PROVIDER}/workspaces/{}/deployments", kind.segment());
    let mut body = resource_body(&deployment.resource, &id, &deployment.name, &word);
    if kind == Kind::Online {
        body["kind"] = "Managed".into();
        body["sku"] = deployment.resource.sku.clone();
    }
    body
}

fn put(state: &Arc<State>, call: &Call, rules: &Rules, endpoint: &Endpoint, name: &str) -> Reply {
    refuse_bad_name("deployment", name)?;
    let mut sent = call.json()?;
    let _turn = lock(&state.endpoints.turn);
    refuse_busy_endpoint(state, rules, endpoint)?;
    let old = find_one(state, rules.kind, &endpoint.name, name, Look::Counts).ok();
    if let Some(old) = &old {
        refuse_busy(old, "update")?;
    }
    let Value::Object(mut properties) = sent["properties"].take() else {
        return Err(Problem::bad_request("The body has no properties."));
    };
    let tags = sent["tags"].take();
    refuse_empty_tags(&tags)?;
    (rules.prepare)(state, &mut properties)?;
    let recipe = (rules.recipe)(&properties);
    // A process that is already what it should be stays.
    let stays = old
        .as_ref()
        .is_some_and(|old| old.made_from == recipe && old.worker.is_some());
    let is_closed = stays || recipe.is_null();
    let operation = if is_closed {
        state.operations.begin_or_fail()
    } else {
        state.operations.begin_open()
    };
    let url = operation::status_url(state, call, rules.operation, &operation);
    let inner = properties.entry("properties").or_insert(Value::Null);
    merge(inner, json!({ "AzureAsyncOperationUri": url }));
    let now = clock::now();
    let lifecycle = Lifecycle {
        state: match &old {
            Some(_) => Provisioning::Updating,
            None => Provisioning::Creating,
        },
        operation: operation.clone(),
    };
    let resource = Resource {
        location: sent["location"]
            .as_str()
            .unwrap_or(&state.site.location)
            .to_owned(),
        tags: if tags.is_null() { json!({}) } else { tags },
        identity: Value::Null,
        sku: sku(&sent["sku"]),
        properties,
        created: old.as_ref().map_or(now, |old| old.resource.created),
        modified: now,
        lifecycle,
    };
    let old = old.map(|old| (old.made_from, old.worker, old.log, old.counts));
    let (made_from, worker, log, counts) = old.unwrap_or_default();
    let deployment = Deployment {
        name: name.to_owned(),
        resource,
        made_from,
        worker,
        log,
        counts,
    };
    let answer = body(state, rules.kind, &endpoint.name, &deployment);
    let table = state.endpoints.deployments(rules.kind);
    table.put(&key(&endpoint.name, name), deployment.clone());
    if !is_closed {
        (rules.provision)(state, endpoint, &deployment);
    }
    let answer = request::json(StatusCode::CREATED, &answer);
    let id = (rules.operation, operation.as_str());
    Ok(operation::begun(
        state,
        call,
        answer,
        id,
        Location::Resource,
    ))
}

/// `tier` is added by the service.
fn sku(sent: &Value) -> Value {
    let capacity = sent["capacity"].as_u64().unwrap_or(1);
    json!({"name": "Default", "tier": "Standard", "capacity": capacity})
}

fn refuse_busy_endpoint(state: &State, rules: &Rules, endpoint: &Endpoint) -> Result<(), Problem> {
    let endpoint = find(state, rules.kind, &endpoint.name, Look::Counts)?;
    let lifecycle = endpoint.resource.lifecycle.state;
    if lifecycle.is_busy() || lifecycle == Provisioning::Failed {
        return Err(Problem::conflict(format!(
            "Cannot create a deployment in endpoint {} because it is in {} provisioning state.",
            endpoint.name,
            lifecycle.word()
        )));
    }
    Ok(())
}

fn refuse_busy(deployment: &Deployment, verb: &str) -> Result<(), Problem> {
    let state = deployment.resource.lifecycle.state;
    if !state.is_busy() {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "Cannot {verb} deployment {} because it is in {} provisioning state.",
        deployment.name,
        state.word()
    )))
}

/// `sku`, `tags`, and for batch a description: what the specification of PATCH has.
fn patch(state: &State, call: &Call, rules: &Rules, endpoint: &Endpoint, name: &str) -> Reply {
    let mut sent = call.json()?;
    let _turn = lock(&state.endpoints.turn);
    let old = find_one(state, rules.kind, &endpoint.name, name, Look::Counts)?;
    refuse_busy(&old, "update")?;
    refuse_empty_tags(&sent["tags"])?;
    let operation = state.operations.begin_or_fail();
    let table = state.endpoints.deployments(rules.kind);
    table.update(&key(&endpoint.name, name), |deployment| {
        let resource = &mut deployment.resource;
        if sent["tags"].is_object() {
            resource.tags = sent["tags"].take();
        }
        if sent["sku"].is_object() {
            resource.sku = sku(&sent["sku"]);
        }
        resource.modified = clock::now();
        resource.lifecycle = Lifecycle {
            state: Provisioning::Updating,
            operation: operation.clone(),
        };
    });
    Ok(accepted(state, call, (rules.operation, &operation)))
}

fn delete(state: &State, call: &Call, rules: &Rules, endpoint: &str, name: &str) -> Reply {
    let _turn = lock(&state.endpoints.turn);
    let Ok(endpoint) = find(state, rules.kind, endpoint, Look::Not) else {
        return Ok(request::empty(StatusCode::NO_CONTENT));
    };
    let Ok(old) = find_one(state, rules.kind, &endpoint.name, name, Look::Counts) else {
        return Ok(request::empty(StatusCode::NO_CONTENT));
    };
    refuse_busy(&old, "delete")?;
    (rules.may_delete)(&endpoint, &old.name)?;
    let operation = state.operations.begin_or_fail();
    let table = state.endpoints.deployments(rules.kind);
    table.update(&key(&endpoint.name, name), |deployment| {
        deployment.resource.lifecycle = Lifecycle {
            state: Provisioning::Deleting,
            operation: operation.clone(),
        };
    });
    Ok(accepted(state, call, (rules.operation, &operation)))
}

/// Probes, settings and words that a deployment answers although they were not sent; `null` in an object that was sent counts as not sent.
pub(super) fn fill_deep(properties: &mut Map<String, Value>, defaults: Value) {
    let Value::Object(defaults) = defaults else {
        return;
    };
    for (name, default) in defaults {
        let field = properties.entry(name).or_insert(Value::Null);
        match (field, default) {
            (Value::Object(field), default @ Value::Object(_)) => fill(field, default),
            (field, default) if field.is_null() => *field = default,
            _ => {}
        }
    }
}
