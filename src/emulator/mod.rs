//! The embedded Azure ML: ARM, sign-in, CI identity tokens, storage, run history, MLflow and scoring for one workspace on one loopback port, in memory.
//!
//! It really runs jobs and scoring scripts, on this machine. It shares no type with the rest of the program and knows nothing of it: it is judged by how the real
//! service answers. What it does not do it answers with 501 and the name of the operation. Nothing it starts outlives it.

mod asset;
mod auth;
mod blob;
mod clock;
mod connection;
mod endpoint;
mod execute;
mod fault;
mod handler;
mod job;
mod operation;
mod problem;
mod record;
mod reference;
mod request;
mod router;
mod scoring;
mod site;
mod state;
mod store;
mod studio;
mod traffic;
mod yaml;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::endpoint::Served;
pub use self::fault::{Fault, Faults};
pub use self::record::Recorded;

use self::asset::AssetKind;
use self::connection::Wires;
use self::endpoint::{Kind, Look};
use self::job::Job;
use self::operation::Failure;
use self::site::Site;
use self::state::State;

/// An application to sign in as; sign-in takes any.
const CLIENT: &str = "00000000-0000-0000-0000-0000000000cc";

/// How the emulator is set up. The default is a workspace of its own on a free port, with this machine's Python.
#[derive(Debug, Clone)]
pub struct Options {
    /// 0 for any free port.
    pub port: u16,
    /// The interpreter that `python` and `python3` mean in jobs, or the folder of a virtual environment. Without it the machine's own.
    pub python: Option<PathBuf>,
    /// Where large blobs and running jobs are kept, in a folder that is removed at the end. Without it the system's place for temporary files.
    pub work_dir: Option<PathBuf>,
    /// `00000000-0000-0000-0000-000000000001` by default.
    pub subscription: String,
    /// `rg-emulator` by default.
    pub resource_group: String,
    /// `mlw-emulator` by default.
    pub workspace: String,
    /// The tenant that the workspace names; sign-in takes any.
    pub tenant: String,
    pub location: String,
    /// How many commands run at once.
    pub max_parallel_steps: usize,
    /// How long a cancelled command may take to end before it is killed.
    pub cancel_grace: Duration,
    /// The search path of commands. By default that of this process.
    pub search_path: OsString,
    /// How long granted tokens live.
    pub token_lifetime: Duration,
    /// The only client secret that is right. Without it any is.
    pub client_secret: Option<String>,
    /// The only subject whose federated token is taken. Without it any is.
    pub federated_subject: Option<String>,
    /// Whether an assertion can be presented once only.
    pub refuse_reused_assertions: bool,
    /// The subject of the GitHub-style identity tokens.
    pub github_subject: String,
    /// The subject of the Azure-Pipelines-style identity tokens.
    pub pipelines_subject: String,
    /// Endpoint names that somebody else has in this region.
    pub taken_endpoint_names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            python: None,
            work_dir: None,
            subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
            resource_group: "rg-emulator".to_owned(),
            workspace: "mlw-emulator".to_owned(),
            tenant: "00000000-0000-0000-0000-0000000000bb".to_owned(),
            location: "eastus".to_owned(),
            max_parallel_steps: std::thread::available_parallelism()
                .map_or(4, usize::from)
                .max(4),
            cancel_grace: Duration::from_secs(5),
            search_path: execute::machine::inherited_search_path(),
            token_lifetime: Duration::from_secs(3599),
            client_secret: None,
            federated_subject: None,
            refuse_reused_assertions: false,
            github_subject: "repo:example/mlops:ref:refs/heads/main".to_owned(),
            pipelines_subject: "sc://example/mlops/azure".to_owned(),
            taken_endpoint_names: Vec::new(),
        }
    }
}

/// A running emulator. It ends, and every process of its jobs with it, at `shutdown` or when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    state: Arc<State>,
    server: Option<JoinHandle<()>>,
}

impl Emulator {
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        let listener = listener.map_err(|error| {
            io::Error::new(error.kind(), format!("port {}: {error}", options.port))
        })?;
        let port = listener.local_addr()?.port();
        let mut scratch = tempfile::Builder::new();
        scratch.prefix("aml-emulator-");
        let scratch = match &options.work_dir {
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                scratch.tempdir_in(folder)?
            }
            None => scratch.tempdir()?,
        };
        let site = Site {
            endpoint: format!("http://localhost:{port}"),
            authority: format!("localhost:{port}"),
            port,
            workspace_id: Site::workspace_guid(
                &options.subscription,
                &options.resource_group,
                &options.workspace,
            ),
            subscription: options.subscription.clone(),
            resource_group: options.resource_group.clone(),
            workspace: options.workspace.clone(),
            tenant: options.tenant.clone(),
            location: options.location.clone(),
            account: "stemulator".to_owned(),
            account_key: uuid::Uuid::new_v4().as_bytes().repeat(4),
        };
        let state = Arc::new(State::new(site, options, scratch)?);
        let service = router::service(Arc::clone(&state));
        let closing = state.closing.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            let serving = axum::serve(Wires(listener), service).with_graceful_shutdown(closing);
            // Accepting never fails for good; the result says nothing.
            serving.await.ok();
        });
        Ok(Self {
            state,
            server: Some(server),
        })
    }

    /// How a client is pointed here: names of inputs with their values. Any client secret is accepted.
    pub fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("arm-endpoint", self.endpoint().to_owned()),
            ("subscription-id", self.subscription().to_owned()),
            ("resource-group", self.resource_group().to_owned()),
            ("workspace", self.workspace().to_owned()),
            ("tenant-id", self.tenant().to_owned()),
            ("client-id", CLIENT.to_owned()),
        ]
    }

    /// `http://localhost:PORT`, the address of ARM and of everything else.
    pub fn endpoint(&self) -> &str {
        &self.state.site.endpoint
    }

    pub fn port(&self) -> u16 {
        self.state.site.port
    }

    pub fn subscription(&self) -> &str {
        &self.state.site.subscription
    }

    pub fn resource_group(&self) -> &str {
        &self.state.site.resource_group
    }

    pub fn workspace(&self) -> &str {
        &self.state.site.workspace
    }

    pub fn tenant(&self) -> &str {
        &self.state.site.tenant
    }

    /// What a GitHub job has in `ACTIONS_ID_TOKEN_REQUEST_URL`; the audience is added with `&audience=`.
    pub fn github_oidc_url(&self) -> String {
        format!("{}/oidc/token?api-version=2.0", self.endpoint())
    }

    /// What an Azure Pipelines job has in `SYSTEM_OIDCREQUESTURI`.
    pub fn azure_pipelines_oidc_url(&self) -> String {
        format!("{}/oidc/azure-pipelines", self.endpoint())
    }

    /// A token as the token endpoint would grant it, for clients that do not sign in.
    pub fn access_token(&self, audience: &str) -> String {
        let lifetime =
            i64::try_from(self.state.options.token_lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        auth::access_token(
            &self.state.site,
            self.tenant(),
            "emulator",
            audience,
            lifetime,
        )
    }

    /// Every request so far, in the order they were answered.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.all()
    }

    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// The jobs that were submitted, oldest first.
    pub fn job_names(&self) -> Vec<String> {
        self.state
            .jobs
            .roots()
            .into_iter()
            .map(|job| job.name)
            .collect()
    }

    /// The status of a job or a step, in the service's word.
    pub fn job_status(&self, name: &str) -> Option<&'static str> {
        self.state.jobs.get(name).map(|job| job.status.word())
    }

    /// Waits until a job is over, and says how it ended. `None` when there is no such job.
    pub async fn wait_for_job(&self, name: &str) -> Option<&'static str> {
        self.state.jobs.wait(name).await.map(job::Status::word)
    }

    /// The steps of a pipeline: their names in it and the runs they are.
    pub fn steps(&self, name: &str) -> BTreeMap<String, String> {
        let children = self
            .state
            .jobs
            .get(name)
            .map(|job| self.state.jobs.children(&job));
        let steps = children.unwrap_or_default().into_iter();
        steps
            .filter_map(|job| Some((job.node?, job.name)))
            .collect()
    }

    /// What the command of a job or a step has written so far.
    pub fn job_log(&self, name: &str) -> String {
        let path = format!("{}user_logs/std_log.txt", Job::log_prefix(name));
        let bytes = self
            .blob(site::ARTIFACT_CONTAINER, &path)
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last value of each metric that a job or a step logged.
    pub fn metrics(&self, name: &str) -> BTreeMap<String, Value> {
        let Some(job) = self.state.jobs.get(name) else {
            return BTreeMap::new();
        };
        let last = job.last_metrics().into_iter();
        last.map(|(key, metric)| (key.to_owned(), metric.value.clone()))
            .collect()
    }

    /// Model versions as `(name, version)`.
    pub fn models(&self) -> Vec<(String, String)> {
        self.versions(AssetKind::Model)
    }

    /// Data versions as `(name, version)`, without those that jobs made for their own use.
    pub fn data(&self) -> Vec<(String, String)> {
        self.versions(AssetKind::Data)
    }

    fn versions(&self, kind: AssetKind) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (name, container) in self.state.assets.table(kind).list() {
            if !container.is_hidden() {
                let versions = container.versions.into_iter();
                all.extend(versions.map(|one| (name.clone(), one.version)));
            }
        }
        all
    }

    /// The live traffic of an online endpoint; `None` when there is no such endpoint.
    pub fn traffic(&self, endpoint: &str) -> Option<BTreeMap<String, u64>> {
        let (operations, kind) = (&self.state.operations, Kind::Online);
        let found = self
            .state
            .endpoints
            .find(operations, kind, endpoint, Look::Not)?;
        let split = found.resource.split("traffic");
        let served = split.served();
        Some(
            served
                .map(|name| (name.to_owned(), split.of(name)))
                .collect(),
        )
    }

    /// The deployments of an online endpoint with their provisioning states.
    pub fn deployments(&self, endpoint: &str) -> BTreeMap<String, &'static str> {
        let (operations, kind) = (&self.state.operations, Kind::Online);
        let endpoints = &self.state.endpoints;
        let found = endpoints.deployments_of(operations, kind, endpoint, Look::Not);
        let states = found.into_iter();
        states
            .map(|one| (one.name, one.resource.lifecycle.state.word()))
            .collect()
    }

    /// How many requests an online deployment was given.
    pub fn served(&self, endpoint: &str, deployment: &str) -> Served {
        let key = endpoint::key(endpoint, deployment);
        let found = self.state.endpoints.deployments(Kind::Online).get(&key);
        found.map_or_else(Served::default, |found| found.counts.read())
    }

    /// As if time had passed: operations that only wait to be looked at are done.
    pub fn pass_time(&self) {
        self.state.operations.pass_time();
    }

    /// The next operation on an endpoint or a deployment fails like this, as operations of the service fail late.
    pub fn fail_next_operation(&self, code: &str, message: &str) {
        let failure = Failure::new(code, message);
        self.state.operations.fail_next(failure);
    }

    /// The container that a datastore is.
    pub fn container(&self, datastore: &str) -> Option<String> {
        self.state.container_of(datastore)
    }

    /// Names of blobs in a container that begin with `prefix`.
    pub fn blobs(&self, container: &str, prefix: &str) -> Vec<String> {
        let found = self.state.blobs.list(container, prefix).unwrap_or_default();
        found.into_iter().map(|(name, _)| name).collect()
    }

    pub fn blob(&self, container: &str, path: &str) -> Option<Vec<u8>> {
        self.state
            .blobs
            .get(container, path)
            .ok()?
            .content
            .all()
            .ok()
    }

    /// Stops serving, ends every process, and returns when all is gone.
    pub async fn shutdown(mut self) {
        self.stop();
        let tasks = self.state.machine.tasks();
        tasks.close();
        tasks.wait().await;
        if let Some(mut server) = self.server.take() {
            // Connections that a client keeps open do not hold it up: what is not idle has been answered.
            let ended = tokio::time::timeout(Duration::from_secs(1), &mut server).await;
            if ended.is_err() {
                server.abort();
            }
        }
    }

    fn stop(&self) {
        self.state.closing.cancel();
        self.state.machine.kill_all();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}
