//! `type: parallel`: one task on many batches of the input at once, written in the step or in a component.

use serde_json::Value;

use super::settings::{Names, raw};
use super::{Planning, Step, StepSource, Written, ports, put_unknown};
use crate::spec::component::Component;
use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::io::{self, Spelling};
use crate::spec::parallel::{self, Parallel};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings::{self, Resources, Unknown};

/// Fields of `resources` that a step with a component may have beside it, too; they win.
const BESIDE: [&str; 4] = ["instance_count", "instance_type", "docker_args", "shm_size"];

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    ports::read_step(session, written, "component", "parallel")
}

/// The step as it stands in the pipeline's body; its component is planned before.
pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let report = &mut planning.session.report;
    let mut fields = step.field.clone().with_bindings().fields(report)?;
    fields.without_effect(&["type", "component", "inputs", "outputs"]);
    let mut body = step.body();
    let names = Names::read(&mut fields, &step.source, report);
    body.put_some("properties", fields.read("properties", report, io::texts));
    let variables = fields.read("environment_variables", report, variables);
    body.put_some("environment_variables", variables);
    let mut resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report));
    let mut said = Parallel::read(&mut fields, report);
    planning.put_compute(step, &mut fields, &mut body);
    let task = fields.take("task");
    let component = match &step.source {
        // The names of an inline step do not reach the service.
        StepSource::Inline => {
            let said = said.without_bindings();
            let bound = resources.as_ref().is_some_and(Resources::has_binding);
            let own = resources.clone().filter(|_| !bound);
            Some(inline(planning, step, fields, task.as_ref(), said, own)?)
        }
        StepSource::Local(component) => {
            if let Some(task) = task {
                let message = "the component has a task already, which a step cannot replace";
                task.problem(&mut planning.session.report, message);
            }
            names.put(&mut body);
            let mut component = (**component).clone();
            let usual = component.defaults.resources.clone();
            let beside = put_rest(planning.session, fields, &mut body);
            if !beside.is_empty() {
                let merged = resources.or(usual).unwrap_or_default().with(&beside);
                component.replace_resources(merged.clone());
                resources = Some(merged);
            }
            Some(component)
        }
        StepSource::Registered(id) => {
            let task = task.and_then(|field| parallel::task_as_written(planning.session, &field));
            said.task = task;
            names.put(&mut body);
            let beside = put_rest(planning.session, fields, &mut body);
            if !beside.is_empty() {
                resources = Some(resources.unwrap_or_default().with(&beside));
            }
            body.put("componentId", id.clone());
            None
        }
    };
    if let Some(component) = &component {
        resources = resources.or_else(|| component.defaults.resources.clone());
        said = said.over(&component.defaults.parallel.clone().unwrap_or_default());
        body.put("componentId", component.id(planning.session, step.origin));
    }
    said.put(&mut body);
    let resources = resources.unwrap_or_default();
    body.put_filled("resources", resources.body(Spelling::Step));
    ports::put_inputs(planning, step, component.as_ref(), &mut body);
    ports::put_outputs(step, component.as_ref(), &mut body);
    body.put("_source", step.origin);
    Some(body)
}

/// What only a step with a component may say; returns what belongs into its resources.
fn put_rest<'n>(
    session: &mut Session<'_>,
    mut fields: Fields<'n>,
    body: &mut Object,
) -> Vec<(&'static str, Value)> {
    let report = &mut session.report;
    let identity = fields.take("identity");
    body.put_some(
        "identity",
        identity.and_then(|field| settings::identity(&field, Spelling::Step, report)),
    );
    let mut beside = Vec::new();
    for name in BESIDE {
        let value = fields.take(name).and_then(|field| raw(&field));
        beside.extend(value.map(|value| (name, value)));
    }
    fields.without_effect(&["name", "services"]);
    put_unknown(fields, body);
    beside
}

/// The component that an inline step stands for.
fn inline(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    mut fields: Fields<'_>,
    task: Option<&Field<'_>>,
    mut said: Parallel,
    resources: Option<Resources>,
) -> Option<Component> {
    let before = planning.session.report.count();
    fields.without_effect(&[
        "name",
        "description",
        "experiment_name",
        "services",
        "base_path",
        "status",
        "id",
        "$schema",
        "creation_context",
        "log_files",
    ]);
    let report = &mut planning.session.report;
    let (inputs, outputs) = ports::declared_by(planning.graph, step, report);
    fields.refuse_rest(report);
    let mut component = Component::of_step("parallel", None, None, inputs, outputs);
    let (session, base) = (&mut *planning.session, planning.base);
    said.task = task.and_then(|field| parallel::task(session, field, base));
    component.run_in_parallel(said, resources);
    (session.report.count() == before).then_some(component)
}

/// Names to texts.
fn variables(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?.into_iter();
    let texts = entries.filter_map(|(name, field)| {
        let text = field.text(report)?;
        Some((name.to_owned(), text.into()))
    });
    Some(Value::Object(texts.collect()))
}
