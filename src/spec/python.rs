//! How Python writes values: `str()`, `repr(float)`, `json.dumps`. Literals of jobs and the hash of an anonymous component are
//! made of such texts. Pure; it knows no schema.

use serde_json::{Map, Number, Value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::yaml::{Kind, Node};

/// `str(value)` of a scalar as PyYAML loads it; `None` for lists and mappings, which no field takes as text.
pub(super) fn text_of(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Null => Some("None".into()),
        Kind::Bool(true) => Some("True".into()),
        Kind::Bool(false) => Some("False".into()),
        Kind::Integer(value) => Some(value.to_string()),
        Kind::Float(value) => Some(float(*value)),
        Kind::Text(text) | Kind::Timestamp(text) => Some(text.clone()),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

/// `str(value)` of anything that PyYAML loads.
pub(super) fn str_of(node: &Node) -> String {
    text_of(node).unwrap_or_else(|| repr(node))
}

/// `repr(value)`: texts in quotes, lists and mappings with theirs inside.
fn repr(node: &Node) -> String {
    match &node.kind {
        Kind::Text(text) => quoted(text),
        Kind::Sequence(items) => {
            let items: Vec<_> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Mapping(entries) => {
            let entry = |(key, value): &(Node, Node)| format!("{}: {}", repr(key), repr(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Timestamp(_) => {
            text_of(node).unwrap_or_default()
        }
    }
}

/// `repr(text)`: in single quotes, unless only double ones save escaping.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `repr(value)`: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// `format(Decimal(repr(value)), "f")`: the digits of [`float`] without an exponent.
pub(super) fn decimal(value: f64) -> String {
    let text = float(value);
    if text.contains('e') {
        format!("{value}")
    } else {
        text
    }
}

/// The value as it goes into a request.
pub(super) fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Integer(value) => integer(*value),
        Kind::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::Timestamp(text) => Value::String(iso(text)),
        Kind::Sequence(items) => items.iter().map(json_of).collect(),
        Kind::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (json_key(key), json_of(value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

/// `serialize_iso` of the SDK, of what [`text_of`] gives for a date or a time: in UTC, with a `Z` and six digits of a fraction.
fn iso(text: &str) -> String {
    let Some((date, clock)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let (clock, offset) = match clock.rfind(['+', '-']) {
        Some(at) => clock.split_at(at),
        None => (clock, "+00:00"),
    };
    let (seconds, fraction) = match clock.split_once('.') {
        Some((seconds, fraction)) => (seconds, format!(".{fraction}")),
        None => (clock, String::new()),
    };
    OffsetDateTime::parse(&format!("{date}T{seconds}{offset}"), &Rfc3339)
        .ok()
        .and_then(|time| {
            time.checked_to_offset(UtcOffset::UTC)?
                .format(&Rfc3339)
                .ok()
        })
        .map_or_else(
            || text.to_owned(),
            |utc| format!("{}{fraction}Z", utc.trim_end_matches('Z')),
        )
}

pub(super) fn integer(value: i128) -> Value {
    i64::try_from(value)
        .map(Value::from)
        .or_else(|_| u64::try_from(value).map(Value::from))
        .unwrap_or_else(|_| Value::String(value.to_string()))
}

fn json_key(key: &Node) -> String {
    match &key.kind {
        Kind::Null => "null".into(),
        Kind::Bool(value) => value.to_string(),
        Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_)
        | Kind::Sequence(_)
        | Kind::Mapping(_) => text_of(key).unwrap_or_default(),
    }
}

/// `json.dumps(value, sort_keys=True)`: ASCII only, a blank after every comma and colon.
pub(super) fn dumps_sorted(value: &Value) -> String {
    let mut out = String::new();
    dump(value, &mut out);
    out
}

fn dump(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (None, None, Some(value)) => out.push_str(&float(value)),
            (Some(_) | None, Some(_) | None, _) => out.push_str(&number.to_string()),
        },
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                dump(item, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                quote(key, out);
                out.push_str(": ");
                dump(value, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// `camel_to_snake` of the SDK: `UserIdentity` and `user_identity` are one word to it.
pub(super) fn camel_to_snake(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(index + 1);
        let boundary = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before != '_'
                        && before != ','
                        && before != ' '
                        && after.is_some_and(char::is_ascii_lowercase))
            });
        if boundary {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// `snake_to_camel` of the SDK: `max_trials` as `maxTrials`.
pub(super) fn snake_to_camel(text: &str) -> String {
    let mut out = String::new();
    let mut raised = false;
    for c in text.chars() {
        if c == '_' {
            raised = true;
        } else if std::mem::take(&mut raised) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e-7, "1.5e-07"),
            (1e16, "1e+16"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (1e15, "1000000000000000.0"),
            (-2.5, "-2.5"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn values_are_written_as_python_writes_them() {
        let yaml = "[a, \"it's\", 'say \"it''s\"', 1, 2.0, null, true, {k: [x]}]";
        let node = super::super::yaml::parse_value(yaml).unwrap();
        assert_eq!(
            str_of(&node),
            r#"['a', "it's", 'say "it\'s"', 1, 2.0, None, True, {'k': ['x']}]"#
        );
    }

    #[test]
    fn floats_without_exponent_keep_their_digits() {
        for (value, expected) in [(1e-5, "0.00001"), (1.0, "1.0"), (1e16, "10000000000000000")] {
            assert_eq!(decimal(value), expected);
        }
    }

    #[test]
    fn texts_are_quoted_as_python_shows_them() {
        for (text, expected) in [
            ("a", "'a'"),
            ("o'b", "\"o'b\""),
            ("o'b\"", "'o\\'b\"'"),
            ("a\\\n", "'a\\\\\\n'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn json_is_written_as_python_dumps_it_with_sorted_keys() {
        let value = serde_json::json!({"b": [1, 2.0, null], "a": {"ü": "\u{1F600}\n"}});
        assert_eq!(
            dumps_sorted(&value),
            r#"{"a": {"\u00fc": "\ud83d\ude00\n"}, "b": [1, 2.0, null]}"#
        );
    }

    #[test]
    fn times_are_sent_in_utc() {
        for (python, sent) in [
            ("2024-01-02", "2024-01-02"),
            ("2024-01-02 03:04:05", "2024-01-02T03:04:05Z"),
            ("2024-01-02 03:04:05+00:00", "2024-01-02T03:04:05Z"),
            (
                "2024-01-01 00:04:05.500000+02:30",
                "2023-12-31T21:34:05.500000Z",
            ),
        ] {
            assert_eq!(iso(python), sent);
        }
    }

    #[test]
    fn snake_case_becomes_camel_case() {
        assert_eq!(snake_to_camel("max_trials"), "maxTrials");
        assert_eq!(snake_to_camel("beta1"), "beta1");
    }

    #[test]
    fn camel_case_becomes_snake_case() {
        for (camel, snake) in [
            ("UserIdentity", "user_identity"),
            ("AMLToken", "aml_token"),
            ("ManagedIdentity", "managed_identity"),
            ("system_assigned", "system_assigned"),
            (
                "SystemAssigned,UserAssigned",
                "system_assigned,user_assigned",
            ),
        ] {
            assert_eq!(camel_to_snake(camel), snake);
        }
    }
}
