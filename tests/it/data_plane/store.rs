//! A blob store in memory, as a responder: block blobs with metadata, conditions, ranges and listings.
#![expect(
    clippy::unwrap_used,
    reason = "test support: a broken world is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wiremock::{Request, Respond, ResponseTemplate};

#[derive(Debug, Clone, Default)]
pub(crate) struct Blob {
    pub(crate) content: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    /// By `/container/path`, as it came.
    blobs: BTreeMap<String, Blob>,
    blocks: BTreeMap<String, Vec<u8>>,
    /// Statuses to answer before anything else, by path.
    refusals: BTreeMap<String, Vec<u16>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    state: Arc<Mutex<State>>,
}

impl Store {
    pub(crate) fn put(&self, path: &str, content: &[u8], metadata: &[(&str, &str)]) {
        let metadata = metadata.iter();
        let blob = Blob {
            content: content.to_vec(),
            metadata: metadata
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let mut state = self.state.lock().unwrap();
        state.blobs.insert(path.to_owned(), blob);
    }

    pub(crate) fn append(&self, path: &str, content: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let blob = state.blobs.entry(path.to_owned()).or_default();
        blob.content.extend_from_slice(content);
    }

    pub(crate) fn refuse_once(&self, path: &str, status: u16) {
        let mut state = self.state.lock().unwrap();
        state
            .refusals
            .entry(path.to_owned())
            .or_default()
            .push(status);
    }

    pub(crate) fn blob(&self, path: &str) -> Option<Blob> {
        self.state.lock().unwrap().blobs.get(path).cloned()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().blobs.keys().cloned().collect()
    }
}

fn query(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn metadata(request: &Request) -> BTreeMap<String, String> {
    request
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let key = name.as_str().strip_prefix("x-ms-meta-")?;
            Some((key.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("x-ms-error-code", code)
}

fn stamped(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .insert_header("etag", "\"1\"")
        .insert_header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
}

impl Respond for Store {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap();
        let path = request.url.path().to_owned();
        if let Some(statuses) = state.refusals.get_mut(&path)
            && let Some(status) = statuses.pop()
        {
            return refused(status, "Scripted");
        }
        match request.method.as_str() {
            "PUT" => state.write(request, path),
            "HEAD" | "GET" if query(request, "comp").as_deref() == Some("list") => {
                state.list(request, &path)
            }
            "HEAD" => match state.blobs.get(&path) {
                None => refused(404, "BlobNotFound"),
                Some(blob) => blob
                    .metadata
                    .iter()
                    .fold(stamped(200), |answer, (key, value)| {
                        answer.insert_header(format!("x-ms-meta-{key}"), value.as_str())
                    }),
            },
            "GET" => match state.blobs.get(&path) {
                None => refused(404, "BlobNotFound"),
                Some(blob) => ranged(request, &blob.content),
            },
            _ => refused(501, "NotImplemented"),
        }
    }
}

impl State {
    fn write(&mut self, request: &Request, path: String) -> ResponseTemplate {
        let once = request.headers.get("if-none-match").is_some();
        match query(request, "comp").as_deref() {
            Some("block") => {
                let id = query(request, "blockid").unwrap();
                self.blocks
                    .insert(format!("{path}#{id}"), request.body.clone());
                return stamped(201);
            }
            Some("blocklist") => {
                if once && self.blobs.contains_key(&path) {
                    return refused(409, "BlobAlreadyExists");
                }
                let text = String::from_utf8(request.body.clone()).unwrap();
                let ids = text.split("<Latest>").skip(1);
                let content = ids
                    .map(|rest| rest.split_once("</Latest>").unwrap().0)
                    .flat_map(|id| self.blocks.remove(&format!("{path}#{id}")).unwrap())
                    .collect();
                let metadata = metadata(request);
                self.blobs.insert(path, Blob { content, metadata });
                return stamped(201);
            }
            Some(_) => return refused(501, "NotImplemented"),
            None => {}
        }
        if once && self.blobs.contains_key(&path) {
            return refused(409, "BlobAlreadyExists");
        }
        let blob = Blob {
            content: request.body.clone(),
            metadata: metadata(request),
        };
        self.blobs.insert(path, blob);
        stamped(201)
    }

    /// Pages of two, so that paging is always exercised.
    fn list(&self, request: &Request, container: &str) -> ResponseTemplate {
        let prefix = query(request, "prefix").unwrap_or_default();
        let start: usize =
            query(request, "marker").map_or(0, |marker| marker.parse().unwrap_or_default());
        let all: Vec<_> = self
            .blobs
            .iter()
            .filter_map(|(path, blob)| {
                let name = path.strip_prefix(container)?.strip_prefix('/')?;
                name.starts_with(&prefix)
                    .then_some((name, blob.content.len()))
            })
            .collect();
        let items: String = all
            .iter()
            .skip(start)
            .take(2)
            .map(|(name, size)| {
                format!("<Blob><Name>{name}</Name><Properties><Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>")
            })
            .collect();
        let next = if start + 2 < all.len() {
            (start + 2).to_string()
        } else {
            String::new()
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\" ContainerName=\"c\"><Blobs>{items}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
        );
        ResponseTemplate::new(200).set_body_raw(body, "application/xml")
    }
}

fn ranged(request: &Request, content: &[u8]) -> ResponseTemplate {
    let range = request
        .headers
        .get("range")
        .or(request.headers.get("x-ms-range"));
    let Some(range) = range.and_then(|value| value.to_str().ok()) else {
        return stamped(200).set_body_bytes(content);
    };
    let (from, to) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let from: usize = from.parse().unwrap();
    if from >= content.len() {
        return refused(416, "InvalidRange");
    }
    let end = to.parse().map_or(content.len(), |to: usize| to + 1);
    let end = end.min(content.len());
    stamped(206)
        .insert_header(
            "content-range",
            format!("bytes {from}-{}/{}", end - 1, content.len()),
        )
        .set_body_bytes(&content[from..end])
}
