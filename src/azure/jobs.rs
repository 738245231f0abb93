//! Jobs as Resource Manager shows them: reading one, cancelling one, and what each status means. Does not know run history,
//! which alone knows errors, logs and children.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::ServiceError;
use super::{Address, Answer, ArmError, Azure, Call};

/// Versions that the SDK sends (service notes 3.3).
const READ: &str = "2024-01-01-preview";
const CANCEL: &str = "2023-04-01-preview";

/// What a status means for somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    InProgress,
    /// The user's code is over or is being stopped; a final status follows.
    Finishing,
    Terminal,
}

/// A job's or run's status. Unknown ones keep their word and count as in progress.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobStatus {
    NotStarted,
    Starting,
    Provisioning,
    Preparing,
    Queued,
    Running,
    Finalizing,
    CancelRequested,
    Completed,
    Failed,
    Canceled,
    /// No heartbeat; the job may recover, so it does not end a wait.
    NotResponding,
    Paused,
    Other(String),
}

/// Service notes 12.8.
const STATUSES: &[(&str, JobStatus, StatusClass)] = &[
    ("NotStarted", JobStatus::NotStarted, StatusClass::InProgress),
    ("Starting", JobStatus::Starting, StatusClass::InProgress),
    (
        "Provisioning",
        JobStatus::Provisioning,
        StatusClass::InProgress,
    ),
    ("Preparing", JobStatus::Preparing, StatusClass::InProgress),
    ("Queued", JobStatus::Queued, StatusClass::InProgress),
    ("Running", JobStatus::Running, StatusClass::InProgress),
    ("Finalizing", JobStatus::Finalizing, StatusClass::Finishing),
    (
        "CancelRequested",
        JobStatus::CancelRequested,
        StatusClass::Finishing,
    ),
    ("Completed", JobStatus::Completed, StatusClass::Terminal),
    ("Failed", JobStatus::Failed, StatusClass::Terminal),
    ("Canceled", JobStatus::Canceled, StatusClass::Terminal),
    (
        "NotResponding",
        JobStatus::NotResponding,
        StatusClass::InProgress,
    ),
    ("Paused", JobStatus::Paused, StatusClass::InProgress),
];

impl JobStatus {
    pub fn parse(text: &str) -> Self {
        let known = if text.eq_ignore_ascii_case("Cancelled") {
            "Canceled"
        } else {
            text
        };
        STATUSES
            .iter()
            .find(|(word, _, _)| word.eq_ignore_ascii_case(known))
            .map_or_else(
                || Self::Other(text.to_owned()),
                |(_, status, _)| status.clone(),
            )
    }

    pub fn as_str(&self) -> &str {
        if let Self::Other(word) = self {
            return word;
        }
        STATUSES
            .iter()
            .find(|(_, status, _)| status == self)
            .map_or("Unknown", |(word, _, _)| word)
    }

    pub fn class(&self) -> StatusClass {
        STATUSES
            .iter()
            .find(|(_, status, _)| status == self)
            .map_or(StatusClass::InProgress, |(_, _, class)| *class)
    }

    pub fn is_terminal(&self) -> bool {
        self.class() == StatusClass::Terminal
    }

    /// Whether this version of the program knows the word; a caller announces one that it does not.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An output of a job, as the job resource declares it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobOutput {
    /// `uri_folder`, `mlflow_model`, ...
    pub kind: Option<String>,
    pub uri: Option<String>,
    /// The asset that the output is registered as.
    pub asset_name: Option<String>,
    pub asset_version: Option<String>,
}

/// A job as Resource Manager shows it. Children of a pipeline have no properties there: their status is `Unknown`.
#[derive(Debug, Clone)]
pub struct JobView {
    pub id: String,
    pub name: String,
    pub status: JobStatus,
    /// `Command`, `Pipeline`, ...
    pub kind: Option<String>,
    pub display_name: Option<String>,
    pub experiment: Option<String>,
    /// The page of the Studio.
    pub studio: Option<String>,
    pub properties: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, JobOutput>,
    pub created: Option<OffsetDateTime>,
    /// The whole resource as the service answered it.
    pub body: Value,
}

impl JobView {
    /// Reads the answer to a job's GET or PUT.
    pub fn parse(body: &Value) -> Self {
        let properties = &body["properties"];
        let outputs = properties["outputs"].as_object().into_iter().flatten();
        Self {
            id: text(&body["id"]).unwrap_or_default(),
            name: text(&body["name"]).unwrap_or_default(),
            status: JobStatus::parse(properties["status"].as_str().unwrap_or("Unknown")),
            kind: text(&properties["jobType"]),
            display_name: text(&properties["displayName"]),
            experiment: text(&properties["experimentName"]),
            studio: text(&properties["services"]["Studio"]["endpoint"]),
            properties: texts(&properties["properties"]),
            tags: texts(&properties["tags"]),
            outputs: outputs
                .map(|(name, output)| {
                    let output = JobOutput {
                        kind: text(&output["jobOutputType"]),
                        uri: text(&output["uri"]),
                        asset_name: text(&output["assetName"]),
                        asset_version: text(&output["assetVersion"]),
                    };
                    (name.clone(), output)
                })
                .collect(),
            created: moment(&body["systemData"]["createdAt"]),
            body: body.clone(),
        }
    }
}

/// A job by its name; `None` when there is none.
pub async fn get_job(azure: &Azure, name: &str) -> Result<Option<JobView>, ArmError> {
    let path = format!("jobs/{}", Address::segment(name));
    match azure.send(Call::get(Address::Workspace(path), READ)).await {
        Ok(answer) => Ok(Some(JobView::parse(&answer.body))),
        Err(ArmError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of a job that was there and is not any more.
pub(crate) fn gone(name: &str) -> ArmError {
    ArmError::NotFound(Box::new(ServiceError {
        status: 404,
        code: "JobNotFound".to_owned(),
        message: format!("job {name} was there and was deleted since"),
        request: format!("GET jobs/{name}"),
        ..ServiceError::default()
    }))
}

/// Asks for a job's cancellation, which goes on in the background. Asking twice is asking once, so the request is sent again
/// when its answer was lost.
pub async fn cancel_job(azure: &Azure, name: &str) -> Result<Answer, ArmError> {
    let path = format!("jobs/{}/cancel", Address::segment(name));
    azure
        .send(Call::post_read(Address::Workspace(path), CANCEL, None))
        .await
}

pub(crate) fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A map of strings; other scalars as they are written.
pub(crate) fn texts(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| {
            let value = match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            };
            (key.clone(), value)
        })
        .collect()
}

/// Seven fractional digits and an offset, or `Z` (service notes 3.2).
pub(crate) fn moment(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_status_reads_as_it_is_written() {
        for (word, status, class) in STATUSES {
            assert_eq!(JobStatus::parse(word), *status);
            assert_eq!(JobStatus::parse(&word.to_lowercase()), *status);
            assert_eq!(status.as_str(), *word);
            assert_eq!(status.class(), *class);
        }
        assert_eq!(JobStatus::parse("Cancelled"), JobStatus::Canceled);
    }

    #[test]
    fn an_unknown_status_keeps_its_word_and_is_in_progress() {
        let status = JobStatus::parse("Hibernating");
        assert_eq!(status.to_string(), "Hibernating");
        assert_eq!(status.class(), StatusClass::InProgress);
        assert!(!status.is_known());
    }

    #[test]
    fn a_job_is_read_with_its_nulls() {
        let view = JobView::parse(&json!({"id": "i", "name": "J", "properties": {
            "jobType": "Command", "status": "Starting", "displayName": "d", "experimentName": "E", "tags": {"a": "b"},
            "properties": {"n": 1, "x": null}, "services": {"Studio": {"endpoint": "https://ml.azure.com/runs/J"}, "Tracking": null},
            "outputs": {"default": {"jobOutputType": "uri_folder", "uri": "azureml://x"}, "bare": null,
                "model": {"jobOutputType": "mlflow_model", "assetName": "taxi", "assetVersion": "3"}}},
            "systemData": {"createdAt": "2023-10-31T03:53:12.3905574+00:00"}}));
        assert_eq!(view.status, JobStatus::Starting);
        assert_eq!(view.studio.as_deref(), Some("https://ml.azure.com/runs/J"));
        assert_eq!(view.properties["n"], "1");
        assert!(!view.properties.contains_key("x"));
        assert_eq!(view.outputs["model"].asset_name.as_deref(), Some("taxi"));
        assert_eq!(view.outputs["bare"], JobOutput::default());
        assert_eq!(
            view.created,
            Some(datetime!(2023-10-31 03:53:12.3905574 UTC))
        );
    }

    #[test]
    fn a_child_without_properties_is_still_a_job() {
        let view = JobView::parse(&json!({"id": "i", "name": "child"}));
        assert_eq!(view.status, JobStatus::Other("Unknown".into()));
        assert!(!view.status.is_terminal());
    }
}
