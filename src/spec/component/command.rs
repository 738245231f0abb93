//! `type: command`: a command component, from its document or as what an inline step stands for.

use std::path::Path;

use serde_json::Value;

use super::{Component, NOT_SENT, Port, port};
use crate::spec::binding;
use crate::spec::code;
use crate::spec::draft::Draft;
use crate::spec::environment;
use crate::spec::fields::{Field, Fields};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings::{Distribution, Resources, Unknown};

/// What else than inputs and outputs a command may name: the SDK lets through what its component object has.
const PROPERTIES: [&str; 14] = [
    "inputs",
    "outputs",
    "name",
    "version",
    "type",
    "display_name",
    "description",
    "tags",
    "properties",
    "command",
    "code",
    "environment",
    "resources",
    "distribution",
];

/// The fields of a command component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    component: &mut Component,
) {
    fields.without_effect(&["environment_variables"]);
    component.read_common(&mut fields, Some(true), &mut session.report);
    component.read_ports(&mut fields, &mut session.report);
    let report = &mut session.report;
    component.read_properties(&mut fields, true, report);
    if let Some(queue) = fields.take("queue_settings") {
        queue.problem(report, NOT_SENT);
    }
    component.defaults.resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Dropped, report));
    component.defaults.distribution = fields
        .take("distribution")
        .and_then(|field| Distribution::read(&field, Unknown::Dropped, report));
    let command = fields.required("command", report);
    let includes = fields.take("additional_includes");
    let code = fields.take("code");
    if let Some(environment) = fields.required("environment", report) {
        let id = environment::resolve(session, &environment, base);
        let id = id.map(|id| id.prefixed("azureml:"));
        component.spec.put_some("environment", id);
    }
    let spec = &mut component.spec;
    code::of_component(session, code.as_ref(), includes.as_ref(), base, spec);
    finish(component, command.as_ref(), &mut session.report);
    component.put_rest(fields);
}

/// An inline step of a pipeline as the component it stands for.
pub(in crate::spec) struct Inline<'f, 'n> {
    pub(in crate::spec) description: Option<String>,
    pub(in crate::spec) tags: Option<Value>,
    pub(in crate::spec) inputs: Vec<(&'n str, Value, Port)>,
    pub(in crate::spec) outputs: Vec<(&'n str, Value, Port)>,
    pub(in crate::spec) resources: Option<Resources>,
    pub(in crate::spec) distribution: Option<Distribution>,
    pub(in crate::spec) environment: Option<Draft>,
    pub(in crate::spec) code: Option<&'f Field<'n>>,
    pub(in crate::spec) command: Option<&'f Field<'n>>,
}

impl Inline<'_, '_> {
    pub(in crate::spec) fn into_component(
        self,
        session: &mut Session<'_>,
        base: &Path,
    ) -> Component {
        let Self {
            description,
            tags,
            inputs,
            outputs,
            ..
        } = self;
        let mut component = Component::of_step("command", description, tags, inputs, outputs);
        component.defaults.resources = self.resources;
        component.defaults.distribution = self.distribution;
        let spec = &mut component.spec;
        spec.put_some(
            "environment",
            self.environment.map(|id| id.prefixed("azureml:")),
        );
        code::of_component(session, self.code, None, base, spec);
        finish(&mut component, self.command, &mut session.report);
        component
    }
}

/// What comes last in the specification, and whether the command names only what is declared.
fn finish(component: &mut Component, command: Option<&Field<'_>>, report: &mut Report) {
    if let Some(resources) = &component.defaults.resources {
        component.spec.put_filled("resources", resources.spec());
    }
    if let Some(distribution) = &component.defaults.distribution {
        component.spec.put("distribution", distribution.spec());
    }
    let Some((field, text)) = command.and_then(|field| Some((field, field.text(report)?))) else {
        return;
    };
    for target in binding::targets(&text) {
        let known = match target.split_once('.') {
            Some(("inputs", name)) => port::knows_input(&component.inputs, name),
            Some(("outputs", name)) => port::knows_output(&component.outputs, name),
            Some(_) => false,
            None => PROPERTIES.contains(&target),
        };
        if !known {
            field.problem(
                report,
                format!("the command refers to `{target}`, which is not declared"),
            );
        }
    }
    component.spec.put("command", text);
}
