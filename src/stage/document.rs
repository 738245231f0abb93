//! What all stages share that take a YAML file: their inputs, the translation, the dry run and the way an asset is registered.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::inputs::{InputProblem, InputProblems, Lines};
use super::{Context, FILE, links};
use crate::azure::Azure;
use crate::azure::apply::{Applied, ApplyError, Execution};
use crate::report::{Change, PhaseKind, Resource};
use crate::secret::Secret;
use crate::spec::{self, EndpointType, Expected, LocalFiles, Overrides, Plan, Source};

/// `file`, `name`, `version` and `set`, as every such stage has them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct DocumentInputs {
    pub(crate) file: Option<PathBuf>,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    /// Only stages of endpoints have this input.
    pub(crate) endpoint_type: Option<EndpointType>,
    #[serde(default)]
    pub(crate) set: Lines,
}

impl DocumentInputs {
    /// Translates the file and the overrides; all problems at once, nothing written.
    pub(crate) async fn plan(
        &self,
        context: &Context,
        expected: Expected,
        fields: Vec<(&str, Option<String>)>,
    ) -> anyhow::Result<Plan> {
        let fields: Vec<_> = fields
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        // No input says what a job runs.
        let says_enough = match expected {
            Expected::Job => !self.set.0.is_empty(),
            Expected::Data
            | Expected::Environment
            | Expected::Compute
            | Expected::Model
            | Expected::Component
            | Expected::Datastore
            | Expected::Schedule
            | Expected::Endpoint
            | Expected::Deployment => {
                self.name.is_some() || !fields.is_empty() || !self.set.0.is_empty()
            }
        };
        if self.file.is_none() && !says_enough {
            return Err(InputProblems(vec![InputProblem::Missing {
                label: context.host.input_label("file"),
                help: FILE.help.to_owned(),
                also: Vec::new(),
            }])
            .into());
        }
        let overrides = Overrides {
            name: self.name.clone(),
            version: self.version.clone(),
            fields,
            endpoint_type: self.endpoint_type,
            set: self.set_pairs(context)?,
        };
        let (file, folder) = (self.file.clone(), context.working_directory.clone());
        let _phase = context.phase("reading files", PhaseKind::Working);
        // Gigabytes may have to be hashed, and a signal must not wait for them.
        let reading = tokio::task::spawn_blocking(move || {
            let source = Source {
                expected,
                file: file.as_deref(),
                working_directory: &folder,
                overrides: &overrides,
            };
            spec::translate(&source, &LocalFiles)
        });
        Ok(reading.await??)
    }

    /// The fields at the top of the document that it, or `set`, says something of. For a file that was translated already.
    pub(crate) fn stated(&self, context: &Context) -> anyhow::Result<BTreeSet<String>> {
        let mut fields: BTreeSet<String> = self
            .set_pairs(context)?
            .into_iter()
            .map(|(path, _)| path.split(['.', '[']).next().unwrap_or(&path).to_owned())
            .collect();
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(context.path(file))?;
            let document = spec::yaml_to_json(&text);
            let entries = document.as_ref().and_then(Value::as_object);
            let said = entries.into_iter().flatten();
            fields.extend(
                said.filter(|(_, value)| !value.is_null())
                    .map(|(key, _)| key.clone()),
            );
        }
        Ok(fields)
    }

    fn set_pairs(&self, context: &Context) -> anyhow::Result<Vec<(String, String)>> {
        let pair = |line: &String| match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            }
            _ => {
                Err(context.malformed("set", format!("{line:?} is not of the form key.path=value")))
            }
        };
        Ok(self.set.0.iter().map(pair).collect::<Result<_, _>>()?)
    }
}

/// Shows what would be sent, in the log and in the report. With credentials, what exists is read first; it needs none: what
/// could not be looked up stays as written.
pub(crate) async fn show_plan(context: &Context, plan: Plan) -> anyhow::Result<()> {
    mask_secrets(context, &plan);
    let preview = match context.reader()? {
        Some(azure) => {
            let execution = Execution::new(azure, plan, spec::yaml_to_json);
            read_ahead(context, &execution).await?;
            execution.preview(None)?
        }
        None => Execution::new(context.offline()?, plan, spec::yaml_to_json).preview(None)?,
    };
    let (mut uploads, mut requests) = (Vec::new(), Vec::new());
    for upload in preview.uploads {
        context.note(format!(
            "upload {} ({} files, {} bytes) to {}",
            upload.written, upload.files, upload.bytes, upload.destination
        ));
        uploads.push(
            json!({"path": upload.written, "files": upload.files, "bytes": upload.bytes, "hash": upload.hash, "to": upload.destination}),
        );
    }
    for request in preview.requests {
        let (path, version, body) = (request.path, request.api_version, request.body);
        let change = request.change.map(Change::as_str);
        let known = change
            .map(|change| format!(" ({change})"))
            .unwrap_or_default();
        context.note(format!("PUT {path}?api-version={version}{known}"));
        for line in serde_json::to_string_pretty(&body)?.lines() {
            context.note(line);
        }
        requests.push(json!({
            "method": "PUT", "path": path, "api-version": version, "body": body, "change": change,
        }));
    }
    let mut report = context.report();
    report.plan = Some(json!({"uploads": uploads, "requests": requests}));
    report.notes.push("dry run: nothing was sent".to_owned());
    Ok(())
}

/// The reads of a dry run. What is missing is no error here: an earlier stage, which was not run for real either, may make it.
async fn read_ahead(context: &Context, execution: &Execution) -> anyhow::Result<()> {
    let _phase = context.phase("looking up", PhaseKind::Working);
    let reading = async { Ok(execution.look_up().await) };
    match context.within("looking up", reading).await? {
        Ok(()) => Ok(()),
        Err(ApplyError::Missing(missing)) => {
            for missing in missing {
                context.warn(missing.text(), missing.place.as_ref());
            }
            Ok(())
        }
        Err(ApplyError::Arm(error)) => {
            context.warn(
                format!("what exists could not be looked up, so it stays as written: {error}"),
                None,
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Fields of request bodies that hold a password or a key; an attached machine's and a cluster's administrator. A datastore's are
/// all under `secrets`.
const SECRETS: &[&str] = &["password", "adminUserPassword", "privateKeyData"];

/// No host may show what a plan holds of passwords and keys, not even where the service repeats it.
pub(crate) fn mask_secrets(context: &Context, plan: &Plan) {
    for request in &plan.requests {
        mask(context, &request.body);
    }
}

fn mask(context: &Context, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("secrets", Value::Object(secrets)) => secrets
                        .iter()
                        .filter(|(name, _)| *name != "secretsType")
                        .filter_map(|(_, value)| value.as_str())
                        .for_each(|text| context.mask(&Secret::new(text))),
                    (key, Value::String(text)) if SECRETS.contains(&key) => {
                        context.mask(&Secret::new(text));
                    }
                    (_, value) => mask(context, value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| mask(context, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Registers an asset and says whether it was created, updated or unchanged. `id_output` names the output of its id.
pub(crate) async fn register(
    context: &Context,
    kind: &str,
    plan: Plan,
    id_output: &str,
) -> anyhow::Result<()> {
    register_as(context, kind, plan, Some(id_output)).await
}

/// Like [`register`], also of what has no output for its id.
pub(crate) async fn register_as(
    context: &Context,
    kind: &str,
    plan: Plan,
    id_output: Option<&str>,
) -> anyhow::Result<()> {
    if context.inputs.dry_run {
        return show_plan(context, plan).await;
    }
    mask_secrets(context, &plan);
    let azure = context.azure()?;
    let execution = Execution::new(azure.clone(), plan, spec::yaml_to_json);
    {
        let _phase = context.phase("looking up", PhaseKind::Working);
        execution.look_up().await?;
    }
    let applied = {
        let _phase = context.phase("uploading and writing", PhaseKind::Working);
        execution.send(None).await?
    };
    let change = applied.change;
    if let Some(output) = id_output {
        context.output(output, &applied.id)?;
    }
    context.output("changed", change.as_str())?;
    let link = asset_link(&azure, kind, &applied).await?;
    context.resource(Resource {
        kind: kind.to_owned(),
        name: applied.name,
        version: applied.version,
        change,
        id: applied.id,
        link,
    });
    Ok(())
}

async fn asset_link(
    azure: &Azure,
    kind: &str,
    applied: &Applied,
) -> anyhow::Result<Option<String>> {
    let cloud = azure.cloud().await?;
    let version = applied.version.as_deref().unwrap_or_default();
    Ok(links::asset(
        &cloud,
        azure.workspace(),
        kind,
        &applied.name,
        version,
    ))
}
