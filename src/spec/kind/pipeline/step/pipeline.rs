//! `type: pipeline`: a step that runs a pipeline component as a graph of its own. Of the step itself only names, ports and compute
//! have an effect; what else it says goes to the service as it is.

use serde_json::Value;

use super::{Planning, Step, StepSource, Written, ports};
use crate::spec::binding;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::Fields;
use crate::spec::io;
use crate::spec::python;
use crate::spec::reference::is_arm_id;
use crate::spec::session::Session;

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    let fields = written.field.fields(&mut session.report)?;
    let component = written.field.node.get("component");
    let refusal = match component {
        None => {
            fields.missing("component", &mut session.report);
            return None;
        }
        Some(node) if node.entries().is_some() => {
            "a pipeline component is not written into a step: put it into a file and name that"
        }
        Some(node) if node.as_text().is_some_and(|text| text.starts_with("file:")) => {
            "a pipeline component is named by its path, without `file:`"
        }
        Some(_) => return ports::read_step(session, written, "component", "pipeline"),
    };
    let path = format!("{}.component", written.field.path);
    session
        .report
        .add(component.unwrap_or(written.field.node), &path, refusal);
    None
}

pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let mut fields = step.rest(planning.session)?;
    let mut body = step.body();
    let report = &mut planning.session.report;
    body.put_some("properties", fields.read("properties", report, io::texts));
    body.put_some("comment", fields.text("comment", report));
    put_compute(&mut fields, planning.session, &mut body);
    fields.without_effect(&[
        "name",
        "description",
        "experiment_name",
        "settings",
        "$schema",
        "base_path",
        "status",
        "id",
    ]);
    for (name, node) in fields.rest() {
        if !node.is_void() {
            body.put(name, python::json_of(node));
        }
    }
    let component = match &step.source {
        StepSource::Local(component) => Some(&**component),
        StepSource::Registered(id) => {
            body.put("componentId", id.clone());
            None
        }
        StepSource::Inline => None,
    };
    ports::put_inputs(planning, step, component, &mut body);
    ports::put_outputs(step, component, &mut body);
    if let Some(component) = component {
        let lacks = component.without_compute.iter().cloned();
        planning.without_compute.extend(lacks);
        body.put("componentId", component.id(planning.session, step.origin));
    }
    body.put("_source", step.origin);
    Some(body)
}

/// No schema knows the field here: it is no reference, but a name that the SDK makes an id of, whatever stands in front of it.
fn put_compute(fields: &mut Fields<'_>, session: &mut Session<'_>, body: &mut Object) {
    let Some(text) = fields.text("compute", &mut session.report) else {
        return;
    };
    let id = if binding::is_whole(&text) || text == "serverless" {
        Draft::Json(Value::String(text))
    } else {
        let name = if is_arm_id(&text) {
            text.rsplit('/').next().unwrap_or_default()
        } else {
            &text
        };
        Draft::in_workspace(&format!("computes/{name}"))
    };
    body.put("computeId", id);
}
