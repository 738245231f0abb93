//! The plan's last request as a hash of its content: what it refers to counts by what is in it, not by the random ids that a
//! write would give it. The same inputs give the same digest before anything was written and after.

use std::fmt::Write as _;

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::resolve::{datastore_root, fill};
use super::symbols::references_of;
use super::{ApplyError, Execution};
use crate::azure::upload::base_name;
use crate::spec::plan::{Destination, Reference, Target, Version};

impl Execution {
    /// Lower-case hex. Sends only lookups that [`Execution::look_up`] sends, too.
    pub async fn digest(&self) -> Result<String, ApplyError> {
        let last = self.last()?;
        self.digest_of(last).await
    }

    pub(super) fn digest_of(&self, index: usize) -> BoxFuture<'_, Result<String, ApplyError>> {
        async move {
            let request = &self.plan.requests[index];
            let references: Vec<&Reference> =
                request.slots.iter().flat_map(references_of).collect();
            let texts = try_join_all(
                references
                    .iter()
                    .map(|reference| self.content_of(reference)),
            )
            .await?;
            let known = references.into_iter().zip(texts).collect::<Vec<_>>();
            let body = fill(request, &known)?;
            let mut text = match &request.target {
                Target::Named { collection, name } => {
                    format!("{collection}/{}", name.as_deref().unwrap_or_default())
                }
                Target::Deployment {
                    endpoints,
                    endpoint,
                    name,
                } => format!("{endpoints}/{endpoint}/deployments/{name}"),
                // A version that the service counts up says nothing of the content.
                Target::Versioned {
                    collection,
                    name,
                    version: Version::Next | Version::LatestOrNext,
                } => format!("{collection}/{name}"),
                Target::Versioned {
                    collection,
                    name,
                    version: Version::Fixed(version),
                }
                | Target::Anonymous {
                    collection,
                    name,
                    version,
                } => format!("{collection}/{name}/{version}"),
            };
            text.push('\n');
            for upload in &request.needs {
                text.push_str(&self.content_of_upload(*upload)?);
                text.push('\n');
            }
            canonical(&body, &mut text);
            Ok(hex::encode(Sha256::digest(text.as_bytes())))
        }
        .boxed()
    }

    async fn content_of(&self, reference: &Reference) -> Result<String, ApplyError> {
        let workspace = self.azure.workspace();
        match reference {
            Reference::Workspace => Ok(workspace.to_string()),
            Reference::Subscription => Ok(workspace.subscription.clone()),
            Reference::ResourceGroup => Ok(workspace.resource_group.clone()),
            Reference::WorkspaceName => Ok(workspace.name.clone()),
            // A workspace does not move.
            Reference::Location => Ok("{location}".into()),
            Reference::OwnName => Ok("{name}".into()),
            Reference::VersionOf(_) => Ok("{version}".into()),
            Reference::Code(upload) | Reference::UploadUri(upload) => {
                self.content_of_upload(*upload)
            }
            Reference::Answer(request) => self.digest_of(*request).await,
            Reference::Latest { collection, name } => self.latest(collection, name).await,
        }
    }

    fn content_of_upload(&self, index: usize) -> Result<String, ApplyError> {
        let upload = self
            .plan
            .uploads
            .get(index)
            .ok_or_else(|| ApplyError::Plan(format!("there is no upload {index}")))?;
        Ok(match &upload.destination {
            Destination::Code => format!("code:{}", upload.hash),
            Destination::Datastore { name } => {
                format!("{name}/{}{}", datastore_root(upload), base_name(upload))
            }
        })
    }
}

/// JSON with sorted keys and without spaces.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                quoted(key, out);
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::String(text) => quoted(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // Writing to a string cannot fail.
            write!(out, "{value}").unwrap_or_default();
        }
    }
}

fn quoted(text: &str, out: &mut String) {
    write!(out, "{}", Value::from(text)).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count() {
        let text = |value: Value| {
            let mut out = String::new();
            canonical(&value, &mut out);
            out
        };
        assert_eq!(
            text(json!({"b": [1, true, null], "a": "x\"y"})),
            text(serde_json::from_str(r#"{"a":"x\"y","b":[1,true,null]}"#).unwrap())
        );
        assert_ne!(text(json!([1, 2])), text(json!([2, 1])));
    }
}
