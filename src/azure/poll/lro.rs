//! Long-running operations of Resource Manager: which link to follow, and what its answers mean.
//! <https://github.com/cloud-and-ai-microsoft/resource-provider-contract/blob/master/v1.0/async-api-reference.md>

use url::Url;

use super::provisioning::{Provisioning, Unknown, ended, judge, state_of};
use super::status::{Meaning, meaning};
use super::{Budget, Pace, Probe, Progress, wait};
use crate::azure::error::ArmError;
use crate::azure::retry::asked_wait;
use crate::azure::{Answer, Azure, Call, Observer};

/// Sends a request that may take long and waits until the service has carried it out. A PUT or PATCH answers with the resource as it
/// then is. An operation that ends in `Failed` is [`ArmError::Api`] with the operation's code and message.
pub async fn put_and_wait(
    azure: &Azure,
    call: Call,
    budget: Budget,
    observer: &Observer,
) -> Result<Answer, ArmError> {
    let first = Box::pin(azure.send(call.clone())).await?;
    Box::pin(finish(azure, &call, first, budget, observer)).await
}

/// The waiting part alone, for a request whose first answer is there already.
pub async fn finish(
    azure: &Azure,
    call: &Call,
    first: Answer,
    budget: Budget,
    observer: &Observer,
) -> Result<Answer, ArmError> {
    let what = call.label();
    let tick = |tick: &super::Tick<'_>| tick.report(&what, observer);
    let clock = azure.clock();
    let pace = Pace::default();
    match follow(call, &first, &what)? {
        Follow::Operation(link) => {
            let probe = Operation::new(azure, link, what.clone(), observer);
            let last = wait(clock, probe, budget, pace, &tick).await?;
            match read_of(call) {
                Some(read) => Box::pin(azure.send(read)).await,
                None => Ok(last),
            }
        }
        Follow::Location(link) => {
            let probe = Location {
                azure,
                link,
                what: what.clone(),
            };
            wait(clock, probe, budget, pace, &tick).await
        }
        Follow::Resource(read) => {
            let mut known = Unknown::new(observer);
            match judge(azure, &what, first, &mut known)? {
                Progress::Done(answer) => Ok(answer),
                Progress::Pending { .. } => {
                    let probe = Provisioning::new(azure, read, what.clone(), observer);
                    wait(clock, probe, budget, pace, &tick).await
                }
            }
        }
        Follow::Nothing => Ok(first),
    }
}

enum Follow {
    Operation(Url),
    Location(Url),
    Resource(Call),
    Nothing,
}

/// The service's own order of preference (service notes 4.4). A 201's `Location` is the resource itself, not an operation.
fn follow(call: &Call, first: &Answer, what: &str) -> Result<Follow, ArmError> {
    let link = |name: &str| {
        first.header(name).map(|text| {
            Url::parse(text).map_err(|_parse| ArmError::Decode {
                request: what.to_owned(),
                reason: format!("{name} is not an address"),
            })
        })
    };
    if let Some(operation) = link("azure-asyncoperation") {
        return Ok(Follow::Operation(operation?));
    }
    if first.status == 202
        && let Some(location) = link("location")
    {
        return Ok(Follow::Location(location?));
    }
    Ok(match read_of(call) {
        Some(read) if state_of(&first.body).is_some() => Follow::Resource(read),
        Some(_) | None => Follow::Nothing,
    })
}

/// The GET of what a PUT or PATCH wrote.
fn read_of(call: &Call) -> Option<Call> {
    let writes = [reqwest::Method::PUT, reqwest::Method::PATCH].contains(&call.method);
    writes.then(|| Call::get(call.address.clone(), call.api_version.as_deref()))
}

/// Follows `Azure-AsyncOperation`: a status body, whose failure comes with HTTP 200.
struct Operation<'a> {
    azure: &'a Azure,
    link: Url,
    what: String,
    unknown: Unknown<'a>,
    absent: u32,
}

/// A status link may be ahead of its own storage: this many 404s are taken for "not yet".
const ABSENT: u32 = 3;

impl<'a> Operation<'a> {
    fn new(azure: &'a Azure, link: Url, what: String, observer: &'a Observer) -> Self {
        Self {
            azure,
            link,
            what,
            unknown: Unknown::new(observer),
            absent: 0,
        }
    }
}

impl Probe for Operation<'_> {
    type Done = Answer;

    fn what(&self) -> String {
        self.what.clone()
    }

    async fn probe(&mut self) -> Result<Progress<Answer>, ArmError> {
        let sent = Box::pin(self.azure.send(Call::link(self.link.clone()))).await;
        let answer = match sent {
            Err(ArmError::NotFound(_)) if self.absent < ABSENT => {
                self.absent += 1;
                return Ok(Progress::Pending {
                    state: "not visible yet".to_owned(),
                    retry_after: None,
                });
            }
            other => other?,
        };
        let retry_after = asked_wait(|name| answer.header(name), self.azure.clock().now());
        let state = answer
            .body
            .get("status")
            .and_then(serde_json::Value::as_str);
        let Some(state) = state.or_else(|| state_of(&answer.body)).map(str::to_owned) else {
            // Without a status body the HTTP status speaks.
            return Ok(if answer.status == 202 {
                Progress::Pending {
                    state: "Accepted".to_owned(),
                    retry_after,
                }
            } else {
                Progress::Done(answer)
            });
        };
        match meaning(&state) {
            Meaning::Succeeded => return Ok(Progress::Done(answer)),
            Meaning::Failed | Meaning::Canceled => {
                return Err(ended(&self.what, &state, &answer));
            }
            Meaning::Unknown => self.unknown.notice(&self.what, &state),
            Meaning::Running => {}
        }
        Ok(Progress::Pending { state, retry_after })
    }
}

/// Follows `Location`: 202 while running, the result when done. A newer `Location` replaces the link.
struct Location<'a> {
    azure: &'a Azure,
    link: Url,
    what: String,
}

impl Probe for Location<'_> {
    type Done = Answer;

    fn what(&self) -> String {
        self.what.clone()
    }

    async fn probe(&mut self) -> Result<Progress<Answer>, ArmError> {
        let answer = Box::pin(self.azure.send(Call::link(self.link.clone()))).await?;
        if answer.status != 202 {
            return Ok(Progress::Done(answer));
        }
        if let Some(next) = answer
            .header("location")
            .and_then(|text| Url::parse(text).ok())
        {
            self.link = next;
        }
        Ok(Progress::Pending {
            state: "Accepted".to_owned(),
            retry_after: asked_wait(|name| answer.header(name), self.azure.clock().now()),
        })
    }
}
