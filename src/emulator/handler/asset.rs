//! What all versioned assets have in common: containers, versions, labels, lists. What differs between kinds is a [`Rules`] in the kind's file.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{code, component, data, environment, model};
use crate::emulator::asset::{AssetKind, Container, Pick, Version, Written};
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;

type Prepare = fn(&State, &Put<'_>, Map<String, Value>) -> Result<Prepared, Problem>;

/// What a kind does differently.
pub(crate) struct Rules {
    pub(crate) kind: AssetKind,
    /// Checks what was sent and brings it into the form that is answered, with the version it is kept under.
    pub(crate) prepare: Prepare,
    /// The status of a write to a version that is there.
    pub(crate) again: StatusCode,
    /// What is said to a write that would change what a version points to.
    pub(crate) conflict: &'static str,
    pub(crate) missing_version: fn(&str, &str) -> Problem,
    pub(crate) missing_container: fn(&str) -> Problem,
}

/// Which version is written.
pub(crate) struct Put<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

pub(crate) struct Prepared {
    pub(crate) version: String,
    pub(crate) properties: Value,
}

pub(crate) fn rules(kind: AssetKind) -> &'static Rules {
    match kind {
        AssetKind::Code => &code::RULES,
        AssetKind::Data => &data::RULES,
        AssetKind::Environment => &environment::RULES,
        AssetKind::Model => &model::RULES,
        AssetKind::Component => &component::RULES,
    }
}

pub(crate) fn handle(state: &State, call: &Call, kind: AssetKind, rest: &[&str]) -> Reply {
    let rules = rules(kind);
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    match (call.method.as_str(), rest) {
        ("GET", []) => list_containers(state, kind),
        ("GET", [name]) => container(state, rules, name),
        ("GET", [name, versions]) if is(versions, "versions") => {
            list_versions(state, call, rules, name)
        }
        ("GET", [name, versions, version]) if is(versions, "versions") => {
            let pick = Pick::Version((*version).to_owned());
            version_of(state, rules, name, version, &pick)
        }
        ("GET", [name, labels, label])
            if is(labels, "labels") && (is(label, "latest") || is(label, "default")) =>
        {
            version_of(state, rules, name, label, &Pick::Latest)
        }
        ("PUT", [name, versions, version]) if is(versions, "versions") => {
            put(state, call, rules, &Put { name, version })
        }
        ("POST", [_, versions, _, action])
            if is(versions, "versions") && is(action, "startPendingUpload") =>
        {
            code::start_pending_upload(state, call)
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} {}{}",
            kind.segment(),
            shape(rest)
        ))),
    }
}

/// A path without its names, to name an operation by.
pub(crate) fn shape(rest: &[&str]) -> String {
    let parts = rest.iter().enumerate().map(|(at, word)| {
        if at % 2 == 0 {
            "/{name}".to_owned()
        } else {
            format!("/{word}")
        }
    });
    parts.collect()
}

pub(crate) fn version_id(state: &State, kind: AssetKind, name: &str, version: &str) -> String {
    format!(
        "{}/{}/{name}/versions/{version}",
        state.site.id(),
        kind.segment()
    )
}

/// The resource of a version, whose `name` is the version.
pub(crate) fn body(state: &State, kind: AssetKind, name: &str, version: &Version) -> Value {
    json!({
        "id": version_id(state, kind, name, &version.version),
        "name": version.version,
        "type": format!("{PROVIDER}/workspaces/{}/versions", kind.segment()),
        "properties": version.properties,
        "systemData": State::system_data(version.created, version.modified),
    })
}

fn container_body(state: &State, kind: AssetKind, name: &str, container: &Container) -> Value {
    let latest = container.latest();
    let mut properties = json!({
        "description": null, "tags": null, "properties": null, "isArchived": false,
        "latestVersion": latest.map(|version| version.version.clone()),
        "nextVersion": container.next().to_string(),
    });
    if kind == AssetKind::Data {
        let data_type = latest.and_then(|version| version.properties.get("dataType"));
        properties["dataType"] = data_type.cloned().unwrap_or(Value::Null);
    }
    let created = container.versions.first().map(|version| version.created);
    let modified = latest.map(|version| version.modified);
    let now = crate::emulator::clock::now();
    json!({
        "id": format!("{}/{}/{name}", state.site.id(), kind.segment()), "name": name,
        "type": format!("{PROVIDER}/workspaces/{}", kind.segment()), "properties": properties,
        "systemData": State::system_data(created.unwrap_or(now), modified.unwrap_or(now)),
    })
}

fn list_containers(state: &State, kind: AssetKind) -> Reply {
    let rows = state.assets.table(kind).list();
    let shown = rows.iter().filter(|(_, container)| !container.is_hidden());
    Ok(request::list(
        &shown
            .map(|(name, container)| container_body(state, kind, name, container))
            .collect::<Vec<_>>(),
    ))
}

fn container(state: &State, rules: &Rules, name: &str) -> Reply {
    let container = state.assets.table(rules.kind).get(name);
    let container = container.ok_or_else(|| (rules.missing_container)(name))?;
    Ok(request::ok(&container_body(
        state, rules.kind, name, &container,
    )))
}

fn version_of(state: &State, rules: &Rules, name: &str, word: &str, pick: &Pick) -> Reply {
    let found = state.assets.find(rules.kind, name, pick);
    let found = found.ok_or_else(|| (rules.missing_version)(name, word))?;
    Ok(request::ok(&body(state, rules.kind, name, &found)))
}

fn list_versions(state: &State, call: &Call, rules: &Rules, name: &str) -> Reply {
    if let (AssetKind::Code, Some(hash)) = (rules.kind, call.query("hash")) {
        return code::by_hash(state, hash);
    }
    let container = state.assets.table(rules.kind).get(name);
    let mut versions = container
        .ok_or_else(|| (rules.missing_container)(name))?
        .versions;
    let view = call.query("listViewType").unwrap_or("ActiveOnly");
    versions.retain(|version| match view.to_lowercase().as_str() {
        "all" => true,
        "archivedonly" => version.is_archived(),
        _ => !version.is_archived(),
    });
    if call
        .query("$orderBy")
        .is_some_and(|order| order.to_lowercase().contains("desc"))
    {
        versions.reverse();
    }
    let number = |name| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let page = versions
        .iter()
        .skip(number("$skip").unwrap_or(0))
        .take(number("$top").unwrap_or(usize::MAX));
    Ok(request::list(
        &page
            .map(|version| body(state, rules.kind, name, version))
            .collect::<Vec<_>>(),
    ))
}

fn put(state: &State, call: &Call, rules: &Rules, put: &Put<'_>) -> Reply {
    refuse_bad_name(put.name)?;
    let mut sent = call.json()?;
    let Value::Object(fields) = sent["properties"].take() else {
        return Err(Problem::bad_request("The body has no properties."));
    };
    let prepared = (rules.prepare)(state, put, fields)?;
    let written = state
        .assets
        .write(rules.kind, put.name, &prepared.version, prepared.properties);
    let Some((version, written)) = written else {
        return Err(Problem::conflict(rules.conflict));
    };
    let status = match written {
        Written::Created => StatusCode::CREATED,
        Written::Updated => rules.again,
    };
    let answer = request::json(status, &body(state, rules.kind, put.name, &version));
    if status != StatusCode::CREATED {
        return Ok(answer);
    }
    Ok(request::with(answer, "location", &own_url(state, call)))
}

/// The request's own address with its api-version, which a create answers as `Location`.
pub(crate) fn own_url(state: &State, call: &Call) -> String {
    let version = call.query("api-version").unwrap_or("");
    format!(
        "{}{}?api-version={version}",
        state.site.endpoint,
        request::percent_encode(&call.path)
    )
}

fn refuse_bad_name(name: &str) -> Result<(), Problem> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let starts = name.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
    if starts && name.len() <= 255 && name.chars().all(plain) {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The name '{name}' is invalid. It must start with a letter, a number or an underscore, be at most 255 characters long, and hold only letters, numbers, '-', '_' and '.'."
    )))
}

/// Fields that every version answers although they were not sent.
pub(crate) fn fill(fields: &mut Map<String, Value>, defaults: Value) {
    if let Value::Object(defaults) = defaults {
        for (name, value) in defaults {
            let field = fields.entry(name).or_insert(Value::Null);
            if field.is_null() {
                *field = value;
            }
        }
    }
}

/// A text field that must be there.
pub(crate) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Problem> {
    let value = fields.get(name).and_then(Value::as_str);
    value
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::bad_request(format!("The field '{name}' is required.")))
}
