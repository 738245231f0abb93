//! `import_data`: data that a schedule fetches from a database or a file system, said in place or in a file.

use std::path::Path;

use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field};
use crate::spec::io;
use crate::spec::kind::data;
use crate::spec::problem::Report;
use crate::spec::session::{Session, absolute};
use crate::spec::transfer;

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
    // Checked, and then left out as by the SDK.
    fields.text("datastore", report);
    fields.read("auto_delete_setting", report, data::auto_delete);
    let path = fields.required("path", report);
    body.put_some("dataUri", path.and_then(|field| field.text(report)));
    body.put_some("description", fields.text("description", report));
    body.put_some("tags", fields.read("tags", report, io::values));
    let source = fields.required("source", report);
    body.put_some("source", source.and_then(|field| origin(&field, report)));
    fields.refuse_rest(report);
    Some(body)
}

/// Where the data comes from. Tables and procedures are checked, and then left out as by the SDK.
fn origin(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let outside = transfer::outside(field, report)?;
    let kind = if outside.is_database {
        "database"
    } else {
        "file_system"
    };
    let mut body = Object::default();
    body.put("sourceType", kind);
    for name in ["connection", "query", "path"] {
        body.put_some(name, outside.body.get(name).cloned());
    }
    Some(body)
}
