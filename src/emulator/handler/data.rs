//! Data versions.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asset::{self, Prepared, Put, Rules};
use crate::emulator::asset::AssetKind;
use crate::emulator::problem::Problem;
use crate::emulator::site::Site;
use crate::emulator::state::State;

pub(crate) static RULES: Rules = Rules {
    kind: AssetKind::Data,
    prepare,
    again: StatusCode::OK,
    conflict: "A data version with this name and version already exists. If you are trying to create a new data version, use a different name or version. If you are trying to update an existing data version, the existing asset's data uri cannot be changed. Only tags, description, and isArchived can be updated.",
    missing_version: |name, version| {
        Problem::not_found(
            format!("Data version {name}:{version} (dataContainerName:version) not found."),
            "DataVersionNotFound",
        )
    },
    missing_container: |name| {
        Problem::not_found(
            format!("Data container {name} not found."),
            "DataContainerNotFound",
        )
    },
};

fn prepare(
    state: &State,
    put: &Put<'_>,
    mut fields: Map<String, Value>,
) -> Result<Prepared, Problem> {
    let kind = asset::text(&fields, "dataType")?.to_lowercase();
    if !matches!(kind.as_str(), "uri_file" | "uri_folder" | "mltable") {
        return Err(Problem::bad_request(format!(
            "The dataType '{kind}' is invalid."
        )));
    }
    let mut uri = expand(
        &state.site,
        "resourcegroups",
        asset::text(&fields, "dataUri")?,
    );
    if kind == "uri_folder" && !uri.ends_with('/') {
        uri.push('/');
    }
    fields.insert("dataUri".to_owned(), uri.into());
    fields.insert("dataType".to_owned(), kind.into());
    asset::fill(
        &mut fields,
        json!({
            "description": null, "tags": {}, "properties": {}, "isArchived": false, "isAnonymous": false,
            "autoDeleteSetting": null, "stage": null, "intellectualProperty": null,
        }),
    );
    Ok(Prepared {
        version: put.version.to_owned(),
        properties: Value::Object(fields),
    })
}

/// The long form of a datastore URI given in the short one; anything else stays. `groups` is how the kind spells the group's segment.
pub(crate) fn expand(site: &Site, groups: &str, uri: &str) -> String {
    uri.strip_prefix("azureml://datastores/")
        .and_then(|rest| rest.split_once("/paths/"))
        .map_or_else(
            || uri.to_owned(),
            |(datastore, path)| site.datastore_uri(groups, datastore, path),
        )
}
