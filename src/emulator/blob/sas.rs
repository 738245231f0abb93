//! Shared access signatures and shared keys: issuing and checking them the way storage does, so that a URL without a right signature, past its
//! time or without the permission is refused. Knows no blob.

use axum::http::StatusCode;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;
use time::{Duration, OffsetDateTime};

use crate::emulator::auth::{self, Audience};
use crate::emulator::clock;
use crate::emulator::problem::Problem;
use crate::emulator::request::Call;
use crate::emulator::site::Site;

const VERSION: &str = "2025-01-05";

fn sign(key: &[u8], text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

fn query(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// The text under a service SAS, in the order that version 2020-12-06 and later demand.
fn service_text(resource: &str, field: &dyn Fn(&str) -> String) -> String {
    [
        field("sp"),
        field("st"),
        field("se"),
        resource.to_owned(),
        field("si"),
        field("sip"),
        field("spr"),
        field("sv"),
        field("sr"),
        String::new(),
        field("ses"),
        field("rscc"),
        field("rscd"),
        field("rsce"),
        field("rscl"),
        field("rsct"),
    ]
    .join("\n")
}

fn account_text(site: &Site, field: &dyn Fn(&str) -> String) -> String {
    let mut text = site.account.clone();
    for name in ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses"] {
        text.push('\n');
        text.push_str(&field(name));
    }
    text.push('\n');
    text
}

fn service(site: &Site, resource: &str, fields: Vec<(&str, &str)>) -> String {
    let path = format!("/blob/{}/{resource}", site.account);
    let text = service_text(&path, &|name| {
        let found = fields.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| (*value).to_owned())
            .unwrap_or_default()
    });
    let signature = sign(&site.account_key, &text);
    let mut fields = fields;
    fields.push(("sig", &signature));
    query(&fields)
}

/// The query of a read-only link to one blob, valid eight hours, as log files get.
pub(crate) fn read_blob(site: &Site, container: &str, path: &str) -> String {
    let until = clock::short(clock::now() + Duration::hours(8));
    service(
        site,
        &format!("{container}/{path}"),
        vec![("sv", VERSION), ("se", &until), ("sr", "b"), ("sp", "r")],
    )
}

/// The query of a container for a pending upload: read, create, write and list for 8 h 10 min, with the fields of a user delegation.
pub(crate) fn upload_container(site: &Site, container: &str) -> String {
    let now = clock::now();
    let (from, until) = (
        clock::short(now - Duration::minutes(10)),
        clock::short(now + Duration::hours(8)),
    );
    service(
        site,
        container,
        vec![
            ("skoid", auth::OBJECT_ID),
            ("sktid", &site.tenant),
            ("skt", &from),
            ("ske", &until),
            ("sks", "b"),
            ("skv", VERSION),
            ("sv", VERSION),
            ("st", &from),
            ("se", &until),
            ("sr", "c"),
            ("sp", "rcwl"),
        ],
    )
}

/// An account SAS with the leading `?` that the service puts there.
pub(crate) fn account(site: &Site, hours: i64) -> String {
    let until = clock::short(clock::now() + Duration::hours(hours));
    let fields = [
        ("sv", VERSION),
        ("se", until.as_str()),
        ("srt", "co"),
        ("ss", "bf"),
        ("sp", "rcuwdl"),
    ];
    let text = account_text(site, &|name| {
        let found = fields.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| (*value).to_owned())
            .unwrap_or_default()
    });
    let signature = sign(&site.account_key, &text);
    format!("?{}&{}", query(&fields), query(&[("sig", &signature)]))
}

/// What a request needs to be allowed: any one of these permission letters.
pub(crate) fn check(
    site: &Site,
    call: &Call,
    container: &str,
    path: &str,
    letters: &str,
) -> Result<(), Problem> {
    if let Some(token) = call.bearer() {
        return auth::check(site, token, Audience::Storage)
            .map(|_| ())
            .map_err(|_refused| {
                Problem::storage(
                    StatusCode::UNAUTHORIZED,
                    "InvalidAuthenticationInfo",
                    "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
                )
                .header("WWW-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id=https://storage.azure.com")
            });
    }
    if let Some(header) = call.header("authorization") {
        return super::shared_key::check(site, call, header);
    }
    let Some(signature) = call.query("sig").filter(|sig| !sig.is_empty()) else {
        return Err(failed());
    };
    let field = |name: &str| call.query(name).unwrap_or("").to_owned();
    let signed = if call.query("ss").is_some() {
        sign(&site.account_key, &account_text(site, &field)) == signature
    } else {
        let scope = match field("sr").as_str() {
            "c" => container.to_owned(),
            "b" => format!("{container}/{path}"),
            _ => return Err(failed()),
        };
        let resource = format!("/blob/{}/{scope}", site.account);
        sign(&site.account_key, &service_text(&resource, &field)) == signature
    };
    if !signed || !in_time(&field("st"), &field("se"), clock::now()) {
        return Err(failed());
    }
    if !field("sp").chars().any(|letter| letters.contains(letter)) {
        return Err(Problem::storage(
            StatusCode::FORBIDDEN,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        ));
    }
    Ok(())
}

fn in_time(from: &str, until: &str, now: OffsetDateTime) -> bool {
    let started = from.is_empty() || clock::parse(from).is_some_and(|from| from <= now);
    started && clock::parse(until).is_some_and(|until| now < until)
}

pub(super) fn failed() -> Problem {
    Problem::storage(
        StatusCode::FORBIDDEN,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.",
    )
}
