//! What is done to a deployment besides making it: scaling, deleting, reading its containers' logs. Traffic is not looked at: a
//! caller that deletes or scales makes sure that there is none.

use serde_json::{Value, json};

use super::change::write_below;
use super::{Deployment, Family, body, deployment_at, read_deployment};
use crate::azure::jobs::text;
use crate::azure::poll::{Budget, lro, provisioning};
use crate::azure::{Answer, ArmError, Azure, Call};

/// One of the containers of an online deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Runs the scoring script.
    InferenceServer,
    /// Fetches the model and the code before the server starts.
    StorageInitializer,
}

impl Container {
    /// The service's word (service notes 15).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InferenceServer => "InferenceServer",
            Self::StorageInitializer => "StorageInitializer",
        }
    }
}

/// The last `tail` lines that a container of an online deployment wrote; empty when it wrote none. Batch deployments have no
/// containers of their own: their jobs have logs.
pub async fn deployment_log(
    azure: &Azure,
    endpoint: &str,
    name: &str,
    container: Container,
    tail: u32,
) -> Result<String, ArmError> {
    let address = deployment_at(Family::Online, endpoint, name, "/getLogs");
    let body = json!({"containerType": container.as_str(), "tail": tail});
    let call = Call::post_read(address, Family::Online.deployment_version(), body);
    let answer = azure.send(call).await?;
    Ok(text(&answer.body["content"]).unwrap_or_default())
}

/// Deletes a deployment and waits until it is gone; one that is not there is gone. The service refuses while it has traffic.
pub async fn delete_deployment(
    azure: &Azure,
    family: Family,
    endpoint: &str,
    name: &str,
    budget: Budget,
) -> Result<(), ArmError> {
    let address = deployment_at(family, endpoint, name, "");
    let call = Call::delete(address, family.deployment_version());
    match write_below(azure, family, endpoint, call, budget).await {
        Ok(_) | Err(ArmError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives an online deployment another number of instances and waits until it has them; as the SDK does it, by the whole PUT
/// (service notes 15). Batch deployments have no instances of their own.
pub async fn scale_deployment(
    azure: &Azure,
    deployment: &Deployment,
    instances: u64,
    budget: Budget,
) -> Result<Deployment, ArmError> {
    let family = deployment.family;
    let mut body = body::as_it_is(family, &deployment.body);
    if !body["sku"].is_object() {
        body["sku"] = json!({"name": "Default"});
    }
    body["sku"]["capacity"] = Value::from(instances);
    let address = deployment_at(family, &deployment.endpoint, &deployment.name, "");
    let call = Call::put(address, family.deployment_version(), body);
    let answer = write_below(azure, family, &deployment.endpoint, call, budget).await?;
    Ok(Deployment::parse(family, &deployment.endpoint, answer.body))
}

/// Waits until the write of a deployment that was answered with `first` is carried out.
pub async fn finish_deployment(
    azure: &Azure,
    family: Family,
    endpoint: &str,
    name: &str,
    first: Answer,
    budget: Budget,
) -> Result<Deployment, ArmError> {
    let address = deployment_at(family, endpoint, name, "");
    let call = Call::put(address, family.deployment_version(), Value::Null);
    let last = lro::finish(azure, &call, first, budget, azure.observer()).await?;
    Ok(Deployment::parse(family, endpoint, last.body))
}

/// Waits until no operation is under way on a deployment, however the last one ended; `None` when it is gone then.
pub async fn settled_deployment(
    azure: &Azure,
    family: Family,
    endpoint: &str,
    name: &str,
    budget: Budget,
) -> Result<Option<Deployment>, ArmError> {
    match provisioning::settled(azure, read_deployment(family, endpoint, name), budget).await {
        Ok(answer) => Ok(Some(Deployment::parse(family, endpoint, answer.body))),
        Err(ArmError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
