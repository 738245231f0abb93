//! `create_job`: the pipeline that a schedule starts. An existing job by its name, the job of a file, or either of them with some of
//! its fields changed. The service schedules nothing but pipelines.

use std::path::Path;

use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field};
use crate::spec::kind::pipeline;
use crate::spec::problem::nearest;
use crate::spec::session::{Session, absolute};
use crate::spec::yaml::{Kind, Node};

/// What a schedule may say of its job; steps it may not.
const CHANGEABLE: [&str; 14] = [
    "$schema",
    "compute",
    "description",
    "display_name",
    "experiment_name",
    "identity",
    "inputs",
    "job",
    "name",
    "outputs",
    "properties",
    "services",
    "settings",
    "tags",
];
/// Types of jobs that the schema knows here and the SDK then refuses.
const UNSCHEDULED: [&str; 2] = ["command", "spark"];

pub(super) fn read(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let definition = if field.node.entries().is_some() {
        changed(session, field, base)?
    } else {
        let text = field.text(&mut session.report)?;
        match text.strip_prefix("azureml:") {
            Some(name) => {
                let mut body = Object::default();
                body.put("jobType", "Pipeline");
                body.put("experimentName", "");
                body.put("isArchived", false);
                body.put("sourceJobId", name);
                body
            }
            None => of_file(session, field, &text, None, base)?,
        }
    };
    let mut action = Object::default();
    action.put("actionType", "CreateJob");
    action.put("jobDefinition", definition);
    Some(action)
}

/// `{type: pipeline, job: .., inputs: ..}`
fn changed(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let kind = fields.take("type");
    if let Some(kind) = &kind {
        let words = ["pipeline", UNSCHEDULED[0], UNSCHEDULED[1]];
        let word = kind.choice(&mut session.report, &words, Case::Exact)?;
        refuse_unscheduled(session, kind, &word)?;
    }
    let job = fields.required("job", &mut session.report);
    let before = session.report.count();
    for (key, _) in field.node.entries().unwrap_or_default() {
        let name = key.as_text().unwrap_or_default();
        if name != "type" && !CHANGEABLE.contains(&name) {
            let path = format!("{}.{name}", field.path);
            let message = match name {
                "jobs" => "a schedule cannot say the steps of its job; put them into the file that `job` names".into(),
                _ => format!("unknown field{}", nearest(name, CHANGEABLE)),
            };
            session.report.add(key, &path, message);
        }
    }
    let job = job?;
    let text = job.text(&mut session.report)?;
    if session.report.count() > before {
        return None;
    }
    let Some(name) = text.strip_prefix("azureml:") else {
        return of_file(session, &job, &text, Some(field.node), base);
    };
    if kind.is_none() {
        field.problem(
            &mut session.report,
            "changing a job that exists takes its type, too: add `type: pipeline`",
        );
        return None;
    }
    let changes = merged(&empty(field.node), field.node);
    let changes = Field::at_path(&changes, &field.path);
    let mut body = definition(session, &changes, base)?;
    body.put("sourceJobId", name);
    Some(body)
}

/// The pipeline of a file, relative paths of which start from its own folder.
fn of_file(
    session: &mut Session<'_>,
    field: &Field<'_>,
    text: &str,
    changes: Option<&Node>,
    base: &Path,
) -> Option<Object> {
    let path = absolute(base, text);
    let node = session.load(field, &path)?;
    let changed = changes.map(|changes| merged(&node, changes));
    let node = changed.as_ref().unwrap_or(&node);
    let root = Field::root(node);
    let kind = node.get("type");
    let kind = kind.map(|node| Field::at_path(node, "type"));
    match &kind {
        Some(kind) => {
            let word = kind.text(&mut session.report)?;
            refuse_unscheduled(session, kind, &word)?;
        }
        None if node.get("jobs").is_none() => {
            root.problem(
                &mut session.report,
                "a schedule starts pipelines only; this file has no `type: pipeline`",
            );
            return None;
        }
        None => {}
    }
    definition(session, &root, path.parent().unwrap_or(base))
}

fn refuse_unscheduled(session: &mut Session<'_>, field: &Field<'_>, word: &str) -> Option<()> {
    if word == "pipeline" {
        return Some(());
    }
    field.problem(
        &mut session.report,
        format!(
            "a schedule starts pipelines only, not jobs of type `{word}`; make the job a step of a pipeline"
        ),
    );
    None
}

/// A pipeline's body without the names that only a submission gives it.
fn definition(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let fields = field.fields(&mut session.report)?;
    let (_, mut body) = pipeline::definition(session, fields, base);
    for (written, key) in [
        ("display_name", "displayName"),
        ("experiment_name", "experimentName"),
    ] {
        let node = field.node.get(written).and_then(Node::as_text);
        if node.is_none_or(str::is_empty) {
            body.remove(key);
        }
    }
    Some(body)
}

/// Mappings are merged, everything else replaces what was there; `job` is the schedule's own.
fn merged(origin: &Node, changes: &Node) -> Node {
    let (Some(entries), Some(changed)) = (origin.entries(), changes.entries()) else {
        return changes.clone();
    };
    let mut entries = entries.to_vec();
    for (key, value) in changed {
        if key.as_text() == Some("job") {
            continue;
        }
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = merged(old, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Node::new(Kind::Mapping(entries), origin.mark.clone())
}

fn empty(like: &Node) -> Node {
    Node::new(Kind::Mapping(Vec::new()), like.mark.clone())
}
