//! Run history: what a run did, its log files, its children and why it failed. Knows the data plane's shapes and nothing of how
//! a run is shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::jobs::{JobStatus, moment, text, texts};
use super::{Address, ArmError, Azure, Call, pages};
use crate::secret::Secret;

const API_VERSION: &str = "v1.0";
/// Of a page of children.
const PAGE: &str = "200";

/// Why a run failed, in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// The innermost code that says something.
    pub code: String,
    pub message: String,
}

/// A run's details: the only place that has its error and its logs (service notes 13.1).
#[derive(Debug, Clone)]
pub struct RunDetails {
    pub run: String,
    pub status: JobStatus,
    pub error: Option<RunError>,
    pub warnings: Vec<String>,
    /// Signed addresses, issued anew by every answer.
    pub log_files: BTreeMap<String, Secret>,
    pub started: Option<OffsetDateTime>,
    pub ended: Option<OffsetDateTime>,
}

/// A run, as lists and metadata show it.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    pub parent: Option<String>,
    /// A pipeline step's name is its display name.
    pub display_name: Option<String>,
    pub status: JobStatus,
    /// `azureml.StepRun`, ...
    pub kind: Option<String>,
    /// The service took the result of an earlier run.
    pub reused: bool,
    pub error: Option<RunError>,
    pub created: Option<OffsetDateTime>,
    pub started: Option<OffsetDateTime>,
    pub ended: Option<OffsetDateTime>,
    pub properties: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, RunOutput>,
}

/// Where an output of a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutput {
    pub asset_id: String,
    /// `UriFolder`, `UriFile`, `MLFlowModel`, ...
    pub kind: Option<String>,
}

impl Run {
    fn parse(body: &Value) -> Self {
        let properties = texts(&body["properties"]);
        let outputs = body["outputs"].as_object().into_iter().flatten();
        Self {
            id: text(&body["runId"]).unwrap_or_default(),
            parent: text(&body["parentRunId"]),
            display_name: text(&body["displayName"]).or_else(|| text(&body["name"])),
            status: JobStatus::parse(body["status"].as_str().unwrap_or("Unknown")),
            kind: text(&body["runType"]),
            reused: properties
                .get("azureml.isreused")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            error: run_error(&body["error"]),
            created: moment(&body["createdUtc"]),
            started: moment(&body["startTimeUtc"]),
            ended: moment(&body["endTimeUtc"]),
            outputs: outputs
                .filter_map(|(name, output)| {
                    let output = RunOutput {
                        asset_id: text(&output["assetId"])?,
                        kind: text(&output["type"]),
                    };
                    Some((name.clone(), output))
                })
                .collect(),
            properties,
        }
    }
}

impl RunDetails {
    fn parse(body: &Value) -> Self {
        let files = body["logFiles"].as_object().into_iter().flatten();
        let warnings = body["warnings"].as_array().into_iter().flatten();
        Self {
            run: text(&body["runId"]).unwrap_or_default(),
            status: JobStatus::parse(body["status"].as_str().unwrap_or("Unknown")),
            error: run_error(&body["error"]),
            warnings: warnings
                .filter_map(|warning| text(&warning["message"]))
                .collect(),
            log_files: files
                .filter_map(|(name, url)| Some((name.clone(), Secret::new(url.as_str()?))))
                .collect(),
            started: moment(&body["startTimeUtc"]),
            ended: moment(&body["endTimeUtc"]),
        }
    }
}

pub async fn run_details(azure: &Azure, run: &str) -> Result<RunDetails, ArmError> {
    let call = Call::get(at(run, "/details"), API_VERSION);
    Ok(RunDetails::parse(&azure.send(call).await?.body))
}

pub async fn run(azure: &Azure, run: &str) -> Result<Run, ArmError> {
    let call = Call::get(at(run, ""), API_VERSION);
    Ok(Run::parse(&azure.send(call).await?.body))
}

/// All children of a run, page by page.
pub async fn run_children(azure: &Azure, run: &str) -> Result<Vec<Run>, ArmError> {
    let first = Call::get(at(run, "/children"), API_VERSION).query("$top", PAGE);
    let runs = pages::all(azure, first).await?;
    Ok(runs.iter().map(Run::parse).collect())
}

/// A run's metadata in full, with its outputs.
pub async fn run_data(azure: &Azure, run: &str) -> Result<Run, ArmError> {
    let body = json!({"runId": run, "selectRunMetadata": true});
    let call = Call::post_read(
        Address::DataPlane("history/v1.0/{ws}/rundata".into()),
        API_VERSION,
        body,
    );
    Ok(Run::parse(&azure.send(call).await?.body["runMetadata"]))
}

fn at(run: &str, below: &str) -> Address {
    let run = Address::segment(run);
    Address::DataPlane(format!("history/v1.0/{{ws}}/runs/{run}{below}"))
}

/// The useful message out of the nested error of a run (service notes 13.5); field names also come in PascalCase.
fn run_error(value: &Value) -> Option<RunError> {
    let get = |value: &Value, name: &str| -> Value {
        let map = value.as_object();
        map.and_then(|map| {
            map.iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        })
        .unwrap_or(Value::Null)
    };
    let outer = get(value, "error");
    let error = if outer.is_null() {
        value.clone()
    } else {
        outer
    };
    if !error.is_object() {
        return text(&error).map(|message| RunError {
            code: String::new(),
            message,
        });
    }
    let mut code = text(&get(&error, "code")).unwrap_or_default();
    let mut inner = get(&error, "innerError");
    while inner.is_object() {
        if let Some(deeper) = text(&get(&inner, "code")) {
            code = deeper;
        }
        inner = get(&inner, "innerError");
    }
    let mut message = text(&get(&error, "message")).map(|text| plain(&text));
    let details = get(&error, "details");
    for detail in details.as_array().into_iter().flatten() {
        let Some(more) = text(&get(detail, "message")).map(|text| plain(&text)) else {
            continue;
        };
        message = Some(match message {
            Some(said) if said.contains(&more) => said,
            Some(said) => format!("{said}\n{more}"),
            None => more,
        });
    }
    let message = message?;
    Some(RunError { code, message })
}

/// Messages of the compute layer are JSON inside a string: `{"NonCompliant": "..."}`.
fn plain(message: &str) -> String {
    let trimmed = message.trim();
    match serde_json::from_str::<Value>(trimmed) {
        Ok(Value::Object(map)) => {
            let texts: Vec<&str> = map.values().filter_map(Value::as_str).collect();
            if texts.is_empty() {
                trimmed.to_owned()
            } else {
                texts.join("\n")
            }
        }
        Ok(_) | Err(_) => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_jobs_error_is_one_message_with_its_innermost_code() {
        let error = run_error(&json!({"error": {"code": "UserError", "severity": null,
            "message": "Execution failed. User process 'python' exited with status code 1.", "details": [],
            "innerError": {"code": "BadArgument", "innerError": {"code": "ExitCode", "innerError": null}}},
            "correlation": {"operation": "x"}}))
        .unwrap();
        assert_eq!(error.code, "ExitCode");
        assert!(error.message.starts_with("Execution failed."));
    }

    #[test]
    fn pascal_case_json_in_strings_and_details_are_flattened() {
        let error = run_error(&json!({"Error": {"Code": "ServiceError",
            "Message": "{\"NonCompliant\":\"disk full\"}", "Details": [{"Message": "node 3"}, {"Message": "disk full"}]}}))
        .unwrap();
        assert_eq!(error.message, "disk full\nnode 3");
        assert_eq!(error.code, "ServiceError");
    }

    #[test]
    fn no_error_is_no_error() {
        assert_eq!(run_error(&Value::Null), None);
        assert_eq!(run_error(&json!({"error": null})), None);
    }

    #[test]
    fn details_keep_log_addresses_secret() {
        let details = RunDetails::parse(
            &json!({"runId": "J", "status": "Running", "startTimeUtc": "2024-01-01T00:00:00Z",
            "endTimeUtc": null, "error": null, "warnings": [{"source": null, "message": "slow"}],
            "logFiles": {"user_logs/std_log.txt": "https://a/b?sig=SECRET"}}),
        );
        assert!(!format!("{details:?}").contains("SECRET"));
        assert_eq!(details.warnings, ["slow"]);
        assert!(details.ended.is_none() && details.started.is_some());
    }

    #[test]
    fn a_reused_step_says_so() {
        let run = Run::parse(
            &json!({"runId": "r", "status": "Completed", "properties": {"azureml.isreused": "true"},
            "outputs": {"o": {"assetId": "azureml://x", "type": "UriFolder"}, "none": null}}),
        );
        assert!(run.reused);
        assert_eq!(run.outputs.len(), 1);
    }
}
