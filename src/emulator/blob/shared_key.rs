//! The `SharedKey` authorization header, which clients send that were given an account key. Knows no blob.
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;

use super::sas::failed;
use crate::emulator::problem::Problem;
use crate::emulator::request::Call;
use crate::emulator::site::Site;

pub(super) fn check(site: &Site, call: &Call, header: &str) -> Result<(), Problem> {
    let given = header
        .strip_prefix("SharedKey ")
        .and_then(|rest| rest.split_once(':'))
        .filter(|(account, _)| *account == site.account)
        .ok_or_else(failed)?
        .1;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &site.account_key);
    let wanted = hmac::sign(&key, text(site, call).as_bytes());
    if BASE64_STANDARD.encode(wanted) == given {
        Ok(())
    } else {
        Err(failed())
    }
}

fn text(site: &Site, call: &Call) -> String {
    let header = |name: &str| call.header(name).unwrap_or("");
    let length = header("content-length");
    let mut text = format!("{}\n", call.method);
    for part in [
        header("content-encoding"),
        header("content-language"),
        if length == "0" { "" } else { length },
        header("content-md5"),
        header("content-type"),
        header("date"),
        header("if-modified-since"),
        header("if-match"),
        header("if-none-match"),
        header("if-unmodified-since"),
        header("range"),
    ] {
        text.push_str(part);
        text.push('\n');
    }
    let mut own: Vec<(&str, &str)> = call
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-"))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?.trim())))
        .collect();
    own.sort_unstable();
    for (name, value) in own {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("/{}{}", site.account, call.raw_path));
    let mut query: Vec<(String, &str)> = call
        .query
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    query.sort_unstable();
    for (name, value) in query {
        text.push_str(&format!("\n{name}:{value}"));
    }
    text
}
