//! Bringing a step's code and inputs onto the disk. Knows no process.

use std::path::{Component, Path, PathBuf};

use super::locate::{Place, locate};
use super::work::Input;
use crate::emulator::blob::store::Blob;
use crate::emulator::state::State;

/// The path that stands for an input in the command.
pub(super) fn fetch(
    state: &State,
    name: &str,
    input: &Input,
    folder: &Path,
) -> Result<PathBuf, String> {
    let place = locate(state, &input.value, &input.kind)
        .map_err(|what| format!("Input '{name}': {what}"))?;
    let found =
        download(state, &place, folder).map_err(|what| format!("Input '{name}': {what}"))?;
    if input.kind == "uri_file" && found.is_dir() {
        return Err(format!(
            "Input '{name}' is a uri_file, but {} is a folder",
            input.value
        ));
    }
    if matches!(input.kind.as_str(), "uri_folder" | "mltable") && found.is_file() {
        return Err(format!(
            "Input '{name}' is a {}, but {} is a file",
            input.kind, input.value
        ));
    }
    Ok(found)
}

/// Copies the code that a step runs into its working directory.
pub(crate) fn fetch_code(state: &State, id: &str, folder: &Path) -> Result<(), String> {
    let place = locate(state, id, "code").map_err(|what| format!("Code: {what}"))?;
    download(state, &place, folder)
        .map(|_| ())
        .map_err(|what| format!("Code: {what}"))
}

/// A model as deployments see it: its file, or its folder under the folder's own name.
pub(crate) fn fetch_model(state: &State, id: &str, folder: &Path) -> Result<PathBuf, String> {
    let place = locate(state, id, "custom_model").map_err(|what| format!("Model: {what}"))?;
    let whole = place.path.trim_end_matches('/');
    let blob = state.blobs.get(&place.container, whole).ok();
    let is_file = whole == place.path && blob.is_some_and(|blob| !blob.is_folder());
    let base = whole.rsplit('/').next().unwrap_or_default();
    let folder = if is_file {
        folder.to_owned()
    } else {
        folder.join(base)
    };
    download(state, &place, &folder).map_err(|what| format!("Model: {what}"))
}

/// A text file in a model's folder.
pub(crate) fn text_in_model(state: &State, id: &str, file: &str) -> Result<String, String> {
    let place = locate(state, id, "custom_model").map_err(|what| format!("Model: {what}"))?;
    let path = format!("{}/{file}", place.path.trim_end_matches('/'));
    let blob = state.blobs.get(&place.container, &path);
    let blob = blob.map_err(|_refused| format!("Model: it has no file {file}"))?;
    let bytes = blob.content.all();
    let bytes = bytes.map_err(|error| format!("Model: {file}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("Model: {file}: {error}"))
}

/// Copies a blob, or the blobs of a folder with their relative paths. A file's path, or the folder itself, is what was fetched.
fn download(state: &State, place: &Place, folder: &Path) -> Result<PathBuf, String> {
    let there =
        |what: &dyn std::fmt::Display| format!("{}/{}: {what}", place.container, place.path);
    std::fs::create_dir_all(folder).map_err(|error| there(&error))?;
    let whole = place.path.trim_end_matches('/');
    let exact = state.blobs.get(&place.container, whole).ok();
    let is_folder = exact.as_ref().is_some_and(Blob::is_folder);
    if let Some(blob) = exact.filter(|_| !is_folder && whole == place.path) {
        let base = whole.rsplit('/').next().unwrap_or("file");
        let file = folder.join(base);
        blob.content
            .write_to(&file)
            .map_err(|error| there(&error))?;
        return Ok(file);
    }
    let prefix = if whole.is_empty() {
        String::new()
    } else {
        format!("{whole}/")
    };
    let blobs = state.blobs.list(&place.container, &prefix);
    let blobs = blobs.map_err(|_refused| there(&"the container does not exist"))?;
    if blobs.is_empty() && !is_folder {
        return Err(there(
            &"The requested stream was not found. (ScriptExecution.StreamAccess.NotFound)",
        ));
    }
    for (name, blob) in blobs {
        let Some(relative) = name.get(prefix.len()..).filter(|rest| is_inside(rest)) else {
            return Err(there(&"a blob's name leads out of its folder"));
        };
        let file = folder.join(relative);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|error| there(&error))?;
        }
        blob.content
            .write_to(&file)
            .map_err(|error| there(&error))?;
    }
    Ok(folder.to_owned())
}

/// Whether a relative path stays where it is joined to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_name_cannot_lead_out_of_the_folder() {
        assert!(is_inside("a/b.txt"));
        for path in ["../a", "a/../../b", "/etc/passwd", ""] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
