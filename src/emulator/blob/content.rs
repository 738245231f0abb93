//! The bytes of a blob: small pieces in memory, large ones in temporary files. Knows no HTTP and no name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use tempfile::{NamedTempFile, TempPath};

/// Pieces larger than this go to disk.
const SPILL: usize = 1 << 20;
/// Small appends are joined up to this size, so that a log of many short lines is not a million pieces.
const JOIN: usize = 64 << 10;
/// How much of a piece on disk is read at once.
const READ: u64 = 1 << 20;

#[derive(Debug, Clone)]
enum Chunk {
    Memory(Bytes),
    File(Arc<TempPath>, u64),
}

impl Chunk {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    fn read(&self, from: u64, len: u64) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let (from, len) = (size(from)?, size(len)?);
                Ok(bytes.slice(from..from + len))
            }
            Self::File(path, _) => {
                let mut file = File::open(&**path)?;
                file.seek(SeekFrom::Start(from))?;
                let mut out = vec![0; size(len)?];
                file.read_exact(&mut out)?;
                Ok(out.into())
            }
        }
    }
}

fn size(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

/// Cheap to clone: pieces are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    chunks: Vec<Chunk>,
    len: u64,
}

impl Content {
    /// Keeps these bytes; large ones go to a file under `spill`.
    pub(crate) fn new(bytes: Bytes, spill: &Path) -> io::Result<Self> {
        let len = bytes.len() as u64;
        let chunk = if bytes.len() > SPILL {
            let mut file = NamedTempFile::new_in(spill)?;
            file.write_all(&bytes)?;
            Chunk::File(Arc::new(file.into_temp_path()), len)
        } else {
            Chunk::Memory(bytes)
        };
        Ok(Self {
            chunks: vec![chunk],
            len,
        })
    }

    /// Copies a file in pieces.
    pub(crate) fn from_file(path: &Path, spill: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut content = Self::default();
        loop {
            let mut piece = Vec::new();
            if (&file).take(4 << 20).read_to_end(&mut piece)? == 0 {
                return Ok(content);
            }
            content.extend(Self::new(piece.into(), spill)?);
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.len += other.len;
        self.chunks.extend(other.chunks);
    }

    /// Adds a few bytes at the end, as a log does.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if let Some(Chunk::Memory(last)) = self.chunks.last_mut()
            && last.len() + bytes.len() <= JOIN
        {
            let mut joined = Vec::with_capacity(last.len() + bytes.len());
            joined.extend_from_slice(last);
            joined.extend_from_slice(bytes);
            *last = joined.into();
            return;
        }
        self.chunks
            .push(Chunk::Memory(Bytes::copy_from_slice(bytes)));
    }

    /// The pieces that make up `len` bytes from `from`, none longer than a comfortable read.
    fn pieces(&self, from: u64, len: u64) -> Vec<(Chunk, u64, u64)> {
        let (mut pieces, mut start, end) = (Vec::new(), 0, from + len);
        for chunk in &self.chunks {
            let chunk_end = start + chunk.len();
            let (mut low, high) = (from.max(start), end.min(chunk_end));
            while low < high {
                let step = (high - low).min(READ);
                pieces.push((chunk.clone(), low - start, step));
                low += step;
            }
            start = chunk_end;
        }
        pieces
    }

    pub(crate) fn read(&self, from: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for (chunk, from, len) in self.pieces(from, len) {
            out.extend_from_slice(&chunk.read(from, len)?);
        }
        Ok(out)
    }

    pub(crate) fn all(&self) -> io::Result<Vec<u8>> {
        self.read(0, self.len)
    }

    /// The bytes as a body that reads them when they are sent.
    pub(crate) fn body(&self, from: u64, len: u64) -> Body {
        let pieces = self.pieces(from, len).into_iter();
        let read = pieces.map(|(chunk, from, len)| chunk.read(from, len));
        Body::from_stream(futures::stream::iter(read))
    }

    pub(crate) fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        for (chunk, from, len) in self.pieces(0, self.len) {
            file.write_all(&chunk.read(from, len)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_across_memory_and_disk_is_read_as_one() {
        let spill = tempfile::tempdir().unwrap();
        let mut content = Content::default();
        content.append(b"head");
        content.extend(Content::new(vec![b'x'; SPILL + 1].into(), spill.path()).unwrap());
        content.append(b"tail");
        assert_eq!(content.len(), SPILL as u64 + 9);
        assert_eq!(content.read(2, 4).unwrap(), b"adxx");
        assert_eq!(content.read(SPILL as u64 + 3, 4).unwrap(), b"xxta");
        assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 1);
        drop(content);
        assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0);
    }
}
