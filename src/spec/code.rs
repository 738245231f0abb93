//! The `code` of jobs and components: a local file or folder, an id, or an address.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::draft::{Draft, Object};
use super::fields::Field;
use super::plan::{Reference, Target, Version};
use super::reference::{self, REGISTRY};
use super::session::{Found, Session, absolute, base_name};
use super::snapshot::{Ignoring, Merged};

const API: &str = "2023-04-01";
/// What the SDK calls the folder that it copies code and includes into.
const MERGED_FOLDER: &str = "code_with_additional_includes";

/// The id of a job's code.
pub(super) fn of_job(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    resolve(session, field, &text, base, Ignoring::IgnoreFile)
}

/// The id of a deployment's code; unlike a job's it may be named by name and version, or lie in a registry.
pub(super) fn of_deployment(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    if text.starts_with(REGISTRY) || reference::is_arm_id(&text) {
        return Some(Draft::from(text));
    }
    match text.strip_prefix("azureml:") {
        Some(name) => reference::asset_id(session, field, name, "codes"),
        None => resolve(session, field, &text, base, Ignoring::IgnoreFile),
    }
}

/// Puts the code of a component into its specification.
pub(super) fn of_component(
    session: &mut Session<'_>,
    code: Option<&Field<'_>>,
    includes: Option<&Field<'_>>,
    base: &Path,
    spec: &mut Object,
) {
    let text = code.and_then(|field| field.text(&mut session.report));
    let included =
        includes.and_then(|field| super::settings::text_list(field, &mut session.report));
    let id = match (code, text, includes, included) {
        (_, text, Some(includes), Some(list))
            if list.as_array().is_some_and(|list| !list.is_empty()) =>
        {
            spec.put("additional_includes", list);
            merged(session, code, text.as_deref(), includes, base)
        }
        (Some(field), Some(text), ..) => resolve(session, field, &text, base, Ignoring::Component),
        (..) => None,
    };
    spec.put_some("code", id.map(|id| id.prefixed("azureml:")));
}

fn resolve(
    session: &mut Session<'_>,
    field: &Field<'_>,
    text: &str,
    base: &Path,
    ignoring: Ignoring,
) -> Option<Draft> {
    if !session.exists(base, text) {
        if text.starts_with("git+") {
            field.problem(
                &mut session.report,
                "code from git is not supported by the service; check it out and name the folder",
            );
            return None;
        }
        if text.starts_with(REGISTRY) {
            if ignoring == Ignoring::Component {
                return Some(Draft::from(text));
            }
            field.problem(&mut session.report, "a job cannot use code of a registry");
            return None;
        }
        if let Some(id) = text
            .strip_prefix("azureml:")
            .filter(|id| reference::is_arm_id(id))
        {
            return Some(Draft::from(id));
        }
        if reference::is_web_address(text) && ignoring == Ignoring::IgnoreFile {
            return Some(remote(session, text));
        }
        if reference::is_url(text) {
            let message = match ignoring {
                Ignoring::IgnoreFile => {
                    format!("`{text}` is neither a local path nor an address of the web")
                }
                Ignoring::Component => {
                    format!("the code of a component is a local file or folder, not `{text}`")
                }
            };
            field.problem(&mut session.report, message);
            return None;
        }
    }
    let found = session.find(field, text, base)?;
    let upload = session.upload_code(field, &found, ignoring)?;
    Some(Draft::reference(Reference::Code(upload)))
}

/// Code that lies in storage already: an asset that points there, named by its address.
fn remote(session: &mut Session<'_>, address: &str) -> Draft {
    let name = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, address.as_bytes()).to_string();
    let mut body = Object::default();
    body.put(
        "properties",
        json!({"codeUri": address, "isAnonymous": true, "isArchived": false, "properties": {}}),
    );
    let target = Target::Versioned {
        collection: "codes",
        name,
        version: Version::Fixed("1".into()),
    };
    Draft::reference(Reference::Answer(session.request(
        target,
        API,
        body,
        Vec::new(),
    )))
}

/// Code and includes as one folder.
fn merged(
    session: &mut Session<'_>,
    code: Option<&Field<'_>>,
    text: Option<&str>,
    includes: &Field<'_>,
    base: &Path,
) -> Option<Draft> {
    let mut merged = Merged::default();
    let mut root: Option<PathBuf> = None;
    if let (Some(field), Some(text)) = (code, text) {
        let found = session.find(field, text, base)?;
        let added = if found.is_folder {
            merged.add_folder(session.files, &found.path, "")
        } else {
            merged.add_file(session.files, &found.path, base_name(&found.path))
        };
        if let Err(error) = added {
            field.problem(
                &mut session.report,
                format!("`{text}` cannot be uploaded: {error}"),
            );
            return None;
        }
        root = found.is_folder.then_some(found.path);
    }
    for include in includes.items(&mut session.report)? {
        add_include(session, &include, base, root.as_deref(), &mut merged);
    }
    let files = match merged.finish(session.files) {
        Ok(files) => files,
        Err(error) => {
            includes.problem(
                &mut session.report,
                format!("the code cannot be read: {error}"),
            );
            return None;
        }
    };
    let found = Found {
        written: text.unwrap_or(MERGED_FOLDER).to_owned(),
        path: base.join(MERGED_FOLDER),
        is_folder: true,
    };
    let upload = session.upload_merged(includes, &found, files)?;
    Some(Draft::reference(Reference::Code(upload)))
}

fn add_include(
    session: &mut Session<'_>,
    include: &Field<'_>,
    base: &Path,
    root: Option<&Path>,
    merged: &mut Merged,
) {
    let Some(text) = include.text(&mut session.report) else {
        return;
    };
    let path = absolute(base, &text);
    let zipped = text.ends_with(".zip") && !session.exists(base, &text);
    if zipped && session.exists(base, text.trim_end_matches(".zip")) {
        include.problem(
            &mut session.report,
            "folders that are zipped on the way are not supported by this version",
        );
        return;
    }
    let Some(found) = session.find(include, &text, base) else {
        return;
    };
    let name = base_name(&path);
    let taken = root.is_some_and(|root| {
        let there = absolute(root, &name);
        // A link to the very thing that is included does no harm.
        session
            .files
            .canonical(&there)
            .is_ok_and(|path| path != found.path || path == there)
    });
    if taken {
        include.problem(
            &mut session.report,
            format!("the code has a `{name}` of its own already"),
        );
        return;
    }
    let added = if found.is_folder {
        merged.add_folder(session.files, &found.path, &format!("{name}/"))
    } else {
        merged.add_file(session.files, &found.path, name)
    };
    if let Err(error) = added {
        include.problem(
            &mut session.report,
            format!("`{text}` cannot be uploaded: {error}"),
        );
    }
}
