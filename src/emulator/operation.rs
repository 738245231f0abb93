//! Long-running operations: they advance by being looked at, not by time, so that a client sees a state in between and no test waits.
//! One that waits for something real, such as a process that starts, is held open until that has happened.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::clock;
use super::store::{Table, lock};

/// How many looks find an operation still running.
const LOOKS_BEFORE_DONE: u32 = 1;

/// Why an operation failed, as its status answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

#[derive(Debug, Clone)]
struct Operation {
    looks_left: u32,
    /// `None` while what it stands for is under way.
    outcome: Option<Result<(), Failure>>,
    started: OffsetDateTime,
}

impl Operation {
    fn progress(&self) -> Progress {
        match &self.outcome {
            _ if self.looks_left > 0 => Progress::Running,
            None => Progress::Running,
            Some(Ok(())) => Progress::Done,
            Some(Err(failure)) => Progress::Failed(failure.clone()),
        }
    }
}

/// The operations of one workspace by id.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    rows: Table<Operation>,
    /// What the next operations on endpoints and deployments fail with.
    failures: Mutex<VecDeque<Failure>>,
}

impl Operations {
    /// Begins one that ends by being looked at, and hands out its id.
    pub(crate) fn begin(&self) -> String {
        self.add(Some(Ok(())))
    }

    /// Begins one that lasts until [`Operations::end`].
    pub(crate) fn begin_open(&self) -> String {
        self.add(None)
    }

    /// Begins one that ends by being looked at, in the failure that was queued for it if there is one.
    pub(crate) fn begin_or_fail(&self) -> String {
        self.add(Some(self.queued_failure().map_or(Ok(()), Err)))
    }

    pub(crate) fn end(&self, id: &str, outcome: Result<(), Failure>) {
        self.rows
            .update(id, |operation| operation.outcome = Some(outcome));
    }

    /// What the next operation is to fail with, taken from the queue.
    pub(crate) fn queued_failure(&self) -> Option<Failure> {
        lock(&self.failures).pop_front()
    }

    pub(crate) fn fail_next(&self, failure: Failure) {
        lock(&self.failures).push_back(failure);
    }

    /// Looks at one, which brings it forward. `None` for an id nobody was given.
    pub(crate) fn look(&self, id: &str) -> Option<Progress> {
        self.rows.update(id, |operation| {
            let progress = operation.progress();
            operation.looks_left = operation.looks_left.saturating_sub(1);
            progress
        })
    }

    /// How far one is, without bringing it forward.
    pub(crate) fn peek(&self, id: &str) -> Option<Progress> {
        self.rows.update(id, |operation| operation.progress())
    }

    pub(crate) fn started(&self, id: &str) -> Option<OffsetDateTime> {
        self.rows.update(id, |operation| operation.started)
    }

    /// As if time had passed: what only waits to be looked at is done.
    pub(crate) fn pass_time(&self) {
        for (id, _) in self.rows.list() {
            self.rows.update(&id, |operation| operation.looks_left = 0);
        }
    }

    fn add(&self, outcome: Option<Result<(), Failure>>) -> String {
        let id = Uuid::new_v4().to_string();
        let operation = Operation {
            looks_left: LOOKS_BEFORE_DONE,
            outcome,
            started: clock::now(),
        };
        self.rows.put(&id, operation);
        id
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Done,
    Failed(Failure),
}

impl Progress {
    /// The body of `computeOperationsStatus`.
    pub(crate) fn compute_body(&self) -> Value {
        match self {
            Self::Running => json!({"status": "InProgress"}),
            Self::Done => json!({"status": "Succeeded", "percentComplete": 100.0}),
            Self::Failed(failure) => json!({
                "status": "Failed", "error": {"code": failure.code, "message": failure.message},
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_operation_runs_until_it_is_ended_however_often_it_is_looked_at() {
        let operations = Operations::default();
        let id = operations.begin_open();
        for _ in 0..5 {
            assert_eq!(operations.look(&id), Some(Progress::Running));
        }
        let failure = Failure::new("ResourceNotReady", "no");
        operations.end(&id, Err(failure.clone()));
        assert_eq!(operations.look(&id), Some(Progress::Failed(failure)));
    }

    #[test]
    fn a_look_at_one_that_just_began_finds_it_running_even_if_it_has_ended() {
        let operations = Operations::default();
        let id = operations.begin_open();
        operations.end(&id, Ok(()));
        assert_eq!(operations.peek(&id), Some(Progress::Running));
        assert_eq!(operations.look(&id), Some(Progress::Running));
        assert_eq!(operations.look(&id), Some(Progress::Done));
        assert_eq!(operations.look("unknown"), None);
    }
}
