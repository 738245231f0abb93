//! The memory of an execution: one cell per thing that is asked or sent, and which uploads and requests of a plan are the same
//! thing. Knows no network.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::azure::Answer;
use crate::azure::blob::datastore::{Datastore, Grant};
use crate::azure::upload::{Found, Sent, base_name};
use crate::report::Change;
use crate::spec::Plan;
use crate::spec::plan::{Destination, Existing, Part, Reference, Request, Slot, Upload};

/// What the look-up found out about the target of a request.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It is there and says what we would write.
    Unchanged {
        id: String,
        version: Option<String>,
        body: Value,
    },
    /// It must be written.
    Write {
        /// The version to write; `None` for what has no versions.
        version: Option<String>,
        /// Whether that overwrites something.
        exists: bool,
        /// Where to go when the service refuses to change the version in place.
        otherwise: Option<String>,
    },
}

impl Standing {
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::Unchanged { version, .. } | Self::Write { version, .. } => version.as_deref(),
        }
    }
}

/// What the service answered to a request, or what was there already.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) version: Option<String>,
    pub(super) change: Change,
    pub(super) body: Value,
    pub(super) answer: Option<Answer>,
}

/// A code asset that is there now.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) id: String,
    pub(super) change: Change,
    pub(super) sent: Sent,
}

/// The cells of one upload.
#[derive(Debug)]
pub(super) struct UploadCells {
    /// The name of the code asset, should it have to be made: random, because a content-derived name would collide with a
    /// concurrent run that uploads the same code to another place.
    pub(super) code_name: String,
    /// A code asset's id by content.
    pub(super) code_found: OnceCell<Option<String>>,
    pub(super) code: OnceCell<Code>,
    /// What a datastore holds of it.
    pub(super) found: OnceCell<Found>,
    pub(super) sent: OnceCell<Sent>,
}

/// The cells of one request.
#[derive(Debug, Default)]
pub(super) struct RequestCells {
    pub(super) standing: OnceCell<Standing>,
    pub(super) written: OnceCell<Written>,
}

/// The cells of one datastore.
#[derive(Debug, Default)]
pub(super) struct StoreCells {
    pub(super) datastore: OnceCell<Datastore>,
    pub(super) grant: OnceCell<Grant>,
}

pub(super) type Collection = (&'static str, String);

/// All cells of a plan.
#[derive(Debug)]
pub(super) struct Symbols {
    /// For each upload the first one of the same content in the same place.
    pub(super) same_upload: Vec<usize>,
    /// For each request the first one that writes the same thing.
    pub(super) same_request: Vec<usize>,
    pub(super) uploads: Vec<UploadCells>,
    pub(super) requests: Vec<RequestCells>,
    pub(super) stores: HashMap<String, StoreCells>,
    pub(super) latest: HashMap<Collection, OnceCell<String>>,
    pub(super) computes: HashMap<String, OnceCell<bool>>,
}

impl Symbols {
    pub(super) fn of(plan: &Plan) -> Self {
        let same_upload = first_of_each(&plan.uploads, same_content);
        let stores = plan
            .uploads
            .iter()
            .filter_map(|upload| match &upload.destination {
                Destination::Datastore { name } => Some((name.clone(), StoreCells::default())),
                Destination::Code => None,
            })
            .collect();
        let latest = references(plan)
            .filter_map(|reference| match reference {
                Reference::Latest { collection, name } => {
                    Some(((*collection, name.clone()), OnceCell::new()))
                }
                Reference::Workspace
                | Reference::Subscription
                | Reference::ResourceGroup
                | Reference::WorkspaceName
                | Reference::Location
                | Reference::Code(_)
                | Reference::Answer(_)
                | Reference::UploadUri(_)
                | Reference::OwnName
                | Reference::VersionOf(_) => None,
            })
            .collect();
        let computes = plan
            .expects
            .iter()
            .map(|expectation| match &expectation.resource {
                Existing::Compute(name) => (name.clone(), OnceCell::new()),
            })
            .collect();
        Self {
            same_request: same_requests(&plan.requests, &same_upload),
            same_upload,
            uploads: plan.uploads.iter().map(|_| UploadCells::new()).collect(),
            requests: plan
                .requests
                .iter()
                .map(|_| RequestCells::default())
                .collect(),
            stores,
            latest,
            computes,
        }
    }
}

impl UploadCells {
    fn new() -> Self {
        Self {
            code_name: Uuid::new_v4().to_string(),
            code_found: OnceCell::new(),
            code: OnceCell::new(),
            found: OnceCell::new(),
            sent: OnceCell::new(),
        }
    }
}

/// Every reference of every slot.
pub(super) fn references(plan: &Plan) -> impl Iterator<Item = &Reference> {
    plan.requests
        .iter()
        .flat_map(|request| &request.slots)
        .flat_map(references_of)
}

pub(super) fn references_of(slot: &Slot) -> impl Iterator<Item = &Reference> {
    slot.parts.iter().filter_map(|part| match part {
        Part::Reference(reference) => Some(reference),
        Part::Text(_) => None,
    })
}

/// The uploads that must be there before a request is written.
pub(super) fn needs_of(request: &Request) -> impl Iterator<Item = usize> {
    let referred = request
        .slots
        .iter()
        .flat_map(references_of)
        .filter_map(Reference::upload);
    request.needs.iter().copied().chain(referred)
}

fn first_of_each<T>(items: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<usize> {
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            items[..index]
                .iter()
                .position(|earlier| same(earlier, item))
                .unwrap_or(index)
        })
        .collect()
}

/// Code is found by its content alone, whatever its folder is called; other uploads keep their name in storage.
fn same_content(one: &Upload, other: &Upload) -> bool {
    one.hash == other.hash
        && one.destination == other.destination
        && match one.destination {
            Destination::Code => true,
            Destination::Datastore { .. } => base_name(one) == base_name(other),
        }
}

/// Requests are the same when they are equal after their references were replaced by the first of the same.
fn same_requests(requests: &[Request], same_upload: &[usize]) -> Vec<usize> {
    let mut same: Vec<usize> = Vec::with_capacity(requests.len());
    let mut normal: Vec<Request> = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let mut request = request.clone();
        for slot in &mut request.slots {
            for part in &mut slot.parts {
                if let Part::Reference(reference) = part {
                    canonical(reference, same_upload, &same);
                }
            }
        }
        for upload in &mut request.needs {
            *upload = first(same_upload, *upload);
        }
        let earlier = normal.iter().position(|other: &Request| {
            other.target == request.target
                && other.api_version == request.api_version
                && other.body == request.body
                && other.slots == request.slots
                && other.needs == request.needs
        });
        same.push(earlier.unwrap_or(index));
        normal.push(request);
    }
    same
}

fn first(same: &[usize], index: usize) -> usize {
    same.get(index).copied().unwrap_or(index)
}

fn canonical(reference: &mut Reference, same_upload: &[usize], same_request: &[usize]) {
    match reference {
        Reference::Code(upload) | Reference::UploadUri(upload) => {
            *upload = first(same_upload, *upload);
        }
        Reference::Answer(request) | Reference::VersionOf(request) => {
            *request = first(same_request, *request);
        }
        Reference::Workspace
        | Reference::Subscription
        | Reference::ResourceGroup
        | Reference::WorkspaceName
        | Reference::Location
        | Reference::Latest { .. }
        | Reference::OwnName => {}
    }
}
