//! `run-job`: submits a job or re-attaches to the one an earlier attempt submitted, follows it, and ends as it ends.

pub(crate) mod cancel;
pub(in crate::stage) mod finish;
mod follow;
pub(in crate::stage) mod name;
mod show;
mod stamp;
mod steps;
mod submit;
mod watch;

use std::path::PathBuf;

use futures::FutureExt;
use serde::Deserialize;

pub(in crate::stage) use self::follow::{Followed, Late, follow};
pub(in crate::stage) use self::submit::{Submitted, announce};
use super::InputDef;
use super::document::{self, DocumentInputs};
use super::inputs::{Lines, RawInputs};
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Shape, Stage, WaitEnded, shaped, text};
use crate::azure::{Azure, jobs};
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
pub(in crate::stage) enum Fate {
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
    match follow(context, &azure, &job, inputs.on_cancel).await? {
        Followed::Ended(ended) => finish::finish(context, &azure, &job, *ended, &downloads).await,
        Followed::Late(late) => Err(
            timed_out(context, &azure, &job.name, inputs.on_timeout, late)
                .await?
                .into(),
        ),
    }
}

/// What becomes of a job that had not ended when the time was up.
pub(in crate::stage) async fn timed_out(
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
pub(in crate::stage) struct Download {
    output: String,
    folder: PathBuf,
}
