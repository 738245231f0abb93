//! `settings` of a pipeline job: everything goes through, two fields name resources and two name steps.

use super::graph::Planned;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::Field;
use crate::spec::problem::{Report, nearest};
use crate::spec::python;
use crate::spec::reference::is_arm_id;
use crate::spec::session::Session;

pub(super) struct Settings<'n> {
    pub(super) body: Object,
    /// Steps that run before and after all others: the field, its name and the step's.
    around: Vec<(&'static str, Field<'n>, String)>,
}

pub(super) fn read<'n>(session: &mut Session<'_>, field: &Field<'n>) -> Option<Settings<'n>> {
    let mut fields = field.fields(&mut session.report)?;
    let mut body = Object::default();
    if let Some(field) = fields.take("default_compute") {
        let compute = default_compute(session, &field);
        body.put_some("default_compute", compute);
    }
    if let Some(field) = fields.take("default_datastore") {
        let text = field.text(&mut session.report)?;
        match text.strip_prefix("azureml:") {
            Some(id) if id.starts_with('/') => body.put("default_datastore", id),
            Some(name) => body.put(
                "default_datastore",
                Draft::in_workspace(&format!("datastores/{name}")),
            ),
            None => needs_prefix(&field, &text, &mut session.report),
        }
    }
    let report = &mut session.report;
    for flag in ["continue_on_step_failure", "force_rerun"] {
        let value = fields.flag(flag, report);
        body.put_some(flag, value);
    }
    let mut around = Vec::new();
    for name in ["on_init", "on_finalize"] {
        let Some(field) = fields.take(name).filter(|field| !field.node.is_null()) else {
            continue;
        };
        if let Some(step) = field.text(report) {
            body.put(name, step.clone());
            around.push((name, field, step));
        }
    }
    for (name, node) in fields.rest() {
        if !node.is_null() {
            body.put(name, python::json_of(node));
        }
    }
    body.put("_source", "YAML.JOB");
    Some(Settings { body, around })
}

/// A name is one of this workspace's computes, whatever it looks like: the SDK gives it to no further rule here.
fn default_compute(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    if text.eq_ignore_ascii_case("serverless") {
        return Some(Draft::in_workspace("computes/serverless"));
    }
    let Some(name) = text.strip_prefix("azureml:") else {
        needs_prefix(field, &text, &mut session.report);
        return None;
    };
    if is_arm_id(name) || name.starts_with('/') {
        return Some(Draft::from(name));
    }
    // No compute of that name exists: the service finds one.
    if !name.contains('/') && name != "serverless" {
        session.expect_compute(field, name);
    }
    Some(Draft::in_workspace(&format!("computes/{name}")))
}

fn needs_prefix(field: &Field<'_>, text: &str, report: &mut Report) {
    field.problem(report, format!("`{text}` is written `azureml:{text}` here"));
}

impl Settings<'_> {
    /// Whether the steps that run before and after all others are there and stand alone.
    pub(super) fn check(&self, planned: &Planned, report: &mut Report) {
        let steps = &planned.steps;
        for (name, field, step) in &self.around {
            let message = if !steps.contains(step) {
                let hint = nearest(step, steps.iter().map(String::as_str));
                format!("the pipeline has no step `{step}`{hint}")
            } else if self
                .around
                .iter()
                .any(|(other, _, same)| other != name && same == step)
            {
                format!("`{step}` cannot be `on_init` and `on_finalize` at once")
            } else if steps.iter().all(|known| self.names(known)) {
                "the pipeline has no other step than those of `on_init` and `on_finalize`".into()
            } else if planned.is_connected(step) {
                format!("`{step}` must not be connected to another step by an input or output")
            } else {
                continue;
            };
            field.problem(report, message);
        }
    }

    fn names(&self, step: &str) -> bool {
        self.around.iter().any(|(_, _, named)| named == step)
    }
}
