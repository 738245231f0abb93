//! `type: spark`: a Spark program as a job of its own, on an attached or a serverless pool.

use std::path::Path;

use super::command::{check_used_inputs, names, put_inputs, put_outputs};
use crate::spec::code;
use crate::spec::draft::{Draft, Object};
use crate::spec::environment;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Output, Spelling, Texts};
use crate::spec::job::{self, Compute};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings;
use crate::spec::spark::{self, Conf, Entry, FILES, Word};

const API: &str = "2023-04-01-preview";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let mut body = Object::default();
    body.put("jobType", "Spark");
    let name = job::names(session, &mut fields, &mut body);
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["spark"], Case::Lower);
    }
    // Neither reaches the service; what is wrong with them is said all the same.
    job::services(&mut fields, report);
    if let Some(field) = fields.take("properties") {
        field.entries(report);
    }
    for (yaml, rest) in FILES {
        body.put_some(rest, spark::file_list(&mut fields, yaml, report));
    }
    let inputs = fields
        .take("inputs")
        .map(|field| io::read_inputs(&field, Some(Keys::Plain), report))
        .unwrap_or_default();
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    check_modes(fields.at(), &inputs, &outputs, report);
    if let Some(field) = fields.take("args")
        && let Some(args) = field.text(report)
    {
        check_used_inputs(&field, &args, &names(&inputs), report);
        body.put("args", args);
    }
    let conf_field = fields.take("conf");
    let read = conf_field.as_ref().map(|field| Conf::read(field, report));
    if let Some(conf) = read.unwrap_or_else(|| Some(Conf::default())) {
        conf.check(conf_field.as_ref().unwrap_or(fields.at()), report);
        body.put("conf", conf.job_body());
    }
    put_program(session, &mut fields, base, &mut body);
    put_machine(session, &mut fields, &mut body);
    put_inputs(session, &inputs, base, &mut body);
    put_outputs(&outputs, &mut body);
    fields.refuse_rest(&mut session.report);
    job::submit(session, name, API, body);
}

fn check_modes(
    job: &Field<'_>,
    inputs: &[(&str, Input<'_>)],
    outputs: &[(&str, Output)],
    report: &mut Report,
) {
    for (name, input) in inputs {
        match input {
            Input::Asset(asset) if asset.binding().is_none() => {
                spark::check_mode(job, "inputs", name, asset.mode.as_deref(), report);
            }
            Input::Asset(_) | Input::Literal { .. } => {}
        }
    }
    for (name, output) in outputs {
        match output {
            Output::Asset(asset) if *name != "default" => {
                spark::check_mode(job, "outputs", name, asset.mode.as_deref(), report);
            }
            Output::Asset(_) | Output::Bare | Output::Bound(_) | Output::Path(_) => {}
        }
    }
}

/// Code, entry and environment.
fn put_program(session: &mut Session<'_>, fields: &mut Fields<'_>, base: &Path, body: &mut Object) {
    let code = fields.take("code");
    let field = fields.required("entry", &mut session.report);
    let entry = field
        .as_ref()
        .and_then(|field| Entry::read(field, &mut session.report));
    if let Some(code) = &code {
        body.put_some("codeId", code::of_job(session, code, base));
    }
    if let (Some(field), Some(entry)) = (&field, &entry) {
        entry.refuse_class(field, &mut session.report);
        if let Some(message) = spark::missing_entry(session, entry, code.as_ref(), base) {
            field.problem(&mut session.report, message);
        }
    }
    body.put_some("entry", entry.map(|entry| entry.body(Spelling::Job)));
    if let Some(field) = fields.take("environment")
        && !field.node.is_null()
    {
        let id = environment::resolve_for_spark(session, &field, base);
        body.put_some("environmentId", id);
    }
}

/// Where the job runs, and as whom: the SDK has an identity of its own for either place.
fn put_machine(session: &mut Session<'_>, fields: &mut Fields<'_>, body: &mut Object) {
    let compute = fields.take("compute");
    let machine = fields.take("resources");
    let report = &mut session.report;
    spark::check_machine(fields.at(), compute.as_ref(), machine.as_ref(), report);
    let identity = match fields.take("identity") {
        Some(field) => settings::identity(&field, Spelling::Job, report),
        None => Some(spark::usual_identity(compute.is_some(), Spelling::Job)),
    };
    body.put_some("identity", identity);
    if let Some(field) = machine {
        let resources = spark::resources(&field, Spelling::Job, Word::AsWritten, report);
        body.put_some("resources", resources);
    }
    if let Some(field) = compute {
        let id = match job::compute(session, &field) {
            Some(Compute::Id(id)) => Some(id),
            Some(Compute::Local) => Some(Draft::from("local")),
            None => None,
        };
        body.put_some("computeId", id);
    }
}
