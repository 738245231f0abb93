//! The steps of a pipeline as a graph: what their expressions may refer to, and of which type that is. It does not know whether the
//! pipeline is a job or a component.

use std::path::Path;

use super::step::{self, Direction, Planning, PortType, Step, StepSource};
use crate::spec::binding;
use crate::spec::component::{Port, literal_type};
use crate::spec::draft::Object;
use crate::spec::fields::Field;
use crate::spec::io::{Input, Output};
use crate::spec::problem::{Problem, nearest};
use crate::spec::session::Session;

/// A type and a mode, found by following an expression.
pub(super) type Source = (String, Option<String>);

/// The inputs and outputs of a pipeline, by the types that its steps find when they bind to them.
#[derive(Debug, Default)]
pub(in crate::spec) struct Ports {
    inputs: Vec<(String, Source)>,
    outputs: Vec<(String, Source)>,
}

impl Ports {
    /// Those of a job, which has values and no declarations.
    pub(super) fn of_values(inputs: &[(&str, Input<'_>)], outputs: &[(&str, Output)]) -> Self {
        let inputs = inputs
            .iter()
            .map(|(name, input)| ((*name).to_owned(), input_source(input)));
        let outputs = outputs
            .iter()
            .map(|(name, output)| ((*name).to_owned(), output.declared_type()));
        Self {
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        }
    }

    /// Those of a component.
    pub(in crate::spec) fn of_declarations(
        inputs: &[(String, Port)],
        outputs: &[(String, Port)],
    ) -> Self {
        let sources = |ports: &[(String, Port)]| {
            ports
                .iter()
                .map(|(name, port)| (name.clone(), (port.kind.clone(), port.mode.clone())))
                .collect()
        };
        Self {
            inputs: sources(inputs),
            outputs: sources(outputs),
        }
    }
}

fn input_source(input: &Input<'_>) -> Source {
    match input {
        Input::Literal { node, .. } => (literal_type(node).into(), None),
        Input::Asset(asset) => (asset.kind.clone(), asset.mode.clone()),
    }
}

/// Steps as they stand in the pipeline's body.
#[derive(Debug, Default)]
pub(in crate::spec) struct Planned {
    pub(in crate::spec) jobs: Object,
    /// What is wrong if nothing around the pipeline has a compute for its steps.
    pub(in crate::spec) without_compute: Vec<Problem>,
    /// The names of all steps.
    pub(in crate::spec) steps: Vec<String>,
    /// In the order of the steps.
    pub(in crate::spec) bindings: Vec<Binding>,
}

impl Planned {
    /// Whether a step's inputs or outputs lead to or come from another step.
    pub(super) fn is_connected(&self, step: &str) -> bool {
        self.bindings.iter().any(|binding| {
            let from = binding.target.strip_prefix("parent.jobs.");
            let source = from.and_then(|rest| rest.split('.').next());
            source.is_some_and(|source| binding.step == step || source == step)
        })
    }
}

/// An input of a step whose value is an expression.
#[derive(Debug, Clone)]
pub(in crate::spec) struct Binding {
    pub(in crate::spec) step: String,
    pub(in crate::spec) port: String,
    /// What it refers to: `parent.inputs.x`, `parent.jobs.a.outputs.y`.
    pub(in crate::spec) target: String,
    /// The inputs of the pipeline that it names.
    pub(in crate::spec) inputs: Vec<String>,
    /// Whether the component cannot do without it; `None` where the component is not at hand.
    pub(in crate::spec) required: Option<bool>,
    /// Whether there are blanks inside of the braces.
    pub(in crate::spec) spaced: bool,
}

fn bindings<'s>(step: &'s Step<'_>) -> impl Iterator<Item = Binding> + 's {
    step.inputs.iter().filter_map(|(port, input)| {
        let text = match input {
            Input::Literal { node, .. } => node.as_text()?,
            Input::Asset(asset) => asset.binding()?,
        };
        if !binding::is_whole(text) {
            return None;
        }
        let target = *binding::targets(text).first()?;
        let required = match &step.source {
            StepSource::Inline => Some(true),
            // What the component does not declare is not given to it.
            StepSource::Local(component) => Some(component.input(port)?.optional != Some(true)),
            StepSource::Registered(_) => None,
        };
        let input = target.strip_prefix("parent.inputs.").map(str::to_owned);
        Some(Binding {
            step: step.name.to_owned(),
            port: (*port).to_owned(),
            target: target.to_owned(),
            spaced: !text.contains(&format!("{{{{{target}}}}}")),
            inputs: input.into_iter().collect(),
            required,
        })
    })
}

/// What the steps of a pipeline can refer to.
pub(super) struct Graph<'n> {
    ports: Ports,
    steps: Vec<Step<'n>>,
    /// Steps that something is wrong with; what refers to them is not wrong, too.
    unread: Vec<&'n str>,
}

/// Reads the steps under `jobs` and plans each, and what they run.
pub(in crate::spec) fn plan(
    session: &mut Session<'_>,
    field: &Field<'_>,
    ports: Ports,
    base: &Path,
) -> Option<Planned> {
    let mut graph = Graph {
        ports,
        steps: Vec::new(),
        unread: Vec::new(),
    };
    let entries = field.entries(&mut session.report)?;
    for (name, field) in &entries {
        match step::read(session, name, field, base) {
            Some(step) => graph.steps.push(step),
            None => graph.unread.push(name),
        }
    }
    let mut planned = Planned {
        steps: entries.iter().map(|(name, _)| (*name).to_owned()).collect(),
        bindings: graph.steps.iter().flat_map(bindings).collect(),
        ..Planned::default()
    };
    let mut planning = Planning {
        session,
        graph: &graph,
        base,
        without_compute: &mut planned.without_compute,
    };
    for step in &graph.steps {
        planned
            .jobs
            .put_some(step.name, step::plan(&mut planning, step));
    }
    Some(planned)
}

impl Graph<'_> {
    /// What an expression refers to, from the point of view of an inline step whose input or output it is.
    pub(super) fn source(&self, expression: &str) -> Result<Source, String> {
        self.follow(expression, 0)
    }

    fn follow(&self, expression: &str, depth: usize) -> Result<Source, String> {
        if binding::targets(expression).len() > 1 {
            return Err(format!(
                "`{expression}` is more than one expression; bind to one of them"
            ));
        }
        match binding::path(expression).as_slice() {
            [.., name] if name.contains('.') => Err(format!(
                "a step that says itself what to run cannot bind to `{name}`, which is part of a group; let it run a component"
            )),
            ["parent", "inputs", name] => declared(&self.ports.inputs, "input", name),
            ["parent", "outputs", name] => declared(&self.ports.outputs, "output", name),
            ["parent", "jobs", step, direction, name] => {
                self.step_source(step, direction, name, depth)
            }
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
            let hint = nearest(step, self.steps.iter().map(|known| known.name));
            return Err(format!("the pipeline has no step `{step}`{hint}"));
        };
        if depth > self.steps.len() {
            return Err(format!("`{step}` refers to itself"));
        }
        let Some(direction) = Direction::of(direction) else {
            return Err(format!(
                "`{direction}` is neither `inputs` nor `outputs` of the step `{step}`"
            ));
        };
        // The mode of a port is the business of the step that has it.
        match (found.kind.port)(found, direction, name)? {
            PortType::Known(kind) => Ok((kind, None)),
            PortType::Of(expression) => {
                let (kind, _) = self.follow(expression, depth + 1)?;
                Ok((kind, None))
            }
        }
    }
}

fn declared(ports: &[(String, Source)], what: &str, name: &str) -> Result<Source, String> {
    let found = ports.iter().find(|(known, _)| known == name);
    found.map(|(_, source)| source.clone()).ok_or_else(|| {
        let hint = nearest(name, ports.iter().map(|(known, _)| known.as_str()));
        format!("the pipeline has no {what} `{name}`{hint}")
    })
}
