//! What a rollout does next, as a function of what is there, what is asked for and what this process has seen itself. Pure: the
//! whole behaviour after a kill, a failure or somebody else's change is decided here and tested without a request.

use std::collections::BTreeMap;

use super::journal::{Holder, Journal, Old, Phase};
use crate::stage::traffic::TrafficMap;

/// How a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Provisioned; traffic may go there.
    Ready,
    /// Some operation on it has not ended.
    Busy,
    Broken,
}

/// A deployment of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) health: Health,
    /// It has more than one instance.
    pub(super) spare: bool,
    /// The digest that an earlier rollout left on it.
    pub(super) body: Option<String>,
}

/// What was read of the endpoint while no operation on it was under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) traffic: TrafficMap,
    /// Deployments that mirrored traffic goes to.
    pub(super) mirrored: Vec<String>,
    pub(super) deployments: BTreeMap<String, Member>,
    pub(super) journal: Option<Journal>,
    /// Who has the say over that journal.
    pub(super) standing: Standing,
}

impl Facts {
    fn health(&self, name: &str) -> Option<Health> {
        self.deployments.get(name).map(|member| member.health)
    }
}

/// Whose a journal is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Mine,
    /// Of a run that is over, or whose time is up.
    Orphaned,
    /// Of a run that may still be at work.
    Held,
}

/// What the new deployment is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// As the user said; never another one.
    Fixed(String),
    /// As the file says while that one has no traffic, else `blue` or `green`.
    Free(Option<String>),
}

/// A new deployment to bring in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roll {
    pub(super) naming: Naming,
    pub(super) body: String,
    pub(super) steps: Vec<u32>,
    pub(super) old: Old,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Forward(Roll),
    /// Whatever is on record is to be brought to an end: back where it can go back, else through.
    Undo,
}

impl Wish {
    /// Whether a journal on record is of just this wish.
    pub(super) fn is_of(&self, journal: &Journal) -> bool {
        match self {
            Self::Forward(roll) => {
                let named = match &roll.naming {
                    Naming::Fixed(name) => *name == journal.new,
                    Naming::Free(_) => true,
                };
                named && roll.body == journal.body
            }
            Self::Undo => false,
        }
    }
}

/// What this process has seen itself; a new process knows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The new deployment was written as wished.
    pub(super) created: bool,
    /// The largest share at which it passed its test.
    pub(super) passed: Option<u32>,
    /// A rollout of this process came to its good end.
    pub(super) live: bool,
    /// The service carried out the last shift: any other map than the intended one is somebody else's.
    pub(super) shifted: bool,
}

/// Why the endpoint is written; decides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Claim,
    TakeOver,
    /// The new deployment gets this share.
    Shift(u32),
    /// It passed at all its shares: from here on there is no way back.
    Commit,
    Restore,
    /// Somebody else changed the traffic: what is there now is what stays.
    Adopt,
    /// A deployment of the former map is gone.
    Strand,
    /// The end, good or bad: the journal is taken away.
    Close,
}

/// A write of the endpoint: what the journal and the traffic are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) cause: Cause,
    /// `None` takes the journal away.
    pub(super) journal: Option<Journal>,
    /// `None` leaves the traffic as it is.
    pub(super) traffic: Option<TrafficMap>,
}

/// One step; after it everything is looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Write(Write),
    /// Makes the new deployment, or updates it in place: it has no traffic.
    Create,
    /// Tests the new deployment at its present share, after the pause that goes with it.
    Test(u32),
    /// Waits until no operation on this deployment is under way.
    Settle(String),
    ScaleDown(String),
    Delete(String),
    /// Takes the new deployment away again, as soon as the service lets go of it.
    Discard(String),
    /// The new deployment cannot be gone on with.
    Fail(Fault),
    /// Another rollout has the endpoint.
    Refuse(Holder),
    /// This deployment has all the traffic and consists of what is asked for.
    Unchanged(String),
    Finished,
}

/// Why a rollout does not begin, or turns back, without a request having failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The new deployment is gone or broken while it has traffic.
    NewUnhealthy,
    /// Mirrored traffic goes to the deployment that would be written.
    NewMirrored,
    /// The deployment that would be written has traffic already.
    NewLive,
    /// All the names that a rollout would choose have traffic.
    NoName,
}

/// The one next thing to do.
pub(super) fn next(facts: &Facts, wish: &Wish, seen: Seen, me: &Holder) -> Action {
    let Some(journal) = &facts.journal else {
        return match wish {
            Wish::Forward(roll) if !seen.live => begin(facts, roll, me),
            Wish::Forward(_) | Wish::Undo => Action::Finished,
        };
    };
    match facts.standing {
        Standing::Held => Action::Refuse(journal.holder.clone()),
        Standing::Orphaned => take_over(journal, wish, me),
        Standing::Mine => match (journal.phase, wish) {
            (Phase::Forward, Wish::Forward(_)) => forward(facts, journal, seen),
            (Phase::Forward, Wish::Undo) | (Phase::Back, _) => back(facts, journal),
            (Phase::Done, _) => finish(facts, journal),
        },
    }
}

fn begin(facts: &Facts, roll: &Roll, me: &Holder) -> Action {
    let live = facts.traffic.names().find(|name| {
        let member = facts.deployments.get(*name);
        facts.traffic.share(name) == 100
            && member.is_some_and(|member| {
                member.health == Health::Ready && member.body.as_ref() == Some(&roll.body)
            })
    });
    if let Some(live) = live {
        return Action::Unchanged(live.to_owned());
    }
    let new = match choose(facts, &roll.naming) {
        Ok(new) => new,
        Err(fault) => return Action::Fail(fault),
    };
    // With nobody to share with, the first share is all of it.
    let steps = if facts.traffic.shares().is_empty() {
        vec![100]
    } else {
        roll.steps.clone()
    };
    write(
        Cause::Claim,
        Journal {
            phase: Phase::Forward,
            made: !facts.deployments.contains_key(&new),
            new,
            share: 0,
            steps,
            old: roll.old,
            was: facts.traffic.live(),
            body: roll.body.clone(),
            holder: me.clone(),
        },
        None,
    )
}

/// The names that a rollout gives by itself.
const COLOURS: [&str; 2] = ["blue", "green"];

/// A deployment that gets no requests, not even mirrored ones.
fn choose(facts: &Facts, naming: &Naming) -> Result<String, Fault> {
    let judge = |name: &str| {
        if facts.traffic.share(name) > 0 {
            Err(Fault::NewLive)
        } else if facts.mirrored.iter().any(|mirrored| mirrored == name) {
            Err(Fault::NewMirrored)
        } else {
            Ok(name.to_owned())
        }
    };
    match naming {
        Naming::Fixed(name) => judge(name),
        Naming::Free(name) => name
            .as_deref()
            .into_iter()
            .chain(COLOURS)
            .find_map(|name| judge(name).ok())
            .ok_or(Fault::NoName),
    }
}

/// A journal whose writer is gone. What it stands for goes on only when the same is wanted now.
fn take_over(journal: &Journal, wish: &Wish, me: &Holder) -> Action {
    let same = wish.is_of(journal);
    let mut taken = Journal {
        holder: me.clone(),
        ..journal.clone()
    };
    if journal.phase == Phase::Forward && !same {
        taken.phase = Phase::Back;
    }
    if let (Phase::Forward, Wish::Forward(roll)) = (taken.phase, wish) {
        taken.old = roll.old;
        // The steps asked for now count from here on; those behind stay on record, because their maps may still be in force.
        if !journal.was.shares().is_empty() {
            taken.steps.retain(|step| *step <= journal.share);
            let ahead = roll.steps.iter().filter(|step| **step > journal.share);
            taken.steps.extend(ahead);
        }
    }
    write(Cause::TakeOver, taken, None)
}

fn forward(facts: &Facts, journal: &Journal, seen: Seen) -> Action {
    let ours = if seen.shifted {
        facts.traffic.same(&journal.intended())
    } else {
        journal.may_have_left(&facts.traffic)
    };
    if !ours {
        return adopt(facts, journal);
    }
    let health = facts.health(&journal.new);
    let share = facts.traffic.share(&journal.new);
    // What an earlier run began is waited for: a deployment that is being written cannot be written.
    if health == Some(Health::Busy) {
        return Action::Settle(journal.new.clone());
    }
    if share == 0 && !seen.created {
        return Action::Create;
    }
    match health {
        Some(Health::Ready) => {}
        Some(Health::Broken | Health::Busy) | None => return Action::Fail(Fault::NewUnhealthy),
    }
    if seen.passed.is_none_or(|passed| passed < share) {
        return Action::Test(share);
    }
    match journal.steps.iter().find(|step| **step > share) {
        Some(step) => {
            let journal = Journal {
                share: *step,
                ..journal.clone()
            };
            let traffic = journal.map(*step);
            write(Cause::Shift(*step), journal, Some(traffic))
        }
        None if untreated(facts, journal).next().is_some() => {
            let journal = Journal {
                phase: Phase::Done,
                ..journal.clone()
            };
            write(Cause::Commit, journal, None)
        }
        None => close(),
    }
}

fn back(facts: &Facts, journal: &Journal) -> Action {
    if facts.traffic.same(&journal.was) {
        return discard(facts, journal);
    }
    if !journal.may_have_left(&facts.traffic) {
        return adopt(facts, journal);
    }
    let mut back = Journal {
        phase: Phase::Back,
        ..journal.clone()
    };
    let gone = |name: &str| !facts.deployments.contains_key(name);
    if journal.was.names().any(gone) {
        back.was = facts.traffic.live();
        return write(Cause::Strand, back, None);
    }
    write(Cause::Restore, back, Some(journal.was.clone()))
}

/// The traffic is as it was: the new deployment goes, if it was made for this or came to nothing.
fn discard(facts: &Facts, journal: &Journal) -> Action {
    let used = facts.traffic.share(&journal.new) > 0 || facts.mirrored.contains(&journal.new);
    match facts.health(&journal.new) {
        Some(_) if used => close(),
        // One that never gets healthy would be waited for in vain.
        Some(Health::Broken | Health::Busy) => Action::Discard(journal.new.clone()),
        Some(Health::Ready) if journal.made => Action::Discard(journal.new.clone()),
        Some(Health::Ready) | None => close(),
    }
}

/// The new deployment is the live one: the old ones are kept, scaled down or deleted, but never one that has traffic.
fn finish(facts: &Facts, journal: &Journal) -> Action {
    let Some((name, health)) = untreated(facts, journal).next() else {
        return close();
    };
    match (health, journal.old) {
        (Health::Busy, _) => Action::Settle(name.to_owned()),
        (_, Old::Delete) => Action::Delete(name.to_owned()),
        (_, Old::ScaleDown | Old::Keep) => Action::ScaleDown(name.to_owned()),
    }
}

fn untreated<'a>(
    facts: &'a Facts,
    journal: &'a Journal,
) -> impl Iterator<Item = (&'a str, Health)> {
    let unused = |name: &&str| {
        *name != journal.new
            && facts.traffic.share(name) == 0
            && !facts.mirrored.iter().any(|mirrored| mirrored == name)
    };
    journal
        .was
        .names()
        .filter(unused)
        .filter_map(|name| Some((name, facts.deployments.get(name)?)))
        .filter(|(_, member)| match (journal.old, member.health) {
            (Old::Keep, _) => false,
            (Old::Delete, _) | (Old::ScaleDown, Health::Busy) => true,
            (Old::ScaleDown, Health::Ready) => member.spare,
            // Nobody knows what it has; it is left as it is.
            (Old::ScaleDown, Health::Broken) => false,
        })
        .map(|(name, member)| (name, member.health))
}

fn adopt(facts: &Facts, journal: &Journal) -> Action {
    let adopted = Journal {
        phase: Phase::Back,
        was: facts.traffic.live(),
        ..journal.clone()
    };
    write(Cause::Adopt, adopted, None)
}

fn write(cause: Cause, journal: Journal, traffic: Option<TrafficMap>) -> Action {
    Action::Write(Write {
        cause,
        journal: Some(journal),
        traffic,
    })
}

fn close() -> Action {
    Action::Write(Write {
        cause: Cause::Close,
        journal: None,
        traffic: None,
    })
}

#[cfg(test)]
mod tests;
