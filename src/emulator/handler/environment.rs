//! Environment versions. Images are not built; definitions are kept as the service keeps them.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{self, Prepared, Put, Rules};
use crate::emulator::asset::AssetKind;
use crate::emulator::problem::Problem;
use crate::emulator::state::State;
use crate::emulator::yaml;

pub(crate) static RULES: Rules = Rules {
    kind: AssetKind::Environment,
    prepare,
    // 201 every time, even for an identical second write.
    again: StatusCode::CREATED,
    conflict: "An environment version with this name and version already exists. If you are trying to create a new environment version, use a different name or version. An existing version's definition cannot be changed.",
    missing_version: missing,
    missing_container: |name| missing(name, ""),
};

pub(crate) fn missing(name: &str, version: &str) -> Problem {
    Problem::user(
        StatusCode::NOT_FOUND,
        format!("No environment exists for name: {name}, version: {version}, label: "),
        &["NotFoundError"],
    )
}

fn prepare(
    _state: &State,
    put: &Put<'_>,
    mut fields: Map<String, Value>,
) -> Result<Prepared, Problem> {
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if has("image") == has("build") {
        return Err(Problem::bad_request(
            "An environment needs either an image or a build context.",
        ));
    }
    if let Some(conda) = fields.get("condaFile").and_then(Value::as_str) {
        // YAML goes in, and JSON with two spaces of indent comes out.
        let document = yaml::to_json(conda).map_err(|error| {
            Problem::bad_request(format!("Invalid conda dependencies: {error}"))
        })?;
        let pretty = serde_json::to_string_pretty(&document).unwrap_or_default();
        fields.insert("condaFile".to_owned(), pretty.into());
    }
    asset::fill(
        &mut fields,
        json!({
            "description": null, "tags": {}, "properties": {}, "isArchived": false, "isAnonymous": false,
            "environmentType": "UserCreated", "osType": "Linux", "stage": null, "provisioningState": "Succeeded",
        }),
    );
    Ok(Prepared {
        version: put.version.to_owned(),
        properties: Value::Object(fields),
    })
}
