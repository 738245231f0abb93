//! Tables of fields and how a mapping is read by one. A job of its own sends camelCase and the service's words; a step of a pipeline
//! sends what YAML says, with words in snake_case and expressions where those may stand. It knows no task.

use serde_json::{Map, Value};

use crate::spec::duration::duration;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Spelling};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::settings;
use crate::spec::sweep;

/// A field of a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) yaml: &'static str,
    sent: Sent,
    shape: Shape,
    required: bool,
    job_default: Option<Literal>,
    step_default: Option<Literal>,
}

/// Under which name a job sends a field; steps use the one of YAML.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Camel,
    As(&'static str),
    /// The SDK takes it and leaves it out.
    Nowhere,
}

/// What stands where a field is absent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Literal {
    /// In the spelling of YAML.
    Word(&'static str),
    Integer(i64),
    /// A mapping of which every field is absent.
    Defaults(&'static [Row]),
}

/// Words as the service spells them; YAML has them in snake_case.
pub(super) type Words = &'static [&'static str];

/// A reader for what no shape describes.
pub(super) type Reader = fn(&Field<'_>, Spelling, &mut Report) -> Option<Value>;

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Texts,
    /// Names of the user's choice to texts.
    TextMap,
    Integer,
    Number,
    Flag,
    /// One of some words in either case style. The SDK looks it up, so that no expression can stand for it.
    Word(Words),
    /// The same, and an expression may stand for it.
    OpenWord(Words),
    Words(Words),
    /// Words that a job sends in lower case, too.
    Lower(Words),
    /// Whole minutes, which a job sends as a duration; none when zero.
    Minutes,
    Table(&'static [Row]),
    Other(Reader),
}

pub(super) const fn row(yaml: &'static str, shape: Shape) -> Row {
    Row {
        yaml,
        sent: Sent::Camel,
        shape,
        required: false,
        job_default: None,
        step_default: None,
    }
}

impl Row {
    pub(super) const fn sent(mut self, name: &'static str) -> Self {
        self.sent = Sent::As(name);
        self
    }

    pub(super) const fn not_sent(mut self) -> Self {
        self.sent = Sent::Nowhere;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn or(self, value: Literal) -> Self {
        self.or_in_jobs(value).or_in_steps(value)
    }

    pub(super) const fn or_in_jobs(mut self, value: Literal) -> Self {
        self.job_default = Some(value);
        self
    }

    pub(super) const fn or_in_steps(mut self, value: Literal) -> Self {
        self.step_default = Some(value);
        self
    }

    fn default(&self, spelling: Spelling) -> Option<Value> {
        let literal = match spelling {
            Spelling::Job => self.job_default,
            Spelling::Step => self.step_default,
        };
        literal.map(|literal| match (literal, self.shape) {
            (Literal::Integer(value), _) => Value::from(value),
            (Literal::Word(word), Shape::Word(words) | Shape::OpenWord(words)) => {
                Value::String(spelled(word.into(), words, spelling))
            }
            (Literal::Word(word), _) => Value::from(word),
            (Literal::Defaults(rows), _) => rows
                .iter()
                .filter_map(|row| Some((row.key(spelling)?, row.default(spelling)?)))
                .collect(),
        })
    }

    /// The name that goes into the request.
    fn key(&self, spelling: Spelling) -> Option<String> {
        match (spelling, self.sent) {
            (Spelling::Step, _) => Some(self.yaml.to_owned()),
            (Spelling::Job, Sent::Camel) => Some(python::snake_to_camel(self.yaml)),
            (Spelling::Job, Sent::As(name)) => Some(name.to_owned()),
            (Spelling::Job, Sent::Nowhere) => None,
        }
    }
}

/// What some rows say of a mapping, under the names that go into the request.
pub(super) fn read_rows(
    fields: &mut Fields<'_>,
    rows: &[Row],
    spelling: Spelling,
    report: &mut Report,
) -> Map<String, Value> {
    let mut body = Map::new();
    for row in rows {
        let value = match fields.take(row.yaml) {
            Some(field) => read(&field, row.shape, spelling, report),
            None if row.required => {
                fields.missing(row.yaml, report);
                None
            }
            None => row.default(spelling),
        };
        if let (Some(key), Some(value)) = (row.key(spelling), value) {
            body.insert(key, value);
        }
    }
    body
}

/// A mapping that has the fields of a table and no others.
pub(super) fn read_table(
    field: &Field<'_>,
    rows: &[Row],
    spelling: Spelling,
    report: &mut Report,
) -> Option<Map<String, Value>> {
    let mut fields = field.fields(report)?;
    let body = read_rows(&mut fields, rows, spelling, report);
    fields.refuse_rest(report);
    Some(body)
}

fn read(field: &Field<'_>, shape: Shape, spelling: Spelling, report: &mut Report) -> Option<Value> {
    match shape {
        Shape::Text => field.text(report).map(Value::String),
        Shape::Texts => settings::text_list(field, report),
        Shape::TextMap => io::texts(field, report),
        Shape::Integer => field.integer(report),
        Shape::Number => number(field, report),
        Shape::Flag => field.boolean(report),
        Shape::Word(words) => word(&closed(field), words, spelling, report),
        Shape::OpenWord(words) => word(field, words, spelling, report),
        Shape::Words(words) => {
            let items = field.items(report)?;
            let words = items
                .iter()
                .filter_map(|item| word(&closed(item), words, spelling, report));
            Some(words.collect())
        }
        Shape::Lower(words) => field.choice(report, words, Case::Lower).map(Value::String),
        Shape::Minutes => minutes(field, spelling, report),
        Shape::Table(rows) => read_table(field, rows, spelling, report).map(Value::Object),
        Shape::Other(reader) => reader(field, spelling, report),
    }
}

/// The same field, where no expression may stand.
fn closed<'n>(field: &Field<'n>) -> Field<'n> {
    Field::at_path(field.node, &field.path)
}

fn word(field: &Field<'_>, words: Words, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let known: Vec<String> = words
        .iter()
        .map(|word| python::camel_to_snake(word))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let found = field.choice(report, &known, Case::Snake)?;
    Some(Value::String(spelled(found, words, spelling)))
}

/// A word of YAML in the spelling of a job or a step; an expression as it is.
fn spelled(snake: String, words: Words, spelling: Spelling) -> String {
    let rest = words
        .iter()
        .find(|word| python::camel_to_snake(word) == snake);
    match (spelling, rest) {
        (Spelling::Job, Some(rest)) => (*rest).to_owned(),
        (Spelling::Job, None) | (Spelling::Step, _) => snake,
    }
}

/// A float, as the SDK makes one of every number; an expression where those may stand.
pub(super) fn number(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    if let Some(binding) = field.binding() {
        return Some(binding);
    }
    let value = sweep::float_of(field);
    if value.is_none() {
        let found = field.node.describe();
        field.problem(report, format!("a number is expected here, not {found}"));
    }
    value
}

fn minutes(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let value = field.integer(report)?;
    match (spelling, value.as_i64()) {
        (Spelling::Step, _) | (Spelling::Job, None) => Some(value),
        (Spelling::Job, Some(minutes)) => {
            let Some(seconds) = minutes.checked_mul(60) else {
                field.problem(report, format!("{minutes} minutes are too many"));
                return None;
            };
            duration(seconds).map(Value::String)
        }
    }
}
