//! Where the program runs: GitHub Actions, Azure Pipelines or a terminal. Owns the trait and the detection.
//! A host reads inputs and renders events in its own dialect; it does no network and knows no stage and no Azure.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

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
