//! The inputs and outputs that a component declares: what forms they take, and what a value given to one must be. It does not know
//! what the component does.

use serde_json::Value;

use crate::spec::binding;
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Asset, DATA_TYPES, Input, Keys};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::settings;
use crate::spec::yaml::{Kind, Node};

const PRIMITIVES: [&str; 4] = ["number", "integer", "boolean", "string"];
const PORT_MODES: [&str; 9] = [
    "mount",
    "download",
    "upload",
    "ro_mount",
    "rw_mount",
    "eval_mount",
    "eval_download",
    "direct",
    "link",
];

/// An input or output of a component.
#[derive(Debug, Clone, Default)]
pub(in crate::spec) struct Port {
    pub(in crate::spec) kind: String,
    /// Whether it may be left out, where that is said.
    pub(in crate::spec) optional: Option<bool>,
    /// As the service gets it.
    pub(in crate::spec) default: Option<String>,
    pub(in crate::spec) mode: Option<String>,
}

impl Port {
    pub(in crate::spec) fn is_primitive(&self) -> bool {
        PRIMITIVES.contains(&self.kind.as_str())
    }
}

pub(super) fn knows_input(ports: &[(String, Port)], name: &str) -> bool {
    const PROPERTIES: [&str; 11] = [
        "path",
        "type",
        "mode",
        "default",
        "optional",
        "min",
        "max",
        "enum",
        "description",
        "datastore",
        "path_on_compute",
    ];
    knows(ports, name, &PROPERTIES)
}

pub(super) fn knows_output(ports: &[(String, Port)], name: &str) -> bool {
    const PROPERTIES: [&str; 7] = [
        "path",
        "type",
        "mode",
        "name",
        "version",
        "description",
        "early_available",
    ];
    knows(ports, name, &PROPERTIES)
}

/// A port, a group of ports (`group` of `group.port`) or a property of a port (`port.path`).
fn knows(ports: &[(String, Port)], name: &str, properties: &[&str]) -> bool {
    ports.iter().any(|(known, _)| {
        let is_group = known
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'));
        let property = name
            .strip_prefix(known.as_str())
            .and_then(|rest| rest.strip_prefix('.'));
        known == name || is_group || property.is_some_and(|word| properties.contains(&word))
    })
}

fn check_names<'n>(field: &Field<'n>, entries: &[(&'n str, Field<'n>)], report: &mut Report) {
    for (name, field) in entries {
        io::check_key(field, name, Keys::Dotted, report);
    }
    check_cases(field, entries.iter().map(|(name, _)| *name), report);
}

/// Names of ports have to differ in more than case.
pub(in crate::spec) fn check_cases<'n>(
    field: &Field<'_>,
    names: impl Iterator<Item = &'n str>,
    report: &mut Report,
) {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        if seen.contains(&lower) {
            field.problem(
                report,
                format!("`{name}` differs from another name in case only"),
            );
        }
        seen.push(lower);
    }
}

/// How defaults and bounds of whole numbers are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// `3`
    Typed,
    /// `3.0`, as in the source of an import.
    Floats,
}

pub(super) fn read_inputs(
    field: &Field<'_>,
    ports: &mut Vec<(String, Port)>,
    numbers: Numbers,
    report: &mut Report,
) -> Object {
    let mut spec = Object::default();
    let entries = field.entries(report).unwrap_or_default();
    check_names(field, &entries, report);
    for (name, field) in entries {
        if let Some((body, port)) = input_port(&field, numbers, report) {
            spec.put(name, body);
            ports.push((name.to_owned(), port));
        }
    }
    spec
}

fn port_type(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let mut words = PRIMITIVES.to_vec();
    words.push("path");
    words.extend(DATA_TYPES);
    fields
        .required("type", report)?
        .choice(report, &words, Case::Exact)
}

fn input_port(field: &Field<'_>, numbers: Numbers, report: &mut Report) -> Option<(Object, Port)> {
    let mut fields = field.fields(report)?;
    let mut port = Port {
        kind: port_type(&mut fields, report)?,
        ..Port::default()
    };
    let mut body = Object::default();
    body.put("type", port.kind.clone());
    body.put_some("description", fields.text("description", report));
    if let Some(optional) = fields.flag("optional", report) {
        body.put("optional", optional);
        port.optional = Some(optional);
    }
    let default = fields.take("default");
    if port.is_primitive() {
        let kind = match (port.kind.as_str(), numbers) {
            ("integer", Numbers::Floats) => "number",
            (kind, Numbers::Typed | Numbers::Floats) => kind,
        };
        if let Some(text) =
            default.and_then(|field| number_or_text(&field, kind, Role::Default, report))
        {
            body.put("default", text.clone());
            port.default = Some(text);
        }
        for (key, field) in [("min", fields.take("min")), ("max", fields.take("max"))] {
            body.put_some(
                key,
                field.and_then(|field| number_or_text(&field, kind, Role::Bound, report)),
            );
        }
        if let Some(words) = fields.read("enum", report, settings::text_list) {
            body.put("enum", words);
        }
    } else {
        if let Some(default) = default {
            default.problem(
                report,
                format!("an input of type `{}` has no default", port.kind),
            );
        }
        port.mode = fields.choice("mode", report, &PORT_MODES, Case::Exact);
        body.put_some("mode", port.mode.clone());
    }
    fields.refuse_rest(report);
    Some((body, port))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Default,
    Bound,
}

/// Defaults and bounds go as text. Numbers pass through a float on their way, so `5` for a string is `5.0`, as the SDK has it.
fn number_or_text(
    field: &Field<'_>,
    kind: &str,
    role: Role,
    report: &mut Report,
) -> Option<String> {
    let raw = match &field.node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Bool(value) if role == Role::Default => {
            Some(if *value { "True" } else { "False" }.into())
        }
        Kind::Integer(_) | Kind::Float(_) if field.is_number() => {
            as_float(field.node).map(python::float)
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => None,
    };
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
    };
    let text = match (kind, raw.as_deref()) {
        (_, None) => None,
        ("integer", Some(text)) => number(text).map(|value| format!("{:.0}", value.trunc())),
        ("number", Some(text)) => match text {
            "True" if field.node.kind == Kind::Bool(true) => Some("1.0".into()),
            "False" if field.node.kind == Kind::Bool(false) => Some("0.0".into()),
            _ => number(text).map(python::float),
        },
        ("boolean", Some(text)) => match (text.to_lowercase().as_str(), role) {
            ("true", _) => Some("True".into()),
            ("false", _) => Some("False".into()),
            _ => None,
        },
        (_, Some(text)) => Some(text.to_owned()),
    };
    if text.is_none() {
        field.problem(
            report,
            format!(
                "{} is not a value of the type `{kind}`",
                field.node.describe()
            ),
        );
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Python's float() rounds the same way"
)]
fn as_float(node: &Node) -> Option<f64> {
    match &node.kind {
        Kind::Integer(value) => Some(*value as f64),
        Kind::Float(value) => Some(*value),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => None,
    }
}

pub(super) fn read_outputs(
    field: &Field<'_>,
    ports: &mut Vec<(String, Port)>,
    report: &mut Report,
) -> Object {
    let mut spec = Object::default();
    let entries = field.entries(report).unwrap_or_default();
    check_names(field, &entries, report);
    for (name, field) in entries {
        if let Some((body, port)) = read_output(&field, report) {
            spec.put(name, body);
            ports.push((name.to_owned(), port));
        }
    }
    spec
}

pub(super) fn read_output(field: &Field<'_>, report: &mut Report) -> Option<(Object, Port)> {
    let mut fields = field.fields(report)?;
    let kind = port_type(&mut fields, report)?;
    let mut body = Object::default();
    body.put("type", kind.clone());
    body.put_some("description", fields.text("description", report));
    let mode = fields.choice("mode", report, &PORT_MODES, Case::Exact);
    body.put_some("mode", mode.clone());
    if PRIMITIVES.contains(&kind.as_str()) {
        // Whatever else such an output says has no effect.
        body.put_some("early_available", fields.flag("early_available", report));
    } else {
        fields.refuse_rest(report);
    }
    let port = Port {
        kind,
        mode,
        ..Port::default()
    };
    Some((body, port))
}

/// The declaration that a literal stands for, in an inline step.
pub(in crate::spec) fn declared_literal(node: &Node) -> (Value, Port) {
    let kind = literal_type(node);
    let default = python::text_of(node).unwrap_or_default();
    let port = Port {
        kind: kind.into(),
        default: Some(default.clone()),
        ..Port::default()
    };
    (serde_json::json!({"type": kind, "default": default}), port)
}

pub(in crate::spec) fn literal_type(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Bool(_) => "boolean",
        Kind::Integer(_) => "integer",
        Kind::Float(_) => "number",
        Kind::Null | Kind::Text(_) | Kind::Timestamp(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            "string"
        }
    }
}

/// The declaration of a port of some type and mode, in an inline step.
pub(in crate::spec) fn declared(kind: &str, mode: Option<&str>) -> (Value, Port) {
    let port = Port {
        kind: kind.to_owned(),
        mode: mode.map(str::to_owned),
        ..Port::default()
    };
    let mut body = serde_json::json!({"type": kind});
    if let Some(mode) = mode.filter(|_| !port.is_primitive()) {
        body["mode"] = mode.into();
    }
    (body, port)
}

/// A step's value for an input of a known type: plain text is a path where the component wants data.
pub(in crate::spec) fn typed<'n>(
    input: Input<'n>,
    port: Option<&Port>,
    report: &mut Report,
) -> Option<Input<'n>> {
    let (node, field, port) = match (input, port) {
        (Input::Literal { node, field }, Some(port)) if !port.is_primitive() => (node, field, port),
        (input, _) => return Some(input),
    };
    match node.as_text() {
        Some(text) if binding::found_in(text) => Some(Input::Literal { node, field }),
        Some("") => {
            field.problem(report, "the path of an input must not be empty");
            None
        }
        Some(text) => Some(Input::Asset(Asset::of_text(&field, &port.kind, text))),
        None => {
            field.problem(
                report,
                format!(
                    "the component wants data of type `{}` here, not {}",
                    port.kind,
                    node.describe()
                ),
            );
            None
        }
    }
}
