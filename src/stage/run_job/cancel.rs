//! Cancelling the remote job when this process is told to stop, and the state that lets a post step do it instead.

use std::time::Duration;

use super::Fate;
use crate::azure::{ArmError, Azure, jobs};
use crate::stage::Context;

/// Hosts send SIGTERM 7.5 s after SIGINT; the request must be through before that.
const LIMIT: Duration = Duration::from_secs(7);

/// The name of the job that this step must not leave behind.
pub(crate) const STATE_JOB: &str = "job-name";
/// Set once nothing is left to cancel.
pub(crate) const STATE_SETTLED: &str = "job-settled";

/// Remembers the job before it exists, so that the post step can cancel it should this process be killed.
pub(super) fn remember(context: &Context, job: &str, fate: Fate) -> anyhow::Result<()> {
    match fate {
        Fate::Cancel => Ok(context.host.save_state(STATE_JOB, job)?),
        Fate::Leave => Ok(()),
    }
}

/// The job ended, runs on by intention or was cancelled: the post step has nothing to do.
pub(super) fn settled(context: &Context) -> anyhow::Result<()> {
    Ok(context.host.save_state(STATE_SETTLED, "true")?)
}

/// The first thing on a signal: the cancel request goes out, then everything else.
pub(super) async fn on_signal(
    context: &Context,
    azure: &Azure,
    job: &str,
    fate: Fate,
) -> anyhow::Result<()> {
    if fate == Fate::Leave {
        context.note(format!("job {job} runs on, as `on-cancel: leave` asks"));
        return settled(context);
    }
    match tokio::time::timeout(LIMIT, jobs::cancel_job(azure, job)).await {
        Ok(Ok(_accepted)) => {
            context.note(format!("cancelled job {job}"));
            context.output("job-status", "CancelRequested")?;
            settled(context)
        }
        Ok(Err(ArmError::NotFound(_))) => settled(context),
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
                    "job {job} may run on: Azure did not answer the cancel request in {} s",
                    LIMIT.as_secs()
                ),
                None,
            );
            Ok(())
        }
    }
}
