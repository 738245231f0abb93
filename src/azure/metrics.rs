//! The metrics that a run logged, over MLflow's REST of the workspace. Knows nothing of jobs and steps.

use serde_json::Value;

use super::{Address, ArmError, Azure, Call};

/// The latest value of each metric of a run, in the service's order; nothing when the run logged nothing or is not known there.
pub async fn run_metrics(azure: &Azure, run: &str) -> Result<Vec<(String, f64)>, ArmError> {
    let facts = azure.workspace_facts().await?;
    let Some(tracking) = &facts.mlflow_tracking_uri else {
        return Ok(Vec::new());
    };
    let Some(path) = rest_path(tracking) else {
        return Err(ArmError::Decode {
            request: "reading the workspace's mlFlowTrackingUri".into(),
            reason: format!("`{tracking}` is no address"),
        });
    };
    // By the host of discovery, not by the one that is written in the URI: with a private link they differ, and only the former
    // can be reached. It is the same service.
    let call = Call::get(Address::DataPlane(path), None).query("run_id", run);
    match azure.send(call).await {
        Ok(answer) => Ok(parse(&answer.body)),
        Err(ArmError::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The path of MLflow's REST below the host of `azureml://HOST/mlflow/v1.0/<workspace>`.
fn rest_path(tracking: &str) -> Option<String> {
    let (_, rest) = tracking.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let path = path.split(['?', '#']).next()?.trim_end_matches('/');
    Some(format!("{path}/api/2.0/mlflow/runs/get"))
}

fn parse(body: &Value) -> Vec<(String, f64)> {
    let metrics = body["run"]["data"]["metrics"].as_array();
    let metrics = metrics.into_iter().flatten();
    metrics
        .filter_map(|metric| {
            Some((
                metric["key"].as_str()?.to_owned(),
                number(&metric["value"])?,
            ))
        })
        .collect()
}

/// JSON has no words for these: MLflow writes them as strings.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_tracking_uri_gives_the_path_of_the_rest_service() {
        let path = rest_path("azureml://eastus.api.azureml.ms/mlflow/v1.0/subscriptions/S?");
        assert_eq!(
            path.as_deref(),
            Some("mlflow/v1.0/subscriptions/S/api/2.0/mlflow/runs/get")
        );
        assert!(rest_path("nonsense").is_none());
    }

    #[test]
    fn metrics_that_are_no_numbers_of_json_are_read() {
        let found = parse(&json!({"run": {"data": {"metrics": [
            {"key": "rmse", "value": 1.5, "step": 0}, {"key": "n", "value": 3}, {"key": "loss", "value": "NaN"}, {"key": "x"}]}}}));
        assert_eq!(found[0], ("rmse".into(), 1.5));
        assert_eq!(found[1], ("n".into(), 3.0));
        assert!(found[2].1.is_nan());
        assert_eq!(found.len(), 3);
        assert!(parse(&json!({"run": {"data": {}}})).is_empty());
    }
}
