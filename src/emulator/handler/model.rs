//! Model versions.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{self, Prepared, Put, Rules};
use super::data::expand;
use crate::emulator::asset::AssetKind;
use crate::emulator::problem::Problem;
use crate::emulator::state::State;

pub(crate) static RULES: Rules = Rules {
    kind: AssetKind::Model,
    prepare,
    again: StatusCode::OK,
    conflict: "A model version with this name and version already exists. If you are trying to create a new model version, use a different name or version. If you are trying to update an existing model version, the existing asset's model uri cannot be changed. Only tags, description, and isArchived can be updated.",
    missing_version: |name, version| {
        Problem::not_found("The specified resource was not found.", "ModelNotFound").detail(
            "ModelNotFound",
            format!("Model with name: {name} and version: {version} not found."),
        )
    },
    missing_container: |name| {
        Problem::not_found("The specified resource was not found.", "ModelNotFound").detail(
            "ModelNotFound",
            format!("Model container with name: {name} not found."),
        )
    },
};

/// What every model version answers beside what was sent. Jobs register models too.
pub(crate) fn defaults() -> Value {
    json!({
        "description": null, "tags": {}, "properties": {}, "isArchived": false, "isAnonymous": false, "flavors": {},
        "autoDeleteSetting": null, "jobName": null, "provisioningState": "Succeeded", "stage": "Development",
        "intellectualProperty": null,
    })
}

fn prepare(
    state: &State,
    put: &Put<'_>,
    mut fields: Map<String, Value>,
) -> Result<Prepared, Problem> {
    let kind = fields.get("modelType").and_then(Value::as_str);
    let kind = kind.unwrap_or("custom_model").to_owned();
    if !matches!(
        kind.as_str(),
        "custom_model" | "mlflow_model" | "triton_model"
    ) {
        return Err(Problem::bad_request(format!(
            "The modelType '{kind}' is invalid."
        )));
    }
    let sent = asset::text(&fields, "modelUri")?;
    let job = sent
        .strip_prefix("azureml://jobs/")
        .or_else(|| sent.strip_prefix("runs:/"))
        .and_then(|rest| rest.split('/').next())
        .map(str::to_owned);
    // Unlike data, models answer the group's segment in camel case.
    let uri = expand(&state.site, "resourceGroups", sent).replacen(
        "/resourcegroups/",
        "/resourceGroups/",
        1,
    );
    fields.insert("modelUri".to_owned(), uri.into());
    fields.insert("modelType".to_owned(), kind.into());
    if let Some(job) = job {
        fields.insert("jobName".to_owned(), job.into());
    }
    asset::fill(&mut fields, defaults());
    Ok(Prepared {
        version: put.version.to_owned(),
        properties: Value::Object(fields),
    })
}
