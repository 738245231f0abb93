//! Code versions: uploads, and the lookup by content that spares them.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::asset::{self, Prepared, Put, Rules};
use crate::emulator::asset::AssetKind;
use crate::emulator::blob::sas;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

pub(crate) static RULES: Rules = Rules {
    kind: AssetKind::Code,
    prepare,
    again: StatusCode::OK,
    conflict: "Asset paths cannot be updated.",
    missing_version: |name, version| {
        Problem::not_found(
            format!("Code version {name}:{version} (codeContainerName:version) not found."),
            "CodeVersionNotFound",
        )
    },
    missing_container: |name| {
        Problem::not_found(
            format!("Code container {name} not found."),
            "CodeContainerNotFound",
        )
    },
};

fn prepare(
    _state: &State,
    put: &Put<'_>,
    mut fields: Map<String, Value>,
) -> Result<Prepared, Problem> {
    asset::text(&fields, "codeUri")?;
    asset::fill(
        &mut fields,
        json!({"description": null, "tags": {}, "properties": {}, "isArchived": false}),
    );
    // The service answers false even to a version that was sent as anonymous.
    fields.insert("isAnonymous".to_owned(), Value::Bool(false));
    fields.insert("provisioningState".to_owned(), "Succeeded".into());
    Ok(Prepared {
        version: put.version.to_owned(),
        properties: Value::Object(fields),
    })
}

/// The versions with this content, under whatever name.
pub(crate) fn by_hash(state: &State, hash: &str) -> Reply {
    let mut hits = Vec::new();
    for (name, container) in state.assets.table(AssetKind::Code).list() {
        for version in &container.versions {
            if version.properties["properties"]["hash_sha256"] == hash {
                hits.push(asset::body(state, AssetKind::Code, &name, version));
            }
        }
    }
    Ok(request::list(&hits))
}

/// A fresh container and a signed link to it.
pub(crate) fn start_pending_upload(state: &State, call: &Call) -> Reply {
    let wish = if call.body.is_empty() {
        Value::Null
    } else {
        call.json()?
    };
    let kind = wish["pendingUploadType"].as_str();
    if !matches!(kind, Some("TemporaryBlobReference") | None) {
        return Err(Problem::not_implemented(&format!(
            "POST startPendingUpload {}",
            kind.unwrap_or("")
        )));
    }
    let random = Uuid::new_v4().simple().to_string();
    let container = format!(
        "{}-{}",
        state.site.workspace_id,
        random.get(..25).unwrap_or(&random)
    );
    state.blobs.create_container(&container);
    let uri = state.site.blob_url(&container, "");
    let query = sas::upload_container(&state.site, &container);
    Ok(request::ok(&json!({
        "pendingUploadId": Uuid::new_v4().to_string(), "pendingUploadType": "None",
        "blobReferenceForConsumption": {
            "blobUri": uri,
            "storageAccountArmId": format!("{}/providers/Microsoft.Storage/storageAccounts/{}", state.site.group_id(), state.site.account),
            "credential": {"credentialType": "SAS", "sasUri": format!("{uri}?{query}")},
        },
    })))
}
