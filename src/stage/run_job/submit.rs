//! Submitting: which name the job gets, whether an earlier attempt's job is still running, and the write itself.

use std::path::PathBuf;

use super::cancel::Arrival;
use super::{Fate, cancel, name, stamp};
use crate::azure::Azure;
use crate::azure::apply::Execution;
use crate::azure::jobs::{self, JobView};
use crate::azure::logs::LogKind;
use crate::event::Event;
use crate::report::{self, Change, PhaseKind, Resource};
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
pub(in crate::stage) struct Submitted {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) link: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) change: Change,
    /// Where its logs are, and whether it has steps that are followed as well.
    pub(super) kind: LogKind,
}

impl Submitted {
    pub(in crate::stage) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::stage) fn of(name: &str, view: &JobView, change: Change) -> Self {
        Self {
            name: name.to_owned(),
            status: view.status.to_string(),
            link: view.studio.clone(),
            display_name: view.display_name.clone().filter(|shown| shown != name),
            change,
            kind: match view.kind.as_deref() {
                Some("Pipeline") => LogKind::Pipeline,
                Some("Sweep") => LogKind::Sweep,
                Some(_) | None => LogKind::Command,
            },
        }
    }

    /// What the report says of the job while no more is known of it.
    pub(super) fn report(&self) -> report::Job {
        report::Job {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            status: self.status.clone(),
            link: self.link.clone(),
            duration: None,
            steps: Vec::new(),
            metrics: Vec::new(),
            error: None,
        }
    }
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
        Chosen::Attach(job) => {
            if !job.status.is_terminal() {
                cancel::remember(context, &job.name, submission.on_cancel)?;
            }
            Submitted::of(&job.name, &job, Change::Unchanged)
        }
        Chosen::Submit { name, digest } => {
            // In a terminal nobody comes back for the job under another name than the one that was typed.
            let stamps = match context.facts.run_id {
                Some(_) => stamps.with_request(&digest),
                None => stamps,
            };
            execution.amend(|body| stamps.add_to(body));
            let goal = Goal {
                name: &name,
                digest: &digest,
                fate: submission.on_cancel,
            };
            write(context, azure, &execution, goal).await?
        }
    };
    announce(context, &submitted)?;
    Ok(submitted)
}

enum Chosen {
    Attach(Box<JobView>),
    Submit { name: String, digest: String },
}

/// All reads, and with them the answer to: which name, and is it taken?
async fn choose(
    context: &Context,
    azure: &Azure,
    execution: &Execution,
    submission: &Submission,
) -> anyhow::Result<Chosen> {
    let given = async {
        match &submission.name {
            Some(name) => jobs::get_job(azure, name).await,
            None => Ok(None),
        }
    };
    let (looked_up, there) = tokio::join!(execution.look_up(), given);
    looked_up?;
    let digest = execution.digest().await?;
    if let Some(name) = submission.name.clone() {
        return match there? {
            None => Ok(Chosen::Submit { name, digest }),
            Some(job) => {
                let job = known_as_ours(execution, job, &digest).await?;
                Ok(Chosen::Attach(Box::new(job)))
            }
        };
    }
    let file = submission.file.as_deref();
    match name::derived(&context.facts, &digest, file) {
        Some(base) => next_in_series(azure, &base, digest).await,
        None => Ok(Chosen::Submit {
            name: name::random(file),
            digest,
        }),
    }
}

/// A job that has the name which the user gave: the one that an earlier run of this very request submitted, or somebody else's,
/// whose end must not be reported as ours.
async fn known_as_ours(
    execution: &Execution,
    job: JobView,
    digest: &str,
) -> anyhow::Result<JobView> {
    let other = match job.properties.get(stamp::REQUEST) {
        Some(stamped) => (stamped != digest).then_some("request"),
        None => execution.differs_from(&job.body).await?,
    };
    match other {
        None => Ok(job),
        Some(field) => Err(Refused {
            message: format!(
                "a job named {} exists already, and it is not the one that is asked for here: its {field} is another",
                job.name
            ),
            advice: Some(
                "a job's name is used once: give another `name`, or leave it out to have one chosen"
                    .to_owned(),
            ),
        }
        .into()),
    }
}

/// The last job of the series, if it still runs; else the next free name.
async fn next_in_series(azure: &Azure, base: &str, digest: String) -> anyhow::Result<Chosen> {
    let mut last = None;
    for n in 1.. {
        let name = name::nth(base, n);
        match jobs::get_job(azure, &name).await? {
            Some(job) => last = Some(job),
            None => {
                return Ok(match last {
                    Some(job) if !job.status.is_terminal() => Chosen::Attach(Box::new(job)),
                    _ => Chosen::Submit { name, digest },
                });
            }
        }
    }
    Err(anyhow::anyhow!(
        "the series of names after {base} has no end"
    ))
}

/// What is to be submitted, and what becomes of it on a signal.
struct Goal<'a> {
    name: &'a str,
    digest: &'a str,
    fate: Fate,
}

/// Uploads, then writes. While it uploads there is nothing to undo and a signal ends it at once; a signal that comes while the
/// job's own request is under way must leave no job behind.
async fn write(
    context: &Context,
    azure: &Azure,
    execution: &Execution,
    goal: Goal<'_>,
) -> anyhow::Result<Submitted> {
    let Goal { name, digest, fate } = goal;
    {
        let _phase = context.phase("uploading", PhaseKind::Working);
        execution.make_ready(Some(name)).await?;
    }
    cancel::remember(context, name, fate)?;
    let _hold = context.cancel.hold();
    let _phase = context.phase("submitting", PhaseKind::Working);
    let mut sending = std::pin::pin!(execution.send(Some(name)));
    let sent = tokio::select! {
        sent = &mut sending => sent,
        cancelled = context.cancel.cancelled() => {
            let arrival = async { Arrival::of(&sending.await) };
            cancel::on_signal(context, azure, name, fate, arrival).await?;
            return Err(cancelled.into());
        }
    };
    let arrival = Arrival::of(&sent);
    let applied = match sent {
        Ok(applied) => applied,
        Err(error) => {
            // An earlier attempt's submission may have arrived after we looked for it.
            if let Some(job) = jobs::get_job(azure, name).await? {
                let job = known_as_ours(execution, job, digest).await?;
                return Ok(Submitted::of(name, &job, Change::Unchanged));
            }
            if arrival != Arrival::Unknown {
                cancel::settled(context)?;
            }
            return Err(error.into());
        }
    };
    for asset in &applied.also {
        context.emit(&Event::Debug {
            text: &format!("{} {}: {}", asset.kind, asset.name, asset.change.as_str()),
        });
    }
    let job = JobView::parse(&applied.body);
    Ok(Submitted::of(name, &job, Change::Created))
}

/// Tells of the job, and sets the outputs that lead to it.
pub(in crate::stage) fn announce(context: &Context, job: &Submitted) -> anyhow::Result<()> {
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
