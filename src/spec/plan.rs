//! The result of a translation: what must be uploaded and written, with references that only the service can answer still
//! symbolic. `azure/apply` fills them in; a dry run prints them.

use std::path::PathBuf;

use serde_json::Value;

use crate::event::Place;

/// Requests in dependency order; the last one is what the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub uploads: Vec<Upload>,
    pub requests: Vec<Request>,
    /// Resources that must exist already; looked up before anything is uploaded.
    pub expects: Vec<Expectation>,
}

/// A resource that the request takes for granted, and where the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub resource: Existing,
    pub place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Existing {
    Compute(String),
}

/// Local content that must be in storage before the requests that need it.
#[derive(Debug, Clone)]
pub struct Upload {
    /// As the user wrote it.
    pub written: String,
    /// As it was resolved.
    pub path: PathBuf,
    pub is_folder: bool,
    pub files: Vec<LocalFile>,
    /// Lower-case hex: the content hash for code, the object hash for everything else (service notes 6.3, 6.4).
    pub hash: String,
    pub destination: Destination,
}

/// One file of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    pub path: PathBuf,
    /// The name below the upload's own name, with `/`; for a single file its base name.
    pub relative: String,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A code asset: looked up by hash, else a pending upload and a PUT of the code version.
    Code,
    /// `LocalUpload/<hash>/<base name>` in a datastore of the workspace.
    Datastore { name: String },
}

/// One PUT. `body` holds nulls where `slots` point.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: Target,
    pub api_version: &'static str,
    pub body: Value,
    pub slots: Vec<Slot>,
    /// Uploads (indices into [`Plan::uploads`]) whose place is already known in the body but which must be there first.
    pub needs: Vec<usize>,
}

/// What a request writes, below the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `computes/<name>`, `jobs/<name>`, ...; `name` is `None` when the stage chooses it (jobs).
    Named {
        collection: &'static str,
        name: Option<String>,
    },
    /// `data/<name>/versions/<version>`, ...
    Versioned {
        collection: &'static str,
        name: String,
        version: Version,
    },
    /// `onlineEndpoints/<endpoint>/deployments/<name>`: `endpoints` is the collection that the endpoint is in.
    Deployment {
        endpoints: &'static str,
        endpoint: String,
        name: String,
    },
    /// `components/azureml_anonymous/versions/<hash>`: the service answers with an id of its own. Of the version [`FIRST`] what is
    /// there already is taken.
    Anonymous {
        collection: &'static str,
        name: String,
        version: String,
    },
}

/// A deployment of a pipeline in a file is looked up under this version of the anonymous component before it is registered, as the
/// SDK does.
pub const FIRST: &str = "1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    Fixed(String),
    /// The container's `nextVersion`; `1` when there is no container (data, models, components).
    Next,
    /// The container's `latestVersion`, updated in place where the service allows it, else `nextVersion` (environments).
    LatestOrNext,
}

/// A string of the body that only the service, or an earlier answer, can complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// JSON pointer into the body.
    pub pointer: String,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Reference(Reference),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W`
    Workspace,
    Subscription,
    ResourceGroup,
    WorkspaceName,
    /// The workspace's region.
    Location,
    /// The id of the code asset of an upload.
    Code(usize),
    /// The id that the service answered to an earlier request of the plan.
    Answer(usize),
    /// The id of an asset's newest version: `azureml:name@latest`. `container` lookups use the container's `latestVersion`,
    /// the others list by creation time (service notes 7).
    Latest {
        collection: &'static str,
        name: String,
    },
    /// The https address of an upload's folder (with trailing `/`) or file in its datastore.
    UploadUri(usize),
    /// The name that the stage gives to the request itself (a job's default display name).
    OwnName,
    /// The version that [`Version::Next`] or [`Version::LatestOrNext`] of a request came to be (a component's spec repeats it).
    VersionOf(usize),
}

impl Reference {
    /// The earlier request that completes it.
    pub fn request(&self) -> Option<usize> {
        match self {
            Self::Answer(request) | Self::VersionOf(request) => Some(*request),
            Self::Workspace
            | Self::Subscription
            | Self::ResourceGroup
            | Self::WorkspaceName
            | Self::Location
            | Self::Code(_)
            | Self::Latest { .. }
            | Self::UploadUri(_)
            | Self::OwnName => None,
        }
    }

    /// The upload that completes it.
    pub fn upload(&self) -> Option<usize> {
        match self {
            Self::Code(upload) | Self::UploadUri(upload) => Some(*upload),
            Self::Workspace
            | Self::Subscription
            | Self::ResourceGroup
            | Self::WorkspaceName
            | Self::Location
            | Self::Answer(_)
            | Self::Latest { .. }
            | Self::OwnName
            | Self::VersionOf(_) => None,
        }
    }
}
