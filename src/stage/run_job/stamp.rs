//! Where a job comes from: git as properties, as `az ml` stamps it, and the CI run as tags. Never part of the job's derived name.
//! On a CI host also what was asked for, as a digest, by which a later attempt knows its own job.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::provenance;
use crate::stage::Context;

/// The property with the digest of the request that made the job.
pub(super) const REQUEST: &str = "aml-runner.request";

/// What is added to the job's own properties and tags; the user's values win.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamps {
    properties: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Stamps {
    pub(super) fn with_request(mut self, digest: &str) -> Self {
        self.properties
            .insert(REQUEST.to_owned(), digest.to_owned());
        self
    }

    /// Adds what the job's body does not say itself.
    pub(super) fn add_to(&self, body: &mut Value) {
        let Some(Value::Object(job)) = body.get_mut("properties") else {
            return;
        };
        merge(job, "properties", &self.properties);
        merge(job, "tags", &self.tags);
    }
}

fn merge(job: &mut Map<String, Value>, key: &str, stamps: &BTreeMap<String, String>) {
    if stamps.is_empty() {
        return;
    }
    let there = job.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if there.is_null() {
        *there = Value::Object(Map::new());
    }
    let Value::Object(there) = there else { return };
    for (name, value) in stamps {
        there
            .entry(name.as_str())
            .or_insert_with(|| Value::String(value.clone()));
    }
}

pub(super) async fn collect(context: &Context) -> Stamps {
    let environment = context.host.child_environment();
    Stamps {
        properties: provenance::git_properties(&context.working_directory, &environment).await,
        tags: provenance::ci_tags(&context.facts),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_user_wrote_wins_over_a_stamp() {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let stamps = Stamps {
            properties: one("azureml.git.dirty", "True"),
            tags: one("ci.run", "https://x"),
        };
        let mut body = json!({"properties": {"tags": {"ci.run": "mine"}, "properties": null}});
        stamps.add_to(&mut body);
        assert_eq!(
            body,
            json!({"properties": {"tags": {"ci.run": "mine"}, "properties": {"azureml.git.dirty": "True"}}})
        );
    }
}
