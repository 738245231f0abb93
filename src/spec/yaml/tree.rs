//! The tree that [`super::parse`] returns. It knows nothing of how it was written but its places.

use std::path::Path;
use std::sync::Arc;

use crate::event::Place;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub mark: Mark,
    /// A scalar's text as the user wrote it, when that is not what `kind` holds.
    raw: Option<Box<str>>,
    /// The same for every expansion of one anchor; 0 for scalars.
    pub(in crate::spec) identity: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    /// A date or a time, as Python's `str` would give it: `2024-01-31`, `2024-01-31 10:00:00+00:00`.
    Timestamp(String),
    Sequence(Vec<Node>),
    /// In the order of the document; keys are scalars and each occurs once.
    Mapping(Vec<(Node, Node)>),
}

/// Where a node starts. Values that come from inputs have no file.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    pub file: Option<Arc<Path>>,
    pub line: usize,
    pub column: usize,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    pub fn new(kind: Kind, mark: Mark) -> Self {
        Self {
            kind,
            mark,
            raw: None,
            identity: 0,
        }
    }

    /// A text that came from an input and not from a file.
    pub fn text_input(text: &str) -> Self {
        Self::new(Kind::Text(text.to_owned()), Mark::default())
    }

    #[must_use]
    pub fn with_raw(mut self, raw: &str) -> Self {
        let same = matches!(&self.kind, Kind::Text(text) if text == raw);
        self.raw = (!same).then(|| raw.into());
        self
    }

    pub fn place(&self) -> Option<Place> {
        self.mark.file.as_ref().map(|file| Place {
            file: file.to_path_buf(),
            line: self.mark.line,
            column: self.mark.column,
        })
    }

    /// Whether it came from an input of the stage and not from a file.
    pub fn is_input(&self) -> bool {
        self.mark.file.is_none()
    }

    pub(super) fn forget_places(&mut self) {
        self.mark = Mark::default();
        match &mut self.kind {
            Kind::Sequence(items) => items.iter_mut().for_each(Self::forget_places),
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    key.forget_places();
                    value.forget_places();
                }
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => {}
        }
    }

    /// A scalar as the user wrote it (`0003` stays `0003`); `None` for null, lists and mappings.
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(self.raw.as_deref().unwrap_or(text)),
            Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Timestamp(_) => {
                self.raw.as_deref()
            }
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Text that YAML takes for text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// Null or a mapping without entries: what many places take for "not said".
    pub fn is_void(&self) -> bool {
        self.is_null() || self.entries().is_some_and(<[_]>::is_empty)
    }

    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_) => None,
        }
    }

    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_)
            | Kind::Mapping(_) => None,
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?
            .iter()
            .find_map(|(name, value)| (name.as_text() == Some(key)).then_some(value))
    }

    /// What the value is, for a message.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "an empty value".into(),
            Kind::Bool(_) => format!("the boolean {}", self.scalar_text().unwrap_or_default()),
            Kind::Integer(_) | Kind::Float(_) => {
                format!("the number {}", self.scalar_text().unwrap_or_default())
            }
            Kind::Text(text) => format!("`{text}`"),
            Kind::Timestamp(_) => format!("the date {}", self.scalar_text().unwrap_or_default()),
            Kind::Sequence(_) => "a list".into(),
            Kind::Mapping(_) => "a mapping".into(),
        }
    }

    /// Python's dict takes `1`, `1.0` and `true` for one key; that is not copied, texts and numbers are.
    pub(super) fn identity_as_key(&self) -> String {
        match &self.kind {
            Kind::Text(text) => format!("t{text}"),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => format!("{:?}", self.kind),
        }
    }

    pub(super) fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Sequence(items) => items.iter().map(Self::size).sum(),
            Kind::Mapping(entries) => entries.iter().map(|(k, v)| k.size() + v.size()).sum(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => 0usize,
        }
    }

    pub(super) fn depth(&self) -> usize {
        1 + match &self.kind {
            Kind::Sequence(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Mapping(entries) => entries.iter().map(|(_, v)| v.depth()).max().unwrap_or(0),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => 0,
        }
    }
}
