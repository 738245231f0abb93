//! Values given to inputs: literals, data and models. A local path becomes an upload.

use std::path::Path;

use super::{DATA_TYPES, DEFAULT_STORE, Keys, Spelling, check_key, datastore_name, refuse_legacy};
use crate::spec::binding;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::reference::{self, asset_id};
use crate::spec::session::Session;
use crate::spec::yaml::{Kind, Node};

/// A value given to an input.
#[derive(Debug, Clone)]
pub(in crate::spec) enum Input<'n> {
    Literal { node: Node, field: Field<'n> },
    Asset(Asset<'n>),
}

/// Data or a model.
#[derive(Debug, Clone)]
pub(in crate::spec) struct Asset<'n> {
    pub(in crate::spec) kind: String,
    pub(in crate::spec) mode: Option<String>,
    path: Field<'n>,
    text: String,
    /// As it is written.
    pub(in crate::spec) datastore: Option<String>,
}

pub(in crate::spec) fn read_inputs<'n>(
    field: &Field<'n>,
    keys: Option<Keys>,
    report: &mut Report,
) -> Vec<(&'n str, Input<'n>)> {
    let mut inputs = Vec::new();
    for (name, field) in field.entries(report).unwrap_or_default() {
        if let Some(keys) = keys {
            check_key(&field, name, keys, report);
        }
        // What is wrong is said once, here: an expression, which nobody looks into, stands for it.
        let input = read_input(&field, report)
            .unwrap_or_else(|| Input::Asset(Asset::of_text(&field, "uri_folder", "${{}}")));
        inputs.push((name, input));
    }
    inputs
}

fn read_input<'n>(field: &Field<'n>, report: &mut Report) -> Option<Input<'n>> {
    match &field.node.kind {
        Kind::Mapping(_) => {
            let mut fields = field.fields(report)?;
            match fields.take("value") {
                Some(value) => {
                    fields.refuse_rest(report);
                    explicit_literal(&value, report)
                }
                None => asset(fields, report).map(Input::Asset),
            }
        }
        Kind::Bool(_) | Kind::Integer(_) | Kind::Text(_) => Some(Input::Literal {
            node: field.node.clone(),
            field: field.clone(),
        }),
        Kind::Float(value) if value.is_finite() => Some(Input::Literal {
            node: field.node.clone(),
            field: field.clone(),
        }),
        Kind::Null | Kind::Float(_) | Kind::Timestamp(_) | Kind::Sequence(_) => {
            let what = field.node.describe();
            field.problem(
                report,
                format!(
                    "an input is text, a number, a boolean or a mapping with `path`, not {what}"
                ),
            );
            None
        }
    }
}

/// `{value: x}`. The schema tries text, boolean, whole number in this order, so `1` is `True` and `1.5` is `1` there.
#[expect(
    clippy::cast_possible_truncation,
    reason = "Python's int() cuts off the same way"
)]
fn explicit_literal<'n>(field: &Field<'n>, report: &mut Report) -> Option<Input<'n>> {
    let kind = match &field.node.kind {
        Kind::Text(text) => Some(Kind::Text(text.clone())),
        Kind::Bool(value) => Some(Kind::Bool(*value)),
        Kind::Integer(value @ (0 | 1)) => Some(Kind::Bool(*value == 1)),
        Kind::Integer(value) => Some(Kind::Integer(*value)),
        Kind::Float(value) if *value == 0.0 || (*value - 1.0).abs() < f64::EPSILON => {
            Some(Kind::Bool(*value > 0.0))
        }
        Kind::Float(value) if value.is_finite() => Some(Kind::Integer(value.trunc() as i128)),
        Kind::Null | Kind::Float(_) | Kind::Timestamp(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            None
        }
    };
    let Some(kind) = kind else {
        field.problem(
            report,
            format!(
                "text, a number or a boolean is expected here, not {}",
                field.node.describe()
            ),
        );
        return None;
    };
    Some(Input::Literal {
        node: Node::new(kind, field.node.mark.clone()),
        field: field.clone(),
    })
}

fn asset<'n>(fields: Fields<'n>, report: &mut Report) -> Option<Asset<'n>> {
    asset_of(fields, &DATA_TYPES, report)
}

/// Data of one of some types. Without a type it counts as a folder, as it does to the SDK.
pub(in crate::spec) fn read_asset<'n>(
    field: &Field<'n>,
    types: &[&str],
    report: &mut Report,
) -> Option<Asset<'n>> {
    asset_of(field.fields(report)?, types, report)
}

fn asset_of<'n>(mut fields: Fields<'n>, types: &[&str], report: &mut Report) -> Option<Asset<'n>> {
    let kind = match fields.take("type") {
        Some(field) => field.choice(report, types, Case::Lower),
        None => Some("uri_folder".into()),
    };
    let modes: &[&str] = match kind.as_deref() {
        Some("mltable") => &[
            "download",
            "ro_mount",
            "direct",
            "eval_mount",
            "eval_download",
        ],
        Some(_) | None => &["download", "ro_mount", "direct"],
    };
    let mode = fields.choice("mode", report, modes, Case::Lower);
    let datastore = fields.text("datastore", report);
    let path = fields.required("path", report);
    let text = path.as_ref().and_then(|field| field.text(report));
    fields.refuse_rest(report);
    let (path, text) = (path?, text?);
    if text.is_empty() {
        path.problem(report, "the path of an input must not be empty");
        return None;
    }
    Some(Asset {
        kind: kind?,
        mode,
        path,
        text,
        datastore,
    })
}

impl<'n> Asset<'n> {
    /// A path that was given as plain text where the component says what type it is.
    pub(in crate::spec) fn of_text(field: &Field<'n>, kind: &str, text: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            mode: None,
            path: field.clone(),
            text: text.to_owned(),
            datastore: None,
        }
    }

    /// The expression that the path is, if it is one.
    pub(in crate::spec) fn binding(&self) -> Option<&str> {
        binding::is_whole(&self.text).then_some(self.text.as_str())
    }

    pub(in crate::spec) fn body(
        &self,
        session: &mut Session<'_>,
        base: &Path,
        spelling: Spelling,
    ) -> Option<Object> {
        let mut body = Object::default();
        let type_key = spelling.of("jobInputType", "job_input_type");
        if self.binding().is_some() {
            refuse_legacy(&self.path, &self.text, &mut session.report);
            body.put(type_key, "literal");
            body.put("value", self.text.clone());
            if spelling == Spelling::Step {
                body.put_some("mode", self.mode.as_deref().map(input_mode));
            }
            return Some(body);
        }
        if !DATA_TYPES.contains(&self.kind.as_str()) {
            let message = format!(
                "`{}` cannot be the type of data; give the input as a mapping with `type` and `path`",
                self.kind
            );
            self.path.problem(&mut session.report, message);
            return None;
        }
        body.put(type_key, self.kind.clone());
        body.put("uri", self.uri(session, base)?);
        body.put_some("mode", self.mode.as_deref().map(input_mode));
        Some(body)
    }

    /// The place as it is written, without the prefix of names.
    pub(in crate::spec) fn written(&self) -> &str {
        self.text.strip_prefix("azureml:").unwrap_or(&self.text)
    }

    /// Where the data is: as it was written, or where its upload will be.
    pub(in crate::spec) fn uri(&self, session: &mut Session<'_>, base: &Path) -> Option<Draft> {
        let text = self.text.as_str();
        if reference::is_url(text) || reference::is_arm_id(text) {
            return Some(Draft::from(text));
        }
        let is_local = Path::new(text).is_absolute() || !text.contains([':', '@']);
        if is_local {
            return self.upload(session, base);
        }
        // Only these two count as models to the SDK; a Triton model is looked up among data.
        let collection = match self.kind.as_str() {
            "mlflow_model" | "custom_model" => "models",
            _ => "data",
        };
        asset_id(
            session,
            &self.path,
            text.strip_prefix("azureml:").unwrap_or(text),
            collection,
        )
    }

    fn upload(&self, session: &mut Session<'_>, base: &Path) -> Option<Draft> {
        let found = session.find(&self.path, &self.text, base)?;
        if Path::new(&self.text).is_absolute() {
            let wanted = match self.kind.as_str() {
                "uri_folder" if !found.is_folder => Some("folder"),
                "uri_file" if found.is_folder => Some("file"),
                _ => None,
            };
            if let Some(wanted) = wanted {
                self.path.problem(
                    &mut session.report,
                    format!("`{}` is not a {wanted}", found.written),
                );
                return None;
            }
        }
        let datastore = self
            .datastore
            .as_deref()
            .map_or(DEFAULT_STORE, datastore_name);
        let upload = session.upload_data(&self.path, &found, datastore)?;
        session.need(upload);
        let slash = if self.kind == "uri_folder" { "/" } else { "" };
        Some(Draft::from(format!(
            "azureml://datastores/{datastore}/paths/{}{slash}",
            session.storage_path(upload)
        )))
    }
}

/// `{"jobInputType": "literal", "value": ".."}`
pub(in crate::spec) fn literal(node: &Node, spelling: Spelling) -> Object {
    let mut body = Object::default();
    body.put(spelling.of("jobInputType", "job_input_type"), "literal");
    body.put("value", python::text_of(node).unwrap_or_default());
    body
}

/// The same for a value that is a text already.
pub(in crate::spec) fn literal_text(text: &str) -> Object {
    let mut body = Object::default();
    body.put("jobInputType", "literal");
    body.put("value", text);
    body
}

fn input_mode(mode: &str) -> &'static str {
    match mode {
        "download" => "Download",
        "eval_mount" => "EvalMount",
        "eval_download" => "EvalDownload",
        "direct" => "Direct",
        _ => "ReadOnlyMount",
    }
}
