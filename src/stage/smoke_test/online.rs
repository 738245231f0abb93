//! The calls of an online endpoint, one after the other, and their judgement.

use super::{Probed, SmokeInputs, show};
use crate::azure::Azure;
use crate::azure::endpoints::Endpoint;
use crate::azure::scoring::{Payload, Scored, Scorer, explain};
use crate::judge::{Judge, Observed};
use crate::report::{PhaseKind, SmokeTest};
use crate::stage::Context;

/// The longest answer that becomes an output; hosts refuse more than a megabyte of them.
const LONGEST_OUTPUT: usize = 64 << 10;

/// Statuses whose cause is in the deployment's own log: what its script raised, or how its container ended.
const ITS_OWN: &[u16] = &[424, 502];

pub(super) async fn test(
    context: &Context,
    azure: &Azure,
    endpoint: &Endpoint,
    deployment: Option<&str>,
    payload: &Payload,
    inputs: &SmokeInputs,
) -> anyhow::Result<Probed> {
    let scorer = {
        let _phase = context.phase("fetching the key or token", PhaseKind::Working);
        Scorer::open(azure, endpoint, deployment).await?
    };
    let _phase = context.phase("calling", PhaseKind::Waiting);
    let mut judge = Judge::new(&inputs.expected);
    let mut last = None;
    let mut broken: Option<Scored> = None;
    for call in 1..=inputs.calls {
        let answer = scorer.score(payload).await.map_err(|error| {
            let about = format!("call {call} of {} of the smoke test", inputs.calls);
            anyhow::Error::new(error).context(about)
        })?;
        let observed = Observed {
            status: answer.status,
            body: &answer.body,
            latency: answer.latency,
        };
        let fine = judge.take(&observed);
        if !fine && broken.is_none() {
            broken = Some(answer.clone());
        }
        last = Some(answer);
    }
    let judgement = judge.finish();
    if let Some(answer) = &last {
        let body = String::from_utf8_lossy(&answer.body);
        context.output(
            "response",
            show::cut(body.trim_end(), LONGEST_OUTPUT).as_ref(),
        )?;
    }
    let test = SmokeTest {
        endpoint: endpoint.name.clone(),
        deployment: deployment.map(str::to_owned),
        passed: judgement.passed(),
        calls: judgement.latencies.count(),
        latency: judgement.latencies.percentiles(),
        checks: judgement.checks,
    };
    show::verdict(context, &test);
    let mut advice = None;
    if let Some(answer) = &broken {
        show::exchange(context, scorer.address(), deployment, payload, answer);
        let known = (!inputs.expected.statuses.contain(answer.status))
            .then(|| explain(answer.status))
            .flatten();
        if known.is_some()
            && let Some(deployment) = deployment
            && ITS_OWN.contains(&answer.status)
        {
            show::log(context, azure, &endpoint.name, deployment).await;
        }
        advice = known.map(|(means, advice)| format!("{means}: {advice}"));
    }
    Ok(Probed { test, advice })
}
