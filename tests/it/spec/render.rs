//! A plan filled in with the constants of the conformance kit's stand-in for Azure, as `azure/apply` would fill it in from answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use aml_runner::spec::Plan;
use aml_runner::spec::plan::{Destination, FIRST, Part, Reference, Request, Target, Version};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::canon::{Found, squeeze};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "rg-mlops";
const WORKSPACE: &str = "mlw-mlops";

fn workspace() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    )
}

/// The writes and uploads of a plan in the kit's canonical form.
pub(super) fn render(plan: &Plan) -> Found {
    let mut effects = Vec::new();
    let live = live(plan);
    for request in live.iter().map(|index| &plan.requests[*index]) {
        let path = path_of(request);
        if matches!(request.target, Target::Anonymous { .. }) || path.starts_with("codes/") {
            continue;
        }
        effects.push(json!({
            "method": "PUT",
            "path": path,
            "api-version": request.api_version,
            "body": squeeze(&body_of(plan, request)),
        }));
    }
    Found {
        effects,
        uploads: uploads_of(plan, &live),
    }
}

/// The kit's stand-in has every component that it is asked for, so that what an anonymous one of the first version is made of is
/// not written.
fn is_there(request: &Request) -> bool {
    matches!(&request.target, Target::Anonymous { version, .. } if version == FIRST)
}

fn references(request: &Request) -> impl Iterator<Item = &Reference> {
    let parts = request.slots.iter().flat_map(|slot| &slot.parts);
    parts.filter_map(|part| match part {
        Part::Reference(reference) => Some(reference),
        Part::Text(_) => None,
    })
}

/// The requests that are sent: those that nothing refers to, and what they are made of.
fn live(plan: &Plan) -> BTreeSet<usize> {
    let made_of = |index: usize| references(&plan.requests[index]).filter_map(Reference::request);
    let all = 0..plan.requests.len();
    let parts: BTreeSet<usize> = all.clone().flat_map(made_of).collect();
    let mut left: Vec<usize> = all.filter(|index| !parts.contains(index)).collect();
    let mut live = BTreeSet::new();
    while let Some(index) = left.pop() {
        if live.insert(index) && !is_there(&plan.requests[index]) {
            left.extend(made_of(index));
        }
    }
    live
}

fn path_of(request: &Request) -> String {
    match &request.target {
        Target::Named { collection, name } => {
            format!("{collection}/{}", name.as_deref().unwrap_or("oracle-job"))
        }
        Target::Versioned {
            collection,
            name,
            version,
        } => {
            let version = match version {
                Version::Fixed(version) => version.as_str(),
                Version::Next => "4",
                Version::LatestOrNext => "3",
            };
            format!("{collection}/{name}/versions/{version}")
        }
        Target::Deployment {
            endpoints,
            endpoint,
            name,
        } => format!("{endpoints}/{endpoint}/deployments/{name}"),
        Target::Anonymous {
            collection,
            name,
            version,
        } => format!("{collection}/{name}/versions/{version}"),
    }
}

fn body_of(plan: &Plan, request: &Request) -> Value {
    let mut body = request.body.clone();
    for slot in &request.slots {
        let place = body
            .pointer_mut(&slot.pointer)
            .unwrap_or_else(|| panic!("no place {}", slot.pointer));
        assert!(place.is_null(), "the slot {} is not null", slot.pointer);
        *place = value_of(plan, request, &slot.parts);
    }
    body
}

fn value_of(plan: &Plan, request: &Request, parts: &[Part]) -> Value {
    if let [Part::Reference(Reference::Answer(index))] = parts
        && !is_there(&plan.requests[*index])
        && matches!(plan.requests[*index].target, Target::Anonymous { .. })
    {
        let body = squeeze(&body_of(plan, &plan.requests[*index]));
        let mut spec = body["properties"]["componentSpec"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        spec.remove("version");
        return json!({ "anonymous component": spec });
    }
    let text: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Reference(reference) => spell(plan, request, reference),
        })
        .collect();
    let code = text
        .strip_prefix("azureml:")
        .filter(|rest| rest.starts_with("code:"));
    Value::String(code.map_or(text.clone(), str::to_owned))
}

fn spell(plan: &Plan, request: &Request, reference: &Reference) -> String {
    match reference {
        Reference::Workspace => workspace(),
        Reference::Subscription => SUBSCRIPTION.into(),
        Reference::ResourceGroup => GROUP.into(),
        Reference::WorkspaceName => WORKSPACE.into(),
        Reference::Location => "eastus".into(),
        Reference::Code(upload) => format!("code:{}", plan.uploads[*upload].hash),
        Reference::Answer(index) => match path_of(&plan.requests[*index]) {
            path if path.starts_with("codes/") => "code:None".into(),
            path => format!("{}/{path}", workspace()),
        },
        Reference::Latest { collection, name } => {
            format!("{}/{collection}/{name}/versions/3", workspace())
        }
        Reference::UploadUri(index) => {
            let upload = &plan.uploads[*index];
            let name = upload.path.file_name().unwrap().to_string_lossy();
            let slash = if upload.is_folder { "/" } else { "" };
            let container = "https://stmlops.blob.core.windows.net/azureml-blobstore-1111";
            format!("{container}/LocalUpload/{}/{name}{slash}", upload.hash)
        }
        Reference::OwnName => match &request.target {
            Target::Named {
                name: Some(name), ..
            } => name.clone(),
            Target::Named { .. }
            | Target::Versioned { .. }
            | Target::Deployment { .. }
            | Target::Anonymous { .. } => "oracle-job".into(),
        },
        Reference::VersionOf(index) => path_of(&plan.requests[*index])
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned(),
    }
}

/// The last two segments of every blob's path, with the SHA-256 of its content; empty blobs do not count.
fn uploads_of(plan: &Plan, live: &BTreeSet<usize>) -> BTreeMap<String, String> {
    let sent = live.iter().map(|index| &plan.requests[*index]);
    let needed: BTreeSet<usize> = sent
        .filter(|request| !is_there(request))
        .flat_map(|request| {
            let referred = references(request).filter_map(Reference::upload);
            request.needs.iter().copied().chain(referred)
        })
        .collect();
    let mut uploads = BTreeMap::new();
    for upload in needed.into_iter().map(|index| &plan.uploads[index]) {
        let name = upload.path.file_name().unwrap().to_string_lossy();
        let prefix = match &upload.destination {
            Destination::Code => "container".to_owned(),
            Destination::Datastore { .. } => format!("container/LocalUpload/{}", upload.hash),
        };
        for file in &upload.files {
            let blob = if upload.is_folder {
                format!("{prefix}/{name}/{}", file.relative)
            } else {
                format!("{prefix}/{name}")
            };
            let content = fs::read(&file.path).unwrap();
            assert_eq!(content.len() as u64, file.size, "{}", file.path.display());
            if content.is_empty() {
                continue;
            }
            let segments: Vec<&str> = blob.rsplitn(3, '/').collect();
            uploads.insert(
                format!("{}/{}", segments[1], segments[0]),
                hex::encode(Sha256::digest(&content)),
            );
        }
    }
    uploads
}

/// The whole of a plan for messages.
pub(super) fn shown(found: &Found) -> String {
    let mut all = Map::new();
    all.insert("effects".into(), Value::Array(found.effects.clone()));
    all.insert("uploads".into(), json!(found.uploads));
    serde_json::to_string_pretty(&Value::Object(all)).unwrap()
}
