//! Carries a rollout through: look, decide, do one thing, look again. Owns what this process has seen, and how a failure, a timeout
//! or a signal turns it back. What is to be done is `decide`'s business, how it is done `act`'s.

use std::time::Duration;

use anyhow::Context as _;

use super::act::{Act, Done, Look};
use super::decide::{Action, Cause, Seen, Standing, Wish, Write, next};
use super::journal::{Journal, Phase};
use super::words;
use crate::azure::ArmError;
use crate::azure::poll::Budget;
use crate::cancel::Cancelled;
use crate::report::Change;
use crate::stage::traffic::TrafficMap;

/// Hosts send SIGTERM 7.5 s after SIGINT; what is undone until then is undone.
const SIGNALLED: Duration = Duration::from_secs(7);
/// How long a write under way may take to be answered before the restoring one is sent, which must not overtake it.
const HEAD_START: Duration = Duration::from_secs(2);
/// For all of going back, and for the old deployments, once the time to go forward is up.
const UNDO: Duration = Duration::from_secs(30 * 60);
/// What making a deployment, which knows the deadline itself, gets for showing the deployment's log.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// Failures of going back, one after another, that end it; each request has been through its own repeats.
const TRIES: u32 = 3;
/// How often somebody else may come in between a look and the write after it.
const MOVES: u32 = 10;

/// How a rollout ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) traffic: TrafficMap,
    /// What happened to the new deployment.
    pub(super) change: Change,
    /// The journal of the rollout that this process began or went on with.
    pub(super) journal: Option<Journal>,
    /// The deployment that had just these contents already.
    pub(super) unchanged: Option<String>,
    /// The new deployment has all the traffic and passed: nothing turns that back.
    pub(super) live: bool,
    /// Why it went back, or what went wrong after it was live.
    pub(super) turned: Option<anyhow::Error>,
}

/// What changes on the way.
#[derive(Debug)]
pub(super) struct Drive<'a> {
    act: &'a Act<'a>,
    wish: Wish,
    seen: Seen,
    /// The journal as this process last wrote it.
    claimed: Option<Journal>,
    end: End,
    /// By the client's clock, which counts from some fixed moment.
    deadline: Duration,
    tries: u32,
    moves: u32,
    /// A write of the endpoint was tried.
    begun: bool,
}

/// One look and what was made of it.
struct Step {
    look: Look,
    action: Action,
    done: anyhow::Result<Done>,
    /// The journal was taken off the endpoint by somebody else.
    lost: bool,
}

impl<'a> Drive<'a> {
    /// `time` is for going forward.
    pub(super) fn new(act: &'a Act<'a>, wish: Wish, time: Duration) -> Self {
        let end = End {
            traffic: TrafficMap::default(),
            change: Change::Unchanged,
            journal: None,
            unchanged: None,
            live: false,
            turned: None,
        };
        Self {
            act,
            wish,
            seen: Seen::default(),
            claimed: None,
            end,
            deadline: act.azure.clock().elapsed() + time,
            tries: 0,
            moves: 0,
            begun: false,
        }
    }

    /// To the end, good or bad: [`End::turned`] says why it went back. An error is one of not beginning, or of not coming back.
    pub(super) async fn run(mut self) -> anyhow::Result<End> {
        let cancel = self.act.context.cancel.clone();
        let _hold = cancel.hold();
        loop {
            let stepped = {
                let step = self.step();
                tokio::pin!(step);
                tokio::select! {
                    biased;
                    signal = cancel.cancelled() => {
                        let answered = if self.act.is_writing() {
                            tokio::time::timeout(HEAD_START, &mut step).await.ok()
                        } else {
                            None
                        };
                        Err((signal, answered))
                    }
                    stepped = &mut step => Ok(stepped),
                }
            };
            match stepped {
                Ok(stepped) => {
                    if self.learn(stepped)? {
                        return Ok(self.end);
                    }
                }
                Err((signal, answered)) => return Err(self.signalled(signal, answered).await),
            }
        }
    }

    /// What a signal leaves time for: the traffic goes back first, then the rest. The post step, or the next run, does what is left.
    async fn signalled(
        &mut self,
        signal: Cancelled,
        answered: Option<anyhow::Result<Step>>,
    ) -> anyhow::Error {
        if let Some(Err(error)) = answered.map(|stepped| self.learn(stepped)) {
            return error.context(signal);
        }
        if self.end.live || !self.begun {
            return signal.into();
        }
        self.turn(signal.into());
        let back = async {
            loop {
                let stepped = self.step().await;
                if self.learn(stepped)? {
                    return anyhow::Ok(());
                }
            }
        };
        let outcome = tokio::time::timeout(SIGNALLED, back).await;
        words::signalled(self.act, outcome.ok(), &self.end);
        signal.into()
    }

    async fn step(&self) -> anyhow::Result<Step> {
        let left = self
            .deadline
            .saturating_sub(self.act.azure.clock().elapsed());
        let budget = Budget::Deadline(left);
        let mut look = self.act.look(budget).await?;
        let mut lost = false;
        if let (None, Some(claimed)) = (&look.facts.journal, &self.claimed) {
            lost = true;
            let mut journal = claimed.clone();
            if journal.phase == Phase::Forward {
                journal.phase = Phase::Back;
            }
            look.facts.journal = Some(journal);
            look.facts.standing = Standing::Mine;
        }
        let me = self.act.holder(UNDO);
        let action = next(&look.facts, &self.wish, self.seen, &me);
        let left = self
            .deadline
            .saturating_sub(self.act.azure.clock().elapsed());
        let late = || ArmError::TimedOut {
            what: words::what(&action, &look).to_owned(),
            state: "under way".to_owned(),
            after: left,
        };
        let grace = if action == Action::Create {
            LAST_WORDS
        } else {
            Duration::ZERO
        };
        let done = if left.is_zero() {
            Err(late().into())
        } else {
            tokio::select! {
                biased;
                done = self.act.carry_out(&action, &look, left) => done,
                () = self.act.azure.clock().alarm(left + grace) => Err(late().into()),
            }
        };
        Ok(Step {
            look,
            action,
            done,
            lost,
        })
    }

    /// Takes in what a step came to; true at the end.
    fn learn(&mut self, stepped: anyhow::Result<Step>) -> anyhow::Result<bool> {
        let step = match stepped {
            Ok(step) => step,
            Err(error) => return self.failed(error),
        };
        self.end.traffic = step.look.facts.traffic.clone();
        self.begun |= matches!(step.action, Action::Write(_));
        if step.lost && self.wish != Wish::Undo {
            self.turn(words::lost(self.act).into());
        }
        match step.action {
            Action::Finished => return Ok(true),
            Action::Unchanged(name) => {
                self.end.unchanged = Some(name);
                return Ok(true);
            }
            Action::Refuse(_) => return Err(words::held(self.act, &step.look).into()),
            Action::Fail(fault) => {
                return self.failed(words::fault(self.act, fault, &step.look));
            }
            Action::Write(_)
            | Action::Create
            | Action::Test(_)
            | Action::Settle(_)
            | Action::ScaleDown(_)
            | Action::Delete(_)
            | Action::Discard(_) => {}
        }
        let done = match step.done {
            Ok(done) => done,
            Err(error) => return self.failed(error),
        };
        self.tries = 0;
        match done {
            Done::Wrote => {
                if let Action::Write(write) = step.action {
                    self.wrote(write, &step.look);
                }
            }
            Done::Moved => {
                self.moves += 1;
                if self.moves > MOVES {
                    return self.failed(words::restless(self.act).into());
                }
            }
            Done::Created(change) => {
                self.seen.created = true;
                self.end.change = change;
            }
            Done::Passed(share) => self.seen.passed = Some(share),
            Done::Treated | Done::Nothing => {}
        }
        Ok(false)
    }

    fn wrote(&mut self, write: Write, look: &Look) {
        if let Some(traffic) = &write.traffic {
            self.end.traffic = traffic.clone();
            self.seen.shifted = matches!(write.cause, Cause::Shift(_));
        }
        if write.cause == Cause::Close
            && let Some(journal) = &look.facts.journal
        {
            self.seen.live = journal.phase != Phase::Back && self.wish.is_of(journal);
            self.end.live |= self.seen.live;
        }
        self.end.live |= write.cause == Cause::Commit;
        let own = |journal: &&Journal| self.wish.is_of(journal);
        if let Some(journal) = write.journal.as_ref().filter(own) {
            self.end.journal = Some(journal.clone());
        }
        let gave_way = matches!(write.cause, Cause::Adopt | Cause::Strand);
        // A leftover of another rollout that gave way is no failure of this one.
        let ours = look
            .facts
            .journal
            .as_ref()
            .is_some_and(|journal| journal.phase == Phase::Forward);
        self.claimed = write.journal;
        if gave_way && (ours || self.wish == Wish::Undo) {
            let error = words::gave_way(self.act, write.cause, look);
            self.turn(error.into());
        } else if gave_way {
            self.act
                .context
                .warn(words::gave_way(self.act, write.cause, look).message, None);
        }
    }

    /// From here on it goes back. The first reason is the one that is reported.
    fn turn(&mut self, why: anyhow::Error) {
        if self.wish != Wish::Undo {
            self.wish = Wish::Undo;
            self.deadline = self.act.azure.clock().elapsed() + UNDO;
        }
        if self.end.turned.is_none() {
            self.end.turned = Some(why);
        } else {
            self.act.context.warn(format!("{why:#}"), None);
        }
    }

    /// A step failed: the rollout goes back. Going back is tried again a few times.
    fn failed(&mut self, error: anyhow::Error) -> anyhow::Result<bool> {
        if self.wish == Wish::Undo {
            self.tries += 1;
            if self.tries >= TRIES {
                let first = self.end.turned.take();
                let state = words::stuck(self.act, &self.end);
                return match first {
                    Some(first) => {
                        self.act
                            .context
                            .warn(format!("going back: {error:#}"), None);
                        Err(first).context(state)
                    }
                    None => Err(error).context(state),
                };
            }
        } else if !self.begun {
            return Err(error);
        }
        self.turn(error);
        Ok(false)
    }
}
