//! `import_data`: data that a schedule fetches from a database or a file system, said in place or in a file.

use std::path::Path;

use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field};
use crate::spec::io;
use crate::spec::problem::Report;
use crate::spec::session::{Session, absolute};

pub(super) fn read(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let loaded;
    let field = if field.node.entries().is_some() {
        field.clone()
    } else {
        let text = field.text(&mut session.report)?;
        loaded = session.load(field, &absolute(base, &text))?;
        Field::root(&loaded)
    };
    let definition = definition(&field, &mut session.report)?;
    let mut action = Object::default();
    action.put("actionType", "ImportData");
    action.put("dataImportDefinition", definition);
    Some(action)
}

fn definition(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    fields.read_only(&[
        "$schema",
        "id",
        "creation_context",
        "latest_version",
        "properties",
    ]);
    let mut body = Object::default();
    body.put("isAnonymous", false);
    body.put("isArchived", false);
    // Whatever the file says: the SDK sends nothing else.
    body.put("dataType", "uri_folder");
    fields.choice(
        "type",
        report,
        &["uri_file", "uri_folder", "mltable"],
        Case::Exact,
    );
    fields.version("version", report);
    let name = fields.required("name", report);
    body.put_some(
        "assetName",
        name.and_then(|field| crate::spec::kind::asset_name(&field, report)),
    );
    let path = fields.required("path", report);
    body.put_some("dataUri", path.and_then(|field| field.text(report)));
    body.put_some("description", fields.text("description", report));
    body.put_some("tags", fields.read("tags", report, io::values));
    let source = fields.required("source", report);
    body.put_some("source", source.and_then(|field| origin(&field, report)));
    fields.refuse_rest(report);
    Some(body)
}

/// Where the data comes from.
fn origin(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &["database", "file_system"], Case::Lower)?;
    let mut body = Object::default();
    let connection = fields.required("connection", report);
    body.put_some(
        "connection",
        connection.and_then(|field| field.text(report)),
    );
    if kind == "database" {
        body.put_some("query", fields.text("query", report));
        fields.without_effect(&["table_name", "stored_procedure", "stored_procedure_params"]);
    } else {
        body.put_some("path", fields.text("path", report));
    }
    body.put("sourceType", kind);
    fields.refuse_rest(report);
    Some(body)
}
