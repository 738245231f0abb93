//! The ports of steps: what is given to them, how they stand in the body, and of which types an inline step's own are. It does not
//! know what the steps run.

use serde_json::Value;

use super::super::graph::Graph;
use super::source;
use super::{Direction, Planning, PortType, Step, StepSource, Written};
use crate::spec::binding;
use crate::spec::component::{self, Component, Port, declared, declared_literal, literal_type};
use crate::spec::draft::Object;
use crate::spec::io::{self, Input, Output, Spelling, Texts};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::yaml::Node;

/// A step with `inputs` and `outputs` whose component, if it names one under `key`, is of the type `wanted`.
pub(super) fn read_step<'n>(
    session: &mut Session<'_>,
    written: Written<'n, '_>,
    key: &'static str,
    wanted: &'static str,
) -> Option<Step<'n>> {
    let mut fields = written.field.fields(&mut session.report)?;
    let (source, origin) = match fields.take(key) {
        Some(component) => source::read(session, &component, wanted, written.base)?,
        None => (StepSource::Inline, "YAML.JOB"),
    };
    let inline = source.is_inline();
    let texts = if inline { Texts::Any } else { Texts::Bindings };
    let report = &mut session.report;
    let inputs = fields.take("inputs").map(|field| {
        let field = if inline { field } else { field.with_bindings() };
        io::read_inputs(&field, None, report)
    });
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, texts, None, report));
    Some(Step {
        kind: written.kind,
        name: written.name,
        inputs: inputs.unwrap_or_default(),
        outputs: outputs.unwrap_or_default(),
        source,
        field: written.field,
        origin,
    })
}

/// The type of a port: the component says it where it is at hand, else the value that the step gives.
pub(super) fn of_component_or_values<'s>(
    step: &'s Step<'_>,
    direction: Direction,
    name: &str,
) -> Result<PortType<'s>, String> {
    let missing = || {
        let (step, direction) = (step.name, direction.word());
        format!("the step `{step}` has no `{name}` among its {direction}")
    };
    if let StepSource::Local(component) = &step.source {
        let port = match direction {
            Direction::Inputs => component.input(name),
            Direction::Outputs => component.output(name),
        };
        return port
            .map(|port| PortType::Known(port.kind.clone()))
            .ok_or_else(missing);
    }
    match direction {
        Direction::Inputs => {
            let input = find(&step.inputs, name).ok_or_else(missing)?;
            Ok(match input {
                Input::Literal { node, .. } => {
                    match node.as_text().filter(|text| binding::is_input(text)) {
                        Some(text) => PortType::Of(text),
                        None => PortType::Known(literal_type(node).into()),
                    }
                }
                Input::Asset(asset) => PortType::Known(asset.kind.clone()),
            })
        }
        Direction::Outputs => {
            let output = find(&step.outputs, name).ok_or_else(missing)?;
            Ok(match output {
                Output::Bound(text) => PortType::Of(text),
                Output::Bare | Output::Path(_) | Output::Asset(_) => {
                    PortType::Known(output.declared_type().0)
                }
            })
        }
    }
}

fn find<'p, T>(ports: &'p [(&str, T)], name: &str) -> Option<&'p T> {
    ports
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, port)| port)
}

/// The `inputs` of a step; those that the component needs and does not get are reported.
pub(super) fn put_inputs(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    component: Option<&Component>,
    body: &mut Object,
) {
    let declared = component.map(|component| component.inputs.as_slice());
    for (name, port) in declared.unwrap_or_default() {
        let given = step.inputs.iter().any(|(known, _)| known == name);
        if !given && port.optional != Some(true) && port.default.is_none() {
            let path = format!("{}.inputs.{name}", step.field.path);
            let report = &mut planning.session.report;
            report.add(step.field.node, &path, component::NEEDS_INPUT);
        }
    }
    let session = &mut *planning.session;
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
                Some(io::literal(&node, Spelling::Step))
            }
            Some(Input::Asset(asset)) => asset.body(session, planning.base, Spelling::Step),
        };
        inputs.put_some(*name, value);
    }
    body.put_filled("inputs", inputs);
}

/// The `outputs` of a step.
pub(super) fn put_outputs(step: &Step<'_>, component: Option<&Component>, body: &mut Object) {
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

/// A port with its declaration.
pub(super) type Declared<'n> = Vec<(&'n str, Value, Port)>;

/// What the inputs and outputs of an inline step declare of the component that it stands for.
pub(super) fn declared_by<'n>(
    graph: &Graph<'_>,
    step: &Step<'n>,
    report: &mut Report,
) -> (Declared<'n>, Declared<'n>) {
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
    for ports in [&inputs, &outputs] {
        for (name, ..) in ports {
            io::check_key(&step.field, name, io::Keys::Dotted, report);
        }
    }
    for ports in [&inputs, &outputs] {
        component::check_cases(&step.field, ports.iter().map(|(name, ..)| *name), report);
    }
    (inputs, outputs)
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
