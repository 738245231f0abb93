//! What a step remembers of its rollout, and the post part that brings an interrupted one to an end: back where it can go back,
//! else through.

use std::time::Duration;

use super::act::Act;
use super::decide::Wish;
use super::drive::Drive;
use crate::azure::endpoints::Family;
use crate::host::Host;
use crate::stage::Context;

const STATE_ENDPOINT: &str = "rollout-endpoint";
const STATE_FAMILY: &str = "rollout-family";
const STATE_BY: &str = "rollout-by";
/// Set once nothing is left to undo.
const STATE_SETTLED: &str = "rollout-settled";

/// Remembers the rollout before it begins, so that the post step can undo it should this process be killed.
pub(super) fn remember(
    context: &Context,
    family: Family,
    endpoint: &str,
    by: &str,
) -> anyhow::Result<()> {
    let host = &context.host;
    host.save_state(STATE_ENDPOINT, endpoint)?;
    host.save_state(STATE_FAMILY, family.as_str())?;
    host.save_state(STATE_BY, by)?;
    Ok(())
}

/// The rollout came to an end, good or bad.
pub(super) fn settled(context: &Context) -> anyhow::Result<()> {
    Ok(context.host.save_state(STATE_SETTLED, "true")?)
}

/// What an interrupted step left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interrupted {
    pub(crate) endpoint: String,
    family: Family,
    by: String,
}

/// The rollout that a step of this host left unfinished.
pub(crate) fn interrupted(host: &dyn Host) -> Option<Interrupted> {
    if host.state(STATE_SETTLED).is_some() {
        return None;
    }
    let family = match host.state(STATE_FAMILY)?.as_str() {
        "batch" => Family::Batch,
        _ => Family::Online,
    };
    Some(Interrupted {
        endpoint: host.state(STATE_ENDPOINT)?,
        family,
        by: host.state(STATE_BY)?,
    })
}

/// Brings it to an end. What does not fit into `time` is left to the next run.
pub(crate) async fn undo(
    context: &Context,
    left: Interrupted,
    time: Duration,
) -> anyhow::Result<()> {
    let azure = context.azure()?;
    let Interrupted {
        endpoint,
        family,
        by,
    } = left;
    let claim = super::claim(context, &azure, family, &endpoint, Some(by)).await?;
    let act = Act::new(context, azure, (family, endpoint), claim);
    let end = Box::pin(Drive::new(&act, Wish::Undo, time).run()).await?;
    act.say(format!(
        "endpoint {} has the traffic {}",
        act.endpoint, end.traffic
    ));
    Ok(())
}
