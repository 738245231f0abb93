//! Seals: the hash of its own content that a version keeps. What the service does not give back as it was sent (a component's
//! specification) is known again by it. An anonymous component counts by its content: the service names it when it is written.

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use serde_json::{Value, json};

use super::resolve::{Own, fill};
use super::symbols::references_of;
use super::{ApplyError, Execution};
use crate::spec::plan::{Reference, Seal, Target};

/// When a seal is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum When<'a> {
    /// Nothing is written yet.
    Before,
    /// Everything that the request refers to is there.
    Writing(Own<'a>),
}

impl Execution {
    /// The seal of a request; `None` when a part of it will only come to be, or when it has none.
    pub(super) async fn seal(
        &self,
        index: usize,
        when: When<'_>,
    ) -> Result<Option<String>, ApplyError> {
        let request = &self.plan.requests[index];
        let Some(seal) = request.seal else {
            return Ok(None);
        };
        let references: Vec<&Reference> = request.slots.iter().flat_map(references_of).collect();
        let texts = references.iter().map(|one| self.sealed(index, one, when));
        let texts: Option<Vec<_>> = try_join_all(texts).await?.into_iter().collect();
        let Some(texts) = texts else {
            return Ok(None);
        };
        let known = references.into_iter().zip(texts).collect::<Vec<_>>();
        Ok(Some((seal.of)(&fill(request, &known)?)))
    }

    fn sealed<'a>(
        &'a self,
        at: usize,
        reference: &'a Reference,
        when: When<'a>,
    ) -> BoxFuture<'a, Result<Option<String>, ApplyError>> {
        async move {
            if let Reference::Answer(request) = reference
                && let Target::Anonymous { .. } = self.plan.requests[*request].target
            {
                return self.digest_of(*request).await.map(Some);
            }
            match when {
                When::Before => self.known(at, reference, None).await,
                When::Writing(own) => self.reference(at, reference, own).await.map(Some),
            }
        }
        .boxed()
    }
}

/// Whether a version that is there carries the seal.
pub(super) fn carries(there: &Value, seal: Option<Seal>, wanted: Option<&str>) -> bool {
    let found = seal.map(|seal| &there["properties"]["properties"][seal.name]);
    wanted.is_some() && found.and_then(Value::as_str) == wanted
}

/// Puts a seal into a body.
pub(super) fn put(body: &mut Value, seal: Seal, text: String) {
    let properties = &mut body["properties"]["properties"];
    if !properties.is_object() {
        *properties = json!({});
    }
    properties[seal.name] = text.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_put_beside_the_properties_and_found_there() {
        let seal = Seal {
            name: "hash",
            of: |_| String::new(),
        };
        for before in [
            json!({"properties": {}}),
            json!({"properties": {"properties": {"a": "b"}}}),
        ] {
            let mut body = before;
            assert!(!carries(&body, Some(seal), Some("x")));
            put(&mut body, seal, "x".into());
            assert!(carries(&body, Some(seal), Some("x")));
            assert!(!carries(&body, Some(seal), Some("y")));
            assert!(!carries(&body, None, Some("x")));
            assert!(!carries(&body, Some(seal), None));
        }
    }
}
