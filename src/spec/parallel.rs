//! What parallel components and steps have in common: how the input is cut into batches, what runs on each, and how many failures
//! are borne. It does not know who runs them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::code;
use super::draft::Object;
use super::environment;
use super::fields::{Case, Field, Fields};
use super::problem::Report;
use super::python;
use super::session::Session;
use super::settings::text_list;

const SIZE: &str = "mini_batch_size";
const KEYS: &str = "partition_keys";
const LEVEL: &str = "logging_level";
const INPUT: &str = "input_data";
const RETRIES: &str = "retry_settings";
const ERRORS: &str = "error_threshold";
const NUMBERS: [&str; 3] = [
    "max_concurrency_per_instance",
    ERRORS,
    "mini_batch_error_threshold",
];
/// What a step does not take over from its component: the service does.
const OWN: [&str; 2] = [LEVEL, ERRORS];
/// What an inline step's component keeps even if it is an expression.
const KEPT: [&str; 2] = [INPUT, RETRIES];

/// Fields in the words of the service, and what runs on each batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Parallel {
    values: Vec<(&'static str, Value)>,
    pub(super) task: Option<Object>,
}

impl Parallel {
    /// Reads everything but the task.
    pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let levels = ["DEBUG", "INFO", "WARNING"];
        let level = fields.choice(LEVEL, report, &levels, Case::Exact);
        let mut found = vec![
            (LEVEL, level.map(Value::String)),
            (INPUT, fields.text(INPUT, report).map(Value::String)),
            (SIZE, fields.read(SIZE, report, batch_size)),
            (KEYS, fields.read(KEYS, report, partition_keys)),
            (RETRIES, fields.read(RETRIES, report, retry_settings)),
        ];
        found.extend(NUMBERS.map(|name| (name, fields.integer(name, report))));
        let given = found.into_iter();
        Self {
            values: given
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            task: None,
        }
    }

    /// What an inline step's component can say: no expressions of the pipeline.
    pub(super) fn without_bindings(&self) -> Self {
        let is_kept = |(name, value): &&(&'static str, Value)| {
            let bound = value.as_str().is_some_and(super::binding::found_in);
            !bound || KEPT.contains(name)
        };
        Self {
            values: self.values.iter().filter(is_kept).cloned().collect(),
            task: self.task.clone(),
        }
    }

    /// A step's own, with what it takes over from its component.
    pub(super) fn over(mut self, component: &Self) -> Self {
        for (name, value) in &component.values {
            if OWN.contains(name) {
                continue;
            }
            // The SDK takes zero for nothing here.
            let own = self.values.iter_mut().find(|(known, _)| known == name);
            match own {
                Some((_, own)) if *own == json!(0) => *own = value.clone(),
                Some(_) => {}
                None => self.values.push((*name, value.clone())),
            }
        }
        if self.values.iter().all(|(name, _)| *name != SIZE) {
            self.values.push((SIZE, json!(0)));
        }
        self.task = component.task.clone();
        self
    }

    /// In a component's specification, where the size is a text, and zero if nothing is said.
    pub(super) fn put_spec(&self, spec: &mut Object) {
        self.put(spec);
        let size = self.values.iter().find(|(name, _)| *name == SIZE);
        let size = size.map_or_else(|| "0".to_owned(), |(_, size)| size.to_string());
        spec.put(SIZE, size);
    }

    /// In a step.
    pub(super) fn put(&self, body: &mut Object) {
        for (name, value) in &self.values {
            body.put(*name, value.clone());
        }
        body.put_some("task", self.task.clone());
    }
}

/// Files, or bytes with a unit: `10`, `10kb`, `5MB`, `1gb`. Text, even if it is a number.
fn batch_size(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    if let Some(binding) = field.binding() {
        return Some(binding);
    }
    let text = field.text(report)?;
    let size = in_bytes(&text);
    if size.is_none() {
        let message = format!("`{text}` is not a size: a number, or one with `kb`, `mb` or `gb`");
        field.problem(report, message);
    }
    size.map(python::integer)
}

fn in_bytes(text: &str) -> Option<i128> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let number: i128 = is_number.then_some(digits)?.parse().ok()?;
    number.checked_mul(1024_i128.pow(power))
}

/// A list, which the service wants as a JSON text.
fn partition_keys(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let list = text_list(field, report)?;
    let texts = list.as_array().into_iter().flatten().map(Value::to_string);
    Some(format!("[{}]", texts.collect::<Vec<_>>().join(", ")).into())
}

/// Expressions may stand here even in a component.
fn retry_settings(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.clone().with_bindings().fields(report)?;
    let mut body = Map::new();
    for name in ["timeout", "max_retries"] {
        if let Some(value) = fields.integer(name, report) {
            body.insert(name.into(), value);
        }
    }
    Some(Value::Object(body))
}

/// What runs on each batch.
pub(super) fn task(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let (mut fields, mut body) = open_task(session, field)?;
    let code = fields.take("code");
    code::of_component(session, code.as_ref(), None, base, &mut body);
    if let Some(environment) = fields.required("environment", &mut session.report) {
        let id = environment::resolve(session, &environment, base);
        body.put_some("environment", id.map(|id| id.prefixed("azureml:")));
    }
    Some(body)
}

/// A task beside a registered component goes to the service as it is written: nothing is uploaded for it.
pub(super) fn task_as_written(session: &mut Session<'_>, field: &Field<'_>) -> Option<Object> {
    let (mut fields, mut body) = open_task(session, field)?;
    for name in ["code", "environment"] {
        let written = fields.take(name);
        if written.is_none() && name == "environment" {
            fields.missing(name, &mut session.report);
        }
        let Some(text) = written.and_then(|field| reference_text(&field, &mut session.report))
        else {
            continue;
        };
        body.put(name, text);
    }
    Some(body)
}

fn reference_text(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let text = field.text(report)?;
    if !text.starts_with("azureml:") {
        field.problem(
            report,
            "the task of a registered component refers to what is registered, too: `azureml:..`",
        );
        return None;
    }
    Some(text)
}

fn open_task<'n>(session: &mut Session<'_>, field: &Field<'n>) -> Option<(Fields<'n>, Object)> {
    let report = &mut session.report;
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    let kinds = ["run_function", "model", "function"];
    let kind = fields.required("type", report);
    body.put_some(
        "type",
        kind.and_then(|kind| kind.choice(report, &kinds, Case::Lower)),
    );
    for name in [
        "entry_script",
        "program_arguments",
        "model",
        "append_row_to",
    ] {
        body.put_some(name, fields.text(name, report));
    }
    Some((fields, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_batches_have_units_of_1024() {
        for (text, expected) in [
            ("10", Some(10)),
            ("10kb", Some(10_240)),
            ("5MB", Some(5_242_880)),
            ("1Gb", Some(1_073_741_824)),
            ("5kbkb", None),
            ("10x", None),
            ("kb", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(in_bytes(text), expected, "{text}");
        }
    }
}
