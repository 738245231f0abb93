//! Waiting on a resource itself, by its `properties.provisioningState`, where the service gave no operation to follow.

use std::collections::HashSet;

use serde_json::Value;

use super::status::{Meaning, meaning};
use super::{Budget, Pace, Probe, Progress, Tick, wait};
use crate::azure::error::{self, ArmError, ServiceError};
use crate::azure::retry::asked_wait;
use crate::azure::{Answer, Azure, Call, Notice, Observer};

/// Asks a resource for its state until that is final.
#[derive(Debug)]
pub struct Provisioning<'a> {
    azure: &'a Azure,
    read: Call,
    what: String,
    known: Unknown<'a>,
}

impl<'a> Provisioning<'a> {
    /// `read` is the GET of the resource; `what` names the wait in messages.
    pub fn new(azure: &'a Azure, read: Call, what: String, observer: &'a Observer) -> Self {
        Self {
            azure,
            read,
            what,
            known: Unknown::new(observer),
        }
    }
}

impl Probe for Provisioning<'_> {
    type Done = Answer;

    fn what(&self) -> String {
        self.what.clone()
    }

    async fn probe(&mut self) -> Result<Progress<Answer>, ArmError> {
        let answer = Box::pin(self.azure.send(self.read.clone())).await?;
        judge(self.azure, &self.what, answer, &mut self.known)
    }
}

/// Waits until no operation is under way on a resource, however the last one ended, and answers with it as it then is.
pub async fn settled(azure: &Azure, read: Call, budget: Budget) -> Result<Answer, ArmError> {
    let observer = azure.observer();
    let what = read.label();
    let tick = |tick: &Tick<'_>| tick.report(&what, observer);
    let probe = Settled(Provisioning::new(azure, read, what.clone(), observer));
    wait(azure.clock(), probe, budget, Pace::default(), &tick).await
}

/// [`Provisioning`] for somebody to whom a failure is an end like another.
struct Settled<'a>(Provisioning<'a>);

impl Probe for Settled<'_> {
    type Done = Answer;

    fn what(&self) -> String {
        self.0.what()
    }

    async fn probe(&mut self) -> Result<Progress<Answer>, ArmError> {
        let answer = Box::pin(self.0.azure.send(self.0.read.clone())).await?;
        match judge(
            self.0.azure,
            &self.0.what,
            answer.clone(),
            &mut self.0.known,
        ) {
            Err(_ended) => Ok(Progress::Done(answer)),
            going => going,
        }
    }
}

/// What a resource's answer means for the wait. No state is success, as the resource provider contract has it.
pub(super) fn judge(
    azure: &Azure,
    what: &str,
    answer: Answer,
    known: &mut Unknown<'_>,
) -> Result<Progress<Answer>, ArmError> {
    let Some(state) = state_of(&answer.body).map(str::to_owned) else {
        return Ok(Progress::Done(answer));
    };
    match meaning(&state) {
        Meaning::Succeeded => Ok(Progress::Done(answer)),
        Meaning::Failed | Meaning::Canceled => Err(ended(what, &state, &answer)),
        known_or_not @ (Meaning::Running | Meaning::Unknown) => {
            if known_or_not == Meaning::Unknown {
                known.notice(what, &state);
            }
            let retry_after = asked_wait(|name| answer.header(name), azure.clock().now());
            Ok(Progress::Pending { state, retry_after })
        }
    }
}

pub(super) fn state_of(body: &Value) -> Option<&str> {
    body.pointer("/properties/provisioningState")?.as_str()
}

/// The error of something that ended in `Failed` or `Canceled`, from wherever the answer holds it.
pub(super) fn ended(what: &str, state: &str, answer: &Answer) -> ArmError {
    let mut said = ServiceError {
        status: answer.status,
        request: what.to_owned(),
        request_id: answer.request_id.clone(),
        body: error::scrub(&answer.body.to_string()),
        ..ServiceError::default()
    };
    let error = [
        "/error",
        "/properties/error",
        // A compute keeps a list: https://learn.microsoft.com/rest/api/azureml/compute/get
        "/properties/provisioningErrors/0/error",
        "/properties/properties/errors/0/error",
    ]
    .iter()
    .find_map(|pointer| {
        answer
            .body
            .pointer(pointer)
            .filter(|error| error.is_object())
    });
    if let Some(error) = error {
        error::fill(&mut said, error);
    }
    if said.code.is_empty() {
        state.clone_into(&mut said.code);
    }
    if said.message.is_empty() {
        said.message = format!("it ended as {state}, and the service gives no reason");
    }
    ArmError::Api(Box::new(said))
}

/// Says each unknown state once.
#[derive(Debug)]
pub(super) struct Unknown<'a> {
    observer: Speaker<'a>,
    seen: HashSet<String>,
}

struct Speaker<'a>(&'a Observer);

impl std::fmt::Debug for Speaker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Speaker")
    }
}

impl<'a> Unknown<'a> {
    pub(super) fn new(observer: &'a Observer) -> Self {
        Self {
            observer: Speaker(observer),
            seen: HashSet::new(),
        }
    }

    pub(super) fn notice(&mut self, of: &str, state: &str) {
        if self.seen.insert(state.to_owned()) {
            (self.observer.0)(&Notice::UnknownState {
                of: of.to_owned(),
                state: state.to_owned(),
            });
        }
    }
}
