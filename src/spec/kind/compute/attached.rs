//! `type: kubernetes`, `type: virtualmachine` and `type: synapsespark`: computes that exist already and are attached to the workspace.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::described;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Field, Fields};
use crate::spec::io;
use crate::spec::plan::Reference;
use crate::spec::problem::Report;
use crate::spec::session::Session;

const SSH_PORT: i64 = 22;

pub(super) fn kubernetes(fields: &mut Fields<'_>, report: &mut Report) -> Object {
    let id = fields.text("resource_id", report);
    let namespace = fields.text("namespace", report);
    let namespace = namespace.unwrap_or_else(|| "default".into());
    let mut properties = match fields.read("properties", report, io::values) {
        Some(Value::Object(properties)) => properties,
        Some(_) | None => Map::new(),
    };
    if let Some(Value::Object(inner)) = properties.get_mut("properties") {
        inner.insert("namespace".into(), namespace.clone().into());
    }
    properties.insert("namespace".into(), namespace.into());
    let mut inner = Object::default();
    for (name, value) in properties {
        inner.put(name, value);
    }
    let mut body = described("Kubernetes", fields, inner, report);
    body.put_some("resourceId", id);
    body.put("computeLocation", Draft::reference(Reference::Location));
    body
}

/// A Spark pool of a Synapse workspace; what it consists of is Synapse's to say.
pub(super) fn spark_pool(fields: &mut Fields<'_>, report: &mut Report) -> Object {
    fields.read_only(&["node_family", "node_size", "node_count", "spark_version"]);
    for (name, known) in [
        (
            "scale_settings",
            &["min_node_count", "max_node_count", "auto_scale_enabled"][..],
        ),
        (
            "auto_pause_settings",
            &["delay_in_minutes", "auto_pause_enabled"],
        ),
    ] {
        let inner = fields.take(name).and_then(|field| field.fields(report));
        if let Some(mut inner) = inner {
            inner.read_only(&["$schema"]);
            inner.read_only(known);
            inner.refuse_rest(report);
        }
    }
    let id = fields.required("resource_id", report);
    let id = id.and_then(|field| field.text(report));
    let mut body = Object::default();
    body.put("computeType", "SynapseSpark");
    body.put_some("description", fields.text("description", report));
    body.put_some("resourceId", id);
    body
}

/// A machine is reached over SSH, so that the SDK fails without these settings.
pub(super) fn machine(session: &mut Session<'_>, fields: &mut Fields<'_>, base: &Path) -> Object {
    fields.read_only(&["compute_location"]);
    let id = fields.required("resource_id", &mut session.report);
    let id = id.and_then(|field| field.text(&mut session.report));
    let ssh = fields.required("ssh_settings", &mut session.report);
    let properties = ssh.and_then(|field| access(session, &field, base));
    let properties = properties.unwrap_or_default();
    let mut body = described("VirtualMachine", fields, properties, &mut session.report);
    body.put_some("resourceId", id);
    body
}

fn access(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let report = &mut session.report;
    let user = fields.required("admin_username", report);
    let user = user.and_then(|field| field.text(report));
    let password = fields.text("admin_password", report);
    let port = fields.integer("ssh_port", report);
    let key = fields.take("ssh_private_key_file");
    fields.refuse_rest(report);
    let key = key.and_then(|field| private_key(session, &field, base));
    let mut account = Object::default();
    account.put_some("username", user);
    account.put_some("password", password);
    account.put_some("privateKeyData", key);
    let mut body = Object::default();
    body.put("sshPort", port.unwrap_or_else(|| json!(SSH_PORT)));
    body.put("administratorAccount", account);
    Some(body)
}

fn private_key(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<String> {
    let text = field.text(&mut session.report)?;
    let found = session.find(field, &text, base)?;
    let bytes = session.files.read(&found.path).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    if key.is_none() {
        let message = format!("`{text}` is not a text file");
        field.problem(&mut session.report, message);
    }
    key
}
