//! Shared access signatures made from an account key. Owns the string to sign; knows neither datastores nor the clock.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use url::form_urlencoded;

use crate::secret::Secret;

/// The service version whose string to sign this is.
const VERSION: &str = "2020-12-06";
/// Read, add, create, write, list: everything uploads and downloads need, and nothing that deletes.
const PERMISSIONS: &str = "racwl";
const EXPIRY: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A signature for one container, as a query string without `?`. `None` when the key is not base64 or the date not printable.
///
/// Fields in the order of <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>, version 2020-12-06 and later.
pub(crate) fn container_sas(
    account: &str,
    key: &Secret,
    container: &str,
    expires: OffsetDateTime,
) -> Option<Secret> {
    let expiry = expires
        .to_offset(time::UtcOffset::UTC)
        .format(EXPIRY)
        .ok()?;
    let unset = "";
    let fields = [
        PERMISSIONS,
        unset, // start
        &expiry,
        &format!("/blob/{account}/{container}"),
        unset, // identifier
        unset, // IP range
        unset, // protocol
        VERSION,
        "c",
        unset, // snapshot
        unset, // encryption scope
        unset, // cache-control
        unset, // content-disposition
        unset, // content-encoding
        unset, // content-language
        unset, // content-type
    ];
    let key = STANDARD.decode(key.expose()).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = STANDARD.encode(hmac::sign(&key, fields.join("\n").as_bytes()));
    let mut query = String::new();
    write!(query, "sv={VERSION}&sr=c&sp={PERMISSIONS}").ok()?;
    let rest = form_urlencoded::Serializer::new(String::new())
        .append_pair("se", &expiry)
        .append_pair("sig", &signature)
        .finish();
    write!(query, "&{rest}").ok()?;
    Some(Secret::new(query))
}

/// What must be masked of a signed query: the whole of it, and its signature as it is written and as it is meant.
pub(crate) fn secrets_of(query: &str) -> Vec<Secret> {
    let mut found = vec![Secret::new(query)];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "sig" && !value.is_empty() {
            found.push(Secret::new(value.clone().into_owned()));
            let written: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            if written != value {
                found.push(Secret::new(written));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_container_signature_is_the_one_that_microsofts_library_makes() {
        let key = Secret::new(STANDARD.encode("a key of sixteen"));
        let sas = container_sas("acct", &key, "box", datetime!(2026-01-02 03:04:05 UTC)).unwrap();
        assert_eq!(
            sas.expose(),
            "sv=2020-12-06&sr=c&sp=racwl&se=2026-01-02T03%3A04%3A05Z&sig=2CMVaoWxaAATfxpwt0xDhw0sXF0YdKX4G31akyut2zE%3D"
        );
    }

    #[test]
    fn a_key_that_is_not_base64_gives_no_signature() {
        let expires = datetime!(2026-01-02 03:04:05 UTC);
        assert!(container_sas("acct", &Secret::new("%%%"), "box", expires).is_none());
    }

    #[test]
    fn the_signature_is_masked_in_both_spellings() {
        let found = secrets_of("sv=1&sig=a%2Bb%3D");
        let shown: Vec<_> = found.iter().map(Secret::expose).collect();
        assert_eq!(shown, ["sv=1&sig=a%2Bb%3D", "a+b=", "a%2Bb%3D"]);
    }
}
