//! `create-endpoint`: an online or batch endpoint from a YAML file. One that exists keeps its traffic, its mirror traffic, its
//! identity and our tags unless the file says otherwise: the service's PUT replaces all of it, and the file of a first day names
//! no traffic.

use std::collections::BTreeSet;

use futures::FutureExt;
use serde_json::Value;

use super::document::{self, DocumentInputs};
use super::endpoint::{self, Aim, ENDPOINT_NAME_OUTPUT, ENDPOINT_TYPE, SCORING_URI, TRAFFIC};
use super::inputs::RawInputs;
use super::traffic::{OWN_TAGS, TrafficMap};
use super::{CHANGED, Context, FILE, NAME, SET, Stage};
use crate::azure::Azure;
use crate::azure::apply::{ApplyError, Execution, same_endpoint};
use crate::azure::endpoints::{self, Endpoint, put_endpoint};
use crate::azure::poll::Budget;
use crate::report::{Change, PhaseKind};
use crate::spec::{self, Expected, Plan};

pub static STAGE: Stage = Stage {
    name: "create-endpoint",
    summary: "Create an online or batch endpoint or update it; its traffic stays as it is",
    inputs: &[FILE, NAME, SET, ENDPOINT_TYPE],
    outputs: &[ENDPOINT_NAME_OUTPUT, SCORING_URI, TRAFFIC, CHANGED],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let plan = document
        .plan(context, Expected::Endpoint, Vec::new())
        .await?;
    let stated = document.stated(context)?;
    if context.inputs.dry_run {
        let plan = with_what_stays(context, plan, &stated).await?;
        return document::show_plan(context, plan).await;
    }
    let azure = context.azure()?;
    let (endpoint, change) = create(context, &azure, plan, &stated).await?;
    context.output("endpoint-name", &endpoint.name)?;
    if let Some(uri) = &endpoint.scoring_uri {
        context.output("scoring-uri", uri)?;
    }
    context.output("traffic", &TrafficMap::of(&endpoint).to_string())?;
    context.output("changed", change.as_str())?;
    endpoint::report(context, &azure, &endpoint, change).await
}

/// Creates the endpoint or makes it what the document says. `stated` are the fields that the document says something of.
async fn create(
    context: &Context,
    azure: &Azure,
    plan: Plan,
    stated: &BTreeSet<String>,
) -> anyhow::Result<(Endpoint, Change)> {
    let Aim {
        family, endpoint, ..
    } = Aim::of(&plan)?;
    let execution = Execution::new(azure.clone(), plan, spec::yaml_to_json);
    let (there, asked) = {
        let _phase = context.phase("looking up", PhaseKind::Working);
        let there = async { Ok(endpoints::endpoint(azure, family, &endpoint).await?) };
        futures::try_join!(there, execution.last_body()).map_err(|error: ApplyError| error)?
    };
    if let Some(there) = there.as_ref().filter(|there| there.is_busy()) {
        context.note(format!(
            "{} endpoint {endpoint} is busy ({}); waiting until it is free",
            family.as_str(),
            there.state
        ));
    }
    let budget = Budget::Deadline(context.timeout_or(endpoints::USUAL));
    // As it was before the first write, whose answer may be lost.
    let mut existed = None;
    let (now, written) = {
        let _phase = context.phase("writing and waiting", PhaseKind::Waiting);
        put_endpoint(azure, family, &endpoint, there, budget, |there| {
            existed.get_or_insert(there.is_some());
            body(there, &asked, stated)
        })
        .await?
    };
    let now = now.ok_or_else(|| anyhow::anyhow!("nothing was written and nothing is there"))?;
    let change = match (existed, written) {
        (_, false) => Change::Unchanged,
        (Some(false), true) => Change::Created,
        (Some(true) | None, true) => Change::Updated,
    };
    Ok((now, change))
}

/// What to write: everything for a new endpoint, what the document says for one that is there, nothing when that is so already.
fn body(
    there: Option<&Endpoint>,
    asked: &Value,
    stated: &BTreeSet<String>,
) -> anyhow::Result<Option<Value>> {
    let Some(there) = there else {
        return Ok(Some(asked.clone()));
    };
    endpoint::refuse_failed(there)?;
    let body = what_stays(there, asked, stated);
    let same = same_endpoint(there.family, &body, &there.body);
    Ok((!same).then_some(body))
}

fn what_stays(there: &Endpoint, asked: &Value, stated: &BTreeSet<String>) -> Value {
    let says = |field: &str| stated.contains(field);
    endpoints::updated(there.family, &there.body, asked, &says, OWN_TAGS)
}

/// A dry run shows what would stay, where it may look.
async fn with_what_stays(
    context: &Context,
    mut plan: Plan,
    stated: &BTreeSet<String>,
) -> anyhow::Result<Plan> {
    let Some(azure) = context.reader()? else {
        return Ok(plan);
    };
    let aim = Aim::of(&plan)?;
    // What cannot be read is said when the plan is shown.
    if let Ok(Some(there)) = endpoints::endpoint(&azure, aim.family, &aim.endpoint).await
        && let Some(last) = plan.requests.last_mut()
    {
        last.body = what_stays(&there, &last.body, stated);
    }
    Ok(plan)
}
