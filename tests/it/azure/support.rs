//! A scripted Azure: metadata and tokens are there, the rest each test mounts. Time moves only when it is waited on.
#![expect(
    clippy::unwrap_used,
    reason = "test support: a broken world is a failed test"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aml_runner::azure::client::Settings;
use aml_runner::azure::clock::Time;
use aml_runner::azure::{Address, Azure, Call, Notice, Observer, RetryPolicy, Tuning, WorkspaceId};
use aml_runner::secret::Secret;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) const SECRET: &str = "marked-client-secret";
pub(crate) const WORKSPACE: &str =
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W";

/// The machine's clock, which jumps when somebody sleeps. Elapsed time only jumps.
#[derive(Debug, Default)]
pub(crate) struct Jumping {
    passed: Mutex<Duration>,
}

impl Jumping {
    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

impl Time for Jumping {
    fn now(&self) -> SystemTime {
        // azure_identity dates tokens by the machine's clock, so this one cannot stand still.
        now() + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.passed.lock().unwrap()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.advance(wait);
        Box::pin(tokio::task::yield_now())
    }

    fn alarm(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// One scripted Azure and a client for it.
pub(crate) struct World {
    pub(crate) server: MockServer,
    pub(crate) azure: Azure,
    pub(crate) clock: Arc<Jumping>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl World {
    /// With a client secret.
    pub(crate) async fn new() -> Self {
        Self::with(|_| Settings {
            client_secret: Some(Secret::new(SECRET)),
            ..named()
        })
        .await
    }

    pub(crate) async fn with(settings: impl FnOnce(&str) -> Settings) -> Self {
        let server = MockServer::start().await;
        let uri = server.uri();
        let world = Self::on(server, settings(&uri));
        world.metadata().await;
        world
    }

    pub(crate) fn on(server: MockServer, settings: Settings) -> Self {
        let clock = Arc::new(Jumping::default());
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let seen = Arc::clone(&notices);
        let observer: Observer = Arc::new(move |notice| seen.lock().unwrap().push(notice.clone()));
        let settings = Settings {
            arm_endpoint: settings
                .arm_endpoint
                .or_else(|| Some(Url::parse(&server.uri()).unwrap())),
            ..settings
        };
        let tuning = Tuning {
            retry: RetryPolicy::default(),
            clock: clock.clone(),
        };
        let azure = Azure::tuned(settings, workspace(), observer, tuning).unwrap();
        Self {
            server,
            azure,
            clock,
            notices,
        }
    }
}

impl World {
    async fn metadata(&self) {
        let uri = self.server.uri();
        let body = json!({"name": "AzureCloud", "portal": "https://portal.azure.com", "resourceManager": uri,
            "authentication": {"loginEndpoint": uri, "audiences": [uri, "https://management.azure.com"]},
            "suffixes": {"storage": uri.trim_start_matches("http://")}});
        self.get(
            "/metadata/endpoints",
            ResponseTemplate::new(200).set_body_json(body),
        )
        .await;
    }

    /// Grants tokens `token-1`, `token-2`, ... that live for an hour.
    pub(crate) async fn grant_tokens(&self) {
        self.tokens(Granting::new(3600)).await;
    }

    pub(crate) async fn tokens(&self, respond: impl Respond + 'static) {
        Mock::given(method("POST"))
            .and(path("/tenant/oauth2/v2.0/token"))
            .respond_with(respond)
            .mount(&self.server)
            .await;
    }

    pub(crate) async fn get(&self, at: &str, respond: impl Respond + 'static) {
        self.on_request("GET", at, respond).await;
    }

    /// Answers `verb` on `at`, a path on the server or, without `/`, below the workspace.
    pub(crate) async fn on_request(&self, verb: &str, at: &str, respond: impl Respond + 'static) {
        Mock::given(method(verb))
            .and(path(full(at)))
            .respond_with(respond)
            .mount(&self.server)
            .await;
    }

    pub(crate) async fn requests(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        let at = full(at);
        all.into_iter()
            .filter(|request| request.url.path() == at)
            .collect()
    }

    pub(crate) async fn token_requests(&self) -> Vec<Request> {
        self.requests("/tenant/oauth2/v2.0/token").await
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }

    /// The waits before repeats, in order.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let notices = self.notices();
        notices
            .iter()
            .filter_map(|notice| {
                if let Notice::Retrying { wait, .. } = notice {
                    Some(*wait)
                } else {
                    None
                }
            })
            .collect()
    }

    pub(crate) fn minted(&self) -> Vec<String> {
        let notices = self.notices();
        notices
            .iter()
            .filter_map(|notice| {
                if let Notice::Minted(secret) = notice {
                    Some(secret.expose().to_owned())
                } else {
                    None
                }
            })
            .collect()
    }
}

fn full(at: &str) -> String {
    if at.starts_with('/') {
        at.to_owned()
    } else {
        format!("{WORKSPACE}/{at}")
    }
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId {
        subscription: "S".to_owned(),
        resource_group: "G".to_owned(),
        name: "W".to_owned(),
    }
}

pub(crate) fn named() -> Settings {
    Settings {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("client".to_owned()),
        ..Settings::default()
    }
}

pub(crate) fn job(name: &str) -> Call {
    Call::get(
        Address::Workspace(format!("jobs/{name}")),
        "2024-01-01-preview",
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "azure_identity dates tokens by it"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Answers one after the other; the last one from then on.
pub(crate) struct Script {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

pub(crate) fn script(answers: impl IntoIterator<Item = ResponseTemplate>) -> Script {
    Script {
        answers: answers.into_iter().collect(),
        next: AtomicUsize::new(0),
    }
}

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let at = self.next.fetch_add(1, Ordering::SeqCst);
        self.answers[at.min(self.answers.len() - 1)].clone()
    }
}

pub(crate) fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(crate) fn status(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
}

/// A token endpoint that counts, and refuses an assertion that comes twice.
pub(crate) struct Granting {
    lifetime: u64,
    granted: AtomicUsize,
    assertions: Mutex<Vec<String>>,
}

impl Granting {
    pub(crate) fn new(lifetime: u64) -> Self {
        Self {
            lifetime,
            granted: AtomicUsize::new(0),
            assertions: Mutex::default(),
        }
    }
}

impl Respond for Granting {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if let Some(assertion) = form_field(request, "client_assertion") {
            let mut seen = self.assertions.lock().unwrap();
            if seen.contains(&assertion) {
                return status(400).set_body_json(json!({"error": "invalid_request",
                    "error_description": "AADSTS700222: the assertion was used before", "error_codes": [700_222]}));
            }
            seen.push(assertion);
        }
        let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
        ok(
            json!({"token_type": "Bearer", "expires_in": self.lifetime, "ext_expires_in": self.lifetime,
            "access_token": format!("token-{number}")}),
        )
    }
}

pub(crate) fn form_field(request: &Request, name: &str) -> Option<String> {
    url::form_urlencoded::parse(&request.body)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}
