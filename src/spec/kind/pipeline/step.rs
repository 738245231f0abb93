//! The table of step types, and what every step has: a name, a place in the document and ports that others bind to. First all steps
//! are read, then each is planned, because an inline step takes the types of its ports from what they are bound to. A type is one
//! file here and one row in [`STEPS`].

mod automl;
mod command;
mod parallel;
mod pipeline;
mod ports;
mod settings;
mod source;
mod spark;
mod sweep;
mod transfer;

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::graph::Graph;
use crate::spec::binding::{self, pattern};
use crate::spec::component;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Field, Fields};
use crate::spec::io::{Input, Output};
use crate::spec::problem::{Problem, Report, nearest};
use crate::spec::python;
use crate::spec::reference::pipeline_compute_id;
use crate::spec::session::Session;

pub(super) use source::StepSource;

/// A type of step.
pub(super) struct StepType {
    /// The word under `type`.
    name: &'static str,
    /// Keys by which a step that has no `type` is known to be of this one.
    marks: &'static [&'static str],
    /// Reads what other steps may bind to. `None` after the problem is reported.
    read: for<'n> fn(&mut Session<'_>, Written<'n, '_>) -> Option<Step<'n>>,
    /// The step as it stands in the pipeline's body; what it runs is planned before. `None` after the problem is reported.
    plan: for<'n> fn(&mut Planning<'_, '_, 'n>, &Step<'n>) -> Option<Object>,
    /// The type of a port, for an inline step that binds to it. [`ports::of_component_or_values`] serves where a component or the
    /// step's own values say it.
    pub(super) port: for<'s> fn(&'s Step<'_>, Direction, &str) -> Result<PortType<'s>, String>,
}

static STEPS: &[StepType] = &[
    StepType {
        name: "command",
        marks: &["command"],
        read: command::read,
        plan: command::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "sweep",
        marks: &["trial"],
        read: sweep::read,
        plan: sweep::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "parallel",
        marks: &["mini_batch_size", "input_data"],
        read: parallel::read,
        plan: parallel::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "spark",
        marks: &["entry"],
        read: spark::read,
        plan: spark::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "data_transfer",
        marks: &["data_copy_mode"],
        read: transfer::read,
        plan: transfer::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "import",
        marks: &[],
        // None is ever planned: what reads them refuses them.
        read: transfer::read_import,
        plan: transfer::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "pipeline",
        marks: &[],
        read: pipeline::read,
        plan: pipeline::plan,
        port: ports::of_component_or_values,
    },
    StepType {
        name: "automl",
        marks: &[],
        read: automl::read,
        plan: automl::plan,
        port: automl::port,
    },
];

/// Control flow, which the SDK refuses in YAML unless a private preview is switched on.
const CONTROL_FLOW: [&str; 3] = ["if_else", "do_while", "parallel_for"];

const NO_COMPUTE: &str =
    "no compute: set `compute` here or for the pipeline, or `settings.default_compute`";

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z_][a-z\d_]*$"));

/// A step as the document has it.
pub(super) struct Written<'n, 'b> {
    kind: &'static StepType,
    name: &'n str,
    field: Field<'n>,
    /// The folder that relative paths start from.
    base: &'b Path,
}

/// A step that has been read.
pub(super) struct Step<'n> {
    pub(super) kind: &'static StepType,
    pub(super) name: &'n str,
    pub(super) source: StepSource,
    pub(super) inputs: Vec<(&'n str, Input<'n>)>,
    pub(super) outputs: Vec<(&'n str, Output)>,
    field: Field<'n>,
    /// Where the component was written down, in the SDK's words.
    origin: &'static str,
}

/// Which of a step's ports an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inputs,
    Outputs,
}

impl Direction {
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "inputs" => Some(Self::Inputs),
            "outputs" => Some(Self::Outputs),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
        }
    }
}

/// What is known of a port's type.
pub(super) enum PortType<'s> {
    Known(String),
    /// That of what this expression refers to.
    Of(&'s str),
}

/// A pipeline whose steps are being planned.
pub(super) struct Planning<'p, 'f, 'n> {
    pub(super) session: &'p mut Session<'f>,
    pub(super) graph: &'p Graph<'n>,
    /// The folder that relative paths start from.
    pub(super) base: &'p Path,
    /// What is wrong if the pipeline has no compute for the steps that have none of their own.
    pub(super) without_compute: &'p mut Vec<Problem>,
}

impl Planning<'_, '_, '_> {
    fn put_compute(&mut self, step: &Step<'_>, fields: &mut Fields<'_>, body: &mut Object) {
        body.put_some("computeId", self.compute(step, fields));
    }

    /// The step's own compute; the pipeline has to have one where there is none.
    fn compute(&mut self, step: &Step<'_>, fields: &mut Fields<'_>) -> Option<Draft> {
        let Some(field) = fields.take("compute") else {
            self.without_compute.push(Problem {
                place: step.field.node.place(),
                field: step.field.path.clone(),
                message: NO_COMPUTE.into(),
            });
            return None;
        };
        self.compute_of(&field)
    }

    fn compute_of(&mut self, field: &Field<'_>) -> Option<Draft> {
        let text = field.text(&mut self.session.report)?;
        if binding::is_whole(&text) {
            Some(Draft::from(text))
        } else if text.eq_ignore_ascii_case("local") {
            pipeline_compute_id(self.session, field, "local")
        } else {
            pipeline_compute_id(self.session, field, &text)
        }
    }
}

/// A step with a component lets through what no schema names, but for what the SDK's own objects keep to themselves.
fn put_unknown(mut fields: Fields<'_>, body: &mut Object) {
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
        if !node.is_void() {
            body.put(name, python::json_of(node));
        }
    }
}

impl<'n> Step<'n> {
    /// The fields that were not read yet.
    fn rest(&self, session: &mut Session<'_>) -> Option<Fields<'n>> {
        let mut fields = self.field.fields(&mut session.report)?;
        fields.without_effect(&["type", "component", "inputs", "outputs"]);
        Some(fields)
    }

    /// Name and type, with which every step begins.
    fn body(&self) -> Object {
        let mut body = Object::default();
        body.put("name", self.name);
        body.put("type", self.kind.name);
        body
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
    if field.node.entries().is_none() {
        field.fields(&mut session.report);
        return None;
    }
    let kind = choose(session, field, base)?;
    let written = Written {
        kind,
        name,
        field: field.clone(),
        base,
    };
    (kind.read)(session, written)
}

pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    (step.kind.plan)(planning, step)
}

/// A field of the step, or the step where it is missing.
fn named_or_whole<'n>(step: &Field<'n>, name: &str) -> Field<'n> {
    step.node.get(name).map_or_else(
        || step.clone(),
        |node| Field::at_path(node, &format!("{}.{name}", step.path)),
    )
}

/// By the word under `type`; without it by the component's own type or by what only one type of step has.
fn choose(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<&'static StepType> {
    if let Some(node) = field.node.get("type") {
        let kind = Field::at_path(node, &format!("{}.type", field.path));
        return named(&kind, &mut session.report);
    }
    let of_component = field
        .node
        .get("component")
        .map(|node| Field::at_path(node, &format!("{}.component", field.path)))
        .and_then(|component| component::type_word(session, &component, base));
    let by_word = of_component.and_then(|word| STEPS.iter().find(|kind| kind.name == word));
    let by_mark = || {
        STEPS.iter().find(|kind| {
            let mut marks = kind.marks.iter();
            marks.any(|mark| field.node.get(mark).is_some())
        })
    };
    by_word.or_else(by_mark).or(STEPS.first())
}

fn named(field: &Field<'_>, report: &mut Report) -> Option<&'static StepType> {
    let text = field.text(report)?;
    if CONTROL_FLOW.contains(&text.as_str()) {
        let message =
            format!("`{text}` is a private preview that Microsoft's tools refuse in YAML, too");
        field.problem(report, message);
        return None;
    }
    let word = text.to_lowercase();
    let found = STEPS.iter().find(|kind| kind.name == word);
    if found.is_none() {
        let names = STEPS.iter().map(|kind| kind.name);
        let message = format!("`{text}` is not a type of step{}", nearest(&word, names));
        field.problem(report, message);
    }
    found
}
