//! Batch deployments of models, in the present form with `settings` and in the former one without. Those of pipelines are in
//! `pipeline`.

use std::path::Path;

use super::{Names, Serving, pipeline};
use crate::spec::draft::{Draft, Object};
use crate::spec::duration::duration_of;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::Spelling;
use crate::spec::problem::Report;
use crate::spec::reference::compute_id;
use crate::spec::session::{Session, absolute};
use crate::spec::settings::{self, Resources, Unknown};

const API: &str = "2024-01-01-preview";

/// The three forms that the SDK has schemas for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Former,
    Model,
    Pipeline,
}

/// The word under `type` counts if it is spelled as the SDK spells it, else what the `$schema` is called.
fn form(whole: &Field<'_>) -> Form {
    let text = |name: &str| whole.node.get(name).and_then(|node| node.as_text());
    let schema = text("$schema").and_then(|schema| schema.rsplit('/').next());
    let schema = schema.unwrap_or_default();
    match text("type") {
        Some(kind) if kind.eq_ignore_ascii_case("pipeline") => Form::Pipeline,
        Some("model") => Form::Model,
        Some(_) => Form::Former,
        None if schema.starts_with("pipeline") => Form::Pipeline,
        None if schema.starts_with("model") => Form::Model,
        None if whole.node.get("component").is_some()
            || whole.node.get("job_definition").is_some() =>
        {
            Form::Pipeline
        }
        None => Form::Former,
    }
}

pub(in crate::spec::kind) fn translate(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) {
    let form = form(fields.at());
    let report = &mut session.report;
    let _checked = fields.choice("type", report, &["model", "pipeline"], Case::Lower);
    let names = Names::batch(&mut fields, report);
    match form {
        Form::Pipeline => pipeline::translate(session, fields, names, base),
        Form::Former | Form::Model => model(session, fields, names, form, base),
    }
}

fn model(session: &mut Session<'_>, mut fields: Fields<'_>, names: Names, form: Form, base: &Path) {
    fields.read_only(&["provisioning_state"]);
    let script = fields.at().node.get("code_configuration").cloned();
    let serving = Serving::read(session, &mut fields, base);
    if let Some(node) = &script {
        check_script(session, &Field::at_path(node, "code_configuration"), base);
    }
    let compute = match form {
        Form::Model => fields.required("compute", &mut session.report),
        Form::Former | Form::Pipeline => fields.take("compute"),
    };
    let compute = compute.and_then(|field| {
        let text = field.text(&mut session.report)?;
        Some(compute_id(session, &field, &text))
    });
    let report = &mut session.report;
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report))
        .map(|resources| resources.body(Spelling::Job));
    let mut properties = Object::default();
    let own = match (form, fields.take("settings")) {
        (Form::Model, Some(field)) => {
            // With settings of its own a deployment's other ones have no effect.
            let _checked = fields.integer("error_threshold", report);
            read_settings(&field, resources.is_some(), report).unwrap_or_default()
        }
        (Form::Model, None) => Settings {
            threshold: fields.integer("error_threshold", report).map(Draft::from),
            variables: serving.variables.clone().map(Draft::from),
            ..Settings::default()
        },
        (Form::Former | Form::Pipeline, written) => {
            if let Some(field) = written {
                let message = "`settings` need `type: model`; without it each of them is a field of the deployment itself";
                field.problem(report, message);
            }
            let mut own = Settings::read(&mut fields, report);
            own.variables = serving.variables.clone().map(Draft::from);
            own
        }
    };
    fields.refuse_rest(report);
    properties.put_some("description", serving.description);
    properties.put_some("properties", serving.properties);
    properties.put_some("compute", compute);
    properties.put_some("model", serving.model.map(asset));
    properties.put_some("codeConfiguration", serving.code);
    properties.put_some("environmentId", serving.environment);
    properties.put_some("resources", resources.or_else(|| own.instances()));
    own.write(&mut properties);
    names.put(session, API, serving.resource, properties);
}

/// `{"referenceType": "Id", "assetId": ..}`
pub(super) fn asset(id: Draft) -> Object {
    let mut body = Object::default();
    body.put("referenceType", "Id");
    body.put("assetId", id);
    body
}

/// A missing script would be found out hours later, when the first batch runs.
fn check_script(session: &mut Session<'_>, field: &Field<'_>, base: &Path) {
    let text = |name: &str| field.node.get(name).and_then(|node| node.as_text());
    let (Some(code), Some(script)) = (text("code"), text("scoring_script")) else {
        return;
    };
    if session.exists(base, code) && !session.exists(&absolute(base, code), script) {
        let message = format!("the code `{code}` has no file `{script}`");
        if let Some(node) = field.node.get("scoring_script") {
            Field::at_path(node, "code_configuration.scoring_script")
                .problem(&mut session.report, message);
        }
    }
}

/// How a batch is cut up and carried out.
#[derive(Default)]
struct Settings {
    threshold: Option<Draft>,
    retries: Option<Object>,
    /// Names of the REST API and values.
    plain: Vec<(&'static str, Draft)>,
    variables: Option<Draft>,
    count: Option<Draft>,
}

fn read_settings(field: &Field<'_>, has_resources: bool, report: &mut Report) -> Option<Settings> {
    let mut fields = field.fields(report)?;
    if fields.at().node.get("mini_batch_size").is_none() {
        fields.missing("mini_batch_size", report);
    }
    let mut own = Settings::read(&mut fields, report);
    let variables = fields.read(
        "environment_variables",
        report,
        settings::environment_variables,
    );
    own.variables = variables.map(|variables| Draft::from(serde_json::Value::Object(variables)));
    if let Some(count) = fields.take("instance_count") {
        if has_resources {
            let message =
                "the number of instances is `resources.instance_count` where there are `resources`";
            count.problem(report, message);
        }
        own.count = count.integer(report).map(Draft::from);
    }
    fields.refuse_rest(report);
    Some(own)
}

impl Settings {
    fn read(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let mut own = Self {
            threshold: fields.integer("error_threshold", report).map(Draft::from),
            retries: fields.read("retry_settings", report, retries),
            ..Self::default()
        };
        for (yaml, rest) in [
            ("mini_batch_size", "miniBatchSize"),
            ("max_concurrency_per_instance", "maxConcurrencyPerInstance"),
        ] {
            let number = fields.integer(yaml, report);
            own.plain
                .extend(number.map(|number| (rest, Draft::from(number))));
        }
        let level = fields.text("logging_level", report);
        own.plain
            .extend(level.map(|level| ("loggingLevel", Draft::from(level))));
        let action = fields.choice(
            "output_action",
            report,
            &["append_row", "summary_only"],
            Case::Lower,
        );
        let file = fields.take("output_file_name");
        if let (Some("summary_only"), Some(file)) = (action.as_deref(), &file) {
            file.problem(
                report,
                "a summary has no file of its own: leave out this or `output_action`",
            );
        }
        let action = action.map(|action| match action.as_str() {
            "summary_only" => "SummaryOnly",
            _ => "AppendRow",
        });
        own.plain
            .extend(action.map(|action| ("outputAction", Draft::from(action))));
        let file = file.and_then(|field| field.text(report));
        own.plain
            .extend(file.map(|file| ("outputFileName", Draft::from(file))));
        own
    }

    fn instances(&self) -> Option<Object> {
        let count = self.count.clone()?;
        let mut body = Object::default();
        body.put("instanceCount", count);
        Some(body)
    }

    fn write(self, properties: &mut Object) {
        properties.put_some("errorThreshold", self.threshold);
        properties.put_some("retrySettings", self.retries);
        for (name, value) in self.plain {
            properties.put(name, value);
        }
        properties.put_some("environmentVariables", self.variables);
    }
}

fn retries(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    body.put_some("maxRetries", fields.integer("max_retries", report));
    let timeout = fields.integer("timeout", report);
    body.put_some("timeout", timeout.and_then(|value| duration_of(&value)));
    fields.refuse_rest(report);
    Some(body)
}
