//! Shapes of input texts: booleans, durations, counts, choices, lists. Pure text; nothing is looked up.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::InputProblem;
use crate::stage::Shape;

/// The value as a stage's struct is to see it, or what is wrong with it. The label is filled in by the caller.
pub(super) fn normalise(shape: Shape, value: &str, any_case: bool) -> Result<String, InputProblem> {
    let label = String::new();
    let found = value.to_owned();
    match shape {
        Shape::Text | Shape::Secret | Shape::Path => Ok(found),
        Shape::Lines => Ok(Lines::split(value).0.join("\n")),
        Shape::Flag => match yaml_bool(value, any_case) {
            Some(value) => Ok(value.to_string()),
            None => Err(InputProblem::NotBoolean { label, found }),
        },
        Shape::Choice(allowed) if allowed.contains(&value) => Ok(found),
        Shape::Choice(allowed) => Err(InputProblem::NotAllowed {
            label,
            found,
            allowed: allowed.iter().map(|word| (*word).to_owned()).collect(),
        }),
        Shape::Duration => match parse_duration(value) {
            Some(_) => Ok(found),
            None => Err(InputProblem::NotDuration { label, found }),
        },
        Shape::Count => match value.parse::<u64>() {
            Ok(number) if value.bytes().all(|b| b.is_ascii_digit()) => Ok(number.to_string()),
            Ok(_) | Err(_) => Err(InputProblem::NotCount { label, found }),
        },
    }
}

/// A boolean as YAML's core schema spells it, as the hosts' own libraries demand; `yes`, `on` and `1` are none.
pub fn yaml_bool(text: &str, any_case: bool) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ if any_case && text.eq_ignore_ascii_case("true") => Some(true),
        _ if any_case && text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// In milliseconds; `ms` before `m`.
const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// `500ms`, `90s`, `15m`, `10h`, or the larger units first: `1h30m`. A bare number has no unit and is no duration; neither is nothing.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let (word, unit) = UNITS
            .iter()
            .find(|(word, _)| rest[digits..].starts_with(word))?;
        let unit = *unit;
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        millis = millis.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + word.len()..];
    }
    // What a clock can add to now without overflowing; nobody waits for a hundred years.
    (millis <= 100 * 365 * 24 * 3_600_000).then_some(Duration::from_millis(millis))
}

/// A duration in a stage's struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration")))
    }
}

/// A list with one item a line; empty lines and blanks around items do not count. (envy's own lists are split at commas.)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

impl Lines {
    pub fn split(text: &str) -> Self {
        Self(
            text.split(['\n', '\r'])
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::split(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_do_not_overflow() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("10h", Some(36_000)),
            ("1h30m", Some(5_400)),
            ("1h0m5s", Some(3_605)),
            ("0s", Some(0)),
            ("2500ms", Some(2)),
            ("1m500ms", Some(60)),
            ("500ms1s", None),
            ("5mm", None),
            ("90", None),
            ("", None),
            ("m", None),
            ("1.5h", None),
            ("-5m", None),
            ("+5m", None),
            ("30m1h", None),
            ("5m5m", None),
            ("1d", None),
            ("5 m", None),
            ("15M", None),
            ("５m", None),
            ("99999999999999999999h", None),
            ("18446744073709551615h", None),
            ("18446744073709551615s", None),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn counts_are_plain_digits() {
        let count = |text| normalise(Shape::Count, text, false).ok();
        assert_eq!(count("007").as_deref(), Some("7"));
        for text in ["-1", "+1", "1.0", "1e3", "", "0x1", "18446744073709551616"] {
            assert_eq!(count(text), None, "{text}");
        }
    }
}
