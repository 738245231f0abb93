//! `type: command`: a step that runs one command, of its own or of a command component.

use std::path::Path;

use crate::spec::component::{Component, Inline};
use crate::spec::draft::Object;
use crate::spec::environment;
use crate::spec::fields::Fields;
use crate::spec::session::Session;

use super::ports;
use super::settings::Settings;
use super::{Planning, Step, StepSource, Written, put_unknown};

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    ports::read_step(session, written, "component", "command")
}

/// The step as it stands in the pipeline's body; its component is planned before.
pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let mut fields = step.rest(planning.session)?;
    let mut body = step.body();
    let mut settings = Settings::read(&mut fields, &step.source, &mut planning.session.report);
    planning.put_compute(step, &mut fields, &mut body);
    let component = match &step.source {
        StepSource::Inline => Some(Box::new(inline(planning, step, fields, &settings)?)),
        StepSource::Local(component) => {
            put_rest(planning.session, fields, planning.base, &mut body);
            let mut component = component.clone();
            settings.spread(Some(&mut *component));
            Some(component)
        }
        StepSource::Registered(id) => {
            put_rest(planning.session, fields, planning.base, &mut body);
            settings.spread(None);
            body.put("componentId", id.clone());
            None
        }
    };
    let component = component.as_deref();
    settings.put(component, &mut body);
    ports::put_inputs(planning, step, component, &mut body);
    ports::put_outputs(step, component, &mut body);
    if let Some(component) = component {
        body.put("componentId", component.id(planning.session, step.origin));
    }
    body.put("_source", step.origin);
    Some(body)
}

/// A step with a component lets through what no schema names; the component's own fields have no effect here, but some are checked.
fn put_rest(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path, body: &mut Object) {
    fields.text("command", &mut session.report);
    fields.text("name", &mut session.report);
    if let Some(code) = fields.take("code").filter(|field| !field.node.is_null()) {
        code.text(&mut session.report);
    }
    if let Some(environment) = fields.take("environment") {
        environment::check(session, &environment, base);
    }
    put_unknown(fields, body);
}

/// The component that an inline step stands for.
fn inline(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    mut fields: Fields<'_>,
    settings: &Settings,
) -> Option<Component> {
    let before = planning.session.report.count();
    fields.read_only(&[
        "$schema",
        "id",
        "creation_context",
        "status",
        "log_files",
        "parameters",
    ]);
    let report = &mut planning.session.report;
    for name in ["name", "experiment_name", "parent_job_name"] {
        fields.text(name, report);
    }
    let (inputs, outputs) = ports::declared_by(planning.graph, step, report);
    let description = fields.text("description", report);
    let command = fields.required("command", report);
    let code = fields.take("code");
    let environment = fields.required("environment", report);
    fields.refuse_rest(report);
    let (session, base) = (&mut *planning.session, planning.base);
    let environment = environment.and_then(|field| environment::resolve(session, &field, base));
    let component = Inline {
        description,
        tags: settings.names.tags.clone(),
        inputs,
        outputs,
        resources: settings.resources.clone(),
        distribution: settings.distribution.clone(),
        environment,
        code: code.as_ref(),
        command: command.as_ref(),
    }
    .into_component(session, base);
    (session.report.count() == before).then_some(component)
}
