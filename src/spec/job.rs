//! What every job has whatever its type: names, tags, experiment, compute, identity, services, and the write itself. It does not
//! know what a job runs.

use std::path::Path;

use super::draft::{Draft, Object};
use super::fields::{Field, Fields};
use super::io::{self, Spelling};
use super::kind::job_name;
use super::plan::{Reference, Target};
use super::problem::Report;
use super::reference::compute_id;
use super::session::Session;
use super::settings;

/// What a job is called where its document does not say so.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
}

/// Reads the common fields into `body` and returns the job's name.
pub(super) fn common(
    session: &mut Session<'_>,
    fields: &mut Fields<'_>,
    body: &mut Object,
) -> Option<String> {
    common_of(session, fields, body, Shown::default())
}

/// The same for a job that takes over what its component is called.
pub(super) fn common_of(
    session: &mut Session<'_>,
    fields: &mut Fields<'_>,
    body: &mut Object,
    otherwise: Shown,
) -> Option<String> {
    let name = names_of(session, fields, body, otherwise);
    let report = &mut session.report;
    body.put_some("properties", fields.read("properties", report, io::texts));
    body.put_some(
        "identity",
        fields
            .take("identity")
            .and_then(|field| settings::identity(&field, Spelling::Job, report)),
    );
    body.put_some("services", services(fields, report));
    name
}

/// Interactive services. Not every type of job has them in its request, but the SDK checks them in each.
pub(super) fn services(fields: &mut Fields<'_>, report: &mut Report) -> Option<Object> {
    fields
        .take("services")
        .and_then(|field| settings::services(&field, Spelling::Job, report))
}

/// What a job is called, described and filed under; returns its name.
pub(super) fn names(
    session: &mut Session<'_>,
    fields: &mut Fields<'_>,
    body: &mut Object,
) -> Option<String> {
    names_of(session, fields, body, Shown::default())
}

fn names_of(
    session: &mut Session<'_>,
    fields: &mut Fields<'_>,
    body: &mut Object,
    otherwise: Shown,
) -> Option<String> {
    fields.read_only(&["$schema", "id", "creation_context", "status", "log_files"]);
    let report = &mut session.report;
    let name = fields.read("name", report, job_name);
    let shown = fields
        .text("display_name", report)
        .or(otherwise.display_name)
        .filter(|text| !text.is_empty());
    body.put(
        "displayName",
        shown.map_or(Draft::reference(Reference::OwnName), Draft::from),
    );
    let experiment = fields
        .text("experiment_name", report)
        .filter(|text| !text.is_empty());
    body.put(
        "experimentName",
        experiment.unwrap_or_else(|| default_experiment(session.working_directory)),
    );
    let description = fields.text("description", report);
    body.put_some("description", description.or(otherwise.description));
    body.put_some("tags", fields.read("tags", report, io::texts));
    body.put("isArchived", false);
    name
}

/// The folder that the command was started in, as the SDK has it.
fn default_experiment(working_directory: &Path) -> String {
    let name = working_directory
        .file_stem()
        .map(|name| name.to_string_lossy().replace(' ', ""));
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Default".into())
}

/// Where a job runs.
pub(super) enum Compute {
    /// The machine of whoever submits it.
    Local,
    Id(Draft),
}

pub(super) fn compute(session: &mut Session<'_>, field: &Field<'_>) -> Option<Compute> {
    let text = field.text(&mut session.report)?;
    if text.eq_ignore_ascii_case("local") {
        return Some(Compute::Local);
    }
    Some(Compute::Id(compute_id(session, field, &text)))
}

pub(super) fn submit(
    session: &mut Session<'_>,
    name: Option<String>,
    api: &'static str,
    properties: Object,
) {
    let mut body = Object::default();
    body.put("properties", properties);
    let target = Target::Named {
        collection: "jobs",
        name,
    };
    let needs = session.take_needs();
    session.request(target, api, body, needs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_experiment_is_the_folder_without_blanks_and_suffix() {
        assert_eq!(
            default_experiment(Path::new("/a/my project.v2")),
            "myproject"
        );
        assert_eq!(default_experiment(Path::new("/")), "Default");
    }
}
