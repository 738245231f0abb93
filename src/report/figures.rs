//! Durations and numbers as people read them.

use std::time::Duration;

/// A duration as people say it: `420ms`, `4.2s`, `42s`, `3m 05s`, `2h 07m`, `1d 03h`.
pub fn human(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    if millis < 9_950 {
        let tenths = (millis + 50) / 100;
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    // Each unit is rounded before it is judged, so that 59.7 seconds are `1m 00s` and never `60s`.
    let seconds = (millis + 500) / 1_000;
    if seconds < 60 {
        return format!("{seconds}s");
    }
    if seconds < 3_600 {
        return format!("{}m {:02}s", seconds / 60, seconds % 60);
    }
    let minutes = (seconds + 30) / 60;
    if minutes < 24 * 60 {
        return format!("{}h {:02}m", minutes / 60, minutes % 60);
    }
    let hours = (minutes + 30) / 60;
    format!("{}d {:02}h", hours / 24, hours % 24)
}

/// A metric's value with six significant digits.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e15 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return trim_zeros(&format!("{value:.5e}"));
    }
    let before_point = [1e5, 1e4, 1e3, 1e2, 1e1, 1e0]
        .iter()
        .position(|&power| magnitude >= power)
        .map_or(0, |at| 6 - at);
    // Below one, zeros after the point are not significant.
    let leading_zeros = [1e-1, 1e-2, 1e-3]
        .iter()
        .filter(|&&power| magnitude < power)
        .count();
    let decimals = if before_point == 0 {
        6 + leading_zeros
    } else {
        6 - before_point
    };
    trim_zeros(&format!("{value:.decimals$}"))
}

fn trim_zeros(text: &str) -> String {
    let (digits, exponent) = match text.find('e') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_before_the_unit_is_chosen() {
        for (millis, text) in [
            (0, "0ms"),
            (420, "420ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (4_249, "4.2s"),
            (9_949, "9.9s"),
            (9_950, "10s"),
            (59_499, "59s"),
            (59_700, "1m 00s"),
            (185_000, "3m 05s"),
            (3_599_600, "1h 00m"),
            (7_629_000, "2h 07m"),
            (86_399_000, "1d 00h"),
            (97_200_000, "1d 03h"),
        ] {
            assert_eq!(human(Duration::from_millis(millis)), text, "{millis} ms");
        }
    }

    #[test]
    fn numbers_have_six_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (48_120.0, "48120"),
            (3.218_281_828, "3.21828"),
            (-12.5, "-12.5"),
            (123_456.789, "123457"),
            (0.001_234_567_8, "0.00123457"),
            (0.5, "0.5"),
            (1.234_567e-7, "1.23457e-7"),
            (9_876_543_210.5, "9.87654e9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
