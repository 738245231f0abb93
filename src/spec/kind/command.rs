//! `type: command`: one command on one compute.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::spec::binding::pattern;
use crate::spec::code;
use crate::spec::draft::Object;
use crate::spec::environment;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, Input, Keys, Output, Spelling, Texts};
use crate::spec::job::{self, Compute};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings::{self, Distribution, Resources, Unknown};

const API: &str = "2025-01-01-preview";
/// Jobs that run on the submitter's machine are told so.
const LOCAL_RUNTIME: &str = "AZUREML_COMPUTE_USE_COMMON_RUNTIME";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let mut body = Object::default();
    body.put("jobType", "Command");
    let name = job::common(session, &mut fields, &mut body);
    fields.read_only(&["parameters"]);
    let report = &mut session.report;
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["command"], Case::Lower);
    }
    body.put_some("parentJobName", fields.text("parent_job_name", report));
    let limits = fields
        .take("limits")
        .and_then(|field| settings::limits(&field, Spelling::Job, report));
    body.put_some("limits", limits);
    let queue = fields
        .take("queue_settings")
        .and_then(|field| settings::queue(&field, Spelling::Job, report));
    body.put_some("queueSettings", queue);
    let distribution = fields
        .take("distribution")
        .and_then(|field| Distribution::read(&field, Unknown::Refused, report));
    body.put_some(
        "distribution",
        distribution.map(|distribution| distribution.body(Spelling::Job)),
    );
    let mut resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report));
    let mut variables = fields.read(
        "environment_variables",
        report,
        settings::environment_variables,
    );
    let inputs = fields
        .take("inputs")
        .map(|field| io::read_inputs(&field, Some(Keys::Plain), report))
        .unwrap_or_default();
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Refused, Some(Keys::Plain), report))
        .unwrap_or_default();
    let command = fields.required("command", report);
    body.put_some(
        "command",
        command.and_then(|field| checked_command(&field, &inputs, report)),
    );
    if let Some(field) = fields.take("code") {
        body.put_some("codeId", code::of_job(session, &field, base));
    }
    if let Some(field) = fields.required("environment", &mut session.report) {
        body.put_some("environmentId", environment::resolve(session, &field, base));
    }
    match fields
        .take("compute")
        .and_then(|field| job::compute(session, &field))
    {
        Some(Compute::Id(id)) => body.put("computeId", id),
        Some(Compute::Local) => {
            resources.get_or_insert_default().mark_local();
            variables
                .get_or_insert_with(Map::new)
                .insert(LOCAL_RUNTIME.into(), Value::String("true".into()));
        }
        None => {}
    }
    body.put_some(
        "resources",
        resources.map(|resources| resources.body(Spelling::Job)),
    );
    body.put_some("environmentVariables", variables.map(Value::Object));
    put_inputs(session, &inputs, base, &mut body);
    put_outputs(&outputs, &mut body);
    fields.refuse_rest(&mut session.report);
    job::submit(session, name, API, body);
}

/// The `inputs` of a job's body.
pub(super) fn put_inputs(
    session: &mut Session<'_>,
    inputs: &[(&str, Input<'_>)],
    base: &Path,
    body: &mut Object,
) {
    let mut given = Object::default();
    for (name, input) in inputs {
        let value = match input {
            Input::Literal { node, .. } => Some(io::literal(node, Spelling::Job)),
            Input::Asset(asset) => asset.body(session, base, Spelling::Job),
        };
        given.put_some(*name, value);
    }
    body.put_filled("inputs", given);
}

/// The `outputs` of a job's body.
pub(super) fn put_outputs(outputs: &[(&str, Output)], body: &mut Object) {
    let mut declared = Object::default();
    for (name, output) in outputs {
        declared.put(*name, output.job_body());
    }
    body.put_filled("outputs", declared);
}

static USED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{\{inputs\.([\w.-]+)}}"));
static OPTIONAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\[[\w.\s-]*\$\{\{inputs\.([\w.-]+)}}]"));
static SINGLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\{(inputs|outputs|search_space)\.([^}]*)\}"));

/// The command, which may use no input that is not there.
pub(super) fn checked_command(
    field: &Field<'_>,
    inputs: &[(&str, Input<'_>)],
    report: &mut Report,
) -> Option<String> {
    let text = field.text(report)?;
    check_used_inputs(field, &text, &names(inputs), report);
    Some(double_braces(&text))
}

/// What inputs are called.
pub(super) fn names<'n>(inputs: &[(&'n str, Input<'_>)]) -> Vec<&'n str> {
    inputs.iter().map(|(name, _)| *name).collect()
}

/// Says which inputs a command or its arguments use that are not there.
pub(super) fn check_used_inputs(
    field: &Field<'_>,
    text: &str,
    inputs: &[&str],
    report: &mut Report,
) {
    let names = |regex: &Regex| -> Vec<String> {
        regex
            .captures_iter(text)
            .map(|found| found[1].to_owned())
            .collect()
    };
    let optional = names(&OPTIONAL);
    for name in names(&USED) {
        if !optional.contains(&name) && !inputs.contains(&name.as_str()) {
            let hint = crate::spec::problem::nearest(&name, inputs.iter().copied());
            field.problem(
                report,
                format!("the input `{name}` is used here, which `inputs` does not have{hint}"),
            );
        }
    }
}

/// `{inputs.x}`, the form of early previews, is still understood.
fn double_braces(text: &str) -> String {
    SINGLE
        .replace_all(text, |found: &regex::Captures<'_>| {
            let (start, end) = found
                .get(0)
                .map_or((0, 0), |whole| (whole.start(), whole.end()));
            if text[..start].ends_with('{') || text[end..].starts_with('}') {
                found[0].to_owned()
            } else {
                format!("${{{{{}.{}}}}}", &found[1], &found[2])
            }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_braces_become_double_ones() {
        assert_eq!(
            double_braces("a {inputs.x} ${{inputs.y}} {other.z}"),
            "a ${{inputs.x}} ${{inputs.y}} {other.z}"
        );
    }
}
