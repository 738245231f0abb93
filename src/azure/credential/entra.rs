//! What Entra ID says when it refuses. A policy that reads its answers itself: azure_identity's own reading loses the message where
//! it holds an escape, and everything where the body is not JSON.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request};
use serde_json::Value;

use crate::azure::clock::Clock;
use crate::azure::error::scrub;
use crate::azure::retry::{asked_wait_of, is_passing};

/// A token request that was answered, but not with a token.
#[derive(Debug, Clone, Default, thiserror::Error)]
#[error("{description}")]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// Numbers of the `AADSTS` codes.
    pub(crate) codes: Vec<u64>,
    pub(crate) description: String,
    pub(crate) correlation: Option<String>,
    pub(crate) asked: Option<Duration>,
}

/// Entra's codes for "not now": it could not reach the issuer's keys, or is itself unwell.
const PASSING: &[u64] = &[50166, 90006, 90033, 90055];

impl Refusal {
    pub(crate) fn is_passing(&self) -> bool {
        is_passing(self.status) || self.codes.iter().any(|code| PASSING.contains(code))
    }

    fn read(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let parsed: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let said = parsed
            .get("error_description")
            .or_else(|| parsed.pointer("/error/message"))
            .or_else(|| parsed.get("error"))
            .and_then(Value::as_str);
        let description = match said {
            Some(said) => first_sentence(said),
            None if text.trim_start().starts_with('<') => {
                "the answer was a page, not Entra's (a proxy or gateway?)".to_owned()
            }
            None => "the answer was not Entra's".to_owned(),
        };
        let listed = parsed.get("error_codes").and_then(Value::as_array);
        let mut codes: Vec<u64> = listed
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        codes.extend(said.and_then(code_in));
        Self {
            status,
            codes,
            description: scrub(&description),
            correlation: parsed
                .get("correlation_id")
                .and_then(Value::as_str)
                .map(str::to_owned),
            asked: None,
        }
    }
}

/// `AADSTS700213: No matching ...` -> 700213.
fn code_in(text: &str) -> Option<u64> {
    let after = text.split_once("AADSTS")?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Without the trace and correlation ids that follow the sentence.
fn first_sentence(text: &str) -> String {
    let end = ["Trace ID:", "\r\n", "\n"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    text[..end].trim().to_owned()
}

#[derive(Debug)]
pub(crate) struct EntraErrors(pub(crate) Clock);

#[async_trait]
impl Policy for EntraErrors {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        let asked = asked_wait_of(answer.headers(), self.0.now());
        let (status, headers, body) = answer.try_into_raw_response().await?.deconstruct();
        let has_token = || {
            serde_json::from_slice::<Value>(&body)
                .is_ok_and(|body| body.get("access_token").is_some_and(Value::is_string))
        };
        if status.is_success() && has_token() {
            let bytes = azure_core::Bytes::copy_from_slice(&body);
            return Ok(AsyncRawResponse::from_bytes(status, headers, bytes));
        }
        let mut refusal = Refusal::read(u16::from(status), &body);
        refusal.asked = asked;
        Err(azure_core::Error::new(ErrorKind::Credential, refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_code_and_sentence_whatever_the_escapes() {
        let refusal = Refusal::read(
            401,
            br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided for app \"x\".\r\nTrace ID: t\r\nTimestamp: now","error_codes":[7000215],"correlation_id":"c"}"#,
        );
        assert_eq!(
            refusal.description,
            "AADSTS7000215: Invalid client secret provided for app \"x\"."
        );
        assert!(refusal.codes.contains(&7_000_215));
        assert_eq!(refusal.correlation.as_deref(), Some("c"));
        assert!(!refusal.is_passing());
    }

    #[test]
    fn pages_and_passing_trouble_are_told_apart() {
        assert!(Refusal::read(503, b"<html>").is_passing());
        assert!(Refusal::read(503, b"<html>").description.contains("a page"));
        let issuer = br#"{"error":"x","error_description":"AADSTS50166: Request to External OIDC endpoint failed."}"#;
        assert!(Refusal::read(400, issuer).is_passing());
        assert!(!Refusal::read(400, b"").is_passing());
    }
}
