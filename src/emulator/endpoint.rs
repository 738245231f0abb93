//! Endpoints and deployments in memory, with the states they go through. What a change brings (traffic, keys, a new process) counts when
//! its operation is done, not when it was asked for. Knows no HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::operation::{Operations, Progress};
use super::scoring::log::Log;
use super::scoring::worker::Worker;
use super::store::Table;
use super::traffic::{Draws, Split};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Online,
    Batch,
}

impl Kind {
    pub(crate) fn from_segment(segment: &str) -> Option<Self> {
        [Self::Online, Self::Batch]
            .into_iter()
            .find(|kind| kind.segment().eq_ignore_ascii_case(segment))
    }

    /// The word in paths and ids.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Online => "onlineEndpoints",
            Self::Batch => "batchEndpoints",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provisioning {
    Creating,
    Updating,
    Deleting,
    Succeeded,
    Failed,
}

impl Provisioning {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    pub(crate) fn is_busy(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }
}

/// Whether asking brings an operation forward: a client's questions do, the emulator's own do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Counts,
    Not,
}

/// What asking found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// As it was.
    Same,
    /// The change that was under way is done now.
    Applied,
    /// It has been deleted now.
    Gone,
}

/// A state, and the operation that leads out of it.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle {
    pub(crate) state: Provisioning,
    pub(crate) operation: String,
}

impl Lifecycle {
    /// Moves on if the operation has ended.
    pub(crate) fn follow(&mut self, operations: &Operations, look: Look) -> Turn {
        if !self.state.is_busy() {
            return Turn::Same;
        }
        let progress = match look {
            Look::Counts => operations.look(&self.operation),
            Look::Not => operations.peek(&self.operation),
        };
        match progress {
            Some(Progress::Running) => Turn::Same,
            Some(Progress::Failed(_)) => {
                self.state = Provisioning::Failed;
                Turn::Same
            }
            Some(Progress::Done) | None if self.state == Provisioning::Deleting => Turn::Gone,
            Some(Progress::Done) | None => {
                self.state = Provisioning::Succeeded;
                Turn::Applied
            }
        }
    }
}

/// What every resource here has.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) location: String,
    pub(crate) tags: Value,
    pub(crate) identity: Value,
    pub(crate) sku: Value,
    /// As they are answered, but for what changes.
    pub(crate) properties: Map<String, Value>,
    pub(crate) created: OffsetDateTime,
    pub(crate) modified: OffsetDateTime,
    pub(crate) lifecycle: Lifecycle,
}

impl Resource {
    /// A map of shares among the properties.
    pub(crate) fn split(&self, field: &str) -> Split {
        let value = self.properties.get(field).unwrap_or(&Value::Null);
        // What is kept was checked when it came.
        Split::read(value).unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) primary: String,
    pub(crate) secondary: String,
    /// What tokens of this endpoint carry.
    pub(crate) seal: String,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            primary: new_key(),
            secondary: new_key(),
            seal: new_key(),
        }
    }
}

/// 32 letters and digits, as the service's keys are.
pub(crate) fn new_key() -> String {
    Uuid::new_v4().simple().to_string()
}

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) resource: Resource,
    /// Properties that the change under way brings.
    pub(crate) coming: Map<String, Value>,
    pub(crate) keys: Keys,
    /// Keys that the change under way brings.
    pub(crate) coming_keys: Option<Keys>,
    pub(crate) live: Arc<Draws>,
    pub(crate) mirror: Arc<Draws>,
}

impl Endpoint {
    pub(crate) fn follow(&mut self, operations: &Operations, look: Look) -> Turn {
        let turn = self.resource.lifecycle.follow(operations, look);
        if turn == Turn::Applied {
            self.resource
                .properties
                .extend(std::mem::take(&mut self.coming));
            if let Some(keys) = self.coming_keys.take() {
                self.keys = keys;
            }
        } else if self.resource.lifecycle.state == Provisioning::Failed {
            self.coming.clear();
            self.coming_keys = None;
        }
        turn
    }
}

/// How many requests a deployment was given.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) live: AtomicU64,
    pub(crate) by_name: AtomicU64,
    pub(crate) mirrored: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Requests that a deployment was given so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// By its share of traffic.
    pub live: u64,
    /// By the header that names it.
    pub by_name: u64,
    /// As copies.
    pub mirrored: u64,
    /// Of all of them, those that were not answered with success.
    pub failed: u64,
}

impl Counts {
    pub(crate) fn read(&self) -> Served {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Served {
            live: read(&self.live),
            by_name: read(&self.by_name),
            mirrored: read(&self.mirrored),
            failed: read(&self.failed),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) resource: Resource,
    /// What its process was made from, as far as there is one; another recipe needs another process.
    pub(crate) made_from: Value,
    /// Ends with the last one that holds it: a request in flight keeps it alive.
    pub(crate) worker: Option<Arc<Worker>>,
    pub(crate) log: Arc<Log>,
    pub(crate) counts: Arc<Counts>,
}

/// Everything there is, by name; deployments by `endpoint/deployment`.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    online: Table<Endpoint>,
    batch: Table<Endpoint>,
    online_deployments: Table<Deployment>,
    batch_deployments: Table<Deployment>,
    /// Held by whoever checks something in order to write it.
    pub(crate) turn: Mutex<()>,
}

impl Endpoints {
    pub(crate) fn table(&self, kind: Kind) -> &Table<Endpoint> {
        match kind {
            Kind::Online => &self.online,
            Kind::Batch => &self.batch,
        }
    }

    pub(crate) fn deployments(&self, kind: Kind) -> &Table<Deployment> {
        match kind {
            Kind::Online => &self.online_deployments,
            Kind::Batch => &self.batch_deployments,
        }
    }

    /// An endpoint as it is now; one whose deletion is done is not, and neither are its deployments.
    pub(crate) fn find(
        &self,
        operations: &Operations,
        kind: Kind,
        name: &str,
        look: Look,
    ) -> Option<Endpoint> {
        let table = self.table(kind);
        let (turn, endpoint) = table.update(name, |endpoint| {
            (endpoint.follow(operations, look), endpoint.clone())
        })?;
        if turn != Turn::Gone {
            return Some(endpoint);
        }
        table.remove(name);
        let prefix = key(name, "").to_lowercase();
        for (deployment, _) in self.deployments(kind).list() {
            if deployment.to_lowercase().starts_with(&prefix) {
                self.deployments(kind).remove(&deployment);
            }
        }
        None
    }

    /// A deployment as it is now.
    pub(crate) fn find_deployment(
        &self,
        operations: &Operations,
        kind: Kind,
        (endpoint, name): (&str, &str),
        look: Look,
    ) -> Option<Deployment> {
        let (table, key) = (self.deployments(kind), key(endpoint, name));
        let (turn, deployment) = table.update(&key, |deployment| {
            let turn = deployment.resource.lifecycle.follow(operations, look);
            (turn, deployment.clone())
        })?;
        if turn == Turn::Gone {
            table.remove(&key);
            return None;
        }
        Some(deployment)
    }

    /// An endpoint's deployments as they are now, by name.
    pub(crate) fn deployments_of(
        &self,
        operations: &Operations,
        kind: Kind,
        endpoint: &str,
        look: Look,
    ) -> Vec<Deployment> {
        let prefix = key(endpoint, "").to_lowercase();
        let all = self.deployments(kind).list().into_iter();
        all.filter(|(key, _)| key.to_lowercase().starts_with(&prefix))
            .filter_map(|(_, row)| {
                self.find_deployment(operations, kind, (endpoint, &row.name), look)
            })
            .collect()
    }
}

/// The name that a deployment is kept under.
pub(crate) fn key(endpoint: &str, deployment: &str) -> String {
    format!("{endpoint}/{deployment}")
}
