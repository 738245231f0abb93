//! References into texts, and texts into bodies: for writing (everything must be there), and for comparing (only what is known
//! before anything is written).

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use serde_json::Value;

use super::symbols::{Standing, references_of};
use super::{ApplyError, Execution};
use crate::azure::Address;
use crate::azure::upload::base_name;
use crate::spec::plan::{Destination, Part, Reference, Request, Target, Upload};

/// The names that a request goes by while its body is filled in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Own<'a> {
    /// The name that the stage chose.
    pub(super) name: Option<&'a str>,
    /// The version that is about to be written.
    pub(super) version: Option<&'a str>,
}

/// Where an upload's own name starts in its datastore (service notes 7).
pub(super) fn datastore_root(upload: &Upload) -> String {
    format!("LocalUpload/{}/", upload.hash)
}

impl Execution {
    /// The body to write: waits for every reference, whatever that takes.
    pub(super) async fn body(&self, index: usize, own: Own<'_>) -> Result<Value, ApplyError> {
        let request = &self.plan.requests[index];
        let references: Vec<&Reference> = request.slots.iter().flat_map(references_of).collect();
        let resolved = try_join_all(
            references
                .iter()
                .map(|reference| self.reference(index, reference, own)),
        )
        .await?;
        let known = references.into_iter().zip(resolved).collect::<Vec<_>>();
        fill(request, &known)
    }

    pub(super) fn reference<'a>(
        &'a self,
        at: usize,
        reference: &'a Reference,
        own: Own<'a>,
    ) -> BoxFuture<'a, Result<String, ApplyError>> {
        async move {
            match reference {
                Reference::Code(upload) => Ok(self.code(*upload).await?.id.clone()),
                Reference::Answer(request) => {
                    Ok(self.written(*request, own.name).await?.id.clone())
                }
                Reference::UploadUri(upload) => {
                    let (uri, _) =
                        futures::try_join!(self.upload_uri(*upload), self.uploaded(*upload))?;
                    Ok(uri)
                }
                Reference::OwnName => own
                    .name
                    .map(str::to_owned)
                    .ok_or_else(|| ApplyError::Plan("a name is needed and none was given".into())),
                Reference::VersionOf(request) if self.is_same_request(*request, at) => own
                    .version
                    .map(str::to_owned)
                    .ok_or_else(|| ApplyError::Plan("the request has no version".into())),
                Reference::VersionOf(request) => self
                    .written(*request, own.name)
                    .await?
                    .version
                    .clone()
                    .ok_or_else(|| ApplyError::Plan("the request has no version".into())),
                Reference::Workspace
                | Reference::Subscription
                | Reference::ResourceGroup
                | Reference::WorkspaceName
                | Reference::Location
                | Reference::Latest { .. } => self.given(reference).await,
            }
        }
        .boxed()
    }

    /// What does not depend on the plan's own writes.
    async fn given(&self, reference: &Reference) -> Result<String, ApplyError> {
        let workspace = self.azure.workspace();
        match reference {
            Reference::Workspace => Ok(workspace.to_string()),
            Reference::Subscription => Ok(workspace.subscription.clone()),
            Reference::ResourceGroup => Ok(workspace.resource_group.clone()),
            Reference::WorkspaceName => Ok(workspace.name.clone()),
            Reference::Location => Ok(self.azure.workspace_facts().await?.location.clone()),
            Reference::Latest { collection, name } => self.latest(collection, name).await,
            Reference::Code(_)
            | Reference::Answer(_)
            | Reference::UploadUri(_)
            | Reference::OwnName
            | Reference::VersionOf(_) => Err(ApplyError::Plan(
                "a reference was resolved in the wrong place".into(),
            )),
        }
    }

    /// The body as far as it is known before anything is written; `None` when a part of it will only come to be.
    pub(super) async fn known_body(
        &self,
        index: usize,
        version: Option<&str>,
    ) -> Result<Option<Value>, ApplyError> {
        let request = &self.plan.requests[index];
        let references: Vec<&Reference> = request.slots.iter().flat_map(references_of).collect();
        let resolved = try_join_all(
            references
                .iter()
                .map(|reference| self.known(index, reference, version)),
        )
        .await?;
        let Some(resolved) = resolved.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let known = references.into_iter().zip(resolved).collect::<Vec<_>>();
        fill(request, &known).map(Some)
    }

    pub(super) fn known<'a>(
        &'a self,
        at: usize,
        reference: &'a Reference,
        version: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<String>, ApplyError>> {
        async move {
            match reference {
                Reference::Code(upload) => self.code_found(*upload).await,
                Reference::Answer(request) => Ok(match self.standing(*request).await? {
                    Standing::Unchanged { id, .. } => Some(id.clone()),
                    Standing::Write { .. } => None,
                }),
                Reference::UploadUri(upload) => self.upload_uri(*upload).await.map(Some),
                Reference::OwnName => Ok(None),
                Reference::VersionOf(request) if self.is_same_request(*request, at) => {
                    Ok(version.map(str::to_owned))
                }
                Reference::VersionOf(request) => {
                    Ok(self.standing(*request).await?.version().map(str::to_owned))
                }
                Reference::Workspace
                | Reference::Subscription
                | Reference::ResourceGroup
                | Reference::WorkspaceName
                | Reference::Location
                | Reference::Latest { .. } => self.given(reference).await.map(Some),
            }
        }
        .boxed()
    }

    fn is_same_request(&self, one: usize, other: usize) -> bool {
        self.symbols.same_request.get(one) == self.symbols.same_request.get(other)
    }

    /// Where an upload is or will be, as the service spells it. The path is written as it is, unencoded, as the SDK does.
    pub(super) async fn upload_uri(&self, index: usize) -> Result<String, ApplyError> {
        let upload = self
            .plan
            .uploads
            .get(index)
            .ok_or_else(|| ApplyError::Plan(format!("there is no upload {index}")))?;
        let Destination::Datastore { name } = &upload.destination else {
            return Err(ApplyError::Plan("code has no address of its own".into()));
        };
        let container = self.datastore(name).await?.container_uri();
        let (root, base) = (datastore_root(upload), base_name(upload));
        let end = if upload.is_folder { "/" } else { "" };
        let uri = format!("{container}/{root}{base}{end}");
        let cloud = self.azure.cloud().await?;
        Ok(cloud.storage_uri_for_service(&uri))
    }

    /// What a request writes to, below the workspace, once its version is decided.
    pub(super) fn path(request: &Request, own: Own<'_>) -> Result<String, ApplyError> {
        match &request.target {
            Target::Named { collection, name } => name
                .as_deref()
                .or(own.name)
                .map(|name| format!("{collection}/{}", Address::segment(name)))
                .ok_or_else(|| ApplyError::Plan(format!("{collection} need a name"))),
            Target::Versioned {
                collection, name, ..
            } => own
                .version
                .map(|version| versioned(collection, name, version))
                .ok_or_else(|| ApplyError::Plan(format!("{collection}/{name} needs a version"))),
            Target::Deployment {
                endpoints,
                endpoint,
                name,
            } => Ok(deployment(endpoints, endpoint, name)),
            Target::Anonymous {
                collection,
                name,
                version,
            } => Ok(versioned(collection, name, version)),
        }
    }
}

pub(super) fn deployment(endpoints: &str, endpoint: &str, name: &str) -> String {
    let (endpoint, name) = (Address::segment(endpoint), Address::segment(name));
    format!("{endpoints}/{endpoint}/deployments/{name}")
}

fn versioned(collection: &str, name: &str, version: &str) -> String {
    let (name, version) = (Address::segment(name), Address::segment(version));
    format!("{collection}/{name}/versions/{version}")
}

/// Puts the texts of its slots into a request's body.
pub(super) fn fill(request: &Request, known: &[(&Reference, String)]) -> Result<Value, ApplyError> {
    let mut body = request.body.clone();
    for slot in &request.slots {
        let mut text = String::new();
        for part in &slot.parts {
            match part {
                Part::Text(given) => text.push_str(given),
                Part::Reference(reference) => {
                    let found = known.iter().find(|(other, _)| *other == reference);
                    let (_, found) = found.ok_or_else(|| {
                        ApplyError::Plan(format!("{reference:?} was not resolved"))
                    })?;
                    text.push_str(found);
                }
            }
        }
        *body
            .pointer_mut(&slot.pointer)
            .ok_or_else(|| ApplyError::Plan(format!("the body has no {}", slot.pointer)))? =
            Value::String(text);
    }
    Ok(body)
}
