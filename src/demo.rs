//! `aml-runner demo`: the whole loop of `examples/wine` on the embedded Azure ML, down the same road as CI: training, a live endpoint, a batch
//! run, and a rollout that is made to fail and goes back.
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
#[derive(Debug, Default, Serialize)]
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
    /// The live endpoint's answer to the smoke test; `null` when it was not asked.
    pub response: Option<serde_json::Value>,
    /// How the batch run ended; `null` when it was not begun.
    pub batch_status: Option<String>,
    /// Why the rollout went back; `null` when it was not tried.
    pub rollout: Option<String>,
    /// The live endpoint's traffic at the end.
    pub traffic: BTreeMap<String, u64>,
    /// Why it did not get to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip)]
    pub exit_code: u8,
}

/// The example's files, by their place in it.
const FILES: &[(&str, &str)] = &[
    (
        "batch-deployment.yml",
        include_str!("../examples/wine/batch-deployment.yml"),
    ),
    (
        "batch-endpoint.yml",
        include_str!("../examples/wine/batch-endpoint.yml"),
    ),
    ("compute.yml", include_str!("../examples/wine/compute.yml")),
    ("conda.yml", include_str!("../examples/wine/conda.yml")),
    ("data.yml", include_str!("../examples/wine/data.yml")),
    (
        "environment.yml",
        include_str!("../examples/wine/environment.yml"),
    ),
    (
        "online-deployment.yml",
        include_str!("../examples/wine/online-deployment.yml"),
    ),
    (
        "online-endpoint.yml",
        include_str!("../examples/wine/online-endpoint.yml"),
    ),
    (
        "pipeline.yml",
        include_str!("../examples/wine/pipeline.yml"),
    ),
    (
        "request.json",
        include_str!("../examples/wine/request.json"),
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
        "src/score.py",
        include_str!("../examples/wine/src/score.py"),
    ),
    (
        "src/score_files.py",
        include_str!("../examples/wine/src/score_files.py"),
    ),
    (
        "src/score_wrong.py",
        include_str!("../examples/wine/src/score_wrong.py"),
    ),
    (
        "src/serving.py",
        include_str!("../examples/wine/src/serving.py"),
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

/// What the live endpoint is asked, and what a good answer is.
const QUESTION: &[(&str, &str)] = &[
    ("request-file", "request.json"),
    ("expect", "$.predictions[0].probability > 0.3"),
];

/// How a stage has to end for the demo to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    /// With exit code 1, as a rollout that goes back does.
    Refused,
}

/// A stage of the demo with its own inputs.
struct Step {
    stage: &'static str,
    inputs: &'static [&'static [(&'static str, &'static str)]],
    ends: Ends,
}

const fn step(
    stage: &'static str,
    inputs: &'static [&'static [(&'static str, &'static str)]],
) -> Step {
    Step {
        stage,
        inputs,
        ends: Ends::Well,
    }
}

const STEPS: &[Step] = &[
    step("connect", &[]),
    step("register-environment", &[&[("file", "environment.yml")]]),
    step("create-compute", &[&[("file", "compute.yml")]]),
    step("register-data", &[&[("file", "data.yml")]]),
    step(TRAINING, &[&[("file", "pipeline.yml")]]),
    step("create-endpoint", &[&[("file", "online-endpoint.yml")]]),
    step("create-deployment", &[&[("file", "online-deployment.yml")]]),
    step(
        "allocate-traffic",
        &[&[("endpoint-name", ONLINE), ("traffic", "blue=100")]],
    ),
    step(
        "smoke-test",
        &[QUESTION, &[("endpoint-name", ONLINE), ("calls", "5")]],
    ),
    step("create-endpoint", &[&[("file", "batch-endpoint.yml")]]),
    step("create-deployment", &[&[("file", "batch-deployment.yml")]]),
    step(
        "smoke-test",
        &[&[
            ("endpoint-name", "wine-batch"),
            ("deployment-name", "files"),
            ("input", "data/wine.csv"),
        ]],
    ),
    Step {
        ends: Ends::Refused,
        ..step(
            ROLLOUT,
            &[
                QUESTION,
                &[
                    ("file", "online-deployment.yml"),
                    ("set", "code_configuration.scoring_script=score_wrong.py"),
                ],
            ],
        )
    },
];

const TRAINING: &str = "run-job";
const ROLLOUT: &str = "rollout";
const ONLINE: &str = "wine-online";

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
    let env = Env::from_pairs(environment(env, project.path())).in_directory(project.path());
    let mut summary = Summary::default();
    for step in STEPS {
        let stage =
            stage::find(step.stage).with_context(|| format!("there is no stage {}", step.stage))?;
        let options = Options {
            verbose: demo.verbose,
            ..options_of(&emulator, step, model.path())
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
        if !summary.take(step, &outcome.report, outcome.exit_code()) {
            break;
        }
    }
    if summary.exit_code == 0 {
        summary.traffic = emulator.traffic(ONLINE).unwrap_or_default();
        summary.model = Some(model.keep());
    }
    emulator.shutdown().await;
    Ok(summary)
}

impl Summary {
    /// Notes how a stage ended. False when that is the end of the demo.
    fn take(&mut self, step: &Step, report: &Report, exit_code: u8) -> bool {
        let output = |name: &str| report.outputs.get(name).cloned();
        match step.stage {
            TRAINING => {
                self.job_status = output("job-status");
                self.model_id = output("model-id");
                let metrics = report.job.iter().flat_map(|job| &job.metrics);
                let metrics = metrics.map(|metric| (metric.key.clone(), metric.value));
                self.metrics.extend(metrics);
            }
            "smoke-test" if output("job-status").is_some() => {
                self.batch_status = output("job-status");
            }
            "smoke-test" => {
                let answer = output("response");
                self.response = answer.and_then(|text| serde_json::from_str(&text).ok());
            }
            ROLLOUT => self.rollout = report.error.clone(),
            _ => {}
        }
        let (is_right, code) = match step.ends {
            Ends::Well => (exit_code == 0, exit_code),
            Ends::Refused if exit_code == 0 => (false, 1),
            Ends::Refused => (exit_code == 1, exit_code),
        };
        if !is_right {
            self.exit_code = code;
            self.error = Some(why(report));
        }
        is_right
    }

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
        let traffic: Vec<String> = self
            .traffic
            .iter()
            .map(|(name, percent)| format!("{name}={percent}"))
            .collect();
        let rollout = self.rollout.as_deref().unwrap_or_default();
        format!(
            "\nThe pipeline ran to its end. Its metrics:\n{metrics}The model is registered as\n  {id}\nand lies in\n  {}\nA live endpoint answered with it, and a batch run scored the data. A rollout that was made to fail went back:\n  {}\nThe traffic is as it was before: {}\n",
            model.display(),
            rollout.trim_end().replace('\n', "\n  "),
            traffic.join(" ")
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

/// The caller's environment without what would sign in to, or point at, a real Azure; what stages keep on this machine goes into `folder`.
fn environment(env: &Env, folder: &Path) -> Vec<(String, String)> {
    let mut pairs = env.for_children();
    pairs.retain(|(name, _)| {
        !name.starts_with("AZURE")
            && !name.starts_with("GITHUB_")
            && !["TF_BUILD", "TMPDIR"].contains(&name.as_str())
    });
    pairs.push(("TMPDIR".to_owned(), folder.display().to_string()));
    pairs.push((
        "AZURE_CLIENT_SECRET".to_owned(),
        "emulator-needs-no-secret".to_owned(),
    ));
    pairs
}

fn options_of(emulator: &Emulator, step: &Step, model: &Path) -> Options {
    let mut flags: BTreeMap<String, String> = emulator
        .settings()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for (name, value) in step.inputs.iter().copied().flatten() {
        flags.insert((*name).to_owned(), (*value).to_owned());
    }
    if step.stage == TRAINING {
        flags.insert("download".to_owned(), format!("model={}", model.display()));
    }
    Options {
        flags,
        from_flags: true,
        ..Options::default()
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
