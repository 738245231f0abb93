//! `run-job`: submits a job or re-attaches to the one an earlier attempt submitted, follows it, and ends as it ends.

pub(crate) mod cancel;
mod finish;
mod name;
mod show;
mod stamp;
mod steps;
mod submit;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt;
use serde::Deserialize;

use self::cancel::Arrival;
use super::InputDef;
use super::document::{self, DocumentInputs};
use super::inputs::{Lines, RawInputs};
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Shape, Stage, WaitEnded, shaped, text};
use crate::azure::poll::Budget;
use crate::azure::{ArmError, Azure, jobs};
use crate::report::PhaseKind;
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "run-job",
    summary: "Submit a job, follow its log, end as it ends",
    inputs: &[
        FILE,
        NAME,
        text(
            "experiment-name",
            "Experiment that the job belongs to; wins over the file's",
        ),
        text(
            "display-name",
            "Name shown in the studio; wins over the file's",
        ),
        SET,
        InputDef {
            default: Some("true"),
            ..shaped("wait", Shape::Flag, "Follow the job until it ends")
        },
        InputDef {
            default: Some("leave"),
            ..shaped(
                "on-timeout",
                Shape::Choice(&["leave", "cancel"]),
                "What becomes of the job when `timeout` passes",
            )
        },
        InputDef {
            default: Some("cancel"),
            ..shaped(
                "on-cancel",
                Shape::Choice(&["cancel", "leave"]),
                "What becomes of the job when this step is cancelled",
            )
        },
        shaped(
            "download",
            Shape::Lines,
            "Outputs to fetch at the end, one `output=folder` a line",
        ),
    ],
    outputs: &[
        OutputDef {
            name: "job-name",
            help: "Name of the job",
        },
        OutputDef {
            name: "job-status",
            help: "State of the job when the stage ended",
        },
        OutputDef {
            name: "studio-url",
            help: "The job in Azure Machine Learning studio",
        },
        OutputDef {
            name: "model-id",
            help: "Model that the job registered",
        },
        OutputDef {
            name: "data-id",
            help: "Data asset that the job registered",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

/// What becomes of the remote job when we stop before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Leave,
    Cancel,
}

#[derive(Debug, Deserialize)]
struct Inputs {
    experiment_name: Option<String>,
    display_name: Option<String>,
    wait: bool,
    on_timeout: Fate,
    on_cancel: Fate,
    #[serde(default)]
    download: Lines,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let inputs: Inputs = raw.parse()?;
    let downloads = finish::downloads(&inputs.download, context)?;
    if !inputs.wait && !downloads.is_empty() {
        let why = "there is nothing to fetch without `wait`: the job has only begun then";
        return Err(context.malformed("download", why).into());
    }
    let fields = vec![
        ("experiment_name", inputs.experiment_name.clone()),
        ("display_name", inputs.display_name.clone()),
    ];
    let plan = document.plan(context, Expected::Job, fields).await?;
    finish::check_downloads(context, &plan, &downloads)?;
    if context.inputs.dry_run {
        return document::show_plan(context, plan).await;
    }
    let azure = context.azure()?;
    let submission = submit::Submission {
        file: document.file.clone(),
        name: document.name.clone(),
        on_cancel: inputs.on_cancel,
    };
    let job = submit::submit(context, &azure, plan, submission).await?;
    if !inputs.wait {
        return finish::left_running(context, &job);
    }
    announce_limits(context, inputs.on_cancel);
    let hold = context.cancel.hold();
    let watched = {
        let _phase = context.phase("waiting for the job", PhaseKind::Waiting);
        tokio::select! {
            watched = watch::watch(context, &azure, &job, budget(context)) => watched,
            cancelled = context.cancel.cancelled() => {
                let there = std::future::ready(Arrival::There);
                cancel::on_signal(context, &azure, &job.name, inputs.on_cancel, there).await?;
                return Err(cancelled.into());
            }
        }
    };
    match watched {
        Ok(ended) => {
            // The job is over: from here on a signal has nothing to undo and ends the stage at once.
            drop(hold);
            finish::finish(context, &azure, &job, ended, &downloads).await
        }
        Err(ArmError::TimedOut { state, after, .. }) => {
            let late = Late { state, after };
            Err(
                timed_out(context, &azure, &job.name, inputs.on_timeout, late)
                    .await?
                    .into(),
            )
        }
        Err(error) => {
            // This step ends by itself, and the job is not the post step's to cancel: the next attempt finds it.
            cancel::settled(context)?;
            let about = format!("following job {}, which is not ended by this", job.name);
            Err(anyhow::Error::new(error).context(about))
        }
    }
}

/// Nothing ends the watch of a healthy job but the `timeout` that the user stated.
fn budget(context: &Context) -> Budget {
    context
        .inputs
        .timeout
        .map_or(Budget::Unlimited, Budget::Deadline)
}

/// Says at the start what will end the wait besides the job itself.
fn announce_limits(context: &Context, fate: Fate) {
    if let Some(timeout) = context.inputs.timeout {
        context.note(format!(
            "waiting for at most {}",
            crate::report::human(timeout)
        ));
    }
    if let Some(limit) = context.facts.time_limit {
        let known = if limit.assumed {
            "unless it is set otherwise, "
        } else {
            ""
        };
        let then = match fate {
            Fate::Cancel => "the Azure job is then cancelled, unless `on-cancel: leave` is set",
            Fate::Leave => "the Azure job then runs on, as `on-cancel: leave` asks",
        };
        context.note(format!(
            "{known}the host ends this job after {}; {then}",
            crate::report::human(limit.limit)
        ));
    }
}

/// How far the job was when the time was up.
struct Late {
    state: String,
    after: Duration,
}

async fn timed_out(
    context: &Context,
    azure: &Azure,
    job: &str,
    fate: Fate,
    late: Late,
) -> anyhow::Result<WaitEnded> {
    let Late { state, after } = late;
    let mut settled = true;
    let (became, status) = match fate {
        Fate::Leave => ("it runs on".to_owned(), state.clone()),
        Fate::Cancel => match jobs::cancel_job(azure, job).await {
            Ok(_accepted) => ("it was cancelled".to_owned(), "CancelRequested".to_owned()),
            Err(error) => {
                settled = false;
                let became = format!("it may run on, because it could not be cancelled: {error}");
                (became, state.clone())
            }
        },
    };
    if settled {
        cancel::settled(context)?;
    }
    context.output("job-status", &status)?;
    let waited = crate::report::human(after);
    Ok(WaitEnded {
        message: format!("job {job} had not ended after {waited} (last state {state}); {became}"),
        advice: "give a longer `timeout`, or none; run the same step again to re-attach to a job that still runs".to_owned(),
    })
}

/// A named output and the folder it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Download {
    output: String,
    folder: PathBuf,
}
