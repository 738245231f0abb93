//! The table of YAML kinds. A kind is one file here and one row in [`KINDS`].

pub(super) mod automl;
mod command;
mod component;
mod compute;
mod data;
mod datastore;
mod deployment;
mod endpoint;
mod environment;
mod family;
mod model;
mod pipeline;
mod schedule;
mod spark;
mod sweep;

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

pub(super) use pipeline::graph::{Binding, Planned, Ports, plan as plan_graph};

use super::binding::pattern;
use super::fields::{Field, Fields};
use super::problem::{Report, nearest};
use super::session::Session;
use super::{EndpointType, Expected};

/// How the kind of a document is told from the others of its expectation.
#[derive(Clone, Copy)]
enum Fits {
    /// There is no other.
    Only,
    /// By the word under `type`, in the spelling of [`KindDef::name`]; the first row when there is none.
    Type,
    /// By its family: see [`family`].
    Family(EndpointType),
}

/// A kind of document.
struct KindDef {
    /// The word that users write under `type`; of kinds that have none, what they are called.
    name: &'static str,
    expected: Expected,
    /// Whether a document of this expectation is of this kind.
    fits: Fits,
    /// Plans the writes. `base` is the folder that relative paths of the document start from.
    translate: fn(&mut Session<'_>, Fields<'_>, &Path),
}

static KINDS: &[KindDef] = &[
    KindDef {
        name: "command",
        expected: Expected::Job,
        fits: Fits::Type,
        translate: command::translate,
    },
    KindDef {
        name: "pipeline",
        expected: Expected::Job,
        fits: Fits::Type,
        translate: pipeline::translate,
    },
    KindDef {
        name: "sweep",
        expected: Expected::Job,
        fits: Fits::Type,
        translate: sweep::translate,
    },
    KindDef {
        name: "spark",
        expected: Expected::Job,
        fits: Fits::Type,
        translate: spark::translate,
    },
    KindDef {
        name: "automl",
        expected: Expected::Job,
        fits: Fits::Type,
        translate: automl::translate,
    },
    KindDef {
        name: "component",
        expected: Expected::Component,
        fits: Fits::Only,
        translate: component::translate,
    },
    KindDef {
        name: "data",
        expected: Expected::Data,
        fits: Fits::Only,
        translate: data::translate,
    },
    KindDef {
        name: "environment",
        expected: Expected::Environment,
        fits: Fits::Only,
        translate: environment::translate,
    },
    KindDef {
        name: "schedule",
        expected: Expected::Schedule,
        fits: Fits::Only,
        translate: schedule::translate,
    },
    KindDef {
        name: "compute",
        expected: Expected::Compute,
        fits: Fits::Only,
        translate: compute::translate,
    },
    KindDef {
        name: "model",
        expected: Expected::Model,
        fits: Fits::Only,
        translate: model::translate,
    },
    KindDef {
        name: "datastore",
        expected: Expected::Datastore,
        fits: Fits::Only,
        translate: datastore::translate,
    },
    KindDef {
        name: "online endpoint",
        expected: Expected::Endpoint,
        fits: Fits::Family(EndpointType::Online),
        translate: endpoint::online::translate,
    },
    KindDef {
        name: "batch endpoint",
        expected: Expected::Endpoint,
        fits: Fits::Family(EndpointType::Batch),
        translate: endpoint::batch::translate,
    },
    KindDef {
        name: "online deployment",
        expected: Expected::Deployment,
        fits: Fits::Family(EndpointType::Online),
        translate: deployment::online::translate,
    },
    KindDef {
        name: "batch deployment",
        expected: Expected::Deployment,
        fits: Fits::Family(EndpointType::Batch),
        translate: deployment::batch::translate,
    },
];

/// Job types that the service has and this version has not.
const LATER_JOBS: [&str; 2] = ["finetuning", "distillation"];
/// Types of steps that are no jobs of their own.
const STEPS_ONLY: [&str; 3] = ["parallel", "import", "data_transfer"];

pub(super) fn translate(
    session: &mut Session<'_>,
    root: &Field<'_>,
    expected: Expected,
    endpoint_type: Option<EndpointType>,
    base: &Path,
) {
    let Some(kind) = choose(root, expected, endpoint_type, &mut session.report) else {
        return;
    };
    if let Some(fields) = root.fields(&mut session.report) {
        (kind.translate)(session, fields, base);
    }
}

fn choose(
    root: &Field<'_>,
    expected: Expected,
    endpoint_type: Option<EndpointType>,
    report: &mut Report,
) -> Option<&'static KindDef> {
    let mut rows = KINDS.iter().filter(|kind| kind.expected == expected);
    let Some(first) = rows.clone().next() else {
        root.problem(
            report,
            "files of this kind are not supported by this version",
        );
        return None;
    };
    let written = match first.fits {
        Fits::Only => None,
        Fits::Type => root.node.get("type"),
        Fits::Family(_) => {
            let found = family::of(root, expected, endpoint_type, report)?;
            return rows.find(|kind| matches!(kind.fits, Fits::Family(own) if own == found));
        }
    };
    let Some(node) = written else {
        return Some(first);
    };
    let field = Field::at_path(node, "type");
    let text = field.text(report)?;
    let found = rows.find(|kind| kind.name == text);
    if found.is_none() {
        let message = if LATER_JOBS.contains(&text.as_str()) {
            format!("jobs of type `{text}` are not supported by this version")
        } else if STEPS_ONLY.contains(&text.as_str()) {
            format!("`{text}` is no job of its own: make it a step of a `pipeline`")
        } else {
            let names = KINDS
                .iter()
                .filter(|kind| kind.expected == expected)
                .map(|kind| kind.name);
            format!(
                "`{text}` is not a type of job{}",
                nearest(&text, names.chain(LATER_JOBS))
            )
        };
        field.problem(report, message);
    }
    found
}

/// A name that the service alone has rules for.
fn not_empty(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let text = field.text(report)?;
    if text.is_empty() {
        field.problem(report, "a name must not be empty");
        return None;
    }
    Some(text)
}

static ASSET_NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}$"));
static JOB_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"));

/// The name of an environment or of data.
pub(super) fn asset_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if !ASSET_NAME.is_match(&name) {
        let message =
            format!("`{name}` cannot be a name: letters, digits, `-`, `_` and `.`, up to 255");
        field.problem(report, message);
        return None;
    }
    Some(name)
}

/// The name of a job: the pattern that the service's specification states for it.
pub(super) fn job_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if !JOB_NAME.is_match(&name) {
        let message = format!(
            "`{name}` cannot be the name of a job: letters, digits, `-` and `_`, up to 255, a letter or digit first"
        );
        field.problem(report, message);
        return None;
    }
    Some(name)
}
