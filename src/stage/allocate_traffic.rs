//! `allocate-traffic`: which share of an endpoint's requests each deployment gets. Everything that can be wrong is found before
//! anything is written, and the map that was in force before is kept in a tag, for `rollback`.

use std::collections::BTreeMap;

use futures::FutureExt;
use serde::Deserialize;

use super::endpoint::{
    self, ENDPOINT_NAME, ENDPOINT_NAME_OUTPUT, ENDPOINT_TYPE, FORMER_TRAFFIC, Found, TRAFFIC, Wrong,
};
use super::inputs::{InputProblems, RawInputs};
use super::traffic::{FORMER_TRAFFIC_TAG, TrafficMap};
use super::{CHANGED, Context, InputDef, Refused, Stage, text};
use crate::azure::Azure;
use crate::azure::endpoints::{self, Endpoint, EndpointChange, Family, change_endpoint};
use crate::azure::poll::Budget;
use crate::report::{Change, PhaseKind};

pub static STAGE: Stage = Stage {
    name: "allocate-traffic",
    summary: "Set which share of an endpoint's requests each deployment gets",
    inputs: &[
        ENDPOINT_NAME,
        InputDef {
            required: true,
            ..text(
                "traffic",
                "Percent by deployment, in one line or one a line: blue=90 green=10",
            )
        },
        text(
            "mirror-traffic",
            "Percent of the requests that one deployment without live traffic gets a copy of: green=10; green=0 for none",
        ),
        ENDPOINT_TYPE,
    ],
    outputs: &[ENDPOINT_NAME_OUTPUT, TRAFFIC, FORMER_TRAFFIC, CHANGED],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    endpoint_name: String,
    traffic: String,
    mirror_traffic: Option<String>,
    endpoint_type: Option<Family>,
}

/// What somebody asks an endpoint's traffic to be.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) traffic: TrafficMap,
    /// `None` leaves it as it is, where that is possible.
    pub(crate) mirror: Option<TrafficMap>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) struct Allocated {
    pub(crate) endpoint: Endpoint,
    /// The map that `rollback` would restore.
    pub(crate) former: TrafficMap,
    pub(crate) change: Change,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let inputs: Inputs = raw.parse()?;
    let wish = read(context, &inputs)?;
    let reader = if context.inputs.dry_run {
        context.reader()?
    } else {
        Some(context.azure()?)
    };
    let Some(azure) = reader else {
        show(context, &inputs.endpoint_name, &wish);
        return Ok(());
    };
    let found =
        endpoint::find(context, &azure, &inputs.endpoint_name, inputs.endpoint_type).await?;
    let wish = check(context, &found, wish)?;
    refuse_unfit(&found, &wish.traffic)?;
    if context.inputs.dry_run {
        show(context, &inputs.endpoint_name, &wish);
        return Ok(());
    }
    let allocated = allocate(context, &azure, found.endpoint, &wish, Former::Keep).await?;
    publish(context, &azure, &allocated).await
}

/// The outputs and the report of a stage that moved traffic.
pub(crate) async fn publish(
    context: &Context,
    azure: &Azure,
    allocated: &Allocated,
) -> anyhow::Result<()> {
    let now = TrafficMap::of(&allocated.endpoint);
    context.output("endpoint-name", &allocated.endpoint.name)?;
    context.output("traffic", &now.to_string())?;
    context.output("former-traffic", &allocated.former.to_string())?;
    context.output("changed", allocated.change.as_str())?;
    context.note(format!(
        "traffic of {}: {now} (before: {})",
        allocated.endpoint.name, allocated.former
    ));
    endpoint::report(context, azure, &allocated.endpoint, allocated.change).await
}

/// What the texts of the inputs say, or everything that is wrong with them.
fn read(context: &Context, inputs: &Inputs) -> Result<Wish, InputProblems> {
    let mut wrong = Wrong::default();
    // The sums of both families are 0 or 100.
    let whole = |map: TrafficMap| map.check(Family::Online).map(|()| map);
    let traffic = TrafficMap::parse(&inputs.traffic).and_then(whole);
    let traffic = wrong.keep(context, "traffic", traffic);
    let mirror = inputs.mirror_traffic.as_deref().map(TrafficMap::parse);
    let mirror = mirror.and_then(|mirror| wrong.keep(context, "mirror-traffic", mirror));
    wrong.into_result()?;
    Ok(Wish {
        traffic: traffic.unwrap_or_default(),
        mirror,
    })
}

/// What the endpoint itself knows to be wrong; names come out as the service spells them.
fn check(context: &Context, found: &Found, wish: Wish) -> Result<Wish, InputProblems> {
    let family = found.endpoint.family;
    let mut wrong = Wrong::default();
    let mut spelled = |input: &str, map: TrafficMap| {
        let spelled = map.spelled_as(&found.names()).map_err(|unknown| {
            let each = unknown.iter().map(|name| found.unknown(name));
            each.collect::<Vec<_>>().join("; ")
        });
        wrong.keep(context, input, spelled)
    };
    let traffic = spelled("traffic", wish.traffic);
    let mirror = wish.mirror.and_then(|map| spelled("mirror-traffic", map));
    if let Some(traffic) = &traffic {
        wrong.keep(context, "traffic", traffic.check(family));
        if let Some(mirror) = &mirror {
            let fits = mirror.check_mirror(family, traffic);
            wrong.keep(context, "mirror-traffic", fits);
        }
    }
    wrong.into_result()?;
    Ok(Wish {
        traffic: traffic.unwrap_or_default(),
        mirror,
    })
}

/// Traffic is not given to what cannot serve it: a deployment that failed or is only being made, and that has none now.
pub(crate) fn refuse_unfit(found: &Found, wanted: &TrafficMap) -> Result<(), Refused> {
    let now = TrafficMap::of(&found.endpoint);
    for (name, share) in wanted.shares() {
        let Some(deployment) = found.deployment(name) else {
            continue;
        };
        let unmade = deployment.state.eq_ignore_ascii_case("Creating");
        if *share > now.share(name) && (deployment.has_failed() || unmade) {
            return Err(Refused {
                message: format!(
                    "deployment {name} of endpoint {} is in state {}: it cannot take {share} % of the requests",
                    found.endpoint.name, deployment.state
                ),
                advice: Some(
                    "wait until it is made, or make it again with create-deployment, and then move traffic there"
                        .to_owned(),
                ),
            });
        }
    }
    Ok(())
}

/// What becomes of the tag that keeps the former map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Former {
    /// It keeps the map that is changed now.
    Keep,
    /// It stays: what it holds is being restored.
    Stays,
}

/// Changes the traffic, waiting for whatever else is under way on the endpoint. Unchanged is unchanged.
pub(crate) async fn allocate(
    context: &Context,
    azure: &Azure,
    there: Endpoint,
    wish: &Wish,
    former: Former,
) -> anyhow::Result<Allocated> {
    let _phase = context.phase("moving traffic", PhaseKind::Waiting);
    let budget = Budget::Deadline(context.timeout_or(endpoints::USUAL));
    let mut before = None;
    let changed = change_endpoint(azure, there, budget, |there| {
        let Some(change) = change_of(context, there, wish, former)? else {
            return Ok(None);
        };
        if change.traffic.is_some() {
            before = Some(TrafficMap::of(there));
        }
        Ok::<_, anyhow::Error>(Some(change))
    })
    .await?;
    let kept = changed.endpoint.tags.get(FORMER_TRAFFIC_TAG);
    let kept = kept.and_then(|tag| TrafficMap::from_tag(tag).ok());
    let former = before
        .or(kept)
        .unwrap_or_else(|| TrafficMap::of(&changed.endpoint));
    Ok(Allocated {
        former,
        change: if changed.written {
            Change::Updated
        } else {
            Change::Unchanged
        },
        endpoint: changed.endpoint,
    })
}

fn change_of(
    context: &Context,
    there: &Endpoint,
    wish: &Wish,
    former: Former,
) -> anyhow::Result<Option<EndpointChange>> {
    let now = TrafficMap::of(there);
    let mirrored = TrafficMap::from(there.mirror_traffic.clone());
    let mut change = EndpointChange::default();
    if !now.same(&wish.traffic) {
        change.traffic = Some(wish.traffic.live().shares().clone());
        if former == Former::Keep {
            let tag = now.for_tag().map_err(|why| Refused {
                message: format!("the present traffic of endpoint {} could not be restored: {why}", there.name),
                advice: Some("take the deployments that get little out of the map first, in a step of its own".to_owned()),
            })?;
            change.tags = BTreeMap::from([(FORMER_TRAFFIC_TAG.to_owned(), Some(tag))]);
        }
    }
    let mirror = wish.mirror.clone().unwrap_or_else(|| {
        // The service takes no copies for a deployment that has the requests themselves.
        let fits = mirrored.check_mirror(there.family, &wish.traffic).is_ok();
        if !fits {
            let text = format!("mirror traffic {mirrored} ends: {mirrored} gets live traffic now");
            context.warn(text, None);
        }
        if fits {
            mirrored.clone()
        } else {
            TrafficMap::default()
        }
    });
    if !mirrored.same(&mirror) {
        change.mirror_traffic = Some(mirror.live().shares().clone());
    }
    let nothing = change == EndpointChange::default();
    Ok((!nothing).then_some(change))
}

/// What would be asked for; what else is in the request is what the endpoint has then.
fn show(context: &Context, endpoint: &str, wish: &Wish) {
    let mirror = wish.mirror.as_ref();
    let mirror = mirror.map_or(String::new(), |map| format!(", mirror traffic to {map}"));
    context.note(format!(
        "would set the traffic of endpoint {endpoint} to {}{mirror}",
        wish.traffic
    ));
    let mut report = context.report();
    report.notes.push("dry run: nothing was sent".to_owned());
}
