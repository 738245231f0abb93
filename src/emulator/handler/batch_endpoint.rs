//! Batch endpoints and which deployment is theirs by default.

use serde_json::{Map, Value, json};

use super::endpoint::Rules;
use crate::emulator::endpoint::Kind;
use crate::emulator::problem::Problem;
use crate::emulator::state::State;

pub(super) static RULES: Rules = Rules {
    kind: Kind::Batch,
    operation: "bebes",
    resource_kind: |_| Value::Null,
    check,
    defaults: || {
        json!({
            "description": null, "properties": {}, "defaults": {"deploymentName": null}, "swaggerUri": null,
        })
    },
    late: &[],
    addresses: |state, name| json!({"scoringUri": format!("{}/batch/{name}/jobs", state.site.endpoint)}),
    action: |_, _, _, action| {
        Err(Problem::not_implemented(&format!(
            "POST batchEndpoints/{{name}}/{action}"
        )))
    },
};

fn check(state: &State, name: &str, properties: &Map<String, Value>) -> Result<(), Problem> {
    let mode = properties.get("authMode").and_then(Value::as_str);
    if mode.is_none_or(|mode| !mode.eq_ignore_ascii_case("aadToken")) {
        return Err(Problem::bad_request(
            "The field 'authMode' must be AADToken.",
        ));
    }
    let default = properties.get("defaults").map(|all| &all["deploymentName"]);
    let Some(default) = default
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
    else {
        return Ok(());
    };
    let key = crate::emulator::endpoint::key(name, default);
    if state.endpoints.deployments(Kind::Batch).get(&key).is_none() {
        return Err(Problem::bad_request(format!(
            "The default deployment {default} of endpoint {name} does not exist."
        )));
    }
    Ok(())
}
