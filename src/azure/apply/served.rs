//! Whether an endpoint or deployment that exists is what would be written, beside what the service fills in by itself. Pure.

use serde_json::Value;

use super::compare::{Comparison, Scope};
use crate::azure::endpoints::{Family, as_it_is};
use crate::azure::poll::status::{Meaning, meaning};

/// What the service fills in where nothing was asked for (service notes 15 and 16.2).
const DEFAULTS: &[(&str, &str)] = &[
    ("/sku/name", "Default"),
    ("/sku/tier", "Standard"),
    ("/sku/capacity", "1"),
    ("/properties/publicNetworkAccess", "Enabled"),
    ("/properties/endpointComputeType", "Managed"),
    ("/properties/appInsightsEnabled", "false"),
    ("/properties/egressPublicNetworkAccess", "Enabled"),
    ("/properties/privateNetworkConnection", "false"),
    ("/properties/scaleSettings/scaleType", "Default"),
    ("/properties/requestSettings/maxQueueWait", "PT0S"),
    ("/properties/requestSettings/requestTimeout", "PT5S"),
    (
        "/properties/requestSettings/maxConcurrentRequestsPerInstance",
        "1",
    ),
    ("/properties/errorThreshold", "-1"),
    ("/properties/miniBatchSize", "10"),
    ("/properties/maxConcurrencyPerInstance", "1"),
    ("/properties/outputAction", "AppendRow"),
    ("/properties/outputFileName", "predictions.csv"),
    ("/properties/loggingLevel", "Info"),
    ("/properties/retrySettings/maxRetries", "3"),
    ("/properties/retrySettings/timeout", "PT30S"),
    ("/properties/resources/instanceCount", "1"),
];
const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];
const PROBE: &[(&str, &str)] = &[
    ("failureThreshold", "30"),
    ("successThreshold", "1"),
    ("timeout", "PT2S"),
    ("period", "PT10S"),
    ("initialDelay", "PT10S"),
];
/// Variables that the service sets in the container, and adds to the deployment.
const OWN_VARIABLES: &[&str] = &["AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"];

/// Whether writing `sent` would change nothing. What failed, or is changing, is never as it should be.
pub(crate) fn same(family: Family, sent: &Value, there: &Value) -> bool {
    let comparison = Comparison {
        scope: Scope::InPlace,
        // Nothing in an endpoint or deployment is YAML.
        read_yaml: |_| None,
    };
    let state = there["properties"]["provisioningState"]
        .as_str()
        .unwrap_or("Succeeded");
    let found = as_it_is(family, there);
    meaning(state) == Meaning::Succeeded
        && comparison.covers("", sent, Some(&found))
        && adds_nothing(comparison, "", sent, &found)
}

/// Whether everything that only the service says was filled in by itself.
fn adds_nothing(comparison: Comparison, at: &str, sent: &Value, found: &Value) -> bool {
    // A bag of the service's own: what we said of it is compared, the rest is not ours.
    if at == "/properties/properties" {
        return true;
    }
    match found {
        Value::Object(map) => map.iter().all(|(key, found)| {
            let sent = comparison.field(sent, key).unwrap_or(&Value::Null);
            adds_nothing(comparison, &format!("{at}/{key}"), sent, found)
        }),
        Value::Null => true,
        Value::Array(items) => items.is_empty() || !sent.is_null(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            !sent.is_null() || is_filled_in(at, found)
        }
    }
}

fn is_filled_in(at: &str, found: &Value) -> bool {
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            found.to_string()
        }
    };
    let is = |default: &str| default.eq_ignore_ascii_case(&text);
    if let Some((path, leaf)) = at.rsplit_once('/') {
        let parent = path.rsplit('/').next().unwrap_or_default();
        if parent == "environmentVariables" && OWN_VARIABLES.contains(&leaf) {
            return true;
        }
        if PROBES.contains(&parent) {
            return PROBE.iter().any(|(name, value)| *name == leaf && is(value));
        }
    }
    DEFAULTS
        .iter()
        .any(|(pointer, value)| *pointer == at && is(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(sent: &Value, there: &Value) -> bool {
        same(Family::Online, sent, there)
    }

    fn sent() -> Value {
        json!({"location": "eastus", "tags": {}, "sku": {"name": "Default", "capacity": 1},
            "properties": {"endpointComputeType": "Managed", "instanceType": "Standard_F2s_v2", "model": "/subscriptions/S/models/m/versions/1",
                "environmentVariables": {"LEVEL": "debug"}, "scaleSettings": {"scaleType": "Default"}, "requestSettings": {"requestTimeout": "PT1M"}}})
    }

    fn there() -> Value {
        json!({"id": "i", "name": "blue", "kind": "Managed", "location": "eastus", "tags": {}, "systemData": {},
            "sku": {"name": "Default", "tier": "Standard", "capacity": 1},
            "properties": {"endpointComputeType": "Managed", "instanceType": "STANDARD_F2S_V2", "provisioningState": "Succeeded",
                "model": "/subscriptions/s/models/m/versions/1", "description": null, "appInsightsEnabled": false,
                "egressPublicNetworkAccess": "Enabled", "properties": {"AzureAsyncOperationUri": "https://x"},
                "environmentVariables": {"LEVEL": "debug", "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1"},
                "requestSettings": {"maxQueueWait": "PT0S", "requestTimeout": "PT60S", "maxConcurrentRequestsPerInstance": 1},
                "livenessProbe": {"failureThreshold": 30, "successThreshold": 1, "timeout": "PT2S", "period": "PT10S", "initialDelay": "PT10S"},
                "readinessProbe": null, "scaleSettings": {"scaleType": "Default"}}})
    }

    #[test]
    fn what_the_service_fills_in_is_no_difference() {
        assert!(check(&sent(), &there()));
    }

    #[test]
    fn what_the_file_does_not_say_any_more_is_a_difference() {
        for (pointer, value) in [
            (
                "/properties/environmentVariables",
                json!({"LEVEL": "debug", "OLD": "1"}),
            ),
            ("/properties/description", json!("once")),
            ("/properties/livenessProbe/timeout", json!("PT9S")),
            ("/properties/appInsightsEnabled", json!(true)),
            ("/sku/capacity", json!(3)),
            ("/tags", json!({"team": "x"})),
        ] {
            let mut there = there();
            *there.pointer_mut(pointer).unwrap() = value;
            assert!(!check(&sent(), &there), "{pointer}");
        }
    }

    #[test]
    fn what_the_file_says_otherwise_is_a_difference() {
        for (pointer, value) in [
            (
                "/properties/model",
                json!("/subscriptions/S/models/m/versions/2"),
            ),
            ("/properties/instanceType", json!("Standard_DS3_v2")),
            (
                "/properties/environmentVariables",
                json!({"LEVEL": "DEBUG"}),
            ),
        ] {
            let mut sent = sent();
            *sent.pointer_mut(pointer).unwrap() = value;
            assert!(!check(&sent, &there()), "{pointer}");
        }
    }

    #[test]
    fn what_failed_or_is_changing_is_written_again() {
        for state in ["Failed", "Canceled", "Updating"] {
            let mut there = there();
            there["properties"]["provisioningState"] = json!(state);
            assert!(!check(&sent(), &there), "{state}");
        }
    }

    #[test]
    fn traffic_that_only_the_service_has_is_a_difference() {
        let endpoint = |traffic: Value| json!({"location": "l", "properties": {"authMode": "Key", "traffic": traffic}});
        assert!(check(
            &endpoint(json!({"blue": 100})),
            &endpoint(json!({"blue": 100}))
        ));
        assert!(!check(
            &endpoint(json!({})),
            &endpoint(json!({"blue": 100}))
        ));
    }
}
