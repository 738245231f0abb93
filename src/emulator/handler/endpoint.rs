//! What online and batch endpoints have in common: create, replace, patch, delete, and waiting for one another. What differs is a [`Rules`]
//! in the kind's file.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{fill, shape};
use super::operation::{self, Location};
use super::{batch_endpoint, deployment, online_endpoint};
use crate::emulator::clock;
use crate::emulator::endpoint::{Endpoint, Keys, Kind, Lifecycle, Look, Provisioning, Resource};
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;
use crate::emulator::store::lock;
use crate::emulator::traffic::Draws;

type Check = fn(&State, &str, &Map<String, Value>) -> Result<(), Problem>;

/// What a kind does differently.
pub(super) struct Rules {
    pub(super) kind: Kind,
    /// How operations are named.
    pub(super) operation: &'static str,
    pub(super) resource_kind: fn(&Map<String, Value>) -> Value,
    /// Checks what was sent for the endpoint of this name.
    pub(super) check: Check,
    /// What is answered although it was not sent.
    pub(super) defaults: fn() -> Value,
    /// Properties that a change brings only when it is done.
    pub(super) late: &'static [&'static str],
    /// The addresses that are there once it has been made.
    pub(super) addresses: fn(&State, &str) -> Value,
    pub(super) action: fn(&State, &Call, &Endpoint, &str) -> Reply,
}

pub(super) fn rules(kind: Kind) -> &'static Rules {
    match kind {
        Kind::Online => &online_endpoint::RULES,
        Kind::Batch => &batch_endpoint::RULES,
    }
}

/// `WS/onlineEndpoints` and `WS/batchEndpoints`, and everything below.
pub(crate) fn handle(state: &Arc<State>, call: &Call, kind: Kind, rest: &[&str]) -> Reply {
    let rules = rules(kind);
    match (call.method.as_str(), rest) {
        ("GET", []) => list(state, call, rules),
        ("GET", [name]) => {
            let endpoint = find(state, kind, name, Look::Counts)?;
            Ok(request::ok(&body(state, rules, &endpoint)))
        }
        ("PUT", [name]) => put(state, call, rules, name),
        ("PATCH", [name]) => patch(state, call, rules, name),
        ("DELETE", [name]) => delete(state, call, rules, name),
        ("POST", [name, action]) => {
            let endpoint = find(state, kind, name, Look::Not)?;
            (rules.action)(state, call, &endpoint, action)
        }
        (_, [name, deployments, rest @ ..]) if deployments.eq_ignore_ascii_case("deployments") => {
            deployment::handle(state, call, kind, name, rest)
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} {}{}",
            kind.segment(),
            shape(rest)
        ))),
    }
}

pub(crate) fn find(state: &State, kind: Kind, name: &str, look: Look) -> Result<Endpoint, Problem> {
    let found = state.endpoints.find(&state.operations, kind, name, look);
    found.ok_or_else(|| missing(state, &format!("{}/{name}", kind.segment())))
}

/// Endpoints and deployments are resources of their own, so it is Resource Manager that misses them.
pub(super) fn missing(state: &State, below: &str) -> Problem {
    Problem::arm(
        StatusCode::NOT_FOUND,
        "ResourceNotFound",
        format!(
            "The Resource '{PROVIDER}/workspaces/{}/{below}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            state.site.workspace, state.site.resource_group
        ),
    )
}

pub(super) fn id(state: &State, kind: Kind, name: &str) -> String {
    format!("{}/{}/{name}", state.site.id(), kind.segment())
}

fn body(state: &State, rules: &Rules, endpoint: &Endpoint) -> Value {
    let id = id(state, rules.kind, &endpoint.name);
    let kind = format!("{PROVIDER}/workspaces/{}", rules.kind.segment());
    let mut body = resource_body(&endpoint.resource, &id, &endpoint.name, &kind);
    body["kind"] = (rules.resource_kind)(&endpoint.resource.properties);
    body["identity"] = endpoint.resource.identity.clone();
    body
}

pub(super) fn resource_body(resource: &Resource, id: &str, name: &str, kind: &str) -> Value {
    let mut properties = resource.properties.clone();
    let state = resource.lifecycle.state.word();
    properties.insert("provisioningState".to_owned(), state.into());
    json!({
        "id": id, "name": name, "type": kind, "location": resource.location, "tags": resource.tags, "properties": properties,
        "systemData": State::system_data(resource.created, resource.modified),
    })
}

fn list(state: &State, call: &Call, rules: &Rules) -> Reply {
    let wanted = call.query("name");
    let rows = state.endpoints.table(rules.kind).list().into_iter();
    let found = rows.filter_map(|(name, _)| {
        let operations = &state.operations;
        state
            .endpoints
            .find(operations, rules.kind, &name, Look::Counts)
    });
    let shown = found.filter(|one| wanted.is_none_or(|name| one.name.eq_ignore_ascii_case(name)));
    let bodies: Vec<Value> = shown.map(|one| body(state, rules, &one)).collect();
    Ok(request::list(&bodies))
}

/// A name that may be used, is free in the region, and whose resource is not in the middle of something.
fn may_write(state: &State, rules: &Rules, name: &str) -> Result<Option<Endpoint>, Problem> {
    refuse_bad_name("endpoint", name)?;
    let other = match rules.kind {
        Kind::Online => Kind::Batch,
        Kind::Batch => Kind::Online,
    };
    let taken = state.endpoints.table(other).get(name).is_some();
    if taken
        || state
            .options
            .taken_endpoint_names
            .iter()
            .any(|one| one.eq_ignore_ascii_case(name))
    {
        return Err(Problem::bad_request(
            "There is already an endpoint with this name, Endpoint name needs to be unique within a region",
        ));
    }
    let old = find(state, rules.kind, name, Look::Counts).ok();
    if let Some(old) = &old {
        refuse_busy(old, "update")?;
    }
    Ok(old)
}

fn refuse_busy(endpoint: &Endpoint, verb: &str) -> Result<(), Problem> {
    let state = endpoint.resource.lifecycle.state;
    if !state.is_busy() {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "Cannot {verb} endpoint {} because it is in {} provisioning state.",
        endpoint.name,
        state.word()
    )))
}

fn put(state: &State, call: &Call, rules: &Rules, name: &str) -> Reply {
    let mut sent = call.json()?;
    let _turn = lock(&state.endpoints.turn);
    let old = may_write(state, rules, name)?;
    let Value::Object(mut properties) = sent["properties"].take() else {
        return Err(Problem::bad_request("The body has no properties."));
    };
    (rules.check)(state, name, &properties)?;
    if rules.kind == Kind::Online && !sent["identity"]["type"].is_string() {
        return Err(Problem::bad_request("The field 'identity' is required."));
    }
    let tags = sent["tags"].take();
    refuse_empty_tags(&tags)?;
    fill(&mut properties, (rules.defaults)());
    let now = clock::now();
    let operation = state.operations.begin_or_fail();
    let coming = hold_back(state, rules, name, &mut properties, old.as_ref());
    let inner = json!({
        "azureml.onlineendpointid": id(state, rules.kind, name).to_lowercase(),
        "AzureAsyncOperationUri": operation::status_url(state, call, rules.operation, &operation),
    });
    let own = properties.entry("properties").or_insert_with(|| json!({}));
    merge(own, inner);
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
        identity: with_principal(state, &sent["identity"]),
        sku: Value::Null,
        properties,
        created: old.as_ref().map_or(now, |old| old.resource.created),
        modified: now,
        lifecycle,
    };
    let (keys, live, mirror) = match old {
        Some(old) => (old.keys, old.live, old.mirror),
        None => (
            Keys::new(),
            Arc::new(Draws::live()),
            Arc::new(Draws::mirror()),
        ),
    };
    let endpoint = Endpoint {
        name: name.to_owned(),
        resource,
        coming,
        keys,
        coming_keys: None,
        live,
        mirror,
    };
    let answer = request::json(StatusCode::CREATED, &body(state, rules, &endpoint));
    state.endpoints.table(rules.kind).put(name, endpoint);
    let id = (rules.operation, operation.as_str());
    Ok(operation::begun(
        state,
        call,
        answer,
        id,
        Location::Resource,
    ))
}

/// Takes out what a write brings only when it is done, and leaves what was there before.
fn hold_back(
    state: &State,
    rules: &Rules,
    name: &str,
    properties: &mut Map<String, Value>,
    old: Option<&Endpoint>,
) -> Map<String, Value> {
    let mut coming = Map::new();
    if let Value::Object(addresses) = (rules.addresses)(state, name) {
        coming.extend(addresses);
    }
    for field in rules.late {
        let new = properties.remove(*field).unwrap_or(Value::Null);
        coming.insert((*field).to_owned(), new);
    }
    for (field, new) in &coming {
        let before = old
            .and_then(|old| old.resource.properties.get(field))
            .cloned();
        let nothing = if new.is_object() {
            json!({})
        } else {
            Value::Null
        };
        properties.insert(field.clone(), before.unwrap_or(nothing));
    }
    coming
}

pub(super) fn merge(into: &mut Value, more: Value) {
    if !into.is_object() {
        *into = json!({});
    }
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// A system-assigned identity as the service answers it.
fn with_principal(state: &State, identity: &Value) -> Value {
    let kind = identity["type"].as_str().unwrap_or("SystemAssigned");
    let mut answered = json!({"type": kind, "tenantId": state.site.tenant, "principalId": null});
    if kind.contains("SystemAssigned") {
        answered["principalId"] = state.site.workspace_id.clone().into();
    }
    if !identity["userAssignedIdentities"].is_null() {
        answered["userAssignedIdentities"] = identity["userAssignedIdentities"].clone();
    }
    answered
}

pub(super) fn refuse_empty_tags(tags: &Value) -> Result<(), Problem> {
    let empty = |value: &Value| value.as_str().is_none_or(str::is_empty);
    let mut all = tags.as_object().into_iter().flatten();
    if !tags.is_null() && !tags.is_object() || all.any(|(_, value)| empty(value)) {
        return Err(Problem::bad_request(
            "The Endpoint request provided has the following validation errors. [{\"PropertyName\":\"Tags\",\"ErrorMessage\":\"Tag values must not be null or empty.\"}]",
        ));
    }
    Ok(())
}

/// Tags and identity only, as the specification of PATCH has it.
fn patch(state: &State, call: &Call, rules: &Rules, name: &str) -> Reply {
    let mut sent = call.json()?;
    let _turn = lock(&state.endpoints.turn);
    let old = find(state, rules.kind, name, Look::Counts)?;
    refuse_busy(&old, "update")?;
    refuse_empty_tags(&sent["tags"])?;
    let operation = state.operations.begin_or_fail();
    state.endpoints.table(rules.kind).update(name, |endpoint| {
        let resource = &mut endpoint.resource;
        if sent["tags"].is_object() {
            resource.tags = sent["tags"].take();
        }
        if sent["identity"].is_object() {
            resource.identity = with_principal(state, &sent["identity"]);
        }
        resource.modified = clock::now();
        resource.lifecycle = Lifecycle {
            state: Provisioning::Updating,
            operation: operation.clone(),
        };
    });
    Ok(accepted(state, call, (rules.operation, &operation)))
}

/// 202 with `null` and both addresses.
pub(super) fn accepted(
    state: &State,
    call: &Call,
    operation: (&str, &str),
) -> axum::response::Response {
    let answer = request::json(StatusCode::ACCEPTED, &Value::Null);
    operation::begun(state, call, answer, operation, Location::Result)
}

/// Takes the deployments with it.
fn delete(state: &State, call: &Call, rules: &Rules, name: &str) -> Reply {
    let _turn = lock(&state.endpoints.turn);
    let Ok(old) = find(state, rules.kind, name, Look::Counts) else {
        return Ok(request::empty(StatusCode::NO_CONTENT));
    };
    refuse_busy(&old, "delete")?;
    let operation = state.operations.begin_or_fail();
    state.endpoints.table(rules.kind).update(name, |endpoint| {
        endpoint.resource.lifecycle = Lifecycle {
            state: Provisioning::Deleting,
            operation: operation.clone(),
        };
    });
    Ok(accepted(state, call, (rules.operation, &operation)))
}

/// The rule for names of endpoints, which are labels of host names, and of deployments.
pub(super) fn refuse_bad_name(what: &str, name: &str) -> Result<(), Problem> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let good = (3..=32).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && !name.ends_with('-');
    if good {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The {what} name '{name}' is invalid: 3 to 32 letters, digits and dashes, beginning with a letter and not ending with a dash."
    )))
}
