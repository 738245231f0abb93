//! What is asked once and known from then on: the cloud, the workspace, its data plane. Concurrent askers share one request.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::error::{ArmError, SignInError};
use super::{Address, Azure, Call, Cloud};

const WORKSPACE_VERSION: &str = "2024-10-01-preview";
const METADATA_VERSION: &str = "2022-09-01";

/// What the workspace says of itself.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceFacts {
    pub id: String,
    pub location: String,
    /// The GUID in operation ids, container names and asset ids.
    pub workspace_id: String,
    pub tenant: Option<String>,
    pub discovery_url: String,
    pub mlflow_tracking_uri: Option<String>,
    /// The ARM id of the default storage account.
    pub storage_account: Option<String>,
    pub provisioning_state: Option<String>,
    pub public_network_access: Option<String>,
    /// The whole answer, for what is not named here.
    pub body: Value,
}

impl WorkspaceFacts {
    fn read(body: Value) -> Result<Self, String> {
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let need = |pointer: &str| text(pointer).ok_or_else(|| format!("`{pointer}` is missing"));
        Ok(Self {
            id: text("/id").unwrap_or_default(),
            location: need("/location")?,
            workspace_id: text("/properties/workspaceId").unwrap_or_default(),
            tenant: text("/properties/tenantId").or_else(|| text("/identity/tenantId")),
            discovery_url: text("/properties/discoveryUrl").unwrap_or_default(),
            mlflow_tracking_uri: text("/properties/mlFlowTrackingUri"),
            storage_account: text("/properties/storageAccount"),
            provisioning_state: text("/properties/provisioningState"),
            public_network_access: text("/properties/publicNetworkAccess"),
            body,
        })
    }
}

impl Azure {
    /// The workspace, read once.
    pub async fn workspace_facts(&self) -> Result<Arc<WorkspaceFacts>, ArmError> {
        let read = async {
            let call = Call::get(Address::Workspace(String::new()), WORKSPACE_VERSION);
            let request = call.label();
            let answer = Box::pin(self.send(call)).await?;
            WorkspaceFacts::read(answer.body)
                .map(Arc::new)
                .map_err(|reason| ArmError::Decode { request, reason })
        };
        Box::pin(self.inner.facts.get_or_ask(read)).await
    }

    /// The host of run history and the other data-plane services, found by discovery.
    pub async fn data_plane(&self) -> Result<Url, ArmError> {
        let find = async {
            let facts = self.workspace_facts().await?;
            let bad = |reason: String| ArmError::Decode {
                request: "GET discovery".to_owned(),
                reason,
            };
            let url = Url::parse(&facts.discovery_url)
                .map_err(|error| bad(format!("discoveryUrl: {error}")))?;
            // Discovery takes no token, so it gets none.
            let answer = self.anonymous(self.lift(&url), "GET discovery").await?;
            let api = answer.body.get("api").and_then(Value::as_str);
            let api = api.ok_or_else(|| bad("`api` is missing".to_owned()))?;
            let api = Url::parse(api).map_err(|error| bad(format!("`api`: {error}")))?;
            let api = self.lift(&api);
            if api.scheme() != "https" {
                return Err(bad("`api` is plain http".to_owned()));
            }
            Ok(api)
        };
        Box::pin(self.inner.data_plane.get_or_ask(find)).await
    }

    /// The cloud: from the table, or from the metadata of `arm-endpoint`.
    pub async fn cloud(&self) -> Result<Arc<Cloud>, ArmError> {
        let find = async {
            let Some(endpoint) = &self.inner.metadata_at else {
                return self
                    .inner
                    .known_cloud
                    .clone()
                    .ok_or_else(|| ArmError::Decode {
                        request: "cloud".to_owned(),
                        reason: "no cloud is known by this name".to_owned(),
                    });
            };
            let request = "GET metadata/endpoints";
            let mut url = self.lift(endpoint);
            url.set_path("/metadata/endpoints");
            url.set_query(Some(&format!("api-version={METADATA_VERSION}")));
            let answer = self.anonymous(url, request).await;
            let answer = answer.map_err(|error| unlike_azure(endpoint, error))?;
            Cloud::from_metadata(endpoint, self.inner.stand_in.as_ref(), &answer.body)
                .map(Arc::new)
                .map_err(|reason| no_resource_manager(endpoint, &reason))
        };
        Box::pin(self.inner.cloud.get_or_ask(find)).await
    }
}

/// Whoever answers without the metadata that every Resource Manager has is none.
fn unlike_azure(endpoint: &Url, error: ArmError) -> ArmError {
    match &error {
        ArmError::NotFound(_) | ArmError::Decode { .. } => {
            no_resource_manager(endpoint, &error.to_string())
        }
        ArmError::SignIn(_)
        | ArmError::Denied(_)
        | ArmError::Conflict(_)
        | ArmError::Throttled(_)
        | ArmError::Api(_)
        | ArmError::Transport { .. }
        | ArmError::TimedOut { .. }
        | ArmError::Local { .. } => error,
    }
}

fn no_resource_manager(endpoint: &Url, reason: &str) -> ArmError {
    let message = format!("{endpoint} does not answer as an Azure Resource Manager: {reason}.");
    SignInError::refused(
        message,
        "Check arm-endpoint: it is the address of a cloud's Resource Manager or of an emulator. Public Azure needs none.",
    )
    .into()
}
