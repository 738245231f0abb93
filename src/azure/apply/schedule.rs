//! Whether a schedule that exists is the one that is asked for. The service fills in fields of the job that it will start; whatever else
//! it has and the file has not is a difference: a time to end, an input or a step that was taken out. Pure, but for one lookup.

use serde_json::{Map, Value};

use super::compare::{Comparison, Scope};
use super::resolve::Own;
use super::symbols::Written;
use super::{ApplyError, Execution};
use crate::azure::{Address, Call};
use crate::report::Change;
use crate::spec::plan::{Request, Target};

/// Parts that are replaced as a whole: what is there must not have more than what is sent.
const WHOLE: &[&str] = &[
    "/properties/trigger",
    "/properties/trigger/schedule",
    "/properties/action",
    "/properties/action/jobDefinition",
    "/properties/action/jobDefinition/inputs",
    "/properties/action/jobDefinition/outputs",
    "/properties/action/jobDefinition/jobs",
    "/properties/action/jobDefinition/settings",
    "/properties/action/dataImportDefinition",
];

/// What the service says of the job by itself (service notes 17).
const FILLED: &[(&str, &str)] = &[
    ("experimentName", "Default"),
    ("status", "NotStarted"),
    ("isArchived", "False"),
    ("_source", ""),
];

pub(super) fn is_schedule(request: &Request) -> bool {
    match &request.target {
        Target::Named { collection, .. } => *collection == "schedules",
        Target::Versioned { .. } | Target::Deployment { .. } | Target::Anonymous { .. } => false,
    }
}

/// Whether writing `sent` would change nothing of `there`.
pub(super) fn same(comparison: Comparison, sent: &Value, there: &Value) -> bool {
    let mut sent = sent.clone();
    if let Some(Value::Object(job)) = sent.pointer_mut("/properties/action/jobDefinition") {
        // An empty name asks for the default one.
        job.retain(|key, value| key != "experimentName" || value != "");
    }
    let mut known = there.clone();
    if let Some(Value::Object(properties)) = known.pointer_mut("/properties") {
        // What is switched off stays off: no file says anything of it.
        properties.remove("isEnabled");
    }
    comparison.same(&sent, &known) && WHOLE.iter().all(|at| has_no_more(at, &sent, there))
}

fn has_no_more(at: &str, sent: &Value, there: &Value) -> bool {
    let nothing = Map::new();
    let part = |body: &'_ Value| body.pointer(at).and_then(Value::as_object).cloned();
    let (sent, there) = (
        part(sent).unwrap_or(nothing.clone()),
        part(there).unwrap_or(nothing),
    );
    there.iter().all(|(key, value)| {
        let empty = match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        let text = match value {
            Value::Bool(false) => "False",
            Value::String(text) => text,
            Value::Bool(true)
            | Value::Null
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => "",
        };
        let filled = || {
            FILLED.iter().any(|(name, value)| {
                name == key && (value.is_empty() || value.eq_ignore_ascii_case(text))
            })
        };
        empty || sent.contains_key(key) || filled()
    })
}

impl Execution {
    /// A second look at a schedule whose job has components that only a write gives their names: now that they are written, it may
    /// turn out to be as asked.
    pub(super) async fn schedule_as_asked(
        &self,
        index: usize,
    ) -> Result<Option<Written>, ApplyError> {
        let request = &self.plan.requests[index];
        let own = Own::default();
        let path = Self::path(request, own)?;
        let read = Call::get(Address::Workspace(path.clone()), request.api_version);
        let (body, there) = futures::try_join!(self.body(index, own), async {
            Ok(self.azure.send(read).await?)
        })?;
        Ok(
            same(self.comparison(Scope::InPlace), &body, &there.body).then(|| Written {
                id: format!("{}/{path}", self.azure.workspace()),
                version: None,
                change: Change::Unchanged,
                body: there.body,
                answer: None,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn same(sent: &Value, there: &Value) -> bool {
        let comparison = Comparison {
            scope: Scope::InPlace,
            read_yaml: |_| None,
        };
        super::same(comparison, sent, there)
    }

    fn sent() -> Value {
        json!({"properties": {"trigger": {"triggerType": "Cron", "expression": "0 * * * *", "timeZone": "UTC"},
            "action": {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "isArchived": false,
                "experimentName": "", "sourceJobId": "old", "settings": {"_source": "YAML.JOB"}}}}})
    }

    fn there() -> Value {
        json!({"name": "nightly", "properties": {"isEnabled": true, "provisioningState": "Succeeded", "tags": {}, "displayName": null,
            "trigger": {"triggerType": "Cron", "expression": "0 * * * *", "timeZone": "UTC", "endTime": null},
            "action": {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "isArchived": false, "status": "NotStarted",
                "services": null, "experimentName": "Default", "sourceJobId": "old", "inputs": {}, "settings": {}}}}})
    }

    #[test]
    fn a_schedule_with_what_the_service_fills_in_is_unchanged() {
        assert!(same(&sent(), &there()));
    }

    #[test]
    fn what_the_file_no_longer_has_is_a_difference() {
        for (at, more) in [
            (
                "/properties/trigger",
                json!({"endTime": "2030-01-01 00:00:00"}),
            ),
            (
                "/properties/action/jobDefinition",
                json!({"inputs": {"x": {"value": "1"}}}),
            ),
            (
                "/properties/action/jobDefinition",
                json!({"experimentName": "nightly"}),
            ),
        ] {
            let mut there = there();
            let part = there.pointer_mut(at).unwrap().as_object_mut().unwrap();
            part.extend(more.as_object().unwrap().clone());
            assert!(!same(&sent(), &there), "{at} {more}");
        }
    }

    #[test]
    fn another_time_is_a_difference() {
        let mut there = there();
        there["properties"]["trigger"]["expression"] = "5 * * * *".into();
        assert!(!same(&sent(), &there));
    }

    #[test]
    fn one_that_was_switched_off_stays_as_it_is() {
        let mut there = there();
        there["properties"]["isEnabled"] = false.into();
        assert!(same(&sent(), &there));
    }
}
