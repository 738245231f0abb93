//! Proxy and extra certificates as an environment states them. Data only: nothing is opened, no connection is made.

use crate::secret::Secret;
use regex::RegexBuilder;
use std::path::PathBuf;

use super::Env;

/// What the environment says about reaching the network.
#[derive(Debug, Clone, Default)]
pub struct NetworkFacts {
    pub proxy: Option<ProxyFacts>,
    pub bypass: Bypass,
    /// PEM files with certificates to trust besides the built-in ones.
    pub extra_ca_files: Vec<PathBuf>,
    /// The agent is told to skip certificate checks. We do not, and say so.
    pub wants_unchecked_tls: bool,
}

/// The proxy for https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyFacts {
    /// Without user and password; may be shown.
    pub url: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
}

/// Which hosts are reached without the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Bypass {
    #[default]
    None,
    /// `no_proxy`: host suffixes, `*` for all.
    Suffixes(Vec<String>),
    /// The agent's list: regular expressions on the URL, case ignored.
    Patterns(Vec<String>),
}

impl NetworkFacts {
    /// Whether a URL is reached without the proxy. Loopback and the machine's metadata service always are.
    pub fn bypasses(&self, url: &url::Url) -> bool {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let host = host.trim_matches(['[', ']']);
        if host == "localhost"
            || host.ends_with(".localhost")
            || host == "169.254.169.254"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
        {
            return true;
        }
        match &self.bypass {
            Bypass::None => false,
            Bypass::Suffixes(suffixes) => suffixes.iter().any(|suffix| {
                let (suffix, port) = match suffix.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                        (name, Some(port))
                    }
                    _ => (suffix.as_str(), None),
                };
                let suffix = suffix.trim_start_matches("*.").trim_start_matches('.');
                let port_fits = port.is_none_or(|port| {
                    url.port_or_known_default()
                        .is_some_and(|actual| actual.to_string() == port)
                });
                port_fits
                    && (suffix == "*"
                        || host.eq_ignore_ascii_case(suffix)
                        || host
                            .strip_suffix(&suffix.to_ascii_lowercase())
                            .is_some_and(|rest| rest.ends_with('.')))
            }),
            Bypass::Patterns(patterns) => patterns.iter().any(|pattern| {
                RegexBuilder::new(pattern)
                    .case_insensitive(true)
                    .build()
                    .is_ok_and(|regex| regex.is_match(url.as_str()))
            }),
        }
    }
}

/// The common variables, as GitHub's runner and terminals have them. Lower case wins, as with curl.
pub(super) fn from_standard_variables(env: &Env) -> NetworkFacts {
    // `http_proxy` is not for https: https://github.com/actions/runner/blob/main/docs/adrs/0263-proxy-support.md
    let proxy = env
        .first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        .and_then(|url| proxy(url, None, None));
    let bypass = env
        .first(&["no_proxy", "NO_PROXY"])
        .map_or(Bypass::None, |list| {
            Bypass::Suffixes(
                list.split([',', ' '])
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        });
    let extra_ca_files = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]
        .iter()
        .filter_map(|name| env.get(name))
        .map(PathBuf::from)
        .collect();
    NetworkFacts {
        proxy,
        bypass,
        extra_ca_files,
        wants_unchecked_tls: false,
    }
}

/// The agent does not export `HTTPS_PROXY`; it has variables of its own, which win.
pub(super) fn from_agent(env: &Env) -> NetworkFacts {
    let mut facts = from_standard_variables(env);
    if let Some(url) = env.get("AGENT_PROXYURL") {
        facts.proxy = proxy(
            url,
            env.get("AGENT_PROXYUSERNAME"),
            env.first(&["SECRET_AGENT_PROXYPASSWORD", "AGENT_PROXYPASSWORD"]),
        );
        facts.bypass = env
            .get("AGENT_PROXYBYPASSLIST")
            .and_then(|list| serde_json::from_str(list).ok())
            .map_or(Bypass::None, Bypass::Patterns);
    }
    facts
        .extra_ca_files
        .extend(env.get("AGENT_CAINFO").map(PathBuf::from));
    facts.wants_unchecked_tls = env.is_on("AGENT_SKIPCERTVALIDATION");
    facts
}

/// A proxy from its URL, which may hold user and password, and from what is given apart from it.
fn proxy(url: &str, user: Option<&str>, password: Option<&str>) -> Option<ProxyFacts> {
    let with_scheme = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let mut parsed = url::Url::parse(&with_scheme).ok()?;
    let decoded = |text: &str| percent_decoded(text);
    let user = user
        .map(str::to_owned)
        .or_else(|| Some(decoded(parsed.username())).filter(|user| !user.is_empty()));
    let password = password
        .map(str::to_owned)
        .or_else(|| parsed.password().map(decoded))
        .map(Secret::new);
    // Both can only fail on a URL without a host, which is not a proxy.
    parsed.set_username("").ok()?;
    parsed.set_password(None).ok()?;
    Some(ProxyFacts {
        url: parsed.to_string().trim_end_matches('/').to_owned(),
        user,
        password,
    })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = tail
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(value) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_direct(facts: &NetworkFacts, url: &str) -> bool {
        facts.bypasses(&url::Url::parse(url).unwrap())
    }

    #[test]
    fn a_proxy_password_is_taken_out_of_the_url() {
        let env = Env::from_pairs([("HTTPS_PROXY", "http://me:p%40ss%21@proxy.corp:3128/")]);
        let proxy = from_standard_variables(&env).proxy.unwrap();
        assert_eq!(proxy.url, "http://proxy.corp:3128");
        assert_eq!(proxy.user.as_deref(), Some("me"));
        assert_eq!(proxy.password.as_ref().unwrap().expose(), "p@ss!");
        assert!(!format!("{proxy:?}").contains("p@ss"));
    }

    #[test]
    fn lower_case_wins_and_http_proxy_is_not_for_https() {
        let env = Env::from_pairs([("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1")]);
        assert_eq!(
            from_standard_variables(&env).proxy.unwrap().url,
            "http://a:1"
        );
        let env = Env::from_pairs([("http_proxy", "http://a:1")]);
        assert_eq!(from_standard_variables(&env).proxy, None);
    }

    #[test]
    fn the_agents_proxy_wins_over_the_standard_variables() {
        let env = Env::from_pairs([
            ("HTTPS_PROXY", "http://other:1"),
            ("AGENT_PROXYURL", "http://agent:8888"),
            ("AGENT_PROXYUSERNAME", "u"),
            ("SECRET_AGENT_PROXYPASSWORD", "agent-password"),
            (
                "AGENT_PROXYBYPASSLIST",
                r#"["\\.corp\\.example","^https://vault\\."]"#,
            ),
            ("AGENT_CAINFO", "/ca.pem"),
            ("NODE_EXTRA_CA_CERTS", "/extra.pem"),
            ("AGENT_SKIPCERTVALIDATION", "True"),
        ]);
        let facts = from_agent(&env);
        assert_eq!(facts.proxy.as_ref().unwrap().url, "http://agent:8888");
        assert_eq!(
            facts.extra_ca_files,
            [PathBuf::from("/extra.pem"), PathBuf::from("/ca.pem")]
        );
        assert!(facts.wants_unchecked_tls);
        assert!(goes_direct(&facts, "https://Build.corp.example/x"));
        assert!(goes_direct(&facts, "https://vault.azure.net/"));
        assert!(!goes_direct(&facts, "https://management.azure.com/"));
    }

    #[test]
    fn no_proxy_matches_by_whole_labels() {
        let env = Env::from_pairs([
            ("https_proxy", "http://p:1"),
            ("no_proxy", "azure.com, .corp.example,*.dev,10.0.0.1:8443"),
        ]);
        let facts = from_standard_variables(&env);
        for (url, direct) in [
            ("https://management.azure.com/", true),
            ("https://azure.com/", true),
            ("https://notazure.com/", false),
            ("https://a.corp.example/", true),
            ("https://x.dev/", true),
            ("https://10.0.0.1:8443/", true),
            ("https://10.0.0.1/", false),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://blob.localhost:1/", true),
            ("http://169.254.169.254/metadata", true),
        ] {
            assert_eq!(goes_direct(&facts, url), direct, "{url}");
        }
    }
}
