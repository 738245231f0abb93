//! The runs that a watch follows: the job itself and its children, their states and what their logs last said.

use std::collections::VecDeque;
use std::time::Duration;

use time::OffsetDateTime;

use crate::azure::Azure;
use crate::azure::history::{Run, RunDetails, RunError};
use crate::azure::jobs::JobStatus;
use crate::azure::logs::{LogKind, LogTail};
use crate::report;

/// How many of a run's last log lines are kept for the error message.
const KEPT_LINES: usize = 20;

/// One run and how far its log has been read.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) run: String,
    /// The pipeline's name for it; for the job itself the job's name.
    pub(super) name: String,
    pub(super) status: JobStatus,
    pub(super) duration: Option<Duration>,
    pub(super) reused: bool,
    pub(super) error: Option<String>,
    pub(super) tail: LogTail,
    /// Nothing more will come from its log.
    pub(super) drained: bool,
    recent: VecDeque<String>,
}

impl Step {
    pub(super) fn new(azure: &Azure, run: &str, name: &str, kind: LogKind) -> Self {
        Self {
            run: run.to_owned(),
            name: name.to_owned(),
            status: JobStatus::NotStarted,
            duration: None,
            reused: false,
            error: None,
            tail: LogTail::new(azure, run, kind),
            drained: false,
            recent: VecDeque::new(),
        }
    }

    /// Takes over what run history says of a child; the state before, if it changed.
    pub(super) fn update(&mut self, run: &Run) -> Option<JobStatus> {
        self.reused = run.reused;
        // A reused step's log is the earlier run's: it was shown then.
        self.drained |= self.reused;
        self.learn(run.error.as_ref(), run.started, run.ended);
        self.becomes(&run.status)
    }

    /// The same from a run's details.
    pub(super) fn update_from(&mut self, details: &RunDetails) -> Option<JobStatus> {
        self.learn(details.error.as_ref(), details.started, details.ended);
        self.becomes(&details.status)
    }

    fn learn(
        &mut self,
        error: Option<&RunError>,
        started: Option<OffsetDateTime>,
        ended: Option<OffsetDateTime>,
    ) {
        if let Some(error) = error {
            let code = if error.code.is_empty() {
                String::new()
            } else {
                format!(" ({})", error.code)
            };
            self.error = Some(format!("{}{code}", error.message));
        }
        self.duration = started
            .zip(ended)
            .and_then(|(started, ended)| (ended - started).try_into().ok());
    }

    fn becomes(&mut self, status: &JobStatus) -> Option<JobStatus> {
        (self.status != *status).then(|| std::mem::replace(&mut self.status, status.clone()))
    }

    /// The line that tells of a change of state.
    pub(super) fn transition(&self, before: &JobStatus) -> String {
        let reused = if self.reused {
            " (result of an earlier run)"
        } else {
            ""
        };
        format!("{}: {before} -> {}{reused}", self.name, self.status)
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

    pub(super) fn remember(&mut self, line: &str) {
        if self.recent.len() == KEPT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line.to_owned());
    }

    /// What went wrong, with the last lines of the log below it.
    pub(super) fn failure(&self) -> Option<String> {
        let lines = self
            .recent
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        match (&self.error, lines.is_empty()) {
            (Some(error), true) => Some(error.clone()),
            (Some(error), false) => Some(format!("{error}\nlast lines of its log:\n{lines}")),
            (None, true) => None,
            (None, false) => Some(format!("last lines of its log:\n{lines}")),
        }
    }

    pub(super) fn report(&self) -> report::Step {
        report::Step {
            name: self.name.clone(),
            run: self.run.clone(),
            status: self.status.to_string(),
            duration: self.duration,
            reused: self.reused,
            error: self.error.clone(),
        }
    }
}
