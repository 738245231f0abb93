//! Spans of time as the service wants them: ISO 8601. YAML has them as whole seconds or milliseconds. It knows no fields.

use serde_json::Value;

/// Seconds as ISO 8601; a binding as it is; zero is no limit.
pub(super) fn duration_of(value: &Value) -> Option<Value> {
    match value.as_i64() {
        Some(seconds) => duration(seconds).map(Value::String),
        None => Some(value.clone()),
    }
}

pub(super) fn duration(seconds: i64) -> Option<String> {
    iso(i128::from(seconds) * 1000)
}

/// Milliseconds as ISO 8601, like [`duration_of`].
pub(super) fn milliseconds_of(value: &Value) -> Option<Value> {
    match value.as_i64() {
        Some(milliseconds) => iso(i128::from(milliseconds)).map(Value::String),
        None => Some(value.clone()),
    }
}

fn iso(milliseconds: i128) -> Option<String> {
    if milliseconds == 0 {
        return None;
    }
    let (total, fraction) = (
        milliseconds.unsigned_abs() / 1000,
        milliseconds.unsigned_abs() % 1000,
    );
    let mut text = String::from(if milliseconds < 0 { "-P" } else { "P" });
    let (days, rest) = (total / 86_400, total % 86_400);
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if rest > 0 || fraction > 0 {
        text.push('T');
        for (amount, unit) in [(rest / 3600, 'H'), (rest / 60 % 60, 'M')] {
            if amount > 0 {
                text.push_str(&format!("{amount}{unit}"));
            }
        }
        let seconds = rest % 60;
        if fraction > 0 {
            let digits = format!("{seconds}.{fraction:03}");
            text.push_str(&format!("{}S", digits.trim_end_matches('0')));
        } else if seconds > 0 {
            text.push_str(&format!("{seconds}S"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_iso_durations() {
        for (seconds, expected) in [
            (0, None),
            (90, Some("PT1M30S")),
            (3600, Some("PT1H")),
            (86_400, Some("P1D")),
            (90_061, Some("P1DT1H1M1S")),
            (120, Some("PT2M")),
        ] {
            assert_eq!(duration(seconds).as_deref(), expected);
        }
    }

    #[test]
    fn milliseconds_become_iso_durations_with_a_fraction() {
        for (milliseconds, expected) in [
            (0, None),
            (500, Some("PT0.5S")),
            (90_050, Some("PT1M30.05S")),
            (60_000, Some("PT1M")),
        ] {
            assert_eq!(iso(milliseconds).as_deref(), expected);
        }
    }
}
