//! What counts as the same: a port of the conformance kit's `canon.py`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const NOISE: [&str; 8] = [
    "_source",
    "client_component_hash",
    "azureml.git.dirty",
    "mlflow.source.git.repoURL",
    "mlflow.source.git.branch",
    "mlflow.source.git.commit",
    "$schema",
    "x-ms-client-request-id",
];

/// Writes and uploads.
pub(super) struct Found {
    pub(super) effects: Vec<Value>,
    pub(super) uploads: BTreeMap<String, String>,
}

/// Without nulls, empties and noise.
pub(super) fn squeeze(value: &Value) -> Value {
    match value {
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .filter(|(key, _)| !NOISE.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), squeeze(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.iter().map(squeeze).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Lines that say where `found` differs from the expected writes and uploads.
pub(super) fn compare(expected: &Value, found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    let key = |effect: &Value| {
        format!(
            "{} {}",
            effect["method"].as_str().unwrap(),
            effect["path"].as_str().unwrap()
        )
    };
    let mut wanted: BTreeMap<String, &Value> = BTreeMap::new();
    for effect in expected["effects"].as_array().unwrap() {
        wanted.insert(key(effect), effect);
    }
    let mut given: BTreeMap<String, &Value> = BTreeMap::new();
    for effect in &found.effects {
        if given.insert(key(effect), effect).is_some() {
            lines.push(format!("written twice: {}", key(effect)));
        }
    }
    for (key, effect) in &wanted {
        let Some(other) = given.get(key) else {
            lines.push(format!("missing write {key}"));
            continue;
        };
        differ(&effect["body"], &other["body"], key, &mut lines);
        if effect["api-version"] != other["api-version"] {
            lines.push(format!(
                "api-version of {key}: {} expected, {} sent",
                effect["api-version"], other["api-version"]
            ));
        }
    }
    lines.extend(
        given
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .map(|key| format!("unexpected write {key}")),
    );
    let uploads: BTreeMap<String, &Value> = expected["uploads"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (without_random(k), v))
        .collect();
    for (name, hash) in &uploads {
        if found.uploads.get(name).map(String::as_str) != hash.as_str() {
            lines.push(format!("upload {name} missing or different"));
        }
    }
    let unexpected = found
        .uploads
        .keys()
        .filter(|name| !uploads.contains_key(*name));
    lines.extend(unexpected.map(|name| format!("unexpected upload {name}")));
    lines
}

/// A single file of code lies at the root of a container that is named anew for every upload.
fn without_random(name: &str) -> String {
    match name.split_once('/') {
        Some((container, file)) if uuid::Uuid::parse_str(container).is_ok() => {
            format!("container/{file}")
        }
        Some(_) | None => name.to_owned(),
    }
}

fn differ(expected: &Value, found: &Value, path: &str, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => differ(value, other, &format!("{path}.{key}"), lines),
                    None => lines.push(format!("{path}.{key}: missing: {value}")),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                lines.push(format!("{path}.{key}: not expected: {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{path}[{index}]"), lines);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("{path}: {a} != {b}")),
    }
}
