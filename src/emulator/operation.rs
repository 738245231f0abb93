//! Long-running operations: they advance by being looked at, not by time, so that a client sees a state in between and no test waits.

use serde_json::{Value, json};
use uuid::Uuid;

use super::store::Table;

/// How many looks find an operation still running.
const LOOKS_BEFORE_DONE: u32 = 1;

#[derive(Debug, Clone)]
struct Operation {
    looks_left: u32,
}

/// The operations of one workspace by id.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    rows: Table<Operation>,
}

impl Operations {
    /// Begins one and hands out its id.
    pub(crate) fn begin(&self) -> String {
        let id = Uuid::new_v4().to_string();
        let operation = Operation {
            looks_left: LOOKS_BEFORE_DONE,
        };
        self.rows.put(&id, operation);
        id
    }

    /// Looks at one, which brings it forward. `None` for an id nobody was given.
    pub(crate) fn look(&self, id: &str) -> Option<Progress> {
        self.rows.update(id, |operation| {
            if operation.looks_left == 0 {
                return Progress::Done;
            }
            operation.looks_left -= 1;
            Progress::Running
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Done,
}

impl Progress {
    /// The body of `computeOperationsStatus`.
    pub(crate) fn compute_body(self) -> Value {
        match self {
            Self::Running => json!({"status": "InProgress"}),
            Self::Done => json!({"status": "Succeeded", "percentComplete": 100.0}),
        }
    }
}
