//! Batch endpoints: a name, how callers sign in, and which deployment serves by default.

use std::path::Path;

use super::Endpoint;
use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::problem::Report;
use crate::spec::session::Session;

const API: &str = "2023-10-01";

pub(in crate::spec::kind) fn translate(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    _base: &Path,
) {
    let report = &mut session.report;
    let mut endpoint = Endpoint::read(&mut fields, report);
    // Unlike those of online endpoints, these are sent as the SDK's casing of the YAML's words.
    let mode = match endpoint.auth.as_deref() {
        Some("key") => "key",
        Some("aml_token") => "amlToken",
        Some(_) | None => "aadToken",
    };
    endpoint.properties.put("authMode", mode);
    let defaults = fields.read("defaults", report, defaults);
    endpoint.properties.put_some("defaults", defaults);
    if let Some(field) = fields.take("identity") {
        let message = "a batch endpoint has no identity: its jobs run under that of their compute";
        field.problem(report, message);
    }
    fields.refuse_rest(report);
    endpoint.put(session, "batchEndpoints", API);
}

fn defaults(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    body.put_some("deploymentName", fields.text("deployment_name", report));
    fields.refuse_rest(report);
    Some(body)
}
