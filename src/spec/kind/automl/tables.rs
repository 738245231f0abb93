//! Classification, regression and forecasting: what their jobs say besides their data.

use serde_json::{Map, Value, json};

use super::shape::{Literal, Row, Shape, Words, read_table, row};
use super::words;
use crate::spec::fields::Field;
use crate::spec::io::Spelling;
use crate::spec::problem::{Report, nearest};
use crate::spec::python;
use crate::spec::sweep;

/// Fields that the three tasks share.
pub(super) const COMMON: &[Row] = &[
    row("log_verbosity", Shape::Word(words::VERBOSITY)).or(Literal::Word("info")),
    row("target_column_name", Shape::Text).required(),
    row("weight_column_name", Shape::Text),
    row("validation_data_size", Shape::Number),
    row("test_data_size", Shape::Number),
    row("cv_split_column_names", Shape::Texts),
    row("n_cross_validations", Shape::Other(cross_validations)),
    row("limits", Shape::Other(limits)).sent("limitSettings"),
    row("featurization", Shape::Other(featurization)).sent("featurizationSettings"),
];

pub(super) const CLASSIFICATION: &[Row] = &[
    row(
        "primary_metric",
        Shape::OpenWord(words::CLASSIFICATION_METRICS),
    )
    .or_in_jobs(Literal::Word("auc_weighted"))
    .or_in_steps(Literal::Word("accuracy")),
    row("positive_label", Shape::Text),
    row("training", Shape::Table(CLASSIFIERS)).sent("trainingSettings"),
];
pub(super) const REGRESSION: &[Row] = &[
    ERROR_METRIC,
    row("training", Shape::Table(REGRESSORS)).sent("trainingSettings"),
];
pub(super) const FORECASTING: &[Row] = &[
    ERROR_METRIC,
    row("training", Shape::Table(FORECASTERS)).sent("trainingSettings"),
    row("forecasting", Shape::Table(SERIES)).sent("forecastingSettings"),
];

const ERROR_METRIC: Row = row("primary_metric", Shape::OpenWord(words::ERROR_METRICS))
    .or(Literal::Word("normalized_root_mean_squared_error"));

const LIMITS: &[Row] = &[
    row("enable_early_termination", Shape::Flag),
    row("exit_score", Shape::Number),
    row("max_concurrent_trials", Shape::Integer),
    row("max_cores_per_trial", Shape::Integer),
    row("max_nodes", Shape::Integer),
    row("max_trials", Shape::Integer),
    row("timeout_minutes", Shape::Minutes).sent("timeout"),
    row("trial_timeout_minutes", Shape::Minutes).sent("trialTimeout"),
];

fn limits(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut body = read_table(field, LIMITS, spelling, report)?;
    if spelling == Spelling::Job {
        // The SDK has no fields for these two and sends them all the same.
        body.insert("sweepConcurrentTrials".into(), json!(0));
        body.insert("sweepTrials".into(), json!(0));
    }
    Some(Value::Object(body))
}

const FEATURIZATION: &[Row] = &[
    row("mode", Shape::Lower(&["auto", "off", "custom"])).or_in_jobs(Literal::Word("auto")),
    row("dataset_language", Shape::Text),
    row("blocked_transformers", Shape::Words(words::TRANSFORMERS)),
    row("column_name_and_types", Shape::TextMap),
    row("enable_dnn_featurization", Shape::Flag),
    row("transformer_params", Shape::Other(transformer_parameters)),
];

fn featurization(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let body = read_table(field, FEATURIZATION, spelling, report)?;
    // A step that says nothing here sends nothing.
    (!body.is_empty()).then_some(Value::Object(body))
}

const TRANSFORMER: &[Row] = &[
    row("fields", Shape::Texts),
    row("parameters", Shape::Other(parameters)),
];

fn transformer_parameters(
    field: &Field<'_>,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Value> {
    let mut body = Map::new();
    for (name, field) in field.entries(report)? {
        let snake = python::camel_to_snake(name);
        let known = |word: &&&str| python::camel_to_snake(word) == snake;
        let Some(word) = words::TUNED_TRANSFORMERS.iter().find(known) else {
            let hint = nearest(name, words::TUNED_TRANSFORMERS.iter().copied());
            let message = format!("`{name}` is no transformer that takes parameters{hint}");
            field.problem(report, message);
            continue;
        };
        let columns = field.items(report)?;
        let columns = columns
            .iter()
            .filter_map(|item| read_table(item, TRANSFORMER, spelling, report));
        let key = match spelling {
            Spelling::Job => (*word).to_owned(),
            Spelling::Step => snake,
        };
        body.insert(key, columns.map(Value::Object).collect());
    }
    Some(Value::Object(body))
}

/// Numbers, texts that are numbers, and other texts, tried in this order; null is let through.
fn parameters(field: &Field<'_>, _spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut body = Map::new();
    for (name, field) in field.entries(report)? {
        let value = if field.node.is_null() {
            Some(Value::Null)
        } else {
            let number = sweep::float_of(&field);
            number.or_else(|| field.text(report).map(Value::String))
        };
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Some(Value::Object(body))
}

/// The fields of `training` with the algorithms of one task.
const fn training(algorithms: Words) -> [Row; 10] {
    [
        row("enable_dnn_training", Shape::Flag),
        row("enable_model_explainability", Shape::Flag),
        row("enable_onnx_compatible_models", Shape::Flag),
        row("enable_stack_ensemble", Shape::Flag),
        row("enable_vote_ensemble", Shape::Flag),
        row("ensemble_model_download_timeout_minutes", Shape::Minutes)
            .sent("ensembleModelDownloadTimeout"),
        row("stack_ensemble_settings", Shape::Table(ENSEMBLE)),
        row("training_mode", Shape::Word(words::TRAINING_MODES)),
        row("allowed_training_algorithms", Shape::Words(algorithms)),
        row("blocked_training_algorithms", Shape::Words(algorithms)),
    ]
}

const CLASSIFIERS: &[Row] = &training(words::CLASSIFIERS);
const REGRESSORS: &[Row] = &training(words::REGRESSORS);
const FORECASTERS: &[Row] = &training(words::FORECASTERS);

/// Azure's SDK 1.35.2 cannot send these for a job (it fails on its own object); the names are those of the service's specification.
const ENSEMBLE: &[Row] = &[
    row("stack_meta_learner_type", Shape::Word(words::META_LEARNERS)).required(),
    row("stack_meta_learner_train_percentage", Shape::Number),
    row("stack_meta_learner_kwargs", Shape::Other(arguments)),
];

/// The SDK's schema knows them, and its loader fails on them in jobs and steps alike.
fn arguments(field: &Field<'_>, _spelling: Spelling, report: &mut Report) -> Option<Value> {
    field.problem(
        report,
        "arguments of the meta learner cannot be set, Azure's SDK does not send them; leave them out",
    );
    None
}

/// What `forecasting` says of a series.
const SERIES: &[Row] = &[
    row("time_column_name", Shape::Text),
    row("time_series_id_column_names", Shape::Other(columns)),
    row("frequency", Shape::Text),
    row("forecast_horizon", Shape::Other(auto_or_number)),
    row("target_lags", Shape::Other(lags)),
    row("target_rolling_window_size", Shape::Other(auto_or_number)),
    row("feature_lags", Shape::Lower(&["none", "auto"])),
    row("seasonality", Shape::Other(auto_or_number)),
    row(
        "short_series_handling_config",
        Shape::Lower(&["none", "auto", "pad", "drop"]),
    ),
    row("use_stl", Shape::Lower(&["none", "season", "seasontrend"])),
    row(
        "target_aggregate_function",
        Shape::Lower(&["none", "sum", "max", "min", "mean"]),
    ),
    row("country_or_region_for_holidays", Shape::Text),
    row("cv_step_size", Shape::Integer),
    row("features_unknown_at_forecast_time", Shape::Other(columns)),
];

/// `auto` or a whole number, which a job sends as modes; zero is not sent at all.
fn auto_or_number(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let value = auto_or_integer(field, report)?;
    mode(
        value,
        spelling,
        |number| json!({"mode": "Custom", "value": number}),
    )
}

fn mode(value: Value, spelling: Spelling, custom: fn(Value) -> Value) -> Option<Value> {
    match spelling {
        _ if value == 0 => None,
        Spelling::Step => Some(value),
        Spelling::Job if value == "auto" => Some(json!({"mode": "Auto"})),
        Spelling::Job => Some(custom(value)),
    }
}

/// A single fold is sent as the bare number that it is.
fn cross_validations(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let value = auto_or_integer(field, report)?;
    match (spelling, value.as_i64()) {
        (Spelling::Job, Some(folds)) if folds <= 1 => Some(value),
        (Spelling::Job | Spelling::Step, _) => mode(
            value,
            spelling,
            |folds| json!({"mode": "Custom", "value": folds}),
        ),
    }
}

fn lags(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let Some(items) = field.node.items() else {
        let value = auto_or_integer(field, report)?;
        return mode(
            value,
            spelling,
            |lag| json!({"mode": "Custom", "values": [lag]}),
        );
    };
    let empty = items.is_empty();
    let values: Value = field
        .items(report)?
        .iter()
        .filter_map(|item| item.integer(report))
        .collect();
    (!empty).then(|| match spelling {
        Spelling::Step => values,
        Spelling::Job => json!({"mode": "Custom", "values": values}),
    })
}

fn auto_or_integer(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let is_auto = |text: &str| text.eq_ignore_ascii_case("auto");
    if field.node.as_text().is_some_and(is_auto) {
        return Some("auto".into());
    }
    field.integer(report)
}

/// One column or several. A step sends several as the SDK does: as the text that Python makes of the list.
fn columns(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    if field.node.items().is_none() {
        let name = field.text(report)?;
        return Some(match spelling {
            Spelling::Job if !name.is_empty() => json!([name]),
            Spelling::Job | Spelling::Step => name.into(),
        });
    }
    let names: Vec<String> = field
        .items(report)?
        .iter()
        .filter_map(|item| item.text(report))
        .collect();
    Some(match spelling {
        Spelling::Job => names.into(),
        Spelling::Step => {
            let quoted: Vec<_> = names.iter().map(|name| python::quoted(name)).collect();
            format!("[{}]", quoted.join(", ")).into()
        }
    })
}
