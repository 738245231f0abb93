//! Online and batch endpoints and their deployments, as Resource Manager shows them: typed facts and the reads. Writing them is in
//! `change` and `deployment`. Calls no endpoint and has no words for users: which traffic is sensible is a stage's question.

mod body;
mod change;
mod deployment;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use body::{as_it_is, updated};
pub(crate) use change::may_be_busy;
pub use change::{Changed, EndpointChange, USUAL, change_endpoint, put_endpoint, wait_until_free};
pub use deployment::{
    Container, delete_deployment, deployment_log, finish_deployment, scale_deployment,
    settled_deployment,
};

use super::jobs::{text, texts};
use super::poll::status::{Meaning, meaning};
use super::{Address, ArmError, Azure, Call, pages};
pub use crate::spec::EndpointType as Family;

impl Family {
    /// The collection below the workspace: `onlineEndpoints`.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Online => "onlineEndpoints",
            Self::Batch => "batchEndpoints",
        }
    }

    /// The family whose endpoints are in a collection.
    pub fn of_collection(collection: &str) -> Option<Self> {
        [Self::Online, Self::Batch]
            .into_iter()
            .find(|family| family.collection() == collection)
    }

    /// `online` or `batch`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Batch => "batch",
        }
    }

    /// Versions that the SDK sends (service notes 3.3).
    fn endpoint_version(self) -> &'static str {
        match self {
            Self::Online => "2022-02-01-preview",
            Self::Batch => "2023-10-01",
        }
    }

    fn deployment_version(self) -> &'static str {
        match self {
            Self::Online => "2023-04-01-preview",
            Self::Batch => "2024-01-01-preview",
        }
    }
}

/// How callers of an endpoint prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMode {
    /// `listKeys`.
    Key,
    /// `token`: a token of Azure ML's own.
    AmlToken,
    /// An Entra token for Azure ML itself; batch endpoints take nothing else.
    EntraToken,
    Other(String),
}

impl AuthMode {
    fn parse(text: &str) -> Self {
        let known = [
            ("Key", Self::Key),
            ("AMLToken", Self::AmlToken),
            ("AADToken", Self::EntraToken),
        ];
        let found = known
            .into_iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map_or_else(|| Self::Other(text.to_owned()), |(_, mode)| mode)
    }
}

/// Percent of the requests by deployment.
pub type Shares = BTreeMap<String, u32>;

/// An endpoint as the service answered it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub family: Family,
    pub id: String,
    pub name: String,
    pub auth_mode: AuthMode,
    /// The whole address to call, path included; none until the endpoint is made.
    pub scoring_uri: Option<String>,
    /// Deployments with a share above zero. A batch endpoint gives everything to its default deployment: `{default: 100}`, or
    /// nothing when it has none.
    pub traffic: Shares,
    /// Shares of the traffic that are also sent to these deployments and whose answers nobody sees; batch endpoints have none.
    pub mirror_traffic: Shares,
    pub tags: BTreeMap<String, String>,
    /// `properties.provisioningState`, in the service's words.
    pub state: String,
    /// The whole resource.
    pub body: Value,
}

impl Endpoint {
    /// Reads the answer to an endpoint's GET or PUT.
    pub fn parse(family: Family, body: Value) -> Self {
        let properties = &body["properties"];
        let traffic = match family {
            Family::Online => shares(&properties["traffic"]),
            Family::Batch => text(&properties["defaults"]["deploymentName"])
                .map(|name| (name, 100))
                .into_iter()
                .collect(),
        };
        Self {
            family,
            id: text(&body["id"]).unwrap_or_default(),
            name: text(&body["name"]).unwrap_or_default(),
            auth_mode: AuthMode::parse(properties["authMode"].as_str().unwrap_or_default()),
            scoring_uri: text(&properties["scoringUri"]),
            traffic,
            mirror_traffic: shares(&properties["mirrorTraffic"]),
            tags: texts(&body["tags"]),
            state: state_of(&body),
            body,
        }
    }

    /// Some operation on it has not ended: the service refuses another one until then.
    pub fn is_busy(&self) -> bool {
        is_running(&self.state)
    }

    /// Its last operation failed. It answers reads; what else it does depends on what failed.
    pub fn has_failed(&self) -> bool {
        has_failed(&self.state)
    }
}

/// A deployment as the service answered it.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub family: Family,
    pub endpoint: String,
    pub id: String,
    pub name: String,
    /// `properties.provisioningState`, in the service's words.
    pub state: String,
    /// `sku.capacity` of an online deployment.
    pub instances: Option<u64>,
    pub tags: BTreeMap<String, String>,
    /// The whole resource.
    pub body: Value,
}

impl Deployment {
    /// Reads the answer to a deployment's GET or PUT.
    pub fn parse(family: Family, endpoint: &str, body: Value) -> Self {
        Self {
            family,
            endpoint: endpoint.to_owned(),
            id: text(&body["id"]).unwrap_or_default(),
            name: text(&body["name"]).unwrap_or_default(),
            state: state_of(&body),
            instances: body["sku"]["capacity"].as_u64(),
            tags: texts(&body["tags"]),
            body,
        }
    }

    pub fn is_busy(&self) -> bool {
        is_running(&self.state)
    }

    pub fn has_failed(&self) -> bool {
        has_failed(&self.state)
    }

    /// Provisioned, so that traffic may go there.
    pub fn is_healthy(&self) -> bool {
        meaning(&self.state) == Meaning::Succeeded
    }
}

/// An endpoint by its name; `None` when the workspace has none of that family.
pub async fn endpoint(
    azure: &Azure,
    family: Family,
    name: &str,
) -> Result<Option<Endpoint>, ArmError> {
    let call = Call::get(endpoint_at(family, name), family.endpoint_version());
    let body = if_there(azure, call).await?;
    Ok(body.map(|body| Endpoint::parse(family, body)))
}

/// A deployment by its name; `None` when there is none, or no such endpoint. One that was written seconds ago may not be
/// visible yet (service notes 15).
pub async fn deployment(
    azure: &Azure,
    family: Family,
    endpoint: &str,
    name: &str,
) -> Result<Option<Deployment>, ArmError> {
    let body = if_there(azure, read_deployment(family, endpoint, name)).await?;
    Ok(body.map(|body| Deployment::parse(family, endpoint, body)))
}

/// All deployments of an endpoint; none when there is no such endpoint.
pub async fn deployments(
    azure: &Azure,
    family: Family,
    endpoint: &str,
) -> Result<Vec<Deployment>, ArmError> {
    let path = format!(
        "{}/{}/deployments",
        family.collection(),
        Address::segment(endpoint)
    );
    let call = Call::get(Address::Workspace(path), family.deployment_version());
    match pages::all(azure, call).await {
        Ok(found) => Ok(found
            .into_iter()
            .map(|body| Deployment::parse(family, endpoint, body))
            .collect()),
        Err(ArmError::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn endpoint_at(family: Family, name: &str) -> Address {
    Address::Workspace(format!(
        "{}/{}",
        family.collection(),
        Address::segment(name)
    ))
}

fn deployment_at(family: Family, endpoint: &str, name: &str, below: &str) -> Address {
    let (endpoint, name) = (Address::segment(endpoint), Address::segment(name));
    Address::Workspace(format!(
        "{}/{endpoint}/deployments/{name}{below}",
        family.collection()
    ))
}

fn read_deployment(family: Family, endpoint: &str, name: &str) -> Call {
    Call::get(
        deployment_at(family, endpoint, name, ""),
        family.deployment_version(),
    )
}

async fn if_there(azure: &Azure, call: Call) -> Result<Option<Value>, ArmError> {
    match azure.send(call).await {
        Ok(answer) => Ok(Some(answer.body)),
        Err(ArmError::NotFound(said)) if !said.is_about_coordinates() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The shares above zero; the SDK fills the map up with zeros, and the service keeps them.
fn shares(map: &Value) -> Shares {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, share)| Some((name.clone(), u32::try_from(share.as_u64()?).ok()?)))
        .filter(|(_, share)| *share > 0)
        .collect()
}

fn state_of(body: &Value) -> String {
    text(&body["properties"]["provisioningState"]).unwrap_or_default()
}

/// No state is the state of something that is done, as the resource provider contract has it.
fn is_running(state: &str) -> bool {
    !state.is_empty() && matches!(meaning(state), Meaning::Running | Meaning::Unknown)
}

fn has_failed(state: &str) -> bool {
    matches!(meaning(state), Meaning::Failed | Meaning::Canceled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_is_read_with_its_nulls_and_without_empty_shares() {
        let endpoint = Endpoint::parse(
            Family::Online,
            json!({"id": "i", "name": "taxi", "tags": {"a": "b"}, "properties": {"authMode": "AADToken",
                "provisioningState": "Updating", "scoringUri": null, "traffic": {"blue": 100, "green": 0}, "mirrorTraffic": null}}),
        );
        assert_eq!(endpoint.auth_mode, AuthMode::EntraToken);
        assert_eq!(endpoint.traffic, Shares::from([("blue".to_owned(), 100)]));
        assert!(endpoint.mirror_traffic.is_empty() && endpoint.scoring_uri.is_none());
        assert!(endpoint.is_busy() && !endpoint.has_failed());
    }

    #[test]
    fn a_batch_endpoint_gives_everything_to_its_default() {
        let parse = |defaults: Value| {
            let body =
                json!({"name": "b", "properties": {"authMode": "aadToken", "defaults": defaults}});
            Endpoint::parse(Family::Batch, body)
        };
        let with = parse(json!({"deploymentName": "d"}));
        assert_eq!(with.traffic, Shares::from([("d".to_owned(), 100)]));
        assert!(parse(json!({"deploymentName": null})).traffic.is_empty());
        assert!(
            !with.is_busy(),
            "what names no state has no operation under way"
        );
    }

    #[test]
    fn only_a_deployment_that_is_provisioned_is_healthy() {
        for (state, healthy, busy, failed) in [
            ("Succeeded", true, false, false),
            ("Scaling", false, true, false),
            ("Pondering", false, true, false),
            ("Failed", false, false, true),
            ("Canceled", false, false, true),
        ] {
            let body = json!({"name": "d", "sku": {"capacity": 2}, "properties": {"provisioningState": state}});
            let deployment = Deployment::parse(Family::Online, "e", body);
            assert_eq!(
                (
                    deployment.is_healthy(),
                    deployment.is_busy(),
                    deployment.has_failed()
                ),
                (healthy, busy, failed),
                "{state}"
            );
            assert_eq!(deployment.instances, Some(2));
        }
    }
}
