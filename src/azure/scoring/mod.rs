//! Calling endpoints: who we are to them, where they listen, and what one call gave. What an answer should have been is not its
//! business. An endpoint is not Resource Manager: it has its own host, its own credentials and its own statuses (service notes 14.3,
//! 14.4, 16.3).

mod batch;
mod status;
mod wire;

use std::time::Duration;

use serde_json::Value;
use url::Url;

pub use self::batch::{BatchJob, Doubt, Invocation, batch_jobs, invoke};
pub use self::status::explain;
use self::wire::{Letter, Wire};
use super::endpoints::{AuthMode, Endpoint};
use super::retry::Repeat;
use super::{Address, ArmError, Audience, Azure, Call, Notice};
use crate::secret::Secret;

/// The header that chooses a deployment whatever its share of the traffic.
pub(super) const DEPLOYMENT: &str = "azureml-model-deployment";

/// Keys and tokens of online endpoints (service notes 3.3).
const CREDENTIALS: &str = "2022-02-01-preview";

/// What is sent to a scoring script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

/// What came back, whatever the status.
#[derive(Debug, Clone)]
pub struct Scored {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// From the first byte out to the last byte in, of the try that was answered.
    pub latency: Duration,
}

impl Scored {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An online endpoint, ready to be called.
#[derive(Debug)]
pub struct Scorer {
    wire: Wire,
    address: Url,
    bearer: Secret,
    deployment: Option<String>,
    label: String,
    shown: String,
}

impl Scorer {
    /// Asks for what the endpoint's auth mode takes, and masks it. Without a `deployment` the traffic decides who answers.
    pub async fn open(
        azure: &Azure,
        endpoint: &Endpoint,
        deployment: Option<&str>,
    ) -> Result<Self, ArmError> {
        let address = address_of(azure, endpoint)?;
        let label = match deployment {
            Some(deployment) => format!("POST {}/{deployment}", endpoint.name),
            None => format!("POST {}", endpoint.name),
        };
        Ok(Self {
            wire: Wire::new(azure),
            address,
            bearer: credential(azure, endpoint).await?,
            deployment: deployment.map(str::to_owned),
            label,
            shown: endpoint.scoring_uri.clone().unwrap_or_default(),
        })
    }

    /// Where the requests go, as the service spells it.
    pub fn address(&self) -> &str {
        &self.shown
    }

    /// One call. It is sent again only when it cannot have reached the model: no connection, 429, 503.
    pub async fn score(&self, payload: &Payload) -> Result<Scored, ArmError> {
        let mut headers = vec![("content-type", payload.content_type.to_owned())];
        headers.extend(self.deployment.clone().map(|name| (DEPLOYMENT, name)));
        let letter = Letter {
            address: &self.address,
            bearer: &self.bearer,
            headers,
            body: Some(payload.bytes.clone()),
            repeat: Repeat::Scoring,
            label: &self.label,
        };
        self.wire.send(letter).await
    }
}

/// The address to call. It comes from Resource Manager; a key or token leaves this machine under TLS only.
fn address_of(azure: &Azure, endpoint: &Endpoint) -> Result<Url, ArmError> {
    let bad = |reason: String| ArmError::Decode {
        request: format!("calling endpoint {}", endpoint.name),
        reason,
    };
    let Some(address) = &endpoint.scoring_uri else {
        let reason = format!("it has no scoring address; its state is {}", endpoint.state);
        return Err(bad(reason));
    };
    let url = Url::parse(address).map_err(|error| bad(format!("its scoring address: {error}")))?;
    let url = azure.lift(&url);
    if url.scheme() != "https" {
        return Err(bad(format!(
            "its scoring address {} is plain http, which would show the key to the network; nothing was sent. Give the \
             cluster's inference router a certificate",
            super::pipeline::shown(&url)
        )));
    }
    Ok(url)
}

/// What the endpoint takes for a proof of who calls it (service notes 14.3).
async fn credential(azure: &Azure, endpoint: &Endpoint) -> Result<Secret, ArmError> {
    let (action, field) = match &endpoint.auth_mode {
        AuthMode::EntraToken => return azure.token(Audience::MachineLearning).await,
        AuthMode::Key => ("listKeys", "primaryKey"),
        AuthMode::AmlToken => ("token", "accessToken"),
        AuthMode::Other(word) => {
            return Err(ArmError::Decode {
                request: format!("calling endpoint {}", endpoint.name),
                reason: format!("its auth mode `{word}` is unknown to this version"),
            });
        }
    };
    let path = format!(
        "{}/{}/{action}",
        endpoint.family.collection(),
        Address::segment(&endpoint.name)
    );
    let call = Call::post_read(Address::Workspace(path), CREDENTIALS, None);
    let request = call.label();
    let answer = azure.send(call).await?;
    let value = answer.body.get(field).and_then(Value::as_str);
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(ArmError::Decode {
            request,
            reason: format!("`{field}` is missing"),
        });
    };
    let secret = Secret::new(value);
    (azure.observer())(&Notice::Minted(secret.clone()));
    Ok(secret)
}
