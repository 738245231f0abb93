//! One ranged read of a signed address. Knows what storage's statuses mean for somebody who reads a growing file.

use azure_core::Bytes;
use azure_core::http::{Context, Method, Pipeline, PipelineStreamOptions, Request};
use futures::StreamExt;
use url::Url;

use crate::azure::blob::to_arm;
use crate::azure::error::ServiceError;
use crate::azure::{ArmError, Azure};
use crate::secret::Secret;

/// What a read found.
#[derive(Debug)]
pub(super) enum Chunk {
    /// At least one byte.
    New(Vec<u8>),
    Nothing,
    /// The signature does not hold any more.
    Refused,
}

/// Bytes from `seen` on, `most` of them at most.
pub(super) async fn get_range(
    azure: &Azure,
    address: &Secret,
    seen: u64,
    most: u64,
) -> Result<Chunk, ArmError> {
    let url = Url::parse(address.expose())
        .map(|url| azure.lift(&url))
        .map_err(|error| ArmError::Decode {
            request: "reading the address of a log".into(),
            reason: error.to_string(),
        })?;
    let name = format!("GET log {}", url.path());
    let pipeline = Pipeline::new(
        option_env!("CARGO_PKG_NAME"),
        option_env!("CARGO_PKG_VERSION"),
        azure.client_options(),
        Vec::new(),
        Vec::new(),
        None,
    );
    let mut request = Request::new(url, Method::Get);
    request.insert_header("range", format!("bytes={seen}-{}", seen + most - 1));
    let unchecked = PipelineStreamOptions {
        skip_checks: true,
        ..PipelineStreamOptions::default()
    };
    let answer = pipeline
        .stream(&Context::new(), &mut request, Some(unchecked))
        .await
        .map_err(|error| to_arm(error, name.clone()))?;
    let status = u16::from(answer.status());
    let skip = match status {
        206 => 0,
        // A server that ignores ranges starts at the beginning.
        200 => seen,
        404 | 416 => return Ok(Chunk::Nothing),
        401 | 403 => return Ok(Chunk::Refused),
        _ => {
            let message = format!("storage answered {status} to a read of a log");
            return Err(ArmError::Api(Box::new(ServiceError {
                status,
                code: format!("HTTP {status}"),
                message,
                request: name,
                ..ServiceError::default()
            })));
        }
    };
    let bytes = window(answer.into_body(), skip, most)
        .await
        .map_err(|error| to_arm(error, name))?;
    Ok(if bytes.is_empty() {
        Chunk::Nothing
    } else {
        Chunk::New(bytes)
    })
}

/// A part of a stream; what comes after is not read. A stream that breaks off after some bytes gives those: the next read goes on.
async fn window(
    mut body: impl futures::Stream<Item = azure_core::Result<Bytes>> + Unpin,
    mut skip: u64,
    most: u64,
) -> azure_core::Result<Vec<u8>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(_) if !bytes.is_empty() => break,
            Err(error) => return Err(error),
        };
        let over = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
        skip -= over as u64;
        let piece = &piece[over..];
        let room = most - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if bytes.len() == most {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn read(pieces: &[&'static str], skip: u64, most: u64) -> String {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        let bytes = window(stream::iter(pieces), skip, most).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn a_window_is_cut_out_of_a_stream_wherever_its_pieces_end() {
        assert_eq!(read(&["abc", "def", "ghi"], 0, 100).await, "abcdefghi");
        assert_eq!(read(&["abc", "def", "ghi"], 4, 3).await, "efg");
        assert_eq!(read(&["abc"], 3, 3).await, "");
        assert_eq!(read(&["abc"], 9, 3).await, "");
    }

    #[tokio::test]
    async fn what_came_before_a_broken_connection_counts() {
        let broken = || azure_core::Error::with_message(azure_core::error::ErrorKind::Io, "reset");
        let pieces = vec![Ok(Bytes::from_static(b"abc")), Err(broken())];
        assert_eq!(window(stream::iter(pieces), 0, 9).await.unwrap(), b"abc");
        assert!(
            window(stream::iter(vec![Err(broken())]), 0, 9)
                .await
                .is_err()
        );
    }
}
