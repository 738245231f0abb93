//! `type: data_transfer`: data copied, imported or exported by the service; `type: import`, which it has no more.

use super::settings::Names;
use super::{Planning, Step, StepSource, Written, named_or_whole, ports, put_unknown};
use crate::spec::component::Component;
use crate::spec::draft::Object;
use crate::spec::fields::Fields;
use crate::spec::io::{self, Input, Output};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::transfer::{self, KIND, Task};

/// Where the components lie that import and export without a component of one's own.
const BUILT_IN: &str = "azureml://registries/azureml/components";

/// The SDK refuses import steps of every form, before it sends anything.
pub(super) fn read_import<'n>(
    session: &mut Session<'_>,
    written: Written<'n, '_>,
) -> Option<Step<'n>> {
    let Written { field, .. } = written;
    let at = named_or_whole(&field, "type");
    at.problem(
        &mut session.report,
        "import steps are no longer accepted; use `type: data_transfer` with `task: import_data`",
    );
    None
}

pub(super) fn read<'n>(session: &mut Session<'_>, written: Written<'n, '_>) -> Option<Step<'n>> {
    ports::read_step(session, written, "component", KIND)
}

/// The step as it stands in the pipeline's body; its component is planned before.
pub(super) fn plan<'n>(planning: &mut Planning<'_, '_, 'n>, step: &Step<'n>) -> Option<Object> {
    let report = &mut planning.session.report;
    let mut fields = step.field.clone().with_bindings().fields(report)?;
    fields.without_effect(&["type", "component", "inputs", "outputs", "services"]);
    let task = Task::read(&mut fields, report)?;
    let mut body = step.body();
    body.put("task", task.word());
    let names = Names::read(&mut fields, &step.source, report);
    let tags = names.tags.clone();
    names.put(&mut body);
    let properties = fields.read("properties", report, io::texts);
    let is_named = task != Task::Copy || !step.source.is_inline();
    body.put_some("properties", properties.filter(|_| is_named));
    planning.put_compute(step, &mut fields, &mut body);
    let report = &mut planning.session.report;
    let built_in = task.outside().and_then(|name| {
        check_ports(step, task, report);
        put_outside(step, task, name, &mut fields, &mut body, report)
    });
    let copy_mode = transfer::copy_mode(&mut fields, report);
    let component = match &step.source {
        StepSource::Inline if task == Task::Copy => {
            let description = fields.text("description", report);
            let (inputs, outputs) = ports::declared_by(planning.graph, step, report);
            let mut component = Component::of_step(KIND, description, tags, inputs, outputs);
            component.copy_data(&step.field, copy_mode, report);
            refuse_rest(fields, report);
            Some(component)
        }
        StepSource::Inline => {
            body.put_some("componentId", built_in);
            refuse_rest(fields, report);
            None
        }
        StepSource::Local(component) => {
            put_unknown(fields, &mut body);
            Some((**component).clone())
        }
        StepSource::Registered(id) => {
            body.put_some("data_copy_mode", copy_mode);
            body.put("componentId", id.clone());
            put_unknown(fields, &mut body);
            None
        }
    };
    ports::put_inputs(planning, step, component.as_ref(), &mut body);
    ports::put_outputs(step, component.as_ref(), &mut body);
    if let Some(component) = component {
        // What the step says of it has no effect.
        body.put_some("data_copy_mode", component.defaults.copy_mode.clone());
        body.put("componentId", component.id(planning.session, step.origin));
    }
    body.put("_source", step.origin);
    Some(body)
}

fn refuse_rest(mut fields: Fields<'_>, report: &mut Report) {
    fields.read_only(&["$schema", "id", "creation_context", "status", "log_files"]);
    fields.without_effect(&["name", "description", "experiment_name"]);
    fields.refuse_rest(report);
}

/// An import has no input and one output, an export the other way round; their types follow from what lies outside.
fn check_ports(step: &Step<'_>, task: Task, report: &mut Report) {
    let inputs: Vec<_> = step.inputs.iter().map(|(name, _)| *name).collect();
    let outputs: Vec<_> = step.outputs.iter().map(|(name, _)| *name).collect();
    let checks = match task {
        Task::Copy => return,
        Task::Import => [
            ("inputs", inputs.is_empty(), "an import has no inputs"),
            (
                "outputs",
                outputs == ["sink"],
                "an import has one output, called `sink`",
            ),
        ],
        Task::Export => [
            ("outputs", outputs.is_empty(), "an export has no outputs"),
            (
                "inputs",
                inputs == ["source"],
                "an export has one input, called `source`",
            ),
        ],
    };
    for (name, fits, message) in checks {
        if !fits {
            named_or_whole(&step.field, name).problem(report, message);
        }
    }
}

/// Reads what lies outside; returns the component that serves for it.
fn put_outside(
    step: &Step<'_>,
    task: Task,
    name: &'static str,
    fields: &mut Fields<'_>,
    body: &mut Object,
    report: &mut Report,
) -> Option<String> {
    let field = fields.required(name, report)?;
    let outside = transfer::outside(&field, report)?;
    body.put(name, outside.body);
    let what = if outside.is_database {
        "database"
    } else {
        "file_system"
    };
    let inline = step.source.is_inline();
    let verb = match task {
        Task::Copy | Task::Import => "import",
        Task::Export => "export",
    };
    if inline && task == Task::Export && !outside.is_database {
        field.problem(report, "the service exports to databases only");
    }
    let kinds = match task {
        Task::Import => step.outputs.iter().find_map(|(_, output)| match output {
            Output::Asset(asset) => Some(asset.kind.as_str()),
            Output::Bare | Output::Bound(_) | Output::Path(_) => None,
        }),
        Task::Copy | Task::Export => step.inputs.iter().find_map(|(_, input)| match input {
            Input::Asset(asset) if asset.binding().is_none() => Some(asset.kind.as_str()),
            Input::Asset(_) | Input::Literal { .. } => None,
        }),
    };
    let wanted = match (task, outside.is_database) {
        (Task::Import, true) => "mltable",
        (Task::Copy | Task::Export, true) => "uri_file",
        (_, false) => "uri_folder",
    };
    if let Some(kind) = kinds.filter(|kind| inline && *kind != wanted) {
        let message = format!("the data of a `{what}` has the type `{wanted}` here, not `{kind}`");
        step.field.problem(report, message);
    }
    Some(format!("{BUILT_IN}/{verb}_data_{what}/versions/0.0.1"))
}
