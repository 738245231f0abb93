//! `register-data`: a data asset. Local content goes to storage first; an `mltable` also tells the service what it refers to.

use std::path::Path;

use serde_json::{Value, json};

use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, datastore_name};
use crate::spec::plan::{Target, Version};
use crate::spec::problem::Report;
use crate::spec::reference::is_url;
use crate::spec::session::{Found, Session};

const API: &str = "2023-04-01-preview";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    fields.read_only(&[
        "$schema",
        "creation_context",
        "latest_version",
        "properties",
    ]);
    fields.without_effect(&["id"]);
    let report = &mut session.report;
    let name_field = fields.take("name");
    let name = name_field
        .as_ref()
        .and_then(|field| super::asset_name(field, report));
    let version_field = fields.take("version");
    let version = version_field
        .as_ref()
        .and_then(|field| field.version(report))
        .filter(|version| !version.is_empty());
    if let (Some(field), None) = (&version_field, &name_field) {
        field.problem(report, "a version needs a `name` too");
    }
    let kind = match fields.take("type") {
        Some(field) => field.choice(report, &["uri_file", "uri_folder", "mltable"], Case::Exact),
        None => Some("uri_folder".into()),
    };
    let mut properties = Object::default();
    properties.put_some("description", fields.text("description", report));
    properties.put_some("tags", fields.read("tags", report, io::values));
    let deletion = fields.read("auto_delete_setting", report, auto_delete);
    properties.put_some("autoDeleteSetting", deletion);
    let store = fields.text("datastore", report);
    let path = fields.required("path", report);
    fields.refuse_rest(report);
    let (Some(path), Some(kind)) = (path, kind) else {
        return;
    };
    let Some(uri) = data_uri(
        session,
        &path,
        &kind,
        base,
        store.as_deref(),
        &mut properties,
    ) else {
        return;
    };
    properties.put("dataUri", uri.clone());
    properties.put("dataType", kind);
    properties.put("isAnonymous", name.is_none());
    properties.put("isArchived", false);
    let mut body = Object::default();
    body.put("properties", properties);
    // Data without a name gets one from where it lies, so that a second run finds the first.
    let (name, version) = match name {
        Some(name) => (name, version.map_or(Version::Next, Version::Fixed)),
        None => (
            uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, uri.as_bytes()).to_string(),
            Version::Fixed("1".into()),
        ),
    };
    let target = Target::Versioned {
        collection: "data",
        name,
        version,
    };
    let needs = session.take_needs();
    session.request(target, API, body, needs);
}

/// Plans a folder that is in storage already as data.
pub(super) fn register_folder(session: &mut Session<'_>, target: Target, uri: &str) -> usize {
    let properties = json!({"dataUri": uri, "dataType": "uri_folder", "isAnonymous": false, "isArchived": false});
    let mut body = Object::default();
    body.put("properties", properties);
    session.request(target, API, body, Vec::new())
}

fn data_uri(
    session: &mut Session<'_>,
    field: &Field<'_>,
    kind: &str,
    base: &Path,
    store: Option<&str>,
    properties: &mut Object,
) -> Option<String> {
    let text = field.text(&mut session.report)?;
    if text.is_empty() {
        field.problem(&mut session.report, "the path must not be empty");
        return None;
    }
    if is_url(&text) {
        return Some(text);
    }
    let found = session.find(field, &text, base)?;
    match (kind, found.is_folder) {
        ("uri_file", true) => field.problem(
            &mut session.report,
            format!("`{}` is a folder; the type is `uri_file`", found.written),
        ),
        ("uri_folder", false) => field.problem(
            &mut session.report,
            format!("`{}` is a file; the type is `uri_folder`", found.written),
        ),
        ("mltable", _) => properties.put_some("referencedUris", referenced(session, field, &found)),
        (_, _) => {}
    }
    let store = store.map_or("workspaceblobstore", datastore_name);
    let upload = session.upload_data(field, &found, store)?;
    session.need(upload);
    Some(format!(
        "azureml://datastores/{store}/paths/{}",
        session.storage_path(upload)
    ))
}

/// The paths that the `MLTable` file of the folder lists.
fn referenced(session: &mut Session<'_>, field: &Field<'_>, found: &Found) -> Option<Value> {
    let file = found.path.join("MLTable");
    let root = session.load(field, &file)?;
    let report = &mut session.report;
    let mut fields = Field::root(&root).fields(report)?;
    fields.read("transformations", report, Field::items);
    let paths = fields.required("paths", report)?.items(report)?;
    let uris = paths.iter().filter_map(|path| {
        let before = report.count();
        let mut fields = path.fields(report)?;
        let found: Vec<_> = ["file", "folder", "pattern"]
            .into_iter()
            .filter_map(|key| fields.take(key))
            .collect();
        fields.refuse_rest(report);
        let [uri] = found.as_slice() else {
            if report.count() == before {
                let message = "a path of an MLTable is a `file`, a `folder` or a `pattern`";
                path.problem(report, message);
            }
            return None;
        };
        uri.text(report).map(Value::String)
    });
    Some(uris.collect())
}

/// When the service may delete data.
pub(super) fn auto_delete(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let words = ["created_greater_than", "last_accessed_greater_than"];
    let condition = fields.choice("condition", report, &words, Case::Snake);
    let value = fields.text("value", report);
    fields.refuse_rest(report);
    let condition = condition.map(|condition| match condition.as_str() {
        "created_greater_than" => "createdGreaterThan",
        _ => "lastAccessedGreaterThan",
    });
    Some(json!({"condition": condition, "value": value}))
}
