//! How things stand with what a request writes: absent, the same, or to be changed, and under which version. Reads only.

use std::collections::HashSet;

use serde_json::Value;

use super::compare::{Comparison, Scope};
use super::look_up::{container, get, text};
use super::resolve::deployment;
use super::symbols::{Standing, references_of};
use super::{ApplyError, Execution, compute, schedule, served};
use crate::azure::Address;
use crate::azure::endpoints::Family;
use crate::spec::plan::{FIRST, Reference, Request, Target, Version};

impl Execution {
    /// How things stand with a request's target.
    pub(super) async fn standing(&self, index: usize) -> Result<&Standing, ApplyError> {
        let index = self.symbols.same_request[index];
        let request = &self.plan.requests[index];
        let ask = || async {
            match &request.target {
                Target::Anonymous {
                    collection,
                    name,
                    version,
                } if version == FIRST => {
                    let path = format!("{}/versions/{FIRST}", container(collection, name));
                    let there = self.if_there(get(&path, request.api_version)).await?;
                    let id = format!("{}/{path}", self.azure.workspace());
                    Ok(there.map_or_else(
                        || write_new(None),
                        |there| unchanged(there.body, Some(FIRST.to_owned()), &id),
                    ))
                }
                Target::Anonymous { .. } => Ok(Standing::Write {
                    version: None,
                    exists: false,
                    otherwise: None,
                }),
                Target::Named { collection, name } => match name {
                    // A job is not looked at: whether its name is taken is for the one who chose it.
                    Some(name) if *collection != "jobs" => {
                        let path = format!("{collection}/{}", Address::segment(name));
                        self.named(index, request, &path).await
                    }
                    Some(_) | None => Ok(Standing::Write {
                        version: None,
                        exists: false,
                        otherwise: None,
                    }),
                },
                Target::Deployment {
                    endpoints,
                    endpoint,
                    name,
                } => {
                    let path = deployment(endpoints, endpoint, name);
                    self.named(index, request, &path).await
                }
                Target::Versioned {
                    collection,
                    name,
                    version: Version::Fixed(version),
                } => {
                    self.fixed(index, &container(collection, name), version)
                        .await
                }
                Target::Versioned {
                    collection,
                    name,
                    version,
                } => {
                    self.floating(index, &container(collection, name), version)
                        .await
                }
            }
        };
        let cell = &self.symbols.requests[index].standing;
        Box::pin(cell.get_or_try_init(ask)).await
    }

    /// The requests that count, as far as is known by now: what something unchanged is made of was there when that was written.
    pub(super) fn live(&self) -> HashSet<usize> {
        let made_of = |index: usize| {
            let slots = self.plan.requests[index].slots.iter();
            slots
                .flat_map(references_of)
                .filter_map(Reference::request)
                .filter_map(|part| self.symbols.same_request.get(part).copied())
        };
        let parts: HashSet<usize> = self.own_requests().flat_map(made_of).collect();
        let mut left: Vec<usize> = self
            .own_requests()
            .filter(|index| !parts.contains(index))
            .collect();
        let mut live = HashSet::new();
        while let Some(index) = left.pop() {
            let standing = self.symbols.requests[index].standing.get();
            if live.insert(index) && !matches!(standing, Some(Standing::Unchanged { .. })) {
                left.extend(made_of(index));
            }
        }
        live
    }

    async fn named(
        &self,
        index: usize,
        request: &Request,
        path: &str,
    ) -> Result<Standing, ApplyError> {
        let (there, sent) = futures::try_join!(
            async { Ok(self.if_there(get(path, request.api_version)).await?) },
            self.known_body(index, None)
        )?;
        let Some(there) = there else {
            return Ok(write_new(None));
        };
        let same = match (&sent, &request.target) {
            (
                Some(sent),
                Target::Named {
                    collection: "computes",
                    name: Some(name),
                },
            ) => compute::same(self.comparison(Scope::InPlace), name, sent, &there.body)?,
            (Some(sent), _) if schedule::is_schedule(request) => {
                schedule::same(self.comparison(Scope::InPlace), sent, &there.body)
            }
            (Some(sent), target) => match served_by(target) {
                Some(family) => served::same(family, sent, &there.body),
                None => self.comparison(Scope::InPlace).same(sent, &there.body),
            },
            (None, _) => false,
        };
        Ok(if same {
            unchanged(there.body, None, path)
        } else {
            Standing::Write {
                version: None,
                exists: true,
                otherwise: None,
            }
        })
    }

    async fn fixed(&self, index: usize, path: &str, version: &str) -> Result<Standing, ApplyError> {
        match self.compared(index, path, version, Scope::InPlace).await? {
            Compared::Absent => Ok(write_new(Some(version.to_owned()))),
            Compared::Same(standing) => Ok(standing),
            Compared::Different => Ok(Standing::Write {
                version: Some(version.to_owned()),
                exists: true,
                otherwise: None,
            }),
        }
    }

    async fn floating(
        &self,
        index: usize,
        path: &str,
        version: &Version,
    ) -> Result<Standing, ApplyError> {
        let (latest, next) = self.versions_of(index, path).await?;
        let Some(latest) = latest else {
            return Ok(write_new(Some(next)));
        };
        let scope = match version {
            Version::LatestOrNext => Scope::InPlace,
            Version::Next | Version::Fixed(_) => Scope::NewVersion,
        };
        match (self.compared(index, path, &latest, scope).await?, scope) {
            (Compared::Same(standing), _) => Ok(standing),
            (Compared::Different, Scope::InPlace) => Ok(Standing::Write {
                version: Some(latest),
                exists: true,
                otherwise: Some(next),
            }),
            // The container knows a version that cannot be read: written again under its number, as the SDK does.
            (Compared::Absent, Scope::InPlace) => Ok(Standing::Write {
                version: Some(latest),
                exists: false,
                otherwise: Some(next),
            }),
            (Compared::Absent | Compared::Different, Scope::NewVersion) => {
                Ok(write_new(Some(next)))
            }
        }
    }

    /// The container's latest version, if it has one, and the next free one.
    pub(super) async fn versions_of(
        &self,
        index: usize,
        path: &str,
    ) -> Result<(Option<String>, String), ApplyError> {
        let call = get(path, self.plan.requests[index].api_version);
        let Some(container) = self.if_there(call).await? else {
            return Ok((None, "1".into()));
        };
        let properties = &container.body["properties"];
        let next = text(&properties["nextVersion"]).unwrap_or_else(|| "1".into());
        Ok((text(&properties["latestVersion"]), next))
    }

    async fn compared(
        &self,
        index: usize,
        path: &str,
        version: &str,
        scope: Scope,
    ) -> Result<Compared, ApplyError> {
        let path = format!("{path}/versions/{}", Address::segment(version));
        let call = get(&path, self.plan.requests[index].api_version);
        let (there, sent) = futures::try_join!(
            async { Ok(self.if_there(call).await?) },
            self.known_body(index, Some(version))
        )?;
        let Some(there) = there else {
            return Ok(Compared::Absent);
        };
        let same = sent.is_some_and(|sent| self.comparison(scope).same(&sent, &there.body));
        Ok(if same {
            let id = format!("{}/{path}", self.azure.workspace());
            Compared::Same(unchanged(there.body, Some(version.to_owned()), &id))
        } else {
            Compared::Different
        })
    }

    pub(super) fn comparison(&self, scope: Scope) -> Comparison {
        Comparison {
            scope,
            read_yaml: self.read_yaml,
        }
    }
}

/// The family of an endpoint or deployment.
fn served_by(target: &Target) -> Option<Family> {
    let collection = match target {
        Target::Named { collection, .. } => collection,
        Target::Deployment { endpoints, .. } => endpoints,
        Target::Versioned { .. } | Target::Anonymous { .. } => return None,
    };
    Family::of_collection(collection)
}

enum Compared {
    Absent,
    Same(Standing),
    Different,
}

fn write_new(version: Option<String>) -> Standing {
    Standing::Write {
        version,
        exists: false,
        otherwise: None,
    }
}

fn unchanged(body: Value, version: Option<String>, path: &str) -> Standing {
    Standing::Unchanged {
        id: text(&body["id"]).unwrap_or_else(|| path.to_owned()),
        version,
        body,
    }
}
