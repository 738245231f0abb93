//! A JSON schema that answers must follow. Never fetches anything: what a schema refers to must be in it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Errors of one answer that are shown; a wrong list breaks a schema once an item.
const SHOWN: usize = 3;

/// A schema, ready to judge.
#[derive(Clone)]
pub struct Schema {
    name: String,
    validator: Arc<jsonschema::Validator>,
}

/// A text that is no usable schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchema {
    #[error("it is not JSON: {why}")]
    NotJson {
        line: usize,
        column: usize,
        why: String,
    },
    #[error("it is not a JSON schema{}: {why}", at(.pointer))]
    NotSchema { pointer: String, why: String },
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() {
        String::new()
    } else {
        format!(", at {pointer}")
    }
}

impl Schema {
    /// Reads a schema of any draft; without `$schema` it is of 2020-12. `name` is what reports call it.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, BadSchema> {
        let schema: Value = serde_json::from_str(text).map_err(|error| BadSchema::NotJson {
            line: error.line(),
            column: error.column(),
            why: error.to_string(),
        })?;
        let validator =
            jsonschema::validator_for(&schema).map_err(|error| BadSchema::NotSchema {
                pointer: error.instance_path().to_string(),
                why: error.to_string(),
            })?;
        Ok(Self {
            name: name.into(),
            validator: Arc::new(validator),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with a document, and where; `None` when it follows the schema.
    pub(super) fn broken_by(&self, document: &Value) -> Option<String> {
        let mut errors = self.validator.iter_errors(document);
        let shown: Vec<String> = errors
            .by_ref()
            .take(SHOWN)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() {
                    "the document"
                } else {
                    &place
                };
                format!("{place}: {error}")
            })
            .collect();
        if shown.is_empty() {
            return None;
        }
        let more = match errors.count() {
            0 => String::new(),
            count => format!("; and {count} more"),
        };
        Some(shown.join("; ") + &more)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PREDICTIONS: &str = r#"{"type": "object", "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "minItems": 1, "items": {"type": "number"}}}}"#;

    #[test]
    fn a_document_that_follows_the_schema_is_fine() {
        let schema = Schema::parse("s.json", PREDICTIONS).unwrap();
        assert_eq!(schema.broken_by(&json!({"predictions": [1, 2.5]})), None);
    }

    #[test]
    fn what_breaks_the_schema_is_said_with_its_place() {
        let schema = Schema::parse("s.json", PREDICTIONS).unwrap();
        let found = schema
            .broken_by(&json!({"predictions": ["a", "b", "c", "d"]}))
            .unwrap();
        assert!(
            found.starts_with("/predictions/0: \"a\" is not of type"),
            "{found}"
        );
        assert!(found.ends_with("; and 1 more"), "{found}");
        let found = schema.broken_by(&json!({})).unwrap();
        assert!(found.starts_with("the document: "), "{found}");
    }

    #[test]
    fn a_schema_that_cannot_be_one_is_refused_with_the_place() {
        let error = Schema::parse("s", "{\n  \"type\": }").unwrap_err();
        assert!(
            matches!(
                error,
                BadSchema::NotJson {
                    line: 2,
                    column: 11,
                    ..
                }
            ),
            "{error:?}"
        );
        let error = Schema::parse("s", r#"{"properties": {"a": {"type": "nmber"}}}"#).unwrap_err();
        assert!(error.to_string().contains("/properties/a/type"), "{error}");
        assert!(Schema::parse("s", "[]").is_err());
    }

    #[test]
    fn a_schema_elsewhere_is_not_fetched() {
        for elsewhere in ["https://127.0.0.1:1/x.json", "file:///etc/hostname"] {
            let text = json!({"$ref": elsewhere}).to_string();
            assert!(Schema::parse("s", &text).is_err(), "{elsewhere}");
        }
    }
}
