//! `register-model`, and the models that deployments define inline. Local files go to storage first; job outputs, run artifacts
//! and datastore addresses stay where they are.

use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, datastore_name};
use crate::spec::plan::{Part, Reference, Target, Version};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::reference::{REGISTRY, asset_id, is_url};
use crate::spec::session::Session;

const API: &str = "2023-08-01-preview";
const COLLECTION: &str = "models";
const TYPES: [&str; 3] = ["custom_model", "mlflow_model", "triton_model"];
const DEFAULT_STORE: &str = "workspaceblobstore";

/// Where a model's files are.
enum Files {
    /// In storage already.
    There(Draft),
    /// An upload, and the datastore it goes to.
    Local(usize, String),
}

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let name = fields.required("name", &mut session.report);
    let name = name.and_then(|field| super::asset_name(&field, &mut session.report));
    let version = fields.version("version", &mut session.report);
    let defined = define(session, fields, base);
    if let (Some(name), Some((body, files))) = (name, defined) {
        register(session, name, version, body, files);
    }
}

/// The id of the model that a deployment names or defines inline.
pub(super) fn of_deployment(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<Draft> {
    if field.node.entries().is_none() {
        return referenced(session, field);
    }
    let mut fields = field.fields(&mut session.report)?;
    let name_field = fields.take("name");
    let version_field = fields.take("version");
    let report = &mut session.report;
    let name = match &name_field {
        Some(field) => Some(super::asset_name(field, report)?),
        None => None,
    };
    let version = match &version_field {
        Some(field) => Some(field.version(report)?),
        None => None,
    };
    if let (Some(field), None) = (&version_field, &name_field) {
        field.problem(report, "a version needs a `name` too");
    }
    let (body, files) = define(session, fields, base)?;
    let request = match (name, files) {
        (Some(name), files) => register(session, name, version, body, files),
        (None, Files::Local(upload, store)) => anonymous(session, body, upload, store),
        (None, Files::There(_)) => {
            let message =
                "a model that is in storage already needs a `name`, under which it is registered";
            field.problem(&mut session.report, message);
            return None;
        }
    };
    Some(Draft::reference(Reference::Answer(request)))
}

fn referenced(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    if text.starts_with(REGISTRY) {
        return Some(Draft::from(text));
    }
    match text.strip_prefix("azureml:") {
        Some(name) if name.starts_with(REGISTRY) => Some(Draft::from(name)),
        Some(name) => asset_id(session, field, name, COLLECTION),
        None => {
            let message = format!(
                "`{text}` names no model: write `azureml:<name>:<version>`, `azureml:<name>@latest`, `{REGISTRY}..` or a mapping \
                 with a `path`"
            );
            field.problem(&mut session.report, message);
            None
        }
    }
}

fn register(
    session: &mut Session<'_>,
    name: String,
    version: Option<String>,
    mut body: Object,
    files: Files,
) -> usize {
    let needs = put_files(session, &mut body, files);
    body.put("isAnonymous", false);
    let version = version.filter(|version| !version.is_empty());
    let version = version.map_or(Version::Next, Version::Fixed);
    put(session, name, version, body, needs)
}

/// A model without a name is called by what its files hash to.
fn anonymous(session: &mut Session<'_>, mut body: Object, upload: usize, store: String) -> usize {
    let name = hex::encode(Sha256::digest(&session.uploads()[upload].hash));
    let needs = put_files(session, &mut body, Files::Local(upload, store));
    body.put("isAnonymous", true);
    put(session, name, Version::Fixed("1".into()), body, needs)
}

fn put_files(session: &Session<'_>, body: &mut Object, files: Files) -> Vec<usize> {
    match files {
        Files::There(uri) => {
            body.put("modelUri", uri);
            Vec::new()
        }
        Files::Local(upload, store) => {
            let tail = format!("{store}/paths/{}", session.storage_path(upload));
            body.put("modelUri", in_datastore(&tail));
            vec![upload]
        }
    }
}

fn put(
    session: &mut Session<'_>,
    name: String,
    version: Version,
    mut properties: Object,
    needs: Vec<usize>,
) -> usize {
    properties.put("isArchived", false);
    let mut body = Object::default();
    body.put("properties", properties);
    let target = Target::Versioned {
        collection: COLLECTION,
        name,
        version,
    };
    session.request(target, API, body, needs)
}

/// What a document says of a model besides its name.
fn define(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) -> Option<(Object, Files)> {
    fields.read_only(&[
        "$schema",
        "id",
        "utc_time_created",
        "creation_context",
        "job_name",
        "latest_version",
        "intellectual_property",
    ]);
    let before = session.report.count();
    let report = &mut session.report;
    let mut body = Object::default();
    let kind = fields.choice("type", report, &TYPES, Case::Lower);
    body.put("modelType", kind.unwrap_or_else(|| "custom_model".into()));
    body.put_some("description", fields.text("description", report));
    body.put_some("tags", fields.read("tags", report, texts));
    body.put_some("properties", fields.read("properties", report, texts));
    body.put_some("flavors", fields.read("flavors", report, flavors));
    let stage = fields.text("stage", report);
    let default = fields.read("default_deployment_template", report, template);
    let allowed = fields.read("allowed_deployment_templates", report, templates);
    // The API that knows templates knew no stages.
    body.put_some(
        "stage",
        stage.filter(|_| default.is_none() && allowed.is_none()),
    );
    body.put_some("defaultDeploymentTemplate", default);
    body.put_some("allowedDeploymentTemplates", allowed);
    let _unsent = fields.read("system_metadata", report, io::values);
    let store = fields.text("datastore", report);
    let path = fields.required("path", report);
    fields.refuse_rest(report);
    let files = files(session, &path?, base, store.as_deref())?;
    (session.report.count() == before).then_some((body, files))
}

fn files(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    store: Option<&str>,
) -> Option<Files> {
    let text = field.text(&mut session.report)?;
    if text.is_empty() {
        field.problem(&mut session.report, "the path must not be empty");
        return None;
    }
    if let Some(tail) = datastore_tail(&text) {
        return Some(Files::There(in_datastore(tail)));
    }
    if is_url(&text) || text.starts_with("runs:/") {
        return Some(Files::There(Draft::from(text)));
    }
    let found = session.find(field, &text, base)?;
    let store = store.map_or(DEFAULT_STORE, datastore_name);
    let upload = session.upload_data(field, &found, store)?;
    Some(Files::Local(upload, store.to_owned()))
}

/// `d/paths/p` of `azureml://datastores/d/paths/p`, also of one that names a workspace: the SDK takes it for its own.
fn datastore_tail(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("azureml://")?;
    let tail = rest.strip_prefix("datastores/").or_else(|| {
        let (scope, tail) = rest.split_once("/datastores/")?;
        let scope: Vec<_> = scope.split('/').collect();
        match scope.as_slice() {
            ["subscriptions", _, _, _, "workspaces", _] => Some(tail),
            _ => None,
        }
    })?;
    tail.contains("/paths/").then_some(tail)
}

fn in_datastore(tail: &str) -> Draft {
    let text = |text: &str| Part::Text(text.to_owned());
    Draft::Parts(vec![
        text("azureml://subscriptions/"),
        Part::Reference(Reference::Subscription),
        text("/resourcegroups/"),
        Part::Reference(Reference::ResourceGroup),
        text("/workspaces/"),
        Part::Reference(Reference::WorkspaceName),
        Part::Text(format!("/datastores/{tail}")),
    ])
}

/// Any values, as the texts that Python makes of them.
fn texts(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let texts = entries
        .into_iter()
        .filter(|(_, field)| !field.node.is_null())
        .map(|(name, field)| (name.to_owned(), python::str_of(field.node).into()));
    Some(Value::Object(texts.collect()))
}

/// `{"python_function": {"data": {..}}}`
fn flavors(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut flavors = Map::new();
    for (name, field) in field.entries(report)? {
        let data = io::values(&field, report)?;
        flavors.insert(name.to_owned(), serde_json::json!({ "data": data }));
    }
    Some(Value::Object(flavors))
}

fn templates(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let items = field.items(report)?;
    let templates: Vec<_> = items
        .iter()
        .filter_map(|item| template(item, report))
        .collect();
    (!templates.is_empty()).then_some(Value::Array(templates))
}

fn template(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let id = fields.required("asset_id", report);
    let id = id.and_then(|field| field.text(report));
    fields.refuse_rest(report);
    Some(serde_json::json!({ "assetId": id? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datastore_addresses_are_found_in_both_forms() {
        for (text, tail) in [
            ("azureml://datastores/d/paths/a/b", Some("d/paths/a/b")),
            (
                "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a",
                Some("d/paths/a"),
            ),
            ("azureml://jobs/j/outputs/artifacts/paths/m", None),
            ("azureml://registries/r/models/m/versions/1", None),
            ("https://a.bc/datastores/d/paths/a", None),
        ] {
            assert_eq!(datastore_tail(text), tail, "{text}");
        }
    }
}
