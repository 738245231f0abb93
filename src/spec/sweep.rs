//! What a sweep says besides what it runs: how it samples, where it searches, what it optimises, when it stops. The same for a job
//! of its own and for a step of a pipeline, which spells it differently. It does not know what a trial is.

use serde_json::{Map, Value, json};

use super::draft::Object;
use super::duration::duration;
use super::fields::{Case, Field, Fields};
use super::io::{Keys, Spelling, check_key};
use super::problem::Report;
use super::python;
use super::settings;
use super::yaml::Kind;

/// Distributions by name, with what each must say; `choice` is the other one.
const DISTRIBUTIONS: [(&str, &[&str]); 9] = [
    ("normal", &["mu", "sigma"]),
    ("lognormal", &["mu", "sigma"]),
    ("qnormal", &["mu", "sigma", "q"]),
    ("qlognormal", &["mu", "sigma", "q"]),
    ("uniform", &["min_value", "max_value"]),
    ("loguniform", &["min_value", "max_value"]),
    ("quniform", &["min_value", "max_value", "q"]),
    ("qloguniform", &["min_value", "max_value", "q"]),
    ("randint", &["upper"]),
];
const CHOICE: &str = "choice";
pub(super) const ALGORITHMS: [&str; 3] = ["bayesian", "grid", "random"];

/// Reads the fields of a sweep into the body of its job or step.
pub(super) fn put(
    fields: &mut Fields<'_>,
    spelling: Spelling,
    body: &mut Object,
    report: &mut Report,
) {
    let algorithm = fields.take("sampling_algorithm");
    body.put_some(
        spelling.of("samplingAlgorithm", "sampling_algorithm"),
        algorithm.and_then(|field| sampling_algorithm(&field, spelling, report)),
    );
    let space = fields.take("search_space");
    if space.is_none() && spelling == Spelling::Job {
        fields.missing("search_space", report);
    }
    body.put_some(
        spelling.of("searchSpace", "search_space"),
        space.and_then(|field| search_space(&field, spelling, report)),
    );
    let goal = fields.required("objective", report);
    body.put_some(
        "objective",
        goal.and_then(|field| objective(&field, spelling, report)),
    );
    let policy = fields.take("early_termination");
    body.put_some(
        spelling.of("earlyTermination", "early_termination"),
        policy.and_then(|field| early_termination(&field, spelling, report)),
    );
    let bounds = fields.required("limits", report);
    body.put_some(
        "limits",
        bounds.and_then(|field| limits(&field, spelling, report)),
    );
}

/// `random`, or `{type: random, seed: 1}`. A step keeps the form that the user chose.
pub(super) fn sampling_algorithm(
    field: &Field<'_>,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Value> {
    if field.node.entries().is_none() {
        // What the SDK makes of the word, it cannot make of an expression.
        let field = Field::at_path(field.node, &field.path);
        let word = field.choice(report, &ALGORITHMS, Case::Lower)?;
        return Some(match spelling {
            Spelling::Job => json!({"samplingAlgorithmType": settings::capitalized(&word)}),
            Spelling::Step => word.into(),
        });
    }
    let mut fields = field.fields(report)?;
    let word = fields
        .required("type", report)?
        .choice(report, &ALGORITHMS, Case::Snake)?;
    let mut body = Map::new();
    match spelling {
        Spelling::Job => body.insert(
            "samplingAlgorithmType".into(),
            settings::capitalized(&word).into(),
        ),
        Spelling::Step => body.insert("type".into(), word.as_str().into()),
    };
    if word == "random" {
        body.extend(named("seed", fields.integer("seed", report)));
        let base = fields.read("logbase", report, |field, report| {
            float_of(field).or_else(|| field.text(report).map(Value::String))
        });
        body.extend(named("logbase", base));
        let rule = fields.choice("rule", report, &["random", "sobol"], Case::Snake);
        body.extend(named("rule", rule.map(Value::String)));
    }
    fields.refuse_rest(report);
    Some(Value::Object(body))
}

fn named(name: &str, value: Option<Value>) -> Option<(String, Value)> {
    Some((name.to_owned(), value?))
}

fn search_space(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut space = Map::new();
    for (name, field) in field.entries(report)? {
        if spelling == Spelling::Job {
            check_key(&field, name, Keys::Plain, report);
        }
        space.extend(named(name, distribution(&field, spelling, report)));
    }
    Some(Value::Object(space))
}

/// A job has a distribution as `[type, [parameters]]`, a step as it is in YAML.
fn distribution(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let mut words = vec![CHOICE];
    words.extend(DISTRIBUTIONS.iter().map(|(name, _)| *name));
    let kind = kind.choice(report, &words, Case::Lower)?;
    let parameters = DISTRIBUTIONS
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or(&["values"][..], |(_, parameters)| *parameters);
    let mut values = Vec::new();
    for name in parameters {
        let value = match (kind.as_str(), *name) {
            (CHOICE, name) => fields
                .take(name)
                .map(|field| choices(&field, spelling, report)),
            ("randint", name) => fields.required(name, report).map(|f| f.integer(report)),
            (_, name) => fields.required(name, report).map(|f| number(&f, report)),
        };
        values.push((*name, value.flatten()));
    }
    fields.refuse_rest(report);
    Some(match spelling {
        Spelling::Job => {
            let empty = || json!([]);
            let list = values
                .into_iter()
                .map(|(_, value)| value.unwrap_or_else(empty));
            json!([kind, list.collect::<Vec<_>>()])
        }
        Spelling::Step => {
            let mut body = Map::from_iter([("type".to_owned(), Value::String(kind))]);
            body.extend(
                values
                    .into_iter()
                    .filter_map(|(key, value)| named(key, value)),
            );
            Value::Object(body)
        }
    })
}

fn choices(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let items = field.items(report)?;
    let values = items
        .iter()
        .filter_map(|item| match &item.node.kind {
            Kind::Mapping(_) => conditional(item, spelling, report),
            // Here text stays text; inside of a mapping it is tried as a number first.
            Kind::Text(text) => Some(Value::String(text.clone())),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_) => number_or(item, "text, a number or a mapping", report),
        })
        .collect();
    Some(values)
}

/// A choice that brings parameters of its own: names to distributions or values.
fn conditional(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut body = Map::new();
    for (name, field) in field.entries(report)? {
        let value = match &field.node.kind {
            Kind::Mapping(_) => distribution(&field, spelling, report),
            Kind::Text(text) => float_of(&field).or_else(|| Some(Value::String(text.clone()))),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_) => number_or(&field, "text, a number or a distribution", report),
        };
        body.extend(named(name, value));
    }
    Some(Value::Object(body))
}

/// A number as it is written: whole ones stay whole, those in quotes become floats. Or a binding where those may stand.
pub(super) fn number(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    if let Some(binding) = field.binding() {
        return Some(binding);
    }
    number_or(field, "a number", report)
}

fn number_or(field: &Field<'_>, what: &str, report: &mut Report) -> Option<Value> {
    let value = match &field.node.kind {
        Kind::Integer(value) => Some(python::integer(*value)),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => float_of(field),
    };
    if value.is_none() {
        let found = field.node.describe();
        field.problem(report, format!("{what} is expected here, not {found}"));
    }
    value
}

/// The value as a float, if it is a number or a number in quotes.
#[expect(
    clippy::cast_precision_loss,
    reason = "Python's float() rounds the same way"
)]
pub(super) fn float_of(field: &Field<'_>) -> Option<Value> {
    let value = match &field.node.kind {
        Kind::Integer(value) => Some(*value as f64),
        Kind::Float(value) => Some(*value),
        Kind::Text(text) => text.trim().parse().ok(),
        Kind::Null | Kind::Bool(_) | Kind::Timestamp(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            None
        }
    };
    value
        .and_then(serde_json::Number::from_f64)
        .map(Value::Number)
}

fn objective(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let goal = fields.required("goal", report);
    let goal = goal.and_then(|field| field.choice(report, &["minimize", "maximize"], Case::Snake));
    let metric = fields.required("primary_metric", report);
    let metric = metric.and_then(|field| field.text(report));
    fields.refuse_rest(report);
    let mut body = Object::default();
    body.put_some("goal", goal);
    body.put_some(spelling.of("primaryMetric", "primary_metric"), metric);
    Some(body)
}

/// Policies by name: as the service spells them, and how often they look when nothing is said.
const POLICIES: [(&str, &str, i64); 3] = [
    ("bandit", "Bandit", 0),
    ("median_stopping", "MedianStopping", 1),
    ("truncation_selection", "TruncationSelection", 0),
];

fn early_termination(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let words = POLICIES.map(|(name, ..)| name);
    let kind = fields
        .required("type", report)?
        .choice(report, &words, Case::Snake)?;
    let (rest, interval) = POLICIES
        .iter()
        .find(|(name, ..)| *name == kind)
        .map_or(("", 0), |(_, rest, interval)| (*rest, *interval));
    let mut body = Object::default();
    body.put(spelling.of("policyType", "policy_type"), rest);
    let mut put = |name: &'static str, key: &'static str, default: i64, whole: bool| {
        let value = match fields.take(name) {
            None => Some(json!(default)),
            // Null is not the default but nothing.
            Some(field) if field.node.is_null() => None,
            Some(field) if whole => field.integer(report),
            Some(field) => field
                .binding()
                .or_else(|| float_of(&field).or_else(|| number_or(&field, "a number", report))),
        };
        // A step does not say that there is no slack.
        let is_nothing = |value: &Value| !whole && value.as_f64() == Some(0.0);
        let value = value.filter(|value| spelling == Spelling::Job || !is_nothing(value));
        body.put_some(spelling.of(key, name), value);
    };
    put("delay_evaluation", "delayEvaluation", 0, true);
    put("evaluation_interval", "evaluationInterval", interval, true);
    match kind.as_str() {
        "bandit" => {
            put("slack_factor", "slackFactor", 0, false);
            put("slack_amount", "slackAmount", 0, false);
        }
        "truncation_selection" => {
            let share = fields.required("truncation_percentage", report);
            body.put_some(
                spelling.of("truncationPercentage", "truncation_percentage"),
                share.and_then(|field| field.integer(report)),
            );
        }
        _ => {}
    }
    fields.refuse_rest(report);
    Some(body)
}

/// How many trials, and for how long; times are seconds in YAML and in steps.
fn limits(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    if spelling == Spelling::Job {
        body.put("jobLimitsType", "Sweep");
    }
    body.put_some(
        spelling.of("maxConcurrentTrials", "max_concurrent_trials"),
        fields.integer("max_concurrent_trials", report),
    );
    let total = fields.required("max_total_trials", report);
    body.put_some(
        spelling.of("maxTotalTrials", "max_total_trials"),
        total.and_then(|field| field.integer(report)),
    );
    for (name, key) in [("timeout", "timeout"), ("trial_timeout", "trialTimeout")] {
        let seconds = fields
            .integer(name, report)
            .and_then(|value| floored(&value));
        let value = match spelling {
            Spelling::Job => seconds.and_then(duration).map(Value::String),
            Spelling::Step => seconds.map(Value::from),
        };
        body.put_some(spelling.of(key, name), value);
    }
    fields.refuse_rest(report);
    Some(body)
}

/// The service takes less than a minute for sixty days, so the SDK makes it a minute. What is no number, it drops.
fn floored(seconds: &Value) -> Option<i64> {
    let seconds = seconds.as_i64()?;
    Some(if seconds == 0 { 0 } else { seconds.max(60) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_of_less_than_a_minute_is_a_minute_and_none_stays_none() {
        for (given, expected) in [(0, 0), (1, 60), (-5, 60), (60, 60), (61, 61)] {
            assert_eq!(floored(&json!(given)), Some(expected));
        }
        assert_eq!(floored(&json!("${{parent.inputs.x}}")), None);
    }
}
