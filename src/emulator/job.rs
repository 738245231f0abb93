//! Jobs in memory: what was submitted, how far each is, what it logged. A pipeline's steps are jobs with a parent. Knows no HTTP and no process.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock;
use super::store::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    NotStarted,
    Starting,
    Preparing,
    Queued,
    Running,
    Finalizing,
    CancelRequested,
    Completed,
    Failed,
    Canceled,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::Starting => "Starting",
            Self::Preparing => "Preparing",
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Finalizing => "Finalizing",
            Self::CancelRequested => "CancelRequested",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// MLflow's word for it.
    pub(crate) fn mlflow(self) -> &'static str {
        match self {
            Self::NotStarted | Self::Starting | Self::Preparing | Self::Queued => "SCHEDULED",
            Self::Running | Self::Finalizing | Self::CancelRequested => "RUNNING",
            Self::Completed => "FINISHED",
            Self::Failed => "FAILED",
            Self::Canceled => "KILLED",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Command,
    Pipeline,
    /// A command step of a pipeline.
    Step,
    /// A pipeline component used as a step.
    SubPipeline,
}

impl Role {
    pub(crate) fn is_pipeline(self) -> bool {
        matches!(self, Self::Pipeline | Self::SubPipeline)
    }
}

/// Where an output went.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) kind: String,
    pub(crate) asset_id: String,
    /// The long datastore URI.
    pub(crate) uri: String,
    /// The data or model version that it was registered as.
    pub(crate) registered: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) timestamp: i64,
    pub(crate) step: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) parent: Option<String>,
    pub(crate) root: String,
    /// The key in the pipeline's `jobs`.
    pub(crate) node: Option<String>,
    pub(crate) experiment: String,
    pub(crate) display_name: String,
    pub(crate) description: Value,
    pub(crate) tags: Map<String, Value>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) is_archived: bool,
    /// `properties` of the first request.
    pub(crate) request: Value,
    /// What the service answers, without what changes while the job runs.
    pub(crate) body: Value,
    pub(crate) target: Option<String>,
    pub(crate) status: Status,
    pub(crate) created: OffsetDateTime,
    pub(crate) started: Option<OffsetDateTime>,
    pub(crate) ended: Option<OffsetDateTime>,
    pub(crate) error: Option<Value>,
    pub(crate) outputs: BTreeMap<String, Output>,
    /// Log files in the order they began.
    pub(crate) logs: Vec<String>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) children: Vec<String>,
    pub(crate) cancel: CancellationToken,
    /// Whether anybody has been told of a state before the final one.
    pub(crate) was_seen: bool,
}

impl Job {
    pub(crate) fn new(name: &str, role: Role, cancel: CancellationToken) -> Self {
        Self {
            name: name.to_owned(),
            role,
            parent: None,
            root: name.to_owned(),
            node: None,
            experiment: "Default".to_owned(),
            display_name: name.to_owned(),
            description: Value::Null,
            tags: Map::new(),
            properties: Map::new(),
            is_archived: false,
            request: Value::Null,
            body: Value::Null,
            target: None,
            status: Status::NotStarted,
            created: clock::now(),
            started: None,
            ended: None,
            error: None,
            outputs: BTreeMap::new(),
            logs: Vec::new(),
            metrics: Vec::new(),
            parameters: Vec::new(),
            children: Vec::new(),
            cancel,
            was_seen: false,
        }
    }

    /// Where its logs are in the artifact container.
    pub(crate) fn log_prefix(name: &str) -> String {
        format!("ExperimentRun/dcid.{name}/")
    }

    /// The last value of each metric.
    pub(crate) fn last_metrics(&self) -> BTreeMap<&str, &Metric> {
        let mut last: BTreeMap<&str, &Metric> = BTreeMap::new();
        for metric in &self.metrics {
            let later = last.get(metric.key.as_str()).is_none_or(|known| {
                (known.step, known.timestamp) <= (metric.step, metric.timestamp)
            });
            if later {
                last.insert(&metric.key, metric);
            }
        }
        last
    }
}

/// All jobs of the workspace.
#[derive(Debug)]
pub(crate) struct Jobs {
    table: Table<Job>,
    changes: watch::Sender<u64>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            table: Table::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Jobs {
    pub(crate) fn get(&self, name: &str) -> Option<Job> {
        self.table.get(name)
    }

    /// Asks one question about a job without copying it.
    pub(crate) fn ask<R>(&self, name: &str, question: impl FnOnce(&Job) -> R) -> Option<R> {
        self.table.update(name, |job| question(job))
    }

    pub(crate) fn put(&self, job: Job) {
        let name = job.name.clone();
        self.table.put(&name, job);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Puts a job whose name is free; hands back the one that has it otherwise.
    pub(crate) fn put_new(&self, job: &Job) -> Option<Job> {
        let mut is_new = false;
        let make = || {
            is_new = true;
            job.clone()
        };
        let kept = self.table.update_or(&job.name, make, |kept| kept.clone());
        if is_new {
            self.changes.send_modify(|count| *count += 1);
            return None;
        }
        Some(kept)
    }

    pub(crate) fn update<R>(&self, name: &str, change: impl FnOnce(&mut Job) -> R) -> Option<R> {
        let result = self.table.update(name, change);
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Moves a job on. A final state is final, and a job being cancelled does not go back to running.
    pub(crate) fn set_status(&self, name: &str, status: Status) {
        self.update(name, |job| {
            let backwards = job.status == Status::CancelRequested && !status.is_final();
            if job.status.is_final() || backwards {
                return;
            }
            job.status = status;
            if status == Status::Running {
                job.started.get_or_insert_with(clock::now);
            }
            if status.is_final() {
                job.ended = Some(clock::now());
            }
        });
    }

    /// Jobs without a parent, oldest first.
    pub(crate) fn roots(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.table.list().into_iter().map(|(_, job)| job).collect();
        jobs.retain(|job| job.parent.is_none());
        jobs.sort_by_key(|job| job.created);
        jobs
    }

    /// The steps of a job in the order they were made.
    pub(crate) fn children(&self, job: &Job) -> Vec<Job> {
        let children = job.children.iter();
        children.filter_map(|name| self.get(name)).collect()
    }

    /// Waits until a job is final. `None` when there is no such job.
    pub(crate) async fn wait(&self, name: &str) -> Option<Status> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let status = self.table.update(name, |job| {
                job.was_seen |= job.status.is_final();
                job.status
            })?;
            if status.is_final() {
                return Some(status);
            }
            changes.changed().await.ok()?;
        }
    }
}
