//! What would be sent, for a dry run. Uses what was looked up so far and asks for nothing: what is not known stays as the user
//! wrote it, or is named in angle brackets.

use serde_json::Value;

use super::resolve::fill;
use super::symbols::{Standing, references_of};
use super::{ApplyError, Execution};
use crate::azure::upload::base_name;
use crate::report::Change;
use crate::spec::plan::{Destination, Reference, Target, Version};

/// A dry run's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub uploads: Vec<PreviewUpload>,
    /// In the order of the plan.
    pub requests: Vec<PreviewRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewUpload {
    /// As the user wrote it.
    pub written: String,
    pub hash: String,
    pub files: usize,
    pub bytes: u64,
    /// `code`, or `datastore/path`.
    pub destination: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PreviewRequest {
    /// Below the workspace.
    pub path: String,
    pub api_version: &'static str,
    pub body: Value,
    /// What would become of the resource, where that was looked up.
    pub change: Option<Change>,
}

impl Execution {
    /// Sends nothing.
    pub fn preview(&self, name: Option<&str>) -> Result<Preview, ApplyError> {
        let uploads = self
            .own_uploads()
            .map(|index| {
                let upload = &self.plan.uploads[index];
                PreviewUpload {
                    written: upload.written.clone(),
                    hash: upload.hash.clone(),
                    files: upload.files.len(),
                    bytes: upload.files.iter().map(|file| file.size).sum(),
                    destination: match &upload.destination {
                        Destination::Code => "code".into(),
                        Destination::Datastore { name } => format!(
                            "{name}/{}{}",
                            super::resolve::datastore_root(upload),
                            base_name(upload)
                        ),
                    },
                }
            })
            .collect();
        let requests = self
            .own_requests()
            .map(|index| self.preview_of(index, name))
            .collect::<Result<_, _>>()?;
        Ok(Preview { uploads, requests })
    }

    fn preview_of(&self, index: usize, name: Option<&str>) -> Result<PreviewRequest, ApplyError> {
        let request = &self.plan.requests[index];
        let known: Vec<(&Reference, String)> = request
            .slots
            .iter()
            .flat_map(references_of)
            .map(|reference| (reference, self.shown(reference, name)))
            .collect();
        let mut body = fill(request, &known)?;
        hide_secrets(&mut body);
        let change = self.change_so_far(index);
        Ok(PreviewRequest {
            path: self.shown_path(index, name),
            api_version: request.api_version,
            body,
            change,
        })
    }

    /// What would become of what the last request writes; `None` before that was looked up.
    pub fn expected_change(&self) -> Option<Change> {
        self.change_so_far(self.last().ok()?)
    }

    fn standing_so_far(&self, index: usize) -> Option<&Standing> {
        let same = self.symbols.same_request.get(index)?;
        self.symbols.requests.get(*same)?.standing.get()
    }

    fn change_so_far(&self, index: usize) -> Option<Change> {
        Some(match self.standing_so_far(index)? {
            Standing::Unchanged { .. } => Change::Unchanged,
            Standing::Write { exists: true, .. } => Change::Updated,
            Standing::Write { exists: false, .. } => Change::Created,
        })
    }

    fn shown_path(&self, index: usize, chosen: Option<&str>) -> String {
        let Some(request) = self.plan.requests.get(index) else {
            return String::new();
        };
        match &request.target {
            Target::Named { collection, name } => {
                let name = name.as_deref().or(chosen).unwrap_or("<name>");
                format!("{collection}/{name}")
            }
            Target::Versioned {
                collection, name, ..
            } => format!("{collection}/{name}/versions/{}", self.shown_version(index)),
            Target::Deployment {
                endpoints,
                endpoint,
                name,
            } => format!("{endpoints}/{endpoint}/deployments/{name}"),
            Target::Anonymous {
                collection,
                name,
                version,
            } => format!("{collection}/{name}/versions/{version}"),
        }
    }

    fn shown_version(&self, index: usize) -> String {
        if let Some(version) = self.standing_so_far(index).and_then(Standing::version) {
            return version.to_owned();
        }
        match self.plan.requests.get(index).map(|request| &request.target) {
            Some(
                Target::Versioned {
                    version: Version::Fixed(version),
                    ..
                }
                | Target::Anonymous { version, .. },
            ) => version.clone(),
            Some(Target::Versioned { .. } | Target::Named { .. } | Target::Deployment { .. })
            | None => "<next version>".into(),
        }
    }

    fn shown(&self, reference: &Reference, name: Option<&str>) -> String {
        let workspace = self.azure.workspace();
        match reference {
            Reference::Workspace => workspace.to_string(),
            Reference::Subscription => workspace.subscription.clone(),
            Reference::ResourceGroup => workspace.resource_group.clone(),
            Reference::WorkspaceName => workspace.name.clone(),
            Reference::Location => "<location of the workspace>".into(),
            Reference::OwnName => name.unwrap_or("<name>").to_owned(),
            Reference::VersionOf(request) => self.shown_version(*request),
            Reference::Answer(request) => {
                format!("{workspace}/{}", self.shown_path(*request, name))
            }
            Reference::Latest {
                collection,
                name: asset,
            } => self
                .symbols
                .latest
                .get(&(*collection, asset.clone()))
                .and_then(|cell| cell.get().cloned())
                .unwrap_or_else(|| format!("azureml:{asset}@latest")),
            Reference::Code(upload) => self.shown_code(*upload),
            Reference::UploadUri(upload) => self.shown_uri(*upload),
        }
    }

    fn shown_code(&self, upload: usize) -> String {
        let found = self
            .symbols
            .same_upload
            .get(upload)
            .and_then(|same| self.symbols.uploads[*same].code_found.get().cloned())
            .flatten();
        found.unwrap_or_else(|| {
            self.plan
                .uploads
                .get(upload)
                .map_or_else(String::new, |upload| upload.written.clone())
        })
    }

    fn shown_uri(&self, index: usize) -> String {
        let Some(upload) = self.plan.uploads.get(index) else {
            return String::new();
        };
        match &upload.destination {
            Destination::Code => upload.written.clone(),
            Destination::Datastore { name } => format!(
                "azureml://datastores/{name}/paths/{}{}{}",
                super::resolve::datastore_root(upload),
                base_name(upload),
                if upload.is_folder { "/" } else { "" }
            ),
        }
    }
}

/// A preview is for eyes. Variables are where people put passwords; their names say enough.
fn hide_secrets(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    (
                        "environmentVariables" | "environment_variables",
                        Value::Object(variables),
                    ) => variables
                        .values_mut()
                        .for_each(|value| *value = Value::from("***")),
                    // A datastore's credentials: all but what kind they are.
                    ("secrets", Value::Object(secrets)) => secrets
                        .iter_mut()
                        .filter(|(name, _)| *name != "secretsType")
                        .for_each(|(_, value)| *value = Value::from("***")),
                    (name, value @ Value::String(_))
                        if name.to_lowercase().ends_with("password")
                            || name == "privateKeyData" =>
                    {
                        *value = Value::from("***");
                    }
                    (_, value) => hide_secrets(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
