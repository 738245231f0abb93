//! What a stage did, as data: resources, job, steps, metrics, phases. Rendering to Markdown, text and JSON lives in `report/`; nothing here knows a host or Azure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What happened to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Created,
    Updated,
    Unchanged,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One row of the table of resources.
#[derive(Debug, Clone, Serialize)]
pub struct Resource {
    /// Azure's noun: `environment`, `data`, `compute`, `job`, `model`.
    pub kind: String,
    pub name: String,
    pub version: Option<String>,
    pub change: Change,
    pub id: String,
    /// A page where a person can look at it.
    pub link: Option<String>,
}

/// A pipeline's step, or the trial of a sweep.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub name: String,
    pub run: String,
    pub status: String,
    #[serde(serialize_with = "seconds")]
    pub duration: Option<Duration>,
    /// The service took the result of an earlier run.
    pub reused: bool,
    pub error: Option<String>,
}

/// A number that a job logged. `step` is the name of the pipeline step that logged it, `None` for the job itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    pub step: Option<String>,
    pub key: String,
    pub value: f64,
}

/// The job that a stage followed.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    pub name: String,
    pub display_name: Option<String>,
    pub status: String,
    pub link: Option<String>,
    #[serde(serialize_with = "seconds")]
    pub duration: Option<Duration>,
    pub steps: Vec<Step>,
    pub metrics: Vec<Metric>,
    pub error: Option<String>,
}

/// Whether the time of a phase went into work of ours or into waiting for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    Working,
    Waiting,
}

/// How long a part of the stage took.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    pub name: String,
    pub kind: PhaseKind,
    #[serde(serialize_with = "seconds")]
    pub took: Option<Duration>,
}

/// Everything that a stage has to report. `--output json` prints it as one object.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub stage: String,
    /// `succeeded`, `failed` or `cancelled`.
    pub outcome: String,
    pub outputs: BTreeMap<String, String>,
    pub resources: Vec<Resource>,
    pub job: Option<Job>,
    pub phases: Vec<Phase>,
    /// The error and what to do about it, when the stage failed.
    pub error: Option<String>,
    pub advice: Option<String>,
    /// Facts worth a line: what was skipped and why, files written.
    pub notes: Vec<String>,
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn seconds<S: serde::Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}
