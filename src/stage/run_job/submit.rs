//! Submitting: which name the job gets, whether an earlier attempt's job is still running, and the write itself.

use std::path::PathBuf;

use super::{Fate, cancel, name, stamp};
use crate::azure::apply::{ApplyError, Execution};
use crate::azure::jobs::{self, JobView};
use crate::azure::logs::LogKind;
use crate::azure::{ArmError, Azure};
use crate::event::Event;
use crate::report::{Change, PhaseKind, Resource};
use crate::spec::{self, Plan};
use crate::stage::{Context, Refused};

/// What the user said about the submission.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) file: Option<PathBuf>,
    /// The name the user gave.
    pub(super) name: Option<String>,
    pub(super) on_cancel: Fate,
}

/// The job to follow.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) link: Option<String>,
    pub(super) change: Change,
    /// Where its logs are, and whether it has steps that are followed as well.
    pub(super) kind: LogKind,
}

/// Finds the running job of an earlier attempt, or submits a new one.
pub(super) async fn submit(
    context: &Context,
    azure: &Azure,
    plan: Plan,
    submission: Submission,
) -> anyhow::Result<Submitted> {
    let stamps = stamp::collect(context);
    let mut execution = Execution::new(azure.clone(), plan, spec::yaml_to_json);
    let (chosen, stamps) = {
        let _phase = context.phase("looking up", PhaseKind::Working);
        tokio::join!(choose(context, azure, &execution, &submission), stamps)
    };
    let submitted = match chosen? {
        Chosen::Attach(job) => attached(&job),
        Chosen::Submit(name) => {
            execution.amend(|body| stamps.add_to(body));
            write(context, azure, &execution, &name, submission.on_cancel).await?
        }
    };
    announce(context, &submitted)?;
    Ok(submitted)
}

enum Chosen {
    Attach(Box<JobView>),
    Submit(String),
}

/// All reads, and with them the answer to: which name, and is it taken?
async fn choose(
    context: &Context,
    azure: &Azure,
    execution: &Execution,
    submission: &Submission,
) -> anyhow::Result<Chosen> {
    if let Some(name) = &submission.name {
        let (looked_up, there) = tokio::join!(execution.look_up(), jobs::get_job(azure, name));
        looked_up?;
        return match there? {
            None => Ok(Chosen::Submit(name.clone())),
            Some(job) => Ok(Chosen::Attach(Box::new(job))),
        };
    }
    execution.look_up().await?;
    let file = submission.file.as_deref();
    let digest = execution.digest().await?;
    let Some(base) = name::derived(&context.facts, &digest, file) else {
        return Ok(Chosen::Submit(name::random(file)));
    };
    next_in_series(azure, &base).await
}

/// The last job of the series, if it still runs; else the next free name.
async fn next_in_series(azure: &Azure, base: &str) -> anyhow::Result<Chosen> {
    let mut last = None;
    for n in 1.. {
        let name = name::nth(base, n);
        match jobs::get_job(azure, &name).await? {
            Some(job) => last = Some(job),
            None => {
                return Ok(match last {
                    Some(job) if !job.status.is_terminal() => Chosen::Attach(Box::new(job)),
                    _ => Chosen::Submit(name),
                });
            }
        }
    }
    Err(anyhow::anyhow!(
        "the series of names after {base} has no end"
    ))
}

fn attached(job: &JobView) -> Submitted {
    Submitted {
        name: job.name.clone(),
        status: job.status.to_string(),
        link: job.studio.clone(),
        change: Change::Unchanged,
        kind: kind_of(job),
    }
}

fn kind_of(job: &JobView) -> LogKind {
    match job.kind.as_deref() {
        Some("Pipeline") => LogKind::Pipeline,
        Some("Sweep") => LogKind::Sweep,
        Some(_) | None => LogKind::Command,
    }
}

/// Uploads and writes. From here on a signal must leave no job behind.
async fn write(
    context: &Context,
    azure: &Azure,
    execution: &Execution,
    name: &str,
    fate: Fate,
) -> anyhow::Result<Submitted> {
    cancel::remember(context, name, fate)?;
    let _hold = context.cancel.hold();
    let _phase = context.phase("uploading and submitting", PhaseKind::Working);
    let applied = tokio::select! {
        applied = execution.send(Some(name)) => applied,
        cancelled = context.cancel.cancelled() => {
            cancel::on_signal(context, azure, name, fate).await?;
            return Err(cancelled.into());
        }
    };
    let applied = applied.map_err(|error| name_taken(error, name))?;
    let job = JobView::parse(&applied.body);
    for asset in &applied.also {
        context.emit(&Event::Debug {
            text: &format!("{} {}: {}", asset.kind, asset.name, asset.change.as_str()),
        });
    }
    Ok(Submitted {
        name: name.to_owned(),
        status: job.status.to_string(),
        link: job.studio.clone(),
        change: Change::Created,
        kind: kind_of(&job),
    })
}

/// A clash of names is nothing that a retry helps: say what does.
fn name_taken(error: ApplyError, name: &str) -> anyhow::Error {
    let ApplyError::Arm(ArmError::Conflict(_)) = &error else {
        return error.into();
    };
    anyhow::Error::new(Refused {
        message: format!("a job named {name} exists already: {error}"),
        advice: Some(
            "a job's name is used once: give another `name`, or leave it out to have one chosen"
                .to_owned(),
        ),
    })
}

fn announce(context: &Context, job: &Submitted) -> anyhow::Result<()> {
    match job.change {
        Change::Created => context.note(format!("submitted job {}", job.name)),
        Change::Updated | Change::Unchanged => {
            context.note(format!(
                "re-attached to job {}, which was submitted before ({})",
                job.name, job.status
            ));
        }
    }
    if let Some(link) = &job.link {
        context.emit(&Event::Notice {
            title: "Azure ML job",
            text: link,
        });
        context.output("studio-url", link)?;
    }
    context.output("job-name", &job.name)?;
    context.output("changed", job.change.as_str())?;
    let workspace = context.workspace()?;
    context.report().resources.push(Resource {
        kind: "job".to_owned(),
        name: job.name.clone(),
        version: None,
        change: job.change,
        id: format!("{workspace}/jobs/{}", job.name),
        link: job.link.clone(),
    });
    Ok(())
}
