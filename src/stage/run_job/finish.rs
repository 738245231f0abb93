//! The end of a job: its last state, metrics, registered outputs, downloads, and the error if it failed.

use super::submit::Submitted;
use super::watch::Ended;
use super::{Download, cancel};
use crate::azure::jobs::{self, JobStatus};
use crate::azure::{Azure, metrics, outputs};
use crate::event::Event;
use crate::report::{self, Change, Metric, PhaseKind, Resource};
use crate::stage::inputs::{InputProblems, Lines};
use crate::stage::{Context, JobFailed, links};

/// Parses `output=folder` lines.
pub(super) fn downloads(lines: &Lines, context: &Context) -> Result<Vec<Download>, InputProblems> {
    let parse = |line: &String| match line.split_once('=') {
        Some((output, folder)) if !output.trim().is_empty() && !folder.trim().is_empty() => {
            Ok(Download {
                output: output.trim().to_owned(),
                folder: context.path(folder.trim().as_ref()),
            })
        }
        _ => Err(context.malformed(
            "download",
            format!("{line:?} is not of the form output=folder"),
        )),
    };
    lines.0.iter().map(parse).collect()
}

/// Without `wait` the job is on its own from here.
pub(super) fn left_running(context: &Context, job: &Submitted) -> anyhow::Result<()> {
    cancel::settled(context)?;
    context.output("job-status", &job.status)?;
    context.report().job = Some(report::Job {
        name: job.name.clone(),
        display_name: None,
        status: job.status.clone(),
        link: job.link.clone(),
        duration: None,
        steps: Vec::new(),
        metrics: Vec::new(),
        error: None,
    });
    Ok(())
}

pub(super) async fn finish(
    context: &Context,
    azure: &Azure,
    job: &Submitted,
    ended: Ended,
    downloads: &[Download],
) -> anyhow::Result<()> {
    cancel::settled(context)?;
    context.output("job-status", &ended.job.status.to_string())?;
    let error = show_failure(context, &ended);
    context.report().job = Some(report::Job {
        name: job.name.clone(),
        display_name: None,
        status: ended.job.status.to_string(),
        link: job.link.clone(),
        duration: ended.job.duration,
        steps: ended.steps.iter().map(super::steps::Step::report).collect(),
        metrics: Vec::new(),
        error: error.clone(),
    });
    {
        let _phase = context.phase("collecting results", PhaseKind::Working);
        let metrics = collect_metrics(azure, &ended).await?;
        context.metrics(metrics);
        if ended.job.status == JobStatus::Completed {
            registered(context, azure, &job.name).await?;
        }
    }
    if ended.job.status != JobStatus::Completed {
        return Err(JobFailed {
            name: job.name.clone(),
            status: ended.job.status.to_string(),
            reason: error,
            advice: job
                .link
                .as_ref()
                .map(|link| format!("the job's page has all its logs: {link}")),
        }
        .into());
    }
    fetch(context, azure, &job.name, downloads).await
}

/// The service's error and the last lines of every failed run; what the job's own error says in one text.
fn show_failure(context: &Context, ended: &Ended) -> Option<String> {
    for step in ended
        .steps
        .iter()
        .filter(|step| step.status == JobStatus::Failed)
    {
        let failure = step.failure();
        let text = failure.as_deref().unwrap_or("no error was reported");
        context.emit(&Event::Failed {
            title: &format!("step {} failed", step.name),
            text,
            advice: None,
            place: None,
        });
    }
    if ended.job.status == JobStatus::Completed {
        return None;
    }
    let first_failed = ended
        .steps
        .iter()
        .find(|step| step.status == JobStatus::Failed);
    let cause = first_failed
        .and_then(|step| Some(format!("step {}: {}", step.name, step.error.as_deref()?)));
    ended.job.failure().or(cause)
}

/// What the job and its steps logged, asked for all at once.
async fn collect_metrics(azure: &Azure, ended: &Ended) -> anyhow::Result<Vec<Metric>> {
    let own = std::iter::once((None, ended.job.run.as_str()));
    let theirs = ended
        .steps
        .iter()
        .map(|step| (Some(step.name.clone()), step.run.as_str()));
    let reads = own.chain(theirs).map(async |(step, run)| {
        let metrics = metrics::run_metrics(azure, run).await?;
        Ok::<_, crate::azure::ArmError>(
            metrics
                .into_iter()
                .map(|(key, value)| Metric {
                    step: step.clone(),
                    key,
                    value,
                })
                .collect::<Vec<_>>(),
        )
    });
    Ok(futures::future::try_join_all(reads)
        .await?
        .into_iter()
        .flatten()
        .collect())
}

/// Outputs that the job registered as assets.
async fn registered(context: &Context, azure: &Azure, job: &str) -> anyhow::Result<()> {
    let Some(view) = jobs::get_job(azure, job).await? else {
        return Ok(());
    };
    let cloud = azure.cloud().await?;
    for asset in outputs::registered_outputs(azure, &view).await? {
        let name = if asset.kind == "model" {
            "model-id"
        } else {
            "data-id"
        };
        context.output(name, &asset.id)?;
        let link = links::asset(
            &cloud,
            azure.workspace(),
            asset.kind,
            &asset.name,
            &asset.version,
        );
        context.resource(Resource {
            kind: asset.kind.to_owned(),
            name: asset.name,
            version: Some(asset.version),
            change: Change::Created,
            id: asset.id,
            link,
        });
    }
    Ok(())
}

async fn fetch(
    context: &Context,
    azure: &Azure,
    job: &str,
    downloads: &[Download],
) -> anyhow::Result<()> {
    if downloads.is_empty() {
        return Ok(());
    }
    let _phase = context.phase("downloading", PhaseKind::Working);
    let wanted: Vec<_> = downloads
        .iter()
        .map(|download| (download.output.clone(), download.folder.clone()))
        .collect();
    for fetched in outputs::download_outputs(azure, job, &wanted).await? {
        let text = format!(
            "downloaded output {} to {} ({} files)",
            fetched.output,
            fetched.folder.display(),
            fetched.files
        );
        context.note(&text);
        context.report().notes.push(text);
    }
    Ok(())
}
