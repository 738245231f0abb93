//! What a stage is given: the host, the client, the folder, the facts of the run, cancellation and the report it fills.
//! Nothing global; what changes is the report alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::inputs::{CommonInputs, InputProblems};
use super::sign_in;
use crate::azure::client::{AuthMethod, Settings};
use crate::azure::{ArmError, Azure, Notice, Observer, WorkspaceId, id};
use crate::cancel::Cancel;
use crate::event::{Event, Place};
use crate::host::{Host, RunFacts};
use crate::report::{Metric, Phase, PhaseKind, Report, Resource};
use crate::secret::Secret;

/// Everything a stage works with.
#[derive(Debug)]
pub struct Context {
    pub host: Arc<dyn Host>,
    pub inputs: CommonInputs,
    /// Absolute; relative paths of the user's start here.
    pub working_directory: PathBuf,
    pub facts: RunFacts,
    pub cancel: Cancel,
    report: Mutex<Report>,
    azure: OnceLock<Azure>,
}

impl Context {
    pub fn new(
        host: Arc<dyn Host>,
        inputs: CommonInputs,
        working_directory: PathBuf,
        cancel: Cancel,
        stage: &str,
    ) -> Self {
        let facts = host.facts();
        let report = Report {
            stage: stage.to_owned(),
            ..Report::default()
        };
        Self {
            host,
            inputs,
            working_directory,
            facts,
            cancel,
            report: Mutex::new(report),
            azure: OnceLock::new(),
        }
    }

    /// The client for the workspace that the inputs name. Built at the first call; no network yet.
    pub fn azure(&self) -> anyhow::Result<Azure> {
        if let Some(azure) = self.azure.get() {
            return Ok(azure.clone());
        }
        let workspace = self.workspace()?;
        if self.host.network().wants_unchecked_tls {
            self.warn(
                "the agent asks to skip certificate checks; they stay on towards Azure",
                None,
            );
        }
        let azure = Azure::new(
            sign_in::settings(&self.inputs, self.host.as_ref(), &self.working_directory)?,
            workspace,
            self.observer(),
        )?;
        Ok(self.azure.get_or_init(|| azure).clone())
    }

    /// The workspace's coordinates. The road reports missing ones before a stage that needs them begins.
    pub fn workspace(&self) -> anyhow::Result<WorkspaceId> {
        let part = |value: &Option<String>, name: &str| {
            let wrong = |why| sign_in::malformed(self.host.as_ref(), name, why);
            let value = value
                .clone()
                .ok_or_else(|| wrong("is missing".to_owned()))?;
            id::check_name(&value).map_err(wrong)?;
            Ok::<_, InputProblems>(value)
        };
        Ok(WorkspaceId {
            subscription: part(&self.inputs.subscription_id, "subscription-id")?,
            resource_group: part(&self.inputs.resource_group, "resource-group")?,
            name: part(&self.inputs.workspace, "workspace")?,
        })
    }

    /// The client for a dry run's reads: `None` when the workspace or the credentials were not named, as in a pull request from a
    /// fork. An `az` session that nobody mentioned is not looked for.
    pub fn reader(&self) -> anyhow::Result<Option<Azure>> {
        if self.workspace().is_err() {
            return Ok(None);
        }
        let settings =
            sign_in::settings(&self.inputs, self.host.as_ref(), &self.working_directory)?;
        if !settings.names_credentials() {
            return Ok(None);
        }
        self.azure().map(Some)
    }

    /// A client that is never asked to send anything: what a dry run shows must need no credentials, and what nobody named
    /// stays a placeholder.
    pub fn offline(&self) -> anyhow::Result<Azure> {
        let part = |value: &Option<String>, name: &str| {
            value.clone().unwrap_or_else(|| format!("<{name}>"))
        };
        let workspace = WorkspaceId {
            subscription: part(&self.inputs.subscription_id, "subscription-id"),
            resource_group: part(&self.inputs.resource_group, "resource-group"),
            name: part(&self.inputs.workspace, "workspace"),
        };
        let settings = Settings {
            auth: AuthMethod::AzureCli,
            ..Settings::default()
        };
        Ok(Azure::new(settings, workspace, self.observer())?)
    }

    /// Turns what the client reports into events.
    pub fn observer(&self) -> Observer {
        let host = Arc::clone(&self.host);
        let polls = Mutex::new(HashMap::new());
        Arc::new(move |notice| {
            if worth_showing(&polls, notice) {
                show_notice(host.as_ref(), notice);
            }
        })
    }

    pub fn emit(&self, event: &Event<'_>) {
        if let Err(error) = self.host.emit(event) {
            tracing::warn!(%error, "an event could not be written");
        }
    }

    pub fn note(&self, text: impl AsRef<str>) {
        self.emit(&Event::Note {
            text: text.as_ref(),
        });
    }

    pub fn warn(&self, text: impl AsRef<str>, place: Option<&Place>) {
        self.emit(&Event::Warned {
            text: text.as_ref(),
            place,
        });
    }

    /// Registers a secret that came up while working, before its first use.
    pub fn mask(&self, secret: &Secret) {
        if let Err(error) = self.host.mask(secret) {
            tracing::warn!(%error, "a mask could not be written");
        }
    }

    /// Sets an output at once, so that it is there even if the stage fails later.
    pub fn output(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.host.output(name, value)?;
        self.report()
            .outputs
            .insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what happened to a resource, and adds it to the report.
    pub fn resource(&self, resource: Resource) {
        let version = resource
            .version
            .as_deref()
            .map(|version| format!(":{version}"))
            .unwrap_or_default();
        self.note(format!(
            "{} {}{version}: {}",
            resource.kind,
            resource.name,
            resource.change.as_str()
        ));
        self.report().resources.push(resource);
    }

    pub fn metrics(&self, metrics: Vec<Metric>) {
        if let Some(job) = &mut self.report().job {
            job.metrics = metrics;
        }
    }

    /// Measures a part of the stage until the guard is dropped.
    pub fn phase(&self, name: &'static str, kind: PhaseKind) -> PhaseGuard<'_> {
        PhaseGuard {
            context: self,
            name,
            kind,
            started: Instant::now(),
        }
    }

    /// A path as the user wrote it, from the working directory.
    pub fn path(&self, written: &Path) -> PathBuf {
        self.working_directory.join(written)
    }

    /// A problem with an input that only the stage could see, named as this host's user wrote it.
    pub fn malformed(&self, input: &str, why: impl Into<String>) -> InputProblems {
        sign_in::malformed(self.host.as_ref(), input, why.into())
    }

    /// Ends `work` where the user's `timeout` does, for what has no wait of its own.
    pub async fn within<T>(
        &self,
        what: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let Some(limit) = self.inputs.timeout else {
            return work.await;
        };
        let late = || ArmError::TimedOut {
            what: what.to_owned(),
            state: "no answer yet".to_owned(),
            after: limit,
        };
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(late().into()),
        }
    }

    /// How long the stage may wait; `default` when the user did not say.
    pub fn timeout_or(&self, default: Duration) -> Duration {
        self.inputs.timeout.unwrap_or(default)
    }
}

/// Adds its phase to the report when dropped, also on the way out of an error.
#[derive(Debug)]
pub struct PhaseGuard<'a> {
    context: &'a Context,
    name: &'static str,
    kind: PhaseKind,
    started: Instant,
}

impl Drop for PhaseGuard<'_> {
    fn drop(&mut self) {
        let phase = Phase {
            name: self.name.to_owned(),
            kind: self.kind,
            took: Some(self.started.elapsed()),
        };
        self.context.report().phases.push(phase);
    }
}

/// What was last shown of each wait: the state, and when.
type Polls = Mutex<HashMap<String, (String, Instant)>>;

/// A wait shows when its state changes and once a minute otherwise, never at each poll.
const HEARTBEAT: Duration = Duration::from_secs(60);

fn worth_showing(polls: &Polls, notice: &Notice) -> bool {
    let Notice::Polled { of, state, .. } = notice else {
        return true;
    };
    let mut polls = polls.lock().unwrap_or_else(PoisonError::into_inner);
    let known = polls
        .get(of)
        .is_some_and(|(last, at)| last == state && at.elapsed() < HEARTBEAT);
    if !known {
        polls.insert(of.clone(), (state.clone(), Instant::now()));
    }
    !known
}

fn show_notice(host: &dyn Host, notice: &Notice) {
    let shown = match notice {
        Notice::Minted(secret) => host.mask(secret),
        Notice::Retrying {
            method,
            url,
            reason,
            attempt,
            wait,
        } => host.emit(&Event::Note {
            text: &format!(
                "retry {attempt} of {method} {} in {:.1} s: {reason}",
                below_workspace(url),
                wait.as_secs_f64()
            ),
        }),
        Notice::UnknownState { of, state } => host.emit(&Event::Note {
            text: &format!("{of}: unknown state {state:?}, taken as in progress"),
        }),
        Notice::Transfer { label, done, total } => host.emit(&Event::Transfer {
            label,
            done: *done,
            total: *total,
        }),
        Notice::Polled { of, state, elapsed } => host.emit(&Event::Note {
            text: &format!("{of}: {state} ({} s)", elapsed.as_secs()),
        }),
        Notice::Debug(text) => host.emit(&Event::Debug { text }),
    };
    if let Err(error) = shown {
        tracing::warn!(%error, "an event could not be written");
    }
}

/// The part of an address that tells requests apart: the reason that follows it should still be on the screen.
fn below_workspace(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or(url);
    path.split_once("/workspaces/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(path, |(_, below)| below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_is_named_by_what_is_asked_of_the_workspace() {
        for (url, shown) in [
            (
                "https://x/subscriptions/S/resourceGroups/G/providers/P/workspaces/W/jobs/j?api-version=1",
                "jobs/j",
            ),
            (
                "https://x/history/v1.0/subscriptions/S/workspaces/W/runs/r/details",
                "runs/r/details",
            ),
            ("https://a.blob.core/c/b", "https://a.blob.core/c/b"),
            (
                "https://x/subscriptions/S/workspaces/W?api-version=1",
                "https://x/subscriptions/S/workspaces/W",
            ),
        ] {
            assert_eq!(below_workspace(url), shown);
        }
    }
}
