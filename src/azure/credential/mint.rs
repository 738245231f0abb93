//! One sign-in: a new credential of azure_identity, one token request, its failure in words. Each sign-in has its own credential
//! because a credential's cache gives back the token that a service has just refused, and locks all audiences while it asks.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    Executor, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use url::Url;

use super::assertion::{Claims, Fresh, Source};
use super::choose::{App, Way};
use super::entra::{EntraErrors, Refusal};
use super::failure::{MintFailure, Passing, at};
use super::{Token, explain};
use crate::azure::clock::Clock;
use crate::azure::cloud::Cloud;
use crate::azure::error::{SignInError, scrub};
use crate::azure::transport::{chain, deepest};
use crate::azure::{Observer, Watcher};
use crate::secret::Secret;

/// The crate tries seven times over 100 s on a machine that has no identity; a real one answers within seconds.
const IDENTITY_LIMIT: Duration = Duration::from_secs(20);
const CLI_LIMIT: Duration = Duration::from_secs(60);

/// Signs in the one way that was chosen.
#[derive(Debug)]
pub(crate) struct Minter {
    way: Way,
    transport: Transport,
    /// For managed identities only: may talk to the machine's metadata address.
    machine: Transport,
    /// Runs `az`.
    programs: Arc<dyn Executor>,
    clock: Clock,
    observer: Watcher,
}

impl Minter {
    pub(crate) fn new(
        way: Way,
        transport: Transport,
        machine: Transport,
        clock: Clock,
        observer: Observer,
    ) -> Self {
        Self {
            way,
            transport,
            machine,
            programs: azure_identity::new_executor(),
            clock,
            observer: Watcher(observer),
        }
    }

    /// How it signs in, in the user's words.
    pub(crate) fn how(&self) -> &'static str {
        match &self.way {
            Way::Secret { .. } => "a client secret",
            Way::Assertion { source, .. } => source.name(),
            Way::ManagedIdentity { .. } => "this machine's managed identity",
            Way::AzureCli { .. } => "the Azure CLI's session",
        }
    }

    /// The application that signs in, where it is known beforehand.
    pub(crate) fn client(&self) -> Option<&str> {
        match &self.way {
            Way::Secret { app, .. } | Way::Assertion { app, .. } => Some(&app.client),
            Way::ManagedIdentity { client_id } => client_id.as_deref(),
            Way::AzureCli { .. } => None,
        }
    }

    /// Where sign-ins go, for a line about a repeat.
    pub(crate) fn address(&self, cloud: &Cloud) -> String {
        match &self.way {
            Way::Secret { app, .. } | Way::Assertion { app, .. } => {
                endpoint(cloud, app).map_or_else(|_| cloud.login.to_string(), |url| url.to_string())
            }
            Way::ManagedIdentity { .. } => "the machine's managed identity".to_owned(),
            Way::AzureCli { .. } => "az account get-access-token".to_owned(),
        }
    }

    pub(crate) async fn mint(&self, cloud: &Cloud, scope: &str) -> Result<Token, MintFailure> {
        match &self.way {
            Way::Secret { app, secret } => self.with_secret(cloud, scope, app, secret).await,
            Way::Assertion { app, source } => {
                self.with_assertion(cloud, scope, app, Arc::clone(source))
                    .await
            }
            Way::ManagedIdentity { client_id } => {
                self.with_machine(scope, client_id.as_deref()).await
            }
            Way::AzureCli { tenant, instead } => {
                self.with_cli(scope, tenant.as_deref(), instead.as_ref())
                    .await
            }
        }
    }

    async fn with_secret(
        &self,
        cloud: &Cloud,
        scope: &str,
        app: &App,
        secret: &Secret,
    ) -> Result<Token, MintFailure> {
        let credential = ClientSecretCredential::new(
            &app.tenant,
            app.client.clone(),
            azure_core::credentials::Secret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions {
                client_options: self.options(cloud),
            }),
        )
        .map_err(|error| unusable(&error))?;
        let token = credential.get_token(&[scope], None).await;
        token
            .map(Token::from)
            .map_err(|error| self.failure(&error, cloud, app, None))
    }

    async fn with_assertion(
        &self,
        cloud: &Cloud,
        scope: &str,
        app: &App,
        source: Arc<Source>,
    ) -> Result<Token, MintFailure> {
        let claims = Arc::new(Mutex::new(None));
        let federated = source.is_federated();
        let fresh = Fresh {
            source,
            transport: self.transport.clone(),
            clock: Arc::clone(&self.clock),
            observer: self.observer.clone(),
            endpoint: endpoint(cloud, app)?,
            client: app.client.clone(),
            audience: cloud.token_exchange.clone(),
            claims: Arc::clone(&claims),
        };
        let credential = ClientAssertionCredential::new(
            app.tenant.clone(),
            app.client.clone(),
            fresh,
            Some(ClientAssertionCredentialOptions {
                client_options: self.options(cloud),
            }),
        )
        .map_err(|error| unusable(&error))?;
        let token = credential.get_token(&[scope], None).await;
        token.map(Token::from).map_err(|error| {
            let sent: Option<Claims> = claims
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .filter(|_| federated);
            self.failure(&error, cloud, app, sent.as_ref())
        })
    }

    async fn with_machine(&self, scope: &str, id: Option<&str>) -> Result<Token, MintFailure> {
        let mut options = ManagedIdentityCredentialOptions::default();
        options.client_options.transport = Some(self.machine.clone());
        options.user_assigned_id = id.map(|id| UserAssignedId::ClientId(id.to_owned()));
        let which = id.map_or_else(
            || "system-assigned identity".to_owned(),
            |id| format!("identity {id}"),
        );
        let failed = |why: &str| {
            SignInError {
            message: format!("This machine's {which} gave no token: {why}."),
            advice: Some(
                "Managed identities exist on Azure machines only (virtual machines, scale sets, App Service). Assign one to this \
                 machine, and give client-id if it is user-assigned."
                    .to_owned(),
            ),
            network: false,
        }
        };
        let credential = ManagedIdentityCredential::new(Some(options))
            .map_err(|error| failed(&deepest(&error)))?;
        let scopes = [scope];
        let answer = self
            .within(IDENTITY_LIMIT, credential.get_token(&scopes, None))
            .await
            .ok_or_else(|| {
                failed(&format!(
                    "nothing answered within {} s",
                    IDENTITY_LIMIT.as_secs()
                ))
            })?;
        Ok(answer
            .map(Token::from)
            .map_err(|error| failed(without_end(&deepest(&error))))?)
    }

    async fn with_cli(
        &self,
        scope: &str,
        tenant: Option<&str>,
        instead: Option<&SignInError>,
    ) -> Result<Token, MintFailure> {
        let failed = |why: &str| {
            let mut error = SignInError::refused(
                format!("The Azure CLI gave no token: {why}."),
                "Run `az login` (with --tenant if there are several), or give credentials.",
            );
            if let Some(instead) = instead {
                error.message = format!("{} {}", instead.message, error.message);
                error.advice.clone_from(&instead.advice);
            }
            error
        };
        let credential = AzureCliCredential::new(Some(AzureCliCredentialOptions {
            tenant_id: tenant.map(str::to_owned),
            executor: Some(Arc::clone(&self.programs)),
            ..AzureCliCredentialOptions::default()
        }))
        .map_err(|error| failed(&deepest(&error)))?;
        let scopes = [scope];
        let answer = self
            .within(CLI_LIMIT, credential.get_token(&scopes, None))
            .await
            .ok_or_else(|| failed(&format!("it took over {} s", CLI_LIMIT.as_secs())))?;
        Ok(answer
            .map(Token::from)
            .map_err(|error| failed(without_end(&deepest(&error))))?)
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.clock.alarm(limit) => None,
        }
    }

    /// For one request: repeats are ours, because each needs an assertion of its own.
    fn options(&self, cloud: &Cloud) -> ClientOptions {
        let mut authority = CustomConfiguration::default();
        authority.authority_host = cloud.login.to_string();
        ClientOptions {
            transport: Some(self.transport.clone()),
            cloud: Some(Arc::new(authority.into())),
            retry: RetryOptions::none(),
            per_call_policies: vec![Arc::new(EntraErrors(Arc::clone(&self.clock)))],
            ..ClientOptions::default()
        }
    }

    /// Finds out what an error of a credential was, from the causes in it.
    fn failure(
        &self,
        error: &azure_core::Error,
        cloud: &Cloud,
        app: &App,
        claims: Option<&Claims>,
    ) -> MintFailure {
        for cause in chain(error) {
            if let Some(failure) = cause.downcast_ref::<MintFailure>() {
                return failure.clone();
            }
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                return MintFailure {
                    passing: refusal.is_passing().then(|| Passing {
                        reason: format!(
                            "Entra ID: HTTP {}: {}",
                            refusal.status, refusal.description
                        ),
                        asked: refusal.asked,
                    }),
                    error: explain::explain(refusal, app, claims),
                };
            }
            if let Some(inner) = cause.downcast_ref::<azure_core::Error>()
                && matches!(inner.kind(), ErrorKind::Connection | ErrorKind::Io)
            {
                let whom = at("Entra ID", &cloud.login);
                return MintFailure::unreachable(inner, &whom, &deepest(inner));
            }
        }
        unusable(error)
    }
}

/// The text without the end of its sentence, for a sentence of ours around it.
fn without_end(text: &str) -> &str {
    text.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Settings that the crate refuses (a tenant with odd characters), or an answer that it cannot read.
fn unusable(error: &azure_core::Error) -> MintFailure {
    let words = error.source().map_or_else(|| error.to_string(), deepest);
    SignInError {
        message: format!("Signing in did not work: {}.", scrub(without_end(&words))),
        advice: Some("Check tenant-id, client-id and cloud.".to_owned()),
        network: false,
    }
    .into()
}

fn endpoint(cloud: &Cloud, app: &App) -> Result<Url, MintFailure> {
    cloud
        .login
        .join(&format!("/{}/oauth2/v2.0/token", app.tenant))
        .map_err(|_parse| {
            SignInError::refused(
                "tenant-id cannot be part of an address.",
                "tenant-id is a GUID or a domain name.",
            )
            .into()
        })
}

impl From<AccessToken> for Token {
    fn from(token: AccessToken) -> Self {
        Self {
            value: Secret::new(token.token.secret().to_owned()),
            expires: SystemTime::from(token.expires_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io;
    use std::process::Output;

    use async_trait::async_trait;
    use azure_core::http::headers::Headers;
    use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};

    use super::*;
    use crate::azure::clock;

    const SCOPE: &str = "https://management.azure.com/.default";

    /// The machine's metadata service: silent, or granting.
    #[derive(Debug)]
    struct Metadata {
        asked: Arc<Mutex<Vec<Url>>>,
        silent: bool,
    }

    #[async_trait]
    impl HttpClient for Metadata {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            self.asked.lock().unwrap().push(request.url().clone());
            if self.silent {
                return std::future::pending().await;
            }
            let body = r#"{"access_token":"machine-token","expires_on":"4102444800","token_type":"Bearer","resource":"r"}"#;
            Ok(AsyncRawResponse::from_bytes(
                StatusCode::Ok,
                Headers::new(),
                body,
            ))
        }
    }

    #[derive(Debug)]
    struct NoCli;

    #[async_trait]
    impl Executor for NoCli {
        async fn run(&self, _: &OsStr, _: &[&OsStr]) -> io::Result<Output> {
            Err(io::Error::from(io::ErrorKind::NotFound))
        }
    }

    fn minter(way: Way, silent: bool) -> (Minter, Arc<Mutex<Vec<Url>>>) {
        let asked: Arc<Mutex<Vec<Url>>> = Arc::default();
        let metadata = Transport::new(Arc::new(Metadata {
            asked: Arc::clone(&asked),
            silent,
        }));
        let minter = Minter {
            programs: Arc::new(NoCli),
            ..Minter::new(
                way,
                metadata.clone(),
                metadata,
                clock::system(),
                Arc::new(|_| {}),
            )
        };
        (minter, asked)
    }

    async fn mint(minter: &Minter) -> Result<Token, MintFailure> {
        let cloud = Cloud::known("AzureCloud").unwrap();
        minter.mint(&cloud, SCOPE).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_without_an_identity_is_given_up_in_words() {
        let way = Way::ManagedIdentity { client_id: None };
        let (minter, _) = minter(way, true);
        let failure = mint(&minter).await.unwrap_err();
        assert!(failure.error.message.contains("within 20 s"), "{failure}");
        assert!(
            failure
                .error
                .advice
                .unwrap()
                .contains("Azure machines only")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_assigned_identity_is_asked_for_by_its_client_id() {
        let way = Way::ManagedIdentity {
            client_id: Some("its-client".to_owned()),
        };
        let (minter, asked) = minter(way, false);
        assert_eq!(mint(&minter).await.unwrap().value.expose(), "machine-token");
        let asked = asked.lock().unwrap();
        assert!(
            asked[0].as_str().starts_with("http://169.254.169.254/"),
            "{}",
            asked[0]
        );
        assert!(
            asked[0].as_str().contains("client_id=its-client"),
            "{}",
            asked[0]
        );
    }

    #[test]
    fn what_others_say_fits_into_a_sentence_of_ours() {
        let said = "ERROR: Please run 'az login' to setup account.\n";
        assert_eq!(
            without_end(said),
            "ERROR: Please run 'az login' to setup account"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_cli_leads_back_to_what_was_probably_meant() {
        let way = Way::AzureCli {
            tenant: None,
            instead: Some(SignInError::refused(
                "The permission is missing.",
                "Add it.",
            )),
        };
        let (minter, _) = minter(way, true);
        let error = mint(&minter).await.unwrap_err().error;
        assert!(
            error
                .message
                .starts_with("The permission is missing. The Azure CLI"),
            "{error}"
        );
        assert_eq!(error.advice.as_deref(), Some("Add it."));
    }
}
