//! `type: pipeline`: steps that run as a graph. Each step is a command component, inline, in a file of the project or registered.

mod settings;
mod step;

use std::path::Path;

use crate::spec::binding;
use crate::spec::component::literal_type;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Output, Texts};
use crate::spec::job;
use crate::spec::python;
use crate::spec::reference::{compute_id, pipeline_compute_id};
use crate::spec::session::Session;

use step::{Step, StepSource};

const API: &str = "2024-01-01-preview";

/// What the steps of a pipeline can refer to.
pub(super) struct Graph<'n> {
    inputs: Vec<(&'n str, Input<'n>)>,
    outputs: Vec<(&'n str, Output)>,
    steps: Vec<Step<'n>>,
    /// Steps that something is wrong with; what refers to them is not wrong, too.
    unread: Vec<&'n str>,
}

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
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
    let steps = fields
        .take("jobs")
        .and_then(|field| field.entries(&mut session.report))
        .unwrap_or_default();
    let mut graph = Graph {
        inputs,
        outputs,
        steps: Vec::new(),
        unread: Vec::new(),
    };
    for (name, field) in &steps {
        match step::read(session, name, field, base) {
            Some(step) => graph.steps.push(step),
            None => graph.unread.push(name),
        }
    }
    let mut jobs = Object::default();
    for index in 0..graph.steps.len() {
        let has_compute = compute_field.is_some() || has_default;
        if let Some(node) = step::plan(session, &graph, index, base, has_compute) {
            jobs.put(graph.steps[index].name, node);
        }
    }
    body.put_filled("jobs", jobs);
    fields.refuse_rest(&mut session.report);
    job::submit(session, name, API, body);
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

/// A type and a mode, found by following an expression.
type Source = (String, Option<String>);

impl<'n> Graph<'n> {
    /// What an expression refers to, from the point of view of an inline step whose input or output it is.
    fn source(&self, expression: &str) -> Result<Source, String> {
        if binding::targets(expression).len() > 1 {
            return Err(format!(
                "`{expression}` is more than one expression; bind to one of them"
            ));
        }
        match binding::path(expression).as_slice() {
            ["parent", "inputs", name] => {
                let input = self
                    .inputs
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, input)| input);
                let missing = || {
                    let hint = crate::spec::problem::nearest(
                        name,
                        self.inputs.iter().map(|(known, _)| *known),
                    );
                    format!("the pipeline has no input `{name}`{hint}")
                };
                input.map(input_source).ok_or_else(missing)
            }
            ["parent", "outputs", name] => {
                let output = self
                    .outputs
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, output)| output);
                let missing = || {
                    let hint = crate::spec::problem::nearest(
                        name,
                        self.outputs.iter().map(|(known, _)| *known),
                    );
                    format!("the pipeline has no output `{name}`{hint}")
                };
                output.map(output_source).ok_or_else(missing)
            }
            ["parent", "jobs", step, direction, name] => self.step_source(step, direction, name, 0),
            _ => Err(format!(
                "`{expression}` refers to nothing: use `parent.inputs`, `parent.outputs` or `parent.jobs`"
            )),
        }
    }

    fn step_source(
        &self,
        step: &str,
        direction: &str,
        name: &str,
        depth: usize,
    ) -> Result<Source, String> {
        if self.unread.contains(&step) {
            return Ok(("uri_folder".into(), None));
        }
        let Some(found) = self.steps.iter().find(|known| known.name == step) else {
            let hint =
                crate::spec::problem::nearest(step, self.steps.iter().map(|known| known.name));
            return Err(format!("the pipeline has no step `{step}`{hint}"));
        };
        if depth > self.steps.len() {
            return Err(format!("`{step}` refers to itself"));
        }
        let missing = || format!("the step `{step}` has no `{name}` among its {direction}");
        let declared = match &found.source {
            StepSource::Local(component) => {
                let port = if direction == "inputs" {
                    component.input(name)
                } else {
                    component.output(name)
                };
                return port
                    .map(|port| (port.kind.clone(), None))
                    .ok_or_else(missing);
            }
            StepSource::Inline | StepSource::Registered(_) => direction,
        };
        if declared == "inputs" {
            let input = found
                .inputs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, input)| input);
            return match input.ok_or_else(missing)? {
                Input::Literal { node, .. } => {
                    match node.as_text().filter(|text| binding::is_input(text)) {
                        Some(text) => self.follow(text, depth),
                        None => Ok((literal_type(node).into(), None)),
                    }
                }
                Input::Asset(asset) => Ok((asset.kind.clone(), None)),
            };
        }
        let output = found
            .outputs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, output)| output);
        match output.ok_or_else(missing)? {
            Output::Bound(text) => self.source(text).map(|(kind, _)| (kind, None)),
            output @ (Output::Bare | Output::Path(_) | Output::Asset(_)) => {
                Ok((output_source(output).0, None))
            }
        }
    }

    fn follow(&self, expression: &str, depth: usize) -> Result<Source, String> {
        match binding::path(expression).as_slice() {
            ["parent", "jobs", step, direction, name] => {
                self.step_source(step, direction, name, depth + 1)
            }
            _ => self.source(expression),
        }
    }
}

fn input_source(input: &Input<'_>) -> Source {
    match input {
        Input::Literal { node, .. } => (literal_type(node).into(), None),
        Input::Asset(asset) => (asset.kind.clone(), asset.mode.clone()),
    }
}

fn output_source(output: &Output) -> Source {
    match output {
        Output::Bare | Output::Bound(_) => ("uri_folder".into(), None),
        // The SDK takes the text for a literal here, and for a folder where it is sent.
        Output::Path(_) => ("string".into(), None),
        Output::Asset(asset) => (asset.kind.clone(), asset.mode.clone()),
    }
}

/// A step's literal input in the spelling of steps.
fn step_literal(text: String) -> Object {
    let mut body = Object::default();
    body.put("job_input_type", "literal");
    body.put("value", text);
    body
}
