//! What can be done to a compute that exists: nothing, an update of its scale settings, or a refusal in words. Pure.

use serde_json::Value;

use super::ApplyError;
use super::compare::Comparison;

/// Facts of a cluster that are decided when it is made, with the words for them.
const FIXED: &[(&str, &str)] = &[
    ("/properties/computeType", "type"),
    ("/properties/properties/vmSize", "size"),
    ("/properties/properties/vmPriority", "tier"),
];

/// Whether the compute that is there already is what would be written; an error when it can never become that.
pub(super) fn same(
    comparison: Comparison,
    name: &str,
    sent: &Value,
    there: &Value,
) -> Result<bool, ApplyError> {
    for (pointer, word) in FIXED {
        let text = |body: &Value| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        if let (Some(wanted), Some(found)) = (text(sent), text(there))
            && !wanted.eq_ignore_ascii_case(&found)
        {
            return Err(ApplyError::Fixed {
                message: format!(
                    "compute `{name}` exists with {word} {found}; the {word} of a compute cannot be changed to {wanted}"
                ),
                advice: format!(
                    "Use another name, or delete `{name}` first, or ask for {word} {found}."
                ),
            });
        }
    }
    Ok(comparison.same(&known_part(sent, there), &only(there, sent)))
}

/// What is asked for, without the fields that the answer does not mention at all: a compute's answer leaves out what it took as
/// given, and writing it once more for that alone would restart its scaling.
fn known_part(sent: &Value, there: &Value) -> Value {
    match (sent, there) {
        (Value::Object(sent), Value::Object(there)) => sent
            .iter()
            .filter_map(|(key, value)| {
                let found = there
                    .iter()
                    .find(|(other, _)| other.eq_ignore_ascii_case(key))?;
                Some((key.clone(), known_part(value, found.1)))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => sent.clone(),
    }
}

/// What is there, without the states and addresses that only the service knows.
fn only(there: &Value, sent: &Value) -> Value {
    match (there, sent) {
        (Value::Object(there), Value::Object(sent)) => there
            .iter()
            .filter_map(|(key, value)| {
                let ours = sent
                    .iter()
                    .find(|(other, _)| other.eq_ignore_ascii_case(key))?;
                Some((key.clone(), only(value, ours.1)))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => there.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compare::Scope;
    use super::*;

    fn same(name: &str, sent: &Value, there: &Value) -> Result<bool, ApplyError> {
        let comparison = Comparison {
            scope: Scope::InPlace,
            read_yaml: |_| None,
        };
        super::same(comparison, name, sent, there)
    }

    fn sent() -> Value {
        json!({"location": "eastus", "properties": {"computeType": "AmlCompute", "disableLocalAuth": true, "properties": {
            "osType": "Linux", "vmSize": "STANDARD_DS3_V2", "vmPriority": "Dedicated", "enableNodePublicIp": true,
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT2M"}}}})
    }

    fn there() -> Value {
        json!({"id": "x", "location": "eastus", "properties": {"computeType": "AmlCompute", "computeLocation": "eastus",
            "provisioningState": "Succeeded", "disableLocalAuth": true, "properties": {
            "osType": "Linux", "vmSize": "Standard_DS3_v2", "vmPriority": "dedicated", "currentNodeCount": 1, "enableNodePublicIp": true,
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT120S"}}}})
    }

    #[test]
    fn a_cluster_that_is_as_asked_is_unchanged() {
        assert!(same("c", &sent(), &there()).unwrap());
    }

    #[test]
    fn other_scale_settings_are_an_update() {
        let mut there = there();
        there["properties"]["properties"]["scaleSettings"]["maxNodeCount"] = 4.into();
        assert!(!same("c", &sent(), &there).unwrap());
    }

    #[test]
    fn another_size_is_refused_with_both_sizes() {
        let mut there = there();
        there["properties"]["properties"]["vmSize"] = "STANDARD_D2_V2".into();
        let text = same("c", &sent(), &there).unwrap_err().to_string();
        assert!(
            text.contains("STANDARD_D2_V2") && text.contains("STANDARD_DS3_V2"),
            "{text}"
        );
    }

    #[test]
    fn what_the_answer_leaves_out_is_no_difference() {
        let mut there = there();
        let inner = there["properties"]["properties"].as_object_mut().unwrap();
        inner.remove("enableNodePublicIp");
        inner.remove("osType");
        assert!(same("c", &sent(), &there).unwrap());
    }
}
