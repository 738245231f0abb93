//! Batch deployments: a scoring script over mini-batches, or a pipeline component. They run only when their endpoint is invoked.

use serde_json::{Map, Value, json};

use super::component;
use super::deployment::{Rules, fill_deep};
use super::submit::{check_asset, check_compute};
use crate::emulator::asset::AssetKind;
use crate::emulator::endpoint::Kind;
use crate::emulator::problem::Problem;
use crate::emulator::state::State;

pub(super) static RULES: Rules = Rules {
    kind: Kind::Batch,
    operation: "bdbes",
    prepare,
    recipe: |_| Value::Null,
    provision: |_, _, _| {},
    may_delete: |_, _| Ok(()),
    action: |_, _, _, action| {
        Err(Problem::not_implemented(&format!(
            "POST batchEndpoints/{{name}}/deployments/{{name}}/{action}"
        )))
    },
};

fn prepare(state: &State, properties: &mut Map<String, Value>) -> Result<(), Problem> {
    fill_deep(
        properties,
        json!({
            "description": null, "properties": {}, "model": null, "codeConfiguration": null, "environmentId": null,
            "environmentVariables": {}, "compute": null, "resources": {"instanceCount": 1}, "maxConcurrencyPerInstance": 1,
            "miniBatchSize": 10, "errorThreshold": -1, "loggingLevel": "Info", "outputAction": "AppendRow",
            "outputFileName": "predictions.csv", "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        }),
    );
    if let Some(level) = properties.get("loggingLevel").and_then(Value::as_str) {
        let mut letters = level.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let word: String = first.into_iter().chain(letters).collect();
        properties.insert("loggingLevel".to_owned(), word.into());
    }
    let field = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    check_compute(state, field("compute").as_str())?;
    let kind = &field("deploymentConfiguration")["deploymentConfigurationType"];
    if kind
        .as_str()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("PipelineComponent"))
    {
        let configuration = field("deploymentConfiguration");
        let id = configuration["componentId"]["assetId"].as_str();
        let id = id.ok_or_else(|| Problem::bad_request("The field 'componentId' is required."))?;
        let spec = component::spec(state, id).ok_or_else(|| component::missing_in_pipeline(id))?;
        if spec["type"] != "pipeline" {
            return Err(Problem::bad_request(format!(
                "The component {id} is no pipeline component."
            )));
        }
        return check_compute(state, configuration["settings"]["default_compute"].as_str())
            .map(|_| ());
    }
    if field("compute").as_str().is_none_or(str::is_empty) {
        return Err(Problem::bad_request("The field 'compute' is required."));
    }
    if let Some(model) = field("model")["assetId"].as_str() {
        check_asset(state, model, AssetKind::Model)?;
    }
    if let Some(environment) = field("environmentId").as_str() {
        check_asset(state, environment, AssetKind::Environment)?;
    }
    let code = field("codeConfiguration");
    if let Some(id) = code["codeId"].as_str() {
        check_asset(state, id, AssetKind::Code)?;
    }
    match field("outputAction").as_str() {
        Some("AppendRow" | "SummaryOnly") => Ok(()),
        _ => Err(Problem::bad_request(
            "The field 'outputAction' must be AppendRow or SummaryOnly.",
        )),
    }
}
