//! `rollout`: a new deployment beside the old one, tested, given the traffic in steps, and taken back when anything goes wrong.
//!
//! A journal in a tag of the endpoint says what is under way; `decide` is a pure function from what is there to the next thing to
//! do, and `drive` does one after another. Killed anywhere, the next run finds where it was. Knows no request to a model.

mod act;
mod claim;
mod decide;
mod drive;
mod inputs;
mod journal;
mod live;
mod newcomer;
mod report;
mod shares;
mod undo;
mod words;

use std::time::Duration;

use futures::FutureExt;

use self::act::Act;
use self::claim::Claim;
use self::decide::{Naming, Roll, Wish};
use self::drive::Drive;
use self::inputs::{Asked, OLD_DEPLOYMENT, PAUSE, STEPS};
use self::journal::{Journal, Phase};
use self::live::Live;
use super::endpoint::{ENDPOINT_NAME, ENDPOINT_NAME_OUTPUT, ENDPOINT_TYPE};
use super::inputs::RawInputs;
use super::smoke_test::{
    CALLS, EXPECT, EXPECT_SCHEMA, EXPECT_STATUS, INPUT, INPUT_TYPE, MAX_LATENCY, REQUEST,
    REQUEST_FILE,
};
use super::traffic::TrafficMap;
use super::{CHANGED, Context, FILE, InputDef, NAME, OutputDef, SET, Stage, document};
use crate::azure::endpoints::Family;
use crate::azure::{Azure, poll};

pub(crate) use self::undo::{Interrupted, interrupted, undo};

pub static STAGE: Stage = Stage {
    name: "rollout",
    summary: "Bring in a new deployment step by step, and go back when it fails",
    inputs: &[
        FILE,
        InputDef {
            help: "Name of the new deployment; never one that has traffic. The file's, or blue or green, when not given",
            ..NAME
        },
        SET,
        InputDef {
            required: false,
            help: "Endpoint that the deployment belongs to; wins over the file's",
            ..ENDPOINT_NAME
        },
        ENDPOINT_TYPE,
        STEPS,
        PAUSE,
        OLD_DEPLOYMENT,
        REQUEST_FILE,
        REQUEST,
        INPUT,
        INPUT_TYPE,
        EXPECT_STATUS,
        EXPECT,
        EXPECT_SCHEMA,
        MAX_LATENCY,
        CALLS,
    ],
    outputs: &[
        ENDPOINT_NAME_OUTPUT,
        OutputDef {
            name: "deployment-name",
            help: "The deployment that is live at the end, whichever way it went",
        },
        OutputDef {
            name: "traffic",
            help: "The endpoint's traffic at the end",
        },
        OutputDef {
            name: "former-traffic",
            help: "The endpoint's traffic before",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

/// A lock outlives its process by the moment that another one, just forked, takes to let go of it: seconds on a busy machine.
const TRIES: u32 = 50;
const AGAIN: Duration = Duration::from_millis(100);

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let asked = Asked::parse(context, &raw)?;
    let live = Live::parse(context, &raw).await?;
    asked.check(context, live.family())?;
    if context.inputs.dry_run {
        return document::show_plan(context, live.into_plan()).await;
    }
    let azure = context.azure()?;
    let (family, endpoint) = (live.family(), live.endpoint().to_owned());
    let roll = Roll {
        naming: match live.asked_name() {
            Some(name) => Naming::Fixed(name.to_owned()),
            None => Naming::Free(live.written_name().map(str::to_owned)),
        },
        body: live.digest(&azure).await?,
        steps: match family {
            Family::Online => asked.steps.clone(),
            // Its traffic is its default deployment.
            Family::Batch => vec![100],
        },
        old: asked.old,
    };
    let newcomer = live.with(context, &azure, roll.body.clone());
    let claim = claim(context, &azure, family, &endpoint, None).await?;
    undo::remember(context, family, &endpoint, claim.by())?;
    let mut act = Act::new(context, azure, (family, endpoint), claim);
    act.newcomer = Some(&newcomer);
    act.pause = asked.pause;
    let ended = Box::pin(Drive::new(&act, Wish::Forward(roll), asked.timeout).run()).await?;
    undo::settled(context)?;
    report::show(&act, ended)
}

/// The claim of this process on an endpoint.
async fn claim(
    context: &Context,
    azure: &Azure,
    family: Family,
    endpoint: &str,
    by: Option<String>,
) -> anyhow::Result<Claim> {
    let cloud = azure.cloud().await?;
    // Two clouds, or an emulator beside one, may have endpoints of the same id.
    let whole = format!(
        "{}{}/{}/{endpoint}",
        cloud.arm,
        azure.workspace(),
        family.collection()
    );
    for _ in 1..TRIES {
        if let Ok(claim) = Claim::new(&context.facts, &whole, by.clone()) {
            return Ok(claim);
        }
        poll::pause(AGAIN).await;
    }
    Ok(Claim::new(&context.facts, &whole, by).map_err(|_taken| words::taken(endpoint))?)
}

/// The map that an unfinished rollout began from, by its tag: what going back means while there is one.
pub(in crate::stage) fn began_from(tag: &str) -> Option<TrafficMap> {
    let journal: Journal = tag.parse().ok()?;
    (journal.phase != Phase::Done).then_some(journal.was)
}
