//! Following a job: states as they change, logs as they grow, until it ends. One probe of it; `azure/poll` repeats it.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::show::Shown;
use super::steps::{Portion, Step};
use super::submit::Submitted;
use crate::azure::history::{self, Run};
use crate::azure::jobs::{self, JobStatus};
use crate::azure::logs::LogKind;
use crate::azure::poll::{self, Budget, Pace, Probe, Progress};
use crate::azure::{ArmError, Azure};
use crate::report;
use crate::stage::Context;

/// How the job ended, and everything that was learnt on the way.
#[derive(Debug)]
pub(in crate::stage) struct Ended {
    pub(super) job: Step,
    pub(super) steps: Vec<Step>,
}

/// How often to look while something happens: quickly at first, so that a short job is not kept waiting, then at a pace that a
/// job of ten hours may have. While nothing happens the looks become ever fewer.
const QUICK: Duration = Duration::from_millis(300);
const STEADY: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(15);
/// For how long a watch is at its beginning.
const BEGINNING: Duration = Duration::from_secs(30);
/// Run history hears of a job a moment after Resource Manager; after this time without it, Resource Manager is asked.
const UNSEEN: Duration = Duration::from_secs(60);
/// Readings of one log in one look; the rest of it is for the next, so that states do not wait for a long log.
const READINGS: usize = 16;

impl Ended {
    pub(in crate::stage) fn status(&self) -> &JobStatus {
        &self.job.status
    }

    /// The job's own run, then those of its steps.
    pub(in crate::stage) fn runs(&self) -> Vec<String> {
        let runs = std::iter::once(&self.job).chain(&self.steps);
        runs.map(|step| step.run.clone()).collect()
    }

    pub(super) fn report(&self, job: &Submitted) -> report::Job {
        report_of(job, &self.job, &self.steps)
    }
}

fn report_of(submitted: &Submitted, job: &Step, steps: &[Step]) -> report::Job {
    report::Job {
        status: job.status.to_string(),
        duration: job.duration,
        steps: steps.iter().map(Step::report).collect(),
        ..submitted.report()
    }
}

pub(super) async fn watch(
    context: &Context,
    azure: &Azure,
    job: &Submitted,
    budget: Budget,
) -> Result<Ended, ArmError> {
    poll::wait(
        azure.clock(),
        Watch::new(context, azure, job),
        budget,
        Pace::default(),
        &|_tick| {},
    )
    .await
}

struct Watch<'a> {
    context: &'a Context,
    azure: &'a Azure,
    submitted: &'a Submitted,
    /// The job itself, then its children as they appear.
    runs: Vec<Step>,
    /// Indices into `runs` by run id.
    index: HashMap<String, usize>,
    shown: Shown<'a>,
    began: Instant,
    /// Since when run history does not know the job.
    unseen: Option<Instant>,
    interval: Duration,
}

const JOB: usize = 0;

impl<'a> Watch<'a> {
    fn new(context: &'a Context, azure: &'a Azure, job: &'a Submitted) -> Self {
        Self {
            context,
            azure,
            submitted: job,
            runs: vec![Step::of_job(azure, job)],
            index: HashMap::new(),
            shown: Shown::new(context),
            began: Instant::now(),
            unseen: None,
            interval: QUICK,
        }
    }

    fn has_steps(&self) -> bool {
        self.submitted.kind != LogKind::Command
    }

    /// One look at the job: states first, then the logs, so that the look that sees the end also reads the rest. Shown in the
    /// order in which things happen: a step starts, writes its log, and ends.
    async fn look(&mut self) -> Result<bool, ArmError> {
        let (details, children) = tokio::join!(
            history::run_details(self.azure, &self.submitted.name),
            self.children()
        );
        let details = match details {
            Ok(details) => details,
            Err(ArmError::NotFound(_)) => return self.not_in_history().await,
            Err(error) => return Err(error),
        };
        self.unseen = None;
        let (mut begun, mut over) = (Vec::new(), Vec::new());
        for child in children? {
            let step = self.step_of(&child);
            let change = step.update(&child);
            let list = if step.status.is_terminal() {
                &mut over
            } else {
                &mut begun
            };
            list.extend(change);
        }
        let change = self.runs[JOB].update_from(&details);
        if self.wants_log(JOB) {
            self.runs[JOB].offer(&details);
        }
        let ended = self.runs[JOB].status.is_terminal();
        let list = if ended { &mut over } else { &mut begun };
        list.extend(change);
        for change in &begun {
            self.shown.state(change);
        }
        let read = self.read_logs().await;
        for change in &over {
            self.shown.state(change);
        }
        // Should the wait end before the job, the report has what is known.
        let known = report_of(self.submitted, &self.runs[JOB], &self.runs[1..]);
        self.context.report().job = Some(known);
        read?;
        self.shown.heartbeat(&self.runs[JOB], &self.runs[1..]);
        Ok(ended)
    }

    /// A job that is too young for run history, or that somebody deleted.
    async fn not_in_history(&mut self) -> Result<bool, ArmError> {
        let since = *self.unseen.get_or_insert_with(Instant::now);
        if since.elapsed() < UNSEEN {
            return Ok(false);
        }
        self.unseen = None;
        let Some(view) = jobs::get_job(self.azure, &self.submitted.name).await? else {
            return Err(jobs::gone(&self.submitted.name));
        };
        if let Some(change) = self.runs[JOB].becomes(&view.status) {
            self.shown.state(&change);
        }
        Ok(view.status.is_terminal())
    }

    async fn children(&self) -> Result<Vec<Run>, ArmError> {
        if !self.has_steps() {
            return Ok(Vec::new());
        }
        match history::run_children(self.azure, &self.submitted.name).await {
            Err(ArmError::NotFound(_)) => Ok(Vec::new()),
            children => children,
        }
    }

    /// A child's step; a child seen for the first time gets one.
    fn step_of(&mut self, child: &Run) -> &mut Step {
        let at = *self.index.entry(child.id.clone()).or_insert_with(|| {
            self.runs.push(Step::of_child(self.azure, child));
            self.runs.len() - 1
        });
        &mut self.runs[at]
    }

    /// Shows what the logs gained: first the run whose group is open, which keeps its turn while it writes; then everybody else,
    /// run by run. What failed is returned once everything else was shown.
    async fn read_logs(&mut self) -> Result<(), ArmError> {
        let turn = self.shown.has_the_turn();
        let turn = turn.and_then(|run| self.runs.iter().position(|step| step.run == run));
        let turn = turn.filter(|at| self.wants_log(*at));
        let (mut result, mut goes_on) = (Ok(()), false);
        if let Some(at) = turn {
            let before = self.shown.last;
            result = self.show_log(at, None).await;
            goes_on = self.shown.last != before && !self.runs[at].status.is_terminal();
        }
        let wanted: Vec<usize> = (0..self.runs.len())
            .filter(|at| Some(*at) != turn && self.wants_log(*at))
            .filter(|at| !goes_on || self.runs[*at].status.is_terminal())
            .collect();
        let azure = self.azure;
        let steps = self.runs.iter_mut().enumerate();
        let steps = steps.filter(|(at, _)| wanted.contains(at));
        let reads = steps.map(async |(at, step)| (at, step.read_log(azure).await));
        let mut portions = join_all(reads).await;
        portions.sort_by_key(|(at, _)| *at == JOB);
        for (at, portion) in portions {
            let shown = self.show_log(at, Some(portion)).await;
            result = result.and(shown);
        }
        result
    }

    /// The scheduler's own log of a job with steps repeats what is shown of them; it is shown when the job is over.
    fn wants_log(&self, at: usize) -> bool {
        let step = &self.runs[at];
        step.has_log() && (at != JOB || !self.has_steps() || step.status.is_terminal())
    }

    /// Shows what a run's log gained, reading by reading; all the rest of it once the run is over.
    async fn show_log(&mut self, at: usize, mut portion: Option<Portion>) -> Result<(), ArmError> {
        let step = &mut self.runs[at];
        let ended = step.status.is_terminal();
        let mut left = READINGS;
        loop {
            let read = match portion.take() {
                Some(read) => read,
                None => step.read_log(self.azure).await,
            };
            match read {
                Ok(lines) => self.shown.lines(step, lines),
                Err(error) => return unreadable(step, error, &mut self.shown),
            }
            left = left.saturating_sub(1);
            if !step.may_have_more() || (left == 0 && !ended) {
                break;
            }
        }
        if ended {
            let rest = step.end_of_log();
            self.shown.lines(step, rest);
        }
        Ok(())
    }
}

/// A log that cannot be read does not end the watch of a healthy job.
fn unreadable(step: &mut Step, error: ArmError, shown: &mut Shown<'_>) -> Result<(), ArmError> {
    if error.is_passing() && !step.gives_up() {
        return Err(error);
    }
    shown.warn(&format!(
        "the log of {} cannot be read, the job is followed without it: {error}",
        step.name
    ));
    step.end_of_log();
    Ok(())
}

impl Probe for Watch<'_> {
    type Done = Ended;

    fn what(&self) -> String {
        format!("job {}", self.submitted.name)
    }

    async fn probe(&mut self) -> Result<Progress<Ended>, ArmError> {
        let shown_before = self.shown.last;
        match self.look().await {
            Ok(true) => {
                self.shown.close();
                let mut runs = std::mem::take(&mut self.runs).into_iter();
                if let Some(job) = runs.next() {
                    let steps = runs.collect();
                    return Ok(Progress::Done(Ended { job, steps }));
                }
            }
            Ok(false) => self.shown.answered(),
            // A job does not end because we lose sight of it: keep looking, and say so.
            Err(error) if error.is_passing() => {
                self.shown.silence(&self.submitted.name, &error.to_string());
            }
            Err(error) => return Err(error),
        }
        self.interval = if self.shown.last == shown_before {
            (self.interval * 7 / 5).min(SLOW)
        } else if self.began.elapsed() < BEGINNING {
            QUICK
        } else {
            STEADY
        };
        let status = self.runs.first().map(|job| job.status.to_string());
        Ok(Progress::Pending {
            state: status.unwrap_or_default(),
            retry_after: Some(self.interval.min(self.shown.until_heartbeat().max(QUICK))),
        })
    }
}
