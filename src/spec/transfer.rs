//! Data transfers: copies inside of storage, imports from outside and exports to it. What their components and steps have in
//! common. It does not know who runs them.

use serde_json::{Map, Value};

use super::component::Port;
use super::fields::{Case, Field, Fields};
use super::problem::Report;

pub(super) const KIND: &str = "data_transfer";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Copy,
    Import,
    Export,
}

/// Tasks by the words of YAML, which are those of the service.
const TASKS: [(&str, Task); 3] = [
    ("copy_data", Task::Copy),
    ("import_data", Task::Import),
    ("export_data", Task::Export),
];

impl Task {
    pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Option<Self> {
        let words = TASKS.map(|(word, _)| word);
        let field = fields.required("task", report)?;
        let word = field.choice(report, &words, Case::Lower)?;
        let found = TASKS.iter().find(|(known, _)| *known == word);
        found.map(|(_, task)| *task)
    }

    pub(super) fn word(self) -> &'static str {
        let found = TASKS.iter().find(|(_, task)| *task == self);
        found.map_or("", |(word, _)| word)
    }

    /// The field that names what lies outside.
    pub(super) fn outside(self) -> Option<&'static str> {
        match self {
            Self::Copy => None,
            Self::Import => Some("source"),
            Self::Export => Some("sink"),
        }
    }
}

pub(super) fn copy_mode(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let modes = ["merge_with_overwrite", "fail_if_conflict"];
    fields.choice("data_copy_mode", report, &modes, Case::Lower)
}

/// One output, of the type of the one input; of several inputs a folder.
pub(super) fn check_copy<'p>(
    at: &Field<'_>,
    inputs: impl Iterator<Item = &'p Port>,
    outputs: impl Iterator<Item = &'p Port>,
    report: &mut Report,
) {
    let inputs: Vec<_> = inputs.map(|port| port.kind.as_str()).collect();
    let outputs: Vec<_> = outputs.map(|port| port.kind.as_str()).collect();
    let message = match (inputs.as_slice(), outputs.as_slice()) {
        ([], _) => "a copy needs an input".to_owned(),
        ([from], [to]) if from != to => {
            format!("a copy of `{from}` has an output of that type, not `{to}`")
        }
        ([_], [_]) | (_, ["uri_folder"]) => return,
        (_, [to]) => {
            format!("a copy of several inputs has an output of type `uri_folder`, not `{to}`")
        }
        (_, other) => format!("a copy has one output, not {}", other.len()),
    };
    at.problem(report, message);
}

/// A database or a file system: its kind and the field as the service has it.
pub(super) struct Outside {
    pub(super) is_database: bool,
    pub(super) body: Value,
}

pub(super) fn outside(field: &Field<'_>, report: &mut Report) -> Option<Outside> {
    let mut fields = field.fields(report)?;
    let kinds = ["database", "file_system"];
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &kinds, Case::Lower)?;
    let is_database = kind == "database";
    let mut body = Map::from_iter([("type".to_owned(), Value::String(kind))]);
    let connection = fields.required("connection", report);
    let connection = connection.and_then(|field| field.text(report));
    body.extend(connection.map(|text| ("connection".to_owned(), text.into())));
    let texts: &[&'static str] = if is_database {
        &["table_name", "query", "stored_procedure"]
    } else {
        &["path"]
    };
    for name in texts {
        let text = fields.text(name, report);
        body.extend(text.map(|text| ((*name).to_owned(), text.into())));
    }
    if is_database && let Some(list) = fields.read("stored_procedure_params", report, parameters) {
        body.insert("stored_procedure_params".into(), list);
    }
    fields.refuse_rest(report);
    Some(Outside {
        is_database,
        body: Value::Object(body),
    })
}

fn parameters(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let items = field.items(report)?;
    let read = items.iter().filter_map(|item| {
        let mut fields = item.fields(report)?;
        let mut body = Map::new();
        for name in ["name", "value", "type"] {
            let text = fields.text(name, report);
            body.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        fields.refuse_rest(report);
        Some(Value::Object(body))
    });
    Some(read.collect())
}
