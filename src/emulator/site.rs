//! Names and addresses of the one workspace that the emulator stands for. Knows no state.

use uuid::Uuid;

/// Where it is and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// `http://localhost:PORT`.
    pub(crate) endpoint: String,
    /// `localhost:PORT`.
    pub(crate) authority: String,
    pub(crate) port: u16,
    pub(crate) subscription: String,
    pub(crate) resource_group: String,
    pub(crate) workspace: String,
    pub(crate) workspace_id: String,
    pub(crate) tenant: String,
    pub(crate) location: String,
    pub(crate) account: String,
    pub(crate) account_key: Vec<u8>,
}

pub(crate) const ARTIFACT_STORE: &str = "workspaceartifactstore";
pub(crate) const BLOB_STORE: &str = "workspaceblobstore";
pub(crate) const ARTIFACT_CONTAINER: &str = "azureml";
pub(crate) const PROVIDER: &str = "Microsoft.MachineLearningServices";

impl Site {
    pub(crate) fn group_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}",
            self.subscription, self.resource_group
        )
    }

    /// The workspace's ARM id.
    pub(crate) fn id(&self) -> String {
        format!(
            "{}/providers/{PROVIDER}/workspaces/{}",
            self.group_id(),
            self.workspace
        )
    }

    /// `127.0.0.1:PORT`, the address a client uses that cannot resolve names.
    pub(crate) fn loopback(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn blob_container(&self) -> String {
        format!("azureml-blobstore-{}", self.workspace_id)
    }

    /// What follows `<account>.blob.` in storage addresses. With `core.` in it, as in every cloud: Microsoft's clients look for `.blob.core.`
    /// to find the account's name. Without it the addresses work as well.
    pub(crate) fn storage_suffix(&self) -> String {
        format!("core.{}", self.authority)
    }

    pub(crate) fn blob_url(&self, container: &str, path: &str) -> String {
        let path = super::request::percent_encode(path);
        let slash = if path.is_empty() { "" } else { "/" };
        format!(
            "http://{}.blob.{}/{container}{slash}{path}",
            self.account,
            self.storage_suffix()
        )
    }

    /// The long form of a datastore URI. The service writes the group's segment in small letters, for models it does not.
    pub(crate) fn datastore_uri(&self, groups: &str, datastore: &str, path: &str) -> String {
        format!(
            "azureml://subscriptions/{}/{groups}/{}/workspaces/{}/datastores/{datastore}/paths/{path}",
            self.subscription, self.resource_group, self.workspace
        )
    }

    pub(crate) fn mlflow_uri(&self) -> String {
        format!("{}/mlflow/v1.0{}", self.endpoint, self.id())
    }

    pub(crate) fn studio_url(&self, job: &str) -> String {
        format!(
            "{}/studio/runs/{job}?wsid=/subscriptions/{}/resourcegroups/{}/workspaces/{}",
            self.endpoint, self.subscription, self.resource_group, self.workspace
        )
    }

    /// The id of the asset that a job's output becomes.
    pub(crate) fn output_asset_id(&self, job: &str, output: &str) -> String {
        format!(
            "azureml://locations/{}/workspaces/{}/data/azureml_{job}_output_data_{output}/versions/1",
            self.location, self.workspace_id
        )
    }

    pub(crate) fn workspace_guid(subscription: &str, group: &str, workspace: &str) -> String {
        let name = format!("{subscription}/{group}/{workspace}").to_lowercase();
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
    }
}
