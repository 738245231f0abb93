//! Following a job to its end, whatever submitted it: the watch, the time that it may take, and what a signal does to the job.

use std::time::Duration;

use super::cancel::Arrival;
use super::submit::Submitted;
use super::watch::Ended;
use super::{Fate, cancel, watch};
use crate::azure::poll::Budget;
use crate::azure::{ArmError, Azure};
use crate::report::PhaseKind;
use crate::stage::Context;

/// How the following of a job ended.
pub(in crate::stage) enum Followed {
    /// With the job.
    Ended(Box<Ended>),
    /// With the time that the user gave.
    Late(Late),
}

/// How far the job was when the time was up.
pub(in crate::stage) struct Late {
    pub(super) state: String,
    pub(super) after: Duration,
}

/// Follows a job until it ends or the stage's `timeout` passes. A signal does to it what `fate` says, and is the error.
pub(in crate::stage) async fn follow(
    context: &Context,
    azure: &Azure,
    job: &Submitted,
    fate: Fate,
) -> anyhow::Result<Followed> {
    announce_limits(context, fate);
    let hold = context.cancel.hold();
    let watched = {
        let _phase = context.phase("waiting for the job", PhaseKind::Waiting);
        tokio::select! {
            watched = watch::watch(context, azure, job, budget(context)) => watched,
            cancelled = context.cancel.cancelled() => {
                let there = std::future::ready(Arrival::There);
                cancel::on_signal(context, azure, &job.name, fate, there).await?;
                return Err(cancelled.into());
            }
        }
    };
    match watched {
        Ok(ended) => {
            // The job is over: from here on a signal has nothing to undo and ends the stage at once.
            drop(hold);
            Ok(Followed::Ended(Box::new(ended)))
        }
        Err(ArmError::TimedOut { state, after, .. }) => Ok(Followed::Late(Late { state, after })),
        Err(error) => {
            // This step ends by itself, and the job is not the post step's to cancel: the next attempt finds it.
            cancel::settled(context)?;
            let about = format!("following job {}, which is not ended by this", job.name);
            Err(anyhow::Error::new(error).context(about))
        }
    }
}

/// Nothing ends the watch of a healthy job but the `timeout` that the user stated.
fn budget(context: &Context) -> Budget {
    context
        .inputs
        .timeout
        .map_or(Budget::Unlimited, Budget::Deadline)
}

/// Says at the start what will end the wait besides the job itself.
fn announce_limits(context: &Context, fate: Fate) {
    if let Some(timeout) = context.inputs.timeout {
        context.note(format!(
            "waiting for at most {}",
            crate::report::human(timeout)
        ));
    }
    if let Some(limit) = context.facts.time_limit {
        let known = if limit.assumed {
            "unless it is set otherwise, "
        } else {
            ""
        };
        let then = match fate {
            Fate::Cancel => "the Azure job is then cancelled, unless `on-cancel: leave` is set",
            Fate::Leave => "the Azure job then runs on, as `on-cancel: leave` asks",
        };
        context.note(format!(
            "{known}the host ends this job after {}; {then}",
            crate::report::human(limit.limit)
        ));
    }
}
