//! azure_core's pipeline with two policies of ours: one repeats what failed in passing, one signs each try and renews a refused
//! token once. Knows requests, not what they are about.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{
    ClientOptions, Context, Method, Pipeline, Request, RetryOptions, StatusCode, Transport,
};
use url::Url;

use super::clock::Clock;
use super::cloud::{Audience, Cloud};
use super::credential::{Token, Tokens};
use super::retry::{self, Failure, Repeat, RetryPolicy};
use super::transport::{StandIn, deepest};
use super::{Notice, Watcher};

/// How one request is to be signed and repeated; travels in the pipeline's context.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) repeat: Repeat,
    /// `None`: sent without any token.
    pub(crate) signed: Option<Signed>,
}

#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) cloud: Arc<Cloud>,
    /// Also `x-azureml-token`.
    pub(crate) with_ml_token: bool,
}

pub(crate) fn pipeline(transport: Transport, retry: Retry, tokens: Arc<Tokens>) -> Pipeline {
    let options = ClientOptions {
        transport: Some(transport),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    };
    Pipeline::new(
        option_env!("CARGO_PKG_NAME"),
        option_env!("CARGO_PKG_VERSION"),
        options,
        vec![Arc::new(retry)],
        vec![Arc::new(Authorize { tokens })],
        None,
    )
}

/// The one retry policy, also for blob clients. Each repeat is one notice.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) policy: RetryPolicy,
    pub(crate) clock: Clock,
    pub(crate) observer: Watcher,
    /// Shown as the user wrote it, in plain http.
    pub(crate) stand_in: Option<StandIn>,
}

impl Retry {
    fn shown(&self, url: &Url) -> String {
        match &self.stand_in {
            Some(stand_in) if stand_in.owns(url) => shown(&stand_in.plain(url)),
            Some(_) | None => shown(url),
        }
    }
}

#[async_trait]
impl Policy for Retry {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let repeat = ctx
            .value::<Manner>()
            .map_or(Repeat::Safe, |manner| manner.repeat);
        let mut attempt = 0;
        loop {
            let result = next[0].send(ctx, request, &next[1..]).await;
            let (failure, reason, asked) = match &result {
                Ok(answer) if answer.status().is_success() => return result,
                Ok(answer) => {
                    let status = u16::from(answer.status());
                    (
                        Failure::Status(status),
                        format!("HTTP {status}"),
                        retry::asked_wait_of(answer.headers(), self.clock.now()),
                    )
                }
                Err(error) => match retry::failure_of(error) {
                    Some(failure) => (failure, deepest(error), None),
                    None => return result,
                },
            };
            if attempt == self.policy.max_retries || !retry::may_repeat(repeat, failure) {
                return result;
            }
            attempt += 1;
            let wait = self.policy.wait(attempt, asked);
            self.observer.notify(&Notice::Retrying {
                method: request.method().as_str().to_owned(),
                url: self.shown(request.url()),
                reason,
                attempt,
                wait,
            });
            drop(result);
            self.clock.sleep(wait).await;
            request.body_mut().reset().await?;
        }
    }
}

/// Puts tokens on each try.
#[derive(Debug)]
struct Authorize {
    tokens: Arc<Tokens>,
}

/// The tokens of one try.
struct Pair {
    arm: Token,
    ml: Option<Token>,
}

impl Authorize {
    async fn first(&self, signed: &Signed) -> azure_core::Result<Pair> {
        let cloud = &*signed.cloud;
        let (arm_scope, ml_scope) = (
            cloud.scope(Audience::Arm),
            cloud.scope(Audience::MachineLearning),
        );
        let arm = self.tokens.token(cloud, &arm_scope);
        let ml = async {
            if !signed.with_ml_token {
                return Ok(None);
            }
            self.tokens.token(cloud, &ml_scope).await.map(Some)
        };
        let (arm, ml) = futures::future::try_join(arm, ml).await.map_err(no_token)?;
        Ok(Pair { arm, ml })
    }

    async fn again(&self, signed: &Signed, refused: &Pair) -> azure_core::Result<Pair> {
        let cloud = &*signed.cloud;
        let (arm_scope, ml_scope) = (
            cloud.scope(Audience::Arm),
            cloud.scope(Audience::MachineLearning),
        );
        let arm = self.tokens.renewed(cloud, &arm_scope, &refused.arm.value);
        let ml = async {
            match &refused.ml {
                Some(ml) => self
                    .tokens
                    .renewed(cloud, &ml_scope, &ml.value)
                    .await
                    .map(Some),
                None => Ok(None),
            }
        };
        let (arm, ml) = futures::future::try_join(arm, ml).await.map_err(no_token)?;
        Ok(Pair { arm, ml })
    }
}

fn no_token(error: super::error::SignInError) -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Credential, error)
}

fn sign(request: &mut Request, pair: &Pair) {
    let bearer = format!("Bearer {}", pair.arm.value.expose());
    request.insert_header("authorization", bearer);
    if let Some(ml) = &pair.ml {
        request.insert_header("x-azureml-token", ml.value.expose().to_owned());
    }
}

#[async_trait]
impl Policy for Authorize {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let Some(signed) = ctx
            .value::<Manner>()
            .and_then(|manner| manner.signed.clone())
        else {
            return next[0].send(ctx, request, &next[1..]).await;
        };
        if request.url().scheme() != "https" {
            return Err(azure_core::Error::with_message(
                ErrorKind::Other,
                "a token is not sent over plain http",
            ));
        }
        let pair = Box::pin(self.first(&signed)).await?;
        sign(request, &pair);
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        if answer.status() != StatusCode::Unauthorized {
            return Ok(answer);
        }
        // Revoked, or expired early: one new sign-in settles whether it was the token.
        let pair = Box::pin(self.again(&signed, &pair)).await?;
        sign(request, &pair);
        request.body_mut().reset().await?;
        next[0].send(ctx, request, &next[1..]).await
    }
}

/// An address for people: no query but the api-version, since queries hold signatures.
pub(crate) fn shown(url: &Url) -> String {
    let version = url
        .query_pairs()
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(name, value)| format!("?{name}={value}"))
        .unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "{}://{}{port}{}{version}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

/// The methods that the pipeline knows.
pub(crate) fn method_of(method: &reqwest::Method) -> Option<Method> {
    match method.as_str() {
        "GET" => Some(Method::Get),
        "PUT" => Some(Method::Put),
        "POST" => Some(Method::Post),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        "HEAD" => Some(Method::Head),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_addresses_keep_only_the_api_version() {
        let url = Url::parse("https://u:p@a.blob.x:1/c/b?sig=SECRET&API-version=1#f").unwrap();
        assert_eq!(shown(&url), "https://a.blob.x:1/c/b?API-version=1");
    }
}
