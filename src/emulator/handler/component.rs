//! Component versions: specs normalised as the service does, anonymous ones named by their content.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::asset::{self, Prepared, Put, Rules};
use crate::emulator::asset::{AssetKind, Pick};
use crate::emulator::problem::Problem;
use crate::emulator::reference::{self, Reference};
use crate::emulator::state::State;

/// The name of components that are steps of one pipeline.
const ANONYMOUS: &str = "azureml_anonymous";

pub(crate) static RULES: Rules = Rules {
    kind: AssetKind::Component,
    prepare,
    again: StatusCode::CREATED,
    conflict: "A component version with this name and version already exists. If you are trying to create a new component version, use a different name or version. Only tags, description, and isArchived can be updated.",
    missing_version: |name, version| {
        Problem::not_found(
            format!("Not found component {name} (version: {version})."),
            "ComponentNotFound",
        )
    },
    missing_container: |name| {
        Problem::not_found(format!("Not found component {name}."), "ComponentNotFound")
    },
};

fn prepare(
    state: &State,
    put: &Put<'_>,
    mut fields: Map<String, Value>,
) -> Result<Prepared, Problem> {
    let Some(Value::Object(spec)) = fields.get("componentSpec") else {
        return Err(Problem::bad_request(
            "The field 'componentSpec' is required.",
        ));
    };
    let mut spec = spec.clone();
    refuse_unknown_references(state, &spec)?;
    normalise(&mut spec);
    let anonymous = put.name.eq_ignore_ascii_case(ANONYMOUS);
    let version = if anonymous {
        content_address(&spec)
    } else {
        put.version.to_owned()
    };
    spec.insert("version".to_owned(), version.clone().into());
    fields.insert("componentSpec".to_owned(), Value::Object(spec));
    fields.insert("description".to_owned(), Value::Null);
    let stage = if anonymous { "Logged" } else { "Development" };
    asset::fill(
        &mut fields,
        json!({
            "tags": {}, "properties": {}, "isArchived": false, "isAnonymous": anonymous, "autoDeleteSetting": null,
            "stage": stage, "provisioningState": "Succeeded",
        }),
    );
    Ok(Prepared {
        version,
        properties: Value::Object(fields),
    })
}

/// The same spec gets the same id, whatever version the client thought of and in whatever order its keys are.
fn content_address(spec: &Map<String, Value>) -> String {
    let mut named = spec.clone();
    named.remove("version");
    let text = sorted(&Value::Object(named)).to_string();
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

fn sorted(value: &Value) -> Value {
    if let Some(object) = value.as_object() {
        let mut entries: Vec<(&String, &Value)> = object.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        let entries = entries.into_iter();
        return Value::Object(
            entries
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect(),
        );
    }
    if let Some(array) = value.as_array() {
        return Value::Array(array.iter().map(sorted).collect());
    }
    value.clone()
}

fn bad_spec(what: &str) -> Problem {
    Problem::user(
        StatusCode::BAD_REQUEST,
        format!("Error occurred when loading YAML file rootNode, details: {what}"),
        &["BadArgument", "ArgumentInvalid", "YamlFileInvalid"],
    )
}

fn refuse_unknown_references(state: &State, spec: &Map<String, Value>) -> Result<(), Problem> {
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or("");
    if kind == "command" && spec.get("command").and_then(Value::as_str).is_none() {
        return Err(bad_spec("A command component needs a command."));
    }
    for (field, kind, what) in [
        ("code", AssetKind::Code, "code"),
        ("environment", AssetKind::Environment, "environment"),
    ] {
        let Some(text) = spec.get(field).and_then(Value::as_str) else {
            continue;
        };
        let known = match reference::parse(text, kind) {
            Some(Reference::Asset(kind, name, pick)) => {
                state.assets.find(kind, &name, &pick).is_some()
            }
            Some(Reference::Curated(_)) => true,
            None => false,
        };
        if !known {
            return Err(bad_spec(&format!(
                "Invalid {what} id: No definition exists for {text}"
            )));
        }
    }
    Ok(())
}

/// Booleans and numbers become text, inputs say whether they are optional, and what only the client knows goes away.
fn normalise(spec: &mut Map<String, Value>) {
    spec.remove("_source");
    if let Some(Value::Object(inputs)) = spec.get_mut("inputs") {
        for (_, input) in inputs.iter_mut() {
            if let Value::Object(input) = input {
                input
                    .entry("optional")
                    .or_insert_with(|| Value::from("False"));
            }
        }
    }
    if spec.get("type").and_then(Value::as_str) == Some("command") {
        let resources = spec.entry("resources").or_insert_with(|| json!({}));
        if let Value::Object(resources) = resources {
            resources
                .entry("instance_count")
                .or_insert_with(|| Value::from("1"));
        }
    }
    for (_, value) in spec.iter_mut() {
        stringify(value);
    }
}

fn stringify(value: &mut Value) {
    if let Some(flag) = value.as_bool() {
        *value = if flag { "True" } else { "False" }.into();
    } else if value.is_number() {
        *value = value.to_string().into();
    } else if let Some(array) = value.as_array_mut() {
        array.iter_mut().for_each(stringify);
    } else if let Some(object) = value.as_object_mut() {
        object.iter_mut().for_each(|(_, value)| stringify(value));
    }
}

/// The spec of the component that a step names.
pub(crate) fn spec(state: &State, id: &str) -> Option<Value> {
    match reference::parse(id, AssetKind::Component)? {
        Reference::Asset(kind, name, pick) => {
            let found = state.assets.find(kind, &name, &pick)?;
            found.properties.get("componentSpec").cloned()
        }
        Reference::Curated(_) => None,
    }
}

/// How the service names a component that a pipeline wants and that is not there.
pub(crate) fn missing_in_pipeline(id: &str) -> Problem {
    let (name, version) = match reference::parse(id, AssetKind::Component) {
        Some(Reference::Asset(_, name, Pick::Version(version))) => (name, version),
        Some(Reference::Asset(_, name, Pick::Latest)) => (name, "latest".to_owned()),
        Some(Reference::Curated(_)) | None => (id.to_owned(), String::new()),
    };
    Problem::new(
        StatusCode::NOT_FOUND,
        crate::emulator::problem::Dialect::Aml,
        "NotFound",
        format!("key: {id}, Message: Not found component {name} (version: {version})."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_normalised_as_the_service_answers_them() {
        let spec = json!({"type": "command", "is_deterministic": true, "_source": "YAML.JOB", "version": 1,
            "inputs": {"lr": {"type": "number", "default": 0.1}}});
        let mut spec = spec.as_object().unwrap().clone();
        normalise(&mut spec);
        assert_eq!(
            Value::Object(spec),
            json!({"type": "command", "is_deterministic": "True", "version": "1", "resources": {"instance_count": "1"},
                "inputs": {"lr": {"type": "number", "default": "0.1", "optional": "False"}}})
        );
    }

    #[test]
    fn the_same_content_has_the_same_address_in_any_order() {
        let one = json!({"name": "a", "command": "x", "version": "1"});
        let two = json!({"version": "2", "command": "x", "name": "a"});
        let other = json!({"name": "b", "command": "x"});
        let address = |value: &Value| content_address(value.as_object().unwrap());
        assert_eq!(address(&one), address(&two));
        assert_ne!(address(&one), address(&other));
    }
}
