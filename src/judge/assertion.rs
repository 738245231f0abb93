//! `$.predictions[0] > 0`: a query of RFC 9535, a comparison and a JSON value. Owns the syntax of a line and what the comparison
//! means; the queries themselves are the crate's.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};
use serde_json_path::JsonPath;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Longer ones before their beginnings.
const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// One line of `expect`.
#[derive(Debug, Clone)]
pub struct Assertion {
    written: String,
    query: JsonPath,
    comparison: Comparison,
    value: Value,
}

/// A line that is no assertion. `column` counts characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {why}")]
pub struct Misread {
    pub column: usize,
    pub why: String,
}

impl Assertion {
    pub fn parse(line: &str) -> Result<Self, Misread> {
        let misread = |byte: usize, why: String| {
            let before = line.get(..byte).unwrap_or(line);
            Misread {
                column: before.chars().count() + 1,
                why,
            }
        };
        let query_starts = line.len() - line.trim_start().len();
        let found = comparison_in(line).map_err(|(at, why)| misread(at, why.to_owned()))?;
        let query_ends = found.map_or(line.len(), |(at, _, _)| at);
        let query = line[query_starts..query_ends].trim_end();
        if !query.starts_with('$') {
            let why = "a query of RFC 9535 starts with `$`: `$.predictions[0] > 0`".to_owned();
            return Err(misread(query_starts, why));
        }
        let parsed = JsonPath::parse(query).map_err(|error| {
            let why = format!("`{query}` is no query of RFC 9535 from here on");
            misread(query_starts + error.position().saturating_sub(1), why)
        })?;
        let Some((at, sign, comparison)) = found else {
            let signs: Vec<_> = COMPARISONS.iter().map(|(sign, _)| *sign).collect();
            let why = format!(
                "after the query comes one of {} and a JSON value",
                signs.join(" ")
            );
            return Err(misread(line.trim_end().len(), why));
        };
        let rest = &line[at + sign.len()..];
        let value_starts = line.len() - rest.trim_start().len();
        let value = serde_json::from_str(rest.trim()).map_err(|error| {
            let why = if rest.trim().is_empty() {
                format!("after `{sign}` comes a JSON value")
            } else {
                format!(
                    "`{}` is no JSON value (a text is written in double quotes): {error}",
                    rest.trim()
                )
            };
            misread(value_starts + error.column().saturating_sub(1), why)
        })?;
        Ok(Self {
            written: line.trim().to_owned(),
            query: parsed,
            comparison,
            value,
        })
    }

    /// What was found instead; `None` when it holds. It must hold of everything that the query selects, and of something.
    pub(super) fn broken_by(&self, document: &Value) -> Option<String> {
        let selected = self.query.query_located(document);
        if selected.is_empty() {
            return Some("nothing that the query selects".to_owned());
        }
        selected
            .iter()
            .find(|node| !self.comparison.holds(node.node(), &self.value))
            .map(|node| format!("{} at {}", node.node(), node.location()))
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The first comparison that is not inside of a filter or a quoted name, and where; or what stands in
/// its way, and where.
fn comparison_in(line: &str) -> Result<Option<Found>, (usize, &'static str)> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if let Some(closes) = quote {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == closes {
                quote = None;
            }
            continue;
        }
        match c {
            '[' | '(' => open.push(at),
            ']' | ')' => {
                open.pop();
            }
            '\'' | '"' if !open.is_empty() => quote = Some(c),
            _ if open.is_empty() => {
                let rest = &line[at..];
                let sign = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign));
                if let Some((sign, comparison)) = sign {
                    return Ok(Some((at, sign, *comparison)));
                }
                if c == '=' {
                    return Err((at, "`=` is no comparison; equal is written `==`"));
                }
            }
            _ => {}
        }
    }
    match open.first() {
        Some(at) => Err((*at, "what is opened here is not closed")),
        None => Ok(None),
    }
}

/// Where a comparison stands, how it is written, and which it is.
type Found = (usize, &'static str, Comparison);

impl Comparison {
    /// As in a filter of RFC 9535 (2.3.5.2.2): numbers and strings have an order, everything else is only equal or not.
    fn holds(self, found: &Value, expected: &Value) -> bool {
        let order = order(found, expected);
        match self {
            Self::Equal => same(found, expected),
            Self::NotEqual => !same(found, expected),
            Self::Less => order == Some(Ordering::Less),
            Self::AtMost => order == Some(Ordering::Less) || same(found, expected),
            Self::Greater => order == Some(Ordering::Greater),
            Self::AtLeast => order == Some(Ordering::Greater) || same(found, expected),
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let in_b = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(in_b)
        }
        (a, b) => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whole numbers exactly, everything else as the floating-point numbers that models answer with.
fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(line: &str, document: &Value) -> Option<String> {
        Assertion::parse(line).unwrap().broken_by(document)
    }

    #[test]
    fn numbers_texts_and_structures_are_compared_as_rfc_9535_does() {
        let document = json!({"n": 1, "f": 1.0, "s": "b", "t": true, "z": null, "a": [1, {"x": 2}], "big": 9007199254740993_i64});
        for (line, holds) in [
            ("$.n == 1.0", true),
            ("$.f == 1", true),
            ("$.n != 2", true),
            ("$.n<2", true),
            ("$.n <= 1", true),
            ("$.n >= 1.5", false),
            ("$.n > \"0\"", false),
            ("$.s > \"a\"", true),
            ("$.s >= \"b\"", true),
            ("$.t == true", true),
            ("$.t > false", false),
            ("$.t >= true", true),
            ("$.z == null", true),
            ("$.a == [1.0, {\"x\": 2}]", true),
            ("$.a != [1]", true),
            ("$.big == 9007199254740992", false),
            ("$.big > 9007199254740992", true),
        ] {
            assert_eq!(broken(line, &document).is_none(), holds, "{line}");
        }
    }

    #[test]
    fn a_comparison_inside_of_a_filter_or_a_name_belongs_to_the_query() {
        let document =
            json!({"rows": [{"id": 1, "p": 0.2}, {"id": 2, "p": 0.9}], "a<b": 5, "c']>": 6});
        for line in [
            "$.rows[?@.id > 1].p > 0.5",
            "$.rows[?(@.p < 0.5 && @.id == 1)].p == 0.2",
            "$['a<b'] == 5",
            r"$['c\']>'] == 6",
            "$.rows[?length(@.id) != 3].id != 9",
            "$.rows[*].p < 1",
        ] {
            assert_eq!(broken(line, &document), None, "{line}");
        }
    }

    #[test]
    fn it_must_hold_of_everything_selected_and_of_something() {
        let document = json!({"p": [1, 2, -3]});
        assert_eq!(broken("$.p[*] > 0", &document).unwrap(), "-3 at $['p'][2]");
        let nothing = "nothing that the query selects";
        assert_eq!(broken("$.q != 0", &document).unwrap(), nothing);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_column() {
        for (line, column, says) in [
            ("predictions[0] > 0", 1, "starts with `$`"),
            ("> 0", 1, "starts with `$`"),
            ("$.predictions[0]", 17, "one of == != <= >= < >"),
            ("$.p >", 6, "comes a JSON value"),
            ("$.p > zero", 7, "no JSON value"),
            ("$.p == {\"a\": }", 14, "no JSON value"),
            ("$.p >> 0", 6, "no JSON value"),
            ("$.é == x", 8, "no JSON value"),
            ("$.p = 1", 5, "written `==`"),
            ("$.p[ > 0", 4, "not closed"),
            ("$.p['x > 0", 4, "not closed"),
            ("$.p[x] > 0", 3, "no query"),
        ] {
            let misread = Assertion::parse(line).unwrap_err();
            assert!(misread.why.contains(says), "{line}: {misread}");
            assert_eq!(misread.column, column, "{line}: {misread}");
        }
    }

    #[test]
    fn an_assertion_is_shown_as_it_was_written() {
        let line = "  $.predictions[0]  >  0 ";
        assert_eq!(Assertion::parse(line).unwrap().to_string(), line.trim());
    }
}
