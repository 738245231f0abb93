//! The step's post part: cancels the job that an interrupted step left running, and brings its rollout to an end. Does nothing
//! after a step that ended by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::azure::{ArmError, jobs};
use crate::cancel::Cancel;
use crate::event::Event;
use crate::host::Host;
use crate::run;
use crate::stage::run_job::cancel::{STATE_JOB, STATE_SETTLED};
use crate::stage::{rollout, run_job};

/// A cancelled job on a CI host has five minutes in all; this must not eat them.
const LIMIT: Duration = Duration::from_secs(60);

/// The exit code is 0 also when the job could not be cancelled: the step has failed already, and this only tidies up.
pub async fn run(host: &Arc<dyn Host>) -> anyhow::Result<()> {
    if let Some(left) = rollout::interrupted(host.as_ref()) {
        undo(host, left).await?;
    }
    let Some(job) = host.state(STATE_JOB) else {
        return Ok(());
    };
    if host.state(STATE_SETTLED).is_some() {
        return Ok(());
    }
    host.emit(&Event::Note {
        text: &format!("the step was interrupted: cancelling job {job}"),
    })?;
    let context = run::prepare(host, &run_job::STAGE, &Cancel::default())?.0;
    let azure = context.azure()?;
    match tokio::time::timeout(LIMIT, jobs::cancel_job(&azure, &job)).await {
        Ok(Ok(_accepted)) => context.note(format!("cancelled job {job}")),
        Ok(Err(ArmError::NotFound(_))) => context.note(format!("job {job} was never submitted")),
        Ok(Err(error)) => context.warn(format!("job {job} may run on: {error}"), None),
        Err(_elapsed) => context.warn(
            format!("job {job} may run on: no answer in {} s", LIMIT.as_secs()),
            None,
        ),
    }
    Ok(())
}

async fn undo(host: &Arc<dyn Host>, left: rollout::Interrupted) -> anyhow::Result<()> {
    let endpoint = left.endpoint.clone();
    host.emit(&Event::Note {
        text: &format!("the step was interrupted: its rollout on endpoint {endpoint} is undone"),
    })?;
    let context = run::prepare(host, &rollout::STAGE, &Cancel::default())?.0;
    // Whatever is not done by then is on record, and the next run goes on with it.
    let undoing = rollout::undo(&context, left, LIMIT);
    let failed = match tokio::time::timeout(LIMIT, undoing).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_elapsed) => format!("not done in {} s", LIMIT.as_secs()),
    };
    context.warn(
        format!("the rollout on endpoint {endpoint} is not undone yet: {failed}; the next run of it goes on with that"),
        None,
    );
    Ok(())
}
