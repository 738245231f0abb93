//! `type: pipeline`: steps that run as a graph. Each step is a command component, inline, in a file of the project or registered.

mod graph;
mod step;

use std::path::Path;

use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Texts};
use crate::spec::job;
use crate::spec::problem::Problems;
use crate::spec::python;
use crate::spec::reference::{compute_id, pipeline_compute_id};
use crate::spec::session::Session;

use graph::{Planned, Ports};

const API: &str = "2024-01-01-preview";

pub(super) fn translate(session: &mut Session<'_>, fields: Fields<'_>, base: &Path) {
    let (name, body) = definition(session, fields, base);
    job::submit(session, name, API, body);
}

/// What a pipeline says of itself: its name, and the properties of its request.
pub(super) fn definition(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) -> (Option<String>, Object) {
    let mut body = Object::default();
    body.put("jobType", "Pipeline");
    let name = job::common(session, &mut fields, &mut body);
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["pipeline"], Case::Lower);
    }
    if let Some(field) = fields.take("component") {
        field.problem(
            report,
            "a pipeline job made of a pipeline component is not supported by this version",
        );
    }
    let inputs = fields
        .take("inputs")
        .map(|field| io::read_inputs(&field.with_bindings(), Some(Keys::Dotted), report))
        .unwrap_or_default();
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    let compute_field = fields.take("compute");
    let compute = compute_field
        .as_ref()
        .and_then(|field| pipeline_compute(session, field));
    let settings_field = fields.take("settings");
    let has_default = settings_field
        .as_ref()
        .is_some_and(|field| field.node.get("default_compute").is_some());
    body.put_some("computeId", compute);
    body.put_some(
        "settings",
        settings_field.and_then(|field| pipeline_settings(session, &field)),
    );
    let given: Vec<_> = inputs
        .iter()
        .filter(|(_, input)| !is_blank(input))
        .cloned()
        .collect();
    super::command::put_inputs(session, &given, base, &mut body);
    super::command::put_outputs(&outputs, &mut body);
    let ports = Ports::of_values(&inputs, &outputs);
    let planned = fields
        .take("jobs")
        .and_then(|field| graph::plan(session, &field, ports, base));
    let Planned {
        jobs,
        without_compute,
    } = planned.unwrap_or_default();
    if compute_field.is_none() && !has_default {
        session.report.extend(Problems(without_compute));
    }
    body.put_filled("jobs", jobs);
    fields.refuse_rest(&mut session.report);
    (name, body)
}

/// The service takes no empty values for a pipeline's inputs.
fn is_blank(input: &Input<'_>) -> bool {
    matches!(input, Input::Literal { node, .. } if node.as_text() == Some(""))
}

fn pipeline_compute(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    if text.eq_ignore_ascii_case("local") {
        field.problem(
            &mut session.report,
            "a pipeline does not run on the machine that submits it; name a compute or `serverless`",
        );
        return None;
    }
    pipeline_compute_id(session, field, &text)
}

/// Everything under `settings` goes through; two fields name resources.
fn pipeline_settings(session: &mut Session<'_>, field: &Field<'_>) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let mut body = Object::default();
    if let Some(field) = fields.take("default_compute") {
        let text = field.text(&mut session.report)?;
        let serverless = text.eq_ignore_ascii_case("serverless");
        let name = text
            .strip_prefix("azureml:")
            .or(serverless.then_some("serverless"));
        match name {
            Some(name) => body.put("default_compute", compute_id(session, &field, name)),
            None => needs_prefix(session, &field, &text),
        }
    }
    if let Some(field) = fields.take("default_datastore") {
        let text = field.text(&mut session.report)?;
        match text.strip_prefix("azureml:") {
            Some(id) if id.starts_with('/') => body.put("default_datastore", id),
            Some(name) => body.put(
                "default_datastore",
                Draft::in_workspace(&format!("datastores/{name}")),
            ),
            None => needs_prefix(session, &field, &text),
        }
    }
    for flag in ["continue_on_step_failure", "force_rerun"] {
        let value = fields.flag(flag, &mut session.report);
        body.put_some(flag, value);
    }
    for (name, node) in fields.rest() {
        if !node.is_null() {
            body.put(name, python::json_of(node));
        }
    }
    body.put("_source", "YAML.JOB");
    Some(body)
}

fn needs_prefix(session: &mut Session<'_>, field: &Field<'_>, text: &str) {
    field.problem(
        &mut session.report,
        format!("`{text}` is written `azureml:{text}` here"),
    );
}
