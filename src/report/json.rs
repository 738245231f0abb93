//! The report as one JSON object, for `--output json`.

use serde_json::{Map, Value};

use super::{Metric, Report};

/// The fields of the report; beside them each output under its own name and `metrics` as a map, so that a script finds `job-status`
/// without knowing the report's shape. A field of the report is never hidden by an output of the same name.
pub fn render(report: &Report) -> Value {
    // A Report has string keys and no failing serialiser, so this cannot be anything but an object.
    let mut object = match serde_json::to_value(report) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    };
    if let Some(job) = &report.job {
        object.insert("metrics".to_owned(), metrics(&job.metrics).into());
    }
    for (name, value) in &report.outputs {
        if !object.contains_key(name) {
            object.insert(name.clone(), Value::String(value.clone()));
        }
    }
    Value::Object(object)
}

/// Metrics by key. A key that several steps logged is written `step.key`; the job's own keeps its name.
fn metrics(all: &[Metric]) -> Map<String, Value> {
    let mut map = Map::new();
    for metric in all {
        let shared = all
            .iter()
            .any(|other| other.key == metric.key && other.step != metric.step);
        let key = match &metric.step {
            Some(step) if shared => format!("{step}.{}", metric.key),
            Some(_) | None => metric.key.clone(),
        };
        map.insert(key, metric.value.into());
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::full;

    #[test]
    fn outputs_and_metrics_are_found_without_knowing_the_shape() {
        let mut report = full();
        report
            .outputs
            .insert("stage".to_owned(), "an output of the same name".to_owned());
        let json = render(&report);
        assert_eq!(json["job-status"], "Failed");
        assert_eq!(json["outputs"]["job-status"], "Failed");
        assert_eq!(json["stage"], "run-job");
        assert_eq!(json["metrics"]["rows"], 48_120.0);
        assert_eq!(json["metrics"]["train.rmse"], 3.218_281_828);
        assert_eq!(json["metrics"]["prep.rmse"], 0.001_234_567_8);
        assert_eq!(json["resources"][1]["change"], "created");
        assert_eq!(json["phases"][1]["took"], 725.0);
    }

    #[test]
    fn the_whole_object() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&render(&full())).unwrap());
    }
}
