//! What a plain scalar means under YAML 1.1, as PyYAML's implicit resolvers and constructors have it
//! (<https://github.com/yaml/pyyaml/blob/6.0.3/lib/yaml/resolver.py>, `constructor.py`). Pure text in, a [`Kind`] out.

use std::sync::LazyLock;

use regex::Regex;

use super::tree::Kind;

/// # Panics
/// Never: the patterns are constants that the tests compile.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants that the tests compile"
)]
fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a constant pattern compiles")
}

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    )
});
static INTEGER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    )
});
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9]{1,2})(?::?([0-9]{2}))?))?)?$",
    )
});

/// The value of a plain scalar without a tag.
pub(in crate::spec) fn resolve(text: &str) -> Result<Kind, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Kind::Bool(true));
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Kind::Bool(false));
        }
        "=" | "<<" => return Err(format!("`{text}` cannot be a value; put it in quotes")),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Ok(Kind::Text(text.to_owned()));
    }
    if FLOAT.is_match(text) {
        return float(text).map(Kind::Float);
    }
    if INTEGER.is_match(text) {
        return integer(text).map(Kind::Integer);
    }
    if is_timestamp(text) {
        return timestamp(text).map(Kind::Timestamp);
    }
    Ok(Kind::Text(text.to_owned()))
}

/// The value of a scalar with an explicit `!!tag`.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Kind, String> {
    match tag {
        "null" => Ok(Kind::Null),
        "bool" => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" => Ok(Kind::Bool(true)),
            "no" | "false" | "off" => Ok(Kind::Bool(false)),
            _ => Err(format!("`{text}` is not a boolean")),
        },
        "int" => integer(text).map(Kind::Integer),
        "float" => float(text).map(Kind::Float),
        "timestamp" => timestamp(text).map(Kind::Timestamp),
        _ => Err(format!("the tag `!!{tag}` is not supported here")),
    }
}

fn signed(text: &str) -> (bool, String) {
    let text = text.replace('_', "");
    match text.strip_prefix('-') {
        Some(rest) => (true, rest.to_owned()),
        None => (false, text.strip_prefix('+').unwrap_or(&text).to_owned()),
    }
}

fn integer(text: &str) -> Result<i128, String> {
    let refusal = || format!("`{text}` is not a number that fits");
    let (negative, digits) = signed(text);
    let value = if digits == "0" {
        Some(0)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()
    } else if digits.starts_with('0') {
        i128::from_str_radix(&digits, 8).ok()
    } else if digits.contains(':') {
        digits.split(':').try_fold(0i128, |sum, part| {
            sum.checked_mul(60)?.checked_add(part.parse().ok()?)
        })
    } else {
        digits.parse().ok()
    };
    let value = value.ok_or_else(refusal)?;
    Ok(if negative { -value } else { value })
}

fn float(text: &str) -> Result<f64, String> {
    let refusal = || format!("`{text}` is not a number");
    let (negative, digits) = signed(&text.to_lowercase());
    let value = match digits.as_str() {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        other if other.contains(':') => other
            .split(':')
            .try_fold(0.0, |sum, part| {
                Some(sum * 60.0 + part.parse::<f64>().ok()?)
            })
            .ok_or_else(refusal)?,
        other => other.parse::<f64>().ok().ok_or_else(refusal)?,
    };
    Ok(if negative { -value } else { value })
}

/// The resolver wants two-digit months and days for a date alone; the constructor is laxer.
fn is_timestamp(text: &str) -> bool {
    TIMESTAMP.captures(text).is_some_and(|found| {
        let short = |group: usize| found.get(group).is_some_and(|part| part.len() < 2);
        found.get(4).is_some() || !(short(2) || short(3))
    })
}

fn timestamp(text: &str) -> Result<String, String> {
    let refusal = || format!("`{text}` looks like a date but is none; put it in quotes");
    let found = TIMESTAMP.captures(text).ok_or_else(refusal)?;
    let number = |group: usize| {
        found
            .get(group)
            .and_then(|part| part.as_str().parse::<u32>().ok())
    };
    let (year, month, day) = (
        number(1).unwrap_or(0),
        number(2).unwrap_or(0),
        number(3).unwrap_or(0),
    );
    if year == 0 || day == 0 || day > days_of(year, month) {
        return Err(refusal());
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let (Some(hour), Some(minute), Some(second)) = (number(4), number(5), number(6)) else {
        return Ok(date);
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err(refusal());
    }
    let mut written = format!("{date} {hour:02}:{minute:02}:{second:02}");
    let fraction: String = found
        .get(7)
        .map_or("", |part| part.as_str())
        .chars()
        .take(6)
        .collect();
    if fraction.bytes().any(|digit| digit != b'0') {
        written.push_str(&format!(".{fraction:0<6}"));
    }
    match (found.get(8), found.get(9)) {
        (Some(_), Some(sign)) => {
            let (hours, minutes) = (number(10).unwrap_or(0), number(11).unwrap_or(0));
            if hours > 23 || minutes > 59 {
                return Err(refusal());
            }
            written.push_str(&format!("{}{hours:02}:{minutes:02}", sign.as_str()));
        }
        (Some(_), None) => written.push_str("+00:00"),
        (None, _) => {}
    }
    Ok(written)
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 0,
    }
}
