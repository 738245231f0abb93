//! The reads: what exists, which versions there are, what opens the datastores. Nothing here writes.

use std::collections::HashSet;

use futures::future::{join_all, try_join_all};
use serde_json::Value;

use super::symbols::{Code, Standing, StoreCells, needs_of};
use super::write::needs_ml_token;
use super::{ApplyError, Execution, Missing};
use crate::azure::blob::Container;
use crate::azure::blob::datastore::{Datastore, Grant};
use crate::azure::upload::{Found, Uploader};
use crate::azure::{Address, Answer, ArmError, Audience, Call};
use crate::spec::plan::{Destination, Existing, Reference};

/// Versions of the lookups' own requests (service notes 3.3); everything else is read in the version in which it is written.
const CODES: &str = "2023-04-01";
const COMPUTES: &str = "2023-08-01-preview";

impl Execution {
    /// Everything that can be learned without writing, at the same time. What the plan takes for granted and is not there is
    /// reported in one go.
    pub async fn look_up(&self) -> Result<(), ApplyError> {
        let named = async { Ok(self.named_resources().await) };
        let requests = try_join_all(self.own_requests().map(|index| self.standing(index)));
        let uploads = async {
            let scouts = self
                .own_uploads()
                .map(async |index| (index, self.scout(index).await));
            Ok(join_all(scouts).await)
        };
        let facts = async {
            if self.needs_location() {
                self.azure.workspace_facts().await?;
            }
            Ok::<_, ApplyError>(())
        };
        let signed_in = async {
            // A job's second token is fetched beside the first, not after everything that goes before the job.
            if self.plan.requests.iter().any(needs_ml_token) {
                self.azure.token(Audience::MachineLearning).await?;
            }
            Ok(())
        };
        // What is missing is said before anything that merely follows from it.
        let (named, _, uploads, (), ()) = Box::pin(futures::future::try_join5(
            named, requests, uploads, facts, signed_in,
        ))
        .await?;
        named?;
        // An upload that nothing needs any more may be in a store that cannot be opened.
        let needed: HashSet<usize> = self
            .live()
            .into_iter()
            .filter(|index| {
                let standing = self.symbols.requests[*index].standing.get();
                !matches!(standing, Some(Standing::Unchanged { .. }))
            })
            .flat_map(|index| needs_of(&self.plan.requests[index]))
            .filter_map(|upload| self.symbols.same_upload.get(upload).copied())
            .collect();
        uploads
            .into_iter()
            .filter(|(index, _)| needed.contains(index))
            .try_for_each(|(_, scouted)| scouted)
    }

    /// The resources that the plan names and does not make; all that are missing in one error.
    async fn named_resources(&self) -> Result<(), ApplyError> {
        let latest = join_all(
            self.symbols
                .latest
                .keys()
                .map(|(collection, name)| self.latest(collection, name)),
        );
        let (expected, latest) = futures::join!(self.expectations(), latest);
        let mut missing = Vec::new();
        let results = std::iter::once(expected).chain(latest.into_iter().map(|id| id.map(drop)));
        for result in results {
            match result {
                Ok(()) => {}
                Err(ApplyError::Missing(more)) => missing.extend(more),
                Err(error) => return Err(error),
            }
        }
        none_of(missing)
    }

    /// Indices of requests that are not a repetition of an earlier one.
    pub(super) fn own_requests(&self) -> impl Iterator<Item = usize> {
        own(&self.symbols.same_request)
    }

    pub(super) fn own_uploads(&self) -> impl Iterator<Item = usize> {
        own(&self.symbols.same_upload)
    }

    pub(super) async fn expectations(&self) -> Result<(), ApplyError> {
        let asked = try_join_all(self.plan.expects.iter().map(async |expectation| {
            let Existing::Compute(name) = &expectation.resource;
            let there = self.compute_exists(name).await?;
            Ok::<_, ApplyError>((!there).then(|| Missing {
                kind: "compute",
                name: name.clone(),
                place: expectation.place.clone(),
            }))
        }))
        .await?;
        none_of(asked.into_iter().flatten().collect())
    }

    async fn compute_exists(&self, name: &str) -> Result<bool, ApplyError> {
        let ask = async || -> Result<bool, ApplyError> {
            let call = get(&format!("computes/{}", Address::segment(name)), COMPUTES);
            Ok(self.if_there(call).await?.is_some())
        };
        match self.symbols.computes.get(name) {
            Some(cell) => cell.get_or_try_init(ask).await.copied(),
            None => ask().await,
        }
    }

    /// An answer, or `None` when there is no such thing.
    pub(super) async fn if_there(&self, call: Call) -> Result<Option<Answer>, ArmError> {
        match self.azure.send(call).await {
            Ok(answer) => Ok(Some(answer)),
            // A missing resource group or workspace is not a missing asset.
            Err(ArmError::NotFound(said)) if !said.is_about_coordinates() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of an asset's newest version.
    pub(super) async fn latest(
        &self,
        collection: &'static str,
        name: &str,
    ) -> Result<String, ApplyError> {
        let cell = self
            .symbols
            .latest
            .get(&(collection, name.to_owned()))
            .ok_or_else(|| ApplyError::Plan(format!("{collection}/{name} was not announced")))?;
        let ask = || async {
            let found = if collection == "data" {
                let path = format!("{collection}/{}", Address::segment(name));
                let container = self.if_there(get(&path, api_version(collection))).await?;
                container.and_then(|container| {
                    let version = text(&container.body["properties"]["latestVersion"])?;
                    Some(format!(
                        "{}/{collection}/{name}/versions/{version}",
                        self.azure.workspace()
                    ))
                })
            } else {
                let path = format!("{collection}/{}/versions", Address::segment(name));
                let call = get(&path, api_version(collection))
                    .query("$orderBy", "createdtime desc")
                    .query("$top", "1");
                let page = self.if_there(call).await?;
                page.and_then(|page| text(&page.body["value"][0]["id"]))
            };
            found.ok_or_else(|| {
                ApplyError::Missing(vec![Missing {
                    kind: noun(collection),
                    name: name.to_owned(),
                    place: None,
                }])
            })
        };
        cell.get_or_try_init(ask).await.cloned()
    }

    /// The reads for an upload.
    async fn scout(&self, index: usize) -> Result<(), ApplyError> {
        match &self.plan.uploads[index].destination {
            Destination::Code => self.code_found(index).await.map(drop),
            Destination::Datastore { .. } => self.upload_found(index).await.map(drop),
        }
    }

    /// A code asset with the content of an upload: the lookup is workspace-wide, whatever name it is asked under
    /// (service notes 6.1).
    pub(super) async fn code_found(&self, upload: usize) -> Result<Option<String>, ApplyError> {
        let cells = &self.symbols.uploads[self.symbols.same_upload[upload]];
        let hash = &self.plan.uploads[upload].hash;
        let ask = || async {
            let path = format!("codes/{}/versions", cells.code_name);
            let call = get(&path, CODES)
                .query("hash", hash.as_str())
                .query("hashVersion", "202208");
            let page = self.if_there(call).await?;
            Ok::<_, ApplyError>(page.and_then(|page| text(&page.body["value"][0]["id"])))
        };
        cells.code_found.get_or_try_init(ask).await.cloned()
    }

    pub(super) async fn datastore(&self, name: &str) -> Result<&Datastore, ApplyError> {
        let cells = self.store(name)?;
        let ask = || Datastore::get(&self.azure, name);
        Ok(cells.datastore.get_or_try_init(ask).await?)
    }

    fn store(&self, name: &str) -> Result<&StoreCells, ApplyError> {
        self.symbols
            .stores
            .get(name)
            .ok_or_else(|| ApplyError::Plan(format!("datastore {name} was not announced")))
    }

    /// The container of an upload's datastore, ready to use. Where it is and what opens it are asked at the same time.
    pub(super) async fn container(&self, name: &str) -> Result<Container, ApplyError> {
        let cells = self.store(name)?;
        let grant = async {
            let ask = || Grant::ask(&self.azure, name);
            Ok(cells.grant.get_or_try_init(ask).await?)
        };
        let (datastore, grant) = futures::try_join!(self.datastore(name), grant)?;
        Ok(Container::of_datastore(&self.azure, datastore, grant)?)
    }

    pub(super) async fn upload_found(&self, upload: usize) -> Result<Found, ApplyError> {
        let upload = self.symbols.same_upload[upload];
        let wanted = &self.plan.uploads[upload];
        let Destination::Datastore { name } = &wanted.destination else {
            return Ok(Found::Fresh);
        };
        let ask = || async {
            let container = self.container(name).await?;
            let root = super::resolve::datastore_root(wanted);
            Ok::<_, ApplyError>(Uploader::find(&container, wanted, &root).await?)
        };
        let cell = &self.symbols.uploads[upload].found;
        cell.get_or_try_init(ask).await.copied()
    }

    fn needs_location(&self) -> bool {
        super::symbols::references(&self.plan).any(|one| *one == Reference::Location)
    }
}

pub(super) fn get(path: &str, api_version: &str) -> Call {
    Call::get(Address::Workspace(path.to_owned()), api_version)
}

/// The path of an asset's container.
pub(super) fn container(collection: &str, name: &str) -> String {
    format!("{collection}/{}", Address::segment(name))
}

fn none_of(missing: Vec<Missing>) -> Result<(), ApplyError> {
    if missing.is_empty() {
        Ok(())
    } else {
        Err(ApplyError::Missing(missing))
    }
}

fn own(same: &[usize]) -> impl Iterator<Item = usize> {
    same.iter()
        .enumerate()
        .filter(|(index, first)| index == *first)
        .map(|(index, _)| index)
}

/// Some answers give versions as numbers.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn api_version(collection: &str) -> &'static str {
    match collection {
        "models" => "2023-08-01-preview",
        "components" => "2024-01-01-preview",
        _ => "2023-04-01-preview",
    }
}

/// Azure's noun for a member of a collection.
pub(super) fn noun(collection: &str) -> &'static str {
    match collection {
        "environments" => "environment",
        "models" => "model",
        "components" => "component",
        "codes" => "code",
        "computes" => "compute",
        "datastores" => "datastore",
        "jobs" => "job",
        "data" => "data",
        _ => "resource",
    }
}

impl Code {
    pub(super) fn there(id: String) -> Self {
        Self {
            id,
            change: crate::report::Change::Unchanged,
            sent: crate::azure::upload::Sent::default(),
        }
    }
}
