//! Moves local files into a container: which file goes where, how many at a time, in which order, and how a finished upload is
//! marked so that it is found again. Does not know where the files come from or what refers to them.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use azure_core::Bytes;
use azure_core::http::Body;
use azure_core::stream::SeekableStream;
use azure_storage_blob::models::{BlobClientGetPropertiesResultHeaders, BlobClientUploadOptions};
use azure_storage_blob::stream::tokio::FileStream;
use futures::future::try_join_all;
use futures::io::AsyncRead;
use tokio::sync::Semaphore;

use super::blob::{Container, to_arm};
use super::{ArmError, Notice, Observer};
use crate::spec::plan::{LocalFile, Upload};

/// Files at a time.
const FILES: usize = 32;
/// Above this a file goes up in blocks, as the SDK does (service notes 6.2).
const ONE_PUT: u64 = 64 << 20;
const BLOCK: u64 = 8 << 20;
/// Blocks of one file at a time, and files that go up in blocks at a time: 48 MiB are in memory at most.
const BLOCKS: usize = 3;
const FILES_IN_BLOCKS: usize = 2;
/// From here on an upload that broke off is gone on with.
const WORTH_RESUMING: u64 = 16 << 20;
/// Up to here a file is read whole rather than streamed.
const SMALL: u64 = 256 << 10;

/// A file and the blob that it becomes.
#[derive(Debug, Clone, Copy)]
struct Move<'a> {
    file: &'a LocalFile,
    blob: &'a str,
    /// What is there is not trusted.
    replace: bool,
}

/// What the indicator blob says of a finished upload; `az ml` looks for exactly these words (service notes 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Mark {
    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([
            ("name".to_owned(), self.name.clone()),
            ("version".to_owned(), self.version.clone()),
            ("upload_status".to_owned(), "completed".to_owned()),
        ])
    }
}

/// What the container holds of an upload before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A container that nobody else knows: everything may go at once.
    Fresh,
    Nothing,
    /// Blobs without the mark: somebody was interrupted, and what is there is not trusted.
    Broken,
    Complete,
}

/// What an upload sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// The lanes that all uploads of a plan share, and their common progress.
pub(crate) struct Uploader {
    files: Semaphore,
    in_blocks: Semaphore,
    progress: Arc<Progress>,
}

impl Uploader {
    pub(crate) fn new(observer: Observer) -> Self {
        Self {
            files: Semaphore::new(FILES),
            in_blocks: Semaphore::new(FILES_IN_BLOCKS),
            progress: Arc::new(Progress {
                observer,
                label: "upload",
                done: AtomicU64::new(0),
                total: AtomicU64::new(0),
            }),
        }
    }

    /// Asks the indicator blob, the first path in plain order, whether the upload is there already.
    pub(crate) async fn find(
        container: &Container,
        upload: &Upload,
        root: &str,
    ) -> Result<Found, ArmError> {
        let Some(first) = blobs(upload, root).into_iter().min() else {
            return Ok(Found::Complete);
        };
        match container.blob(&first)?.get_properties(None).await {
            Ok(answer) => {
                let metadata = answer
                    .metadata()
                    .map_err(|error| to_arm(error, container.describe("HEAD", &first)))?;
                let done = metadata.iter().any(|(key, value)| {
                    key.eq_ignore_ascii_case("upload_status") && value == "completed"
                });
                Ok(if done { Found::Complete } else { Found::Broken })
            }
            Err(error) => {
                let error = to_arm(error, container.describe("HEAD", &first));
                if matches!(error, ArmError::NotFound(_)) {
                    Ok(Found::Nothing)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Sends what is missing. The indicator goes last and carries the mark in the same request, so that a marked upload is whole.
    pub(crate) async fn send(
        &self,
        container: &Container,
        upload: &Upload,
        root: &str,
        found: Found,
        mark: &Mark,
    ) -> Result<Sent, ArmError> {
        if found == Found::Complete {
            return Ok(Sent::default());
        }
        let blobs = blobs(upload, root);
        let mut moves: Vec<Move<'_>> = upload
            .files
            .iter()
            .zip(&blobs)
            .map(|(file, blob)| Move {
                file,
                blob,
                replace: found == Found::Broken,
            })
            .collect();
        moves.sort_by_key(|one| one.blob);
        let Some((indicator, rest)) = moves.split_first() else {
            return Ok(Sent::default());
        };
        let rest = missing(container, upload, root, found, rest).await?;
        let bytes = indicator.file.size + rest.iter().map(|one| one.file.size).sum::<u64>();
        self.progress.expect(bytes);
        let others = try_join_all(rest.iter().map(|one| self.put(container, one, None)));
        let last = self.put(container, indicator, Some(mark));
        if found == Found::Fresh {
            futures::try_join!(others, last)?;
        } else {
            others.await?;
            last.await?;
        }
        Ok(Sent {
            files: rest.len() + 1,
            bytes,
        })
    }

    async fn put(
        &self,
        container: &Container,
        one: &Move<'_>,
        mark: Option<&Mark>,
    ) -> Result<(), ArmError> {
        let in_blocks = one.file.size > ONE_PUT;
        let lane = if in_blocks {
            &self.in_blocks
        } else {
            &self.files
        };
        // The lanes are never closed; without a permit the file would merely go at once.
        let _permit = lane.acquire().await.ok();
        let body = self.body(one.file).await?;
        let mut options = BlobClientUploadOptions {
            blob_content_type: Some("application/octet-stream".into()),
            metadata: mark.map(Mark::metadata),
            parallel: NonZero::new(BLOCKS),
            partition_size: NonZero::new(if in_blocks { BLOCK } else { ONE_PUT }),
            ..BlobClientUploadOptions::default()
        };
        if !one.replace {
            options.if_none_match = Some("*".into());
        }
        let client = container.blob(one.blob)?;
        match client.upload(body.into(), Some(options)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = to_arm(error, container.describe("PUT", one.blob));
                // The path holds the hash of the content: somebody else was faster with the same bytes (service notes 18.3).
                if matches!(error, ArmError::Conflict(_)) && !one.replace {
                    Ok(())
                } else {
                    Err(error)
                }
            }
        }
    }

    async fn body(&self, file: &LocalFile) -> Result<Body, ArmError> {
        let fail = |error: std::io::Error| local(&file.path, &error.to_string());
        let changed = || local(&file.path, "the file changed while it was being uploaded");
        if file.size <= SMALL {
            let content = tokio::fs::read(&file.path).await.map_err(fail)?;
            if content.len() as u64 != file.size {
                return Err(changed());
            }
            self.progress.add(file.size);
            return Ok(Body::Bytes(Bytes::from(content)));
        }
        let open = tokio::fs::File::open(&file.path).await.map_err(fail)?;
        let stream = FileStream::builder(open)
            .build()
            .await
            .map_err(|error| local(&file.path, &error.to_string()))?;
        if stream.len() != Some(file.size) {
            return Err(changed());
        }
        Ok(Body::SeekableStream(Box::new(Counted {
            inner: stream,
            read: Arc::default(),
            progress: Arc::clone(&self.progress),
        })))
    }
}

/// What an upload that broke off has not sent yet. A blob appears when it is whole, and its path holds the hash of the content:
/// one of the right size need not be sent again. Not worth the question for an upload that is done in a moment.
async fn missing<'a>(
    container: &Container,
    upload: &Upload,
    root: &str,
    found: Found,
    rest: &[Move<'a>],
) -> Result<Vec<Move<'a>>, ArmError> {
    let bytes: u64 = rest.iter().map(|one| one.file.size).sum();
    if found != Found::Nothing || bytes < WORTH_RESUMING {
        return Ok(rest.to_vec());
    }
    let prefix = format!("{root}{}/", base_name(upload));
    let there: HashMap<String, u64> = match container.list(&prefix).await {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| (entry.name, entry.size))
            .collect(),
        // A signature need not allow listing.
        Err(ArmError::Denied(_)) => HashMap::new(),
        Err(error) => return Err(error),
    };
    let is_missing = |one: &&Move<'_>| there.get(one.blob) != Some(&one.file.size);
    let missing = rest.iter().filter(is_missing).map(|one| Move {
        replace: there.contains_key(one.blob),
        ..*one
    });
    Ok(missing.collect())
}

fn local(path: &Path, reason: &str) -> ArmError {
    ArmError::Local {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

/// The blobs of an upload, in the order of its files: below `root`, the upload's own name, and for a folder the file's path in it.
fn blobs(upload: &Upload, root: &str) -> Vec<String> {
    let top = format!("{root}{}", base_name(upload));
    upload
        .files
        .iter()
        .map(|file| {
            if upload.is_folder {
                format!("{top}/{}", file.relative)
            } else {
                top.clone()
            }
        })
        .collect()
}

/// The last part of the upload's path: what its place in storage is called.
pub(crate) fn base_name(upload: &Upload) -> String {
    upload
        .path
        .file_name()
        .map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned())
}

struct Progress {
    observer: Observer,
    label: &'static str,
    done: AtomicU64,
    total: AtomicU64,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Progress {
    fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.observer)(&Notice::Transfer {
            label: self.label.to_owned(),
            done,
            total: self.total.load(Ordering::Relaxed),
        });
    }

    /// A body is sent again from its start.
    fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file's stream that counts what was read of it.
#[derive(Debug, Clone)]
struct Counted {
    inner: FileStream,
    /// Shared, because the pipeline sends a clone of the body.
    read: Arc<AtomicU64>,
    progress: Arc<Progress>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf))? as u64;
        self.read.fetch_add(read, Ordering::Relaxed);
        self.progress.add(read);
        Poll::Ready(Ok(usize::try_from(read).unwrap_or_default()))
    }
}

#[async_trait::async_trait]
impl SeekableStream for Counted {
    async fn reset(&mut self) -> azure_core::Result<()> {
        self.progress
            .take_back(self.read.swap(0, Ordering::Relaxed));
        self.inner.reset().await
    }

    fn len(&self) -> Option<u64> {
        self.inner.len()
    }

    fn buffer_size(&self) -> usize {
        self.inner.buffer_size()
    }
}
