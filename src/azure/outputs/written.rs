//! A look into what a run wrote: which files its outputs hold and whether there are rows in them. Reads only as much as that takes.

use futures::StreamExt;
use futures::future::try_join_all;

use super::{addresses, open, place, targets};
use crate::azure::blob::{Container, to_arm};
use crate::azure::{ArmError, Azure};

/// Bytes of an output that are read for its rows.
const ENOUGH: u64 = 4 << 20;

/// What an output of a run holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub output: String,
    /// `workspaceblobstore/azureml/<run>/score/`
    pub place: String,
    /// Files and their sizes in bytes.
    pub files: Vec<(String, u64)>,
    /// Lines that are not blank, in the first 4 MiB of it.
    pub rows: u64,
    /// There is more than was read.
    pub more: bool,
}

/// The outputs of a run, as far as run history knows them.
pub async fn written_outputs(azure: &Azure, run: &str) -> Result<Vec<Written>, ArmError> {
    let outputs = addresses(azure, run).await?;
    try_join_all(outputs.into_iter().map(async |(output, uri)| {
        let (store, path) = place(&uri)?;
        let container = open(azure, &store).await?;
        let prefix = path.trim_end_matches('/');
        let entries = container.list(prefix).await?;
        let mut files = targets(&entries, prefix, std::path::Path::new(""))?;
        // An empty blob that has the folder's own name is somebody's way to keep the folder.
        files.retain(|file| file.size > 0 || file.blob != prefix || !path.ends_with('/'));
        let (mut rows, mut left, mut more) = (0, ENOUGH, false);
        for file in &files {
            let wanted = file.size.min(left);
            rows += count_rows(&container, &file.blob, wanted).await?;
            more |= wanted < file.size;
            left -= wanted;
        }
        Ok(Written {
            output,
            place: format!("{store}/{path}"),
            files: files
                .into_iter()
                .map(|file| (file.path.to_string_lossy().into_owned(), file.size))
                .collect(),
            rows,
            more,
        })
    }))
    .await
}

/// The lines with something on them among the first bytes of a blob.
async fn count_rows(container: &Container, blob: &str, wanted: u64) -> Result<u64, ArmError> {
    // An empty blob has no range to ask for.
    if wanted == 0 {
        return Ok(0);
    }
    let fail = |error| to_arm(error, container.describe("GET", blob));
    let answer = container.blob(blob)?.download(None).await.map_err(fail)?;
    let mut body = answer.body;
    let mut rows = Rows::default();
    let mut read = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(fail)?;
        read += piece.len() as u64;
        rows.take(&piece);
        if read >= wanted {
            break;
        }
    }
    Ok(rows.finish())
}

/// Counts lines that come in pieces.
#[derive(Debug, Default)]
struct Rows {
    ended: u64,
    begun: bool,
}

impl Rows {
    fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' => self.ended += u64::from(std::mem::take(&mut self.begun)),
                byte => self.begun |= !byte.is_ascii_whitespace(),
            }
        }
    }

    fn finish(self) -> u64 {
        self.ended + u64::from(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_lines_with_something_on_them_however_they_come_in_pieces() {
        for (pieces, count) in [
            (vec!["a,1\nb,2\n"], 2),
            (vec!["a,", "1\nb", ",2"], 2),
            (vec!["\n \r\n\n"], 0),
            (vec![], 0),
            (vec!["x"], 1),
        ] {
            let mut rows = Rows::default();
            pieces.iter().for_each(|piece| rows.take(piece.as_bytes()));
            assert_eq!(rows.finish(), count, "{pieces:?}");
        }
    }
}
