//! Everything that lives while an emulator runs. Handlers and running jobs share it; it has no behaviour of its own.

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::asset::Assets;
use super::blob::store::Blobs;
use super::endpoint::Endpoints;
use super::execute::machine::Machine;
use super::fault::Faults;
use super::handler::compute::Compute;
use super::handler::schedule::Schedule;
use super::job::Jobs;
use super::operation::Operations;
use super::record::Recorder;
use super::site::{self, Site};
use super::store::Table;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) site: Site,
    pub(crate) options: Options,
    pub(crate) assets: Assets,
    /// `properties` by name.
    pub(crate) datastores: Table<Value>,
    pub(crate) computes: Table<Compute>,
    pub(crate) schedules: Table<Schedule>,
    pub(crate) endpoints: Endpoints,
    pub(crate) jobs: Jobs,
    pub(crate) blobs: Blobs,
    pub(crate) operations: Operations,
    pub(crate) assertions: Mutex<HashSet<String>>,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    pub(crate) machine: Machine,
    /// How many steps may run at once.
    pub(crate) permits: Semaphore,
    /// Cancelled when the emulator stops.
    pub(crate) closing: CancellationToken,
    /// Removed with the state: spilled blobs, work directories.
    pub(crate) scratch: TempDir,
}

impl State {
    pub(crate) fn new(site: Site, options: Options, scratch: TempDir) -> std::io::Result<Self> {
        let spill = scratch.path().join("blobs");
        std::fs::create_dir(&spill)?;
        let state = Self {
            assets: Assets::default(),
            datastores: Table::default(),
            computes: Table::default(),
            schedules: Table::default(),
            endpoints: Endpoints::default(),
            jobs: Jobs::default(),
            blobs: Blobs::new(spill),
            operations: Operations::default(),
            assertions: Mutex::default(),
            faults: Faults::default(),
            recorder: Recorder::default(),
            machine: Machine::new(&options, scratch.path())?,
            permits: Semaphore::new(options.max_parallel_steps.max(1)),
            closing: CancellationToken::new(),
            site,
            options,
            scratch,
        };
        for (name, container, is_default, identity) in [
            (
                site::BLOB_STORE,
                state.site.blob_container(),
                true,
                "WorkspaceSystemAssignedIdentity",
            ),
            (
                site::ARTIFACT_STORE,
                site::ARTIFACT_CONTAINER.to_owned(),
                false,
                "None",
            ),
        ] {
            state.blobs.create_container(&container);
            state.datastores.put(name, json!({
                "description": null, "tags": null, "properties": null, "isDefault": is_default,
                "credentials": {"credentialsType": "AccountKey"}, "datastoreType": "AzureBlob",
                "accountName": state.site.account, "containerName": container, "endpoint": state.site.storage_suffix(), "protocol": "http",
                "serviceDataAccessAuthIdentity": identity,
                "subscriptionId": state.site.subscription, "resourceGroup": state.site.resource_group,
            }));
        }
        Ok(state)
    }

    /// The container behind a datastore of this storage account.
    pub(crate) fn container_of(&self, datastore: &str) -> Option<String> {
        let properties = self.datastores.get(datastore)?;
        let text = |name| properties.get(name).and_then(Value::as_str);
        let ours = text("accountName") == Some(self.site.account.as_str());
        ours.then(|| text("containerName").map(str::to_owned))
            .flatten()
    }

    /// `systemData` of a resource.
    pub(crate) fn system_data(
        created: time::OffsetDateTime,
        modified: time::OffsetDateTime,
    ) -> Value {
        json!({
            "createdAt": super::clock::stamp(created), "createdBy": super::auth::OBJECT_ID, "createdByType": "Application",
            "lastModifiedAt": super::clock::stamp(modified),
        })
    }
}
