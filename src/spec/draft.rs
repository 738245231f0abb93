//! A request body while it is made: JSON whose strings may still refer to what only the service knows. [`Draft::finish`] splits it
//! into the body and the slots of the plan.

use serde_json::{Map, Value};

use super::plan::{Part, Reference, Slot};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Draft {
    Json(Value),
    /// A string with references in it.
    Parts(Vec<Part>),
    Object(Object),
    List(List),
}

/// Keys in the order they were put; `None` is not put at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Object(Vec<(String, Draft)>);

/// Items that may refer to what only the service knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List(Vec<Draft>);

impl List {
    pub(super) fn push_some(&mut self, item: Option<impl Into<Draft>>) {
        self.0.extend(item.map(Into::into));
    }
}

impl Object {
    pub(super) fn put(&mut self, key: impl Into<String>, value: impl Into<Draft>) {
        self.0.push((key.into(), value.into()));
    }

    pub(super) fn put_some(&mut self, key: impl Into<String>, value: Option<impl Into<Draft>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Like [`Object::put`], but an empty object is left out.
    pub(super) fn put_filled(&mut self, key: impl Into<String>, value: Object) {
        if !value.is_empty() {
            self.put(key, value);
        }
    }

    /// The object under a key, to be added to.
    pub(super) fn object_mut(&mut self, key: &str) -> Option<&mut Self> {
        let entry = self.0.iter_mut().find(|(known, _)| known == key);
        match entry {
            Some((_, Draft::Object(object))) => Some(object),
            Some((_, Draft::Json(_) | Draft::Parts(_) | Draft::List(_))) | None => None,
        }
    }

    /// Puts everything of another object.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|(known, _)| known != key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as JSON with every reference written out by `spell`: for hashes and comparisons.
    pub(super) fn spelled(&self, spell: &dyn Fn(&Reference) -> String) -> Value {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), value.spelled(spell)))
            .collect::<Map<_, _>>()
            .into()
    }

    /// The body with nulls where slots point.
    pub(super) fn finish(self) -> (Value, Vec<Slot>) {
        let mut slots = Vec::new();
        let body = Draft::Object(self).split(&mut String::new(), &mut slots);
        (body, slots)
    }
}

impl Draft {
    /// A path below the workspace: `/subscriptions/../workspaces/W/<tail>`.
    pub(super) fn in_workspace(tail: &str) -> Self {
        Self::Parts(vec![
            Part::Reference(Reference::Workspace),
            Part::Text(format!("/{tail}")),
        ])
    }

    pub(super) fn reference(reference: Reference) -> Self {
        Self::Parts(vec![Part::Reference(reference)])
    }

    /// The string with `prefix` before it.
    #[must_use]
    pub(super) fn prefixed(self, prefix: &str) -> Self {
        match self {
            Self::Parts(mut parts) => {
                parts.insert(0, Part::Text(prefix.to_owned()));
                Self::Parts(parts)
            }
            Self::Json(Value::String(text)) if !text.starts_with(prefix) => {
                Self::Json(format!("{prefix}{text}").into())
            }
            Self::Json(_) | Self::Object(_) | Self::List(_) => self,
        }
    }

    /// The string in quotes; a reference has nothing that would have to be escaped.
    #[must_use]
    pub(super) fn quoted(self, quote: fn(&str) -> String) -> Self {
        match self {
            Self::Json(Value::String(text)) => Self::Json(quote(&text).into()),
            Self::Parts(_) => self.enclosed("'", "'"),
            Self::Json(_) | Self::Object(_) | Self::List(_) => self,
        }
    }

    /// The string between two others.
    #[must_use]
    pub(super) fn enclosed(self, before: &str, after: &str) -> Self {
        match self {
            Self::Json(Value::String(text)) => Self::Json(format!("{before}{text}{after}").into()),
            Self::Parts(mut parts) => {
                parts.insert(0, Part::Text(before.to_owned()));
                parts.push(Part::Text(after.to_owned()));
                Self::Parts(parts)
            }
            Self::Json(_) | Self::Object(_) | Self::List(_) => self,
        }
    }

    fn spelled(&self, spell: &dyn Fn(&Reference) -> String) -> Value {
        match self {
            Self::Json(value) => value.clone(),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Reference(reference) => spell(reference),
                })
                .collect::<String>()
                .into(),
            Self::Object(object) => object.spelled(spell),
            Self::List(List(items)) => items.iter().map(|item| item.spelled(spell)).collect(),
        }
    }

    fn split(self, pointer: &mut String, slots: &mut Vec<Slot>) -> Value {
        match self {
            Self::Json(value) => value,
            Self::Parts(parts) => {
                slots.push(Slot {
                    pointer: pointer.clone(),
                    parts,
                });
                Value::Null
            }
            Self::Object(Object(entries)) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let length = pointer.len();
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    let value = value.split(pointer, slots);
                    pointer.truncate(length);
                    map.insert(key, value);
                }
                Value::Object(map)
            }
            Self::List(List(items)) => {
                let split = |(index, item): (usize, Self)| {
                    let length = pointer.len();
                    pointer.push_str(&format!("/{index}"));
                    let value = item.split(pointer, slots);
                    pointer.truncate(length);
                    value
                };
                items.into_iter().enumerate().map(split).collect()
            }
        }
    }
}

impl From<Value> for Draft {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self::Json(text.into())
    }
}

impl From<String> for Draft {
    fn from(text: String) -> Self {
        Self::Json(text.into())
    }
}

impl From<bool> for Draft {
    fn from(value: bool) -> Self {
        Self::Json(value.into())
    }
}

impl From<List> for Draft {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Object> for Draft {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_slots_with_json_pointers() {
        let mut inner = Object::default();
        inner.put("a/b~c", Draft::reference(Reference::OwnName));
        let mut outer = Object::default();
        outer.put("x", "y");
        outer.put("properties", inner);
        let (body, slots) = outer.finish();
        assert_eq!(
            body,
            serde_json::json!({"x": "y", "properties": {"a/b~c": null}})
        );
        assert_eq!(slots[0].pointer, "/properties/a~1b~0c");
        assert_eq!(body.pointer(&slots[0].pointer), Some(&Value::Null));
    }

    #[test]
    fn references_in_lists_become_slots_with_indices() {
        let mut item = Object::default();
        item.put("id", Draft::reference(Reference::OwnName));
        let mut list = List::default();
        list.push_some(Some("a"));
        list.push_some(Some(item));
        let mut outer = Object::default();
        outer.put("items", list);
        let (body, slots) = outer.finish();
        assert_eq!(body, serde_json::json!({"items": ["a", {"id": null}]}));
        assert_eq!(slots[0].pointer, "/items/1/id");
    }
}
