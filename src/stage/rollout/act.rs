//! What a rollout reads and does, one request or wait at a time. Every write of the endpoint is fenced: it goes out only if the
//! endpoint still is as it was looked at. Decides nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::claim::Claim;
use super::decide::{Action, Cause, Facts, Health, Member, Write};
use super::journal::{Holder, Journal, Phase, TooLong, Unreadable};
use super::newcomer::Newcomer;
use super::words;
use crate::azure::endpoints::{
    self, Deployment, Endpoint, EndpointChange, Family, change_endpoint, delete_deployment,
    scale_deployment, settled_deployment,
};
use crate::azure::poll::Budget;
use crate::azure::{ArmError, Azure};
use crate::report::{Change, PhaseKind};
use crate::stage::traffic::{FORMER_TRAFFIC_TAG, ROLLOUT_TAG, TrafficMap};
use crate::stage::{Context, Refused};

/// The deployment's tag that keeps the digest of what it was rolled out from.
pub(super) const CONTENT_TAG: &str = "aml-runner.content";

/// Between two writes of the journal nothing takes longer than this, besides the pause and the provisioning.
const LEASE: Duration = Duration::from_secs(30 * 60);

/// Everything that stays the same during a rollout.
#[derive(Debug)]
pub(super) struct Act<'a> {
    pub(super) context: &'a Context,
    pub(super) azure: Azure,
    pub(super) family: Family,
    /// Its name.
    pub(super) endpoint: String,
    pub(super) claim: Claim,
    /// `None` where there is only something to undo.
    pub(super) newcomer: Option<&'a dyn Newcomer>,
    /// Before the test at each share.
    pub(super) pause: Duration,
    /// A write of the endpoint is under way.
    writing: AtomicBool,
}

/// What was seen at one look, with no operation under way.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) endpoint: Endpoint,
    pub(super) deployments: Vec<Deployment>,
    pub(super) facts: Facts,
}

/// What an action came to.
#[derive(Debug)]
pub(super) enum Done {
    Wrote,
    /// Somebody else changed the endpoint in between: nothing was written.
    Moved,
    Created(Change),
    Passed(u32),
    /// An old deployment, or the new one that is not wanted any more, was dealt with.
    Treated,
    /// There was nothing to do.
    Nothing,
}

/// Why an endpoint was not written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error(transparent)]
    Arm(#[from] ArmError),
    #[error("the endpoint was changed in between")]
    Moved,
}

impl<'a> Act<'a> {
    pub(super) fn new(
        context: &'a Context,
        azure: Azure,
        (family, endpoint): (Family, String),
        claim: Claim,
    ) -> Self {
        Self {
            context,
            azure,
            family,
            endpoint,
            claim,
            newcomer: None,
            pause: Duration::ZERO,
            writing: AtomicBool::new(false),
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.load(Ordering::SeqCst)
    }

    /// The entry of this process for a journal that is good for `lease`.
    pub(super) fn holder(&self, lease: Duration) -> Holder {
        self.claim.holder(self.azure.clock().now(), lease)
    }

    /// Reads the endpoint and its deployments, once no operation on the endpoint is under way.
    pub(super) async fn look(&self, budget: Budget) -> anyhow::Result<Look> {
        let (azure, family, name) = (&self.azure, self.family, self.endpoint.as_str());
        let read = endpoints::endpoint(azure, family, name);
        let members = endpoints::deployments(azure, family, name);
        let (endpoint, mut deployments) = futures::try_join!(read, members)?;
        let mut endpoint = endpoint.ok_or_else(|| self.no_endpoint())?;
        if endpoint.is_busy() {
            let free = endpoints::wait_until_free(azure, family, name, budget).await?;
            endpoint = free.ok_or_else(|| self.no_endpoint())?;
            deployments = endpoints::deployments(azure, family, name).await?;
        }
        let facts = self.facts(&endpoint, &deployments)?;
        Ok(Look {
            endpoint,
            deployments,
            facts,
        })
    }

    fn facts(&self, endpoint: &Endpoint, deployments: &[Deployment]) -> anyhow::Result<Facts> {
        let journal: Option<Journal> = match endpoint.tags.get(ROLLOUT_TAG) {
            Some(text) => Some(text.parse().map_err(|error| self.unreadable(&error))?),
            None => None,
        };
        let now = self.azure.clock().now();
        let standing = journal
            .as_ref()
            .map(|journal| self.claim.standing(&journal.holder, now));
        let members: BTreeMap<String, Member> = deployments
            .iter()
            .map(|deployment| (deployment.name.clone(), member(deployment)))
            .collect();
        let mirrored = endpoint.mirror_traffic.keys().cloned().collect();
        Ok(Facts {
            traffic: TrafficMap::of(endpoint).live(),
            mirrored,
            deployments: members,
            journal,
            standing: standing.unwrap_or_default(),
        })
    }

    /// Carries out an action within the time that is left.
    pub(super) async fn carry_out(
        &self,
        action: &Action,
        look: &Look,
        left: Duration,
    ) -> anyhow::Result<Done> {
        let budget = Budget::Deadline(left);
        match action {
            Action::Write(write) => {
                self.writing.store(true, Ordering::SeqCst);
                let written = self.write(write, look, budget).await;
                self.writing.store(false, Ordering::SeqCst);
                written
            }
            Action::Create => self.create(look, left).await,
            Action::Test(share) => self.test(*share, look).await,
            Action::Settle(name) => {
                let _phase = self
                    .context
                    .phase("waiting for a deployment", PhaseKind::Waiting);
                settled_deployment(&self.azure, self.family, &self.endpoint, name, budget).await?;
                Ok(Done::Nothing)
            }
            Action::ScaleDown(name) => self.scale_down(name, look, budget).await,
            Action::Delete(name) => {
                self.delete(name, budget).await?;
                self.say(format!("deleted deployment {name}, which was replaced"));
                Ok(Done::Treated)
            }
            Action::Discard(name) => self.discard(name, budget).await,
            Action::Fail(_) | Action::Refuse(_) | Action::Unchanged(_) | Action::Finished => {
                Ok(Done::Nothing)
            }
        }
    }

    async fn write(&self, write: &Write, look: &Look, budget: Budget) -> anyhow::Result<Done> {
        let change = match self.change(write, look) {
            Ok(change) => change,
            // What is there now is nobody's to go back from, so that nothing needs to be kept.
            Err(too_long) if matches!(write.cause, Cause::Adopt | Cause::Strand) => {
                tracing::debug!(%too_long, "the journal is closed instead");
                let close = Write {
                    cause: Cause::Close,
                    journal: None,
                    traffic: None,
                };
                self.change(&close, look)?
            }
            Err(too_long) => return Err(self.too_long(&too_long).into()),
        };
        words::announce(self, write, look);
        let _phase = self
            .context
            .phase("changing the endpoint", PhaseKind::Waiting);
        let seen = &look.endpoint;
        let written = change_endpoint(&self.azure, seen.clone(), budget, |fresh| {
            if is_so(fresh, &change) {
                Ok(None)
            } else if unchanged(seen, fresh) {
                Ok(Some(change.clone()))
            } else {
                Err(Unwritten::Moved)
            }
        });
        match written.await {
            Ok(_changed) => Ok(Done::Wrote),
            Err(Unwritten::Moved) => Ok(Done::Moved),
            Err(Unwritten::Arm(error)) => Err(error.into()),
        }
    }

    fn change(&self, write: &Write, look: &Look) -> Result<EndpointChange, TooLong> {
        let mut tags = BTreeMap::new();
        let text = match &write.journal {
            Some(journal) => {
                let journal = Journal {
                    holder: self.holder(self.lease(write.cause)),
                    ..journal.clone()
                };
                Some(journal.encode()?)
            }
            None => None,
        };
        tags.insert(ROLLOUT_TAG.to_owned(), text);
        // What `rollback` goes back to is the map before a rollout that came to a good end; an endpoint without traffic is no
        // state to go back to.
        let ended = look.facts.journal.as_ref().filter(|journal| {
            write.cause == Cause::Close
                && journal.phase != Phase::Back
                && !look.facts.traffic.same(&journal.was)
                && !journal.was.shares().is_empty()
        });
        if let Some(former) = ended.and_then(|journal| journal.was.for_tag().ok()) {
            tags.insert(FORMER_TRAFFIC_TAG.to_owned(), Some(former));
        }
        Ok(EndpointChange {
            traffic: write.traffic.as_ref().map(|map| map.shares().clone()),
            mirror_traffic: None,
            tags,
        })
    }

    fn lease(&self, cause: Cause) -> Duration {
        match cause {
            // The provisioning comes next.
            Cause::Claim | Cause::TakeOver => LEASE * 4,
            Cause::Shift(_) => self.pause + LEASE,
            Cause::Commit | Cause::Restore | Cause::Adopt | Cause::Strand | Cause::Close => LEASE,
        }
    }

    async fn create(&self, look: &Look, limit: Duration) -> anyhow::Result<Done> {
        let (Some(newcomer), Some(journal)) = (self.newcomer, &look.facts.journal) else {
            return Ok(Done::Nothing);
        };
        self.context.note(format!(
            "deployment {}: made beside the traffic of {}",
            journal.new, look.facts.traffic
        ));
        let change = newcomer.create(&journal.new, limit).await?;
        Ok(Done::Created(change))
    }

    async fn test(&self, share: u32, look: &Look) -> anyhow::Result<Done> {
        let (Some(newcomer), Some(journal)) = (self.newcomer, &look.facts.journal) else {
            return Ok(Done::Nothing);
        };
        if share > 0 && !self.pause.is_zero() {
            let _phase = self.context.phase("pausing at a step", PhaseKind::Waiting);
            let pause = crate::report::human(self.pause);
            self.context.note(format!(
                "{} has {share} %: pausing for {pause}",
                journal.new
            ));
            self.azure.clock().sleep(self.pause).await;
        }
        let _phase = self.context.phase("smoke tests", PhaseKind::Working);
        newcomer.test(&look.endpoint, &journal.new).await?;
        self.context.note(format!(
            "{} passed its smoke test at {share} %",
            journal.new
        ));
        Ok(Done::Passed(share))
    }

    async fn scale_down(&self, name: &str, look: &Look, budget: Budget) -> anyhow::Result<Done> {
        let found = look.deployments.iter().find(|found| found.name == name);
        if let Some(deployment) = found {
            let _phase = self.context.phase("scaling down", PhaseKind::Waiting);
            scale_deployment(&self.azure, deployment, 1, budget).await?;
            self.say(format!(
                "scaled deployment {name}, which was replaced, down to one instance"
            ));
        }
        Ok(Done::Treated)
    }

    async fn discard(&self, name: &str, budget: Budget) -> anyhow::Result<Done> {
        match self.delete(name, budget).await {
            Ok(()) => {
                self.say(format!("deleted deployment {name}, which did not pass"));
                Ok(Done::Treated)
            }
            // Some operation on it is under way still.
            Err(error) if endpoints::may_be_busy(&error) => {
                let settled =
                    settled_deployment(&self.azure, self.family, &self.endpoint, name, budget);
                match settled.await? {
                    Some(there) if there.is_busy() => Err(error.into()),
                    Some(_) => {
                        self.delete(name, budget).await?;
                        self.say(format!("deleted deployment {name}, which did not pass"));
                        Ok(Done::Treated)
                    }
                    None => Ok(Done::Treated),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, name: &str, budget: Budget) -> Result<(), ArmError> {
        let _phase = self
            .context
            .phase("deleting a deployment", PhaseKind::Waiting);
        delete_deployment(&self.azure, self.family, &self.endpoint, name, budget).await
    }

    /// In the log and in the report.
    pub(super) fn say(&self, text: String) {
        self.context.note(&text);
        self.context.report().notes.push(text);
    }

    fn no_endpoint(&self) -> anyhow::Error {
        let (family, name) = (self.family.as_str(), &self.endpoint);
        let why = format!(
            "there is no {family} endpoint {name} in the workspace: make it with create-endpoint"
        );
        self.context.malformed("endpoint-name", why).into()
    }

    fn unreadable(&self, error: &Unreadable) -> Refused {
        Refused {
            message: error.to_string(),
            advice: Some(format!(
                "it was left by another version, or by hand: look at the traffic, then take the tag {ROLLOUT_TAG} off endpoint {}",
                self.endpoint
            )),
        }
    }

    fn too_long(&self, error: &TooLong) -> Refused {
        Refused {
            message: error.to_string(),
            advice: Some("give fewer deployments traffic, or shorter names".to_owned()),
        }
    }
}

fn member(deployment: &Deployment) -> Member {
    let health = if deployment.is_healthy() {
        Health::Ready
    } else if deployment.is_busy() {
        Health::Busy
    } else {
        Health::Broken
    };
    Member {
        health,
        spare: deployment.instances.is_some_and(|instances| instances > 1),
        body: deployment.tags.get(CONTENT_TAG).cloned(),
    }
}

/// Whether an endpoint is as a change would have it already: its first sending arrived, and only the answer was lost.
fn is_so(fresh: &Endpoint, change: &EndpointChange) -> bool {
    let traffic = change
        .traffic
        .as_ref()
        .is_none_or(|wanted| TrafficMap::of(fresh).same(&wanted.clone().into()));
    let tagged = |(name, value): (&String, &Option<String>)| fresh.tags.get(name) == value.as_ref();
    traffic && change.tags.iter().all(tagged)
}

/// Whether nobody else has been at the journal and the traffic since the look.
fn unchanged(seen: &Endpoint, fresh: &Endpoint) -> bool {
    seen.tags.get(ROLLOUT_TAG) == fresh.tags.get(ROLLOUT_TAG)
        && TrafficMap::of(seen).same(&TrafficMap::of(fresh))
}
