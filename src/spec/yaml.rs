//! YAML text to an ordered tree with places. The only file that names the YAML crate; it knows no schema.
//!
//! Scalars are read as PyYAML's `SafeLoader` reads them (YAML 1.1), because that is how Microsoft's tools see the same file:
//! `yes` is true, `010` is eight, `1:30` is ninety. See [`scalar`] for the rules.

mod dump;
mod repair;
mod scalar;
mod tree;

pub(super) use dump::dump;
pub use tree::{Kind, Mark, Node};

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::problem::{Problem, Problems};
use crate::event::Place;
use repair::{Misplaced, Repaired};

/// Nodes of one document after aliases are expanded; more is an alias bomb and not a configuration.
const NODE_BUDGET: usize = 200_000;
const DEPTH_LIMIT: usize = 128;

/// The root of a document of one file; `Null` for an empty one. Several documents in one file are refused.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Node, Problems> {
    let file: Arc<Path> = Arc::from(file);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            return Err(one(&file, line, 1, "the file is not UTF-8 text".into()));
        }
    };
    printable(text, &file)?;
    let mut repaired = Repaired::new(text);
    loop {
        let mut builder = Builder {
            file: &file,
            text: &repaired,
            misplaced: None,
            anchors: HashMap::new(),
            open: Vec::new(),
            spent: 0,
            identities: 0,
        };
        let document = builder.document(&mut Parser::new_from_str(repaired.text()));
        let misplaced = builder.misplaced;
        match misplaced {
            Some(misplaced) if document.is_err() && repaired.indent(misplaced) => {}
            Some(_) | None => return document,
        }
    }
}

/// A value typed on a command line, read as the same text would be in a file; it has no place.
pub fn parse_value(text: &str) -> Result<Node, Problems> {
    parse(text.as_bytes(), Path::new("")).map(|mut node| {
        node.forget_places();
        node
    })
}

fn one(file: &Arc<Path>, line: usize, column: usize, message: String) -> Problems {
    Problems(vec![Problem {
        place: Some(Place {
            file: file.to_path_buf(),
            line,
            column,
        }),
        field: String::new(),
        message,
    }])
}

/// PyYAML refuses control characters before it parses.
fn printable(text: &str, file: &Arc<Path>) -> Result<(), Problems> {
    for (index, line) in text.split('\n').enumerate() {
        for (column, c) in line.chars().enumerate() {
            let allowed = matches!(c, '\t' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}'
                | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            if !allowed {
                let message = format!(
                    "the character U+{:04X} is not allowed in YAML",
                    u32::from(c)
                );
                return Err(one(file, index + 1, column + 1, message));
            }
        }
    }
    Ok(())
}

struct Builder<'f> {
    file: &'f Arc<Path>,
    text: &'f Repaired,
    /// Set when the parser gave up on a line that only its indentation makes wrong.
    misplaced: Option<Misplaced>,
    anchors: HashMap<usize, Node>,
    /// Anchors of collections that are still being read: an alias to one of them would never end.
    open: Vec<usize>,
    spent: usize,
    identities: u32,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Builder<'_> {
    fn document(&mut self, events: &mut Events<'_>) -> Result<Node, Problems> {
        let mut root = None;
        while let Some(event) = events.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            match event {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => break,
                event @ (Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd) => {
                    if root.is_some() {
                        return Err(self.refuse(
                            span,
                            "a second document starts here; only one is allowed in a file",
                        ));
                    }
                    root = Some(self.node(event, span, events, 0)?);
                }
            }
        }
        Ok(root.unwrap_or_else(|| Node::new(Kind::Null, self.mark(Marker::new(0, 1, 0)))))
    }

    fn next<'t>(&mut self, events: &mut Events<'t>) -> Result<(Event<'t>, Span), Problems> {
        match events.next_event() {
            Some(event) => event.map_err(|error| self.syntax(&error)),
            None => Err(one(
                self.file,
                1,
                1,
                "the file ends in the middle of a value".into(),
            )),
        }
    }

    fn node(
        &mut self,
        event: Event<'_>,
        span: Span,
        events: &mut Events<'_>,
        depth: usize,
    ) -> Result<Node, Problems> {
        if depth > DEPTH_LIMIT {
            return Err(self.refuse(span, "nested too deeply"));
        }
        self.spend(1, span)?;
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), span)?)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span)?;
                self.open.push(anchor);
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next(events)?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, span, events, depth + 1)?);
                }
                self.open.pop();
                (anchor, self.identified(Kind::Sequence(items), span))
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span)?;
                self.open.push(anchor);
                let entries = self.mapping(events, depth)?;
                self.open.pop();
                (anchor, self.identified(Kind::Mapping(entries), span))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.refuse(span, "the document ends too early")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn mapping(
        &mut self,
        events: &mut Events<'_>,
        depth: usize,
    ) -> Result<Vec<(Node, Node)>, Problems> {
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut own: Vec<(Node, Node)> = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if event == Event::MappingEnd {
                break;
            }
            let merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = if merge {
                Node::new(Kind::Text("<<".into()), self.mark(span.start))
            } else {
                self.key(event, span, events, depth)?
            };
            let (event, span) = self.next(events)?;
            let value = self.node(event, span, events, depth + 1)?;
            if merge {
                merged.extend(self.merge(value, span)?);
            } else {
                own.push((key, value));
            }
        }
        // A key's first position and its last value are what a Python dict keeps.
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(merged.len() + own.len());
        let mut places: HashMap<String, usize> = HashMap::new();
        for (key, value) in merged.into_iter().chain(own) {
            match places.get(&key.identity_as_key()) {
                Some(&index) => entries[index] = (key, value),
                None => {
                    places.insert(key.identity_as_key(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        Ok(entries)
    }

    fn key(
        &mut self,
        event: Event<'_>,
        span: Span,
        events: &mut Events<'_>,
        depth: usize,
    ) -> Result<Node, Problems> {
        if matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "=") {
            return Ok(Node::new(Kind::Text("=".into()), self.mark(span.start)));
        }
        let key = self.node(event, span, events, depth + 1)?;
        match key.kind {
            Kind::Sequence(_) | Kind::Mapping(_) => {
                Err(self.refuse(span, "a list or a mapping cannot be a key"))
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => Ok(key),
        }
    }

    /// `<<: *base` or `<<: [*a, *b]`: of several, the first wins, and the mapping's own keys win over all.
    fn merge(&self, value: Node, span: Span) -> Result<Vec<(Node, Node)>, Problems> {
        let refusal = "`<<` takes a mapping or a list of mappings";
        match value.kind {
            Kind::Mapping(entries) => Ok(entries),
            Kind::Sequence(items) => {
                let mut merged = Vec::new();
                for item in items.into_iter().rev() {
                    match item.kind {
                        Kind::Mapping(entries) => merged.extend(entries),
                        Kind::Null
                        | Kind::Bool(_)
                        | Kind::Integer(_)
                        | Kind::Float(_)
                        | Kind::Text(_)
                        | Kind::Timestamp(_)
                        | Kind::Sequence(_) => return Err(self.refuse(span, refusal)),
                    }
                }
                Ok(merged)
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => Err(self.refuse(span, refusal)),
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Problems> {
        if self.open.contains(&id) {
            return Err(self.refuse(span, "this alias refers to the value that contains it"));
        }
        let Some(node) = self.anchors.get(&id) else {
            return Err(self.refuse(span, "this alias names no anchor"));
        };
        let (size, depth) = (node.size(), node.depth());
        // Before anything is copied: what an alias stands for may be as large as the budget.
        self.spend(size, span)?;
        if depth > DEPTH_LIMIT {
            return Err(self.refuse(span, "nested too deeply"));
        }
        Ok(self.anchors[&id].clone())
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Problems> {
        self.spent = self.spent.saturating_add(nodes);
        if self.spent > NODE_BUDGET {
            return Err(self.refuse(
                span,
                "the document is too large once its aliases are expanded",
            ));
        }
        Ok(())
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Node, Problems> {
        let mark = self.mark(span.start);
        let kind = match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None | Some((true, "str")) => Ok(Kind::Text(text.into())),
            // `!` alone means: do not guess.
            Some((false, "")) => Ok(Kind::Text(text.into())),
            Some((true, name)) => scalar::tagged(name, text),
            Some((false, name)) => Err(format!("the tag `!{name}` is not known")),
        };
        match kind {
            Ok(kind) => Ok(Node::new(kind, mark).with_raw(text)),
            Err(message) => Err(self.refuse(span, &message)),
        }
    }

    fn collection_tag(&self, tag: Option<&Tag>, own: &str, span: Span) -> Result<(), Problems> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => {
                Err(self.refuse(span, &format!("the tag `{tag}` is not known")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn identified(&mut self, kind: Kind, span: Span) -> Node {
        self.identities += 1;
        let mut node = Node::new(kind, self.mark(span.start));
        node.identity = self.identities;
        node
    }

    fn mark(&self, marker: Marker) -> Mark {
        Mark {
            file: Some(Arc::clone(self.file)),
            line: marker.line(),
            column: self.column(marker),
        }
    }

    fn column(&self, marker: Marker) -> usize {
        self.text.original_column(marker.line(), marker.col()) + 1
    }

    fn syntax(&mut self, error: &ScanError) -> Problems {
        let marker = *error.marker();
        self.misplaced = Misplaced::of(error.info(), marker.line(), marker.col());
        let message = format!("not valid YAML: {}", error.info());
        one(self.file, marker.line(), self.column(marker), message)
    }

    fn refuse(&self, span: Span, message: &str) -> Problems {
        let column = self.column(span.start);
        one(self.file, span.start.line(), column, message.to_owned())
    }
}

#[cfg(test)]
mod tests;
