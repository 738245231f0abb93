//! Federated assertions: asks the CI host for an identity token, anew for every access token, because one lives only minutes
//! and is refused when it comes twice. Knows the two hosts' token requests; what comes of the token is Entra's business.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, Context, Method, RawResponse, Request, Transport};
use azure_identity::ClientAssertion;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use super::certificate::Certificate;
use super::failure::{MintFailure, Passing, at};
use crate::azure::clock::Clock;
use crate::azure::error::{SignInError, scrub};
use crate::azure::retry::{asked_wait_of, is_passing};
use crate::azure::transport::deepest;
use crate::azure::{Notice, Watcher};
use crate::secret::Secret;

/// Who issues the assertion.
#[derive(Debug)]
pub(crate) enum Source {
    GitHub {
        request_url: String,
        request_token: Secret,
    },
    AzurePipelines {
        request_uri: String,
        job_token: Secret,
        connection: String,
    },
    /// Ourselves, signing with the application's key.
    Certificate(Certificate),
}

impl Source {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::GitHub { .. } => "GitHub's identity token (OIDC)",
            Self::AzurePipelines { .. } => "the service connection's workload identity federation",
            Self::Certificate(_) => "a client certificate",
        }
    }

    pub(crate) fn is_federated(&self) -> bool {
        match self {
            Self::GitHub { .. } | Self::AzurePipelines { .. } => true,
            Self::Certificate(_) => false,
        }
    }
}

/// What an assertion says of itself; for messages, never the assertion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) workflow: Option<String>,
}

/// Gives the credential an assertion and remembers what it said. Made for one access token.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    pub(crate) source: Arc<Source>,
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
    pub(crate) observer: Watcher,
    /// The token endpoint that the assertion is for (certificates).
    pub(crate) endpoint: Url,
    pub(crate) client: String,
    /// The audience to ask the host for.
    pub(crate) audience: String,
    pub(crate) claims: Arc<Mutex<Option<Claims>>>,
}

#[async_trait]
impl ClientAssertion for Fresh {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let assertion = self
            .fetch()
            .await
            .map_err(|failure| azure_core::Error::new(ErrorKind::Credential, failure))?;
        self.observer
            .notify(&Notice::Minted(Secret::new(assertion.clone())));
        *self.claims.lock().unwrap_or_else(PoisonError::into_inner) = claims_of(&assertion);
        Ok(assertion)
    }
}

impl Fresh {
    async fn fetch(&self) -> Result<String, MintFailure> {
        match &*self.source {
            Source::GitHub {
                request_url,
                request_token,
            } => self.ask_github(request_url, request_token).await,
            Source::AzurePipelines {
                request_uri,
                job_token,
                connection,
            } => self.ask_pipelines(request_uri, job_token, connection).await,
            Source::Certificate(certificate) => certificate
                .assertion(&self.client, &self.endpoint, self.clock.now())
                .map_err(MintFailure::from),
        }
    }

    /// <https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect>
    async fn ask_github(&self, url: &str, token: &Secret) -> Result<String, MintFailure> {
        let mut url = address(url, "ACTIONS_ID_TOKEN_REQUEST_URL")?;
        url.query_pairs_mut()
            .append_pair("audience", &self.audience);
        let mut request = Request::new(url, Method::Get);
        request.insert_header("authorization", format!("bearer {}", token.expose()));
        request.insert_header("accept", "application/json; api-version=2.0");
        let answer = self.send(request, "GitHub's token service").await?;
        let status = u16::from(answer.status());
        if status == 200 {
            return field(&answer, "value", "GitHub's token service");
        }
        Err(SignInError::refused(
            format!(
                "GitHub refused to issue an identity token (HTTP {status}): {}",
                shown(&answer)
            ),
            "The job's request token ends with the job, and about six hours after its start. \
             Check `permissions: id-token: write` on this very job.",
        )
        .into())
    }

    /// <https://learn.microsoft.com/azure/devops/release-notes/2024/sprint-240-update>, `System.OidcRequestUri`.
    async fn ask_pipelines(
        &self,
        uri: &str,
        token: &Secret,
        connection: &str,
    ) -> Result<String, MintFailure> {
        let mut url = address(uri, "System.OidcRequestUri")?;
        if !url.query_pairs().any(|(name, _)| name == "api-version") {
            url.query_pairs_mut().append_pair("api-version", "7.1");
        }
        url.query_pairs_mut()
            .append_pair("serviceConnectionId", connection);
        let mut request = Request::new(url, Method::Post);
        request.insert_header("authorization", format!("Bearer {}", token.expose()));
        request.insert_header("content-type", "application/json");
        request.insert_header("content-length", "0");
        request.insert_header("accept", "application/json");
        // Without this an expired job token is answered with a redirect to a login page.
        request.insert_header("x-tfs-fedauthredirect", "Suppress");
        request.set_body(Bytes::new());
        let answer = self.send(request, "Azure DevOps").await?;
        let status = u16::from(answer.status());
        if status == 200 {
            return field(&answer, "oidcToken", "Azure DevOps");
        }
        let ids: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| ["x-vss-e2eid", "x-msedge-ref"].contains(&name.as_str()))
            .map(|(name, value)| format!("{}: {}", name.as_str(), value.as_str()))
            .collect();
        Err(SignInError::refused(
            format!(
                "Azure DevOps refused to issue an identity token for service connection {connection} (HTTP {status}): {} {}",
                shown(&answer),
                ids.join(", ")
            ),
            "The pipeline must be allowed to use the service connection (its Security page), and the task's \
             azureSubscription input must name it. The job's access token ends after about a day.",
        )
        .into())
    }

    async fn send(&self, mut request: Request, whom: &str) -> Result<RawResponse, MintFailure> {
        let context = Context::new();
        let reached = at(whom, request.url());
        let sent = async {
            self.transport
                .send(&context, &mut request)
                .await?
                .try_into_raw_response()
                .await
        };
        let answer = sent.await.map_err(|error| {
            let reason = deepest(&error);
            MintFailure::unreachable(&error, &reached, &reason)
        })?;
        let status = u16::from(answer.status());
        if is_passing(status) {
            return Err(MintFailure {
                passing: Some(Passing {
                    reason: format!("{whom}: HTTP {status}"),
                    asked: asked_wait_of(answer.headers(), self.clock.now()),
                }),
                error: SignInError {
                    message: format!(
                        "{whom} did not issue an identity token (HTTP {status}): {}",
                        shown(&answer)
                    ),
                    advice: None,
                    network: true,
                },
            });
        }
        Ok(answer)
    }
}

fn address(text: &str, what: &str) -> Result<Url, MintFailure> {
    Url::parse(text).map_err(|_parse| {
        SignInError::refused(
            format!("{what} is not an address."),
            "The CI host sets it; do not overwrite it.",
        )
        .into()
    })
}

fn field(answer: &RawResponse, name: &str, whom: &str) -> Result<String, MintFailure> {
    serde_json::from_slice::<Value>(answer.body())
        .ok()
        .and_then(|body| body.get(name)?.as_str().map(str::to_owned))
        .ok_or_else(|| {
            SignInError {
                message: format!("{whom} answered without an identity token."),
                advice: None,
                network: false,
            }
            .into()
        })
}

/// The start of a refusal's text.
fn shown(answer: &RawResponse) -> String {
    let body = String::from_utf8_lossy(answer.body());
    let parsed: Option<Value> = serde_json::from_str(&body).ok();
    let message = parsed
        .as_ref()
        .and_then(|body| body.get("message").or_else(|| body.get("title")))
        .and_then(Value::as_str)
        .unwrap_or(&body);
    scrub(&message.chars().take(300).collect::<String>())
}

/// Reads the payload of a JWT without checking it: only to show what it says.
pub(super) fn payload_of(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn claims_of(assertion: &str) -> Option<Claims> {
    let payload = payload_of(assertion)?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let audience = match payload.get("aud") {
        Some(Value::Array(all)) => all.first().and_then(Value::as_str),
        Some(one) => one.as_str(),
        None => None,
    };
    Some(Claims {
        issuer: text("iss").unwrap_or("(none)").to_owned(),
        subject: text("sub").unwrap_or("(none)").to_owned(),
        audience: audience.unwrap_or("(none)").to_owned(),
        workflow: text("job_workflow_ref").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_an_assertion_are_read_for_messages() {
        let payload = URL_SAFE_NO_PAD.encode(
            r#"{"iss":"https://token.actions.githubusercontent.com","sub":"repo:o/r:ref:refs/heads/main","aud":["api://AzureADTokenExchange"]}"#,
        );
        let claims = claims_of(&format!("head.{payload}.signature")).unwrap();
        assert_eq!(claims.subject, "repo:o/r:ref:refs/heads/main");
        assert_eq!(claims.audience, "api://AzureADTokenExchange");
        assert_eq!(claims_of("no token at all"), None);
        assert_eq!(claims_of("a.b.c"), None);
    }
}
