//! Cancelling the remote job when this process is told to stop, and the state that lets a post step do it instead.

use std::time::Duration;

use super::Fate;
use crate::azure::apply::ApplyError;
use crate::azure::{ArmError, Azure, jobs, poll};
use crate::stage::Context;

/// Hosts send SIGTERM 7.5 s after SIGINT; the request must be through before that.
const LIMIT: Duration = Duration::from_secs(7);
/// How long a submission under way may take to answer before the cancel request goes out all the same.
const HEAD_START: Duration = Duration::from_secs(2);
/// Between two requests to cancel a job that is not there yet.
const AGAIN: Duration = Duration::from_millis(700);

/// The name of the job that this step must not leave behind.
pub(crate) const STATE_JOB: &str = "job-name";
/// Set once nothing is left to cancel.
pub(crate) const STATE_SETTLED: &str = "job-settled";

/// Remembers the job before it exists, so that the post step can cancel it should this process be killed.
pub(in crate::stage) fn remember(context: &Context, job: &str, fate: Fate) -> anyhow::Result<()> {
    match fate {
        Fate::Cancel => Ok(context.host.save_state(STATE_JOB, job)?),
        Fate::Leave => Ok(()),
    }
}

/// The job ended, runs on by intention or was cancelled: the post step has nothing to do.
pub(super) fn settled(context: &Context) -> anyhow::Result<()> {
    Ok(context.host.save_state(STATE_SETTLED, "true")?)
}

/// What is known of a job's submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    There,
    /// The service said no: there is no job.
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

impl Arrival {
    pub(super) fn of<T>(sent: &Result<T, ApplyError>) -> Self {
        match sent {
            Ok(_) => Self::There,
            // A taken name may have been taken by an earlier try of ours.
            Err(ApplyError::Arm(ArmError::Conflict(_))) => Self::Unknown,
            Err(ApplyError::Arm(error)) if error.is_passing() => Self::Unknown,
            Err(
                ApplyError::Arm(_)
                | ApplyError::Missing(_)
                | ApplyError::Fixed { .. }
                | ApplyError::Plan(_),
            ) => Self::Refused,
        }
    }
}

/// The first thing on a signal: the cancel request goes out, then everything else. `arrival` is ready at once for a job that is
/// known to be there; while the submission is under way it is that submission, which is driven on.
pub(super) async fn on_signal(
    context: &Context,
    azure: &Azure,
    job: &str,
    fate: Fate,
    arrival: impl Future<Output = Arrival>,
) -> anyhow::Result<()> {
    let stopping = async {
        match fate {
            Fate::Cancel => stop(azure, job, arrival).await,
            Fate::Leave => Ok(match arrival.await {
                Arrival::There => Stopped::Left,
                Arrival::Refused => Stopped::Nothing,
                Arrival::Unknown => Stopped::Open,
            }),
        }
    };
    match tokio::time::timeout(LIMIT, stopping).await {
        Ok(Ok(Stopped::Cancelled)) => {
            context.note(format!("cancelled job {job}"));
            context.output("job-status", "CancelRequested")?;
            settled(context)
        }
        Ok(Ok(Stopped::Left)) => {
            context.note(format!("job {job} runs on, as `on-cancel: leave` asks"));
            settled(context)
        }
        Ok(Ok(Stopped::Nothing)) => settled(context),
        Ok(Ok(Stopped::Open)) => {
            context.warn(format!("job {job} may have been submitted"), None);
            Ok(())
        }
        Ok(Err(error)) => {
            context.warn(
                format!("job {job} could not be cancelled and may run on: {error}"),
                None,
            );
            Ok(())
        }
        Err(_elapsed) => {
            context.warn(
                format!(
                    "job {job} may run on: Azure did not answer within {} s",
                    LIMIT.as_secs()
                ),
                None,
            );
            Ok(())
        }
    }
}

/// What became of the job.
enum Stopped {
    Cancelled,
    Left,
    /// There is no job.
    Nothing,
    Open,
}

async fn stop(
    azure: &Azure,
    job: &str,
    arrival: impl Future<Output = Arrival>,
) -> Result<Stopped, ArmError> {
    tokio::pin!(arrival);
    // A cancel request that overtakes the submission finds no job, and the job would then run to its end.
    let mut arrived = tokio::time::timeout(HEAD_START, &mut arrival).await.ok();
    loop {
        if arrived == Some(Arrival::Refused) {
            return Ok(Stopped::Nothing);
        }
        match jobs::cancel_job(azure, job).await {
            Ok(_accepted) => return Ok(Stopped::Cancelled),
            Err(ArmError::NotFound(_)) if arrived == Some(Arrival::There) => {
                return Ok(Stopped::Nothing);
            }
            Err(ArmError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        match arrived {
            None => arrived = tokio::time::timeout(AGAIN, &mut arrival).await.ok(),
            Some(_) => poll::pause(AGAIN).await,
        }
    }
}
