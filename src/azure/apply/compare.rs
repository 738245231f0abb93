//! Whether a resource already says what a request would write, through the spellings that the service gives back (service notes
//! 3.2, 7-11). Pure. Errs on the side of "different": a needless write converges, a missed one does not.

use serde_json::{Map, Value};
use url::Url;

/// What a difference would lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The same version is written again: a description or tag that the file no longer has counts.
    InPlace,
    /// A new version would be made: what people added to the old one since is no reason for that.
    NewVersion,
}

/// Fields that the service adds or computes; without one of ours they say nothing.
const ADDED: &[&str] = &[
    "autoDeleteSetting",
    "environmentType",
    "id",
    "intellectualProperty",
    "isAnonymous",
    "isArchived",
    "isDefault",
    "jobName",
    "name",
    "osType",
    "properties",
    "provisioningState",
    "resourceGroup",
    "serviceDataAccessAuthIdentity",
    "stage",
    "subscriptionId",
    "systemData",
    "type",
];
/// Fields that people edit in the Studio.
const ANNOTATIONS: &[&str] = &["description", "tags"];
/// Noise that a client writes and the service drops.
const DROPPED: &[&str] = &["_source", "$schema"];

/// Reads YAML as data; `None` for text that is none. This part knows no YAML: the caller has the one reader of the program.
pub type YamlReader = fn(&str) -> Option<Value>;

/// How two bodies are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    pub(super) scope: Scope,
    pub(super) read_yaml: YamlReader,
}

impl Comparison {
    /// Whether writing `sent` would change nothing of `there`. Both are whole bodies.
    pub(super) fn same(self, sent: &Value, there: &Value) -> bool {
        let (Some(sent), Some(there)) = (sent.as_object(), there.as_object()) else {
            return false;
        };
        let properties = match (sent.get("properties"), there.get("properties")) {
            (Some(Value::Object(sent)), Some(Value::Object(there))) => {
                self.same_properties(sent, there)
            }
            (sent, _) => sent.is_none_or(is_empty),
        };
        properties
            && sent
                .iter()
                .filter(|(key, _)| *key != "properties")
                .all(|(key, value)| self.covers(key, value, find(there, key)))
    }

    /// Whether the tags are the same, where they count.
    pub(super) fn same_tags(self, sent: &Value, there: &Value) -> bool {
        let (sent, there) = (&sent["properties"]["tags"], &there["properties"]["tags"]);
        self.scope == Scope::NewVersion || equal_maps(sent, Some(there))
    }

    fn same_properties(self, sent: &Map<String, Value>, there: &Map<String, Value>) -> bool {
        let said = sent
            .iter()
            .filter(|(key, _)| !DROPPED.contains(&key.as_str()))
            .all(|(key, value)| {
                let found = find(there, key);
                match key.as_str() {
                    "tags" if self.scope == Scope::InPlace => equal_maps(value, found),
                    // What the service decides by itself: `isAnonymous` comes back false even when true was sent (6.1).
                    "isAnonymous" => true,
                    key if is_empty(value) && self.says_nothing(key) => true,
                    _ => self.covers(key, value, found),
                }
            });
        // A definition that the file no longer has (a conda file, a build context) is a difference, too.
        let only_ours = there.iter().all(|(key, value)| {
            is_empty(value)
                || find(sent, key).is_some_and(|ours| !is_empty(ours))
                || self.says_nothing(key)
        });
        said && only_ours
    }

    /// Whether a field that only the service has is no difference.
    fn says_nothing(self, key: &str) -> bool {
        ADDED.contains(&key) || (ANNOTATIONS.contains(&key) && self.scope == Scope::NewVersion)
    }

    /// Whether everything that `sent` says is so in `there`.
    pub(super) fn covers(self, key: &str, sent: &Value, there: Option<&Value>) -> bool {
        let there = there.unwrap_or(&Value::Null);
        match (sent, there) {
            (Value::Object(sent), Value::Object(there)) => sent
                .iter()
                .filter(|(key, _)| !DROPPED.contains(&key.as_str()))
                .all(|(key, value)| self.covers(key, value, find(there, key))),
            (Value::Array(sent), Value::Array(there)) => {
                sent.len() == there.len()
                    && sent
                        .iter()
                        .zip(there)
                        .all(|(sent, there)| self.covers(key, sent, Some(there)))
            }
            (sent, there) if is_empty(sent) || *sent == Value::Bool(false) => {
                is_empty(there)
                    || scalar(there).is_some_and(|text| text.eq_ignore_ascii_case("false"))
            }
            (sent, there) => match (scalar(sent), scalar(there)) {
                (Some(sent), Some(there)) => self.same_text(key, &sent, &there),
                _ => false,
            },
        }
    }

    /// A field of an object, whatever the case of its name.
    pub(super) fn field<'a>(self, object: &'a Value, key: &str) -> Option<&'a Value> {
        find(object.as_object()?, key)
    }

    fn same_text(self, key: &str, sent: &str, there: &str) -> bool {
        if sent == there {
            return true;
        }
        match key {
            // Goes in as YAML and comes back as JSON (service notes 8).
            "condaFile" => match (self.document(sent), self.document(there)) {
                (Some(sent), Some(there)) => sent == there,
                _ => false,
            },
            "location"
            | "goal"
            | "vmSize"
            | "vmPriority"
            | "modelType"
            | "dataType"
            | "computeType"
            | "osType"
            | "authMode"
            | "endpointComputeType"
            | "egressPublicNetworkAccess"
            | "instanceType"
            | "loggingLevel"
            | "outputAction"
            | "publicNetworkAccess" => sent.eq_ignore_ascii_case(there),
            _ => match (address(sent), address(there)) {
                (Some(sent), Some(there)) => sent == there,
                _ => seconds(sent).is_some_and(|sent| seconds(there) == Some(sent)),
            },
        }
    }

    fn document(self, text: &str) -> Option<Value> {
        serde_json::from_str(text)
            .ok()
            .or_else(|| (self.read_yaml)(text))
    }
}

/// Names of fields come back in other cases (`aadToken`, `AADToken`).
fn find<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| {
        map.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

fn equal_maps(sent: &Value, there: Option<&Value>) -> bool {
    let empty = Map::new();
    let there = there.and_then(Value::as_object).unwrap_or(&empty);
    let sent = sent.as_object().unwrap_or(&empty);
    sent.len() == there.len()
        && sent
            .iter()
            .all(|(key, value)| there.get(key).map(scalar) == Some(scalar(value)))
}

/// Requests omit what answers carry as null, and the service gives empty maps and lists for what is not there.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Component specs come back with numbers and booleans as strings, booleans capitalised (service notes 10).
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One spelling of an id or URI. The short form of a datastore URI comes back long, ids in other cases, folders with a trailing
/// slash, storage addresses with their port.
fn address(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    if let Some(rest) = text.strip_prefix("azureml://") {
        let lower = rest.to_ascii_lowercase();
        let (head, path) = match lower.find("/paths/") {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let head = head.to_ascii_lowercase();
        // Both forms name a datastore of some workspace; ours is the only one that the short form can mean.
        let head = head
            .find("datastores/")
            .map_or(head.as_str(), |at| &head[at..]);
        return Some(format!("azureml://{head}{path}"));
    }
    let id = text.strip_prefix("azureml:").unwrap_or(text);
    if id
        .get(..15)
        .is_some_and(|start| start.eq_ignore_ascii_case("/subscriptions/"))
    {
        return Some(id.to_ascii_lowercase());
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        // Parsing drops a default port.
        return Url::parse(text)
            .ok()
            .map(|url| url.to_string().trim_end_matches('/').to_owned());
    }
    None
}

/// The seconds of an ISO 8601 duration of hours, minutes and seconds, days included: `PT2M` is `PT120S`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix('P')?;
    let mut total: u64 = 0;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (rest, in_time) = (after, true);
            continue;
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match (rest.as_bytes()[digits], in_time) {
            (b'D', false) => 86_400,
            (b'H', true) => 3_600,
            (b'M', true) => 60,
            (b'S', true) => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Enough YAML for a test.
    fn read_yaml(text: &str) -> Option<Value> {
        (text == "name: x\n").then(|| json!({"name": "x"}))
    }

    fn check(sent: &Value, there: &Value, scope: Scope, expected: bool) {
        let (sent, there) = (json!({"properties": sent}), json!({"properties": there}));
        let comparison = Comparison { scope, read_yaml };
        assert_eq!(
            comparison.same(&sent, &there),
            expected,
            "{sent} against {there}"
        );
    }

    #[test]
    fn a_data_version_equals_what_the_service_makes_of_it() {
        let sent = json!({"dataType": "uri_folder", "dataUri": "azureml://datastores/d/paths/LocalUpload/Ab/x", "isAnonymous": false,
            "isArchived": false, "description": "taxi", "tags": {}, "properties": {}});
        let there = json!({"dataType": "uri_folder", "dataUri": "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/d/paths/LocalUpload/Ab/x/",
            "isAnonymous": false, "isArchived": false, "description": "taxi", "tags": {}, "properties": {}, "autoDeleteSetting": null,
            "stage": null, "intellectualProperty": null, "provisioningState": "Succeeded"});
        check(&sent, &there, Scope::InPlace, true);
        let mut other = there.clone();
        other["dataUri"] = "azureml://datastores/d/paths/LocalUpload/aB/x".into();
        check(&sent, &other, Scope::InPlace, false);
        let mut other = there;
        other["description"] = "cab".into();
        check(&sent, &other, Scope::NewVersion, false);
    }

    #[test]
    fn what_people_added_since_is_no_reason_for_a_new_version() {
        let sent = json!({"dataUri": "https://h/p", "description": null});
        let there =
            json!({"dataUri": "https://h/p/", "description": "by hand", "tags": {"a": "1"}});
        check(&sent, &there, Scope::NewVersion, true);
        check(&sent, &there, Scope::InPlace, false);
    }

    #[test]
    fn tags_count_both_ways_in_place() {
        for (sent, there, expected) in [
            (json!({"a": "1"}), json!({"a": "1"}), true),
            (json!({"a": "1"}), json!({"a": "2"}), false),
            (json!({"a": "1"}), json!({"a": "1", "b": "2"}), false),
            (json!({}), Value::Null, true),
        ] {
            check(
                &json!({"tags": sent}),
                &json!({"tags": there}),
                Scope::InPlace,
                expected,
            );
        }
    }

    #[test]
    fn a_conda_file_comes_back_as_json() {
        let sent = json!({"condaFile": "name: x\n"});
        let there = |text: &str| json!({"condaFile": text});
        check(
            &sent,
            &there("{\n  \"name\": \"x\"\n}"),
            Scope::InPlace,
            true,
        );
        check(&sent, &there("{\"name\": \"y\"}"), Scope::InPlace, false);
        check(&sent, &there("name: x # odd"), Scope::InPlace, false);
    }

    #[test]
    fn a_definition_that_is_gone_from_the_file_is_a_difference() {
        let sent = json!({"image": "ubuntu:22.04"});
        let there = json!({"image": "ubuntu:22.04", "condaFile": "{}", "environmentType": "UserCreated", "osType": "Linux"});
        check(&sent, &there, Scope::NewVersion, false);
    }

    #[test]
    fn component_specs_come_back_as_strings() {
        let sent = json!({"componentSpec": {"name": "t", "is_deterministic": true, "inputs": {"lr": {"type": "number", "default": 0.1}}, "_source": "x"}});
        let there = json!({"componentSpec": {"name": "t", "is_deterministic": "True", "resources": {"instance_count": "1"},
            "inputs": {"lr": {"type": "number", "default": "0.1", "optional": "False"}}}});
        check(&sent, &there, Scope::NewVersion, true);
    }

    #[test]
    fn addresses_have_one_spelling() {
        for (one, other) in [
            (
                "azureml:/subscriptions/S/resourceGroups/G/x",
                "/subscriptions/s/resourcegroups/g/x",
            ),
            (
                "https://a.blob.core.windows.net:443/c/p/",
                "https://a.blob.core.windows.net/c/p",
            ),
            (
                "azureml://subscriptions/S/resourceGroups/G/workspaces/W/datastores/d/paths/M",
                "azureml://datastores/d/paths/M/",
            ),
        ] {
            assert_eq!(address(one), address(other));
            assert!(address(one).is_some());
        }
        assert_eq!(address("ubuntu:22.04"), None);
    }

    #[test]
    fn a_datastore_opened_by_identity_equals_what_the_service_makes_of_it() {
        let there = |credentials: &str| {
            json!({"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c", "endpoint": "core.windows.net",
                "protocol": "https", "credentials": {"credentialsType": credentials}, "isDefault": false, "tags": null,
                "serviceDataAccessAuthIdentity": "None", "subscriptionId": "S", "resourceGroup": "G", "description": null})
        };
        let mut sent = json!({"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c", "endpoint": "core.windows.net",
            "protocol": "https", "credentials": {"credentialsType": "None"}});
        check(&sent, &there("None"), Scope::InPlace, true);
        check(&sent, &there("AccountKey"), Scope::InPlace, false);
        // A key never comes back, so that one that was changed looks like one that was not.
        sent["credentials"] = json!({"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "k"}});
        check(&sent, &there("AccountKey"), Scope::InPlace, false);
    }

    #[test]
    fn a_model_equals_what_the_service_makes_of_it() {
        let uri = "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/d/paths/LocalUpload/h/m";
        let sent = json!({"modelType": "mlflow_model", "modelUri": uri, "isAnonymous": false, "isArchived": false,
            "flavors": {"python_function": {"data": {"loader_module": "mlflow.sklearn"}}}});
        let there = json!({"modelType": "mlflow_model", "modelUri": uri.replace("resourcegroups", "resourceGroups"), "stage": "Development",
            "flavors": {"python_function": {"data": {"loader_module": "mlflow.sklearn"}}}, "jobName": null, "tags": {}, "properties": {},
            "description": null, "provisioningState": "Succeeded", "intellectualProperty": null, "autoDeleteSetting": null});
        check(&sent, &there, Scope::NewVersion, true);
        let mut other = there;
        other["modelUri"] = uri.replace("/h/", "/i/").into();
        check(&sent, &other, Scope::NewVersion, false);
    }

    #[test]
    fn durations_are_compared_by_length() {
        assert_eq!(seconds("PT2M"), seconds("PT120S"));
        assert_eq!(seconds("P1DT1H"), Some(90_000));
        for bad in ["", "2M", "PT", "P1M", "PTxS", "P99999999999999999999D"] {
            let found = seconds(bad);
            assert!(found.is_none() || bad == "PT", "{bad}: {found:?}");
        }
    }
}
