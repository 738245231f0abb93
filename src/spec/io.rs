//! Inputs and outputs of jobs and of a pipeline's steps: what forms they take in YAML and in requests. A local path becomes an
//! upload. It does not know whose inputs they are.

mod input;
mod output;

pub(super) use input::{Asset, Input, literal, literal_text, read_asset, read_inputs};
pub(super) use output::{Output, Texts, read_outputs};

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::binding::{self, pattern};
use super::fields::Field;
use super::problem::Report;
use super::python;

pub(super) const DATA_TYPES: [&str; 6] = [
    "uri_file",
    "uri_folder",
    "mltable",
    "custom_model",
    "mlflow_model",
    "triton_model",
];
const DEFAULT_STORE: &str = "workspaceblobstore";

static JOB_KEY: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-zA-Z_]+[a-zA-Z0-9_]*$"));
static PORT_KEY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*$"));

/// How keys and words are spelled: jobs are camelCase, the steps of a pipeline are snake_case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Job,
    Step,
}

impl Spelling {
    pub(super) fn of(self, job: &'static str, step: &'static str) -> &'static str {
        match self {
            Self::Job => job,
            Self::Step => step,
        }
    }
}

/// The names under which inputs or outputs may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Letters, digits and underscores.
    Plain,
    /// The same with dots, for groups.
    Dotted,
}

pub(super) fn check_key(field: &Field<'_>, name: &str, keys: Keys, report: &mut Report) {
    let allowed = match keys {
        Keys::Plain => JOB_KEY.is_match(name),
        Keys::Dotted => PORT_KEY.is_match(name),
    };
    if !allowed {
        let message = format!(
            "`{name}` may have letters, digits and underscores only, and must not start with a digit"
        );
        field.problem(report, message);
    }
}

/// `azureml:name`, an id or the name itself.
pub(super) fn datastore_name(text: &str) -> &str {
    let text = text.strip_prefix("azureml:").unwrap_or(text);
    text.rsplit('/').next().unwrap_or(text)
}

/// Early previews wrote `${{inputs.x}}` for `${{parent.inputs.x}}`.
pub(super) fn refuse_legacy(field: &Field<'_>, text: &str, report: &mut Report) {
    if binding::is_legacy(text) {
        let new = text.replacen("{{", "{{parent.", 1);
        field.problem(report, format!("`{text}` is written `{new}` now"));
    }
}

/// `tags`, `properties`: names to texts, nulls allowed.
pub(super) fn texts(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let texts = entries
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), field.text_or_null(report)?)));
    Some(Value::Object(texts.collect()))
}

/// `tags` of assets: any values.
pub(super) fn values(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    Some(Value::Object(
        entries
            .into_iter()
            .map(|(name, field)| (name.to_owned(), python::json_of(field.node)))
            .collect(),
    ))
}
