//! Datastores and their secrets.

use axum::http::StatusCode;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::emulator::blob::sas;
use crate::emulator::clock;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::{self, PROVIDER};
use crate::emulator::state::State;

pub(crate) fn handle(state: &State, call: &Call, rest: &[&str]) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", []) => list(state, call),
        ("GET", [name]) => {
            let properties = find(state, name)?;
            Ok(request::ok(&body(state, name, &properties)))
        }
        ("PUT", [name]) => put(state, call, name),
        ("DELETE", [name]) => {
            let removed = state.datastores.remove(name).is_some();
            let status = if removed {
                StatusCode::OK
            } else {
                StatusCode::NO_CONTENT
            };
            Ok(request::empty(status))
        }
        ("POST", [name, action]) if action.eq_ignore_ascii_case("listSecrets") => {
            secrets(state, call, name)
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} datastores/{}",
            rest.get(1).copied().unwrap_or("")
        ))),
    }
}

fn find(state: &State, name: &str) -> Result<Value, Problem> {
    state.datastores.get(name).ok_or_else(|| {
        Problem::not_found(
            format!("Could not find datastore: {name}"),
            "DatastoreNotFound",
        )
    })
}

fn body(state: &State, name: &str, properties: &Value) -> Value {
    let now = clock::now();
    json!({
        "id": format!("{}/datastores/{name}", state.site.id()), "name": name, "type": format!("{PROVIDER}/workspaces/datastores"),
        "properties": properties, "systemData": State::system_data(now, now),
    })
}

fn list(state: &State, call: &Call) -> Reply {
    let only_default = call
        .query("isDefault")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let rows = state.datastores.list();
    let chosen = rows
        .iter()
        .filter(|(_, properties)| !only_default || properties["isDefault"] == true);
    Ok(request::list(
        &chosen
            .map(|(name, properties)| body(state, name, properties))
            .collect::<Vec<_>>(),
    ))
}

fn put(state: &State, call: &Call, name: &str) -> Reply {
    let mut properties = call.json()?["properties"].take();
    let kind = properties["datastoreType"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let known = [
        "AzureBlob",
        "AzureDataLakeGen1",
        "AzureDataLakeGen2",
        "AzureFile",
        "OneLake",
    ];
    if !known.contains(&kind.as_str()) {
        return Err(Problem::bad_request(format!(
            "Unknown datastoreType '{kind}'."
        )));
    }
    let credentials = properties["credentials"]["credentialsType"].as_str();
    properties["credentials"] = json!({"credentialsType": credentials.unwrap_or("None")});
    let old = state.datastores.get(name);
    properties["isDefault"] = Value::from(old.as_ref().is_some_and(|old| old["isDefault"] == true));
    for field in ["description", "tags", "properties"] {
        if properties.get(field).is_none() {
            properties[field] = Value::Null;
        }
    }
    if let Some(container) = properties["containerName"].as_str()
        && properties["accountName"] == state.site.account.as_str()
    {
        state.blobs.create_container(container);
    }
    let status = if state.datastores.put(name, properties.clone()).is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(request::json(status, &body(state, name, &properties)))
}

/// A SAS for those who ask for something that expires. The artifact store answers its key all the same: clients that follow logs sign with what
/// they get here, and a SAS used as a key gives wrong signatures.
fn secrets(state: &State, call: &Call, name: &str) -> Reply {
    let properties = find(state, name)?;
    if properties["credentials"]["credentialsType"] == "None" {
        return Err(Problem::bad_request(format!(
            "Datastore {name} has no credentials to list."
        )));
    }
    let wish = if call.body.is_empty() {
        Value::Null
    } else {
        call.json()?
    };
    let hours = wish["expireAfterHours"].as_i64().unwrap_or(1);
    let expirable = wish["expirableSecret"] == true;
    Ok(request::ok(
        &if expirable && !name.eq_ignore_ascii_case(site::ARTIFACT_STORE) {
            json!({"secretsType": "Sas", "sasToken": sas::account(&state.site, hours)})
        } else {
            json!({"secretsType": "AccountKey", "key": BASE64_STANDARD.encode(&state.site.account_key)})
        },
    ))
}
