//! When a signal raises an alarm: metrics by name, as YAML has them, to the lists that the service takes.

use serde_json::{Value, json};

use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::{Report, nearest};
use crate::spec::python;
use crate::spec::settings::capitalized;
use crate::spec::sweep::float_of;

/// Which of the metrics that are given go into the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metrics {
    /// The first of them that is not zero.
    First,
    All,
}

const NUMERICAL_DRIFT: &[&str] = &[
    "jensen_shannon_distance",
    "normalized_wasserstein_distance",
    "population_stability_index",
    "two_sample_kolmogorov_smirnov_test",
];
const CATEGORICAL_DRIFT: &[&str] = &[
    "jensen_shannon_distance",
    "population_stability_index",
    "pearsons_chi_squared_test",
];
const QUALITY: &[&str] = &[
    "null_value_rate",
    "data_type_error_rate",
    "out_of_bounds_rate",
];

/// `{numerical: .., categorical: ..}` of drift.
pub(super) fn drift(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    by_type(
        field,
        [NUMERICAL_DRIFT, CATEGORICAL_DRIFT],
        Metrics::First,
        report,
    )
}

/// The same of quality.
pub(super) fn quality(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    by_type(field, [QUALITY, QUALITY], Metrics::All, report)
}

fn by_type(
    field: &Field<'_>,
    names: [&'static [&'static str]; 2],
    which: Metrics,
    report: &mut Report,
) -> Option<Value> {
    let mut fields = field.fields(report)?;
    // Checked, and then left out as by the SDK.
    let kinds = ["numerical", "categorical"];
    fields.choice("data_type", report, &kinds, Case::Lower);
    fields.read("threshold", report, number);
    let mut thresholds = Vec::new();
    let types = [("numerical", "Numerical"), ("categorical", "Categorical")];
    for ((yaml, sent), names) in types.into_iter().zip(names) {
        let Some(field) = fields.take(yaml) else {
            continue;
        };
        let found = numbers(&field, names, report)?;
        let not_zero = |(_, value): &(&str, Value)| value.as_f64() != Some(0.0);
        let taken: Vec<_> = match which {
            Metrics::First => found.into_iter().find(not_zero).into_iter().collect(),
            Metrics::All => found,
        };
        thresholds.extend(taken.into_iter().map(|(name, value)| {
            json!({"dataType": sent, "metric": python::snake_to_camel(name), "threshold": {"value": value}})
        }));
    }
    fields.refuse_rest(report);
    Some(Value::Array(thresholds))
}

/// The metrics that are given, in the order of `names`.
fn numbers(
    field: &Field<'_>,
    names: &[&'static str],
    report: &mut Report,
) -> Option<Vec<(&'static str, Value)>> {
    Some(rest_of(field.fields(report)?, names, report))
}

fn rest_of(
    mut fields: Fields<'_>,
    names: &[&'static str],
    report: &mut Report,
) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for &name in names {
        let value = fields.read(name, report, number);
        found.extend(value.map(|value| (name, value)));
    }
    fields.refuse_rest(report);
    found
}

pub(super) fn number(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let value = float_of(field);
    if value.is_none() {
        let found = field.node.describe();
        field.problem(report, format!("a number is expected here, not {found}"));
    }
    value
}

/// `{normalized_discounted_cumulative_gain: 0.9}`
pub(super) fn attribution(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let name = "normalized_discounted_cumulative_gain";
    let mut fields = field.fields(report)?;
    fields.read("threshold", report, number);
    let found = rest_of(fields, &[name], report).pop();
    let threshold = found.map(|(_, value)| json!({"value": value}));
    Some(json!({"metric": python::snake_to_camel(name), "threshold": threshold}))
}

/// The text in a property that has the thresholds of a model's performance; the field for them holds a constant.
pub(super) fn performance(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let mut fields = field.fields(report)?;
    if let Some(field) = fields.take("regression") {
        // The SDK's schema and its class have different names for these metrics.
        let message = "thresholds of a regression cannot be sent, by `az ml` neither: set this signal up in the studio";
        field.problem(report, message);
    }
    let mut texts = Vec::new();
    if let Some(field) = fields.take("classification") {
        for (name, value) in numbers(&field, &["accuracy", "precision", "recall"], report)? {
            let metric = capitalized(name);
            let value = python::float(value.as_f64().unwrap_or_default());
            texts.push(format!(
                r#"{{"modelType":"classification","metric":"{metric}","threshold":{{"value":{value}}}}}"#
            ));
        }
    }
    fields.refuse_rest(report);
    Some(format!("[{}]", texts.join(", ")))
}

/// What text is judged by.
const QUALITIES: [(&str, &str); 5] = [
    ("groundedness", "Groundedness"),
    ("relevance", "Relevance"),
    ("coherence", "Coherence"),
    ("fluency", "Fluency"),
    ("similarity", "Similarity"),
];

/// For each quality a share of texts that must pass, and the score with which one does: 3 where nothing is said.
pub(super) fn safety(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let mut thresholds = Vec::new();
    for (name, sent) in QUALITIES {
        let Some(field) = fields.take(name) else {
            continue;
        };
        let score = format!("acceptable_{name}_score_per_instance");
        let rate = format!("aggregated_{name}_pass_rate");
        let (score, rate) = pair(&field, &score, &rate, report)?;
        thresholds.push(metric(&format!("Acceptable{sent}ScorePerInstance"), &score));
        thresholds.push(metric(&format!("Aggregated{sent}PassRate"), &rate));
    }
    fields.refuse_rest(report);
    Some(Value::Array(thresholds))
}

/// `{totaltoken: {total_token_count: .., total_token_count_per_group: ..}}`
pub(super) fn tokens(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let total = fields.take("totaltoken");
    fields.refuse_rest(report);
    let Some(total) = total else {
        return Some(json!([]));
    };
    let names = ("total_token_count", "total_token_count_per_group");
    let (count, group) = pair(&total, names.0, names.1, report)?;
    Some(token_counts(&count, &group))
}

/// Where no thresholds are given.
pub(super) fn no_tokens() -> Value {
    token_counts(&json!(0.0), &json!(0.0))
}

fn token_counts(count: &Value, group: &Value) -> Value {
    json!([
        metric("TotalTokenCount", count),
        metric("TotalTokenCountPerGroup", group)
    ])
}

fn metric(name: &str, value: &Value) -> Value {
    json!({"metric": name, "threshold": {"value": value}})
}

/// Two numbers, of which the first is 3 when it is absent. Names are understood in any case.
fn pair(
    field: &Field<'_>,
    first: &str,
    second: &str,
    report: &mut Report,
) -> Option<(Value, Value)> {
    let (mut one, mut two) = (Some(json!(3.0)), None);
    for (name, field) in field.entries(report)? {
        match name.to_lowercase() {
            lower if lower == first => one = number(&field, report),
            lower if lower == second => two = number(&field, report),
            lower => {
                let hint = nearest(&lower, [first, second]);
                field.problem(report, format!("unknown field{hint}"));
            }
        }
    }
    if two.is_none() {
        field.problem(report, format!("`{second}` is required here"));
    }
    Some((one?, two?))
}

/// `[{metric_name: missing, threshold: 0.1}]`
pub(super) fn own(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut thresholds = Vec::new();
    for item in field.items(report)? {
        let mut fields = item.fields(report)?;
        let name = fields.required("metric_name", report);
        let name = name.and_then(|field| field.text(report));
        let value = fields.read("threshold", report, number);
        fields.refuse_rest(report);
        let threshold = value.map(|value| json!({"value": value}));
        thresholds.push(json!({"metric": name, "threshold": threshold}));
    }
    Some(Value::Array(thresholds))
}
