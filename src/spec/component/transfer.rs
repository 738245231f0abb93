//! `type: data_transfer` and `type: import`: components that move data. The service has no imports of their own any more: it runs
//! one as a command.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::port::Numbers;
use super::{Component, Port, port};
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::transfer::{self, Task};

/// The fields of a data transfer component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    _base: &Path,
    component: &mut Component,
) {
    let report = &mut session.report;
    component.read_common(&mut fields, Some(true), report);
    component.read_properties(&mut fields, false, report);
    component.read_ports(&mut fields, report);
    refuse_values(&component.inputs, &fields, "inputs", report);
    refuse_values(&component.outputs, &fields, "outputs", report);
    let Some(task) = Task::read(&mut fields, report) else {
        return;
    };
    let whole = fields.at().clone();
    match task.outside() {
        None => {
            let mode = transfer::copy_mode(&mut fields, report);
            component.copy_data(&whole, mode, report);
        }
        Some(name) => {
            component.spec.put("task", task.word());
            let outside = fields.required(name, report);
            let kind = outside.and_then(|field| kind_of(&field, report));
            component
                .spec
                .put_some(name, kind.map(|kind| json!({"type": kind})));
            let (forbidden, ports, wanted) = match task {
                Task::Import => ("inputs", &component.outputs, "sink"),
                Task::Copy | Task::Export => ("outputs", &component.inputs, "source"),
            };
            if let Some(node) = whole.node.get(forbidden) {
                report.add(node, forbidden, "this task has none");
            }
            if !matches!(ports.as_slice(), [(name, _)] if name == wanted) {
                whole.problem(report, format!("this task has one port, called `{wanted}`"));
            }
        }
    }
    fields.refuse_rest(report);
}

/// What is moved is data.
fn refuse_values(ports: &[(String, Port)], fields: &Fields<'_>, key: &str, report: &mut Report) {
    for (name, port) in ports.iter().filter(|(_, port)| port.is_primitive()) {
        let message = format!("a data transfer has data here, not `{}`", port.kind);
        let declared = fields.at().node.get(key).and_then(|ports| ports.get(name));
        let declared = declared.unwrap_or(fields.at().node);
        report.add(declared, &format!("{key}.{name}.type"), message);
    }
}

fn kind_of(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &["database", "file_system"], Case::Lower);
    fields.refuse_rest(report);
    kind
}

impl Component {
    /// Puts a copy into the specification.
    pub(in crate::spec) fn copy_data(
        &mut self,
        at: &Field<'_>,
        mode: Option<String>,
        report: &mut Report,
    ) {
        let inputs = self.inputs.iter().map(|(_, port)| port);
        let outputs = self.outputs.iter().map(|(_, port)| port);
        transfer::check_copy(at, inputs, outputs, report);
        self.spec.put("task", Task::Copy.word());
        self.spec.put_some("data_copy_mode", mode.clone());
        self.defaults.copy_mode = mode;
    }
}

/// The fields of an import component. Its source is declared as inputs are.
pub(super) fn read_import(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    _base: &Path,
    component: &mut Component,
) {
    let report = &mut session.report;
    component.read_common(&mut fields, Some(true), report);
    component.read_properties(&mut fields, false, report);
    component.spec.put("type", "command");
    component.spec.put("command", "import");
    let mut tags = match component.tags.clone() {
        Some(Value::Object(tags)) => tags,
        Some(_) | None => Map::new(),
    };
    tags.insert("component_type_overwrite".into(), "import".into());
    component.spec.put("tags", Value::Object(tags));
    if let Some(source) = fields.required("source", report) {
        for (name, field) in source.entries(report).unwrap_or_default() {
            if !["type", "connection", "query", "path"].contains(&name) {
                field.problem(report, "unknown field");
            }
        }
        let declared = port::read_inputs(&source, &mut component.inputs, Numbers::Floats, report);
        component.spec.put_filled("inputs", declared);
    }
    if let Some(output) = fields.required("output", report)
        && let Some((declared, port)) = port::read_output(&output, report)
    {
        let mut outputs = Object::default();
        outputs.put("output", declared);
        component.spec.put("outputs", outputs);
        component.outputs.push(("output".to_owned(), port));
    }
    fields.refuse_rest(report);
}
