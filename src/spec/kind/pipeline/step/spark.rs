//! `type: spark`: a Spark program, written in the step or in a component, on an attached or a serverless pool.

use super::settings::Names;
use super::{Planning, Step, StepSource, Written, named_or_whole, ports, put_unknown};
use crate::spec::component::{Component, Origin, Port};
use crate::spec::draft::Object;
use crate::spec::fields::Fields;
use crate::spec::io::{self, Input, Output, Spelling};
use crate::spec::kind::command::check_used_inputs;
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings;
use crate::spec::spark::{self, Conf, Word};

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    ports::read_step(session, written, "component", "spark")
}

/// The step as it stands in the pipeline's body; its component is planned before.
pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let report = &mut planning.session.report;
    let mut fields = step.field.clone().with_bindings().fields(report)?;
    fields.without_effect(&["type", "component", "inputs", "outputs"]);
    let mut body = step.body();
    put_machine(planning, step, &mut fields, &mut body);
    let report = &mut planning.session.report;
    let names = Names::read(&mut fields, &step.source, report);
    let component = match &step.source {
        StepSource::Inline => {
            let tags = names.tags.clone();
            let component = inline(planning, step, fields, tags, &mut body);
            let conf = component
                .defaults
                .spark
                .as_ref()
                .map(|program| program.conf.clone());
            put_program(
                planning,
                step,
                &component,
                &conf.unwrap_or_default(),
                &mut body,
            );
            Some(component)
        }
        StepSource::Local(component) => {
            let conf = put_rest(fields, &mut body, report);
            let usual = component
                .defaults
                .spark
                .as_ref()
                .map(|program| &program.conf);
            let conf = conf.over(usual.unwrap_or(&Conf::default()));
            put_program(planning, step, component, &conf, &mut body);
            Some((**component).clone())
        }
        StepSource::Registered(id) => {
            let conf = put_rest(fields, &mut body, report);
            body.put_filled("conf", conf.with_instances().body());
            body.put("componentId", id.clone());
            None
        }
    };
    names.put(&mut body);
    check_modes(step, component.as_ref(), &mut planning.session.report);
    ports::put_inputs(planning, step, component.as_ref(), &mut body);
    ports::put_outputs(step, component.as_ref(), &mut body);
    if let Some(component) = component {
        body.put("componentId", component.id(planning.session, step.origin));
    }
    body.put("_source", step.origin);
    Some(body)
}

/// Where the step runs, and as whom.
fn put_machine(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    fields: &mut Fields<'_>,
    body: &mut Object,
) {
    let compute = fields.take("compute");
    let machine = fields.take("resources");
    let report = &mut planning.session.report;
    spark::check_machine(&step.field, compute.as_ref(), machine.as_ref(), report);
    let identity = match fields.take("identity") {
        Some(field) => settings::identity(&field, Spelling::Step, report),
        None => Some(spark::usual_identity(compute.is_some(), Spelling::Step)),
    };
    body.put_some("identity", identity);
    let word = if step.source.is_inline() {
        Word::AsWritten
    } else {
        Word::Lower
    };
    let resources =
        machine.and_then(|field| spark::resources(&field, Spelling::Step, word, report));
    body.put_some("resources", resources);
    if let Some(field) = compute {
        body.put_some("computeId", planning.compute_of(&field));
    }
}

/// What only a step with a component may say. What it runs is the component's and has no effect here.
fn put_rest(mut fields: Fields<'_>, body: &mut Object, report: &mut Report) -> Conf {
    body.put_some("properties", fields.read("properties", report, io::texts));
    let mut conf = fields.read("conf", report, Conf::read).unwrap_or_default();
    conf.read_beside(&mut fields);
    fields.without_effect(&[
        "name",
        "services",
        "entry",
        "args",
        "py_files",
        "jars",
        "files",
        "archives",
        "code",
        "environment",
    ]);
    put_unknown(fields, body);
    conf
}

/// The component that an inline step stands for.
fn inline(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    mut fields: Fields<'_>,
    tags: Option<serde_json::Value>,
    body: &mut Object,
) -> Component {
    fields.read_only(&["$schema", "id", "creation_context", "status", "log_files"]);
    let report = &mut planning.session.report;
    for name in ["name", "experiment_name"] {
        fields.text(name, report);
    }
    if let Some(field) = fields.take("services") {
        settings::services(&field, Spelling::Step, report);
    }
    let properties = fields.read("properties", report, io::values);
    body.put_some("properties", properties.clone());
    let description = fields.text("description", report);
    let (inputs, outputs) = ports::declared_by(planning.graph, step, report);
    let mut component = Component::of_step("spark", description, tags, inputs, outputs);
    component.put_spec("properties", properties);
    let (session, base) = (&mut *planning.session, planning.base);
    component.run_on_spark(session, &mut fields, Origin::Step, base);
    fields.refuse_rest(&mut session.report);
    component
}

/// What the component runs, which a step repeats, with the configuration of the step.
fn put_program(
    planning: &mut Planning<'_, '_, '_>,
    step: &Step<'_>,
    component: &Component,
    conf: &Conf,
    body: &mut Object,
) {
    let report = &mut planning.session.report;
    let Some(program) = &component.defaults.spark else {
        return;
    };
    conf.check(&step.field, report);
    body.put_filled("conf", conf.body());
    let entry = named_or_whole(&step.field, "entry");
    program.entry.refuse_class(&entry, report);
    if let Some(message) = &program.missing {
        step.field.problem(report, message.as_str());
    }
    body.put("entry", program.entry.body(Spelling::Step));
    program.put_beside(body);
    if let Some(args) = program.args() {
        let inputs: Vec<_> = component
            .inputs
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        check_used_inputs(&step.field, args, &inputs, report);
    }
}

/// Spark reads and writes storage itself, so the step or its component has to say so of all data that nothing else decides.
fn check_modes(step: &Step<'_>, component: Option<&Component>, report: &mut Report) {
    let Some(component) = component else {
        return;
    };
    let is_direct = |mode: Option<&str>, port: Option<&Port>| {
        mode == Some("direct") || port.is_none_or(|port| port.mode.as_deref() == Some("direct"))
    };
    for (name, input) in &step.inputs {
        if let Input::Asset(asset) = input
            && asset.binding().is_none()
            && !is_direct(asset.mode.as_deref(), component.input(name))
        {
            spark::check_mode(&step.field, "inputs", name, None, report);
        }
    }
    for (name, output) in &step.outputs {
        if let Output::Asset(asset) = output
            && !asset
                .path
                .as_deref()
                .is_some_and(crate::spec::binding::is_output)
            && *name != "default"
            && !is_direct(asset.mode.as_deref(), component.output(name))
        {
            spark::check_mode(&step.field, "outputs", name, None, report);
        }
    }
}
