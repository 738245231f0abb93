//! How a rollout ended, in outputs, in the report and in its exit code.

use anyhow::Context as _;

use super::act::Act;
use super::drive::End;
use crate::report::{Change, Resource};
use crate::stage::traffic::TrafficMap;

/// Sets the outputs, says which deployment is live, and hands on why it went back if it did.
pub(super) fn show(act: &Act<'_>, end: End) -> anyhow::Result<()> {
    let former = end
        .journal
        .as_ref()
        .map_or_else(|| end.traffic.clone(), |journal| journal.was.clone());
    let live = end
        .unchanged
        .clone()
        .or_else(|| leader(&end.traffic))
        .unwrap_or_default();
    let change = if end.turned.is_some() && !end.live {
        Change::Unchanged
    } else {
        end.change
    };
    let context = act.context;
    context.output("endpoint-name", &act.endpoint)?;
    context.output("deployment-name", &live)?;
    context.output("traffic", &end.traffic.to_string())?;
    context.output("former-traffic", &former.to_string())?;
    context.output("changed", change.as_str())?;
    let name = &act.endpoint;
    match end.turned {
        Some(why) if end.live => {
            act.context.warn(format!("{why:#}"), None);
        }
        Some(why) => {
            let now = &end.traffic;
            let text = match (&end.journal, live.as_str()) {
                (Some(journal), _) if !now.same(&journal.was) => {
                    format!(
                        "the rollout of {} on endpoint {name} was given up; the traffic is {now}",
                        journal.new
                    )
                }
                (Some(journal), "") => format!(
                    "the rollout of {} on endpoint {name} went back: the endpoint has no traffic, as before",
                    journal.new
                ),
                (Some(journal), live) => format!(
                    "the rollout of {} on endpoint {name} went back: the traffic is {now} as before, {live} is live",
                    journal.new
                ),
                (None, _) => {
                    format!("the rollout on endpoint {name} did not begin; the traffic is {now}")
                }
            };
            act.say(text.clone());
            return Err(why).context(text);
        }
        None => {}
    }
    match &end.unchanged {
        Some(live) => act.say(format!(
            "deployment {live} of endpoint {name} is live with just these contents already"
        )),
        None => act.say(format!(
            "deployment {live} of endpoint {name} is live: {}",
            end.traffic
        )),
    }
    context.resource(Resource {
        kind: "deployment".to_owned(),
        name: live.clone(),
        version: None,
        change,
        id: format!(
            "{}/{}/{name}/deployments/{live}",
            act.azure.workspace(),
            act.family.collection()
        ),
        link: None,
    });
    Ok(())
}

/// The deployment that gets most of the requests.
fn leader(traffic: &TrafficMap) -> Option<String> {
    let shares = traffic.shares().iter();
    let most = shares.max_by_key(|(_, share)| **share);
    most.filter(|(_, share)| **share > 0)
        .map(|(name, _)| name.clone())
}
