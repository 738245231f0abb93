//! `create-deployment`: a deployment of an online or batch endpoint from a YAML file, made or updated in place and followed until
//! it is provisioned. Never touches traffic: which share of the requests it gets is `allocate-traffic`'s and `rollout`'s.

mod cause;
mod failed;

use std::time::Duration;

use futures::FutureExt;
use serde::Deserialize;

use self::failed::explained;
use super::document::{self, DocumentInputs};
use super::endpoint::{self, Aim, ENDPOINT_NAME, ENDPOINT_NAME_OUTPUT, ENDPOINT_TYPE, SCORING_URI};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, InputDef, NAME, OutputDef, Refused, SET, Stage, links};
use crate::azure::apply::{Applied, ApplyError, Execution};
use crate::azure::endpoints::{
    self, Deployment, Endpoint, Family, finish_deployment, settled_deployment, wait_until_free,
};
use crate::azure::poll::Budget;
use crate::azure::{ArmError, Azure};
use crate::report::{Change, PhaseKind, Resource};
use crate::spec::{self, Expected, Plan};

pub static STAGE: Stage = Stage {
    name: "create-deployment",
    summary: "Create a deployment of an endpoint or update it in place; no traffic is moved",
    inputs: &[
        FILE,
        NAME,
        InputDef {
            required: false,
            help: "Endpoint that it belongs to; wins over the file's",
            ..ENDPOINT_NAME
        },
        SET,
        ENDPOINT_TYPE,
    ],
    outputs: &[ENDPOINT_NAME_OUTPUT, DEPLOYMENT_NAME, SCORING_URI, CHANGED],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

pub(crate) const DEPLOYMENT_NAME: OutputDef = OutputDef {
    name: "deployment-name",
    help: "Name of the deployment",
};

/// A deployment takes about ten minutes, and an image that must be built first as long again (service notes 4.4); this is what is
/// allowed without a `timeout`.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Deserialize)]
struct Inputs {
    endpoint_name: Option<String>,
}

/// A deployment that is provisioned.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    /// As it was before the deployment was written.
    pub(crate) endpoint: Endpoint,
    pub(crate) deployment: Deployment,
    pub(crate) change: Change,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let inputs: Inputs = raw.parse()?;
    let fields = vec![("endpoint_name", inputs.endpoint_name)];
    let plan = document.plan(context, Expected::Deployment, fields).await?;
    if context.inputs.dry_run {
        return document::show_plan(context, plan).await;
    }
    document::mask_secrets(context, &plan);
    let azure = context.azure()?;
    let aim = Aim::of(&plan)?;
    context.output("endpoint-name", &aim.endpoint)?;
    context.output(
        "deployment-name",
        aim.deployment.as_deref().unwrap_or_default(),
    )?;
    let limit = context.timeout_or(DEFAULT_TIMEOUT);
    let deployed = deploy(context, &azure, plan, limit).await?;
    if let Some(uri) = &deployed.endpoint.scoring_uri {
        context.output("scoring-uri", uri)?;
    }
    context.output("changed", deployed.change.as_str())?;
    report(context, &azure, &deployed).await
}

async fn report(context: &Context, azure: &Azure, deployed: &Deployed) -> anyhow::Result<()> {
    let endpoint = &deployed.endpoint;
    let link = links::endpoint(
        &*azure.cloud().await?,
        azure.workspace(),
        endpoint.family,
        &endpoint.name,
    );
    context.resource(Resource {
        kind: format!("{} deployment", endpoint.family.as_str()),
        name: deployed.deployment.name.clone(),
        version: None,
        change: deployed.change,
        id: deployed.deployment.id.clone(),
        link,
    });
    Ok(())
}

/// Makes the deployment that a plan ends with, or updates it in place, and follows it until it is provisioned; all of it within
/// `limit`. The endpoint must exist. One that fails or is late has its log shown, and stays as the service left it: what becomes
/// of it is the caller's to decide.
pub(crate) async fn deploy(
    context: &Context,
    azure: &Azure,
    plan: Plan,
    limit: Duration,
) -> anyhow::Result<Deployed> {
    let aim = Aim::of(&plan)?;
    let start = azure.clock().elapsed();
    let left = || Budget::Deadline(limit).after(azure.clock().elapsed().saturating_sub(start));
    let (mut intent, mut conflicts) = (None, 0_u32);
    loop {
        let execution = Execution::new(azure.clone(), plan.clone(), spec::yaml_to_json);
        let endpoint = look_up(context, azure, &aim, &execution, left()).await?;
        let intent = *intent.get_or_insert(execution.expected_change());
        let sent = {
            let _phase = context.phase("uploading and writing", PhaseKind::Working);
            execution.send(None).await
        };
        let applied = match sent {
            Ok(applied) => applied,
            Err(ApplyError::Arm(refused)) => {
                let free = free(context, azure, &aim, &refused, left()).await?;
                // An operation that ended before we looked: once, or it is no operation.
                let again = conflicts == 0 && matches!(refused, ArmError::Conflict(_));
                conflicts += u32::from(again);
                if free || again {
                    continue;
                }
                return Err(explained(context, azure, &aim, refused).await);
            }
            Err(error) => return Err(error.into()),
        };
        // Found done after a refusal: the first sending was taken, and its answer lost.
        let change = match (applied.change, intent) {
            (Change::Unchanged, Some(intent)) => intent,
            (change, _) => change,
        };
        note_live(context, &endpoint, &applied);
        let deployment = {
            let _phase = context.phase("waiting for the deployment", PhaseKind::Waiting);
            follow(context, azure, &aim, applied, left()).await?
        };
        return Ok(Deployed {
            endpoint,
            deployment,
            change,
        });
    }
}

/// Everything that can be found out before anything is uploaded or written.
async fn look_up(
    context: &Context,
    azure: &Azure,
    aim: &Aim,
    execution: &Execution,
    budget: Budget,
) -> anyhow::Result<Endpoint> {
    let (family, name) = (aim.family, &aim.endpoint);
    let there = {
        let _phase = context.phase("looking up", PhaseKind::Working);
        let (there, looked_up) = futures::join!(
            endpoints::endpoint(azure, family, name),
            execution.look_up()
        );
        // Without its endpoint nothing else of a deployment is worth a word.
        let there = there?.ok_or_else(|| absent(azure, aim))?;
        looked_up?;
        there
    };
    let there = if there.is_busy() {
        context.note(format!(
            "{} endpoint {name} is busy ({}); waiting until it is free",
            family.as_str(),
            there.state
        ));
        let _phase = context.phase("waiting until the endpoint is free", PhaseKind::Waiting);
        let freed = wait_until_free(azure, family, name, budget).await?;
        freed.ok_or_else(|| absent(azure, aim))?
    } else {
        there
    };
    endpoint::refuse_failed(&there)?;
    Ok(there)
}

fn absent(azure: &Azure, aim: &Aim) -> Refused {
    Refused {
        message: format!(
            "{} endpoint {} does not exist in workspace {}",
            aim.family.as_str(),
            aim.endpoint,
            azure.workspace().name
        ),
        advice: Some(
            "make it with create-endpoint first, or correct endpoint-name (and endpoint-type)"
                .to_owned(),
        ),
    }
}

/// Waits for the operation that a write was refused for; false when there is none, and the refusal is about the write itself.
async fn free(
    context: &Context,
    azure: &Azure,
    aim: &Aim,
    refused: &ArmError,
    budget: Budget,
) -> Result<bool, ArmError> {
    if !endpoints::may_be_busy(refused) {
        return Ok(false);
    }
    let (family, endpoint) = (aim.family, &aim.endpoint);
    let name = aim.deployment.as_deref().unwrap_or_default();
    let (there, deployment) = futures::try_join!(
        endpoints::endpoint(azure, family, endpoint),
        endpoints::deployment(azure, family, endpoint, name)
    )?;
    let _phase = context.phase("waiting until it is free", PhaseKind::Waiting);
    if there.is_some_and(|there| there.is_busy()) {
        context.note(format!("{} endpoint {endpoint} is busy", family.as_str()));
        wait_until_free(azure, family, endpoint, budget).await?;
        return Ok(true);
    }
    if deployment.is_some_and(|deployment| deployment.is_busy()) {
        context.note(format!("deployment {name} is busy"));
        settled_deployment(azure, family, endpoint, name, budget).await?;
        return Ok(true);
    }
    Ok(false)
}

/// An update in place is what was asked for; that it changes what answers requests right now is worth a line.
fn note_live(context: &Context, endpoint: &Endpoint, applied: &Applied) {
    let share = endpoint.traffic.get(&applied.name).copied();
    if let (Change::Updated, Some(share)) = (applied.change, share.filter(|share| *share > 0)) {
        context.note(format!(
            "deployment {} has {share} % of the requests of {} and is updated in place",
            applied.name, endpoint.name
        ));
    }
}

async fn follow(
    context: &Context,
    azure: &Azure,
    aim: &Aim,
    applied: Applied,
    budget: Budget,
) -> anyhow::Result<Deployment> {
    let (family, endpoint) = (aim.family, &aim.endpoint);
    let Some(first) = applied.answer else {
        return Ok(Deployment::parse(family, endpoint, applied.body));
    };
    let finished = finish_deployment(azure, family, endpoint, &applied.name, first, budget);
    match Box::pin(finished).await {
        Ok(deployment) => Ok(deployment),
        Err(error) => Err(explained(context, azure, aim, error).await),
    }
}

/// The noun and name for messages: `deployment green of endpoint taxi`.
fn named(aim: &Aim) -> String {
    let kind = match aim.family {
        Family::Online => "deployment",
        Family::Batch => "batch deployment",
    };
    let name = aim.deployment.as_deref().unwrap_or_default();
    format!("{kind} {name} of endpoint {}", aim.endpoint)
}
