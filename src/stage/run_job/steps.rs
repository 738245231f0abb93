//! The runs that a watch follows: the job itself and its children, their states and what their logs last said.

use std::collections::VecDeque;
use std::time::Duration;

use time::OffsetDateTime;

use super::submit::Submitted;
use crate::azure::history::{self, Run, RunDetails, RunError};
use crate::azure::jobs::JobStatus;
use crate::azure::logs::{LogKind, LogTail};
use crate::azure::{ArmError, Azure};
use crate::report;

/// How many of a run's last log lines are kept for the error message.
const KEPT_LINES: usize = 20;

/// Looks at the log of a run that is over which may fail before the rest of it is given up.
const LAST_LOOKS: u32 = 3;

/// Lines that one reading of a log gave.
pub(super) type Portion = Result<Vec<String>, ArmError>;

/// One run and how far its log has been read.
#[derive(Debug)]
pub(in crate::stage) struct Step {
    pub(super) run: String,
    /// The pipeline's name for it; for the job itself the job's name.
    pub(super) name: String,
    pub(super) status: JobStatus,
    pub(super) duration: Option<Duration>,
    pub(super) reused: bool,
    /// What the service says of its failure.
    error: Option<RunError>,
    tail: LogTail,
    /// Nothing more will come from its log.
    drained: bool,
    /// The details that an ended run's error and last files are in were read.
    complete: bool,
    /// The details were read just now.
    fresh: bool,
    failed_looks: u32,
    /// Its state was shown.
    announced: bool,
    recent: VecDeque<String>,
}

impl Step {
    pub(super) fn of_job(azure: &Azure, job: &Submitted) -> Self {
        Self {
            status: JobStatus::parse(&job.status),
            ..Self::new(azure, &job.name, &job.name, job.kind)
        }
    }

    pub(super) fn of_child(azure: &Azure, child: &Run) -> Self {
        let name = child.display_name.as_deref().unwrap_or(&child.id);
        Self::new(azure, &child.id, name, LogKind::Command)
    }

    fn new(azure: &Azure, run: &str, name: &str, kind: LogKind) -> Self {
        Self {
            run: run.to_owned(),
            name: name.to_owned(),
            status: JobStatus::NotStarted,
            duration: None,
            reused: false,
            error: None,
            tail: LogTail::new(azure, run, kind),
            drained: false,
            complete: false,
            fresh: false,
            failed_looks: 0,
            announced: false,
            recent: VecDeque::new(),
        }
    }

    /// Takes over which logs there are.
    pub(super) fn offer(&mut self, details: &RunDetails) {
        self.learn(details.error.as_ref(), details.started, details.ended);
        self.tail.offer(details);
        self.fresh = true;
        self.complete = self.status.is_terminal();
    }

    /// Reads what its log gained, as much as one reading takes.
    pub(super) async fn read_log(&mut self, azure: &Azure) -> Portion {
        // Once its log is known, only its end has something new in the details.
        let known = self.tail.has_user_log() && (self.complete || !self.status.is_terminal());
        if !std::mem::take(&mut self.fresh) && !known {
            let details = match history::run_details(azure, &self.run).await {
                Err(ArmError::NotFound(_)) => return Ok(Vec::new()),
                details => details?,
            };
            self.offer(&details);
            self.fresh = false;
        }
        let lines = self.tail.read_on().await?;
        Ok(lines.into_iter().map(|line| line.line).collect())
    }

    pub(super) fn may_have_more(&self) -> bool {
        self.tail.may_have_more()
    }

    /// Its log is over; an unfinished last line is a line.
    pub(super) fn end_of_log(&mut self) -> Vec<String> {
        self.drained = true;
        let lines = self.tail.finish();
        lines.into_iter().map(|line| line.line).collect()
    }

    /// Whether its log, which could not be read once more, is not worth another look.
    pub(super) fn gives_up(&mut self) -> bool {
        self.failed_looks += u32::from(self.status.is_terminal());
        self.failed_looks == LAST_LOOKS
    }

    /// Takes over what run history says of a child; the line that tells of a change.
    pub(super) fn update(&mut self, run: &Run) -> Option<String> {
        self.reused = run.reused;
        // A reused step's log is the earlier run's: it was shown then.
        self.drained |= self.reused;
        self.learn(run.error.as_ref(), run.started, run.ended);
        self.becomes(&run.status)
    }

    /// The same from a run's details.
    pub(super) fn update_from(&mut self, details: &RunDetails) -> Option<String> {
        self.learn(details.error.as_ref(), details.started, details.ended);
        self.becomes(&details.status)
    }

    fn learn(
        &mut self,
        error: Option<&RunError>,
        started: Option<OffsetDateTime>,
        ended: Option<OffsetDateTime>,
    ) {
        if error.is_some() {
            self.error = error.cloned();
        }
        self.duration = started
            .zip(ended)
            .and_then(|(started, ended)| (ended - started).try_into().ok());
    }

    /// Takes over a state; the line that tells of it, if it is another one.
    pub(super) fn becomes(&mut self, status: &JobStatus) -> Option<String> {
        let before = std::mem::replace(&mut self.status, status.clone());
        if self.announced && before == *status {
            return None;
        }
        let reused = if self.reused {
            " (result of an earlier run)"
        } else {
            ""
        };
        let from = if std::mem::replace(&mut self.announced, true) {
            format!("{before} -> ")
        } else {
            String::new()
        };
        Some(format!("{}: {from}{status}{reused}", self.name))
    }

    /// Whether its log may hold something that was not read yet.
    pub(super) fn has_log(&self) -> bool {
        !self.drained && self.has_started()
    }

    pub(super) fn is_running(&self) -> bool {
        self.has_started() && !self.status.is_terminal()
    }

    fn has_started(&self) -> bool {
        match &self.status {
            JobStatus::NotStarted
            | JobStatus::Provisioning
            | JobStatus::Queued
            | JobStatus::Paused => false,
            JobStatus::Starting
            | JobStatus::Preparing
            | JobStatus::Running
            | JobStatus::Finalizing
            | JobStatus::CancelRequested
            | JobStatus::Completed
            | JobStatus::Failed
            | JobStatus::Canceled
            | JobStatus::NotResponding
            | JobStatus::Other(_) => true,
        }
    }

    pub(super) fn remember(&mut self, line: String) {
        if self.recent.len() == KEPT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    /// What the service says of its failure, without what the end of the log says, too.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let said = match error.message.split_once(" Error: ") {
            Some((said, quoted)) if quoted.lines().all(|line| self.remembers(line)) => said,
            Some(_) | None => &error.message,
        };
        Some(if error.code.is_empty() {
            said.to_owned()
        } else {
            format!("{said} ({})", error.code)
        })
    }

    fn remembers(&self, line: &str) -> bool {
        self.recent.iter().any(|known| known.contains(line.trim()))
    }

    /// What went wrong, with the last lines of the log below it.
    pub(super) fn failure(&self) -> Option<String> {
        let error = self.error();
        if self.recent.is_empty() {
            return error;
        }
        let lines: Vec<_> = self.recent.iter().map(String::as_str).collect();
        let log = format!("last lines of its log:\n{}", lines.join("\n"));
        Some(match error {
            Some(error) => format!("{error}\n{log}"),
            None => log,
        })
    }

    pub(super) fn report(&self) -> report::Step {
        report::Step {
            name: self.name.clone(),
            run: self.run.clone(),
            status: self.status.to_string(),
            duration: self.duration,
            reused: self.reused,
            error: self.error(),
        }
    }
}
