//! What the stages of endpoints share: their inputs and outputs, finding an endpoint, and the words for one that is not as it
//! should be.

use super::inputs::{InputProblem, InputProblems, nearest};
use super::traffic::TrafficMap;
use super::{Context, InputDef, OutputDef, Refused, Shape, links, shaped, text};
use crate::azure::endpoints::{self, Deployment, Endpoint, Family};
use crate::azure::{ArmError, Azure};
use crate::report::{Change, PhaseKind, Resource};
use crate::spec::Plan;
use crate::spec::plan::Target;

pub(crate) const ENDPOINT_NAME: InputDef = InputDef {
    required: true,
    ..text("endpoint-name", "Name of the endpoint")
};
pub(crate) const ENDPOINT_TYPE: InputDef = shaped(
    "endpoint-type",
    Shape::Choice(&["online", "batch"]),
    "online or batch, where the file does not tell",
);
pub(crate) const ENDPOINT_NAME_OUTPUT: OutputDef = OutputDef {
    name: "endpoint-name",
    help: "Name of the endpoint",
};
pub(crate) const SCORING_URI: OutputDef = OutputDef {
    name: "scoring-uri",
    help: "Address to call",
};
pub(crate) const TRAFFIC: OutputDef = OutputDef {
    name: "traffic",
    help: "Percent of the requests by deployment, as it is now: blue=90 green=10",
};
pub(crate) const FORMER_TRAFFIC: OutputDef = OutputDef {
    name: "former-traffic",
    help: "The same before the last change",
};

/// The endpoint that a plan's last request writes, or below which it writes, and the deployment's name.
#[derive(Debug, Clone)]
pub(crate) struct Aim {
    pub(crate) family: Family,
    pub(crate) endpoint: String,
    pub(crate) deployment: Option<String>,
}

impl Aim {
    pub(crate) fn of(plan: &Plan) -> anyhow::Result<Self> {
        let target = plan.requests.last().map(|request| &request.target);
        let (collection, endpoint, deployment) = match target {
            Some(Target::Named {
                collection,
                name: Some(name),
            }) => (collection, name.clone(), None),
            Some(Target::Deployment {
                endpoints,
                endpoint,
                name,
            }) => (endpoints, endpoint.clone(), Some(name.clone())),
            Some(Target::Named { .. } | Target::Versioned { .. } | Target::Anonymous { .. })
            | None => anyhow::bail!("the plan writes no endpoint: {target:?}"),
        };
        let Some(family) = Family::of_collection(collection) else {
            anyhow::bail!("{collection} are no endpoints");
        };
        Ok(Self {
            family,
            endpoint,
            deployment,
        })
    }
}

/// An endpoint with its deployments, of whichever family has it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) endpoint: Endpoint,
    pub(crate) deployments: Vec<Deployment>,
}

impl Found {
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.deployments.iter();
        names.map(|deployment| deployment.name.clone()).collect()
    }

    pub(crate) fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.name.eq_ignore_ascii_case(name))
    }

    /// `it has blue and green`, for whoever named another one.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let endpoint = &self.endpoint;
        let names = self.names();
        let has = if names.is_empty() {
            "it has none yet".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        let near = nearest(name, names.iter().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        format!(
            "{} endpoint {} has no deployment {name:?}: {has}{near}",
            endpoint.family.as_str(),
            endpoint.name
        )
    }
}

/// Reads an endpoint and its deployments, everything at the same time. `None` asks both families. What the input names and is
/// not there is a problem with the input.
pub(crate) async fn find(
    context: &Context,
    azure: &Azure,
    name: &str,
    family: Option<Family>,
) -> anyhow::Result<Found> {
    let _phase = context.phase("looking up", PhaseKind::Working);
    let ask = async |asked: Family| -> Result<Option<Found>, ArmError> {
        if family.is_some_and(|family| family != asked) {
            return Ok(None);
        }
        let (endpoint, deployments) = futures::try_join!(
            endpoints::endpoint(azure, asked, name),
            endpoints::deployments(azure, asked, name)
        )?;
        Ok(endpoint.map(|endpoint| Found {
            endpoint,
            deployments,
        }))
    };
    let found = match futures::try_join!(ask(Family::Online), ask(Family::Batch))? {
        (Some(_), Some(_)) => {
            let both = format!("there is an online and a batch endpoint {name}");
            return Err(context.malformed("endpoint-name", both).into());
        }
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) => {
            let kind = family.map_or("", Family::as_str);
            let kind = if kind.is_empty() {
                "endpoint".to_owned()
            } else {
                format!("{kind} endpoint")
            };
            let why = format!(
                "there is no {kind} {name} in workspace {}; create-endpoint makes one",
                azure.workspace().name
            );
            return Err(context.malformed("endpoint-name", why).into());
        }
    };
    Ok(found)
}

/// What is said of an endpoint whose last operation failed: another one would only hide why.
pub(crate) fn refuse_failed(endpoint: &Endpoint) -> Result<(), Refused> {
    if !endpoint.has_failed() {
        return Ok(());
    }
    let (kind, name) = (endpoint.family.as_str(), &endpoint.name);
    let serves = TrafficMap::of(endpoint);
    let said = ["/properties/error/message", "/properties/provisioningError"];
    let reason = said
        .iter()
        .find_map(|at| endpoint.body.pointer(at)?.as_str());
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let advice = if serves.shares().is_empty() {
        format!(
            "its last operation failed and it serves nothing: read why in the studio, delete it (az ml {kind}-endpoint delete -n {name}) and run the stage again"
        )
    } else {
        format!(
            "its last operation failed, and it may still serve {serves}: read why in the studio and mend it there before anything else is changed"
        )
    };
    Err(Refused {
        message: format!(
            "{kind} endpoint {name} exists but is in state {}{reason}",
            endpoint.state
        ),
        advice: Some(advice),
    })
}

/// Several problems with inputs at once.
#[derive(Debug, Default)]
pub(crate) struct Wrong(Vec<InputProblem>);

impl Wrong {
    /// Keeps the problem, or gives the value.
    pub(crate) fn keep<T>(
        &mut self,
        context: &Context,
        input: &str,
        outcome: Result<T, impl ToString>,
    ) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(why) => {
                self.0.extend(context.malformed(input, why.to_string()).0);
                None
            }
        }
    }

    pub(crate) fn into_result(self) -> Result<(), InputProblems> {
        InputProblems(self.0).into_result()
    }
}

/// Reports an endpoint as a resource.
pub(crate) async fn report(
    context: &Context,
    azure: &Azure,
    endpoint: &Endpoint,
    change: Change,
) -> anyhow::Result<()> {
    let (family, name) = (endpoint.family, &endpoint.name);
    let link = links::endpoint(&*azure.cloud().await?, azure.workspace(), family, name);
    context.resource(Resource {
        kind: format!("{} endpoint", family.as_str()),
        name: name.clone(),
        version: None,
        change,
        id: endpoint.id.clone(),
        link,
    });
    Ok(())
}
