//! The one road: inputs -> context -> stage -> report -> exit code. Knows no stage by name and no host's dialect.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use crate::cancel::Cancel;
use crate::event::{Event, Place};
use crate::failure::{self, FailureClass};
use crate::host::{self, Host};
use crate::report::Report;
use crate::spec::Problems;
use crate::stage::inputs::{CommonInputs, InputProblem, InputProblems, RawInputs, WorkspaceNeed};
use crate::stage::{Context, STAGES, Stage, read_config};

/// How long a cancelled stage may take to undo what it started. Hosts send SIGTERM after 7.5 s and SIGKILL after 10.
const GRACE: Duration = Duration::from_secs(9);

/// How a stage went.
#[derive(Debug)]
pub struct Outcome {
    pub report: Report,
    /// `None` when it succeeded.
    pub failure: Option<FailureClass>,
}

impl Outcome {
    pub fn exit_code(&self) -> u8 {
        self.failure.map_or(0, FailureClass::exit_code)
    }
}

/// Runs one stage on a host and shows its report there.
pub async fn run(host: &Arc<dyn Host>, stage: &'static Stage, cancel: &Cancel) -> Outcome {
    show(host.as_ref(), &Event::Started { stage: stage.name });
    let mut report = Report {
        stage: stage.name.to_owned(),
        ..Report::default()
    };
    let result = match prepare(host, stage, cancel) {
        Ok((context, raw)) => {
            let result = supervise(stage, &context, raw).await;
            report = std::mem::take(&mut *context.report());
            result
        }
        Err(error) => Err(error),
    };
    let failed = match result {
        Ok(()) => {
            "succeeded".clone_into(&mut report.outcome);
            None
        }
        Err(error) => Some(Failed::new(host.as_ref(), stage, &error, &mut report)),
    };
    if let Err(error) = host.report(&report) {
        tracing::warn!(%error, "the report could not be written");
    }
    // After the report: what a terminal shows last is what its reader sees.
    if let Some(failed) = &failed {
        failed.show(host.as_ref());
    }
    let failure = failed.map(|failed| failed.class);
    let ended = match failure {
        None => host::Outcome::Succeeded,
        Some(FailureClass::Cancelled(_)) => host::Outcome::Cancelled,
        Some(_) => host::Outcome::Failed,
    };
    if let Err(error) = host.finished(ended) {
        tracing::warn!(%error, "the host could not be told how it ended");
    }
    Outcome { report, failure }
}

/// Inputs, masks and folder; everything that needs no network.
pub(crate) fn prepare(
    host: &Arc<dyn Host>,
    stage: &'static Stage,
    cancel: &Cancel,
) -> anyhow::Result<(Context, RawInputs)> {
    let collected = RawInputs::collect(host.as_ref(), stage, STAGES);
    for warning in &collected.warnings {
        show(
            host.as_ref(),
            &Event::Warned {
                text: warning,
                place: None,
            },
        );
    }
    let (raw, mut problems) = (collected.inputs, collected.problems);
    for secret in raw.secrets() {
        host.mask(&secret)?;
    }
    let start = host.facts().working_directory;
    let folder = raw
        .get("working-directory")
        .map_or_else(|| start.clone(), |input| start.join(input));
    if !folder.is_dir() {
        problems.0.push(InputProblem::Malformed {
            label: host.input_label("working-directory"),
            why: format!("{} is not a folder", folder.display()),
        });
    }
    let config = match raw.get("config") {
        Some(file) => read_config::values(&folder.join(file))?
            .into_iter()
            .collect(),
        None => BTreeMap::new(),
    };
    let need = if stage.needs_workspace {
        WorkspaceNeed::Needed
    } else {
        WorkspaceNeed::Optional
    };
    let inputs = CommonInputs::resolve(&raw, host.as_ref(), &config, need, &mut problems);
    for secret in inputs.secrets() {
        host.mask(secret)?;
    }
    problems.into_result()?;
    for note in &inputs.notes {
        show(host.as_ref(), &Event::Note { text: note });
    }
    Ok((
        Context::new(Arc::clone(host), inputs, folder, cancel.clone(), stage.name),
        raw,
    ))
}

/// Runs the stage until it ends, panics or is cancelled. A stage that holds the cancellation gets time to undo what it started.
async fn supervise(stage: &'static Stage, context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let work = AssertUnwindSafe((stage.run)(context, raw)).catch_unwind();
    tokio::pin!(work);
    let finished = tokio::select! {
        biased;
        finished = &mut work => finished,
        cancelled = context.cancel.cancelled() => {
            if !context.cancel.is_held() {
                return Err(cancelled.into());
            }
            match tokio::time::timeout(GRACE, work).await {
                Ok(finished) => finished,
                Err(_elapsed) => return Err(cancelled.into()),
            }
        }
    };
    finished.unwrap_or_else(|_panic| Err(anyhow::anyhow!("the stage {} panicked", stage.name)))
}

/// How a stage failed, as its user is told: each problem on its own, with its place.
struct Failed {
    class: FailureClass,
    title: String,
    problems: Vec<(String, Option<Place>)>,
    advice: Option<String>,
}

impl Failed {
    /// Also fills the report.
    fn new(host: &dyn Host, stage: &Stage, error: &anyhow::Error, report: &mut Report) -> Self {
        let class = failure::classify(error);
        let outcome = if matches!(class, FailureClass::Cancelled(_)) {
            "cancelled"
        } else {
            "failed"
        };
        let mut problems = problems_of(error);
        let mut advice = failure::advice_for(error);
        if problems.is_empty() {
            problems.push((format!("{error:#}"), None));
        } else {
            // Each problem says itself what to change.
            advice = None;
        }
        let folders = Folders::of(host);
        for place in problems.iter_mut().filter_map(|(_, place)| place.as_mut()) {
            place.file = folders.as_seen_by_the_host(&place.file);
        }
        let lines: Vec<_> = problems
            .iter()
            .map(|(text, place)| line(text, place))
            .collect();
        outcome.clone_into(&mut report.outcome);
        report.error = Some(lines.join("\n"));
        report.advice.clone_from(&advice);
        Self {
            class,
            title: format!("{} {outcome}", stage.name),
            problems,
            advice,
        }
    }

    fn show(&self, host: &dyn Host) {
        for (text, place) in &self.problems {
            show(
                host,
                &Event::Failed {
                    title: &self.title,
                    text,
                    advice: self.advice.as_deref(),
                    place: place.as_ref(),
                },
            );
        }
    }
}

fn line(text: &str, place: &Option<Place>) -> String {
    match place {
        Some(place) => format!(
            "{}:{}:{}: {text}",
            place.file.display(),
            place.line,
            place.column
        ),
        None => text.to_owned(),
    }
}

/// Where relative paths start: the host's root, and the folder that the user chose below or beside it.
struct Folders {
    root: PathBuf,
    chosen: PathBuf,
}

impl Folders {
    fn of(host: &dyn Host) -> Self {
        let root = host.facts().working_directory;
        let chosen = match host.input("working-directory") {
            Some(input) => root.join(input),
            None => root.clone(),
        };
        Self { root, chosen }
    }

    /// A host places an annotation by the file's path from its root.
    fn as_seen_by_the_host(&self, file: &Path) -> PathBuf {
        let whole = plain(&self.chosen.join(file));
        match whole.strip_prefix(plain(&self.root)) {
            Ok(below) => below.to_owned(),
            Err(_outside) => whole,
        }
    }
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(part),
        }
    }
    out
}

/// The problems that an error stands for, each with its place; empty for an error that is one thing.
fn problems_of(error: &anyhow::Error) -> Vec<(String, Option<Place>)> {
    if let Some(Problems(problems)) = error.downcast_ref() {
        return problems
            .iter()
            .map(|problem| (problem.text(), problem.place.clone()))
            .collect();
    }
    if let Some(InputProblems(problems)) = error.downcast_ref() {
        return problems
            .iter()
            .map(|problem| (problem.to_string(), None))
            .collect();
    }
    failure::missing(error)
        .iter()
        .map(|missing| (missing.text(), missing.place.clone()))
        .collect()
}

fn show(host: &dyn Host, event: &Event<'_>) {
    if let Err(error) = host.emit(event) {
        tracing::warn!(%error, "an event could not be written");
    }
}
