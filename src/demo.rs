//! `aml-runner demo`: the whole training pipeline of `examples/wine` on the embedded Azure ML, down the same road as CI.
//! Owns the embedded copy of the example and the order of the stages; everything else is the product itself.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;

use crate::cancel::Cancel;
use crate::emulator::{self, Emulator};
use crate::host::{Env, Host, Options, Terminal};
use crate::report::Report;
use crate::run;
use crate::stage;

/// What the user may change.
#[derive(Debug, Default)]
pub struct Demo {
    /// Another data set with the same columns.
    pub data: Option<PathBuf>,
    pub verbose: bool,
}

/// What `demo --output json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// `null` when no job was submitted.
    pub job_status: Option<String>,
    /// `null` when the pipeline did not register one.
    pub model_id: Option<String>,
    /// What the pipeline's steps logged.
    pub metrics: BTreeMap<String, f64>,
    /// A copy of the model on this machine.
    pub model: Option<PathBuf>,
    /// Why it did not get to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip)]
    pub exit_code: u8,
}

/// The example's files, by their place in it.
const FILES: &[(&str, &str)] = &[
    ("compute.yml", include_str!("../examples/wine/compute.yml")),
    ("conda.yml", include_str!("../examples/wine/conda.yml")),
    ("data.yml", include_str!("../examples/wine/data.yml")),
    (
        "environment.yml",
        include_str!("../examples/wine/environment.yml"),
    ),
    (
        "pipeline.yml",
        include_str!("../examples/wine/pipeline.yml"),
    ),
    (
        "data/wine.csv",
        include_str!("../examples/wine/data/wine.csv"),
    ),
    (
        "src/evaluate.py",
        include_str!("../examples/wine/src/evaluate.py"),
    ),
    (
        "src/prepare.py",
        include_str!("../examples/wine/src/prepare.py"),
    ),
    (
        "src/register.py",
        include_str!("../examples/wine/src/register.py"),
    ),
    (
        "src/tracking.py",
        include_str!("../examples/wine/src/tracking.py"),
    ),
    (
        "src/train.py",
        include_str!("../examples/wine/src/train.py"),
    ),
    ("src/wine.py", include_str!("../examples/wine/src/wine.py")),
];

/// The stages of the demo and the file each one takes.
const STAGES: &[(&str, Option<&str>)] = &[
    ("connect", None),
    ("register-environment", Some("environment.yml")),
    ("create-compute", Some("compute.yml")),
    ("register-data", Some("data.yml")),
    ("run-job", Some("pipeline.yml")),
];

/// Runs the demo. The model stays in a folder of the system's temporary directory; everything else is removed.
pub async fn run(demo: Demo, env: &Env, cancel: &Cancel) -> anyhow::Result<Summary> {
    let project = tempfile::tempdir().context("making a folder for the example project")?;
    lay_out(project.path(), demo.data.as_deref())?;
    let model = tempfile::Builder::new()
        .prefix("aml-runner-demo-model-")
        .tempdir()?;
    let emulator = Emulator::start(emulator::Options::default())
        .await
        .context("starting the emulator")?;
    let env = Env::from_pairs(environment(env)).in_directory(project.path());
    let mut last = None;
    for (name, file) in STAGES {
        let stage = stage::find(name).with_context(|| format!("there is no stage {name}"))?;
        let options = Options {
            verbose: demo.verbose,
            ..options_of(&emulator, *file, model.path())
        };
        // Reports go where the log goes: standard output is for the demo's own result.
        let host: Arc<dyn Host> = Arc::new(Terminal::writing_to(
            env.clone(),
            options,
            Box::new(io::stderr()),
            Box::new(io::stderr()),
            io::stderr().is_terminal(),
        ));
        let outcome = run::run(&host, stage, cancel).await;
        let code = outcome.exit_code();
        last = Some((outcome.report, code));
        if code != 0 {
            break;
        }
    }
    emulator.shutdown().await;
    let (report, exit_code) = last.context("the demo has no stages")?;
    let model = (exit_code == 0).then(|| model.keep());
    Ok(summary(&report, model, exit_code))
}

impl Summary {
    /// The same for a person.
    pub fn text(&self) -> String {
        let metrics: String = self
            .metrics
            .iter()
            .map(|(name, value)| format!("  {name}: {value:.4}\n"))
            .collect();
        let (Some(id), Some(model)) = (&self.model_id, &self.model) else {
            let error = self.error.as_deref().unwrap_or("no model was registered");
            return format!(
                "\nThe demo did not get to its end:\n  {}\nIts emulator has ended with it, so the links above lead nowhere.\n",
                error.trim_end().replace('\n', "\n  ")
            );
        };
        format!(
            "\nThe pipeline ran to its end. Its metrics:\n{metrics}The model is registered as\n  {id}\nand lies in\n  {}\n",
            model.display()
        )
    }
}

fn lay_out(folder: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text)?;
    }
    if let Some(data) = data {
        let read = std::fs::read(data).with_context(|| {
            let resolved = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
            format!(
                "reading the data `{}`, which is {}",
                data.display(),
                resolved.display()
            )
        })?;
        std::fs::write(folder.join("data/wine.csv"), read)?;
    }
    Ok(())
}

/// The caller's environment without what would sign in to, or point at, a real Azure.
fn environment(env: &Env) -> Vec<(String, String)> {
    let mut pairs = env.for_children();
    pairs.retain(|(name, _)| {
        !name.starts_with("AZURE") && !name.starts_with("GITHUB_") && name != "TF_BUILD"
    });
    pairs.push((
        "AZURE_CLIENT_SECRET".to_owned(),
        "emulator-needs-no-secret".to_owned(),
    ));
    pairs
}

fn options_of(emulator: &Emulator, file: Option<&str>, model: &Path) -> Options {
    let mut flags: BTreeMap<String, String> = emulator
        .settings()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    if let Some(file) = file {
        flags.insert("file".to_owned(), file.to_owned());
        if file == "pipeline.yml" {
            flags.insert("download".to_owned(), format!("model={}", model.display()));
        }
    }
    Options {
        flags,
        from_flags: true,
        ..Options::default()
    }
}

fn summary(report: &Report, model: Option<PathBuf>, exit_code: u8) -> Summary {
    let output = |name: &str| report.outputs.get(name).cloned();
    let metrics = report.job.iter().flat_map(|job| &job.metrics);
    Summary {
        job_status: output("job-status"),
        model_id: output("model-id"),
        metrics: metrics
            .map(|metric| (metric.key.clone(), metric.value))
            .collect(),
        model,
        error: (exit_code != 0).then(|| why(report)),
        exit_code,
    }
}

/// What the job says of its failure, with the end of the log, else what the stage says.
fn why(report: &Report) -> String {
    let job = report.job.as_ref().and_then(|job| job.error.clone());
    job.unwrap_or_else(|| {
        let stage = report.error.as_ref().unwrap_or(&report.outcome);
        format!("{}: {stage}", report.stage)
    })
}
