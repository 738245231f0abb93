//! What a finished job left: its named outputs as local files, and the assets that they are registered as. Knows where run history
//! and storage keep them (service notes 13.6), not what is in them.

mod written;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;

pub use self::written::{Written, written_outputs};
use super::blob::datastore::{Datastore, Grant};
use super::blob::{Container, Entry, to_arm};
use super::history::run_data;
use super::jobs::{JobView, get_job, text};
use super::{Address, ArmError, Azure, Call, Notice};

/// Files at a time, and parts of one file at a time: 48 MiB are in memory at most.
const FILES: usize = 4;
const PARTS: usize = 1;
const PART: usize = 4 << 20;
/// Goes at a file whose connection broke.
const ATTEMPTS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("job {job} has no output `{output}`; it has: {}", known.join(", "))]
    NoSuchOutput {
        job: String,
        output: String,
        known: Vec<String>,
    },
    #[error(transparent)]
    Arm(#[from] ArmError),
}

/// An output that is on this machine now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    pub output: String,
    pub folder: PathBuf,
    pub files: usize,
    pub bytes: u64,
}

/// Downloads outputs of a job, each into its own folder, which is made when it is not there. A file goes into the folder under
/// its own name.
pub async fn download_outputs(
    azure: &Azure,
    job: &str,
    wanted: &[(String, PathBuf)],
) -> Result<Vec<Downloaded>, DownloadError> {
    let mut uris = addresses(azure, job).await?;
    if wanted.iter().any(|(output, _)| !uris.contains_key(output)) {
        // Run history does not list the default output; the job itself does.
        let view = get_job(azure, job).await?;
        for (name, output) in view.into_iter().flat_map(|view| view.outputs) {
            if let Some(uri) = output.uri {
                uris.entry(name).or_insert(uri);
            }
        }
    }
    let mut places = Vec::new();
    for (output, folder) in wanted {
        let Some(uri) = uris.get(output) else {
            return Err(DownloadError::NoSuchOutput {
                job: job.to_owned(),
                output: output.clone(),
                known: uris.keys().cloned().collect(),
            });
        };
        places.push((output, folder, place(uri)?));
    }
    let mut stores: BTreeMap<&str, Container> = BTreeMap::new();
    for (_, _, (store, _)) in &places {
        if !stores.contains_key(store.as_str()) {
            stores.insert(store, open(azure, store).await?);
        }
    }
    let lists = try_join_all(places.iter().map(async |(_, folder, (store, path))| {
        let Some(container) = stores.get(store.as_str()) else {
            return Ok(Vec::new());
        };
        let prefix = path.trim_end_matches('/');
        let entries = container.list(prefix).await?;
        targets(&entries, prefix, folder)
    }))
    .await?;
    let progress = Progress {
        azure,
        done: AtomicU64::new(0),
        total: lists.iter().flatten().map(|file| file.size).sum(),
    };
    let mut done = Vec::new();
    for ((output, folder, (store, _)), files) in places.iter().zip(&lists) {
        if let Some(container) = stores.get(store.as_str()) {
            save_all(container, folder, files, &progress).await?;
        }
        done.push(Downloaded {
            output: (*output).clone(),
            folder: (*folder).clone(),
            files: files.len(),
            bytes: files.iter().map(|file| file.size).sum(),
        });
    }
    Ok(done)
}

/// The addresses of a job's outputs, by their names.
async fn addresses(azure: &Azure, job: &str) -> Result<BTreeMap<String, String>, ArmError> {
    let run = run_data(azure, job).await?;
    if run.outputs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<&String> = run
        .outputs
        .values()
        .map(|output| &output.asset_id)
        .collect();
    let path = "data/v1.0/{ws}/dataversion/batchGetResolvedUris";
    let call = Call::post_read(
        Address::DataPlane(path.into()),
        None,
        json!({"values": ids}),
    );
    let answer = azure.send(call).await?;
    let values = &answer.body["values"];
    let found = run
        .outputs
        .iter()
        .filter_map(|(name, output)| Some((name.clone(), text(&values[&output.asset_id]["uri"])?)));
    Ok(found.collect())
}

/// Datastore and path of an address in any of its forms: with or without the workspace, with or without `paths/`.
fn place(uri: &str) -> Result<(String, String), ArmError> {
    let below = uri
        .strip_prefix("azureml://")
        .and_then(|rest| rest.find("datastores/").map(|at| &rest[at + 11..]));
    let parts = below.and_then(|below| below.split_once('/'));
    let Some((store, path)) = parts.filter(|(store, _)| !store.is_empty()) else {
        return Err(ArmError::Decode {
            request: "reading the address of an output".into(),
            reason: format!("`{uri}` is not in a datastore of the workspace"),
        });
    };
    let path = path.strip_prefix("paths/").unwrap_or(path);
    Ok((store.to_owned(), path.to_owned()))
}

async fn open(azure: &Azure, store: &str) -> Result<Container, ArmError> {
    let (datastore, grant) =
        futures::try_join!(Datastore::get(azure, store), Grant::ask(azure, store))?;
    Container::of_datastore(azure, &datastore, &grant)
}

/// A blob and the file that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    blob: String,
    path: PathBuf,
    size: u64,
}

/// The file or the folder's files among the blobs whose names start with `prefix`.
fn targets(entries: &[Entry], prefix: &str, folder: &Path) -> Result<Vec<Target>, ArmError> {
    let mut found = Vec::new();
    for entry in entries {
        let relative = if entry.name == prefix {
            entry.name.rsplit('/').next().unwrap_or(&entry.name)
        } else if let Some(rest) = entry.name.strip_prefix(prefix).and_then(|rest| {
            if prefix.is_empty() {
                Some(rest)
            } else {
                rest.strip_prefix('/')
            }
        }) {
            rest
        } else {
            continue;
        };
        // A name that ends with a slash is somebody's way to keep an empty folder.
        if relative.is_empty() || (relative.ends_with('/') && entry.size == 0) {
            continue;
        }
        found.push(Target {
            blob: entry.name.clone(),
            path: folder.join(inside(relative).ok_or_else(|| ArmError::Decode {
                request: format!("LIST {prefix}"),
                reason: format!(
                    "the output holds `{relative}`, which would be written outside of {}",
                    folder.display()
                ),
            })?),
            size: entry.size,
        });
    }
    Ok(found)
}

/// A path that cannot leave the folder it is joined to, on any system.
fn inside(relative: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in relative.split('/') {
        let hostile = segment.is_empty()
            || segment == "."
            || segment == ".."
            || segment.contains(['\\', '\0'])
            || (cfg!(windows) && segment.contains(':'));
        if hostile {
            return None;
        }
        path.push(segment);
    }
    Some(path)
}

struct Progress<'a> {
    azure: &'a Azure,
    done: AtomicU64,
    total: u64,
}

impl Progress<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.azure.observer())(&Notice::Transfer {
            label: "download".into(),
            done,
            total: self.total,
        });
    }

    fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }
}

async fn save_all(
    container: &Container,
    folder: &Path,
    files: &[Target],
    progress: &Progress<'_>,
) -> Result<(), ArmError> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| local(folder, &error))?;
    futures::stream::iter(files.iter().map(Ok))
        .try_for_each_concurrent(FILES, async |file: &Target| {
            let mut left = ATTEMPTS;
            loop {
                left -= 1;
                match save(container, file, progress).await {
                    Err(error) if left > 0 && error.is_passing() => {}
                    result => return result,
                }
            }
        })
        .await
}

async fn save(
    container: &Container,
    target: &Target,
    progress: &Progress<'_>,
) -> Result<(), ArmError> {
    let fail = |error: std::io::Error| local(&target.path, &error);
    if let Some(parent) = target.path.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(fail)?;
    }
    let mut file = tokio::fs::File::create(&target.path).await.map_err(fail)?;
    // An empty blob has no range to ask for.
    if target.size > 0 {
        let request = || container.describe("GET", &target.blob);
        let options = azure_storage_blob::models::BlobClientDownloadOptions {
            parallel: NonZero::new(PARTS),
            partition_size: NonZero::new(PART),
            ..azure_storage_blob::models::BlobClientDownloadOptions::default()
        };
        let client = container.blob(&target.blob)?;
        let answer = client
            .download(Some(options))
            .await
            .map_err(|error| to_arm(error, request()))?;
        let mut body = answer.body;
        let mut written = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| {
                progress.take_back(written);
                to_arm(error, request())
            })?;
            file.write_all(&piece).await.map_err(fail)?;
            written += piece.len() as u64;
            progress.add(piece.len() as u64);
        }
    }
    file.flush().await.map_err(fail)
}

fn local(path: &Path, error: &std::io::Error) -> ArmError {
    ArmError::Local {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// An asset that an output of a job is registered as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredOutput {
    pub output: String,
    /// `model` or `data`.
    pub kind: &'static str,
    pub name: String,
    pub version: String,
    pub id: String,
}

/// The assets that a finished job registered. Where the job does not say which version it became, it is the newest.
pub async fn registered_outputs(
    azure: &Azure,
    view: &JobView,
) -> Result<Vec<RegisteredOutput>, ArmError> {
    let named = view.outputs.iter().filter_map(|(output, declared)| {
        let name = declared.asset_name.clone()?;
        let model = declared
            .kind
            .as_deref()
            .is_some_and(|kind| kind.to_ascii_lowercase().ends_with("model"));
        Some((output, name, declared.asset_version.clone(), model))
    });
    let found = try_join_all(named.map(async |(output, name, version, model)| {
        let (kind, collection) = if model {
            ("model", "models")
        } else {
            ("data", "data")
        };
        let version = match version {
            Some(version) => Some(version),
            None => newest(azure, collection, &name).await?,
        };
        Ok::<_, ArmError>(version.map(|version| RegisteredOutput {
            output: output.clone(),
            kind,
            id: format!(
                "{}/{collection}/{name}/versions/{version}",
                azure.workspace()
            ),
            name,
            version,
        }))
    }))
    .await?;
    Ok(found.into_iter().flatten().collect())
}

async fn newest(azure: &Azure, collection: &str, name: &str) -> Result<Option<String>, ArmError> {
    let path = format!("{collection}/{}", Address::segment(name));
    let call = Call::get(Address::Workspace(path), "2023-04-01-preview");
    match azure.send(call).await {
        Ok(answer) => Ok(text(&answer.body["properties"]["latestVersion"])),
        Err(ArmError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            size: 1,
        }
    }

    #[test]
    fn every_form_of_an_outputs_address_names_its_datastore() {
        for uri in [
            "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/store/paths/a/b/",
            "azureml://datastores/store/paths/a/b/",
            "azureml://datastores/store/a/b/",
        ] {
            assert_eq!(
                place(uri).unwrap(),
                ("store".into(), "a/b/".into()),
                "{uri}"
            );
        }
        assert!(place("https://elsewhere/x").is_err());
    }

    #[test]
    fn a_folders_neighbours_are_not_its_files() {
        let entries = ["a/out/x", "a/out/y/z", "a/output2/q", "a/out/"].map(entry);
        let mut entries = entries.to_vec();
        entries[3].size = 0;
        let found = targets(&entries, "a/out", Path::new("/here")).unwrap();
        let paths: Vec<_> = found.iter().map(|target| target.path.clone()).collect();
        assert_eq!(
            paths,
            [PathBuf::from("/here/x"), PathBuf::from("/here/y/z")]
        );
    }

    #[test]
    fn a_file_keeps_its_name() {
        let found = targets(&[entry("a/m.pkl")], "a/m.pkl", Path::new("here")).unwrap();
        assert_eq!(found[0].path, Path::new("here").join("m.pkl"));
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        for name in ["../x", "y/../../x", "/x", "y//x", ".\\..\\x", "./x"] {
            assert_eq!(inside(name), None, "{name}");
            let blob = format!("a/out/{name}");
            assert!(targets(&[entry(&blob)], "a/out", Path::new("h")).is_err());
        }
        assert!(inside("...").is_some());
    }
}
