//! The client: sign-in settings in, JSON answers out. One per workspace; cheap to clone.

use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{
    ClientOptions, Context, Pipeline, PipelineSendOptions, RawResponse, Request, RetryOptions,
    Transport,
};
use serde_json::Value;
use url::Url;

use super::clock::{self, Clock};
use super::cloud::{self, Audience, Cloud};
use super::credential::{Identity, Minter, Tokens, choose};
use super::error::{self, SignInError};
use super::facts::WorkspaceFacts;
use super::once::Once;
use super::pipeline::{Manner, Retry, Signed, method_of, pipeline};
use super::retry::{Repeat, RetryPolicy};
use super::transport::{Http, NetworkSettings, PlainHttp, StandIn, chain, deepest};
use super::{ArmError, Observer, Watcher, WorkspaceId};

pub use super::call::{Address, Answer, Call};
use crate::host::IdentityOffer;
use crate::secret::Secret;

/// How to sign in, as the user chose it. `auto` tries what is there, in the order of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMethod {
    #[default]
    Auto,
    Oidc,
    ServiceConnection,
    ClientSecret,
    ClientCertificate,
    ManagedIdentity,
    AzureCli,
}

/// Everything that sign-in and addressing depend on.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub auth: AuthMethod,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// PEM text.
    pub client_certificate: Option<Secret>,
    pub offer: IdentityOffer,
    /// `AzureCloud`, `AzureUSGovernment`, `AzureChinaCloud`; `None` is `AzureCloud`.
    pub cloud: Option<String>,
    pub arm_endpoint: Option<Url>,
    pub network: NetworkSettings,
}

/// What tests change: how long repeats wait, and where time comes from.
#[derive(Debug, Clone)]
pub struct Tuning {
    pub retry: RetryPolicy,
    pub clock: Clock,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            clock: clock::system(),
        }
    }
}

/// A signed-in client for one workspace.
#[derive(Debug, Clone)]
pub struct Azure {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    workspace: WorkspaceId,
    pub(super) stand_in: Option<StandIn>,
    /// Where to read the cloud's metadata, when it is not one of the table.
    pub(super) metadata_at: Option<Url>,
    pub(super) known_cloud: Option<Arc<Cloud>>,
    pub(super) cloud: Once<Arc<Cloud>>,
    pub(super) facts: Once<Arc<WorkspaceFacts>>,
    pub(super) data_plane: Once<Url>,
    tokens: Arc<Tokens>,
    transport: Transport,
    pipeline: Pipeline,
    retry: Retry,
}

impl Azure {
    /// Chooses a way to sign in and builds the client. No network.
    pub fn new(
        settings: Settings,
        workspace: WorkspaceId,
        observer: Observer,
    ) -> Result<Self, SignInError> {
        Self::tuned(settings, workspace, observer, Tuning::default())
    }

    /// The same, with other figures or another clock.
    pub fn tuned(
        settings: Settings,
        workspace: WorkspaceId,
        observer: Observer,
        tuning: Tuning,
    ) -> Result<Self, SignInError> {
        super::install_crypto();
        let place = place(&settings)?;
        let way = choose(&settings)?;
        let Settings { network, .. } = settings;
        let transport = Transport::new(Arc::new(Http::new(
            PlainHttp::Loopback(place.stand_in.clone()),
            network.clone(),
        )));
        let machine = Transport::new(Arc::new(Http::new(PlainHttp::MachineMetadata, network)));
        let Tuning { retry, clock } = tuning;
        let minter = Minter::new(
            way,
            transport.clone(),
            machine,
            Arc::clone(&clock),
            Arc::clone(&observer),
        );
        let tokens = Arc::new(Tokens::new(
            minter,
            retry,
            Arc::clone(&clock),
            Arc::clone(&observer),
        ));
        let retry = Retry {
            policy: retry,
            clock,
            observer: Watcher(observer),
            stand_in: place.stand_in.clone(),
        };
        let pipeline = pipeline(transport.clone(), retry.clone(), Arc::clone(&tokens));
        Ok(Self {
            inner: Arc::new(Inner {
                workspace,
                stand_in: place.stand_in,
                metadata_at: place.metadata_at,
                known_cloud: place.known.map(Arc::new),
                cloud: Once::default(),
                facts: Once::default(),
                data_plane: Once::default(),
                tokens,
                transport,
                pipeline,
                retry,
            }),
        })
    }

    pub fn workspace(&self) -> &WorkspaceId {
        &self.inner.workspace
    }

    pub fn observer(&self) -> &Observer {
        &self.inner.retry.observer.0
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.retry.clock
    }

    /// The way out, for clients of other crates: proxies, certificates and the stand-in on this machine are its business.
    pub fn transport(&self) -> Transport {
        self.inner.transport.clone()
    }

    /// Options for the blob crate's clients: our transport, and our retries instead of theirs.
    pub fn client_options(&self) -> ClientOptions {
        ClientOptions {
            transport: Some(self.transport()),
            retry: RetryOptions::none(),
            per_call_policies: vec![Arc::new(self.inner.retry.clone())],
            ..ClientOptions::default()
        }
    }

    /// Tokens as azure_core's clients want them, from the one cache. For blob clients without a signed URL.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::new(Shared(self.clone()))
    }

    /// Who is signed in towards Resource Manager. Does not sign in itself.
    pub async fn identity(&self) -> Result<Identity, ArmError> {
        let cloud = self.cloud().await?;
        Ok(self
            .inner
            .tokens
            .identity(&cloud.scope(Audience::Arm))
            .await)
    }

    /// A token for an audience, for headers that no client of ours writes. Announced as [`super::Notice::Minted`] before.
    pub async fn token(&self, audience: Audience) -> Result<Secret, ArmError> {
        let cloud = self.cloud().await?;
        let scope = cloud.scope(audience);
        Ok(self.inner.tokens.token(&cloud, &scope).await?.value)
    }

    /// The https spelling of an address that came from the service. Clients that carry tokens refuse http.
    pub fn lift(&self, url: &Url) -> Url {
        match &self.inner.stand_in {
            Some(stand_in) => stand_in.lift(url),
            None => url.clone(),
        }
    }

    /// Sends a request through retries, sign-in and renewal.
    pub async fn send(&self, call: Call) -> Result<Answer, ArmError> {
        let cloud = self.cloud().await?;
        let label = call.label();
        let url = Box::pin(self.resolve(&cloud, &call, &label)).await?;
        let method = method_of(&call.method).ok_or_else(|| ArmError::Decode {
            request: label.clone(),
            reason: "no such method".to_owned(),
        })?;
        let mut request = Request::new(url, method);
        request.insert_header("accept", "application/json");
        if let Some(body) = &call.body {
            request.insert_header("content-type", "application/json");
            request.set_body(body.to_string());
        }
        let manner = Manner {
            repeat: if call.action {
                Repeat::OnlyIfRefused
            } else {
                Repeat::Safe
            },
            signed: Some(Signed {
                cloud,
                with_ml_token: call.with_ml_token,
            }),
        };
        self.run(request, manner, &label).await
    }

    /// A GET without any token.
    pub(super) async fn anonymous(&self, url: Url, label: &str) -> Result<Answer, ArmError> {
        let mut request = Request::new(url, azure_core::http::Method::Get);
        request.insert_header("accept", "application/json");
        let manner = Manner {
            repeat: Repeat::Safe,
            signed: None,
        };
        self.run(request, manner, label).await
    }

    async fn run(
        &self,
        mut request: Request,
        manner: Manner,
        label: &str,
    ) -> Result<Answer, ArmError> {
        let context = Context::new().with_value(manner);
        let options = PipelineSendOptions {
            skip_checks: true,
            ..PipelineSendOptions::default()
        };
        let sent = self
            .inner
            .pipeline
            .send(&context, &mut request, Some(options));
        let outcome = match Box::pin(sent).await {
            Ok(response) => answer_of(response, label),
            Err(failed) => Err(no_answer(&failed, &request, label)),
        };
        match &outcome {
            Ok(answer) => {
                tracing::debug!(request = label, answer.status, answer.request_id);
            }
            Err(error) => tracing::debug!(request = label, %error, request_id = error.request_id()),
        }
        outcome
    }

    /// The address to send to; a link of the service's only when it leads to a host that may have our token.
    async fn resolve(&self, cloud: &Cloud, call: &Call, label: &str) -> Result<Url, ArmError> {
        let bad = |reason: &str| ArmError::Decode {
            request: label.to_owned(),
            reason: reason.to_owned(),
        };
        let below = |base: &Url, path: &str| {
            let base = base.as_str().trim_end_matches('/');
            Url::parse(&format!("{base}/{}", path.trim_start_matches('/')))
                .map_err(|_parse| bad("the path cannot be part of an address"))
        };
        let workspace = self.workspace();
        let mut url = match &call.address {
            Address::Workspace(path) => below(
                &cloud.arm,
                format!("{workspace}/{path}").trim_end_matches('/'),
            )?,
            Address::Arm(path) => below(&cloud.arm, path)?,
            Address::DataPlane(path) => {
                let host = self.data_plane().await?;
                let id = workspace.to_string();
                below(&host, &path.replace("/{ws}", "{ws}").replace("{ws}", &id))?
            }
            Address::Link(link) => {
                let link = self.lift(link);
                if !self.is_ours(cloud, &link) {
                    return Err(bad(&format!(
                        "the service pointed to {}, which is not its own host; no token is sent there",
                        link.host_str().unwrap_or("nowhere")
                    )));
                }
                link
            }
        };
        if call.api_version.is_some() || !call.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            if let Some(version) = &call.api_version {
                pairs.append_pair("api-version", version);
            }
            for (name, value) in &call.query {
                pairs.append_pair(name, value);
            }
        }
        Ok(url)
    }

    fn is_ours(&self, cloud: &Cloud, link: &Url) -> bool {
        let known = self.inner.data_plane.get();
        link.scheme() == "https"
            && (link.origin() == cloud.arm.origin()
                || known.is_some_and(|host| link.origin() == host.origin())
                || self
                    .inner
                    .stand_in
                    .as_ref()
                    .is_some_and(|own| own.owns_directly(link)))
    }
}

/// Where Azure is, from the settings.
struct Place {
    stand_in: Option<StandIn>,
    metadata_at: Option<Url>,
    known: Option<Cloud>,
}

fn place(settings: &Settings) -> Result<Place, SignInError> {
    if let Some(name) = &settings.cloud {
        cloud::check_name(name)?;
    }
    let (mut name, mut endpoint) = (settings.cloud.clone(), settings.arm_endpoint.clone());
    // A service connection belongs to a cloud; what the user says wins.
    if let (None, None, IdentityOffer::ServiceConnection(connection)) =
        (&name, &endpoint, &settings.offer)
    {
        match &connection.environment {
            Some(environment) if cloud::check_name(environment).is_ok() => {
                name = Some(environment.clone());
            }
            Some(_) => {
                let arm = connection.arm_endpoint.as_deref();
                endpoint = arm.and_then(|arm| Url::parse(arm).ok());
            }
            None => {}
        }
    }
    let Some(endpoint) = endpoint else {
        let name = name.as_deref().unwrap_or("AzureCloud");
        return Ok(Place {
            stand_in: None,
            metadata_at: None,
            known: Cloud::known(name),
        });
    };
    let stand_in = StandIn::of(&endpoint).map_err(|why| {
        SignInError::refused(
            format!("arm-endpoint: {why}."),
            "arm-endpoint is the address of a cloud's Resource Manager, or of an emulator on this machine.",
        )
    })?;
    let known = Cloud::at(&endpoint);
    Ok(Place {
        stand_in,
        metadata_at: known.is_none().then_some(endpoint),
        known,
    })
}

fn answer_of(response: RawResponse, label: &str) -> Result<Answer, ArmError> {
    let (status, headers, body) = response.deconstruct();
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_ascii_lowercase(),
                value.as_str().to_owned(),
            )
        })
        .collect();
    let header = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let request_id = header("x-ms-correlation-request-id").or_else(|| header("x-ms-request-id"));
    let success = status.is_success();
    let status = u16::from(status);
    if !success {
        let said = error::read(label, status, &body, request_id);
        return Err(error::classify(said));
    }
    let body = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        serde_json::from_slice(&body).map_err(|error| ArmError::Decode {
            request: label.to_owned(),
            reason: format!("the body is not JSON ({error})"),
        })?
    };
    Ok(Answer {
        status,
        headers,
        body,
        request_id,
    })
}

/// The error of a request that got no answer, without what may be secret of its address.
pub(super) fn no_answer(failed: &azure_core::Error, request: &Request, label: &str) -> ArmError {
    let refused = chain(failed).find_map(|cause| cause.downcast_ref::<SignInError>());
    if let Some(error) = refused {
        return ArmError::SignIn(error.clone());
    }
    let url = request.url();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    ArmError::Transport {
        request: label.to_owned(),
        reason: format!(
            "{}{port}: {}",
            url.host_str().unwrap_or_default(),
            deepest(failed)
        ),
    }
}

/// The shared tokens behind azure_core's trait.
#[derive(Debug)]
struct Shared(Azure);

#[async_trait::async_trait]
impl TokenCredential for Shared {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let wrong = |error: ArmError| azure_core::Error::new(ErrorKind::Credential, error);
        let cloud = self.0.cloud().await.map_err(wrong)?;
        let scope = scopes.join(" ");
        let token = self.0.inner.tokens.token(&cloud, &scope).await;
        let token = token.map_err(|error| wrong(error.into()))?;
        Ok(AccessToken::new(
            token.value.expose().to_owned(),
            token.expires.into(),
        ))
    }
}
