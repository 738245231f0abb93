//! Where outputs go: left to the service, bound to an output of the pipeline, or somewhere in particular.

use std::sync::LazyLock;

use regex::Regex;

use super::{DATA_TYPES, Keys, check_key, refuse_legacy};
use crate::spec::binding::{self, pattern};
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::yaml::Kind;

static REGISTERED_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Za-z0-9_-]{1,255}$"));

/// Where an output goes.
#[derive(Debug, Clone)]
pub(in crate::spec) enum Output {
    /// Declared and left to the service.
    Bare,
    /// `${{parent.outputs.x}}`
    Bound(String),
    /// A path without anything else: a folder.
    Path(String),
    Asset(OutputAsset),
}

#[derive(Debug, Clone)]
pub(in crate::spec) struct OutputAsset {
    pub(in crate::spec) kind: String,
    pub(in crate::spec) mode: Option<String>,
    pub(in crate::spec) path: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

/// Which texts may stand for an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spec) enum Texts {
    Refused,
    /// With an expression in them: in steps that run a component.
    Bindings,
    /// In steps that say themselves what to run.
    Any,
}

pub(in crate::spec) fn read_outputs<'n>(
    field: &Field<'n>,
    texts: Texts,
    keys: Option<Keys>,
    report: &mut Report,
) -> Vec<(&'n str, Output)> {
    let mut outputs = Vec::new();
    for (name, field) in field.entries(report).unwrap_or_default() {
        if let Some(keys) = keys {
            check_key(&field, name, keys, report);
        }
        // What is wrong with it is said; that it is there counts for what refers to it.
        let output = read_output(&field, texts, report).unwrap_or(Output::Bare);
        outputs.push((name, output));
    }
    outputs
}

fn read_output(field: &Field<'_>, texts: Texts, report: &mut Report) -> Option<Output> {
    match &field.node.kind {
        Kind::Null => Some(Output::Bare),
        Kind::Text(text) if texts != Texts::Refused => {
            refuse_legacy(field, text, report);
            if binding::is_output(text) {
                return Some(Output::Bound(text.clone()));
            }
            if texts == Texts::Bindings && !binding::found_in(text) {
                field.problem(
                    report,
                    format!(
                        "an output is a mapping or `${{{{parent.outputs.<name>}}}}`, not `{text}`"
                    ),
                );
                return None;
            }
            Some(Output::Path(text.clone()))
        }
        Kind::Mapping(_) => output_asset(field.fields(report)?, texts, report).map(Output::Asset),
        Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_) => {
            let what = field.node.describe();
            field.problem(
                report,
                format!("an output is a mapping or left empty, not {what}"),
            );
            None
        }
    }
}

fn output_asset(mut fields: Fields<'_>, texts: Texts, report: &mut Report) -> Option<OutputAsset> {
    fields.read_only(&["$schema"]);
    let kind = match fields.take("type") {
        Some(field) => field.choice(report, &DATA_TYPES, Case::Lower),
        None => Some("uri_folder".into()),
    };
    let mode = fields.take("mode").and_then(|field| {
        field.choice(
            report,
            &["mount", "upload", "rw_mount", "direct"],
            Case::Lower,
        )
    });
    let path_field = fields.take("path");
    let path = path_field.as_ref().and_then(|field| field.text(report));
    if let (Some(field), Some(text)) = (&path_field, &path)
        && texts != Texts::Refused
    {
        refuse_legacy(field, text, report);
    }
    let name_field = fields.take("name");
    let name = name_field.as_ref().and_then(|field| field.text(report));
    let version_field = fields.take("version");
    let version = version_field
        .as_ref()
        .and_then(|field| field.version(report));
    if let (Some(field), Some(name)) = (&name_field, &name)
        && !REGISTERED_NAME.is_match(name)
    {
        field.problem(report, "the name of an output may have letters, digits, dashes and underscores only, up to 255");
    }
    if let (Some(field), None) = (version_field, &name_field) {
        field.problem(report, "an output with `version` needs a `name` too");
    }
    fields.refuse_rest(report);
    Some(OutputAsset {
        kind: kind?,
        mode,
        path,
        name,
        version,
    })
}

impl Output {
    /// The type and mode that an inline step's output takes over when it is bound to this one.
    pub(in crate::spec) fn declared_type(&self) -> (String, Option<String>) {
        match self {
            Self::Bare | Self::Bound(_) => ("uri_folder".into(), None),
            // The SDK takes the text for a literal here, and for a folder where it is sent.
            Self::Path(_) => ("string".into(), None),
            Self::Asset(asset) => (asset.kind.clone(), asset.mode.clone()),
        }
    }

    /// Declared and left to the service.
    pub(in crate::spec) fn is_bare(&self) -> bool {
        match self {
            Self::Bare => true,
            Self::Bound(_) | Self::Path(_) | Self::Asset(_) => false,
        }
    }

    /// A job's output of which only its component says something.
    pub(in crate::spec) fn declared_as(kind: &str, mode: Option<&str>) -> Object {
        let mut body = Object::default();
        body.put("jobOutputType", kind);
        body.put_some("mode", mode.map(output_mode));
        body
    }

    /// Job outputs; `None` stands for the default, a folder.
    pub(in crate::spec) fn job_body(&self) -> Object {
        let mut body = Object::default();
        match self {
            Self::Bare | Self::Bound(_) | Self::Path(_) => {
                body.put("jobOutputType", "uri_folder");
            }
            Self::Asset(asset) => {
                body.put("jobOutputType", asset.kind.clone());
                body.put_some("uri", asset.path.clone());
                body.put_some("mode", asset.mode.as_deref().map(output_mode));
                body.put_some("assetName", asset.name.clone());
                body.put_some("assetVersion", asset.version.clone());
            }
        }
        body
    }

    /// A step's output. `declared` is its type in the component, where that is at hand.
    pub(in crate::spec) fn step_body(&self, declared: Option<&str>) -> Option<Object> {
        let mut body = Object::default();
        match self {
            Self::Bare => return None,
            Self::Bound(expression) => {
                body.put("value", expression.clone());
                body.put("type", "literal");
            }
            Self::Path(path) => {
                body.put("job_output_type", declared_kind(declared, "uri_folder"));
                body.put("uri", path.clone());
            }
            Self::Asset(asset) => {
                match asset
                    .path
                    .as_deref()
                    .filter(|path| binding::is_output(path))
                {
                    Some(path) => {
                        body.put("value", path.to_owned());
                        body.put("type", "literal");
                    }
                    None => {
                        let kind = declared_kind(declared, &asset.kind);
                        body.put("job_output_type", kind);
                        body.put_some("uri", asset.path.clone());
                    }
                }
                body.put_some("mode", asset.mode.as_deref().map(output_mode));
                body.put_some("name", asset.name.clone());
                body.put_some("version", asset.version.clone());
            }
        }
        Some(body)
    }
}

/// Of what a component declares, only a file counts more than what the step says.
fn declared_kind<'k>(declared: Option<&'k str>, own: &'k str) -> &'k str {
    declared.filter(|kind| *kind == "uri_file").unwrap_or(own)
}

fn output_mode(mode: &str) -> &'static str {
    match mode {
        "upload" => "Upload",
        "direct" => "Direct",
        _ => "ReadWriteMount",
    }
}
