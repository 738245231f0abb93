//! Invoking batch endpoints and finding the job that an invoke began (service notes 16.3, 16.4). An invoke is never sent twice
//! where it may have arrived: it carries a name of our own for its job, and in doubt the endpoint's jobs are listed.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::wire::{Letter, Wire};
use super::{DEPLOYMENT, Scored, address_of};
use crate::azure::endpoints::Endpoint;
use crate::azure::error::{classify, read};
use crate::azure::jobs::{JobStatus, text};
use crate::azure::poll::{self, Budget, Pace, Probe, Progress};
use crate::azure::retry::Repeat;
use crate::azure::{Address, ArmError, Audience, Azure};
use crate::secret::Secret;

const LIST_VERSION: &str = "2020-09-01-dataplanepreview";
/// A tag of the job; `name` is the service's own word for the same and may be taken by nobody else.
const TAG: &str = "aml-runner.request";
/// How long a job may take to show in the list of its endpoint.
const APPEARS: Duration = Duration::from_secs(30);
/// Pages of that list: it has the newest first, and ours is new.
const PAGES: usize = 5;

/// What is asked of a batch endpoint.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// `inputData` by the inputs' names.
    pub inputs: Value,
    /// The endpoint's default when not given.
    pub deployment: Option<String>,
    /// The repeatability id. One invocation has one, however often it is sent.
    id: Uuid,
}

/// A job of a batch endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchJob {
    /// By which Resource Manager knows it.
    pub name: String,
    pub status: JobStatus,
    pub studio: Option<String>,
    /// The name that its invoke chose, and its tag.
    marks: [Option<String>; 2],
}

/// Why no job can be followed.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The endpoint said no, or it was never reached.
    #[error(transparent)]
    Refused(ArmError),
    /// The answer was lost, and the endpoint lists no job of ours: it may still begin one.
    #[error("{0}; the endpoint lists no job of this request, and it was not sent again")]
    Open(ArmError),
}

impl Invocation {
    pub fn new(inputs: Value, deployment: Option<&str>) -> Self {
        Self {
            inputs,
            deployment: deployment.map(str::to_owned),
            id: Uuid::new_v4(),
        }
    }

    fn job_name(&self) -> String {
        format!("aml-runner-{}", self.id)
    }

    /// The request's body.
    pub fn body(&self) -> Value {
        json!({"properties": {"name": self.job_name(), "inputData": self.inputs, "tags": {TAG: self.id.to_string()}}})
    }

    fn is_of(&self, job: &BatchJob) -> bool {
        let [name, tag] = &job.marks;
        name.as_deref() == Some(self.job_name().as_str())
            || tag.as_deref() == Some(self.id.to_string().as_str())
    }
}

impl BatchJob {
    fn parse(body: &Value) -> Option<Self> {
        let properties = &body["properties"];
        Some(Self {
            name: text(&body["name"])?,
            status: JobStatus::parse(properties["status"].as_str().unwrap_or("Unknown")),
            studio: text(&properties["interactionEndpoints"]["Studio"]["endpoint"]),
            marks: [text(&properties["name"]), text(&properties["tags"][TAG])],
        })
    }
}

/// Begins a job. After an answer that was lost, or one that leaves open whether the request arrived, the endpoint's jobs decide.
pub async fn invoke(
    azure: &Azure,
    endpoint: &Endpoint,
    invocation: &Invocation,
) -> Result<BatchJob, Doubt> {
    let label = format!("POST batchEndpoints/{}/jobs", endpoint.name);
    let sent = async {
        let address = address_of(azure, endpoint)?;
        let bearer = azure.token(Audience::MachineLearning).await?;
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("repeatability_request-id", invocation.id.to_string()),
        ];
        headers.extend(invocation.deployment.clone().map(|name| (DEPLOYMENT, name)));
        let letter = Letter {
            address: &address,
            bearer: &bearer,
            headers,
            body: Some(invocation.body().to_string().into_bytes()),
            repeat: Repeat::OnlyIfRefused,
            label: &label,
        };
        let answer = json_of(&Wire::new(azure).send(letter).await?, &label)?;
        BatchJob::parse(&answer).ok_or_else(|| ArmError::Decode {
            request: label.clone(),
            reason: "it names no job".to_owned(),
        })
    };
    match sent.await {
        Ok(job) => Ok(job),
        Err(error) if may_have_arrived(&error) => {
            let search = Search {
                azure,
                endpoint: &endpoint.name,
                invocation,
            };
            let (budget, pace) = (Budget::Deadline(APPEARS), Pace::default());
            let found = poll::wait(azure.clock(), search, budget, pace, &|_tick| {}).await;
            found.map_err(|_not_found| Doubt::Open(error))
        }
        Err(error) => Err(Doubt::Refused(error)),
    }
}

/// Whether an invoke that failed so may have begun a job all the same. A refused connection was tried again until it was certain.
fn may_have_arrived(error: &ArmError) -> bool {
    match error {
        ArmError::Transport { .. } | ArmError::Decode { .. } => true,
        ArmError::Api(said) => said.status >= 500 || said.status == 408,
        // A name that is taken is taken by ours.
        ArmError::Conflict(_) => true,
        ArmError::SignIn(_)
        | ArmError::Denied(_)
        | ArmError::NotFound(_)
        | ArmError::Throttled(_)
        | ArmError::TimedOut { .. }
        | ArmError::Local { .. } => false,
    }
}

/// The newest jobs of a batch endpoint.
pub async fn batch_jobs(azure: &Azure, endpoint: &str) -> Result<Vec<BatchJob>, ArmError> {
    let label = format!("GET batchEndpoints/{endpoint}/jobs");
    let bad = |reason: String| ArmError::Decode {
        request: label.clone(),
        reason,
    };
    let (host, bearer) =
        futures::try_join!(azure.data_plane(), azure.token(Audience::MachineLearning))?;
    let path = format!(
        "{}mferp/managementfrontend{}/batchEndpoints/{}/jobs?api-version={LIST_VERSION}",
        host,
        azure.workspace(),
        Address::segment(endpoint)
    );
    let wire = Wire::new(azure);
    let mut next = Some(Url::parse(&path).map_err(|error| bad(error.to_string()))?);
    let mut found = Vec::new();
    for _page in 0..PAGES {
        let Some(address) = next.take() else { break };
        let page = list(&wire, &address, &bearer, &label).await?;
        let jobs = page["value"].as_array().into_iter().flatten();
        found.extend(jobs.filter_map(BatchJob::parse));
        next = text(&page["nextLink"])
            .and_then(|link| Url::parse(&link).ok())
            .map(|link| azure.lift(&link))
            // The token goes to the host that it was fetched for, wherever a page points.
            .filter(|link| link.origin() == host.origin());
    }
    Ok(found)
}

async fn list(wire: &Wire, address: &Url, bearer: &Secret, label: &str) -> Result<Value, ArmError> {
    let letter = Letter {
        address,
        bearer,
        headers: vec![("accept", "application/json".to_owned())],
        body: None,
        repeat: Repeat::Safe,
        label,
    };
    json_of(&wire.send(letter).await?, label)
}

/// The JSON of a success, or the refusal.
fn json_of(answer: &Scored, label: &str) -> Result<Value, ArmError> {
    if !(200..300).contains(&answer.status) {
        let id = answer.header("x-request-id").map(str::to_owned);
        return Err(classify(read(label, answer.status, &answer.body, id)));
    }
    serde_json::from_slice(&answer.body).map_err(|error| ArmError::Decode {
        request: label.to_owned(),
        reason: format!("the body is not JSON ({error})"),
    })
}

/// Looks for the job of an invocation.
struct Search<'a> {
    azure: &'a Azure,
    endpoint: &'a str,
    invocation: &'a Invocation,
}

impl Probe for Search<'_> {
    type Done = BatchJob;

    fn what(&self) -> String {
        format!("the job of a request to endpoint {}", self.endpoint)
    }

    async fn probe(&mut self) -> Result<Progress<BatchJob>, ArmError> {
        let jobs = batch_jobs(self.azure, self.endpoint).await?;
        let ours = jobs.into_iter().find(|job| self.invocation.is_of(job));
        Ok(match ours {
            Some(job) => Progress::Done(job),
            None => Progress::Pending {
                state: "not listed".to_owned(),
                retry_after: None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_recognised_by_the_name_or_the_tag_that_its_invoke_chose() {
        let invocation = Invocation::new(json!({}), Some("d"));
        let sent = invocation.body();
        let named = json!({"name": "batchjob-1", "properties": {"status": "Preparing", "name": sent["properties"]["name"]}});
        let tagged =
            json!({"name": "batchjob-2", "properties": {"tags": sent["properties"]["tags"]}});
        let other = json!({"name": "batchjob-3", "properties": {"name": "mango", "tags": {}}});
        let of = |body: &Value| invocation.is_of(&BatchJob::parse(body).unwrap());
        assert!(of(&named) && of(&tagged) && !of(&other));
        assert!(!Invocation::new(json!({}), None).is_of(&BatchJob::parse(&named).unwrap()));
    }
}
