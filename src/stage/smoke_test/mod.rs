//! `smoke-test`: asks an endpoint something and judges what comes back. [`probe`] is the test itself, which `rollout` makes too.

mod batch;
mod inputs;
mod online;
mod show;

use futures::FutureExt;
use serde::Deserialize;

pub(crate) use self::inputs::{
    Ask, CALLS, EXPECT, EXPECT_SCHEMA, EXPECT_STATUS, INPUT, INPUT_TYPE, MAX_LATENCY, REQUEST,
    REQUEST_FILE, SmokeInputs,
};
use super::inputs::{InputProblems, RawInputs, nearest};
use super::{Context, InputDef, OutputDef, Refused, Shape, Stage, shaped, text};
use crate::azure::Azure;
use crate::azure::endpoints::{self, Deployment, Endpoint, Family};
use crate::report::{PhaseKind, SmokeTest};

pub static STAGE: Stage = Stage {
    name: "smoke-test",
    summary: "Send a request to a deployment and judge the answer; batch: invoke, follow, check the output",
    inputs: &[
        InputDef {
            required: true,
            ..text("endpoint-name", "Endpoint to test")
        },
        text(
            "deployment-name",
            "Deployment to test, whatever its share of the traffic; the endpoint's choice when not given",
        ),
        shaped(
            "endpoint-type",
            Shape::Choice(&["online", "batch"]),
            "Kind of the endpoint; batch when `input` is given, else online",
        ),
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
        OutputDef {
            name: "response",
            help: "Body of the last answer of an online endpoint",
        },
        OutputDef {
            name: "job-name",
            help: "Name of the job that a batch endpoint began",
        },
        OutputDef {
            name: "job-status",
            help: "State of that job when the stage ended",
        },
        OutputDef {
            name: "studio-url",
            help: "That job in Azure Machine Learning studio",
        },
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    endpoint_name: String,
    deployment_name: Option<String>,
    endpoint_type: Option<String>,
    input: Option<String>,
}

/// How a test went. What was sent and what came back of a failed one was shown already.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) test: SmokeTest,
    /// What to do about a failure, where something can be said.
    pub(crate) advice: Option<String>,
}

impl Probed {
    /// A failed test as the stage's error: exit code 1, every broken rule with what was found.
    pub(crate) fn into_result(self) -> Result<SmokeTest, Refused> {
        let Self { test, advice } = self;
        if test.passed {
            return Ok(test);
        }
        let broken: Vec<_> = test
            .checks
            .iter()
            .filter(|check| !check.passed)
            .map(|check| {
                let found = check.found.as_deref().unwrap_or("not so");
                format!("expected {}, found {found}", check.rule)
            })
            .collect();
        Err(Refused {
            message: format!(
                "smoke test of {} failed: {}",
                test.target(),
                broken.join("; ")
            ),
            advice,
        })
    }
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let inputs: Inputs = raw.parse()?;
    let family = match inputs.endpoint_type.as_deref() {
        Some("batch") => Family::Batch,
        None if inputs.input.is_some() => Family::Batch,
        Some(_) | None => Family::Online,
    };
    let smoke = SmokeInputs::read(context, &raw, family).await?;
    let deployment = inputs.deployment_name.as_deref();
    if context.inputs.dry_run {
        return show::plan(context, family, &inputs.endpoint_name, deployment, &smoke);
    }
    let azure = context.azure()?;
    let testing = async {
        let endpoint = {
            let _phase = context.phase("looking up", PhaseKind::Working);
            find(context, &azure, family, &inputs.endpoint_name, deployment).await?
        };
        probe(context, &azure, &endpoint, deployment, &smoke).await
    };
    let probed = match family {
        Family::Online => context.within("the smoke test", testing).await?,
        // The job has the time that the user gave, and what becomes of it then is said.
        Family::Batch => testing.await?,
    };
    let test = probed.into_result()?;
    context.note(format!("smoke test of {} passed", test.target()));
    Ok(())
}

/// Tests a deployment, shows how it went, and adds it to the report. A failed test is no error; one that could not be made is.
/// Online, the deployment is called by name whatever its share of the traffic; without one the traffic decides.
pub(crate) async fn probe(
    context: &Context,
    azure: &Azure,
    endpoint: &Endpoint,
    deployment: Option<&str>,
    inputs: &SmokeInputs,
) -> anyhow::Result<Probed> {
    let probed = match &inputs.ask {
        Ask::Request(payload) => {
            online::test(context, azure, endpoint, deployment, payload, inputs).await?
        }
        Ask::Job(given, plan) => {
            batch::test(context, azure, endpoint, deployment, (given, plan)).await?
        }
    };
    context.report().smoke_tests.push(probed.test.clone());
    Ok(probed)
}

/// The endpoint, and that the deployment is one of its own.
async fn find(
    context: &Context,
    azure: &Azure,
    family: Family,
    name: &str,
    deployment: Option<&str>,
) -> anyhow::Result<Endpoint> {
    let known = async {
        match deployment {
            Some(_) => endpoints::deployments(azure, family, name).await,
            None => Ok(Vec::new()),
        }
    };
    let (endpoint, known) = futures::try_join!(endpoints::endpoint(azure, family, name), known)?;
    let Some(endpoint) = endpoint else {
        let why = format!("the workspace has no {} endpoint `{name}`", family.as_str());
        return Err(context.malformed("endpoint-name", why).into());
    };
    if let Some(deployment) = deployment {
        check_deployment(context, name, deployment, &known)?;
    }
    Ok(endpoint)
}

fn check_deployment(
    context: &Context,
    endpoint: &str,
    deployment: &str,
    known: &[Deployment],
) -> Result<(), InputProblems> {
    let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
    if names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(deployment))
    {
        return Ok(());
    }
    let has = if names.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has: {}", names.join(", "))
    };
    let meant =
        nearest(deployment, names).map_or(String::new(), |name| format!("; did you mean {name}?"));
    let why = format!("endpoint {endpoint} has no deployment `{deployment}`; {has}{meant}");
    Err(context.malformed("deployment-name", why))
}
