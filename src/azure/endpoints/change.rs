//! Writes of endpoints: read, change, write the whole, wait. Another operation on the endpoint is waited for, and what is there
//! then is looked at anew: nobody's change is overwritten with what was read before it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Endpoint, Family, Shares, body, endpoint, endpoint_at};
use crate::azure::poll::{Budget, lro, provisioning};
use crate::azure::{Answer, ArmError, Azure, Call};

/// What is to be different; everything else stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// The whole new map. For a batch endpoint one deployment with 100, or nothing: its default deployment.
    pub traffic: Option<Shares>,
    pub mirror_traffic: Option<Shares>,
    /// Tags to set; `None` takes one away. Values of at most 256 characters.
    pub tags: BTreeMap<String, Option<String>>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub struct Changed {
    pub endpoint: Endpoint,
    /// Whether a request was sent. It counts as sent, too, when its answer was lost and the change was then found done.
    pub written: bool,
}

/// Refusals in a row of an endpoint that does not look busy: one may be an operation that ended in between.
const REFUSALS: u32 = 2;

/// Changes an endpoint and waits until the change is in force. `decide` is asked what to change each time that the endpoint has
/// been read, again after every wait for somebody else's operation; `None` says that it is as it should be.
pub async fn change_endpoint<E: From<ArmError>>(
    azure: &Azure,
    there: Endpoint,
    budget: Budget,
    mut decide: impl FnMut(&Endpoint) -> Result<Option<EndpointChange>, E>,
) -> Result<Changed, E> {
    let (family, name) = (there.family, there.name.clone());
    let write = |there: Option<&Endpoint>| {
        let there = there.ok_or_else(|| gone(family, &name))?;
        let change = decide(there)?;
        Ok::<_, E>(change.map(|change| changed(there, &change)))
    };
    let (there, written) = put_endpoint(azure, family, &name, Some(there), budget, write).await?;
    there
        .map(|endpoint| Changed { endpoint, written })
        .ok_or_else(|| gone(family, &name).into())
}

/// Writes an endpoint, new or not, and waits until that is done. `body` is asked for the whole body each time that the endpoint
/// has been read (`there` is what the caller read), with `None` when it does not exist; `None` of its own says that nothing is to
/// be written. Answers with the endpoint as it then is and whether anything was written.
pub async fn put_endpoint<E: From<ArmError>>(
    azure: &Azure,
    family: Family,
    name: &str,
    mut there: Option<Endpoint>,
    budget: Budget,
    mut body: impl FnMut(Option<&Endpoint>) -> Result<Option<Value>, E>,
) -> Result<(Option<Endpoint>, bool), E> {
    let start = azure.clock().elapsed();
    let left = || budget.after(azure.clock().elapsed().saturating_sub(start));
    let (mut written, mut refusals) = (false, 0);
    loop {
        if there.as_ref().is_some_and(Endpoint::is_busy) {
            there = wait_until_free(azure, family, name, left()).await?;
        }
        let Some(body) = body(there.as_ref())? else {
            return Ok((there, written));
        };
        let call = Call::put(endpoint_at(family, name), family.endpoint_version(), body);
        let refused = match azure.send(call.clone()).await {
            Ok(first) => {
                let last = lro::finish(azure, &call, first, left(), azure.observer()).await?;
                return Ok((Some(Endpoint::parse(family, last.body)), true));
            }
            Err(error) => error,
        };
        if !may_be_busy(&refused) {
            return Err(refused.into());
        }
        // The first sending may have been taken and its answer lost: the refusal is then of the second.
        written = true;
        there = endpoint(azure, family, name).await?;
        match &there {
            // The refusal was about something else: a name that is taken, for example.
            None => return Err(refused.into()),
            Some(there) if there.is_busy() => {}
            Some(_) => {
                refusals += 1;
                if refusals == REFUSALS || matches!(refused, ArmError::Api(_)) {
                    return Err(refused.into());
                }
            }
        }
    }
}

/// Waits until no operation is under way on an endpoint, however the last one ended; `None` when it is gone then.
pub async fn wait_until_free(
    azure: &Azure,
    family: Family,
    name: &str,
    budget: Budget,
) -> Result<Option<Endpoint>, ArmError> {
    let read = Call::get(endpoint_at(family, name), family.endpoint_version());
    match provisioning::settled(azure, read, budget).await {
        Ok(answer) => Ok(Some(Endpoint::parse(family, answer.body))),
        Err(ArmError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a write to a deployment of an endpoint and waits until it is carried out; refused by a busy endpoint, once more when
/// that is free.
pub(super) async fn write_below(
    azure: &Azure,
    family: Family,
    endpoint: &str,
    call: Call,
    budget: Budget,
) -> Result<Answer, ArmError> {
    let start = azure.clock().elapsed();
    let left = || budget.after(azure.clock().elapsed().saturating_sub(start));
    let first = match azure.send(call.clone()).await {
        Err(refused) if may_be_busy(&refused) => {
            if !is_busy_now(azure, family, endpoint).await? {
                return Err(refused);
            }
            wait_until_free(azure, family, endpoint, left()).await?;
            azure.send(call.clone()).await?
        }
        sent => sent?,
    };
    lro::finish(azure, &call, first, left(), azure.observer()).await
}

async fn is_busy_now(azure: &Azure, family: Family, name: &str) -> Result<bool, ArmError> {
    let there = endpoint(azure, family, name).await?;
    Ok(there.is_some_and(|there| there.is_busy()))
}

/// 409, and the 400 that a busy endpoint was seen to answer with (service notes 15).
pub(crate) fn may_be_busy(error: &ArmError) -> bool {
    match error {
        ArmError::Conflict(_) => true,
        ArmError::Api(said) => said.status == 400,
        ArmError::SignIn(_)
        | ArmError::Denied(_)
        | ArmError::NotFound(_)
        | ArmError::Throttled(_)
        | ArmError::Transport { .. }
        | ArmError::Decode { .. }
        | ArmError::TimedOut { .. }
        | ArmError::Local { .. } => false,
    }
}

fn changed(there: &Endpoint, change: &EndpointChange) -> Value {
    let mut body = body::as_it_is(there.family, &there.body);
    if let Some(traffic) = &change.traffic {
        match there.family {
            Family::Online => body["properties"]["traffic"] = body::shares(traffic),
            Family::Batch => {
                let default = traffic.keys().next();
                body["properties"]["defaults"] = json!({"deploymentName": default});
            }
        }
    }
    if let Some(mirror) = &change.mirror_traffic {
        body["properties"]["mirrorTraffic"] = body::shares(mirror);
    }
    let mut tags = there.tags.clone();
    for (name, value) in &change.tags {
        match value {
            Some(value) => drop(tags.insert(name.clone(), value.clone())),
            None => drop(tags.remove(name)),
        }
    }
    body["tags"] = json!(tags);
    body
}

/// The error of an endpoint that was read and is not there any more.
fn gone(family: Family, name: &str) -> ArmError {
    ArmError::NotFound(Box::new(crate::azure::error::ServiceError {
        status: 404,
        code: "EndpointNotFound".to_owned(),
        message: format!(
            "{} endpoint {name} was there and was deleted since",
            family.as_str()
        ),
        request: format!("GET {}/{name}", family.collection()),
        ..Default::default()
    }))
}

/// How long an endpoint's own operation may take: creation 50 to 90 s, traffic 20 s (service notes 4.4), with room for a busy day.
pub const USUAL: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn there(family: Family) -> Endpoint {
        let body = json!({"name": "e", "location": "l", "tags": {"team": "x", "old": "y"},
            "properties": {"authMode": "Key", "traffic": {"blue": 100}, "mirrorTraffic": {"green": 10}, "defaults": {"deploymentName": "blue"}}});
        Endpoint::parse(family, body)
    }

    #[test]
    fn only_what_is_to_change_is_different() {
        let traffic = Shares::from([("blue".to_owned(), 0), ("green".to_owned(), 100)]);
        let tags = [
            ("old".to_owned(), None),
            ("new".to_owned(), Some("z".to_owned())),
        ];
        let change = EndpointChange {
            traffic: Some(traffic),
            mirror_traffic: None,
            tags: tags.into(),
        };
        let body = changed(&there(Family::Online), &change);
        assert_eq!(body["properties"]["traffic"], json!({"green": 100}));
        assert_eq!(body["properties"]["mirrorTraffic"], json!({"green": 10}));
        assert_eq!(body["tags"], json!({"team": "x", "new": "z"}));
        assert_eq!(body["properties"]["authMode"], "Key");
    }

    #[test]
    fn the_traffic_of_a_batch_endpoint_is_its_default_deployment() {
        let change = EndpointChange {
            traffic: Some(Shares::from([("green".to_owned(), 100)])),
            ..EndpointChange::default()
        };
        let body = changed(&there(Family::Batch), &change);
        assert_eq!(
            body["properties"]["defaults"],
            json!({"deploymentName": "green"})
        );
    }
}
