//! Search spaces: for each parameter a value, a choice or a distribution. Jobs send them as expressions such as `uniform(0.1,0.9)`;
//! steps of image tasks do so too, steps of text tasks send the structure. It does not know the parameters of a task.

use serde_json::{Map, Value};

use super::shape::Words;
use crate::spec::fields::{Case, Field};
use crate::spec::io::Spelling;
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::sweep;
use crate::spec::yaml::Kind;

/// What may stand for a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Domain {
    Float,
    /// Whole numbers; of the distributions, only [`RANDINT`].
    Whole,
    /// Whole numbers; of the distributions, those with steps as well.
    Stepped,
    Text,
    Flag,
    Word(Words),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    yaml: &'static str,
    /// How a job calls it, where that is not the same in camelCase.
    sent: Option<&'static str>,
    domain: Domain,
}

pub(super) const fn parameter(yaml: &'static str, domain: Domain) -> Parameter {
    Parameter {
        yaml,
        sent: None,
        domain,
    }
}

impl Parameter {
    pub(super) const fn sent(mut self, name: &'static str) -> Self {
        self.sent = Some(name);
        self
    }
}

/// How a space goes into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Expressions,
    Structures,
}

/// A distribution by name, with its arguments in the order of its expression.
type Distribution = (&'static str, &'static [&'static str]);

const RANDINT: Distribution = ("randint", &["upper"]);
const STEPPED: [Distribution; 4] = [
    ("quniform", &["min_value", "max_value", "q"]),
    ("qloguniform", &["min_value", "max_value", "q"]),
    ("qnormal", &["mu", "sigma", "q"]),
    ("qlognormal", &["mu", "sigma", "q"]),
];
const CONTINUOUS: [Distribution; 4] = [
    ("uniform", &["min_value", "max_value"]),
    ("loguniform", &["min_value", "max_value"]),
    ("normal", &["mu", "sigma"]),
    ("lognormal", &["mu", "sigma"]),
];
const CHOICE: &str = "choice";

/// What was found for one parameter.
enum Sought {
    Value(Value),
    Choice(Vec<Value>),
    Drawn(Distribution, Vec<Value>),
}

/// A list of spaces.
pub(super) fn spaces(
    field: &Field<'_>,
    parameters: &[&[Parameter]],
    form: Form,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Value> {
    let mut spaces = Vec::new();
    for item in field.items(report)? {
        let Some(mut fields) = item.fields(report) else {
            continue;
        };
        let mut body = Map::new();
        for parameter in parameters.iter().copied().flatten() {
            let found = fields
                .take(parameter.yaml)
                .and_then(|field| sought(&field, parameter.domain, report));
            let key = match spelling {
                Spelling::Job => parameter
                    .sent
                    .map_or_else(|| python::snake_to_camel(parameter.yaml), str::to_owned),
                Spelling::Step => parameter.yaml.to_owned(),
            };
            body.extend(found.map(|found| (key, found.in_form(form))));
        }
        fields.refuse_rest(report);
        spaces.push(Value::Object(body));
    }
    Some(Value::Array(spaces))
}

fn sought(field: &Field<'_>, domain: Domain, report: &mut Report) -> Option<Sought> {
    if field.node.entries().is_none() {
        return scalar(field, domain, report).map(Sought::Value);
    }
    let mut fields = field.fields(report)?;
    let drawn: Vec<Distribution> = match domain {
        Domain::Float => [RANDINT]
            .into_iter()
            .chain(STEPPED)
            .chain(CONTINUOUS)
            .collect(),
        Domain::Stepped => [RANDINT].into_iter().chain(STEPPED).collect(),
        Domain::Whole => vec![RANDINT],
        Domain::Text | Domain::Flag | Domain::Word(_) => Vec::new(),
    };
    let words: Vec<_> = [CHOICE]
        .into_iter()
        .chain(drawn.iter().map(|(name, _)| *name))
        .collect();
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &words, Case::Lower)?;
    let found = match drawn.into_iter().find(|(name, _)| *name == kind) {
        None => fields
            .take("values")
            .and_then(|field| choice(&field, domain, report))
            .map(Sought::Choice),
        Some(distribution) => {
            let mut values = Vec::new();
            for name in distribution.1 {
                let argument = fields.required(name, report)?;
                values.extend(match (distribution.0, domain) {
                    ("randint", _) => argument.integer(report),
                    (_, Domain::Stepped) => whole(&argument, report),
                    _ => sweep::number(&argument, report),
                });
            }
            Some(Sought::Drawn(distribution, values))
        }
    };
    fields.refuse_rest(report);
    found
}

/// Numbers of a choice are all whole or all floats.
fn choice(field: &Field<'_>, domain: Domain, report: &mut Report) -> Option<Vec<Value>> {
    let items = field.items(report)?;
    let is_whole = |item: &Field<'_>| matches!(item.node.kind, Kind::Integer(_));
    let domain = match domain {
        Domain::Float if items.iter().all(is_whole) => Domain::Whole,
        Domain::Float
        | Domain::Whole
        | Domain::Stepped
        | Domain::Text
        | Domain::Flag
        | Domain::Word(_) => domain,
    };
    let values = items.iter().filter_map(|item| scalar(item, domain, report));
    Some(values.collect())
}

fn scalar(field: &Field<'_>, domain: Domain, report: &mut Report) -> Option<Value> {
    if let Some(binding) = field.binding() {
        return Some(binding);
    }
    match domain {
        Domain::Float => super::shape::number(field, report),
        Domain::Whole | Domain::Stepped => whole(field, report),
        Domain::Text => field.text(report).map(Value::String),
        Domain::Flag => field.boolean(report),
        Domain::Word(words) => {
            let known: Vec<String> = words
                .iter()
                .map(|word| python::camel_to_snake(word))
                .collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            field.choice(report, &known, Case::Snake).map(Value::String)
        }
    }
}

/// A number that is written as a whole one; one in quotes is none here.
fn whole(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    match &field.node.kind {
        Kind::Integer(value) => Some(python::integer(*value)),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => {
            let found = field.node.describe();
            field.problem(
                report,
                format!("a whole number is expected here, not {found}"),
            );
            None
        }
    }
}

impl Sought {
    fn in_form(self, form: Form) -> Value {
        match (form, self) {
            (Form::Structures, Self::Value(value)) => value,
            (Form::Structures, Self::Choice(values)) => {
                serde_json::json!({"type": CHOICE, "values": values})
            }
            (Form::Structures, Self::Drawn((name, arguments), values)) => {
                let arguments = arguments.iter().map(|name| (*name).to_owned()).zip(values);
                let mut body = Map::from_iter([("type".to_owned(), Value::from(name))]);
                body.extend(arguments);
                Value::Object(body)
            }
            (Form::Expressions, Self::Value(value)) => shown(&value, Quotes::None).into(),
            (Form::Expressions, Self::Choice(values)) => expression(CHOICE, &values).into(),
            (Form::Expressions, Self::Drawn((name, _), values)) => expression(name, &values).into(),
        }
    }
}

fn expression(name: &str, arguments: &[Value]) -> String {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|value| shown(value, Quotes::Single))
        .collect();
    format!("{name}({})", arguments.join(","))
}

#[derive(Clone, Copy)]
enum Quotes {
    None,
    Single,
}

/// A value as Python shows it in an expression.
fn shown(value: &Value, quotes: Quotes) -> String {
    match (value, quotes) {
        (Value::Bool(true), _) => "True".into(),
        (Value::Bool(false), _) => "False".into(),
        (Value::String(text), Quotes::None) => text.clone(),
        (Value::String(text), Quotes::Single) => format!("'{text}'"),
        (Value::Number(number), _) => match (number.is_f64(), number.as_f64()) {
            (true, Some(value)) => python::decimal(value),
            (true | false, _) => number.to_string(),
        },
        (Value::Null | Value::Array(_) | Value::Object(_), _) => value.to_string(),
    }
}
