//! Containers and blobs of the workspace's one storage account. Knows no HTTP and no permission.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use time::OffsetDateTime;

use super::content::Content;
use crate::emulator::clock;
use crate::emulator::store::lock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobKind {
    Block,
    Append,
}

#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) kind: BlobKind,
    pub(crate) content: Content,
    pub(crate) content_type: String,
    pub(crate) md5: Option<String>,
    /// Without the `x-ms-meta-` prefix, as the client spelled them.
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) etag: String,
    pub(crate) created: OffsetDateTime,
    pub(crate) modified: OffsetDateTime,
}

/// The metadata of a blob that stands for a folder.
const FOLDER: &str = "hdi_isfolder";

#[derive(Debug, Default)]
struct Container {
    blobs: BTreeMap<String, Blob>,
    /// Blocks that are not in a list yet, by blob and block id.
    staged: HashMap<String, HashMap<String, Content>>,
}

/// Why a write or a read did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoContainer,
    NoBlob,
    Exists,
    NoBlock,
    WrongKind,
}

#[derive(Debug)]
pub(crate) struct Blobs {
    containers: Mutex<BTreeMap<String, Container>>,
    spill: PathBuf,
    writes: AtomicU64,
}

impl Blobs {
    pub(crate) fn new(spill: PathBuf) -> Self {
        Self {
            containers: Mutex::default(),
            spill,
            writes: AtomicU64::new(0),
        }
    }

    /// False when it was there already.
    pub(crate) fn create_container(&self, name: &str) -> bool {
        let mut containers = lock(&self.containers);
        if containers.contains_key(name) {
            return false;
        }
        containers.insert(name.to_owned(), Container::default());
        true
    }

    pub(crate) fn has_container(&self, name: &str) -> bool {
        lock(&self.containers).contains_key(name)
    }

    fn etag(&self) -> String {
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        format!("\"0x8DE{:012X}\"", 0x1000_0000_0000_u64 + write)
    }

    fn fresh(&self, kind: BlobKind, content: Content) -> Blob {
        let now = clock::now();
        Blob {
            kind,
            content,
            content_type: "application/octet-stream".to_owned(),
            md5: None,
            metadata: Vec::new(),
            etag: self.etag(),
            created: now,
            modified: now,
        }
    }

    fn within<R>(
        &self,
        container: &str,
        act: impl FnOnce(&mut Container) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut containers = lock(&self.containers);
        act(containers.get_mut(container).ok_or(Refusal::NoContainer)?)
    }

    pub(crate) fn get(&self, container: &str, path: &str) -> Result<Blob, Refusal> {
        self.within(container, |inside| {
            inside.blobs.get(path).cloned().ok_or(Refusal::NoBlob)
        })
    }

    /// Writes a whole blob; `describe` sets its properties.
    pub(crate) fn put(
        &self,
        container: &str,
        path: &str,
        kind: BlobKind,
        content: Content,
        only_new: bool,
        describe: impl FnOnce(&mut Blob),
    ) -> Result<Blob, Refusal> {
        let mut blob = self.fresh(kind, content);
        describe(&mut blob);
        self.within(container, |inside| {
            if let Some(old) = inside.blobs.get(path) {
                if only_new {
                    return Err(Refusal::Exists);
                }
                blob.created = old.created;
            }
            inside.staged.remove(path);
            inside.blobs.insert(path.to_owned(), blob.clone());
            Ok(blob)
        })
    }

    pub(crate) fn stage(
        &self,
        container: &str,
        path: &str,
        block: &str,
        content: Content,
    ) -> Result<(), Refusal> {
        self.within(container, |inside| {
            let blocks = inside.staged.entry(path.to_owned()).or_default();
            blocks.insert(block.to_owned(), content);
            Ok(())
        })
    }

    /// The staged blocks of this list, in its order.
    pub(crate) fn assemble(
        &self,
        container: &str,
        path: &str,
        blocks: &[String],
    ) -> Result<Content, Refusal> {
        self.within(container, |inside| {
            let staged = inside.staged.get(path);
            let mut content = Content::default();
            for block in blocks {
                let piece = staged.and_then(|staged| staged.get(block));
                content.extend(piece.ok_or(Refusal::NoBlock)?.clone());
            }
            Ok(content)
        })
    }

    /// Appends to an append blob, which must be there.
    pub(crate) fn append(
        &self,
        container: &str,
        path: &str,
        bytes: &[u8],
    ) -> Result<(u64, Blob), Refusal> {
        let etag = self.etag();
        self.within(container, |inside| {
            let blob = inside.blobs.get_mut(path).ok_or(Refusal::NoBlob)?;
            if blob.kind != BlobKind::Append {
                return Err(Refusal::WrongKind);
            }
            let offset = blob.content.len();
            blob.content.append(bytes);
            blob.modified = clock::now();
            blob.etag = etag;
            Ok((offset, blob.clone()))
        })
    }

    /// Appends to a log of the emulator's own, which is begun when it is not there.
    pub(crate) fn log(&self, container: &str, path: &str, bytes: &[u8]) {
        if self.append(container, path, bytes) == Err(Refusal::NoBlob) {
            let mut content = Content::default();
            content.append(bytes);
            // A job is not ended by a log that somebody deletes while it is written.
            self.put(container, path, BlobKind::Append, content, false, |blob| {
                "text/plain".clone_into(&mut blob.content_type);
            })
            .ok();
        }
    }

    pub(crate) fn set_metadata(
        &self,
        container: &str,
        path: &str,
        metadata: Vec<(String, String)>,
    ) -> Result<Blob, Refusal> {
        let etag = self.etag();
        self.within(container, |inside| {
            let blob = inside.blobs.get_mut(path).ok_or(Refusal::NoBlob)?;
            blob.metadata = metadata;
            blob.etag = etag;
            blob.modified = clock::now();
            Ok(blob.clone())
        })
    }

    pub(crate) fn delete(&self, container: &str, path: &str) -> Result<(), Refusal> {
        self.within(container, |inside| {
            inside.blobs.remove(path).map(|_| ()).ok_or(Refusal::NoBlob)
        })
    }

    /// Blobs whose name begins with `prefix`, by name.
    pub(crate) fn list(
        &self,
        container: &str,
        prefix: &str,
    ) -> Result<Vec<(String, Blob)>, Refusal> {
        self.within(container, |inside| {
            Ok(inside
                .blobs
                .range(prefix.to_owned()..)
                .take_while(|(name, _)| name.starts_with(prefix))
                .map(|(name, blob)| (name.clone(), blob.clone()))
                .collect())
        })
    }

    /// Keeps an empty folder the way storage mounts do: as an empty blob that says it is one.
    pub(crate) fn mark_folder(&self, container: &str, path: &str) {
        let path = path.trim_end_matches('/');
        let kind = BlobKind::Block;
        // A container that is gone is no place for a folder either.
        self.put(container, path, kind, Content::default(), false, |blob| {
            blob.metadata = vec![(FOLDER.to_owned(), "true".to_owned())];
        })
        .ok();
    }

    /// Uploads one file of a finished step.
    pub(crate) fn upload(&self, container: &str, path: &str, file: &Path) -> io::Result<()> {
        let content = Content::from_file(file, &self.spill)?;
        self.put(container, path, BlobKind::Block, content, false, |_| {})
            .map(|_| ())
            .map_err(|refusal| io::Error::other(format!("{container}/{path}: {refusal:?}")))
    }

    /// A piece of an upload.
    pub(crate) fn content(&self, bytes: Bytes) -> io::Result<Content> {
        Content::new(bytes, &self.spill)
    }
}

impl Blob {
    pub(crate) fn is_folder(&self) -> bool {
        self.metadata.iter().any(|(key, _)| key == FOLDER)
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.etag == other.etag
    }
}
