//! A little universe for a test: an emulator of its own, a folder of its own, and stages run in it down the product's road.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aml_runner::cancel::Cancel;
use aml_runner::emulator::{self, Emulator, Recorded};
use aml_runner::host::{AzurePipelines, Env, GitHub, Host, Options, Terminal};
use aml_runner::report::Report;
use aml_runner::{run, stage};
use tempfile::TempDir;

/// The client secret of every test; it must never show.
pub(crate) const CLIENT_SECRET: &str = "planted-client-secret-4711";

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) folder: TempDir,
    pub(crate) cancel: Cancel,
}

/// How a stage went, and everything it showed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) report: Report,
    /// All that was written: log, data, and the files of a CI host.
    pub(crate) shown: String,
}

impl Ran {
    pub(crate) fn output(&self, name: &str) -> &str {
        self.report.outputs.get(name).map_or("", String::as_str)
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.shown);
        self
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(emulator::Options::default()).await
    }

    pub(crate) async fn with(options: emulator::Options) -> Self {
        aml_runner::azure::install_crypto();
        Self {
            emulator: Emulator::start(options).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            cancel: Cancel::default(),
        }
    }

    /// With a cluster `cpu`.
    pub(crate) async fn with_compute() -> Self {
        let world = Self::new().await;
        let cluster = [("name", "cpu"), ("size", "Standard_DS3_v2")];
        world.stage("create-compute", &cluster).await.succeeded();
        world
    }

    /// With a copy of `examples/wine`.
    pub(crate) async fn with_wine() -> Self {
        let world = Self::new().await;
        super::project::wine(world.folder.path());
        world
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a stage as in a terminal.
    pub(crate) async fn stage(&self, name: &str, inputs: &[(&str, &str)]) -> Ran {
        let out = Shown::default();
        let env = self.env(&[]);
        let host = Terminal::writing_to(
            env,
            self.options(inputs),
            Box::new(out.clone()),
            Box::new(out.clone()),
            false,
        );
        self.run(name, Arc::new(host), &out).await
    }

    /// Runs a stage as a step of a GitHub job; `env` adds to the job's variables.
    pub(crate) async fn on_github(
        &self,
        name: &str,
        inputs: &[(&str, &str)],
        env: &[(&str, &str)],
    ) -> Ran {
        let out = Shown::default();
        let host = self.folder.path().join("host");
        fs::create_dir_all(&host).unwrap();
        let files = ["OUTPUT", "ENV", "PATH", "STATE", "STEP_SUMMARY"].map(|file| {
            let name = format!("GITHUB_{file}");
            let path = host.join(&name);
            (name, path)
        });
        let mut pairs: Vec<(String, String)> = github_job();
        for (name, path) in &files {
            fs::write(path, "").unwrap();
            pairs.push((name.clone(), path.display().to_string()));
        }
        pairs.push((
            "GITHUB_WORKSPACE".to_owned(),
            self.folder.path().display().to_string(),
        ));
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let env = self.env(&pairs.chain(env.iter().copied()).collect::<Vec<_>>());
        let host = GitHub::writing_to(env, self.options(inputs), Box::new(out.clone()));
        let mut ran = self.run(name, Arc::new(host), &out).await;
        for (_, path) in &files {
            ran.shown.push_str(&fs::read_to_string(path).unwrap());
        }
        ran
    }

    /// Runs a stage as a task of an Azure Pipelines job.
    pub(crate) async fn on_azure_pipelines(
        &self,
        name: &str,
        inputs: &[(&str, &str)],
        env: &[(&str, &str)],
    ) -> Ran {
        let out = Shown::default();
        let temp = self.folder.path().join("agent-temp");
        fs::create_dir_all(&temp).unwrap();
        let (temp, sources) = (
            temp.display().to_string(),
            self.folder.path().display().to_string(),
        );
        let mut pairs = vec![
            ("TF_BUILD", "True"),
            ("AGENT_TEMPDIRECTORY", &temp),
            ("SYSTEM_DEFAULTWORKINGDIRECTORY", &sources),
            ("BUILD_BUILDID", "77"),
            ("SYSTEM_JOBID", "job-1"),
            ("SYSTEM_TEAMPROJECTID", "p-1"),
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/org/"),
            ("SYSTEM_TEAMPROJECT", "proj"),
        ];
        pairs.extend(env);
        let host = AzurePipelines::writing_to(
            self.env(&pairs),
            self.options(inputs),
            Box::new(out.clone()),
        );
        let mut ran = self.run(name, Arc::new(host), &out).await;
        ran.shown.push_str(&all_files(Path::new(&temp)));
        ran
    }

    async fn run(&self, name: &str, host: Arc<dyn Host>, out: &Shown) -> Ran {
        let stage = stage::find(name).expect("the stage is in the table");
        let outcome = run::run(&host, stage, &self.cancel).await;
        Ran {
            code: outcome.exit_code(),
            report: outcome.report,
            shown: out.text(),
        }
    }

    fn env(&self, more: &[(&str, &str)]) -> Env {
        let path = aml_runner::host::Env::process();
        let path = path.get("PATH").unwrap_or("/usr/bin:/bin").to_owned();
        let own = [
            ("PATH", path.as_str()),
            ("HOME", "/nowhere"),
            ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
        ];
        Env::from_pairs(own.iter().chain(more).copied()).in_directory(self.folder.path())
    }

    fn options(&self, inputs: &[(&str, &str)]) -> Options {
        let settings = self.emulator.settings();
        let own = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let given = inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut flags: BTreeMap<String, String> = own.chain(given).collect();
        flags.retain(|_, value| !value.is_empty());
        Options {
            flags,
            from_flags: true,
            ..Options::default()
        }
    }

    /// Requests of that method whose path contains `path`.
    pub(crate) fn requests(&self, method: &str, path: &str) -> Vec<Recorded> {
        let all = self.emulator.requests().into_iter();
        all.filter(|request| request.method == method && request.path.contains(path))
            .collect()
    }

    /// Every write to Resource Manager so far, as `PUT path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let all = self.emulator.requests().into_iter();
        all.filter(|request| ["PUT", "PATCH", "DELETE"].contains(&request.method.as_str()))
            .filter(|request| request.path.starts_with("/subscriptions/"))
            .map(|request| format!("{} {}", request.method, below_workspace(&request.path)))
            .collect()
    }

    /// Everything that `examples/wine` needs before its pipeline.
    pub(crate) async fn prepare_wine(&self) {
        for (stage, file) in [
            ("register-environment", "environment.yml"),
            ("create-compute", "compute.yml"),
            ("register-data", "data.yml"),
        ] {
            self.stage(stage, &[("file", file)]).await.succeeded();
        }
    }
}

/// The part of an ARM path that a test is about.
pub(crate) fn below_workspace(path: &str) -> &str {
    path.split_once("/workspaces/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(path, |(_, rest)| rest)
}

/// The variables of a GitHub job that a run's facts come from.
pub(crate) fn github_job() -> Vec<(String, String)> {
    [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "octo/wine"),
        ("GITHUB_REPOSITORY_ID", "17"),
        ("GITHUB_RUN_ID", "900"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_JOB", "train"),
        ("GITHUB_ACTION", "__run_2"),
        ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_ACTOR", "octocat"),
        ("GITHUB_WORKFLOW", "train"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("RUNNER_ENVIRONMENT", "github-hosted"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// A stream that can be read back.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text of every file below a folder: a summary has a folder of its own.
fn all_files(folder: &Path) -> String {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            if path.is_dir() {
                all_files(&path)
            } else {
                fs::read_to_string(path).unwrap()
            }
        })
        .collect()
}

/// A folder's file, for assertions on what a stage wrote.
pub(crate) fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}
