//! What a rollout says: before it writes, when it turns back, when it ends. Decides nothing.

use super::act::{Act, Look};
use super::decide::{Action, Cause, Fault, Write};
use super::drive::End;
use crate::stage::Refused;
use crate::stage::traffic::ROLLOUT_TAG;

/// What to do about an endpoint that an interrupted rollout left behind.
const FINISH: &str = "run the same rollout again: it goes on where this one was, or goes back";

/// Said before the endpoint is written.
pub(super) fn announce(act: &Act<'_>, write: &Write, look: &Look) {
    let name = &act.endpoint;
    let now = &look.facts.traffic;
    let text = match (write.cause, &write.journal, &write.traffic) {
        (Cause::Claim, Some(journal), _) => {
            format!("rollout of {} on endpoint {name}, from {now}", journal.new)
        }
        (Cause::TakeOver, Some(journal), _) => format!(
            "endpoint {name} has an unfinished rollout of {} ({} %): taking it over",
            journal.new, journal.share
        ),
        (Cause::Shift(_), _, Some(map)) => format!("traffic: {now} -> {map}"),
        (Cause::Restore, _, Some(map)) => format!("going back: traffic {now} -> {map}"),
        (Cause::Commit, _, _) => format!("endpoint {name}: {now} passed and is live"),
        (Cause::Adopt | Cause::Strand, _, _) => format!("traffic stays as it is: {now}"),
        (
            Cause::Claim | Cause::TakeOver | Cause::Shift(_) | Cause::Restore | Cause::Close,
            _,
            _,
        ) => {
            return;
        }
    };
    act.context.note(text);
}

/// For a wait that took too long.
pub(super) fn what(action: &Action, look: &Look) -> String {
    let endpoint = &look.endpoint.name;
    let new = look
        .facts
        .journal
        .as_ref()
        .map_or("", |journal| &journal.new);
    match action {
        Action::Write(_) => format!("the change of endpoint {endpoint}"),
        Action::Create => format!("the creation of deployment {new}"),
        Action::Test(_) => format!("the smoke test of deployment {new}"),
        Action::Settle(name) => format!("an operation on deployment {name}"),
        Action::ScaleDown(name) => format!("scaling deployment {name} down"),
        Action::Delete(name) | Action::Discard(name) => {
            format!("the deletion of deployment {name}")
        }
        Action::Fail(_) | Action::Refuse(_) | Action::Unchanged(_) | Action::Finished => {
            format!("the rollout on endpoint {endpoint}")
        }
    }
}

/// Somebody took the journal away.
pub(super) fn lost(act: &Act<'_>) -> Refused {
    Refused {
        message: format!(
            "somebody took the journal of this rollout (tag {ROLLOUT_TAG}) off endpoint {}",
            act.endpoint
        ),
        advice: Some(
            "nothing else may change the endpoint during a rollout: give its jobs one concurrency group"
                .to_owned(),
        ),
    }
}

/// Another rollout is at work.
pub(super) fn held(act: &Act<'_>, look: &Look) -> Refused {
    let journal = look.facts.journal.as_ref();
    let who = journal.map_or_else(String::new, |journal| {
        let left = journal
            .holder
            .until
            .saturating_sub(act.holder(std::time::Duration::ZERO).until);
        let left = crate::report::human(std::time::Duration::from_secs(left));
        format!(
            ": it brings in {} ({} %) and holds the endpoint for at most {left} more",
            journal.new, journal.share
        )
    });
    Refused {
        message: format!("another rollout is under way on endpoint {}{who}", act.endpoint),
        advice: Some(
            "wait for it. If its run is dead, start that run again, or wait until its time is up: the next rollout then goes on or goes back"
                .to_owned(),
        ),
    }
}

/// Another process of this machine is at work.
pub(super) fn taken(endpoint: &str) -> Refused {
    Refused {
        message: format!("another rollout on endpoint {endpoint} is running on this machine"),
        advice: Some("wait for it, or end it: the next rollout goes on or goes back".to_owned()),
    }
}

/// What keeps the new deployment from being brought in.
pub(super) fn fault(act: &Act<'_>, fault: Fault, look: &Look) -> anyhow::Error {
    let new = look
        .facts
        .journal
        .as_ref()
        .map_or("", |journal| &journal.new);
    match fault {
        Fault::NewUnhealthy => Refused {
            message: format!("deployment {new} has traffic and is not healthy any more"),
            advice: Some("its log says why: see the deployment in the studio".to_owned()),
        }
        .into(),
        Fault::NewLive => {
            let why = "that deployment has traffic, and a rollout makes a new one beside it: give another name, or none for blue and green";
            act.context.malformed("name", why).into()
        }
        Fault::NewMirrored => {
            let why = "mirrored traffic goes to that deployment: give another name, or end the mirroring with allocate-traffic";
            act.context.malformed("name", why).into()
        }
        Fault::NoName => {
            let why = "blue and green both have traffic: give the new deployment another name";
            act.context.malformed("name", why).into()
        }
    }
}

/// Somebody else's traffic, or a former map that cannot be had any more.
pub(super) fn gave_way(act: &Act<'_>, cause: Cause, look: &Look) -> Refused {
    let (name, now) = (&act.endpoint, &look.facts.traffic);
    let journal = look.facts.journal.as_ref();
    let message = if cause == Cause::Strand {
        let was = journal.map(|journal| journal.was.to_string());
        format!(
            "a deployment of the former traffic {} is gone from endpoint {name}: the traffic stays {now}",
            was.unwrap_or_default()
        )
    } else {
        let intended = journal.map(|journal| journal.intended().to_string());
        format!(
            "somebody else changed the traffic of endpoint {name} to {now}; the rollout had {}. It is left as it is",
            intended.unwrap_or_default()
        )
    };
    Refused {
        message,
        advice: Some("look at the endpoint, then start the rollout again: it begins from the traffic that it finds".to_owned()),
    }
}

/// Somebody changes the endpoint all the time.
pub(super) fn restless(act: &Act<'_>) -> Refused {
    Refused {
        message: format!(
            "endpoint {} is changed by somebody else again and again",
            act.endpoint
        ),
        advice: Some("give the jobs that change it one concurrency group".to_owned()),
    }
}

/// Going back, or the end, did not work out.
pub(super) fn stuck(act: &Act<'_>, end: &End) -> String {
    let (name, now) = (&act.endpoint, &end.traffic);
    match &end.journal {
        Some(journal) if end.live => format!(
            "{} is live on endpoint {name} ({now}), but the replaced deployment could not be dealt with; {FINISH}",
            journal.new
        ),
        Some(journal) if now.same(&journal.was) => {
            format!(
                "the traffic of endpoint {name} is {now} as before, but not all is tidied up; {FINISH}"
            )
        }
        Some(journal) => format!(
            "the traffic of endpoint {name} could not be put back to {}: it was last seen as {now}; {FINISH}",
            journal.was
        ),
        None => format!("endpoint {name} still has an unfinished rollout; {FINISH}"),
    }
}

/// What a signal left time for; `back` is `None` when it was not enough.
pub(super) fn signalled(act: &Act<'_>, back: Option<anyhow::Result<()>>, end: &End) {
    let (name, now) = (&act.endpoint, &end.traffic);
    match back {
        Some(Ok(())) if end.live => act.say(format!("endpoint {name} keeps {now}")),
        Some(Ok(())) => act.say(format!("the rollout went back: endpoint {name} has {now}")),
        Some(Err(error)) => act.context.warn(
            format!("the rollout on endpoint {name} is not undone yet: {error:#}; {FINISH}"),
            None,
        ),
        None => act.context.warn(
            format!("the rollout on endpoint {name} is not undone yet (last seen: {now}); the post step goes on with it, or {FINISH}"),
            None,
        ),
    }
}
