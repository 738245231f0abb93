//! One step of a pipeline: which component it runs and with what. First all steps are read, then each is planned, because an inline
//! step takes the types of its ports from the steps and inputs that they are bound to.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::settings::Settings;
use super::{Graph, step_literal};
use crate::spec::binding::{self, pattern};
use crate::spec::component::{self, Component, Inline, Port, declared, declared_literal};
use crate::spec::draft::{Draft, Object};
use crate::spec::environment;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Output, Spelling, Texts};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::reference::{REGISTRY, asset_id, pipeline_compute_id};
use crate::spec::session::{Session, absolute};
use crate::spec::yaml::Node;

/// Types of steps that the service has and this version has not.
const LATER: [&str; 7] = [
    "import",
    "sweep",
    "parallel",
    "pipeline",
    "automl",
    "spark",
    "data_transfer",
];

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z_][a-z\d_]*$"));

pub(super) struct Step<'n> {
    pub(super) name: &'n str,
    pub(super) source: StepSource,
    pub(super) inputs: Vec<(&'n str, Input<'n>)>,
    pub(super) outputs: Vec<(&'n str, Output)>,
    field: Field<'n>,
    /// Where the component was written down, in the SDK's words.
    origin: &'static str,
}

pub(super) enum StepSource {
    /// The step says itself what to run.
    Inline,
    /// A component of this project.
    Local(Box<Component>),
    /// A component of the workspace or of a registry.
    Registered(Draft),
}

impl StepSource {
    pub(super) fn is_inline(&self) -> bool {
        match self {
            Self::Inline => true,
            Self::Local(_) | Self::Registered(_) => false,
        }
    }
}

pub(super) fn read<'n>(
    session: &mut Session<'_>,
    name: &'n str,
    field: &Field<'n>,
    base: &Path,
) -> Option<Step<'n>> {
    if !NAME.is_match(name) {
        let message = format!(
            "`{name}` cannot be the name of a step: lower-case letters, digits and `_`, no digit first"
        );
        field.problem(&mut session.report, message);
    }
    let mut fields = field.fields(&mut session.report)?;
    if let Some(kind) = fields.take("type") {
        let text = kind.text(&mut session.report)?;
        if LATER.contains(&text.as_str()) {
            kind.problem(
                &mut session.report,
                format!("steps of type `{text}` are not supported by this version"),
            );
            return None;
        }
        kind.choice(&mut session.report, &["command"], Case::Lower)?;
    }
    let (source, origin) = match fields.take("component") {
        Some(component) => read_component(session, &component, base)?,
        None => (StepSource::Inline, "YAML.JOB"),
    };
    let open = |field: Field<'n>| {
        if source.is_inline() {
            field
        } else {
            field.with_bindings()
        }
    };
    let report = &mut session.report;
    let inputs = fields
        .take("inputs")
        .map(open)
        .map(|field| io::read_inputs(&field, None, report));
    let texts = if source.is_inline() {
        Texts::Any
    } else {
        Texts::Bindings
    };
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, texts, None, report));
    Some(Step {
        name,
        inputs: inputs.unwrap_or_default(),
        outputs: outputs.unwrap_or_default(),
        source,
        field: field.clone(),
        origin,
    })
}

fn read_component(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<(StepSource, &'static str)> {
    if field.node.entries().is_some() {
        let component = local(session, field, base)?;
        return Some((StepSource::Local(Box::new(component)), "YAML.JOB"));
    }
    let text = field.text(&mut session.report)?;
    if text.starts_with(REGISTRY) {
        return Some((StepSource::Registered(Draft::from(text)), "REMOTE.REGISTRY"));
    }
    if let Some(name) = text.strip_prefix("azureml:") {
        if name.starts_with(REGISTRY) {
            return Some((StepSource::Registered(Draft::from(name)), "REMOTE.REGISTRY"));
        }
        let id = asset_id(session, field, name, "components")?;
        return Some((StepSource::Registered(id), "REMOTE.WORKSPACE.COMPONENT"));
    }
    let (path, origin) = match text.strip_prefix("file:") {
        Some(path) => (path, "YAML.JOB"),
        None => (text.as_str(), "YAML.COMPONENT"),
    };
    let path = absolute(base, path);
    let node = session.load(field, &path)?;
    let folder = path.parent().unwrap_or(base).to_owned();
    let component = local(session, &Field::root(&node), &folder)?;
    Some((StepSource::Local(Box::new(component)), origin))
}

fn local(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Component> {
    let kind = field.node.get("type");
    if let Some((node, later)) = kind
        .and_then(|node| Some((node, node.as_text()?)))
        .filter(|(_, kind)| LATER.contains(kind))
    {
        let message = format!("components of type `{later}` are not supported by this version");
        session.report.add(node, "type", message);
        return None;
    }
    let fields = field.fields(&mut session.report)?;
    component::read(session, fields, base)
}

/// The step as it stands in the pipeline's body; its component is planned before.
pub(super) fn plan(
    session: &mut Session<'_>,
    graph: &Graph<'_>,
    index: usize,
    base: &Path,
    has_default_compute: bool,
) -> Option<Object> {
    let step = &graph.steps[index];
    let mut fields = step.field.fields(&mut session.report)?;
    fields.without_effect(&["type", "component", "inputs", "outputs"]);
    let mut body = Object::default();
    body.put("name", step.name);
    body.put("type", "command");
    let mut settings = Settings::read(&mut fields, &step.source, &mut session.report);
    if !put_compute(session, &mut fields, &mut body) && !has_default_compute {
        let message =
            "no compute: set `compute` here or for the pipeline, or `settings.default_compute`";
        step.field.problem(&mut session.report, message);
    }
    let component = match &step.source {
        StepSource::Inline => Some(Box::new(inline(
            session, graph, step, fields, &settings, base,
        )?)),
        StepSource::Local(component) => {
            put_rest(session, fields, base, &mut body);
            let mut component = component.clone();
            settings.spread(Some(&mut *component));
            Some(component)
        }
        StepSource::Registered(id) => {
            put_rest(session, fields, base, &mut body);
            settings.spread(None);
            body.put("componentId", id.clone());
            None
        }
    };
    settings.put(component.as_deref(), &mut body);
    put_inputs(session, step, component.as_deref(), base, &mut body);
    put_outputs(step, component.as_deref(), &mut body);
    if let Some(component) = component {
        body.put("componentId", component.id(session, step.origin));
    }
    body.put("_source", step.origin);
    Some(body)
}

/// A step with a component lets through what no schema names; the component's own fields have no effect here, but some are checked.
fn put_rest(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path, body: &mut Object) {
    fields.text("command", &mut session.report);
    fields.text("name", &mut session.report);
    if let Some(code) = fields.take("code").filter(|field| !field.node.is_null()) {
        code.text(&mut session.report);
    }
    if let Some(environment) = fields.take("environment") {
        environment::check(session, &environment, base);
    }
    fields.without_effect(&[
        "description",
        "experiment_name",
        "parent_job_name",
        "$schema",
        "is_deterministic",
        "base_path",
        "status",
        "id",
    ]);
    for (name, node) in fields.rest() {
        if !(node.is_null() || node.entries().is_some_and(<[_]>::is_empty)) {
            body.put(name, python::json_of(node));
        }
    }
}

/// Whether the step has a compute of its own.
fn put_compute(session: &mut Session<'_>, fields: &mut Fields<'_>, body: &mut Object) -> bool {
    let Some(field) = fields.take("compute") else {
        return false;
    };
    if let Some(text) = field.text(&mut session.report) {
        let id = if binding::is_whole(&text) {
            Some(Draft::from(text))
        } else if text.eq_ignore_ascii_case("local") {
            pipeline_compute_id(session, &field, "local")
        } else {
            pipeline_compute_id(session, &field, &text)
        };
        body.put_some("computeId", id);
    }
    true
}

fn put_inputs(
    session: &mut Session<'_>,
    step: &Step<'_>,
    component: Option<&Component>,
    base: &Path,
    body: &mut Object,
) {
    for (name, port) in component
        .map(|component| component.inputs.as_slice())
        .unwrap_or_default()
    {
        let given = step.inputs.iter().any(|(known, _)| known == name);
        if !given && !port.optional && !port.has_default {
            let path = format!("{}.inputs.{name}", step.field.path);
            session.report.add(
                step.field.node,
                &path,
                "the component needs this input and has no default for it",
            );
        }
    }
    let mut inputs = Object::default();
    for (name, input) in &step.inputs {
        let port = component.map(|component| component.input(name));
        // What the component does not declare is dropped, as the SDK does.
        if matches!(port, Some(None)) {
            continue;
        }
        let value = match component::typed(input.clone(), port.flatten(), &mut session.report) {
            None => None,
            Some(Input::Literal { node, field }) => {
                if let Some(text) = node.as_text() {
                    io::refuse_legacy(&field, text, &mut session.report);
                }
                Some(step_literal(python::text_of(&node).unwrap_or_default()))
            }
            Some(Input::Asset(asset)) => asset.body(session, base, Spelling::Step),
        };
        inputs.put_some(*name, value);
    }
    body.put_filled("inputs", inputs);
}

fn put_outputs(step: &Step<'_>, component: Option<&Component>, body: &mut Object) {
    let mut outputs = Object::default();
    for (name, output) in &step.outputs {
        let port = component.map(|component| component.output(name));
        if matches!(port, Some(None)) {
            continue;
        }
        outputs.put_some(
            *name,
            output.step_body(port.flatten().map(|port| port.kind.as_str())),
        );
    }
    body.put_filled("outputs", outputs);
}

/// The component that an inline step stands for.
fn inline(
    session: &mut Session<'_>,
    graph: &Graph<'_>,
    step: &Step<'_>,
    mut fields: Fields<'_>,
    settings: &Settings,
    base: &Path,
) -> Option<Component> {
    let before = session.report.count();
    fields.read_only(&[
        "$schema",
        "id",
        "creation_context",
        "status",
        "log_files",
        "parameters",
    ]);
    let report = &mut session.report;
    for name in ["name", "experiment_name", "parent_job_name"] {
        fields.text(name, report);
    }
    let mut inputs = Vec::new();
    // A port that could not be typed is declared all the same, so that the command may name it.
    for (name, input) in &step.inputs {
        let (body, port) = input_port(graph, input, report).unwrap_or_default();
        inputs.push((*name, body, port));
    }
    let mut outputs = Vec::new();
    for (name, output) in &step.outputs {
        let (body, port) = output_port(graph, step, name, output, report).unwrap_or_default();
        outputs.push((*name, body, port));
    }
    let names = step
        .inputs
        .iter()
        .map(|(name, _)| *name)
        .chain(step.outputs.iter().map(|(name, _)| *name));
    for name in names {
        io::check_key(&step.field, name, io::Keys::Dotted, report);
    }
    component::check_cases(
        &step.field,
        step.inputs.iter().map(|(name, _)| *name),
        report,
    );
    component::check_cases(
        &step.field,
        step.outputs.iter().map(|(name, _)| *name),
        report,
    );
    let description = fields.text("description", report);
    let command = fields.required("command", report);
    let code = fields.take("code");
    let environment = fields.required("environment", report);
    fields.refuse_rest(report);
    let environment = environment.and_then(|field| environment::resolve(session, &field, base));
    let component = Inline {
        description,
        tags: settings.tags.clone(),
        inputs,
        outputs,
        resources: settings.resources.clone(),
        distribution: settings.distribution.clone(),
        environment,
        code: code.as_ref(),
        command: command.as_ref(),
    }
    .into_component(session, base);
    (session.report.count() == before).then_some(component)
}

fn input_port(graph: &Graph<'_>, input: &Input<'_>, report: &mut Report) -> Option<(Value, Port)> {
    match input {
        Input::Literal { node, field } => {
            match node.as_text().filter(|text| binding::is_input(text)) {
                Some(text) => match graph.source(text) {
                    Ok((kind, mode)) => Some(declared(&kind, mode.as_deref())),
                    Err(message) => {
                        field.problem(report, message);
                        None
                    }
                },
                None => Some(declared_literal(node)),
            }
        }
        Input::Asset(asset) => Some(declared(&asset.kind, asset.mode.as_deref())),
    }
}

fn output_port(
    graph: &Graph<'_>,
    step: &Step<'_>,
    name: &str,
    output: &Output,
    report: &mut Report,
) -> Option<(Value, Port)> {
    match output {
        Output::Bare => Some(declared("uri_folder", None)),
        Output::Path(_) => Some(declared("string", None)),
        Output::Asset(asset) => Some(declared(&asset.kind, asset.mode.as_deref())),
        Output::Bound(text) => match graph.source(text) {
            Ok((kind, mode)) => Some(declared(&kind, mode.as_deref())),
            Err(message) => {
                let node: Option<&Node> = step
                    .field
                    .node
                    .get("outputs")
                    .and_then(|outputs| outputs.get(name));
                let path = format!("{}.outputs.{name}", step.field.path);
                report.add(node.unwrap_or(step.field.node), &path, message);
                None
            }
        },
    }
}
