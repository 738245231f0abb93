//! A step's outputs: the paths it writes to, their upload, and the assets they become. Knows no process.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::binding;
use super::locate::{self, Place};
use super::work::Target;
use crate::emulator::asset::AssetKind;
use crate::emulator::handler::asset::{fill, rules, version_id};
use crate::emulator::handler::data;
use crate::emulator::handler::model;
use crate::emulator::job::Output;
use crate::emulator::state::State;

/// An output on its way: where the step writes and where that goes.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) name: String,
    pub(super) path: PathBuf,
    target: Target,
    /// The long datastore URI.
    uri: String,
    place: Place,
}

/// Makes the place on disk that stands for an output in the command.
pub(super) fn prepare(
    state: &State,
    job: &str,
    name: &str,
    target: &Target,
    folder: &Path,
) -> Result<Pending, String> {
    let told = |what: String| format!("Output '{name}': {what}");
    let is_file = target.kind == "uri_file";
    let default = || {
        let slash = if is_file { "" } else { "/" };
        let datastore = &target.datastore;
        format!("azureml://datastores/{datastore}/paths/azureml/{job}/{name}{slash}")
    };
    let given = target.uri.clone().unwrap_or_else(default);
    let mut placeholder = |word: &str| match word {
        "name" => Ok(job.to_owned()),
        "output_name" => Ok(name.to_owned()),
        "default_datastore" => Ok(target.datastore.clone()),
        other => Err(format!("${{{{{other}}}}} is not known in a path")),
    };
    let given = binding::replace(&given, &mut placeholder).map_err(told)?;
    let mut uri = data::expand(&state.site, "resourcegroups", &given);
    if !is_file && !uri.ends_with('/') {
        uri.push('/');
    }
    let place = locate::locate(state, &uri, &target.kind).map_err(told)?;
    let path = if is_file {
        let base = place.path.rsplit('/').next().unwrap_or(name);
        folder.join(base)
    } else {
        folder.to_owned()
    };
    std::fs::create_dir_all(folder).map_err(|error| told(error.to_string()))?;
    Ok(Pending {
        name: name.to_owned(),
        path,
        target: target.clone(),
        uri,
        place,
    })
}

/// Uploads what the step wrote and registers it.
pub(super) fn collect(state: &State, job: &str, pending: &Pending) -> Result<Output, String> {
    let told = |error: std::io::Error| format!("Output '{}': {error}", pending.name);
    let container = &pending.place.container;
    if pending.target.kind == "uri_file" {
        if pending.path.is_file() {
            state
                .blobs
                .upload(container, &pending.place.path, &pending.path)
                .map_err(told)?;
        }
    } else {
        let files = files_under(&pending.path).map_err(told)?;
        if files.is_empty() {
            state.blobs.mark_folder(container, &pending.place.path);
        }
        for (relative, file) in files {
            let path = format!("{}{relative}", pending.place.path);
            state.blobs.upload(container, &path, &file).map_err(told)?;
        }
    }
    register(state, job, pending)
}

/// Files below a folder with their relative paths, `/` between the parts. Links are followed, as a mount would show what they lead to.
fn files_under(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let (mut files, mut open) = (Vec::new(), vec![(String::new(), folder.to_owned())]);
    while let Some((prefix, folder)) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            if path.is_file() {
                files.push((name, path));
            } else if entry.file_type()?.is_dir() {
                open.push((format!("{name}/"), path));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Every output becomes an anonymous data version that run history names; one with a name becomes a data or model version beside.
/// A version that is there keeps what it points to, and the job that would change it fails.
fn register(state: &State, job: &str, pending: &Pending) -> Result<Output, String> {
    let target = &pending.target;
    let as_data = if target.kind.ends_with("_model") {
        "uri_folder"
    } else {
        target.kind.as_str()
    };
    let anonymous = format!("azureml_{job}_output_data_{}", pending.name);
    let properties = data_version(as_data, &pending.uri, true);
    state
        .assets
        .write(AssetKind::Data, &anonymous, "1", properties);
    let mut registered = None;
    if let Some(name) = &target.asset_name {
        let (kind, properties) = if target.kind.ends_with("_model") {
            (AssetKind::Model, model_version(target, &pending.uri, job))
        } else {
            (AssetKind::Data, data_version(as_data, &pending.uri, false))
        };
        let version = match &target.asset_version {
            Some(version) => {
                let written = state.assets.write(kind, name, version, properties);
                written.ok_or_else(|| {
                    format!(
                        "Output '{}' as {name}:{version}: {}",
                        pending.name,
                        rules(kind).conflict
                    )
                })?;
                version.clone()
            }
            None => state.assets.write_next(kind, name, properties).version,
        };
        registered = Some(version_id(state, kind, name, &version));
    }
    Ok(Output {
        kind: target.kind.clone(),
        asset_id: state.site.output_asset_id(job, &pending.name),
        uri: pending.uri.clone(),
        registered,
    })
}

/// The output of a pipeline that one of its steps produced: the same place under the pipeline's own id.
pub(super) fn adopt(state: &State, job: &str, name: &str, output: &Output) -> Output {
    let as_data = if output.kind.ends_with("_model") {
        "uri_folder"
    } else {
        output.kind.as_str()
    };
    let properties = data_version(as_data, &output.uri, true);
    let anonymous = format!("azureml_{job}_output_data_{name}");
    state
        .assets
        .write(AssetKind::Data, &anonymous, "1", properties);
    Output {
        asset_id: state.site.output_asset_id(job, name),
        ..output.clone()
    }
}

fn data_version(kind: &str, uri: &str, is_anonymous: bool) -> Value {
    json!({
        "description": null, "tags": {}, "properties": {}, "isArchived": false, "isAnonymous": is_anonymous, "dataType": kind,
        "dataUri": uri, "autoDeleteSetting": null, "stage": null, "intellectualProperty": null,
    })
}

fn model_version(target: &Target, uri: &str, job: &str) -> Value {
    let uri = uri.replacen("/resourcegroups/", "/resourceGroups/", 1);
    let mut properties = serde_json::Map::new();
    fill(
        &mut properties,
        json!({"modelType": target.kind, "modelUri": uri, "jobName": job}),
    );
    fill(&mut properties, model::defaults());
    Value::Object(properties)
}
