//! `type: spark`: a Spark program as a job of its own, on an attached or a serverless pool.

use std::path::Path;

use super::command::{check_used_inputs, put_inputs, put_outputs};
use crate::spec::code;
use crate::spec::draft::{Draft, Object};
use crate::spec::environment;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Output, Spelling, Texts};
use crate::spec::job::{self, Compute};
use crate::spec::problem::Report;
use crate::spec::reference;
use crate::spec::session::Session;
use crate::spec::settings;
use crate::spec::spark::{self, Conf, Entry, FILES};

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
        check_used_inputs(&field, &args, &inputs, report);
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

/// Spark reads and writes storage itself.
fn check_modes(
    job: &Field<'_>,
    inputs: &[(&str, Input<'_>)],
    outputs: &[(&str, Output)],
    report: &mut Report,
) {
    let mut check = |direction: &str, name: &str, mode: Option<&str>| {
        if mode == Some("direct") {
            return;
        }
        let node = job.node.get(direction).and_then(|all| all.get(name));
        report.add(
            node.unwrap_or(job.node),
            &format!("{direction}.{name}"),
            "the data of a Spark job needs `mode: direct`",
        );
    };
    for (name, input) in inputs {
        match input {
            Input::Asset(asset) if asset.binding().is_none() => {
                check("inputs", name, asset.mode.as_deref());
            }
            Input::Asset(_) | Input::Literal { .. } => {}
        }
    }
    for (name, output) in outputs {
        match output {
            Output::Asset(asset) if *name != "default" => {
                check("outputs", name, asset.mode.as_deref());
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
    if let (Some(field), Some(entry), Some(code)) = (&field, &entry, &code) {
        check_entry(session, field, entry, code, base);
    }
    body.put_some("entry", entry.map(|entry| entry.body(Spelling::Job)));
    if let Some(field) = fields.take("environment")
        && !field.node.is_null()
    {
        let id = environment::resolve_for_spark(session, &field, base);
        body.put_some("environmentId", id);
    }
}

/// The entry must be there, where the code is at hand.
fn check_entry(
    session: &mut Session<'_>,
    field: &Field<'_>,
    entry: &Entry,
    code: &Field<'_>,
    base: &Path,
) {
    let Some(folder) = code.node.as_text() else {
        return;
    };
    let is_local = session.exists(base, folder) && !reference::is_url(folder);
    if is_local && !session.exists(base, &format!("{folder}/{}", entry.file)) {
        let message = format!("the code `{folder}` has no file `{}`", entry.file);
        field.problem(&mut session.report, message);
    }
}

/// Where the job runs, and as whom: the SDK has an identity of its own for either place.
fn put_machine(session: &mut Session<'_>, fields: &mut Fields<'_>, body: &mut Object) {
    let compute = fields.take("compute");
    let machine = fields.take("resources");
    let report = &mut session.report;
    match (&compute, &machine) {
        (None, None) => fields.at().problem(
            report,
            "a Spark job needs a `compute`, or `resources` to run serverless",
        ),
        (Some(_), Some(machine)) => machine.problem(
            report,
            "a Spark job has a `compute` or `resources`, not both",
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let identity = fields.take("identity").map_or_else(
        || {
            let usual = if compute.is_some() {
                "Managed"
            } else {
                "UserIdentity"
            };
            let mut body = Object::default();
            body.put("identityType", usual);
            Some(body)
        },
        |field| settings::identity(&field, Spelling::Job, report),
    );
    body.put_some("identity", identity);
    if let Some(field) = machine {
        body.put_some("resources", spark::resources(&field, Spelling::Job, report));
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
