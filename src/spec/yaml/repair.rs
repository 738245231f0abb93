//! YAML 1.1 does not care how the continuation lines of quoted texts and flow collections are indented; YAML 1.2, and with it the
//! parser, does. Such lines are moved to the right, which changes nothing that they mean, and remembered so that places stay true.

use std::collections::HashMap;

/// Bytes that may be parsed again, all attempts together.
const BUDGET: usize = 20_000_000;
/// Deeper than any mapping may be nested.
const FLOW_INDENT: usize = 300;

/// What the parser stumbled over. Lines count from 1, columns from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The quoted text that starts here.
    Quoted { line: usize, column: usize },
    /// A line inside `[..]` or `{..}`.
    Flow { line: usize },
}

impl Misplaced {
    pub(super) fn of(message: &str, line: usize, column: usize) -> Option<Self> {
        match message {
            "invalid indentation in quoted scalar" => Some(Self::Quoted { line, column }),
            "invalid indentation" | "invalid indentation in flow construct" => {
                Some(Self::Flow { line })
            }
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Repaired {
    text: String,
    /// By how much a line was moved.
    moved: HashMap<usize, usize>,
    spent: usize,
}

impl Repaired {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            moved: HashMap::new(),
            spent: 0,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn original_column(&self, line: usize, column: usize) -> usize {
        column.saturating_sub(self.moved.get(&line).copied().unwrap_or(0))
    }

    /// Whether something was moved, so that another attempt may succeed.
    pub(super) fn indent(&mut self, misplaced: Misplaced) -> bool {
        self.spent += self.text.len();
        if self.spent > BUDGET {
            return false;
        }
        let (lines, by) = match misplaced {
            Misplaced::Quoted { line, column } => (self.continuation_of(line, column), column + 1),
            Misplaced::Flow { line } => (line..line + 1, FLOW_INDENT),
        };
        let mut text = String::with_capacity(self.text.len());
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let fresh = lines.contains(&(index + 1)) && !self.moved.contains_key(&(index + 1));
            if fresh && !line.trim().is_empty() {
                text.push_str(&" ".repeat(by));
                self.moved.insert(index + 1, by);
            }
            text.push_str(line);
        }
        let changed = text.len() > self.text.len();
        self.text = text;
        changed
    }

    /// The lines after the first of the quoted text that starts here.
    fn continuation_of(&self, line: usize, column: usize) -> std::ops::Range<usize> {
        let mut lines = self.text.split_inclusive('\n').skip(line - 1);
        let first = lines.next().unwrap_or_default();
        let mut rest = first
            .chars()
            .skip(column)
            .chain(lines.flat_map(str::chars))
            .peekable();
        let quote = rest.next();
        let mut end = line;
        while let Some(c) = rest.next() {
            match c {
                '\n' => end += 1,
                '\\' if quote == Some('"') => end += usize::from(rest.next() == Some('\n')),
                '\'' if quote == Some('\'') && rest.peek() == Some(&'\'') => {
                    rest.next();
                }
                c if Some(c) == quote => break,
                _ => {}
            }
        }
        line + 1..end + 1
    }
}
