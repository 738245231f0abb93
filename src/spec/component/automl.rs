//! `type: automl`: a component that names a task and has ports; what the task does is for the steps that run it.

use std::path::Path;

use super::Component;
use crate::spec::fields::{Case, Fields};
use crate::spec::kind::automl::task_names;
use crate::spec::session::Session;

/// The fields of an AutoML component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    _base: &Path,
    component: &mut Component,
) {
    let report = &mut session.report;
    component.read_common(&mut fields, Some(true), report);
    component.read_ports(&mut fields, report);
    let task = fields.required("task", report);
    let task = task.and_then(|field| field.choice(report, &task_names(), Case::Snake));
    component.spec.put_some("task", task);
    component.put_rest(fields);
}
