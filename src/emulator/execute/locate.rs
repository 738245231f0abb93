//! From a URI or an asset id to a place in the storage account. Knows no process.

use crate::emulator::asset::{AssetKind, Version};
use crate::emulator::handler::data;
use crate::emulator::job::Job;
use crate::emulator::reference::{self, Reference};
use crate::emulator::site::ARTIFACT_CONTAINER;
use crate::emulator::state::State;

/// A blob or a folder of blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) container: String,
    pub(super) path: String,
}

/// How often an asset may point to another before it is a circle.
const DEPTH: usize = 8;

/// The URI behind a name or an id, in the long form of a datastore's: what a job is given that wants the address and no path.
pub(super) fn address(state: &State, uri: &str, kind: &str) -> Result<String, String> {
    let (uri, _) = follow(state, uri, kind)?;
    Ok(data::expand(&state.site, "resourcegroups", &uri))
}

/// Finds what a URI or an id means. `kind` is the input's type, which says what a short name is.
pub(super) fn locate(state: &State, uri: &str, kind: &str) -> Result<Place, String> {
    follow(state, uri, kind).map(|(_, place)| place)
}

/// The last URI on the way from name to name, and its place.
fn follow(state: &State, uri: &str, kind: &str) -> Result<(String, Place), String> {
    let assets = if kind.ends_with("_model") {
        AssetKind::Model
    } else {
        AssetKind::Data
    };
    let mut uri = uri.to_owned();
    for _ in 0..DEPTH {
        match step(state, &uri, assets)? {
            Step::Place(place) => return Ok((uri, place)),
            Step::On(next) => uri = next,
        }
    }
    Err(format!("{uri} points in a circle"))
}

enum Step {
    Place(Place),
    On(String),
}

fn step(state: &State, uri: &str, assets: AssetKind) -> Result<Step, String> {
    if uri.starts_with("http://") || uri.starts_with("https://") {
        return own_blob(state, uri).map(Step::Place);
    }
    if let Some(rest) = uri.strip_prefix("runs:/") {
        let (job, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Ok(Step::Place(artifact(job, path)));
    }
    if let Some(rest) = uri.strip_prefix("azureml://jobs/") {
        return output(state, uri, rest);
    }
    if uri.starts_with("azureml://")
        && let Some((_, rest)) = uri.split_once("datastores/")
    {
        return datastore(state, rest).map(Step::Place);
    }
    match reference::parse(uri, assets) {
        Some(Reference::Asset(kind, name, pick)) => {
            let found = state.assets.find(kind, &name, &pick);
            let version = found.ok_or_else(|| format!("the asset {uri} does not exist"))?;
            target(kind, &version)
                .map(Step::On)
                .ok_or_else(|| format!("the asset {uri} points nowhere"))
        }
        Some(Reference::Curated(_)) => Err(format!(
            "{uri} is in a registry, which the emulator does not have"
        )),
        None => Err(format!(
            "{uri} is no form of a data path that the emulator reads"
        )),
    }
}

fn target(kind: AssetKind, version: &Version) -> Option<String> {
    let field = match kind {
        AssetKind::Model => "modelUri",
        AssetKind::Code => "codeUri",
        AssetKind::Data => "dataUri",
        AssetKind::Environment | AssetKind::Component => return None,
    };
    version.properties[field].as_str().map(str::to_owned)
}

fn artifact(job: &str, path: &str) -> Place {
    Place {
        container: ARTIFACT_CONTAINER.to_owned(),
        path: format!("{}{path}", Job::log_prefix(job)),
    }
}

/// `J/outputs/O/paths/P`, or with `artifacts` for O what the job wrote beside its outputs.
fn output(state: &State, uri: &str, rest: &str) -> Result<Step, String> {
    let mut parts = rest.splitn(5, '/');
    let (job, _, name) = (
        parts.next().unwrap_or(""),
        parts.next(),
        parts.next().unwrap_or(""),
    );
    let path = parts.nth(1).unwrap_or("");
    if name == "artifacts" || name == "default" {
        return Ok(Step::Place(artifact(job, path)));
    }
    let found = state
        .jobs
        .get(job)
        .ok_or_else(|| format!("{uri}: there is no job {job}"))?;
    let output = found
        .outputs
        .get(name)
        .ok_or_else(|| format!("{uri}: the job has no output {name}"))?;
    let base = output.uri.trim_end_matches('/');
    Ok(Step::On(if path.is_empty() {
        output.uri.clone()
    } else {
        format!("{base}/{path}")
    }))
}

/// `D/paths/P`, or `D/P` as the default output of a job is written.
fn datastore(state: &State, rest: &str) -> Result<Place, String> {
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.strip_prefix("paths/").unwrap_or(path);
    let container = state.container_of(name).ok_or_else(|| {
        if state.datastores.get(name).is_some() {
            format!("the datastore {name} is outside the emulator, which has no network")
        } else {
            format!("there is no datastore {name}")
        }
    })?;
    Ok(Place {
        container,
        path: path.to_owned(),
    })
}

/// A URL on the emulator's own storage; anything else is out of reach.
fn own_blob(state: &State, uri: &str) -> Result<Place, String> {
    let parsed = url::Url::parse(uri).map_err(|error| format!("{uri}: {error}"))?;
    let host = parsed.host_str().unwrap_or("");
    let suffix = host.strip_prefix(&format!("{}.blob.", state.site.account));
    let ours = matches!(suffix, Some("localhost" | "core.localhost"))
        && parsed.port() == Some(state.site.port);
    if !ours {
        let (shown, _) = uri.split_once('?').unwrap_or((uri, ""));
        return Err(format!(
            "{shown} is outside the emulator, which has no network"
        ));
    }
    let path = crate::emulator::request::percent_decode(parsed.path());
    let (container, path) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or((path.trim_start_matches('/'), ""));
    Ok(Place {
        container: container.to_owned(),
        path: path.to_owned(),
    })
}
