//! Uploads and writes. Each chain runs at its own speed: a component goes as soon as its own code is there. The last request
//! waits for all the others, so that nothing is submitted when a part of it could not be written.

use futures::future::try_join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::look_up::{container, noun, text};
use super::resolve::{Own, datastore_root};
use super::schedule::is_schedule;
use super::seal::{self, When};
use super::symbols::{Code, Standing, Written, needs_of};
use super::{Applied, AppliedAsset, ApplyError, Execution};
use crate::azure::blob::Container;
use crate::azure::upload::{Found, Mark, Sent, base_name};
use crate::azure::{Address, ArmError, Call};
use crate::report::Change;
use crate::spec::plan::{Destination, Request, Target, Upload, Version};

const CODES: &str = "2023-04-01";
/// Goes at one version number that is said to be free, as the SDK (service notes 7).
const ATTEMPTS: usize = 3;
/// Numbers that others may take first, where a matrix of jobs registers one name.
const NUMBERS: usize = 50;

impl Execution {
    /// Uploads and writes what is not there yet. `name` names the last request when its target has no name of its own.
    pub async fn send(&self, name: Option<&str>) -> Result<Applied, ApplyError> {
        let last = self.last()?;
        self.make_ready(name).await?;
        let written = self.written(last, name).await?;
        let target = &self.plan.requests[last].target;
        Ok(Applied {
            id: written.id.clone(),
            name: own_name(target, name),
            version: written.version.clone(),
            change: written.change,
            body: written.body.clone(),
            answer: written.answer.clone(),
            also: self.also(last),
        })
    }

    /// Uploads and writes everything but the last request, so that [`Execution::send`] is that one write.
    pub async fn make_ready(&self, name: Option<&str>) -> Result<(), ApplyError> {
        let last = self.last()?;
        self.expectations().await?;
        match self.standing(last).await? {
            // What it is made of was there when it was written: nothing to upload, nothing to write.
            Standing::Unchanged { .. } => Ok(()),
            Standing::Write { .. } => {
                let live = self.live();
                let before = try_join_all(
                    self.own_requests()
                        .filter(|index| live.contains(index))
                        .filter(|index| *index != self.symbols.same_request[last])
                        .map(|index| self.written(index, name)),
                );
                // What the last one needs moves at the same time as the others; its write comes after.
                futures::try_join!(before, self.prepare(last)).map(drop)
            }
        }
    }

    /// The body of the last request with everything filled in, for one that goes another way than [`Execution::send`]. What the
    /// plan takes for granted is there then.
    pub async fn last_body(&self) -> Result<Value, ApplyError> {
        let last = self.last()?;
        let (body, ()) = futures::try_join!(self.body(last, Own::default()), self.expectations())?;
        Ok(body)
    }

    pub(super) fn last(&self) -> Result<usize, ApplyError> {
        self.plan
            .requests
            .len()
            .checked_sub(1)
            .ok_or_else(|| ApplyError::Plan("it has no requests".into()))
    }

    /// Everything that a request refers to and needs, without the request itself.
    async fn prepare(&self, index: usize) -> Result<(), ApplyError> {
        let request = &self.plan.requests[index];
        let uploads =
            needs_of(request).map(async |upload| match self.upload(upload)?.destination {
                Destination::Code => self.code(upload).await.map(drop),
                Destination::Datastore { .. } => self.uploaded(upload).await.map(drop),
            });
        try_join_all(uploads).await.map(drop)
    }

    fn upload(&self, index: usize) -> Result<&Upload, ApplyError> {
        self.plan
            .uploads
            .get(index)
            .ok_or_else(|| ApplyError::Plan(format!("there is no upload {index}")))
    }

    /// A code asset with the content of an upload: found, or made.
    pub(super) async fn code(&self, index: usize) -> Result<&Code, ApplyError> {
        let upload = self.upload(index)?;
        let cells = &self.symbols.uploads[self.symbols.same_upload[index]];
        let make = || async {
            if let Some(id) = self.code_found(index).await? {
                return Ok(Code::there(id));
            }
            let path = format!("codes/{}/versions/1", cells.code_name);
            let pending = self
                .azure
                .send(Call::post_read(
                    Address::Workspace(format!("{path}/startPendingUpload")),
                    CODES,
                    json!({"pendingUploadType": "TemporaryBlobReference"}),
                ))
                .await?;
            let place = &pending.body["blobReferenceForConsumption"];
            let (Some(blob), Some(sas)) = (
                text(&place["blobUri"]),
                text(&place["credential"]["sasUri"]),
            ) else {
                return Err(ApplyError::Arm(ArmError::Decode {
                    request: format!("POST {path}/startPendingUpload"),
                    reason: "it names no container to upload to".into(),
                }));
            };
            let fresh = Container::signed(&self.azure, &sas)?;
            let mark = Mark {
                name: cells.code_name.clone(),
                version: "1".into(),
            };
            let sent = self
                .uploader
                .send(&fresh, upload, "", Found::Fresh, &mark)
                .await?;
            let uri = format!("{}/{}", blob.trim_end_matches('/'), base_name(upload));
            let body = json!({"properties": {"isAnonymous": true, "isArchived": false, "codeUri": uri,
                "properties": {"hash_sha256": upload.hash, "hash_version": "202208"}}});
            let answer = self
                .azure
                .send(Call::put(Address::Workspace(path.clone()), CODES, body))
                .await?;
            let id = text(&answer.body["id"])
                .unwrap_or_else(|| format!("{}/{path}", self.azure.workspace()));
            Ok(Code {
                id,
                change: Change::Created,
                sent,
            })
        };
        Box::pin(cells.code.get_or_try_init(make)).await
    }

    /// An upload in its datastore: found whole, or sent.
    pub(super) async fn uploaded(&self, index: usize) -> Result<Sent, ApplyError> {
        let upload = self.upload(index)?;
        let same = self.symbols.same_upload[index];
        let Destination::Datastore { name: store } = &upload.destination else {
            return Err(ApplyError::Plan("code is not kept in a datastore".into()));
        };
        let send = || async {
            let found = self.upload_found(same).await?;
            if found == Found::Complete {
                return Ok(Sent::default());
            }
            let place = self.container(store).await?;
            let mark = self.mark(same).await?;
            let root = datastore_root(upload);
            Ok::<_, ApplyError>(
                self.uploader
                    .send(&place, upload, &root, found, &mark)
                    .await?,
            )
        };
        let cell = &self.symbols.uploads[same].sent;
        Box::pin(cell.get_or_try_init(send)).await.copied()
    }

    /// The name and version of the asset that an upload is for; invented where there is none, as the SDK does.
    async fn mark(&self, upload: usize) -> Result<Mark, ApplyError> {
        let owner = self.plan.requests.iter().position(|request| {
            needs_of(request).any(|one| self.symbols.same_upload.get(one) == Some(&upload))
        });
        let random = || Uuid::new_v4().to_string();
        let Some(owner) = owner else {
            return Ok(Mark {
                name: random(),
                version: random(),
            });
        };
        let (asset, version) = match &self.plan.requests[owner].target {
            Target::Versioned { name, .. } => {
                let version = self.standing(owner).await?.version().map(str::to_owned);
                (Some(name.clone()), version)
            }
            Target::Named { .. } | Target::Deployment { .. } | Target::Anonymous { .. } => {
                (None, None)
            }
        };
        Ok(Mark {
            name: asset.unwrap_or_else(random),
            version: version.unwrap_or_else(random),
        })
    }

    /// A request's answer: found unchanged, or written.
    pub(super) async fn written(
        &self,
        index: usize,
        name: Option<&str>,
    ) -> Result<&Written, ApplyError> {
        let index = *self
            .symbols
            .same_request
            .get(index)
            .ok_or_else(|| ApplyError::Plan(format!("there is no request {index}")))?;
        let write = || async {
            match self.standing(index).await?.clone() {
                Standing::Unchanged { id, version, body } => Ok(Written {
                    id,
                    version,
                    change: Change::Unchanged,
                    body,
                    answer: None,
                }),
                Standing::Write {
                    version,
                    exists,
                    otherwise,
                } => {
                    let goal = Goal {
                        version,
                        exists,
                        otherwise,
                    };
                    if exists
                        && is_schedule(&self.plan.requests[index])
                        && let Some(written) = self.schedule_as_asked(index).await?
                    {
                        return Ok(written);
                    }
                    self.write(index, name, goal).await
                }
            }
        };
        let cell = &self.symbols.requests[index].written;
        Box::pin(cell.get_or_try_init(write)).await
    }

    async fn write(
        &self,
        index: usize,
        name: Option<&str>,
        mut goal: Goal,
    ) -> Result<Written, ApplyError> {
        let request = &self.plan.requests[index];
        let (mut left, mut numbers) = (ATTEMPTS, NUMBERS);
        loop {
            left -= 1;
            let refused = match self.put(index, name, &goal).await {
                Ok(written) => return Ok(written),
                Err(ApplyError::Arm(error)) if left > 0 && refuses_version(&error) => error,
                Err(error) => return Err(error),
            };
            let free = match &request.target {
                Target::Versioned {
                    collection,
                    name,
                    version: Version::Next | Version::LatestOrNext,
                } => match goal.otherwise.take() {
                    Some(next) => Some(next),
                    None => {
                        let path = container(collection, name);
                        let next = self.versions_of(index, &path).await?.1;
                        // A number that is still free was not what a bad request was about.
                        let taken = matches!(refused, ArmError::Conflict(_));
                        (taken || goal.version.as_ref() != Some(&next)).then_some(next)
                    }
                },
                Target::Versioned { .. }
                | Target::Named { .. }
                | Target::Deployment { .. }
                | Target::Anonymous { .. } => None,
            };
            let Some(version) = free else {
                return Err(refused.into());
            };
            if goal.version.as_ref() != Some(&version) && numbers > 0 {
                (left, numbers) = (ATTEMPTS, numbers - 1);
            }
            goal = Goal {
                version: Some(version),
                exists: false,
                otherwise: None,
            };
        }
    }

    async fn put(
        &self,
        index: usize,
        name: Option<&str>,
        goal: &Goal,
    ) -> Result<Written, ApplyError> {
        let request = &self.plan.requests[index];
        let own = Own {
            name,
            version: goal.version.as_deref(),
        };
        let path = Self::path(request, own)?;
        let (mut body, ()) = futures::try_join!(self.body(index, own), self.prepare(index))?;
        if let Some(seal) = request.seal
            && let Some(text) = self.seal(index, When::Writing(own)).await?
        {
            seal::put(&mut body, seal, text);
        }
        let mut call = Call::put(Address::Workspace(path.clone()), request.api_version, body);
        if needs_ml_token(request) {
            call = call.with_ml_token();
        }
        if collection(&request.target) == "datastores" {
            // A store may be out of reach for the service and not for the jobs (service notes 3.3).
            call = call.query("skipValidation", "true");
        }
        let answer = self.azure.send(call).await?;
        let id = text(&answer.body["id"])
            .unwrap_or_else(|| format!("{}/{path}", self.azure.workspace()));
        let version = match &request.target {
            // The service answers with a version of its own (service notes 10).
            Target::Anonymous { .. } => id.rsplit('/').next().map(str::to_owned),
            Target::Versioned { .. } | Target::Named { .. } | Target::Deployment { .. } => {
                goal.version.clone()
            }
        };
        // Most collections answer 201 to everything; a plain 200 tells of something that was there. A version that was not there
        // when we looked was then made by somebody else meanwhile, with the same content: the service refuses any other.
        let change = match (&request.target, answer.status) {
            _ if goal.exists => Change::Updated,
            (Target::Versioned { .. }, 200) => Change::Unchanged,
            (_, 200) => Change::Updated,
            _ => Change::Created,
        };
        Ok(Written {
            id,
            version,
            change,
            body: answer.body.clone(),
            answer: Some(answer),
        })
    }

    /// What was found or made on the way, in the order of the plan.
    fn also(&self, last: usize) -> Vec<AppliedAsset> {
        let uploads = self.own_uploads().filter_map(|index| {
            let upload = &self.plan.uploads[index];
            let cells = &self.symbols.uploads[index];
            match &upload.destination {
                Destination::Code => cells.code.get().map(|code| AppliedAsset {
                    kind: "code".into(),
                    name: upload.written.clone(),
                    version: None,
                    id: code.id.clone(),
                    change: code.change,
                    files: code.sent.files,
                    bytes: code.sent.bytes,
                }),
                Destination::Datastore { name } => cells.sent.get().map(|sent| AppliedAsset {
                    kind: "upload".into(),
                    name: upload.written.clone(),
                    version: None,
                    id: format!("{name}/{}{}", datastore_root(upload), base_name(upload)),
                    change: if sent.files == 0 {
                        Change::Unchanged
                    } else {
                        Change::Created
                    },
                    files: sent.files,
                    bytes: sent.bytes,
                }),
            }
        });
        let requests = self
            .own_requests()
            .filter(|index| *index != self.symbols.same_request[last])
            .filter_map(|index| {
                let written = self.symbols.requests[index].written.get()?;
                let target = &self.plan.requests[index].target;
                Some(AppliedAsset {
                    kind: noun(collection(target)).into(),
                    name: own_name(target, None),
                    version: written.version.clone(),
                    id: written.id.clone(),
                    change: written.change,
                    files: 0,
                    bytes: 0,
                })
            });
        uploads.chain(requests).collect()
    }
}

/// Whether a refusal may mean that the version is taken by other content: 409 by the service's rules, and 400 by what its message
/// says of data (service notes 18.4).
fn refuses_version(error: &ArmError) -> bool {
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

/// Where a write is to go.
#[derive(Debug, Clone)]
struct Goal {
    version: Option<String>,
    exists: bool,
    otherwise: Option<String>,
}

fn collection(target: &Target) -> &'static str {
    match target {
        Target::Named { collection, .. }
        | Target::Versioned { collection, .. }
        | Target::Anonymous { collection, .. } => collection,
        Target::Deployment { .. } => "deployments",
    }
}

fn own_name(target: &Target, chosen: Option<&str>) -> String {
    match target {
        Target::Named { name, .. } => name.as_deref().or(chosen).unwrap_or_default().to_owned(),
        Target::Versioned { name, .. }
        | Target::Deployment { name, .. }
        | Target::Anonymous { name, .. } => name.clone(),
    }
}

/// Pipelines, and jobs that run as the user, are checked with a token for Azure ML itself (service notes 12.1).
pub(super) fn needs_ml_token(request: &Request) -> bool {
    let is = |pointer: &str, word: &str| {
        request
            .body
            .pointer(pointer)
            .and_then(Value::as_str)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    collection(&request.target) == "jobs"
        && (is("/properties/jobType", "Pipeline")
            || is("/properties/identity/identityType", "UserIdentity"))
}
