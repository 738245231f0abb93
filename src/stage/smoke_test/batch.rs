//! The job of a batch endpoint: begun, followed as `run-job` follows one, and its output looked into.

use serde_json::{Value, json};

use super::Probed;
use crate::azure::apply::Execution;
use crate::azure::endpoints::Endpoint;
use crate::azure::error::ArmError;
use crate::azure::jobs::{JobStatus, JobView};
use crate::azure::outputs::{Written, written_outputs};
use crate::azure::scoring::{BatchJob, Doubt, Invocation, invoke};
use crate::azure::{Address, Azure, Call};
use crate::report::{Change, Check, PhaseKind, SmokeTest};
use crate::spec::{self, InvokeInput, Plan};
use crate::stage::run_job::{self, Fate, Followed, Submitted};
use crate::stage::{Context, Refused};

/// Service notes 3.3.
const DATA: &str = "2023-04-01-preview";

pub(super) async fn test(
    context: &Context,
    azure: &Azure,
    endpoint: &Endpoint,
    deployment: Option<&str>,
    (given, plan): (&[InvokeInput], &Plan),
) -> anyhow::Result<Probed> {
    let inputs = ready(context, azure, given, plan).await?;
    let invocation = Invocation::new(inputs, deployment);
    let job = begin(context, azure, endpoint, &invocation).await?;
    let ended = match run_job::follow(context, azure, &job, Fate::Cancel).await? {
        Followed::Ended(ended) => ended,
        Followed::Late(late) => {
            let ended = run_job::timed_out(context, azure, job.name(), Fate::Leave, late).await?;
            return Err(ended.into());
        }
    };
    let status = ended.status().clone();
    let runs = ended.runs();
    let finished = run_job::finish::finish(context, azure, &job, *ended, &[]).await;
    let mut checks = vec![Check {
        rule: format!("job {} completes", job.name()),
        passed: status == JobStatus::Completed,
        found: (status != JobStatus::Completed).then(|| status.to_string()),
    }];
    let mut advice = None;
    match finished {
        Ok(()) => checks.extend(look_at_output(context, azure, &runs).await?),
        Err(error) => match error.downcast::<crate::stage::JobFailed>() {
            Ok(failed) => {
                advice.clone_from(&failed.advice);
                checks[0].found = Some(match failed.reason {
                    Some(reason) => format!("{}: {reason}", failed.status),
                    None => failed.status,
                });
            }
            Err(error) => return Err(error),
        },
    }
    let test = SmokeTest {
        endpoint: endpoint.name.clone(),
        deployment: deployment.map(str::to_owned),
        passed: checks.iter().all(|check| check.passed),
        calls: 1,
        latency: None,
        checks,
    };
    super::show::verdict(context, &test);
    if !test.passed {
        context.note("what was sent:");
        for line in serde_json::to_string_pretty(&invocation.body())?.lines() {
            context.note(line);
        }
    }
    Ok(Probed { test, advice })
}

/// The `inputData` of the invoke, with everything that it refers to looked up or uploaded.
async fn ready(
    context: &Context,
    azure: &Azure,
    given: &[InvokeInput],
    plan: &Plan,
) -> anyhow::Result<Value> {
    let execution = Execution::new(azure.clone(), plan.clone(), spec::yaml_to_json);
    {
        let _phase = context.phase("looking up inputs", PhaseKind::Working);
        execution.look_up().await?;
    }
    let _phase = context.phase("uploading", PhaseKind::Working);
    execution.make_ready(None).await?;
    let body = execution.last_body().await?;
    let Value::Object(inputs) = body else {
        return Ok(body);
    };
    // In the order in which they were given: that is how the plan put them.
    let typed = inputs.into_iter().zip(given);
    let typed = typed.map(async |((name, input), given)| {
        registered_type(context, azure, given, (name, input)).await
    });
    let typed = futures::future::try_join_all(typed).await?;
    Ok(Value::Object(typed.into_iter().collect()))
}

/// A data asset of the workspace must be there, and is of the type that it was registered with unless the user says another.
async fn registered_type(
    context: &Context,
    azure: &Azure,
    given: &InvokeInput,
    (name, mut input): (String, Value),
) -> anyhow::Result<(String, Value)> {
    let id = input["uri"].as_str().unwrap_or_default();
    if !id.starts_with("/subscriptions/") || !id.contains("/data/") {
        return Ok((name, input));
    }
    let asset = match azure
        .send(Call::get(Address::Arm(id.to_owned()), DATA))
        .await
    {
        Ok(asset) => asset.body,
        Err(ArmError::NotFound(_)) => {
            let why = format!("the workspace has no data asset `{}`", given.value);
            return Err(context.malformed("input", why).into());
        }
        Err(error) => return Err(error.into()),
    };
    let registered = asset["properties"]["dataType"].as_str();
    let spelled = registered.and_then(spec::invoke_type);
    let (None, Some(spelled)) = (&given.kind, spelled) else {
        return Ok((name, input));
    };
    input["jobInputType"] = spelled.into();
    // An input without a name goes by its type.
    let name = given.name.clone().unwrap_or_else(|| spelled.to_owned());
    Ok((name, input))
}

/// Invokes the endpoint. Should this process be stopped from here on, the job is cancelled: nobody waits for a test's result then.
async fn begin(
    context: &Context,
    azure: &Azure,
    endpoint: &Endpoint,
    invocation: &Invocation,
) -> anyhow::Result<Submitted> {
    let begun = {
        let _phase = context.phase("invoking", PhaseKind::Working);
        // A signal must not part us from a job that begins: the answer names it, so it is waited for.
        let _hold = context.cancel.hold();
        invoke(azure, endpoint, invocation).await
    };
    let begun = begun.map_err(|doubt| refusal(endpoint, doubt))?;
    run_job::cancel::remember(context, &begun.name, Fate::Cancel)?;
    let job = Submitted::of(&begun.name, &view(&begun), Change::Created);
    run_job::announce(context, &job)?;
    Ok(job)
}

fn refusal(endpoint: &Endpoint, doubt: Doubt) -> anyhow::Error {
    let about = format!("invoking batch endpoint {}", endpoint.name);
    match doubt {
        Doubt::Refused(ArmError::NotFound(said)) => anyhow::Error::new(Refused {
            message: format!("{about}: {}", said.message),
            advice: Some(
                "name a deployment with `deployment-name`, or give the endpoint a default one with allocate-traffic"
                    .to_owned(),
            ),
        }),
        Doubt::Refused(error) => anyhow::Error::new(error).context(about),
        open @ Doubt::Open(_) => anyhow::Error::new(open).context(about),
    }
}

/// The job as Resource Manager will show it: a pipeline, whose one step is the scoring (service notes 16.4).
fn view(job: &BatchJob) -> JobView {
    JobView::parse(
        &json!({"name": job.name, "properties": {"jobType": "Pipeline", "status": job.status.as_str(),
        "services": {"Studio": {"endpoint": job.studio}}}}),
    )
}

/// That the output file is there and has rows. A scoring job has its output on its one step, a pipeline's on the job itself.
async fn look_at_output(
    context: &Context,
    azure: &Azure,
    runs: &[String],
) -> anyhow::Result<Vec<Check>> {
    let _phase = context.phase("looking at the output", PhaseKind::Working);
    let looks = runs.iter().map(|run| written_outputs(azure, run));
    let found = futures::future::try_join_all(looks).await?;
    let found: Vec<Written> = found.into_iter().flatten().collect();
    for output in &found {
        let files: Vec<_> = output
            .files
            .iter()
            .map(|(name, size)| format!("{name} ({size} bytes)"))
            .collect();
        context.note(format!(
            "output {}: {}: {}",
            output.output,
            output.place,
            files.join(", ")
        ));
    }
    Ok(judge(&found))
}

fn judge(found: &[Written]) -> Vec<Check> {
    let files: usize = found.iter().map(|output| output.files.len()).sum();
    let rows: u64 = found.iter().map(|output| output.rows).sum();
    let places = || {
        let places: Vec<_> = found.iter().map(|output| output.place.as_str()).collect();
        places.join(", ")
    };
    let nothing = match found {
        [] => "the job has no output".to_owned(),
        _ => format!("no file in {}", places()),
    };
    let mut checks = vec![Check {
        rule: "the output file is there".to_owned(),
        passed: files > 0,
        found: (files == 0).then_some(nothing),
    }];
    if files > 0 {
        checks.push(Check {
            rule: "the output has rows".to_owned(),
            passed: rows > 0,
            found: (rows == 0).then(|| format!("no row in {}", places())),
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[&str], rows: u64) -> Written {
        Written {
            output: "score".to_owned(),
            place: "store/azureml/x/score".to_owned(),
            files: files.iter().map(|name| ((*name).to_owned(), 1)).collect(),
            rows,
            more: false,
        }
    }

    #[test]
    fn an_output_without_a_file_or_without_rows_fails_and_says_where() {
        for (found, verdicts, says) in [
            (vec![written(&["predictions.csv"], 3)], vec![true, true], ""),
            (
                vec![written(&["predictions.csv"], 0)],
                vec![true, false],
                "no row in store/",
            ),
            (vec![written(&[], 0)], vec![false], "no file in store/"),
            (vec![], vec![false], "no output"),
        ] {
            let checks = judge(&found);
            let passed: Vec<_> = checks.iter().map(|check| check.passed).collect();
            assert_eq!(passed, verdicts);
            let found = checks.iter().find_map(|check| check.found.clone());
            assert!(found.unwrap_or_default().contains(says));
        }
    }
}
