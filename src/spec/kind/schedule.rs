//! `create-schedule`: a trigger and what it starts: a pipeline, an import of data, or a
//! monitor. What a trigger and each action say is in a
//! file of its own.

mod import;
mod job;
mod monitor;
mod trigger;

use std::path::Path;

use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::io;
use crate::spec::plan::Target;
use crate::spec::session::Session;

use trigger::Windows;

/// Service notes 3.3.
const API: &str = "2023-06-01-preview";

/// What a schedule does: the field that says so, and how it is read.
struct Action {
    field: &'static str,
    read: fn(&mut Session<'_>, &Field<'_>, &Path, &Windows) -> Option<Object>,
}

static ACTIONS: [Action; 3] = [
    Action {
        field: "create_job",
        read: |session, field, base, _| job::read(session, field, base),
    },
    Action {
        field: "import_data",
        read: |session, field, base, _| import::read(session, field, base),
    },
    Action {
        field: "create_monitor",
        read: monitor::read,
    },
];

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    fields.read_only(&[
        "$schema",
        "id",
        "creation_context",
        "is_enabled",
        "provisioning_state",
    ]);
    let report = &mut session.report;
    let name = fields
        .required("name", report)
        .and_then(|field| field.text(report));
    let mut properties = Object::default();
    properties.put_some("displayName", fields.text("display_name", report));
    properties.put_some("description", fields.text("description", report));
    properties.put_some("tags", fields.read("tags", report, io::texts));
    properties.put_some("properties", fields.read("properties", report, io::texts));
    let trigger = fields.required("trigger", report);
    properties.put_some(
        "trigger",
        trigger.and_then(|field| trigger::read(&field, report)),
    );
    properties.put_some("action", action(session, &mut fields, base));
    fields.refuse_rest(&mut session.report);
    let mut body = Object::default();
    body.put("properties", properties);
    let target = Target::Named {
        collection: "schedules",
        name,
    };
    let needs = session.take_needs();
    session.request(target, API, body, needs);
}

fn action(session: &mut Session<'_>, fields: &mut Fields<'_>, base: &Path) -> Option<Object> {
    let windows = Windows::of(fields.at().node.get("trigger"));
    let mut found = None;
    for action in &ACTIONS {
        let Some(field) = fields.take(action.field) else {
            continue;
        };
        if found.is_some() {
            let message = "a schedule does one thing: take this or the other action out";
            field.problem(&mut session.report, message);
        } else {
            found = Some((action.read)(session, &field, base, &windows));
        }
    }
    if found.is_none() {
        fields.missing("create_job", &mut session.report);
    }
    found.flatten()
}
