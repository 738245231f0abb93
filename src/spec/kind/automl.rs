//! `type: automl`: the service looks for the best model by itself. The tasks are tables of fields; what a job or a step of a pipeline
//! has besides, and where its data comes from, is here. It does not know the graph of a pipeline.

mod images;
mod shape;
mod space;
mod sweep;
mod tables;
mod task;
mod texts;
mod words;

use std::path::Path;

use serde_json::Value;

use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Keys, Output, Spelling, Texts};
use crate::spec::job::{self, Compute};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::session::Session;
use crate::spec::settings::{self, Resources, Unknown};

pub(in crate::spec) use task::task_names;

use shape::{Row, Shape, read_rows, row};
use task::{Data, Task};

const API: &str = "2024-01-01-preview";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let mut body = Object::default();
    body.put("jobType", "AutoML");
    let name = job::names(session, &mut fields, &mut body);
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["automl"], Case::Exact);
    }
    put_beside(&mut fields, &mut body, report);
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    let mut declared = Object::default();
    for (name, output) in &outputs {
        declared.put(*name, untyped(output).job_body());
    }
    body.put_filled("outputs", declared);
    if let Some(field) = fields.take("compute") {
        match job::compute(session, &field) {
            Some(Compute::Id(id)) => body.put("computeId", id),
            Some(Compute::Local) => field.problem(
                &mut session.report,
                "AutoML does not run on the machine that submits it; name a compute or `serverless`",
            ),
            None => {}
        }
    }
    if let Some(task) = Task::read(&mut fields, &mut session.report) {
        let mut details = Object::default();
        details.put("taskType", task.sent);
        for data in task.data {
            let table = data
                .take(&mut fields, &mut session.report)
                .and_then(|field| table(session, &field, base));
            if data.sent {
                details.put_some(python::snake_to_camel(data.yaml), table);
            }
        }
        details.append(task.settings(&mut fields, Spelling::Job, &mut session.report));
        body.put("taskDetails", details);
        fields.refuse_rest(&mut session.report);
    }
    job::submit(session, name, API, body);
}

/// Data of a job, which sends nothing but its place.
fn table(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let asset = io::read_asset(field, &["mltable"], &mut session.report)?;
    let mut body = Object::default();
    body.put("jobInputType", "mltable");
    body.put("uri", asset.uri(session, base)?);
    Some(body)
}

/// The SDK forgets the types of an AutoML job's outputs.
fn untyped(output: &Output) -> Output {
    match output {
        Output::Asset(asset) => {
            let mut asset = asset.clone();
            asset.kind = "uri_folder".into();
            Output::Asset(asset)
        }
        Output::Bare | Output::Bound(_) | Output::Path(_) => output.clone(),
    }
}

/// What a job of its own has besides its task. Resources, queue and services go to the service as YAML spells them: the SDK hands
/// over its own objects here.
fn put_beside(fields: &mut Fields<'_>, body: &mut Object, report: &mut Report) {
    body.put_some("properties", fields.read("properties", report, io::texts));
    body.put_some(
        "identity",
        fields
            .take("identity")
            .and_then(|field| settings::identity(&field, Spelling::Job, report)),
    );
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report));
    body.put_some("resources", resources.map(|resources| resources.spec()));
    for (key, row) in BESIDE {
        let found = read_rows(fields, &[row], Spelling::Step, report);
        body.put_some(key, found.into_values().next());
    }
}

/// Under which name a job sends what it spells like a step.
const BESIDE: [(&str, Row); 4] = [
    ("environmentId", row("environment_id", Shape::Text)),
    (
        "environmentVariables",
        row("environment_variables", Shape::TextMap),
    ),
    ("services", row("services", Shape::Other(raw_services))),
    ("queueSettings", row("queue_settings", Shape::Table(QUEUE))),
];

const QUEUE: &[Row] = &[
    row(
        "job_tier",
        Shape::Lower(&["spot", "basic", "standard", "premium", "null"]),
    ),
    row("priority", Shape::Lower(&["low", "medium", "high"])),
];

/// Services as YAML has them, with the type that they turn out to be of.
fn raw_services(field: &Field<'_>, _spelling: Spelling, report: &mut Report) -> Option<Value> {
    settings::services(field, Spelling::Job, report)?;
    let entries = field.entries(report)?;
    let services = entries.into_iter().filter_map(|(name, field)| {
        let Value::Object(mut service) = python::json_of(field.node) else {
            return None;
        };
        let kind = field.node.get("type").and_then(|node| node.as_text());
        let kind = kind.map_or_else(
            || {
                let is_board = service.contains_key("log_dir");
                String::from(if is_board { "tensor_board" } else { "ssh" })
            },
            str::to_lowercase,
        );
        service.remove("type");
        if ["ssh", "tensor_board", "vs_code", "jupyter_lab"].contains(&kind.as_str()) {
            service.insert("type".into(), kind.into());
        }
        Some((name.to_owned(), Value::Object(service)))
    });
    Some(Value::Object(services.collect()))
}

/// What a step of a pipeline has besides its task.
const BESIDE_IN_STEPS: &[Row] = &[
    row("display_name", Shape::Text),
    row("description", Shape::Text),
    row("experiment_name", Shape::Text),
    row("tags", Shape::TextMap),
    row("properties", Shape::TextMap),
    row("environment_id", Shape::Text),
    row("environment_variables", Shape::TextMap),
    row("identity", Shape::Other(raw_identity)),
    row("services", Shape::Other(raw_services)),
    row("queue_settings", Shape::Table(QUEUE)),
];

fn raw_identity(field: &Field<'_>, _spelling: Spelling, report: &mut Report) -> Option<Value> {
    settings::identity(field, Spelling::Job, report)?;
    let mut identity = python::json_of(field.node);
    let kind = identity["type"].as_str().map(python::camel_to_snake);
    identity["type"] = match kind.as_deref() {
        Some("managed") => "managed_identity".into(),
        kind => kind.into(),
    };
    Some(identity)
}

/// Everything of a step in a pipeline but its name, type, compute and outputs. The fields let expressions stand for values.
pub(super) fn put_step(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    body: &mut Object,
) {
    fields.read_only(&["$schema", "id", "creation_context", "status", "log_files"]);
    let report = &mut session.report;
    fields.text("name", report);
    for (key, value) in read_rows(&mut fields, BESIDE_IN_STEPS, Spelling::Step, report) {
        body.put(key, value);
    }
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report));
    body.put_some("resources", resources.map(|resources| resources.yaml()));
    let Some(task) = Task::read(&mut fields, report) else {
        return;
    };
    body.put("task", task.name);
    for data in task.data {
        let table = data
            .take(&mut fields, &mut session.report)
            .and_then(|field| step_table(session, &field, base, data));
        body.put_some(data.yaml, table);
    }
    body.append(task.settings(&mut fields, Spelling::Step, &mut session.report));
    fields.refuse_rest(&mut session.report);
}

/// Data of a step: an expression or another text as it is; a mapping as the text that Python makes of it, which is what the SDK
/// sends. It forgets to do so with data that jobs do not send, which stays a mapping.
fn step_table(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    data: &Data,
) -> Option<Draft> {
    if field.node.entries().is_none() {
        return field.text(&mut session.report).map(Draft::from);
    }
    let asset = io::read_asset(field, &["mltable"], &mut session.report)?;
    let place = match asset.binding() {
        Some(expression) => Draft::from(expression),
        None if data.sent => asset.uri(session, base)?,
        None => asset.uri(session, base)?.prefixed("azureml:"),
    };
    let rest = [("mode", &asset.mode), ("datastore", &asset.datastore)];
    if !data.sent {
        let mut body = Object::default();
        body.put("type", asset.kind.clone());
        body.put("path", place);
        for (key, value) in rest {
            body.put_some(key, value.clone());
        }
        return Some(body.into());
    }
    let mut end = String::new();
    for (key, value) in rest {
        if let Some(value) = value {
            end += &format!(", '{key}': {}", python::quoted(value));
        }
    }
    let start = format!("{{'type': {}, 'path': ", python::quoted(&asset.kind));
    Some(
        place
            .quoted(python::quoted)
            .enclosed(&start, &format!("{end}}}")),
    )
}
