//! The workspace's storage account over HTTP: block and append blobs, block lists, metadata, listings, ranges. Knows no resource of Azure ML.

pub(crate) mod content;
mod list;
mod range;
pub(crate) mod sas;
mod shared_key;
pub(crate) mod store;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;

use self::range::Wanted;
use self::store::{Blob, BlobKind, Refusal};
use super::clock;
use super::problem::Problem;
use super::request::{self, Call, Reply};
use super::state::State;

/// Answers a request to the blob host.
pub(crate) fn handle(state: &State, call: &Call) -> Reply {
    let (container, path) = split(&call.path);
    if container.is_empty() {
        return Err(Problem::not_implemented(&format!(
            "{} blob service",
            call.method
        )));
    }
    let comp = call.query("comp").unwrap_or("");
    if path.is_empty() {
        return on_container(state, call, container, comp);
    }
    let letters = match (call.method.as_str(), comp) {
        ("GET" | "HEAD", _) => "r",
        ("DELETE", _) => "d",
        ("PUT", "appendblock") => "aw",
        ("PUT", "metadata") => "w",
        ("PUT", _) => "cw",
        _ => "",
    };
    sas::check(&state.site, call, container, path, letters)?;
    let answer = match (call.method.as_str(), comp) {
        ("GET" | "HEAD", "") => read(state, call, container, path),
        ("PUT", "") => put(state, call, container, path),
        ("PUT", "block") => stage(state, call, container, path),
        ("PUT", "blocklist") => commit(state, call, container, path),
        ("PUT", "appendblock") => append(state, call, container, path),
        ("PUT", "metadata") => {
            let blob = state
                .blobs
                .set_metadata(container, path, metadata(call))
                .map_err(refused)?;
            Ok(stamped(request::empty(StatusCode::OK), &blob))
        }
        ("DELETE", "") => {
            state.blobs.delete(container, path).map_err(refused)?;
            Ok(request::with(
                request::empty(StatusCode::ACCEPTED),
                "x-ms-delete-type-permanent",
                "true",
            ))
        }
        (method, _) => Err(Problem::not_implemented(&format!("{method} blob {comp}"))),
    }?;
    Ok(versioned(call, answer))
}

fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

fn versioned(call: &Call, answer: Response) -> Response {
    let version = call.header("x-ms-version").unwrap_or("2025-01-05");
    request::with(answer, "x-ms-version", version)
}

fn on_container(state: &State, call: &Call, container: &str, comp: &str) -> Reply {
    let restype = call.query("restype").unwrap_or("");
    let answer = match (call.method.as_str(), restype, comp) {
        ("GET", "container", "list") => {
            sas::check(&state.site, call, container, "", "l")?;
            let prefix = call.query("prefix").unwrap_or("");
            let blobs = state.blobs.list(container, prefix).map_err(refused)?;
            let service = state.site.blob_url("", "");
            let xml = list::page(call, &service, container, &blobs);
            let mut answer = request::empty(StatusCode::OK);
            *answer.body_mut() = Body::from(xml);
            request::with(answer, "content-type", "application/xml")
        }
        ("PUT", "container", "") => {
            sas::check(&state.site, call, container, "", "cw")?;
            if !state.blobs.create_container(container) {
                return Err(Problem::storage(
                    StatusCode::CONFLICT,
                    "ContainerAlreadyExists",
                    "The specified container already exists.",
                ));
            }
            request::empty(StatusCode::CREATED)
        }
        ("GET" | "HEAD", "container", "") => {
            sas::check(&state.site, call, container, "", "rl")?;
            if !state.blobs.has_container(container) {
                return Err(refused(Refusal::NoContainer));
            }
            request::empty(StatusCode::OK)
        }
        (method, _, _) => {
            return Err(Problem::not_implemented(&format!(
                "{method} container {restype} {comp}"
            )));
        }
    };
    Ok(versioned(call, answer))
}

fn read(state: &State, call: &Call, container: &str, path: &str) -> Reply {
    let blob = state.blobs.get(container, path).map_err(refused)?;
    if let Some(wanted) = call.header("if-match")
        && wanted != "*"
        && wanted != blob.etag
    {
        return Err(condition_not_met());
    }
    if call.header("if-none-match") == Some(blob.etag.as_str()) {
        return Ok(stamped(request::empty(StatusCode::NOT_MODIFIED), &blob));
    }
    let header = call.header("x-ms-range").or_else(|| call.header("range"));
    let len = blob.content.len();
    let wanted = if call.method == "HEAD" {
        Wanted::All
    } else {
        range::parse(header, len)
    };
    let (status, from, part) = match wanted {
        Wanted::All => (StatusCode::OK, 0, len),
        Wanted::Part(from, part) => (StatusCode::PARTIAL_CONTENT, from, part),
        Wanted::Unsatisfiable => {
            return Err(Problem::storage(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The range specified is invalid for the current size of the resource.",
            )
            .header("content-range", format!("bytes */{len}")));
        }
    };
    let mut answer = described(stamped(request::empty(status), &blob), &blob);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{len}", from + part - 1);
        answer = request::with(answer, "content-range", &range);
    }
    answer = request::with(answer, "content-length", &part.to_string());
    if call.method != "HEAD" {
        *answer.body_mut() = blob.content.body(from, part);
    }
    Ok(answer)
}

/// ETag and time, which every answer about a blob has.
fn stamped(answer: Response, blob: &Blob) -> Response {
    let answer = request::with(answer, "etag", &blob.etag);
    let modified = clock::http_date(blob.modified);
    let answer = request::with(answer, "last-modified", &modified);
    request::with(answer, "x-ms-request-server-encrypted", "true")
}

fn described(mut answer: Response, blob: &Blob) -> Response {
    let kind = match blob.kind {
        BlobKind::Block => "BlockBlob",
        BlobKind::Append => "AppendBlob",
    };
    answer = request::with(answer, "x-ms-blob-type", kind);
    answer = request::with(answer, "content-type", &blob.content_type);
    answer = request::with(answer, "accept-ranges", "bytes");
    answer = request::with(answer, "x-ms-access-tier", "Hot");
    answer = request::with(answer, "x-ms-lease-state", "available");
    answer = request::with(answer, "x-ms-lease-status", "unlocked");
    let created = clock::http_date(blob.created);
    answer = request::with(answer, "x-ms-creation-time", &created);
    if let Some(md5) = &blob.md5 {
        answer = request::with(answer, "content-md5", md5);
    }
    for (key, value) in &blob.metadata {
        let name = axum::http::HeaderName::from_bytes(format!("x-ms-meta-{key}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, axum::http::HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn metadata(call: &Call) -> Vec<(String, String)> {
    let own = call.headers.iter().filter_map(|(name, value)| {
        let key = name.as_str().strip_prefix("x-ms-meta-")?;
        Some((key.to_owned(), value.to_str().ok()?.to_owned()))
    });
    own.collect()
}

fn put(state: &State, call: &Call, container: &str, path: &str) -> Reply {
    if call.header("x-ms-copy-source").is_some() {
        return Err(Problem::not_implemented("PUT blob from a copy source"));
    }
    let kind = match call.header("x-ms-blob-type") {
        Some("BlockBlob") => BlobKind::Block,
        Some("AppendBlob") => BlobKind::Append,
        Some(other) => return Err(Problem::not_implemented(&format!("PUT blob {other}"))),
        None => {
            return Err(Problem::storage(
                StatusCode::BAD_REQUEST,
                "MissingRequiredHeader",
                "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.",
            ));
        }
    };
    let content = state.blobs.content(call.body.clone()).map_err(broken)?;
    write(state, call, container, path, kind, content)
}

/// Puts a blob under the request's conditions, and answers.
fn write(
    state: &State,
    call: &Call,
    container: &str,
    path: &str,
    kind: BlobKind,
    content: content::Content,
) -> Reply {
    if let Some(wanted) = call.header("if-match") {
        let now = state.blobs.get(container, path).map_err(refused)?;
        if wanted != "*" && wanted != now.etag {
            return Err(condition_not_met());
        }
    }
    let only_new = call.header("if-none-match") == Some("*");
    let (plain, own) = (
        call.header("content-type"),
        call.header("x-ms-blob-content-type"),
    );
    let md5 = call
        .header("x-ms-blob-content-md5")
        .or_else(|| call.header("content-md5"));
    let blob = state
        .blobs
        .put(container, path, kind, content, only_new, |blob| {
            if let Some(kind) = own.or(plain) {
                kind.clone_into(&mut blob.content_type);
            }
            blob.md5 = md5.map(str::to_owned);
            blob.metadata = metadata(call);
        })
        .map_err(refused)?;
    let answer = stamped(request::empty(StatusCode::CREATED), &blob);
    Ok(match md5 {
        Some(md5) => request::with(answer, "content-md5", md5),
        None => answer,
    })
}

fn stage(state: &State, call: &Call, container: &str, path: &str) -> Reply {
    let Some(block) = call.query("blockid") else {
        return Err(Problem::storage(
            StatusCode::BAD_REQUEST,
            "MissingRequiredQueryParameter",
            "A query parameter that's mandatory for this request is not specified: blockid.",
        ));
    };
    let content = state.blobs.content(call.body.clone()).map_err(broken)?;
    state
        .blobs
        .stage(container, path, block, content)
        .map_err(refused)?;
    Ok(request::with(
        request::empty(StatusCode::CREATED),
        "x-ms-request-server-encrypted",
        "true",
    ))
}

fn commit(state: &State, call: &Call, container: &str, path: &str) -> Reply {
    let xml = String::from_utf8_lossy(&call.body);
    let blocks: Vec<String> = ["Latest", "Uncommitted", "Committed"]
        .iter()
        .flat_map(|tag| tagged(&xml, tag))
        .collect::<std::collections::BTreeMap<usize, String>>()
        .into_values()
        .collect();
    let content = state
        .blobs
        .assemble(container, path, &blocks)
        .map_err(refused)?;
    write(state, call, container, path, BlobKind::Block, content)
}

/// The texts of `<tag>..</tag>` with their places, so that the three kinds of a block list keep their order.
fn tagged(xml: &str, tag: &str) -> Vec<(usize, String)> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.match_indices(&open)
        .filter_map(|(at, _)| {
            let rest = xml.get(at + open.len()..)?;
            let text = rest.get(..rest.find(&close)?)?;
            Some((at, text.to_owned()))
        })
        .collect()
}

fn append(state: &State, call: &Call, container: &str, path: &str) -> Reply {
    let (offset, blob) = state
        .blobs
        .append(container, path, &call.body)
        .map_err(refused)?;
    let answer = stamped(request::empty(StatusCode::CREATED), &blob);
    let answer = request::with(answer, "x-ms-blob-append-offset", &offset.to_string());
    Ok(request::with(
        answer,
        "x-ms-blob-committed-block-count",
        "1",
    ))
}

fn condition_not_met() -> Problem {
    Problem::storage(
        StatusCode::PRECONDITION_FAILED,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn broken(error: std::io::Error) -> Problem {
    Problem::storage(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        &format!("The emulator could not keep the content: {error}"),
    )
}

fn refused(refusal: Refusal) -> Problem {
    let (status, code, message) = match refusal {
        Refusal::NoContainer => (
            StatusCode::NOT_FOUND,
            "ContainerNotFound",
            "The specified container does not exist.",
        ),
        Refusal::NoBlob => (
            StatusCode::NOT_FOUND,
            "BlobNotFound",
            "The specified blob does not exist.",
        ),
        Refusal::Exists => (
            StatusCode::CONFLICT,
            "BlobAlreadyExists",
            "The specified blob already exists.",
        ),
        Refusal::NoBlock => (
            StatusCode::BAD_REQUEST,
            "InvalidBlockList",
            "The specified block list is invalid.",
        ),
        Refusal::WrongKind => (
            StatusCode::CONFLICT,
            "InvalidBlobType",
            "The blob type is invalid for this operation.",
        ),
    };
    Problem::storage(status, code, message)
}
