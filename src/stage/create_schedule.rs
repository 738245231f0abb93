//! `create-schedule`: a schedule from a YAML file; one that is as asked is left alone.

use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, OutputDef, Refused, SET, Stage};
use crate::azure::apply::{Applied, Execution};
use crate::azure::poll::{Budget, lro};
use crate::azure::{Address, Azure, Call};
use crate::report::{PhaseKind, Resource};
use crate::spec::{self, Expected};

pub static STAGE: Stage = Stage {
    name: "create-schedule",
    summary: "Create a schedule that starts a pipeline, an import of data or a monitor, or update it",
    inputs: &[FILE, NAME, SET],
    outputs: &[
        OutputDef {
            name: "schedule-name",
            help: "Name of the schedule",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

/// A schedule is there in seconds (service notes 17); this is what is allowed without a `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Service notes 3.3.
const API_VERSION: &str = "2023-06-01-preview";

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let plan = document.plan(context, Expected::Schedule, vec![]).await?;
    if context.inputs.dry_run {
        return document::show_plan(context, plan).await;
    }
    document::mask_secrets(context, &plan);
    let azure = context.azure()?;
    let execution = Execution::new(azure.clone(), plan, spec::yaml_to_json);
    {
        let _phase = context.phase("looking up", PhaseKind::Working);
        execution.look_up().await?;
    }
    let applied = {
        let _phase = context.phase("writing", PhaseKind::Working);
        execution.send(None).await?
    };
    let body = {
        let _phase = context.phase("waiting for the schedule", PhaseKind::Waiting);
        settled(context, &azure, &applied).await?
    };
    refuse_failed(&applied, &body)?;
    context.output("schedule-name", &applied.name)?;
    context.output("changed", applied.change.as_str())?;
    context.resource(Resource {
        kind: "schedule".to_owned(),
        name: applied.name,
        version: None,
        change: applied.change,
        id: applied.id,
        link: None,
    });
    Ok(())
}

/// The schedule once the service is done with it.
async fn settled(context: &Context, azure: &Azure, applied: &Applied) -> anyhow::Result<Value> {
    let Some(first) = applied.answer.clone() else {
        return Ok(applied.body.clone());
    };
    let name = Address::segment(&applied.name);
    let address = Address::Workspace(format!("schedules/{name}"));
    let write = Call::put(address, API_VERSION, Value::Null);
    let budget = Budget::Deadline(context.timeout_or(DEFAULT_TIMEOUT));
    let answer = lro::finish(azure, &write, first, budget, &context.observer()).await?;
    Ok(answer.body)
}

/// One that is there and broken is kept by nobody's wish.
fn refuse_failed(applied: &Applied, body: &Value) -> Result<(), Refused> {
    let state = &body["properties"]["provisioningState"];
    let failed = |state: &str| {
        ["Failed", "Canceled"]
            .iter()
            .any(|bad| state.eq_ignore_ascii_case(bad))
    };
    let Some(state) = state.as_str().filter(|state| failed(state)) else {
        return Ok(());
    };
    Err(Refused {
        message: format!("schedule {} is in state {state}", applied.name),
        advice: Some("delete it in the studio and run the stage again".to_owned()),
    })
}
