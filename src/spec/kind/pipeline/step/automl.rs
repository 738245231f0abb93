//! `type: automl`: a step that looks for the best model. It runs no component: the step itself says the task.

use crate::spec::draft::Object;
use crate::spec::io::{self, Texts};
use crate::spec::kind::automl;
use crate::spec::session::Session;

use super::ports;
use super::{Direction, Planning, PortType, Step, StepSource, Written};

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    let mut fields = written.field.fields(&mut session.report)?;
    let outputs = fields
        .take("outputs")
        .map(|field| io::read_outputs(&field, Texts::Bindings, None, &mut session.report));
    Some(Step {
        kind: written.kind,
        name: written.name,
        source: StepSource::Inline,
        inputs: Vec::new(),
        outputs: outputs.unwrap_or_default(),
        field: written.field,
        origin: "YAML.JOB",
    })
}

pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let field = step.field.clone().with_bindings();
    let mut fields = field.fields(&mut planning.session.report)?;
    fields.without_effect(&["type", "outputs"]);
    let mut body = step.body();
    let compute = planning.compute(step, &mut fields);
    body.put_some("compute", compute.map(|id| id.prefixed("azureml:")));
    automl::put_step(planning.session, fields, planning.base, &mut body);
    ports::put_outputs(step, None, &mut body);
    Some(body)
}

/// To the SDK every output is a table, whether the step declares it or not.
pub(super) fn port<'s>(
    step: &'s Step<'_>,
    direction: Direction,
    name: &str,
) -> Result<PortType<'s>, String> {
    match direction {
        Direction::Outputs => Ok(PortType::Known("mltable".into())),
        Direction::Inputs => Err(format!(
            "the step `{}` has no inputs to bind `{name}` to: AutoML has outputs only",
            step.name
        )),
    }
}
