//! What the user sees of a watch: changes of state, log lines in groups, a sign of life. Knows when something was last shown, and
//! nothing of how it was learnt.

use std::time::Duration;

use tokio::time::Instant;

use super::steps::Step;
use crate::event::Event;
use crate::report::human;
use crate::stage::Context;

/// A quiet job says once in this time that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long a run that keeps writing has the log to itself while others write, too.
const TURN: Duration = Duration::from_secs(10);

/// Logs come in groups, one for each run in turn.
pub(super) struct Shown<'a> {
    context: &'a Context,
    /// The run whose log group is open, and since when.
    group: Option<(String, Instant)>,
    began: Instant,
    /// When something was last shown.
    pub(super) last: Instant,
    /// When Azure answered last.
    answered: Instant,
    /// It was said that it does not.
    silent: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        let now = Instant::now();
        Self {
            context,
            group: None,
            began: now,
            last: now,
            answered: now,
            silent: false,
        }
    }

    /// The run that goes on writing in its open group: the others wait for their turn, so that a log is not cut into pieces.
    pub(super) fn has_the_turn(&self) -> Option<&str> {
        let (run, since) = self.group.as_ref()?;
        (since.elapsed() < TURN).then_some(run)
    }

    pub(super) fn lines(&mut self, step: &mut Step, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        if self.group.as_ref().is_none_or(|(run, _)| *run != step.run) {
            self.close();
            self.context.emit(&Event::GroupStarted {
                title: &format!("Log of {}", step.name),
            });
            self.group = Some((step.run.clone(), Instant::now()));
        }
        for line in lines {
            self.context.emit(&Event::LogLine {
                source: &step.name,
                line: &line,
            });
            step.remember(line);
        }
        self.last = Instant::now();
    }

    pub(super) fn state(&mut self, change: &str) {
        self.close();
        self.context.note(change);
        self.last = Instant::now();
    }

    pub(super) fn warn(&mut self, text: &str) {
        self.close();
        self.context.warn(text, None);
        self.last = Instant::now();
    }

    pub(super) fn heartbeat(&mut self, job: &Step, steps: &[Step]) {
        if self.last.elapsed() < HEARTBEAT {
            return;
        }
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
        let text = format!(
            "{}: still {} after {}{running}",
            job.name,
            job.status,
            human(self.began.elapsed())
        );
        self.state(&text);
    }

    /// Azure does not answer: a warning at first, then a line a minute.
    pub(super) fn silence(&mut self, job: &str, reason: &str) {
        let first = !self.silent;
        if !first && self.last.elapsed() < HEARTBEAT {
            return;
        }
        self.silent = true;
        let text = format!(
            "no answer about job {job} for {}; that does not end it, still looking: {reason}",
            human(self.answered.elapsed())
        );
        if first {
            self.warn(&text);
        } else {
            self.state(&text);
        }
    }

    /// How long it is until a sign of life is due.
    pub(super) fn until_heartbeat(&self) -> Duration {
        HEARTBEAT.saturating_sub(self.last.elapsed())
    }

    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.silent) {
            let silence = human(self.answered.elapsed());
            self.state(&format!("Azure answers again after {silence}"));
        }
        self.answered = Instant::now();
    }

    pub(super) fn close(&mut self) {
        if self.group.take().is_some() {
            self.context.emit(&Event::GroupEnded);
        }
    }
}
