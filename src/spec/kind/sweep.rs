//! `type: sweep`: one command many times, with other parameters each time. The trial is written in the job itself; the SDK takes
//! neither a file nor a component for it here.

use std::path::Path;

use serde_json::Value;

use super::command::{checked_command, put_inputs, put_outputs};
use crate::spec::code;
use crate::spec::draft::Object;
use crate::spec::environment;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Spelling, Texts};
use crate::spec::job::{self, Compute};
use crate::spec::session::Session;
use crate::spec::settings::{self, Distribution, Resources, Unknown};
use crate::spec::sweep;

const API: &str = "2024-01-01-preview";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let mut body = Object::default();
    body.put("jobType", "Sweep");
    let name = job::names(session, &mut fields, &mut body);
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["sweep"], Case::Lower);
    }
    // A sweep has no services of its own; what is wrong with them is said all the same.
    job::services(&mut fields, report);
    body.put_some("properties", fields.read("properties", report, io::texts));
    body.put_some(
        "identity",
        fields
            .take("identity")
            .and_then(|field| settings::identity(&field, Spelling::Job, report)),
    );
    body.put_some(
        "queueSettings",
        fields
            .take("queue_settings")
            .and_then(|field| settings::queue(&field, Spelling::Job, report)),
    );
    sweep::put(&mut fields, Spelling::Job, &mut body, report);
    let inputs = fields
        .take("inputs")
        .map(|field| io::read_inputs(&field, Some(Keys::Plain), report))
        .unwrap_or_default();
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    let mut resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report))
        .map(|resources| resources.body(Spelling::Job))
        .filter(|resources| !resources.is_empty());
    if let Some(field) = fields.required("trial", report)
        && let Some((trial, own)) = trial(session, &field, &inputs, base)
    {
        resources = resources.or(own);
        body.put("trial", trial);
    }
    body.put_some("resources", resources);
    if let Some(field) = fields.take("compute") {
        match job::compute(session, &field) {
            Some(Compute::Id(id)) => body.put("computeId", id),
            Some(Compute::Local) => field.problem(
                &mut session.report,
                "a sweep does not run on the machine that submits it; name a compute or `serverless`",
            ),
            None => {}
        }
    }
    put_inputs(session, &inputs, base, &mut body);
    put_outputs(&outputs, &mut body);
    fields.refuse_rest(&mut session.report);
    job::submit(session, name, API, body);
}

/// What each trial runs, and its resources, which the sweep has if it says none itself.
fn trial(
    session: &mut Session<'_>,
    field: &Field<'_>,
    inputs: &[(&str, Input<'_>)],
    base: &Path,
) -> Option<(Object, Option<Object>)> {
    let mut fields = field.fields(&mut session.report)?;
    fields.read_only(&["$schema"]);
    let report = &mut session.report;
    let mut body = Object::default();
    let command = fields.required("command", report);
    body.put_some(
        "command",
        command.and_then(|field| checked_command(&field, inputs, report)),
    );
    let variables = fields.read(
        "environment_variables",
        report,
        settings::environment_variables,
    );
    body.put_some("environmentVariables", variables.map(Value::Object));
    let distribution = fields
        .take("distribution")
        .and_then(|field| Distribution::read(&field, Unknown::Refused, report));
    body.put_some(
        "distribution",
        distribution.map(|distribution| distribution.body(Spelling::Job)),
    );
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report))
        .map(|resources| resources.body(Spelling::Job));
    body.put_some("resources", resources.clone());
    // The queue of the sweep counts, not the one of its trial.
    if let Some(queue) = fields.take("queue_settings") {
        settings::queue(&queue, Spelling::Job, report);
    }
    if let Some(code) = fields.take("code") {
        body.put_some("codeId", code::of_job(session, &code, base));
    }
    if let Some(environment) = fields.required("environment", &mut session.report) {
        let id = environment::resolve(session, &environment, base);
        body.put_some("environmentId", id);
    }
    fields.refuse_rest(&mut session.report);
    Some((body, resources))
}
