//! The emulator's clock and the spellings of time that its answers use. The only place of the emulator that reads the wall clock.

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

/// The time now, in UTC.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// As resource bodies write it: seven fractional digits, and an offset instead of `Z`.
pub(crate) fn stamp(at: OffsetDateTime) -> String {
    let form = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]+00:00"
    );
    at.format(&form).unwrap_or_default()
}

/// To the second with a `Z`, as SAS fields and workspace dates are written.
pub(crate) fn short(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.format(&form).unwrap_or_default()
}

/// As HTTP headers and blob listings write it.
pub(crate) fn http_date(at: OffsetDateTime) -> String {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.format(&form).unwrap_or_default()
}

/// Milliseconds since 1970, as MLflow counts.
pub(crate) fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// How run history writes a span of time.
pub(crate) fn span(from: OffsetDateTime, to: OffsetDateTime) -> String {
    let millis = (to - from).whole_milliseconds().max(0);
    let seconds = millis / 1000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
}

/// Reads the seconds-precision SAS time (`2026-01-01T00:00:00Z`), with or without a fraction.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()
}

/// An ISO 8601 duration such as `PT1H30M` or `P1DT2.5S`; months and years are no lengths of time and are refused.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0.0;
    for (part, units) in [
        (days, &[('W', 604_800.0), ('D', 86_400.0)][..]),
        (clock, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)][..]),
    ] {
        let mut number = String::new();
        for letter in part.chars() {
            if letter.is_ascii_digit() || letter == '.' {
                number.push(letter);
                continue;
            }
            let (_, unit) = units.iter().find(|(name, _)| *name == letter)?;
            seconds += number.parse::<f64>().ok()? * unit;
            number.clear();
        }
        if !number.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_iso_8601_are_read_and_months_are_refused() {
        assert_eq!(duration("PT1H30M"), Some(Duration::from_secs(5400)));
        assert_eq!(
            duration("P1DT0.5S"),
            Some(Duration::from_millis(86_400_500))
        );
        assert_eq!(duration("P1M"), None);
        assert_eq!(duration("60"), None);
    }

    #[test]
    fn times_carry_seven_fractional_digits() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_698_724_392_390_557_400).unwrap();
        assert_eq!(stamp(at), "2023-10-31T03:53:12.3905574+00:00");
        assert_eq!(http_date(at), "Tue, 31 Oct 2023 03:53:12 GMT");
    }
}
