//! Whether a job that has the wanted name already is the job of this plan, as far as its body tells. Reads only. A job that this
//! program stamped with its digest needs no such comparison.

use serde_json::Value;

use super::compare::{Comparison, Scope};
use super::symbols::references_of;
use super::{ApplyError, Execution};
use crate::spec::plan::{Reference, Request};

/// What decides what a job does and is spelled alike in requests and answers (service notes 12.1 to 12.3).
const TELLING: &[&str] = &[
    "jobType",
    "command",
    "codeId",
    "environmentId",
    "computeId",
    "experimentName",
    "environmentVariables",
    "inputs",
    "jobs",
];
/// Maps whose keys must be the same ones; elsewhere the service adds fields of its own.
const WHOLE: &[&str] = &["inputs", "jobs"];

impl Execution {
    /// The first field in which what is there differs from what the last request would write; `None` when nothing that can be
    /// known without writing does.
    pub async fn differs_from(&self, there: &Value) -> Result<Option<&'static str>, ApplyError> {
        let last = self.last()?;
        let request = &self.plan().requests[last];
        let (mut known, mut slots) = (Vec::new(), Vec::new());
        for slot in &request.slots {
            let mut texts = Vec::new();
            for reference in references_of(slot) {
                match (self.known(last, reference, None).await?, reference) {
                    (Some(text), _) => texts.push((reference, text)),
                    // The job that is there runs code that the workspace has.
                    (None, Reference::Code(_)) => return Ok(Some("codeId")),
                    (None, _) => {}
                }
            }
            if texts.len() == references_of(slot).count() {
                slots.push(slot.clone());
                known.extend(texts);
            }
        }
        let request = Request {
            slots,
            ..request.clone()
        };
        let sent = super::resolve::fill(&request, &known)?;
        let comparison = Comparison {
            scope: Scope::NewVersion,
            read_yaml: self.read_yaml,
        };
        Ok(differing(comparison, &sent, there))
    }
}

fn differing(comparison: Comparison, sent: &Value, there: &Value) -> Option<&'static str> {
    TELLING.iter().copied().find(|field| {
        let (sent, there) = (
            without_nulls(&sent["properties"][field]),
            &there["properties"][field],
        );
        let is_id = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.to_ascii_lowercase().starts_with("/subscriptions/")
        };
        match *field {
            // A label comes back as the version that it meant then.
            "environmentId" if !is_id(&sent) || !is_id(there) => false,
            _ if sent.is_null() => false,
            field => {
                let keys = |value: &Value| value.as_object().map_or(0, serde_json::Map::len);
                (WHOLE.contains(&field) && keys(&sent) != keys(there))
                    || !comparison.covers(field, &sent, Some(there))
            }
        }
    })
}

/// What only a write would tell is null in the body.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_another_when_something_that_it_does_is() {
        let sent = || {
            json!({"properties": {"jobType": "Command", "command": "python a.py", "experimentName": "E", "displayName": "x",
                "environmentId": "azureml:env@latest", "computeId": "/subscriptions/S/computes/cpu", "codeId": null,
                "inputs": {"lr": {"jobInputType": "literal", "value": "0.1"}}}})
        };
        let there = json!({"properties": {"jobType": "Command", "command": "python a.py", "experimentName": "E", "displayName": "y",
            "environmentId": "/subscriptions/s/environments/env/versions/3", "computeId": "/subscriptions/s/computes/CPU",
            "codeId": "/subscriptions/s/codes/c/versions/1", "environmentVariables": {}, "status": "Running",
            "inputs": {"lr": {"jobInputType": "literal", "value": "0.1", "mode": "ReadOnlyMount"}}}});
        let comparison = Comparison {
            scope: Scope::NewVersion,
            read_yaml: |_| None,
        };
        let check = |sent: &Value| differing(comparison, sent, &there);
        assert_eq!(check(&sent()), None);
        for (pointer, value, field) in [
            ("/properties/command", json!("python b.py"), "command"),
            ("/properties/jobType", json!("Pipeline"), "jobType"),
            ("/properties/inputs/lr/value", json!("0.2"), "inputs"),
            ("/properties/inputs", json!({}), "inputs"),
            (
                "/properties/computeId",
                json!("/subscriptions/S/computes/gpu"),
                "computeId",
            ),
        ] {
            let mut other = sent();
            *other.pointer_mut(pointer).unwrap() = value;
            assert_eq!(check(&other), Some(field));
        }
    }
}
