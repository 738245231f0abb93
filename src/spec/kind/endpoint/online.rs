//! Online endpoints: managed ones, and those on a Kubernetes cluster, which `compute` names.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Endpoint;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::kind::compute::pascal;
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::reference::compute_id;
use crate::spec::session::Session;

const API: &str = "2022-02-01-preview";
const WHOLE: i128 = 100;

pub(in crate::spec::kind) fn translate(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    _base: &Path,
) {
    let report = &mut session.report;
    let mut endpoint = Endpoint::read(&mut fields, report);
    let mode = match endpoint.auth.as_deref() {
        Some("aml_token") => "AMLToken",
        Some("aad_token") => "AADToken",
        Some(_) | None => "Key",
    };
    endpoint.properties.put("authMode", mode);
    for (yaml, rest) in [("traffic", "traffic"), ("mirror_traffic", "mirrorTraffic")] {
        let shares = fields.take(yaml).and_then(|field| traffic(&field, report));
        endpoint.properties.put_some(rest, shares);
    }
    let identity = match fields.take("identity") {
        Some(field) => identity(&field, report),
        None => Some(named_identity("SystemAssigned")),
    };
    endpoint.resource.put_some("identity", identity);
    if let Some(compute) = fields.take("compute") {
        let id = cluster(session, &compute);
        endpoint.properties.put_some("compute", id);
    } else {
        let words = ["enabled", "disabled"];
        let access = fields.choice("public_network_access", report, &words, Case::Lower);
        endpoint.properties.put_some("publicNetworkAccess", access);
    }
    fields.refuse_rest(&mut session.report);
    endpoint.put(session, "onlineEndpoints", API);
}

/// Deployments and their shares, as the service keeps them: lower case, without those that get nothing.
fn traffic(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut shares = Map::new();
    let mut sum: i128 = 0;
    for (name, share) in field.entries(report)? {
        let share = share.whole(report)?;
        sum += share;
        if share != 0 {
            shares.insert(name.to_lowercase(), python::integer(share));
        }
    }
    if sum > WHOLE {
        field.problem(
            report,
            format!("the shares add up to {sum}, more than {WHOLE}"),
        );
    }
    Some(Value::Object(shares))
}

fn cluster(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    let Some(name) = text
        .strip_prefix("azureml:")
        .filter(|name| !name.is_empty())
    else {
        let message = format!("`{text}` is written `azureml:{text}` here");
        field.problem(&mut session.report, message);
        return None;
    };
    Some(compute_id(session, field, name))
}

fn named_identity(kind: &str) -> Object {
    let mut body = Object::default();
    body.put("type", kind);
    body
}

fn identity(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    for name in ["principal_id", "tenant_id"] {
        let _checked = fields.text(name, report);
    }
    let words = ["system_assigned", "user_assigned", "none"];
    let kind = fields
        .required("type", report)
        .and_then(|field| field.choice(report, &words, Case::Snake));
    let assigned = fields
        .take("user_assigned_identities")
        .and_then(|field| user_assigned(&field, report));
    fields.refuse_rest(report);
    let mut body = named_identity(&pascal(&kind?));
    body.put_filled("userAssignedIdentities", assigned.unwrap_or_default());
    Some(body)
}

/// At most one; what else than its id the YAML says of it, the service knows.
fn user_assigned(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let items = field.items(report)?;
    if items.len() > 1 {
        let message = format!("one identity is possible, not {}", items.len());
        field.problem(report, message);
    }
    let mut assigned = Object::default();
    for item in items {
        let mut fields = item.fields(report)?;
        let id = fields.required("resource_id", report);
        if let Some(id) = id.and_then(|field| field.text(report)) {
            assigned.put(id, json!({}));
        }
    }
    Some(assigned)
}
