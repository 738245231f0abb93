//! Carries out a [`Plan`]: looks up what it refers to, uploads, writes, each request once and everything that can go together at
//! the same time. Three phases, each its own call: [`Execution::look_up`] writes nothing, [`Execution::digest`] says what would be
//! written by content, [`Execution::send`] writes. Does not wait for long-running operations and does not know stages.

mod compare;
mod compute;
mod digest;
mod likeness;
mod look_up;
mod preview;
mod resolve;
mod schedule;
mod seal;
mod served;
mod standing;
mod symbols;
mod write;

use std::fmt;

use serde_json::Value;

pub use self::compare::YamlReader;
pub use self::preview::{Preview, PreviewRequest, PreviewUpload};
pub(crate) use self::served::same as same_endpoint;
use self::symbols::Symbols;
use super::upload::Uploader;
use super::{Answer, ArmError, Azure};
use crate::event::Place;
use crate::report::Change;
use crate::spec::Plan;

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// What the file takes for granted is not there; nothing was written.
    #[error("{}", list(.0))]
    Missing(Vec<Missing>),
    /// The service cannot make this change to what exists; nothing was written.
    #[error("{message}")]
    Fixed { message: String, advice: String },
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// A plan that contradicts itself: a bug of ours.
    #[error("the plan contradicts itself: {0}")]
    Plan(String),
}

/// A resource that is named and does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Azure's noun: `compute`, `environment`.
    pub kind: &'static str,
    pub name: String,
    /// Where the user named it.
    pub place: Option<Place>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(
                f,
                "{}:{}:{}: ",
                place.file.display(),
                place.line,
                place.column
            )?;
        }
        f.write_str(&self.text())
    }
}

impl Missing {
    /// What is missing, without the place.
    pub fn text(&self) -> String {
        format!(
            "{} `{}` does not exist in the workspace",
            self.kind, self.name
        )
    }
}

fn list(missing: &[Missing]) -> String {
    let lines: Vec<String> = missing.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What became of the plan's last request.
#[derive(Debug, Clone)]
pub struct Applied {
    pub id: String,
    pub name: String,
    pub version: Option<String>,
    pub change: Change,
    /// The resource as the service answered it, or as it was found.
    pub body: Value,
    /// The answer to the write, for what goes on in the background; `None` when nothing was written.
    pub answer: Option<Answer>,
    /// What was written or uploaded on the way, in the order of the plan.
    pub also: Vec<AppliedAsset>,
}

/// Something that the last request needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedAsset {
    /// `code`, `component`, `environment`, `upload`, ...
    pub kind: String,
    pub name: String,
    pub version: Option<String>,
    pub id: String,
    pub change: Change,
    pub files: usize,
    pub bytes: u64,
}

/// A plan on its way. Every lookup, upload and write is remembered, so that nothing is asked or sent twice, whichever phase
/// needs it first.
pub struct Execution {
    azure: Azure,
    plan: Plan,
    read_yaml: YamlReader,
    uploader: Uploader,
    symbols: Symbols,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Execution {
    /// No network. `read_yaml` is how a conda file is compared with what the service made of it.
    pub fn new(azure: Azure, plan: Plan, read_yaml: YamlReader) -> Self {
        let symbols = Symbols::of(&plan);
        let uploader = Uploader::new(azure.observer().clone());
        Self {
            azure,
            plan,
            read_yaml,
            uploader,
            symbols,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Changes the body of the last request, which is what the user asked for: to stamp a run's facts on a job after its digest
    /// was taken, which must not depend on them.
    pub fn amend(&mut self, amend: impl FnOnce(&mut Value)) {
        if let Some(last) = self.plan.requests.last_mut() {
            amend(&mut last.body);
        }
    }
}
