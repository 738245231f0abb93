//! What a stage did, as data: resources, job, steps, metrics, phases. Rendering to Markdown, text and JSON lives in `report/`; nothing here knows a host or Azure.

mod figures;
pub mod json;
pub mod markdown;
mod smoke;
pub mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub use figures::{human, number};
pub use smoke::{Check, Percentiles, SmokeTest, milliseconds};

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
    /// In the order in which they were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smoke_tests: Vec<SmokeTest>,
    pub phases: Vec<Phase>,
    /// The error and what to do about it, when the stage failed.
    pub error: Option<String>,
    pub advice: Option<String>,
    /// Facts worth a line: what was skipped and why, files written.
    pub notes: Vec<String>,
    /// What a dry run would upload and send; the log of a person has it as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<serde_json::Value>,
}

impl Report {
    /// The same report with every text passed through `f`. Redaction happens here, before a renderer escapes what it would look for.
    #[must_use]
    pub fn map_texts(&self, f: &dyn Fn(&str) -> String) -> Self {
        let some = |text: &Option<String>| text.as_deref().map(f);
        Self {
            stage: f(&self.stage),
            outcome: f(&self.outcome),
            outputs: self
                .outputs
                .iter()
                .map(|(name, value)| (f(name), f(value)))
                .collect(),
            resources: self
                .resources
                .iter()
                .map(|resource| Resource {
                    kind: f(&resource.kind),
                    name: f(&resource.name),
                    version: some(&resource.version),
                    change: resource.change,
                    id: f(&resource.id),
                    link: some(&resource.link),
                })
                .collect(),
            job: self.job.as_ref().map(|job| job.map_texts(f)),
            smoke_tests: self
                .smoke_tests
                .iter()
                .map(|test| test.map_texts(f))
                .collect(),
            phases: self
                .phases
                .iter()
                .map(|phase| Phase {
                    name: f(&phase.name),
                    ..phase.clone()
                })
                .collect(),
            error: some(&self.error),
            advice: some(&self.advice),
            notes: self.notes.iter().map(|note| f(note)).collect(),
            plan: self.plan.as_ref().map(|plan| map_strings(plan, f)),
        }
    }

    /// The outputs that a reader has not seen yet: what a resource or the job shows already would only be its long id once more.
    fn other_outputs(&self) -> impl Iterator<Item = (&str, &str)> {
        let shown: Vec<&str> = self
            .resources
            .iter()
            .flat_map(|resource| [resource.change.as_str(), &resource.name, &resource.id])
            .chain(
                self.resources
                    .iter()
                    .filter_map(|resource| resource.link.as_deref()),
            )
            .chain(
                self.job
                    .iter()
                    .flat_map(|job| [job.name.as_str(), &job.status]),
            )
            .chain(self.job.iter().filter_map(|job| job.link.as_deref()))
            .collect();
        self.outputs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(move |(_, value)| !shown.contains(value))
    }

    /// The phases that took time; a row of `0ms` tells nobody anything.
    fn felt_phases(&self) -> impl Iterator<Item = (&Phase, Duration)> {
        self.phases
            .iter()
            .filter_map(|phase| Some((phase, phase.took?)))
            .filter(|(_, took)| took.as_millis() > 0)
    }

    /// The error of the job, unless the error of the stage says the same.
    fn job_error(&self) -> Option<&str> {
        let error = self.job.as_ref()?.error.as_deref()?;
        let said = self
            .error
            .as_deref()
            .is_some_and(|text| text.contains(error));
        (!said).then_some(error)
    }

    /// How long the phases of a kind took together, in words; empty when there was none.
    fn felt_total(&self, kind: PhaseKind) -> String {
        let total = self.total(kind);
        if total.as_millis() > 0 {
            human(total)
        } else {
            String::new()
        }
    }

    /// How long the phases of a kind took together.
    pub fn total(&self, kind: PhaseKind) -> Duration {
        self.phases
            .iter()
            .filter(|phase| phase.kind == kind)
            .filter_map(|phase| phase.took)
            .sum()
    }
}

impl Job {
    fn map_texts(&self, f: &dyn Fn(&str) -> String) -> Self {
        let some = |text: &Option<String>| text.as_deref().map(f);
        Self {
            name: f(&self.name),
            display_name: some(&self.display_name),
            status: f(&self.status),
            link: some(&self.link),
            duration: self.duration,
            steps: self
                .steps
                .iter()
                .map(|step| Step {
                    name: f(&step.name),
                    run: f(&step.run),
                    status: f(&step.status),
                    duration: step.duration,
                    reused: step.reused,
                    error: some(&step.error),
                })
                .collect(),
            metrics: self
                .metrics
                .iter()
                .map(|metric| Metric {
                    step: some(&metric.step),
                    key: f(&metric.key),
                    value: metric.value,
                })
                .collect(),
            error: some(&self.error),
        }
    }
}

fn map_strings(value: &serde_json::Value, f: &dyn Fn(&str) -> String) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(f(text)),
        Value::Array(items) => items.iter().map(|item| map_strings(item, f)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (f(key), map_strings(value, f)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A text as one line, for a cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            name: "calm_fox_1".into(),
            display_name: Some("Taxi <b>training</b>".into()),
            status: "Failed".into(),
            link: Some("https://ml.azure.com/runs/calm_fox_1".into()),
            duration: Some(Duration::from_secs(725)),
            steps: vec![
                Step {
                    name: "prep".into(),
                    run: "r1".into(),
                    status: "Completed".into(),
                    duration: Some(Duration::from_millis(61_400)),
                    reused: true,
                    error: None,
                },
                Step {
                    name: "train".into(),
                    run: "r2".into(),
                    status: "Failed".into(),
                    duration: None,
                    reused: false,
                    error: Some("exit code 1\nValueError: `x` | <script>alert(1)</script>".into()),
                },
            ],
            metrics: vec![
                Metric {
                    step: None,
                    key: "rows".into(),
                    value: 48_120.0,
                },
                Metric {
                    step: Some("train".into()),
                    key: "rmse".into(),
                    value: 3.218_281_828,
                },
                Metric {
                    step: Some("prep".into()),
                    key: "rmse".into(),
                    value: 0.001_234_567_8,
                },
            ],
            error: Some("step train failed".into()),
        }
    }

    /// A report with everything in it.
    pub(crate) fn full() -> Report {
        Report {
            stage: "run-job".into(),
            outcome: "failed".into(),
            outputs: [
                ("job-name".to_owned(), "calm_fox_1".to_owned()),
                ("job-status".to_owned(), "Failed".to_owned()),
            ]
            .into(),
            resources: vec![
                Resource {
                    kind: "environment".into(),
                    name: "taxi|train_env".into(),
                    version: Some("3".into()),
                    change: Change::Unchanged,
                    id: "azureml:taxi|train_env:3".into(),
                    link: Some(
                        "https://ml.azure.com/environments/taxi%7Ctrain/3?wsid=/a&tid=b".into(),
                    ),
                },
                Resource {
                    kind: "data".into(),
                    name: "taxi".into(),
                    version: None,
                    change: Change::Created,
                    id: "azureml:taxi:1".into(),
                    link: Some("javascript:alert(1)".into()),
                },
            ],
            job: Some(job()),
            smoke_tests: vec![smoke::tests::failed()],
            phases: vec![
                Phase {
                    name: "sign in".into(),
                    kind: PhaseKind::Working,
                    took: Some(Duration::from_millis(420)),
                },
                Phase {
                    name: "job".into(),
                    kind: PhaseKind::Waiting,
                    took: Some(Duration::from_secs(725)),
                },
            ],
            error: Some("the job calm_fox_1 failed:\n```\nValueError\n```".into()),
            advice: Some("look at the log of train: https://ml.azure.com/x".into()),
            notes: vec![
                "1. wrote config.json".into(),
                "- [x](http://evil.example) @team".into(),
            ],
            plan: None,
        }
    }

    #[test]
    fn what_the_tables_show_is_no_output_once_more_and_a_phase_of_nothing_no_row() {
        let mut report = full();
        report.outputs = [
            ("changed", "unchanged"),
            ("data-id", "azureml:taxi:1"),
            ("studio-url", "https://ml.azure.com/runs/calm_fox_1"),
            ("location", "eastus"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        report.phases[0].took = Some(Duration::from_micros(300));
        for text in [text::render(&report), markdown::render(&report)] {
            assert!(
                text.contains("location") && text.contains("eastus"),
                "{text}"
            );
            for gone in ["data-id", "azureml:taxi:1", "studio-url", "sign in", "0ms"] {
                assert!(!text.contains(gone), "{gone}: {text}");
            }
        }
    }

    #[test]
    fn the_error_of_the_job_is_said_once() {
        let mut report = full();
        report.error = Some("job calm_fox_1 ended as Failed: step train failed".to_owned());
        let text = markdown::render(&report);
        assert_eq!(text.matches("step train failed").count(), 1, "{text}");
    }

    #[test]
    fn every_text_of_a_report_is_passed_through_the_filter() {
        let starred = full().map_texts(&|_| "*".to_owned());
        let json = serde_json::to_value(&starred).unwrap();
        fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::String(text) => found.push(text.clone()),
                serde_json::Value::Array(items) => {
                    items.iter().for_each(|item| strings(item, found))
                }
                serde_json::Value::Object(fields) => {
                    fields.values().for_each(|item| strings(item, found))
                }
                serde_json::Value::Null
                | serde_json::Value::Bool(_)
                | serde_json::Value::Number(_) => {}
            }
        }
        let mut found = Vec::new();
        strings(&json, &mut found);
        let words = ["*", "unchanged", "created", "working", "waiting"];
        assert!(
            found.iter().all(|text| words.contains(&text.as_str())),
            "{found:?}"
        );
        assert!(found.len() > 20);
    }
}
