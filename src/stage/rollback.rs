//! `rollback`: puts the traffic of an endpoint back to the map that was in force before it was last changed, as a tag of the
//! endpoint keeps it.

use futures::FutureExt;
use serde::Deserialize;

use super::allocate_traffic::{self, Former, Wish, allocate, refuse_unfit};
use super::endpoint::{
    self, ENDPOINT_NAME, ENDPOINT_NAME_OUTPUT, ENDPOINT_TYPE, FORMER_TRAFFIC, Found, TRAFFIC,
};
use super::inputs::RawInputs;
use super::traffic::{FORMER_TRAFFIC_TAG, ROLLOUT_TAG, TrafficMap};
use super::{CHANGED, Context, Refused, Stage, rollout};
use crate::azure::endpoints::Family;

pub static STAGE: Stage = Stage {
    name: "rollback",
    summary: "Put an endpoint's traffic back to what it was before the last change",
    inputs: &[ENDPOINT_NAME, ENDPOINT_TYPE],
    outputs: &[ENDPOINT_NAME_OUTPUT, TRAFFIC, FORMER_TRAFFIC, CHANGED],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    endpoint_name: String,
    endpoint_type: Option<Family>,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let inputs: Inputs = raw.parse()?;
    let reader = if context.inputs.dry_run {
        context.reader()?
    } else {
        Some(context.azure()?)
    };
    let Some(azure) = reader else {
        let name = &inputs.endpoint_name;
        context.note(format!("would put the traffic of endpoint {name} back to what its tag {FORMER_TRAFFIC_TAG} says"));
        return Ok(());
    };
    let found =
        endpoint::find(context, &azure, &inputs.endpoint_name, inputs.endpoint_type).await?;
    let traffic = former(&found)?;
    refuse_unfit(&found, &traffic)?;
    if context.inputs.dry_run {
        let name = &found.endpoint.name;
        context.note(format!(
            "would put the traffic of endpoint {name} back to {traffic}"
        ));
        return Ok(());
    }
    let wish = Wish {
        traffic,
        mirror: None,
    };
    let allocated = allocate(context, &azure, found.endpoint, &wish, Former::Stays).await?;
    allocate_traffic::publish(context, &azure, &allocated).await
}

/// The map to go back to, if there is one and all of it is still there.
fn former(found: &Found) -> Result<TrafficMap, Refused> {
    let endpoint = &found.endpoint;
    let by_hand =
        "set the traffic with allocate-traffic, which says what there is to choose from".to_owned();
    // During a rollout, or after one that was cut off, the map to go back to is the one that it began from.
    let unfinished = endpoint.tags.get(ROLLOUT_TAG);
    let unfinished = unfinished.and_then(|tag| rollout::began_from(tag)?.for_tag().ok());
    let Some(tag) = unfinished
        .as_ref()
        .or(endpoint.tags.get(FORMER_TRAFFIC_TAG))
    else {
        return Err(Refused {
            message: format!(
                "endpoint {} has no record of a former traffic map (tag {FORMER_TRAFFIC_TAG}): nothing to go back to; it has {}",
                endpoint.name,
                TrafficMap::of(endpoint)
            ),
            advice: Some(by_hand),
        });
    };
    let read = TrafficMap::from_tag(tag).and_then(|map| {
        // A batch endpoint that had no default deployment cannot be left without one again.
        map.check(endpoint.family)?;
        Ok(map)
    });
    let map = read.map_err(|why| Refused {
        message: format!(
            "the former traffic map of endpoint {} ({tag:?}) cannot be restored: {why}",
            endpoint.name
        ),
        advice: Some(by_hand.clone()),
    })?;
    map.spelled_as(&found.names()).map_err(|gone| Refused {
        message: format!(
            "the former traffic map of endpoint {} is {map}, and {} is not there any more; traffic stays {}",
            endpoint.name,
            gone.join(", "),
            TrafficMap::of(endpoint)
        ),
        advice: Some(by_hand),
    })
}
