//! Following a job: states as they change, logs as they grow, until it ends. One probe of it; `azure/poll` repeats it.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::steps::Step;
use super::submit::Submitted;
use crate::azure::history::{self, Run, RunDetails};
use crate::azure::logs::LogKind;
use crate::azure::poll::{self, Budget, Pace, Probe, Progress};
use crate::azure::{ArmError, Azure};
use crate::event::Event;
use crate::stage::Context;

/// A quiet job says once in this time that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How the job ended, and everything that was learnt on the way.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) job: Step,
    pub(super) steps: Vec<Step>,
}

/// Looks quickly while something happens and ever more slowly while nothing does.
const QUICK: Duration = Duration::from_millis(300);
const SLOW: Duration = Duration::from_secs(15);

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
    job: Step,
    has_steps: bool,
    steps: Vec<Step>,
    /// Indices into `steps` by run id.
    index: HashMap<String, usize>,
    shown: Shown<'a>,
    /// Since when Azure gives no answer.
    silent_since: Option<Instant>,
    interval: Duration,
}

impl<'a> Watch<'a> {
    fn new(context: &'a Context, azure: &'a Azure, job: &Submitted) -> Self {
        Self {
            context,
            azure,
            job: Step::new(azure, &job.name, &job.name, job.kind),
            has_steps: job.kind != LogKind::Command,
            steps: Vec::new(),
            index: HashMap::new(),
            shown: Shown {
                context,
                group: None,
                last: Instant::now(),
            },
            silent_since: None,
            interval: QUICK,
        }
    }

    /// One look at the job: states first, then the logs, so that the look that sees the end also reads the rest. Shown in the
    /// order in which things happen: a step starts, writes its log, and ends.
    async fn look(&mut self) -> Result<bool, ArmError> {
        let (details, children) = tokio::join!(
            history::run_details(self.azure, &self.job.run),
            self.children()
        );
        let details = match details {
            Ok(details) => details,
            // Run history hears of a job a moment after Resource Manager does.
            Err(ArmError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut changes = Vec::new();
        for child in children? {
            let at = self.step_of(&child);
            let step = &mut self.steps[at];
            changes.extend(
                step.update(&child)
                    .map(|before| (step.transition(&before), step.status.is_terminal())),
            );
        }
        let before = self.job.update_from(&details);
        let ended = self.job.status.is_terminal();
        changes.extend(before.map(|before| (self.job.transition(&before), ended)));
        for (change, _) in changes.iter().filter(|(_, last)| !last) {
            self.shown.state(change);
        }
        self.read_logs(details).await?;
        for (change, _) in changes.iter().filter(|(_, last)| *last) {
            self.shown.state(change);
        }
        self.shown.heartbeat(&self.job, &self.steps);
        Ok(ended)
    }

    async fn children(&self) -> Result<Vec<Run>, ArmError> {
        if !self.has_steps {
            return Ok(Vec::new());
        }
        match history::run_children(self.azure, &self.job.run).await {
            Err(ArmError::NotFound(_)) => Ok(Vec::new()),
            children => children,
        }
    }

    /// The index of a child's step; a child seen for the first time gets one.
    fn step_of(&mut self, child: &Run) -> usize {
        *self.index.entry(child.id.clone()).or_insert_with(|| {
            let name = child.display_name.as_deref().unwrap_or(&child.id);
            self.steps
                .push(Step::new(self.azure, &child.id, name, LogKind::Command));
            self.steps.len() - 1
        })
    }

    /// Reads what every running log gained, all at once, and shows it run by run.
    async fn read_logs(&mut self, details: RunDetails) -> Result<(), ArmError> {
        let azure = self.azure;
        let own = std::iter::once((&mut self.job, Some(details)));
        let theirs = self.steps.iter_mut().map(|step| (step, None));
        let readers = own.chain(theirs).filter(|(step, _)| step.has_log());
        let readers = readers.map(async |(step, details)| {
            let lines = read_log(azure, step, details).await?;
            Ok::<_, ArmError>((step, lines))
        });
        for read in join_all(readers).await {
            let (step, lines) = read?;
            for line in lines {
                step.remember(&line);
                self.shown.line(step, &line);
            }
        }
        Ok(())
    }
}

/// The lines that a run's log gained since the last look; all the rest of it once the run has ended.
async fn read_log(
    azure: &Azure,
    step: &mut Step,
    details: Option<RunDetails>,
) -> Result<Vec<String>, ArmError> {
    let ended = step.status.is_terminal();
    let details = match details {
        Some(details) => details,
        None => match history::run_details(azure, &step.run).await {
            Err(ArmError::NotFound(_)) => return Ok(Vec::new()),
            details => details?,
        },
    };
    let mut lines = step.tail.read(&details).await?;
    let mut more = ended && !lines.is_empty();
    while more {
        let rest = step.tail.read(&details).await?;
        more = !rest.is_empty();
        lines.extend(rest);
    }
    if ended {
        lines.extend(step.tail.finish());
        step.drained = true;
    }
    Ok(lines.into_iter().map(|line| line.line).collect())
}

impl Probe for Watch<'_> {
    type Done = Ended;

    fn what(&self) -> String {
        format!("job {}", self.job.run)
    }

    async fn probe(&mut self) -> Result<Progress<Ended>, ArmError> {
        let shown_before = self.shown.last;
        match self.look().await {
            Ok(ended) => {
                self.silent_since = None;
                if ended {
                    self.shown.close();
                    let done =
                        Step::new(self.azure, &self.job.run, &self.job.name, LogKind::Command);
                    return Ok(Progress::Done(Ended {
                        job: std::mem::replace(&mut self.job, done),
                        steps: std::mem::take(&mut self.steps),
                    }));
                }
            }
            // A job does not end because we lose sight of it: keep looking, and say so.
            Err(error) if error.is_passing() => self.lost(&error),
            Err(error) => return Err(error),
        }
        let happened = self.shown.last != shown_before;
        self.interval = if happened {
            QUICK
        } else {
            (self.interval * 7 / 5).min(SLOW)
        };
        Ok(Progress::Pending {
            state: self.job.status.to_string(),
            retry_after: Some(self.interval),
        })
    }
}

impl Watch<'_> {
    fn lost(&mut self, error: &ArmError) {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        self.context.warn(
            format!(
                "no answer for {} s about job {}; it is not ended by that, still looking: {error}",
                since.elapsed().as_secs(),
                self.job.run
            ),
            None,
        );
    }
}

/// What the user sees of a watch. Logs come in groups, one for each run in turn.
struct Shown<'a> {
    context: &'a Context,
    /// The run whose log group is open.
    group: Option<String>,
    last: Instant,
}

impl Shown<'_> {
    fn line(&mut self, step: &Step, line: &str) {
        if self.group.as_deref() != Some(&step.run) {
            self.close();
            self.context.emit(&Event::GroupStarted {
                title: &format!("Log of {}", step.name),
            });
            self.group = Some(step.run.clone());
        }
        self.context.emit(&Event::LogLine {
            source: &step.name,
            line,
        });
        self.last = Instant::now();
    }

    fn state(&mut self, change: &str) {
        self.close();
        self.context.note(change);
        self.last = Instant::now();
    }

    fn heartbeat(&mut self, job: &Step, steps: &[Step]) {
        if self.last.elapsed() < HEARTBEAT {
            return;
        }
        self.close();
        let running: Vec<_> = steps
            .iter()
            .filter(|step| step.is_running())
            .map(|step| step.name.as_str())
            .collect();
        let running = if running.is_empty() {
            String::new()
        } else {
            format!(" ({})", running.join(", "))
        };
        self.context
            .note(format!("{}: {}{running}", job.name, job.status));
        self.last = Instant::now();
    }

    fn close(&mut self) {
        if self.group.take().is_some() {
            self.context.emit(&Event::GroupEnded);
        }
    }
}
