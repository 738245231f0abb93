//! The end of a job: its last state, metrics, registered outputs, downloads, and the error if it failed.

use serde_json::Value;

use super::submit::Submitted;
use super::watch::Ended;
use super::{Download, cancel};
use crate::azure::jobs::{self, JobStatus};
use crate::azure::{Azure, metrics, outputs};
use crate::event::Event;
use crate::report::{Change, Metric, PhaseKind, Resource};
use crate::spec::Plan;
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

/// What would only be found out after hours of training: an output that the job will not have, a folder that is none.
pub(super) fn check_downloads(
    context: &Context,
    plan: &Plan,
    downloads: &[Download],
) -> Result<(), InputProblems> {
    let job = plan.requests.last().map(|request| &request.body);
    let properties = job.map_or(&Value::Null, |job| &job["properties"]);
    let mut known: Vec<&str> = properties["outputs"]
        .as_object()
        .into_iter()
        .flat_map(|outputs| outputs.keys().map(String::as_str))
        .collect();
    // The service gives every command job one more (service notes 12.2).
    if properties["jobType"] == "Command" {
        known.push("default");
    }
    let mut problems = Vec::new();
    for download in downloads {
        let Download { output, folder } = download;
        if !known.contains(&output.as_str()) {
            let why = if known.is_empty() {
                format!("the job has no output `{output}`; it has none")
            } else {
                format!(
                    "the job has no output `{output}`; it has: {}",
                    known.join(", ")
                )
            };
            problems.extend(context.malformed("download", why).0);
        }
        if folder.exists() && !folder.is_dir() {
            let why = format!("{} is not a folder", folder.display());
            problems.extend(context.malformed("download", why).0);
        }
    }
    InputProblems(problems).into_result()
}

/// Without `wait` the job is on its own from here.
pub(super) fn left_running(context: &Context, job: &Submitted) -> anyhow::Result<()> {
    cancel::settled(context)?;
    context.output("job-status", &job.status)?;
    context.report().job = Some(job.report());
    Ok(())
}

pub(in crate::stage) async fn finish(
    context: &Context,
    azure: &Azure,
    job: &Submitted,
    ended: Ended,
    downloads: &[Download],
) -> anyhow::Result<()> {
    cancel::settled(context)?;
    let status = &ended.job.status;
    context.output("job-status", &status.to_string())?;
    context.report().job = Some(ended.report(job));
    let reason = show_failure(context, &ended);
    {
        let _phase = context.phase("collecting results", PhaseKind::Working);
        let metrics = collect_metrics(context, azure, &ended).await;
        context.metrics(metrics);
        if *status == JobStatus::Completed {
            registered(context, azure, &job.name).await?;
        }
    }
    if *status != JobStatus::Completed {
        return Err(JobFailed {
            name: job.name.clone(),
            status: status.to_string(),
            reason,
            advice: advice(job),
        }
        .into());
    }
    fetch(context, azure, &job.name, downloads).await
}

fn advice(job: &Submitted) -> Option<String> {
    let page = job
        .link
        .as_ref()
        .map(|link| format!("the job's page has all its logs: {link}"));
    if job.change == Change::Created || !JobStatus::parse(&job.status).is_terminal() {
        return page;
    }
    let again = "the job had ended before this run, and a job's name is used once: give another `name`, or leave it out, to run it again";
    Some(page.map_or_else(|| again.to_owned(), |page| format!("{again}; {page}")))
}

/// Shows the service's error and the last lines of every failed step, and says in short why the job did not complete. The long
/// story of a failed step is told once in the log, where it is shown, and once in the report.
fn show_failure(context: &Context, ended: &Ended) -> Option<String> {
    let steps = ended.steps.iter();
    let failed: Vec<_> = steps
        .filter(|step| step.status == JobStatus::Failed)
        .collect();
    let mut stories = Vec::new();
    for step in &failed {
        let text = step.failure();
        let text = text.as_deref().unwrap_or("no error was reported");
        context.emit(&Event::Failed {
            title: &format!("step {} failed", step.name),
            text,
            advice: None,
            place: None,
        });
        stories.push(format!("step {} failed: {text}", step.name));
    }
    if ended.job.status == JobStatus::Completed {
        return None;
    }
    if failed.is_empty() {
        return ended.job.failure();
    }
    if let Some(job) = &mut context.report().job {
        job.error = Some(stories.join("\n\n"));
    }
    let names: Vec<_> = failed.iter().map(|step| step.name.as_str()).collect();
    let noun = if names.len() == 1 { "step" } else { "steps" };
    Some(format!("{noun} {} failed", names.join(", ")))
}

/// What the job and its steps logged, asked for all at once. Numbers that cannot be had are no failure of the job.
async fn collect_metrics(context: &Context, azure: &Azure, ended: &Ended) -> Vec<Metric> {
    let own = std::iter::once((None, ended.job.run.as_str()));
    let theirs = ended
        .steps
        .iter()
        .map(|step| (Some(step.name.clone()), step.run.as_str()));
    let reads = own
        .chain(theirs)
        .map(async |(step, run)| (step, metrics::run_metrics(azure, run).await));
    let mut found = Vec::new();
    let mut refused = None;
    for (step, metrics) in futures::future::join_all(reads).await {
        match metrics {
            Ok(metrics) => found.extend(metrics.into_iter().map(|(key, value)| Metric {
                step: step.clone(),
                key,
                value,
            })),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        context.warn(
            format!("the job's metrics cannot be read, the report is without them: {error}"),
            None,
        );
    }
    found
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
