//! The one way out: which addresses may be talked to, and how. Every credential, pipeline and blob client sends through it.
//! Clients only ever see https addresses; the stand-in that the user named with `arm-endpoint` is reached over plain http on this
//! machine. Knows no tokens and no retries, and its errors carry no addresses (a signed URL is a secret).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use url::{Host, Url};

use crate::secret::Secret;

pub(crate) const USER_AGENT: &str = concat!("aml-runner/", env!("CARGO_PKG_VERSION"));

/// How to get out of the building. `HTTPS_PROXY` and `NO_PROXY` count without being named here.
#[derive(Debug, Clone, Default)]
pub struct NetworkSettings {
    /// Wins over `HTTPS_PROXY`.
    pub proxy: Option<ProxySettings>,
    /// PEM files whose certificates are trusted besides the system's.
    pub extra_ca_files: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// May hold a user name and a password, hence never shown.
    pub url: Secret,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Regular expressions, case ignored; an address that one of them matches goes out directly.
    pub bypass: Vec<String>,
}

/// An Azure on this machine, spoken to in plain http. Only the authority that the user named, under the names it has here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StandIn {
    host: String,
    port: u16,
}

impl StandIn {
    /// `None` for an https endpoint; for one that must not be used, what is wrong with it.
    pub(crate) fn of(endpoint: &Url) -> Result<Option<Self>, String> {
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err("it must not hold a user name or password".to_owned());
        }
        match endpoint.scheme() {
            "https" => return Ok(None),
            "http" => {}
            _ => {
                return Err(format!(
                    "{endpoint} does not begin with https://, nor with http:// for an emulator on this machine"
                ));
            }
        }
        if !is_loopback(endpoint) {
            return Err(format!(
                "{endpoint} is plain http, which would show tokens to the network: use https. \
                 Plain http is for addresses of this machine (localhost, 127.0.0.1) only"
            ));
        }
        let Some(port) = endpoint.port() else {
            return Err(format!("{endpoint} needs its port: http://localhost:PORT"));
        };
        Ok(Some(Self {
            host: endpoint.host_str().unwrap_or_default().to_owned(),
            port,
        }))
    }

    /// Whether an address, in http or https spelling, is this stand-in or one of its `*.localhost` names.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        url.port_or_known_default() == Some(self.port)
            && (self.is_itself(host) || host.ends_with(".localhost"))
    }

    /// Whether an address is the stand-in's own, not one of the names below it.
    pub(crate) fn owns_directly(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && self.is_itself(url.host_str().unwrap_or_default())
    }

    fn is_itself(&self, host: &str) -> bool {
        // `localhost` is 127.0.0.1 or ::1 by RFC 6761, and a stand-in names itself by either.
        const SAME: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
        host == self.host || (SAME.contains(&host) && SAME.contains(&self.host.as_str()))
    }

    /// The https spelling that clients want; other addresses stay as they are.
    pub(crate) fn lift(&self, url: &Url) -> Url {
        let mut lifted = url.clone();
        if url.scheme() == "http" && self.owns(url) && lifted.set_scheme("https").is_ok() {
            // Changing the scheme may drop or keep the port; it must be ours in any case.
            let _kept = lifted.set_port(Some(self.port));
        }
        lifted
    }

    /// The http spelling that is sent.
    pub(crate) fn plain(&self, url: &Url) -> Url {
        let mut plain = url.clone();
        if plain.set_scheme("http").is_ok() {
            let _kept = plain.set_port(Some(self.port));
        }
        plain
    }
}

/// localhost, *.localhost, 127.0.0.0/8, ::1.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// What may be sent in plain http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// Addresses of this machine that say `http://` themselves, and the stand-in.
    Loopback(Option<StandIn>),
    /// The metadata service of the machine, for managed identities only: its address is link-local and http by design.
    MachineMetadata,
}

pub(crate) struct Http {
    plain: PlainHttp,
    network: NetworkSettings,
    /// Built at first use: the system's trust store costs 10 ms to read, and a stand-in needs none.
    local: OnceLock<Result<Client, String>>,
    remote: OnceLock<Result<Client, String>>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("plain", &self.plain)
            .finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(plain: PlainHttp, network: NetworkSettings) -> Self {
        Self {
            plain,
            network,
            local: OnceLock::new(),
            remote: OnceLock::new(),
        }
    }

    fn local(&self) -> azure_core::Result<&Client> {
        usable(self.local.get_or_init(local_client))
    }

    fn remote(&self) -> azure_core::Result<&Client> {
        usable(self.remote.get_or_init(|| remote_client(&self.network)))
    }

    async fn route(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        request.insert_header("user-agent", USER_AGENT);
        let url = request.url().clone();
        match &self.plain {
            PlainHttp::Loopback(Some(stand_in)) if stand_in.owns(&url) => {
                *request.url_mut() = stand_in.plain(&url);
                self.local()?.execute_request(&request).await
            }
            _ if url.scheme() == "https" => self.remote()?.execute_request(&request).await,
            PlainHttp::Loopback(_) if is_loopback(&url) => {
                self.local()?.execute_request(&request).await
            }
            PlainHttp::MachineMetadata if is_loopback(&url) || is_link_local(&url) => {
                self.local()?.execute_request(&request).await
            }
            PlainHttp::Loopback(_) | PlainHttp::MachineMetadata => {
                Err(azure_core::Error::with_message(
                    ErrorKind::Other,
                    "the address is plain http, which would show tokens to the network; nothing was sent",
                ))
            }
        }
    }
}

fn usable(client: &Result<Client, String>) -> azure_core::Result<&Client> {
    client
        .as_ref()
        .map_err(|reason| azure_core::Error::with_message(ErrorKind::Other, reason.clone()))
}

#[async_trait]
impl HttpClient for Http {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.route(request).await.map_err(without_url)
    }
}

/// Takes the address out of a failed request's error: it may hold a signature.
fn without_url(error: azure_core::Error) -> azure_core::Error {
    let kind = error.kind().clone();
    match error.into_downcast::<reqwest::Error>() {
        Ok(inner) => {
            azure_core::Error::with_error(kind, inner.without_url(), "sending the request")
        }
        Err(error) => error,
    }
}

fn is_link_local(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

fn basics() -> ClientBuilder {
    // Parts of a blob are addressed by their place in the stored bytes, so nothing may be decompressed on the way.
    Client::builder()
        .redirect(Policy::none())
        .no_gzip()
        .no_deflate()
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(Duration::from_secs(60))
}

fn local_client() -> Result<Client, String> {
    // No proxy: reqwest makes no exception for loopback. No certificates: nothing here is TLS.
    basics()
        .no_proxy()
        .tls_certs_only([])
        .dns_resolver(Arc::new(Rfc6761))
        .build()
        .map_err(|error| format!("setting up connections on this machine: {error}"))
}

fn remote_client(network: &NetworkSettings) -> Result<Client, String> {
    let extra = extra_certificates(network)?;
    let build = |roots: Vec<Certificate>| -> Result<Client, String> {
        let mut builder = basics().tls_certs_merge(roots);
        if let Some(proxy) = &network.proxy {
            builder = builder.proxy(proxy_of(proxy)?);
        }
        builder
            .build()
            .map_err(|error| format!("setting up TLS: {}", deepest(&error)))
    };
    // A machine without any trust store (a scratch container) cannot build the client: Mozilla's roots stand in.
    build(extra.clone()).or_else(|_| {
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok());
        build(extra.into_iter().chain(mozilla).collect())
    })
}

fn extra_certificates(network: &NetworkSettings) -> Result<Vec<Certificate>, String> {
    let mut all = Vec::new();
    for path in &network.extra_ca_files {
        let shown = path.display();
        let pem = std::fs::read(path)
            .map_err(|error| format!("reading the certificates in {shown}: {error}"))?;
        let found = Certificate::from_pem_bundle(&pem)
            .map_err(|_unreadable| format!("{shown} does not hold certificates in PEM form"))?;
        all.extend(found);
    }
    Ok(all)
}

fn proxy_of(settings: &ProxySettings) -> Result<Proxy, String> {
    let url = Url::parse(settings.url.expose())
        .map_err(|error| format!("the proxy's address cannot be read: {error}"))?;
    let bypass = settings
        .bypass
        .iter()
        .map(|pattern| {
            regex::RegexBuilder::new(pattern)
                .case_insensitive(true)
                .build()
                .map_err(|_unreadable| {
                    format!("the proxy bypass `{pattern}` is not a regular expression")
                })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let proxy = Proxy::custom(move |target| {
        let direct = bypass.iter().any(|rule| rule.is_match(target.as_str()));
        (!direct).then(|| url.clone())
    });
    Ok(match &settings.user {
        Some(user) => proxy.basic_auth(
            user,
            settings
                .password
                .as_ref()
                .map_or("", |secret| secret.expose()),
        ),
        None => proxy,
    })
}

/// `localhost` and every name below it are this machine (RFC 6761 6.3); system resolvers often do not know the latter.
#[derive(Debug)]
struct Rfc6761;

impl Resolve for Rfc6761 {
    fn resolve(&self, name: Name) -> Resolving {
        if is_local_name(name.as_str()) {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let addresses: Addrs =
                Box::new(both.into_iter().map(|address| SocketAddr::new(address, 0)));
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether a connection failed because of what the other side is, which no repeat will mend.
pub(crate) fn is_lasting(error: &(dyn std::error::Error + 'static)) -> bool {
    tls_error(error).is_some_and(|error| {
        matches!(
            error,
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::InvalidMessage(_)
                | rustls::Error::PeerIncompatible(_)
        )
    })
}

fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|cause| {
        cause.downcast_ref::<rustls::Error>().or_else(|| {
            // An io::Error skips what it holds when it is asked for its source.
            let inner = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
            tls_error(inner)
        })
    })
}

/// What went wrong, in the words of the last cause that has any; never an address.
pub(crate) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(rustls::Error::InvalidMessage(_)) = tls_error(error) {
        return "the server does not speak TLS (an emulator's address starts with http://)"
            .to_owned();
    }
    let mut text = String::new();
    for cause in chain(error) {
        let says = match cause.downcast_ref::<reqwest::Error>() {
            Some(inner) if inner.is_timeout() => "timed out".to_owned(),
            Some(_) => continue,
            None => cause.to_string(),
        };
        if !says.is_empty() {
            text = says;
        }
    }
    super::error::scrub(&text)
}

pub(crate) fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn stand_in(text: &str) -> StandIn {
        StandIn::of(&url(text)).unwrap().unwrap()
    }

    #[test]
    fn only_the_named_authority_and_its_localhost_names_are_the_stand_in() {
        let named = stand_in("http://localhost:5000");
        for (address, owned) in [
            ("https://localhost:5000/x", true),
            ("http://127.0.0.1:5000/x", true),
            ("http://[::1]:5000/x", true),
            ("https://stmlops.blob.localhost:5000/c/b?sig=x", true),
            ("https://localhost:5001/x", false),
            ("https://127.0.0.2:5000/x", false),
            ("https://localhost/x", false),
            ("https://localhost.example.com:5000/x", false),
            ("https://management.azure.com:5000/x", false),
        ] {
            assert_eq!(named.owns(&url(address)), owned, "{address}");
        }
    }

    #[test]
    fn links_of_the_stand_in_are_lifted_and_sent_plain_again() {
        for endpoint in ["http://localhost:5000", "http://localhost:443"] {
            let named = stand_in(endpoint);
            let link = url(&format!("{endpoint}/a?b=c"));
            let lifted = named.lift(&link);
            assert_eq!(lifted.scheme(), "https", "{endpoint}");
            assert_eq!(named.plain(&lifted), link);
        }
        let foreign = url("http://example.com/x");
        assert_eq!(stand_in("http://localhost:5000").lift(&foreign), foreign);
    }

    #[test]
    fn plain_http_beyond_this_machine_is_refused_in_words() {
        let text = StandIn::of(&url("http://management.azure.com")).unwrap_err();
        assert!(
            text.contains("plain http") && text.contains("localhost"),
            "{text}"
        );
        let text = StandIn::of(&url("http://localhost")).unwrap_err();
        assert!(text.contains("needs its port"), "{text}");
        assert!(StandIn::of(&url("http://u:p@localhost:1")).is_err());
        assert!(StandIn::of(&url("ftp://localhost:1")).is_err());
        assert_eq!(StandIn::of(&url("https://localhost:1")), Ok(None));
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_a_lasting_problem() {
        let failed = |error: rustls::Error| {
            let io = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            azure_core::Error::new(ErrorKind::Connection, io)
        };
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_lasting(&failed(unknown)));
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(!is_lasting(&azure_core::Error::new(
            ErrorKind::Connection,
            reset
        )));
    }

    #[test]
    fn a_client_can_be_built_without_any_trust_store() {
        super::super::install_crypto();
        assert!(local_client().is_ok());
        assert!(remote_client(&NetworkSettings::default()).is_ok());
    }

    #[test]
    fn a_certificate_file_that_cannot_be_read_is_named() {
        let network = NetworkSettings {
            extra_ca_files: vec![PathBuf::from("no/such/file.pem")],
            ..NetworkSettings::default()
        };
        assert!(
            remote_client(&network)
                .unwrap_err()
                .contains("no/such/file.pem")
        );
    }
}
