//! `type: sweep`: a command component many times, with other values for some of its inputs each time.

use super::settings::Names;
use super::{Planning, Step, StepSource, Written, ports, put_unknown};
use crate::spec::draft::Object;
use crate::spec::fields::Field;
use crate::spec::io::{self, Spelling};
use crate::spec::reference::REGISTRY;
use crate::spec::session::Session;
use crate::spec::settings::{self, Resources, Unknown};
use crate::spec::sweep;

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    let place = &written.field;
    let path = format!("{}.trial", place.path);
    let Some(trial) = place.node.get("trial") else {
        let message = "this field is required: the component that the sweep tries";
        session.report.add(place.node, &path, message);
        return None;
    };
    let is_registry = |text: &str| text.starts_with(REGISTRY);
    if trial.as_text().is_some_and(is_registry) {
        let message = format!("the trial of a sweep is written `azureml:{REGISTRY}..`");
        session.report.add(trial, &path, message);
        return None;
    }
    ports::read_step(session, written, "trial", "command")
}

/// The step as it stands in the pipeline's body; its trial is planned before.
pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let report = &mut planning.session.report;
    let mut fields = step.field.clone().with_bindings().fields(report)?;
    fields.without_effect(&["type", "trial", "inputs", "outputs"]);
    if let Some(component) = fields.take("component") {
        component.problem(report, "a sweep names its component under `trial`");
    }
    let mut body = step.body();
    Names::read(&mut fields, &step.source, report).put(&mut body);
    body.put_some("properties", fields.read("properties", report, io::texts));
    sweep::put(&mut fields, Spelling::Step, &mut body, report);
    let queue = fields.read("queue_settings", report, settings::queue_as_written);
    body.put_some("queue_settings", queue);
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Refused, report))
        .unwrap_or_default();
    body.put_filled("resources", resources.yaml());
    planning.put_compute(step, &mut fields, &mut body);
    fields.without_effect(&["name", "services", "identity"]);
    put_unknown(fields, &mut body);
    let mut trial = Object::default();
    let component = match &step.source {
        StepSource::Inline => return None,
        StepSource::Registered(id) => {
            trial.put("componentId", id.clone());
            None
        }
        StepSource::Local(component) => {
            trial.put("componentId", component.id(planning.session, step.origin));
            let mut open = component.clone();
            // What the sweep chooses needs no value.
            for (name, port) in &mut open.inputs {
                if is_searched(&step.field, name) {
                    port.optional = Some(true);
                }
            }
            Some(open)
        }
    };
    body.put("trial", trial);
    ports::put_inputs(planning, step, component.as_deref(), &mut body);
    ports::put_outputs(step, component.as_deref(), &mut body);
    body.put("_source", step.origin);
    Some(body)
}

/// Whether the sweep chooses the values of an input.
fn is_searched(step: &Field<'_>, name: &str) -> bool {
    let space = step.node.get("search_space");
    space.is_some_and(|space| space.get(name).is_some())
}
