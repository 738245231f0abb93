//! `type: pipeline`: steps that run as a graph, the job's own or those of a pipeline component.

pub(in crate::spec) mod graph;
mod of_component;
mod settings;
mod step;

use std::path::Path;

use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Output, Texts};
use crate::spec::job;
use crate::spec::problem::Problems;
use crate::spec::reference::pipeline_compute_id;
use crate::spec::session::Session;

use graph::Ports;
use of_component::Runs;

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
    let runs = of_component::read(session, &mut fields, base);
    let name = job::common_of(session, &mut fields, &mut body, runs.shown());
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["pipeline"], Case::Lower);
    }
    let inputs = fields
        .take("inputs")
        .map(|field| io::read_inputs(&field.with_bindings(), Some(Keys::Dotted), report))
        .unwrap_or_default();
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    let compute = fields.take("compute");
    let settings = fields.take("settings");
    let has_compute = compute.is_some()
        || (settings.as_ref()).is_some_and(|field| field.node.get("default_compute").is_some());
    let compute = compute.and_then(|field| pipeline_compute(session, &field));
    body.put_some("computeId", compute);
    let settings = settings.and_then(|field| settings::read(session, &field));
    let jobs = fields.take("jobs").filter(|field| !field.node.is_null());
    let without_compute = match runs {
        Runs::Steps => {
            put_ports(session, &inputs, &outputs, base, &mut body);
            let ports = Ports::of_values(&inputs, &outputs);
            let planned = jobs.and_then(|field| graph::plan(session, &field, ports, base));
            let planned = planned.unwrap_or_default();
            if let Some(settings) = &settings {
                settings.check(&planned, &mut session.report);
            }
            body.put_filled("jobs", planned.jobs);
            planned.without_compute
        }
        Runs::Component(component) => {
            component.put(session, fields.at(), &inputs, &outputs, base, &mut body);
            component.without_compute()
        }
        Runs::Registered(id) => {
            put_ports(session, &inputs, &outputs, base, &mut body);
            body.put("componentId", id);
            Vec::new()
        }
        Runs::Nothing => Vec::new(),
    };
    if !has_compute {
        session.report.extend(Problems(without_compute));
    }
    body.put_some("settings", settings.map(|settings| settings.body));
    fields.refuse_rest(&mut session.report);
    (name, body)
}

/// What is given to the inputs and outputs of a pipeline that declares none.
fn put_ports(
    session: &mut Session<'_>,
    inputs: &[(&str, Input<'_>)],
    outputs: &[(&str, Output)],
    base: &Path,
    body: &mut Object,
) {
    let given = inputs.iter().filter(|(_, input)| !is_blank(input));
    let given: Vec<_> = given.cloned().collect();
    super::command::put_inputs(session, &given, base, body);
    super::command::put_outputs(outputs, body);
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
