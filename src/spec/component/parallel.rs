//! `type: parallel`: a component that runs on many batches at once, from its document or as what an inline step stands for.

use std::path::Path;

use super::Component;
use crate::spec::fields::Fields;
use crate::spec::parallel::{self, Parallel};
use crate::spec::session::Session;
use crate::spec::settings::{Resources, Unknown};

/// The word under `type`. What no schema names falls away from these, and so does `auto_delete_setting`.
pub(super) const KIND: &str = "parallel";

/// The fields of a parallel component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    component: &mut Component,
) {
    component.read_common(&mut fields, Some(true), &mut session.report);
    component.read_ports(&mut fields, &mut session.report);
    let report = &mut session.report;
    component.read_properties(&mut fields, false, report);
    let resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Dropped, report));
    let mut said = Parallel::read(&mut fields, report);
    let task = fields.take("task");
    said.task = task.and_then(|field| parallel::task(session, &field, base));
    component.run_in_parallel(said, resources);
}

impl Component {
    /// Puts what a parallel component runs, and how, into its specification.
    pub(in crate::spec) fn run_in_parallel(
        &mut self,
        said: Parallel,
        resources: Option<Resources>,
    ) {
        said.put_spec(&mut self.spec);
        if let Some(resources) = &resources {
            self.spec.put_filled("resources", resources.spec());
        }
        self.defaults.resources = resources;
        self.defaults.parallel = Some(said);
    }
}
