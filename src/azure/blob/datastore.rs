//! Datastores of the workspace: where their container is and what opens it. Knows nothing of what is stored.

use serde_json::{Value, json};

use super::sas;
use crate::azure::{Address, ArmError, Azure, Call, Notice, Observer};
use crate::secret::Secret;

/// Datastores and their secrets (service notes 3.3).
const API_VERSION: &str = "2024-10-01-preview";

/// A datastore that holds blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datastore {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) container: String,
    endpoint: String,
    protocol: String,
    /// The datastore keeps no secret: the caller's own identity opens it.
    pub(crate) by_identity: bool,
}

impl Datastore {
    pub(crate) async fn get(azure: &Azure, name: &str) -> Result<Self, ArmError> {
        let path = format!("datastores/{}", Address::segment(name));
        let answer = azure
            .send(Call::get(Address::Workspace(path), API_VERSION))
            .await?;
        Self::parse(name, &answer.body)
    }

    fn parse(name: &str, body: &Value) -> Result<Self, ArmError> {
        let properties = &body["properties"];
        let text = |key: &str| properties[key].as_str().map(str::to_owned);
        let refuse = |reason: String| ArmError::Decode {
            request: format!("GET datastores/{name}"),
            reason,
        };
        let kind = properties["datastoreType"].as_str().unwrap_or_default();
        if !["AzureBlob", "AzureDataLakeGen2"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(refuse(format!(
                "files can be kept in blob storage only, and this datastore is of type `{kind}`"
            )));
        }
        let container = text("containerName").or_else(|| text("filesystem"));
        let (Some(account), Some(container)) = (text("accountName"), container) else {
            return Err(refuse(
                "the datastore names no account or no container".into(),
            ));
        };
        Ok(Self {
            name: name.to_owned(),
            account,
            container,
            endpoint: text("endpoint").unwrap_or_else(|| "core.windows.net".into()),
            protocol: text("protocol").unwrap_or_else(|| "https".into()),
            by_identity: properties["credentials"]["credentialsType"].as_str() == Some("None"),
        })
    }

    /// The container's address as the service spells it.
    pub(crate) fn container_uri(&self) -> String {
        format!(
            "{}://{}.blob.{}/{}",
            self.protocol, self.account, self.endpoint, self.container
        )
    }
}

/// What the service hands out for a datastore.
#[derive(Debug, Clone)]
pub(crate) enum Grant {
    /// A query string without `?`.
    Sas(Secret),
    Key(Secret),
    /// Nothing: the caller's own token must do.
    Identity,
}

impl Grant {
    /// Asks as Microsoft's SDK does since 1.25: a SAS is preferred, a key is taken, and a refusal leaves the caller's own identity
    /// (service notes 5.2).
    pub(crate) async fn ask(azure: &Azure, datastore: &str) -> Result<Self, ArmError> {
        let body = json!({"expirableSecret": true, "expireAfterHours": 1});
        let path = format!("datastores/{}/listSecrets", Address::segment(datastore));
        let call = Call::post_read(Address::Workspace(path), API_VERSION, body);
        let answer = match azure.send(call).await {
            Ok(answer) => answer.body,
            Err(
                ArmError::Denied(_)
                | ArmError::NotFound(_)
                | ArmError::Conflict(_)
                | ArmError::Api(_),
            ) => return Ok(Self::Identity),
            Err(
                error @ (ArmError::SignIn(_)
                | ArmError::Throttled(_)
                | ArmError::Transport { .. }
                | ArmError::Decode { .. }
                | ArmError::TimedOut { .. }
                | ArmError::Local { .. }),
            ) => return Err(error),
        };
        Ok(Self::parse(&answer, azure.observer()))
    }

    fn parse(answer: &Value, observer: &Observer) -> Self {
        let given = |key: &str| answer[key].as_str().filter(|text| !text.is_empty());
        if let Some(sas) = given("sasToken") {
            let query = sas.trim_start_matches('?');
            for secret in sas::secrets_of(query) {
                observer(&Notice::Minted(secret));
            }
            Self::Sas(Secret::new(query))
        } else if let Some(key) = given("key") {
            observer(&Notice::Minted(Secret::new(key)));
            Self::Key(Secret::new(key))
        } else {
            Self::Identity
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn blob_store() -> Value {
        json!({"properties": {"datastoreType": "AzureBlob", "accountName": "acct", "containerName": "box",
            "endpoint": "core.chinacloudapi.cn", "protocol": "https", "credentials": {"credentialsType": "AccountKey"}}})
    }

    #[test]
    fn the_container_uri_is_built_from_what_the_datastore_says() {
        let store = Datastore::parse("d", &blob_store()).unwrap();
        assert_eq!(
            store.container_uri(),
            "https://acct.blob.core.chinacloudapi.cn/box"
        );
        assert!(!store.by_identity);
    }

    #[test]
    fn a_file_share_is_refused_by_name() {
        let mut body = blob_store();
        body["properties"]["datastoreType"] = "AzureFile".into();
        let text = Datastore::parse("d", &body).unwrap_err().to_string();
        assert!(text.contains("AzureFile"), "{text}");
    }

    #[test]
    fn secrets_are_announced_before_they_are_used() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |notice| {
            if let Notice::Minted(secret) = notice {
                sink.lock().unwrap().push(secret.expose().to_owned());
            }
        });
        let grant = Grant::parse(&json!({"sasToken": "?sv=1&sig=abc"}), &observer);
        assert!(matches!(grant, Grant::Sas(sas) if sas.expose() == "sv=1&sig=abc"));
        let grant = Grant::parse(&json!({"key": "a2V5"}), &observer);
        assert!(matches!(grant, Grant::Key(_)));
        assert_eq!(*seen.lock().unwrap(), ["sv=1&sig=abc", "abc", "a2V5"]);
    }
}
