//! Bodies of writes that start from what GET returned. The service's PUT replaces the whole resource, so everything that may be
//! said is said again; what only the service says is left out. Pure.

use serde_json::{Map, Value, json};

use super::{Family, Shares};

/// What a client may say of an endpoint or deployment, besides `properties` (service notes 14.1, 15).
const WRITABLE: &[&str] = &["location", "tags", "identity", "sku"];
/// Properties that only the service says.
const READ_ONLY: &[&str] = &["provisioningState", "scoringUri", "swaggerUri"];

/// A body that writes a resource as it is.
pub(crate) fn as_it_is(family: Family, there: &Value) -> Value {
    let mut body = Map::new();
    for key in WRITABLE {
        // Batch endpoints answer with an identity that nobody sent (service notes 16.1).
        let kept = !there[*key].is_null() && (*key != "identity" || family == Family::Online);
        if kept {
            body.insert((*key).to_owned(), there[*key].clone());
        }
    }
    if let Some(identity) = body.get_mut("identity") {
        *identity = asked_identity(identity);
    }
    let properties = there["properties"].as_object().into_iter().flatten();
    let properties: Map<String, Value> = properties
        .filter(|(key, value)| !READ_ONLY.contains(&key.as_str()) && !value.is_null())
        .map(|(key, value)| (key.clone(), without_nulls(value)))
        .collect();
    body.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(body)
}

/// An identity as a client asks for it: the ids of its principals are the service's to say.
fn asked_identity(identity: &Value) -> Value {
    let mut asked = json!({"type": identity["type"]});
    if let Some(assigned) = identity["userAssignedIdentities"].as_object() {
        let empty = assigned.keys().map(|id| (id.clone(), json!({})));
        asked["userAssignedIdentities"] = Value::Object(empty.collect());
    }
    asked
}

/// Whether a document says something of a field, by the field's name in YAML.
type Stated<'a> = &'a dyn Fn(&str) -> bool;

/// What a translation fills in for a document that does not say it, by the field's name in YAML and its place in the body. There
/// what exists counts, not the default.
const KEPT: &[(&str, &str)] = &[
    ("tags", "/tags"),
    ("identity", "/identity"),
    ("auth_mode", "/properties/authMode"),
    ("description", "/properties/description"),
    ("properties", "/properties/properties"),
    ("traffic", "/properties/traffic"),
    ("mirror_traffic", "/properties/mirrorTraffic"),
    ("defaults", "/properties/defaults"),
    ("public_network_access", "/properties/publicNetworkAccess"),
];

/// The body that makes an endpoint what a document asks for: what is there, with everything that the document says. Tags of ours
/// stay whatever it says.
pub(crate) fn updated(
    family: Family,
    there: &Value,
    asked: &Value,
    stated: Stated<'_>,
    own_tags: &[&str],
) -> Value {
    let mut body = as_it_is(family, there);
    let kept = |at: &str| {
        let field = KEPT.iter().find(|(_, pointer)| *pointer == at);
        field.is_some_and(|(name, _)| !stated(name))
    };
    overlay(&mut body, asked, "", &kept);
    for tag in own_tags {
        if let Some(value) = there["tags"].get(tag) {
            body["tags"][*tag] = value.clone();
        }
    }
    body
}

fn overlay(body: &mut Value, asked: &Value, at: &str, kept: &dyn Fn(&str) -> bool) {
    for (key, value) in asked.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        if at == "/properties" {
            overlay(&mut body["properties"], value, &at, kept);
        } else if !kept(&at) {
            body[key] = value.clone();
        }
    }
}

/// Shares as the service takes them: no zeros (service notes 14.2).
pub(super) fn shares(shares: &Shares) -> Value {
    let entries = shares.iter().filter(|(_, share)| **share > 0);
    Value::Object(
        entries
            .map(|(name, share)| (name.clone(), Value::from(*share)))
            .collect(),
    )
}

/// Requests omit what answers carry as null (service notes 3.2).
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Value {
        json!({"location": "eastus", "tags": {}, "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key", "properties": {}}})
    }

    fn there() -> Value {
        json!({"location": "eastus", "tags": {"team": "x", "own": "y"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/a": {"clientId": "c"}}},
            "properties": {"authMode": "AADToken", "provisioningState": "Succeeded", "traffic": {"blue": 100}, "mirrorTraffic": {"green": 5},
                "publicNetworkAccess": "Disabled", "properties": {"azureml.onlineendpointid": "1"}}})
    }

    #[test]
    fn what_the_document_does_not_say_stays() {
        let body = updated(Family::Online, &there(), &asked(), &|_| false, &["own"]);
        assert_eq!(body, as_it_is(Family::Online, &there()));
    }

    #[test]
    fn what_the_document_says_counts_and_our_tags_stay() {
        let mut asked = asked();
        asked["tags"] = json!({"team": "z"});
        asked["properties"]["traffic"] = json!({});
        let stated = |name: &str| ["tags", "traffic", "identity"].contains(&name);
        let body = updated(Family::Online, &there(), &asked, &stated, &["own"]);
        assert_eq!(body["tags"], json!({"team": "z", "own": "y"}));
        assert_eq!(body["properties"]["traffic"], json!({}));
        assert_eq!(body["identity"], json!({"type": "SystemAssigned"}));
        assert_eq!(body["properties"]["mirrorTraffic"], json!({"green": 5}));
        assert_eq!(body["properties"]["authMode"], "AADToken");
    }

    #[test]
    fn what_only_the_service_says_is_not_sent_back() {
        let there = json!({"id": "i", "name": "e", "type": "t", "kind": "Managed", "systemData": {}, "location": "eastus", "sku": null,
            "tags": {"a": "b"}, "identity": {"type": "SystemAssigned,UserAssigned", "principalId": "p", "tenantId": "t",
                "userAssignedIdentities": {"/subscriptions/S/x": {"principalId": "p", "clientId": "c"}}},
            "properties": {"authMode": "Key", "provisioningState": "Succeeded", "scoringUri": "https://x", "swaggerUri": "https://x",
                "compute": null, "traffic": {"blue": 100}, "publicNetworkAccess": "Disabled", "requestSettings": {"a": null, "b": [{"c": null}]}}});
        let expected = json!({"location": "eastus", "tags": {"a": "b"},
            "identity": {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {"/subscriptions/S/x": {}}},
            "properties": {"authMode": "Key", "traffic": {"blue": 100}, "publicNetworkAccess": "Disabled", "requestSettings": {"b": [{}]}}});
        assert_eq!(as_it_is(Family::Online, &there), expected);
        let batch = as_it_is(Family::Batch, &there);
        assert!(batch.get("identity").is_none());
    }
}
