//! `create-compute`: a cluster or another compute target; an existing one is kept, or its scale settings are updated.

use std::time::Duration;

use futures::FutureExt;
use serde::Deserialize;
use serde_json::Value;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{
    CHANGED, Context, FILE, NAME, OutputDef, Refused, SET, Shape, Stage, links, shaped, text,
};
use crate::azure::apply::{Applied, ApplyError, Execution};
use crate::azure::poll::{Budget, lro};
use crate::azure::{Address, Answer, ArmError, Azure, Call};
use crate::report::{Change, PhaseKind, Resource};
use crate::spec::plan::Target;
use crate::spec::{self, Expected, Plan};

pub static STAGE: Stage = Stage {
    name: "create-compute",
    summary: "Create a compute cluster or keep the existing one; update its scale settings",
    inputs: &[
        FILE,
        NAME,
        SET,
        text(
            "type",
            "amlcompute, computeinstance, kubernetes or virtualmachine; amlcompute when not given",
        ),
        text(
            "size",
            "VM size, for example Standard_DS3_v2; wins over the file's",
        ),
        shaped(
            "min-instances",
            Shape::Count,
            "Smallest number of nodes; wins over the file's",
        ),
        shaped(
            "max-instances",
            Shape::Count,
            "Largest number of nodes; wins over the file's",
        ),
        shaped(
            "tier",
            Shape::Choice(&["dedicated", "low_priority"]),
            "Wins over the file's",
        ),
    ],
    outputs: &[
        OutputDef {
            name: "compute-id",
            help: "ARM id of the compute target",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

/// A cluster is there in half a minute, an instance in a few (service notes 4.4); this is what is allowed without a `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Service notes 3.3.
const API_VERSION: &str = "2023-08-01-preview";

#[derive(Debug, Deserialize)]
struct Inputs {
    r#type: Option<String>,
    size: Option<String>,
    min_instances: Option<String>,
    max_instances: Option<String>,
    tier: Option<String>,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let inputs: Inputs = raw.parse()?;
    let fields = vec![
        ("type", inputs.r#type),
        ("size", inputs.size),
        ("min_instances", inputs.min_instances),
        ("max_instances", inputs.max_instances),
        ("tier", inputs.tier),
    ];
    let plan = document.plan(context, Expected::Compute, fields).await?;
    if context.inputs.dry_run {
        return document::show_plan(context, plan).await;
    }
    document::mask_secrets(context, &plan);
    let azure = context.azure()?;
    let applied = match write(context, &azure, &plan).await {
        Err(ApplyError::Arm(ArmError::Conflict(busy))) => {
            context.note(format!(
                "compute {} is busy: {}",
                name_of(&plan),
                busy.message
            ));
            {
                let _phase = context.phase("waiting until it is free", PhaseKind::Waiting);
                free(context, &azure, name_of(&plan)).await?;
            }
            write(context, &azure, &plan).await?
        }
        written => written?,
    };
    if applied.answer.is_none() {
        refuse_failed(&applied, &applied.body)?;
    }
    let body = {
        let _phase = context.phase("waiting for the compute", PhaseKind::Waiting);
        settled(context, &azure, &applied).await?
    };
    refuse_failed(&applied, &body)?;
    warn_of_errors(context, &applied.name, &body);
    context.output("compute-id", &applied.id)?;
    context.output("changed", applied.change.as_str())?;
    let link = links::compute(&*azure.cloud().await?, azure.workspace(), &applied.name);
    context.resource(Resource {
        kind: "compute".to_owned(),
        name: applied.name,
        version: None,
        change: applied.change,
        id: applied.id,
        link,
    });
    Ok(())
}

async fn write(context: &Context, azure: &Azure, plan: &Plan) -> Result<Applied, ApplyError> {
    let execution = Execution::new(azure.clone(), plan.clone(), spec::yaml_to_json);
    {
        let _phase = context.phase("looking up", PhaseKind::Working);
        execution.look_up().await?;
    }
    let _phase = context.phase("writing", PhaseKind::Working);
    execution.send(None).await
}

fn name_of(plan: &Plan) -> &str {
    match plan.requests.last().map(|request| &request.target) {
        Some(Target::Named { name, .. }) => name.as_deref().unwrap_or_default(),
        Some(
            Target::Versioned { name, .. }
            | Target::Deployment { name, .. }
            | Target::Anonymous { name, .. },
        ) => name,
        None => "",
    }
}

fn address(name: &str) -> Address {
    Address::Workspace(format!("computes/{}", Address::segment(name)))
}

/// Waits until somebody else's change to the compute is through, however it ends; what is there then is looked up anew.
async fn free(context: &Context, azure: &Azure, name: &str) -> Result<(), ArmError> {
    let ended = async {
        let first = azure.send(Call::get(address(name), API_VERSION)).await?;
        finished(context, azure, name, first).await
    };
    match ended.await {
        Ok(_) | Err(ArmError::NotFound(_) | ArmError::Api(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The resource once the service is done with it, also when somebody else's change to it is still under way.
async fn settled(context: &Context, azure: &Azure, applied: &Applied) -> Result<Value, ArmError> {
    let found = || Answer {
        status: 200,
        headers: Vec::new(),
        body: applied.body.clone(),
        request_id: None,
    };
    let first = applied.answer.clone().unwrap_or_else(found);
    Ok(finished(context, azure, &applied.name, first).await?.body)
}

async fn finished(
    context: &Context,
    azure: &Azure,
    name: &str,
    first: Answer,
) -> Result<Answer, ArmError> {
    let write = Call::put(address(name), API_VERSION, Value::Null);
    let budget = Budget::Deadline(context.timeout_or(DEFAULT_TIMEOUT));
    lro::finish(azure, &write, first, budget, &context.observer()).await
}

/// A target that exists but is broken is kept by nobody's wish.
fn refuse_failed(applied: &Applied, body: &Value) -> Result<(), Refused> {
    let state = body
        .pointer("/properties/provisioningState")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !state.eq_ignore_ascii_case("Failed") {
        return Ok(());
    }
    let errors = messages(body).join("; ");
    let what = if applied.change == Change::Unchanged {
        "exists but is in state Failed"
    } else {
        "ended in state Failed"
    };
    Err(Refused {
        message: format!("compute {} {what}: {errors}", applied.name),
        advice: Some(
            "delete it in the studio, or correct what it reports, and run the stage again"
                .to_owned(),
        ),
    })
}

/// A cluster without quota is created all the same; its errors show in the resource (service notes 18.5).
fn warn_of_errors(context: &Context, name: &str, body: &Value) {
    for message in messages(body) {
        context.warn(format!("compute {name}: {message}"), None);
    }
}

fn messages(body: &Value) -> Vec<String> {
    let lists = [
        "/properties/provisioningErrors",
        "/properties/properties/errors",
    ];
    let errors = lists
        .iter()
        .filter_map(|at| body.pointer(at)?.as_array())
        .flatten();
    errors
        .map(|error| {
            let error = error.get("error").unwrap_or(error);
            let text = |key: &str| {
                error
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            format!("{} ({})", text("message"), text("code"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_cluster_are_read_in_both_places() {
        let body = serde_json::json!({"properties": {
            "provisioningErrors": [{"error": {"code": "A", "message": "first"}}],
            "properties": {"errors": [{"code": "ClusterCoreQuotaReached", "message": "no cores"}]},
        }});
        assert_eq!(
            messages(&body),
            ["first (A)", "no cores (ClusterCoreQuotaReached)"]
        );
        assert!(
            messages(&serde_json::json!({"properties": {"provisioningErrors": null}})).is_empty()
        );
    }
}
