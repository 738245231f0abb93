//! The tree back to text, byte for byte as PyYAML's `yaml.dump(value, sort_keys=True)` writes it: a conda file goes to the service
//! in this form and names an anonymous environment by its hash. A port of `emitter.py` of PyYAML 6.0.3 for block style.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::scalar;
use super::tree::{Kind, Node};
use crate::spec::python;

const WIDTH: usize = 80;
const BREAKS: [char; 4] = ['\n', '\u{85}', '\u{2028}', '\u{2029}'];

pub(in crate::spec) fn dump(node: &Node) -> String {
    let mut uses = HashMap::new();
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        indent: None,
        whitespace: true,
        indention: true,
        anchors: HashMap::new(),
        written: Vec::new(),
    };
    emitter.count_uses(node, &mut uses);
    emitter.node(node, Context::Root);
    let bare = emitter.ends_bare(node);
    emitter.out.push('\n');
    if bare {
        emitter.out.push_str("...\n");
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Root,
    Item,
    Value,
    SimpleKey,
}

struct Emitter {
    out: String,
    column: usize,
    indent: Option<usize>,
    whitespace: bool,
    indention: bool,
    /// Collections that occur more than once, by identity.
    anchors: HashMap<u32, String>,
    written: Vec<u32>,
}

impl Emitter {
    fn count_uses(&mut self, node: &Node, seen: &mut HashMap<u32, usize>) {
        if node.identity > 0 {
            let count = seen.entry(node.identity).or_insert(0);
            *count += 1;
            if *count > 1 {
                let next = self.anchors.len() + 1;
                self.anchors
                    .entry(node.identity)
                    .or_insert_with(|| format!("id{next:03}"));
                return;
            }
        }
        for item in node.items().unwrap_or_default() {
            self.count_uses(item, seen);
        }
        for (_, value) in sorted(node.entries().unwrap_or_default()) {
            self.count_uses(value, seen);
        }
    }

    fn ends_bare(&self, node: &Node) -> bool {
        node.entries().is_none() && node.items().is_none() && !self.out.ends_with(['\'', '"'])
    }

    fn node(&mut self, node: &Node, context: Context) {
        if let Some(anchor) = self.anchors.get(&node.identity).cloned() {
            if self.written.contains(&node.identity) {
                return self.indicator(&format!("*{anchor}"), true, false);
            }
            self.written.push(node.identity);
            self.indicator(&format!("&{anchor}"), true, false);
        }
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => {
                self.indicator("[", true, false);
                self.indicator("]", false, false);
            }
            Kind::Mapping(entries) if entries.is_empty() => {
                self.indicator("{", true, false);
                self.indicator("}", false, false);
            }
            Kind::Sequence(items) => {
                let indentless = context == Context::Value && !self.indention;
                let outer = self.increase_indent(indentless);
                for item in items {
                    self.write_indent();
                    self.indicator("-", true, true);
                    self.node(item, Context::Item);
                }
                self.indent = outer;
            }
            Kind::Mapping(entries) => {
                let outer = self.increase_indent(false);
                for (key, value) in sorted(entries) {
                    self.write_indent();
                    if simple_key(key) {
                        self.node(key, Context::SimpleKey);
                        self.indicator(":", false, false);
                    } else {
                        self.indicator("?", true, true);
                        self.node(key, Context::Value);
                        self.write_indent();
                        self.indicator(":", true, true);
                    }
                    self.node(value, Context::Value);
                }
                self.indent = outer;
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_) => {
                self.scalar(node, context);
            }
        }
    }

    fn scalar(&mut self, node: &Node, context: Context) {
        let text: Vec<char> = representation(node).chars().collect();
        let analysis = Analysis::of(&text);
        let simple = context == Context::SimpleKey;
        let resolved = match &node.kind {
            Kind::Text(text) => matches!(scalar::resolve(text), Ok(Kind::Text(_))),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => true,
        };
        let outer = self.indent;
        self.indent = Some(outer.map_or(2, |indent| indent + 2));
        if resolved && analysis.plain && !(simple && (text.is_empty() || analysis.multiline)) {
            self.plain(&text, !simple);
        } else if analysis.single_quoted && !(simple && analysis.multiline) {
            self.single_quoted(&text, !simple);
        } else {
            self.double_quoted(&text, !simple);
        }
        self.indent = outer;
    }

    fn increase_indent(&mut self, indentless: bool) -> Option<usize> {
        let outer = self.indent;
        self.indent = match outer {
            None => Some(0),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + 2),
        };
        outer
    }

    fn indicator(&mut self, indicator: &str, need_whitespace: bool, indention: bool) {
        if need_whitespace && !self.whitespace {
            self.write(" ");
        }
        self.write(indicator);
        self.whitespace = false;
        self.indention = self.indention && indention;
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn write_chars(&mut self, text: &[char]) {
        self.out.extend(text);
        self.column += text.len();
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.whitespace = true;
        self.indention = true;
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break('\n');
        }
        if self.column < indent {
            self.whitespace = true;
            self.out.push_str(&" ".repeat(indent - self.column));
            self.column = indent;
        }
    }

    fn plain(&mut self, text: &[char], split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.write(" ");
        }
        self.whitespace = false;
        self.indention = false;
        let (mut spaces, mut start) = (false, 0);
        for end in 0..=text.len() {
            let c = text.get(end).copied();
            if spaces && c != Some(' ') {
                if start + 1 == end && self.column > WIDTH && split {
                    self.write_indent();
                    self.whitespace = false;
                    self.indention = false;
                } else {
                    self.write_chars(&text[start..end]);
                }
                start = end;
            } else if !spaces && c.is_none_or(|c| c == ' ') {
                self.write_chars(&text[start..end]);
                start = end;
            }
            spaces = c == Some(' ');
        }
    }

    fn single_quoted(&mut self, text: &[char], split: bool) {
        self.indicator("'", true, false);
        let (mut spaces, mut breaks, mut start) = (false, false, 0);
        for end in 0..=text.len() {
            let c = text.get(end).copied();
            if spaces {
                if c != Some(' ') {
                    if start + 1 == end
                        && self.column > WIDTH
                        && split
                        && start != 0
                        && end != text.len()
                    {
                        self.write_indent();
                    } else {
                        self.write_chars(&text[start..end]);
                    }
                    start = end;
                }
            } else if breaks {
                if c.is_none_or(|c| !BREAKS.contains(&c)) {
                    if text[start] == '\n' {
                        self.line_break('\n');
                    }
                    for &c in &text[start..end] {
                        self.line_break(c);
                    }
                    self.write_indent();
                    start = end;
                }
            } else if c.is_none_or(|c| c == ' ' || c == '\'' || BREAKS.contains(&c)) && start < end
            {
                self.write_chars(&text[start..end]);
                start = end;
            }
            if c == Some('\'') {
                self.write("''");
                start = end + 1;
            }
            if let Some(c) = c {
                spaces = c == ' ';
                breaks = BREAKS.contains(&c);
            }
        }
        self.indicator("'", false, false);
    }

    fn double_quoted(&mut self, text: &[char], split: bool) {
        self.indicator("\"", true, false);
        let mut start = 0;
        for end in 0..=text.len() {
            let c = text.get(end).copied();
            if c.is_none_or(|c| matches!(c, '"' | '\\') || !(' '..='~').contains(&c)) {
                if start < end {
                    self.write_chars(&text[start..end]);
                    start = end;
                }
                if let Some(c) = c {
                    self.write(&escape(c));
                    start = end + 1;
                }
            }
            let splits = 0 < end
                && end + 1 < text.len()
                && (c == Some(' ') || start >= end)
                // After an escape `start` is past `end`.
                && self.column + end > WIDTH + start
                && split;
            if splits {
                if start < end {
                    self.write_chars(&text[start..end]);
                    start = end;
                }
                self.write("\\");
                self.write_indent();
                self.whitespace = false;
                self.indention = false;
                if text[start] == ' ' {
                    self.write("\\");
                }
            }
        }
        self.indicator("\"", false, false);
    }
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => "0",
        '\u{7}' => "a",
        '\u{8}' => "b",
        '\t' => "t",
        '\n' => "n",
        '\u{b}' => "v",
        '\u{c}' => "f",
        '\r' => "r",
        '\u{1b}' => "e",
        '"' => "\"",
        '\\' => "\\",
        '\u{85}' => "N",
        '\u{a0}' => "_",
        '\u{2028}' => "L",
        '\u{2029}' => "P",
        c if c <= '\u{ff}' => return format!("\\x{:02X}", u32::from(c)),
        c if c <= '\u{ffff}' => return format!("\\u{:04X}", u32::from(c)),
        c => return format!("\\U{:08X}", u32::from(c)),
    };
    format!("\\{short}")
}

/// Sorted when all keys are of one type that Python can compare; otherwise as written.
fn sorted(entries: &[(Node, Node)]) -> Vec<(&Node, &Node)> {
    let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
    let comparable = entries
        .iter()
        .all(|(key, _)| matches!(key.kind, Kind::Text(_)))
        || entries.iter().all(|(key, _)| number(key).is_some());
    if comparable {
        sorted.sort_by(|(a, _), (b, _)| match (number(a), number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (_, _) => a.as_text().cmp(&b.as_text()),
        });
    }
    sorted
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only the order of keys depends on it"
)]
fn number(node: &Node) -> Option<f64> {
    match &node.kind {
        Kind::Integer(value) => Some(*value as f64),
        Kind::Float(value) => Some(*value),
        Kind::Bool(value) => Some(f64::from(u8::from(*value))),
        Kind::Null | Kind::Text(_) | Kind::Timestamp(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            None
        }
    }
}

fn representation(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "null".into(),
        Kind::Bool(value) => value.to_string(),
        Kind::Float(value) if value.is_nan() => ".nan".into(),
        Kind::Float(value) if value.is_infinite() => {
            if *value > 0.0 { ".inf" } else { "-.inf" }.into()
        }
        Kind::Float(value) => {
            let text = python::float(*value);
            if text.contains('.') {
                text
            } else {
                text.replacen('e', ".0e", 1)
            }
        }
        Kind::Integer(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => python::text_of(node).unwrap_or_default(),
    }
}

fn simple_key(key: &Node) -> bool {
    let tag = match &key.kind {
        Kind::Bool(_) | Kind::Null => "!!bool".len(),
        Kind::Float(_) => "!!float".len(),
        Kind::Timestamp(_) => "!!timestamp".len(),
        Kind::Integer(_) | Kind::Text(_) | Kind::Sequence(_) | Kind::Mapping(_) => "!!str".len(),
    };
    let text = representation(key);
    tag + text.chars().count() < 128 && !text.is_empty() && !text.contains(BREAKS)
}

/// Which styles a scalar may take.
struct Analysis {
    multiline: bool,
    plain: bool,
    single_quoted: bool,
}

impl Analysis {
    fn of(text: &[char]) -> Self {
        let blank = |c: Option<&char>| {
            c.is_none_or(|c| matches!(c, '\0' | ' ' | '\t' | '\r') || BREAKS.contains(c))
        };
        let (Some(first), Some(last)) = (text.first(), text.last()) else {
            return Self {
                multiline: false,
                plain: true,
                single_quoted: true,
            };
        };
        let is_break = |c: &char| BREAKS.contains(c);
        let mut indicators =
            text.starts_with(&['-', '-', '-']) || text.starts_with(&['.', '.', '.']);
        indicators |= "#,[]{}&*!|>'\"%@`".contains(*first);
        indicators |= "?:-".contains(*first) && blank(text.get(1));
        let (mut special, mut multiline, mut space_break, mut break_space) =
            (false, false, false, false);
        for (index, c) in text.iter().enumerate() {
            let before = index.checked_sub(1).map(|at| &text[at]);
            if index > 0 {
                indicators |= *c == ':' && blank(text.get(index + 1));
                indicators |= *c == '#' && blank(before);
            }
            multiline |= is_break(c);
            special |= !(*c == '\n' || (' '..='~').contains(c));
            break_space |= *c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(c) && before == Some(&' ');
        }
        let outer_blank = |c: &char| *c == ' ' || is_break(c);
        let quoted_only = space_break || special;
        Self {
            multiline,
            plain: !(outer_blank(first)
                || outer_blank(last)
                || break_space
                || quoted_only
                || multiline
                || indicators),
            single_quoted: !(break_space || quoted_only),
        }
    }
}

#[cfg(test)]
mod tests;
