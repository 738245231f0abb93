//! The XML of a blob listing: prefix, delimiter, marker, metadata. Knows no permission.

use std::fmt::Write as _;

use super::store::{Blob, BlobKind};
use crate::emulator::clock;
use crate::emulator::problem::xml_text;
use crate::emulator::request::Call;

const MOST: usize = 5000;

enum Entry<'a> {
    Blob(&'a str, &'a Blob),
    Prefix(String),
}

impl Entry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Blob(name, _) => name,
            Self::Prefix(name) => name,
        }
    }
}

/// One page. The marker is the first name of the next page, which is all that a client may not rely on.
pub(crate) fn page(
    call: &Call,
    service: &str,
    container: &str,
    blobs: &[(String, Blob)],
) -> String {
    let prefix = call.query("prefix").unwrap_or("");
    let delimiter = call.query("delimiter").unwrap_or("");
    let marker = call.query("marker").unwrap_or("");
    let most = call
        .query("maxresults")
        .and_then(|most| most.parse::<usize>().ok())
        .map_or(MOST, |most| most.clamp(1, MOST));
    let metadata = call
        .query("include")
        .is_some_and(|include| include.split(',').any(|part| part == "metadata"));
    let entries = entries(blobs, prefix, delimiter);
    let mut rest = entries.iter().filter(|entry| entry.name() >= marker);
    let mut xml = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"{}\" ContainerName=\"{}\"><Prefix>{}</Prefix><MaxResults>{most}</MaxResults><Blobs>",
        xml_text(service),
        xml_text(container),
        xml_text(prefix)
    );
    for entry in rest.by_ref().take(most) {
        match entry {
            Entry::Blob(name, blob) => write_blob(&mut xml, name, blob, metadata),
            Entry::Prefix(name) => {
                xml.push_str("<BlobPrefix><Name>");
                xml.push_str(&xml_text(name));
                xml.push_str("</Name></BlobPrefix>");
            }
        }
    }
    let next = rest.next().map(|entry| xml_text(entry.name()));
    let next = next.map_or_else(
        || "<NextMarker />".to_owned(),
        |name| format!("<NextMarker>{name}</NextMarker>"),
    );
    xml.push_str("</Blobs>");
    xml.push_str(&next);
    xml.push_str("</EnumerationResults>");
    xml
}

fn entries<'a>(blobs: &'a [(String, Blob)], prefix: &str, delimiter: &str) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (name, blob) in blobs {
        let rest = name.get(prefix.len()..).unwrap_or_default();
        let folder = (!delimiter.is_empty())
            .then(|| rest.find(delimiter))
            .flatten()
            .and_then(|at| name.get(..prefix.len() + at + delimiter.len()));
        match folder {
            Some(folder) if entries.last().is_some_and(|last| last.name() == folder) => {}
            Some(folder) => entries.push(Entry::Prefix(folder.to_owned())),
            None => entries.push(Entry::Blob(name, blob)),
        }
    }
    entries
}

fn write_blob(xml: &mut String, name: &str, blob: &Blob, metadata: bool) {
    let kind = match blob.kind {
        BlobKind::Block => "BlockBlob",
        BlobKind::Append => "AppendBlob",
    };
    let md5 = blob.md5.as_deref().unwrap_or("");
    let written = write!(
        xml,
        "<Blob><Name>{}</Name><Properties><Creation-Time>{}</Creation-Time><Last-Modified>{}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length><Content-Type>{}</Content-Type><Content-Encoding /><Content-Language /><Content-MD5>{}</Content-MD5><Cache-Control /><BlobType>{kind}</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>",
        xml_text(name),
        clock::http_date(blob.created),
        clock::http_date(blob.modified),
        blob.etag.trim_matches('"'),
        blob.content.len(),
        xml_text(&blob.content_type),
        xml_text(md5),
    );
    // Writing to a string cannot fail; the result is only looked at because it is there.
    if written.is_ok() && metadata {
        xml.push_str("<Metadata>");
        for (key, value) in &blob.metadata {
            xml.push_str(&format!("<{key}>{}</{key}>", xml_text(value)));
        }
        xml.push_str("</Metadata>");
    }
    xml.push_str("</Blob>");
}
