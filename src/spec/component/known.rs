//! Component files that were read already: one file is read once, however many steps run it, and cannot contain itself.

use std::path::{Path, PathBuf};

use super::Component;
use crate::spec::fields::Field;
use crate::spec::session::{Session, absolute};

/// The component files of a translation.
#[derive(Debug, Default)]
pub(in crate::spec) struct Known(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    /// The type that it was read as.
    wanted: &'static str,
    /// `None` while it is being read.
    result: Option<Option<Component>>,
}

/// The component in a file, for a step of the type `wanted`. `None` after the problem is reported.
pub(in crate::spec) fn read_file(
    session: &mut Session<'_>,
    field: &Field<'_>,
    written: &str,
    wanted: &'static str,
    base: &Path,
) -> Option<Component> {
    let path = absolute(base, written);
    let known = (session.components.0.iter())
        .position(|entry| entry.path == path && entry.wanted == wanted);
    if let Some(index) = known {
        let result = session.components.0[index].result.clone();
        if result.is_none() {
            let message = format!("the component in `{written}` would contain itself");
            field.problem(&mut session.report, message);
        }
        return result.flatten();
    }
    let index = session.components.0.len();
    session.components.0.push(Entry {
        path: path.clone(),
        wanted,
        result: None,
    });
    let component = session.load(field, &path).and_then(|node| {
        let folder = path.parent().unwrap_or(base);
        super::read(session, &Field::root(&node), wanted, folder)
    });
    session.components.0[index].result = Some(component.clone());
    component
}

/// The word under `type` of the component that a field holds or whose file it names, if it can be read.
pub(in crate::spec) fn type_word(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<String> {
    if field.node.entries().is_some() {
        return word(field);
    }
    let text = field.node.as_text()?;
    if text.starts_with("azureml:") {
        return None;
    }
    let path = absolute(base, text.strip_prefix("file:").unwrap_or(text));
    session.files.metadata(&path).ok()?;
    let node = session.load(field, &path)?;
    word(&Field::root(&node))
}

fn word(field: &Field<'_>) -> Option<String> {
    Some(field.node.get("type")?.as_text()?.to_lowercase())
}
