//! Where the program runs: GitHub Actions, Azure Pipelines or a terminal. Owns the trait and the detection.
//! A host reads inputs and renders events in its own dialect; it does no network and knows no stage and no Azure.

pub mod azure_pipelines;
pub mod env;
pub mod github;
pub mod logging;
pub mod mask;
pub mod network;
pub mod neutral;
mod sink;
pub mod terminal;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use azure_pipelines::AzurePipelines;
pub use env::Env;
pub use github::GitHub;
pub use mask::Masker;
pub use network::NetworkFacts;
pub use terminal::Terminal;

use crate::event::Event;
use crate::report::Report;
use crate::secret::Secret;

/// The seam between the program and the place it runs in. All methods are synchronous: a host only writes lines and files.
pub trait Host: Debug + Send + Sync {
    /// The raw value of an input, by its kebab-case name; `None` when absent or blank. Trimmed.
    fn input(&self, name: &str) -> Option<String>;
    /// How the user of this host spells that input, for messages: `resource-group`, `resourceGroup`, `--resource-group`.
    fn input_label(&self, name: &str) -> String;
    /// Names of inputs that were given but that no stage knows (`known` holds all kebab-case names); for a warning with the nearest name.
    fn unknown_inputs(&self, known: &[&str]) -> Vec<String>;
    fn emit(&self, event: &Event<'_>) -> io::Result<()>;
    /// Registers a value so that it never shows, whole or line by line. Call it before the value can appear anywhere.
    fn mask(&self, secret: &Secret) -> io::Result<()>;
    /// An output of the step, by its kebab-case name.
    fn output(&self, name: &str, value: &str) -> io::Result<()>;
    /// A variable for later steps of the job.
    fn set_env(&self, name: &str, value: &str) -> io::Result<()>;
    /// A directory for later steps' `PATH`.
    fn add_path(&self, dir: &std::path::Path) -> io::Result<()>;
    /// Remembers a value for the post step.
    fn save_state(&self, name: &str, value: &str) -> io::Result<()>;
    /// What an earlier part of this step remembered.
    fn state(&self, name: &str) -> Option<String>;
    /// The stage is over: shows its report (step summary, summary tab, or text).
    fn report(&self, report: &Report) -> io::Result<()>;
    /// What the host can offer for signing in. Data only: the host never uses it.
    fn identity(&self) -> IdentityOffer;
    /// What is known of this run.
    fn facts(&self) -> RunFacts;
    /// A standard variable (`AZURE_TENANT_ID`, ...) of the environment; `None` when blank.
    fn variable(&self, name: &str) -> Option<String>;
    /// The environment for sub-processes: what is safe to hand on.
    fn child_environment(&self) -> Vec<(String, String)>;
    /// The variable that the host should have filled into this value and did not know; a mistake of the user's to report.
    fn undefined_variable(&self, value: &str) -> Option<String>;
    /// What the host holds secret; shared with every clone.
    fn masker(&self) -> Masker;
    /// Proxy and certificates, as this host hands them over.
    fn network(&self) -> NetworkFacts;
    /// The step is over. The last thing a host is told; the exit code says the same.
    fn finished(&self, outcome: Outcome) -> io::Result<()>;
    /// Whether this host spells booleans in any case (`TrUe`), as Azure Pipelines does.
    fn booleans_ignore_case(&self) -> bool {
        false
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
}

/// What the command line says to every host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Inputs given as flags, by kebab-case name; items of a list are joined by newlines. They win over the host's own inputs.
    pub flags: BTreeMap<String, String>,
    /// The stage was named on the command line, so messages call inputs `--name`.
    pub from_flags: bool,
    pub output: Output,
    pub verbose: bool,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    #[default]
    Text,
    /// One JSON object, the report; everything else goes to standard error.
    Json,
}

/// Which host the environment belongs to. Never by `CI` or by a terminal being there: other programs set or give those too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    AzurePipelines,
    GitHub,
    Terminal,
}

/// Names the host that the environment belongs to.
pub fn kind(env: &Env) -> HostKind {
    if env.get("TF_BUILD").is_some() {
        HostKind::AzurePipelines
    } else if env
        .get("GITHUB_ACTIONS")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        HostKind::GitHub
    } else {
        HostKind::Terminal
    }
}

/// The host that the environment belongs to, writing to this process's own streams.
pub fn detect(env: Env, options: Options) -> Arc<dyn Host> {
    match kind(&env) {
        HostKind::AzurePipelines => Arc::new(AzurePipelines::new(env, options)),
        HostKind::GitHub => Arc::new(GitHub::new(env, options)),
        HostKind::Terminal => Arc::new(Terminal::new(env, options)),
    }
}

/// What a host offers for signing in.
#[derive(Debug, Clone, Default)]
pub enum IdentityOffer {
    #[default]
    None,
    /// GitHub mints an ID token for whoever holds the request token.
    GitHubOidc {
        request_url: String,
        request_token: Secret,
    },
    /// On GitHub, but the job lacks `permissions: id-token: write`.
    GitHubOidcMissing,
    /// The service connection named by the task's input.
    ServiceConnection(Box<ServiceConnection>),
}

/// An Azure Resource Manager service connection, as the agent hands it over.
#[derive(Debug, Clone)]
pub struct ServiceConnection {
    pub id: String,
    pub scheme: ConnectionScheme,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub subscription_id: Option<String>,
    pub resource_group: Option<String>,
    pub workspace: Option<String>,
    /// `AzureCloud`, `AzureUSGovernment`, `AzureChinaCloud`, ...
    pub environment: Option<String>,
    /// The login endpoint that the connection names.
    pub authority: Option<String>,
    /// The Resource Manager address that the connection names.
    pub arm_endpoint: Option<String>,
}

/// How a service connection signs in.
#[derive(Debug, Clone)]
pub enum ConnectionScheme {
    Secret(Secret),
    /// One PEM with certificate and private key.
    Certificate(Secret),
    /// `POST request_uri?api-version=7.1&serviceConnectionId=<id>` with the job's token mints an ID token.
    Federated {
        request_uri: String,
        job_token: Secret,
    },
    /// The machine's identity; a client id when it is user-assigned.
    ManagedIdentity {
        client_id: Option<String>,
    },
    /// A scheme that cannot sign in to Azure ML; its name, or what is missing.
    Unusable(String),
}

/// What is known of the run that this program is part of. Absent facts are `None`.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// `github`, `azure-pipelines` or `terminal`.
    pub host: &'static str,
    pub repository: Option<String>,
    pub repository_id: Option<String>,
    pub run_id: Option<String>,
    pub run_attempt: Option<String>,
    pub workflow: Option<String>,
    pub job: Option<String>,
    /// Names this step within its job.
    pub step: Option<String>,
    pub commit: Option<String>,
    pub branch: Option<String>,
    pub actor: Option<String>,
    /// A page that shows this run.
    pub link: Option<String>,
    pub pull_request: Option<u64>,
    /// How long the host lets this job run, and whether that is known or only the host's default.
    pub time_limit: Option<TimeLimit>,
    /// The folder that relative paths start from.
    pub working_directory: PathBuf,
    pub temp_directory: Option<PathBuf>,
}

/// The host's own limit on the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    pub limit: Duration,
    /// The host does not say; this is what it does when nothing is set.
    pub assumed: bool,
}

/// An input given as a flag.
fn flag(options: &Options, name: &str) -> Option<String> {
    let wanted = env::fold(name);
    options
        .flags
        .iter()
        .find(|(given, _)| env::fold(given) == wanted)
        .map(|(_, value)| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

/// How the user spells an input: as a flag when the stage was named on the command line, else in the host's own way.
fn label(options: &Options, name: &str, own: String) -> String {
    if options.from_flags {
        format!("--{name}")
    } else {
        own
    }
}

/// `INPUT_*` variables that belong to no known input. Hosts only warn about a misspelled input, and not all of them do.
fn unknown_inputs(env: &Env, known: &[&str], spell: fn(&str) -> String) -> Vec<String> {
    let known: Vec<_> = known
        .iter()
        .chain(&["stage", "azure-subscription"])
        .map(|name| env::fold(name))
        .collect();
    env.with_prefix("INPUT_")
        .filter(|(rest, _)| !known.contains(&env::fold(rest)))
        .map(|(rest, _)| spell(rest))
        .collect()
}

fn banner(stage: &str) -> String {
    format!("aml-runner {}: {stage}", env!("CARGO_PKG_VERSION"))
}

/// A line of a remote log with the name of who wrote it before every piece of it.
fn attributed(source: &str, line: &str) -> String {
    if source.is_empty() {
        return line.to_owned();
    }
    neutral::lines(line)
        .map(|piece| format!("{source} | {piece}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// An issue as plain text, the way compilers write it.
fn issue_line(
    level: &str,
    place: Option<&crate::event::Place>,
    title: Option<&str>,
    text: &str,
    advice: Option<&str>,
) -> String {
    let place = place.map_or(String::new(), |place| {
        format!("{}:{}:{}: ", place.file.display(), place.line, place.column)
    });
    let title = title
        .filter(|title| !title.is_empty() && *title != text)
        .map_or(String::new(), |title| format!("{title}: "));
    let advice = advice.map_or(String::new(), |advice| format!("\n{advice}"));
    format!("{place}{level}: {title}{text}{advice}")
}

/// A name that survives as part of an environment variable.
fn state_name(name: &str) -> String {
    name.replace('-', "_")
}

/// Secrets that may be in any environment under their standard names.
fn learn_standard_secrets(env: &Env, masker: &Masker) {
    for name in [
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "ARM_CLIENT_SECRET",
    ] {
        if let Some(value) = env.get(name) {
            masker.add(&Secret::new(value));
        }
    }
    for name in [
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "http_proxy",
        "HTTP_PROXY",
    ] {
        let Some(proxy) = env.get(name) else {
            continue;
        };
        if let Some((_, password)) = proxy
            .split_once("://")
            .map_or(proxy, |(_, rest)| rest)
            .rsplit_once('@')
            .and_then(|(user_info, _)| user_info.split_once(':'))
        {
            masker.learn(password);
        }
    }
}

/// Prints one JSON object. Redacted by value, so that what is printed stays JSON.
fn print_json(
    out: &mut dyn io::Write,
    masker: &Masker,
    value: &serde_json::Value,
) -> io::Result<()> {
    let text = serde_json::to_string_pretty(&redacted(masker, value))?;
    writeln!(out, "{text}")?;
    out.flush()
}

fn redacted(masker: &Masker, value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(masker.redact(text)),
        Value::Array(items) => items.iter().map(|item| redacted(masker, item)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (masker.redact(name), redacted(masker, value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_by_its_own_variable_only() {
        for (pairs, expected) in [
            (
                vec![("TF_BUILD", "True"), ("GITHUB_ACTIONS", "true")],
                HostKind::AzurePipelines,
            ),
            (vec![("GITHUB_ACTIONS", "true")], HostKind::GitHub),
            (
                vec![("GITHUB_ACTIONS", "false"), ("CI", "true")],
                HostKind::Terminal,
            ),
            (vec![("TF_BUILD", "")], HostKind::Terminal),
            (vec![], HostKind::Terminal),
        ] {
            assert_eq!(kind(&Env::from_pairs(pairs.clone())), expected, "{pairs:?}");
        }
    }

    #[test]
    fn json_stays_json_when_a_secret_is_redacted() {
        let masker = Masker::default();
        masker.add(&Secret::new("true"));
        masker.add(&Secret::new("\":1,\""));
        let value = serde_json::json!({"flag": true, "text": "it is true", "a\":1,\"b": [1.5]});
        let mut out = Vec::new();
        print_json(&mut out, &masker, &value).unwrap();
        let back: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            back,
            serde_json::json!({"flag": true, "text": "it is ***", "a***b": [1.5]})
        );
    }
}
