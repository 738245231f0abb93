//! The statuses that are expected: `200`, `2xx`, `200-204`, several with commas.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of HTTP statuses; every success when nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HTTP status; write 200, 2xx or 200-204, several with commas")]
pub struct BadStatus(String);

const CODES: RangeInclusive<u16> = 100..=599;

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl Statuses {
    pub fn parse(text: &str) -> Result<Self, BadStatus> {
        let one = |part: &str| range(part).ok_or_else(|| BadStatus(part.to_owned()));
        text.split(',')
            .map(str::trim)
            .map(one)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(part: &str) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|code| digits && CODES.contains(code))
    };
    if let Some(class) = part.to_ascii_lowercase().strip_suffix("xx") {
        let hundreds = code(&format!("{class}00"))?;
        return Some(hundreds..=hundreds + 99);
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (code(first.trim())?, code(last.trim())?);
    (first <= last).then_some(first..=last)
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (first, last) = (range.start(), range.end());
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                99 if first % 100 == 0 => write!(f, "{comma}{}xx", first / 100)?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_classes_and_ranges_are_read_and_written_back() {
        for (text, inside, outside) in [
            ("200", 200, 201),
            ("2xx", 299, 300),
            ("4XX", 400, 399),
            ("200-204", 204, 205),
            ("200, 424", 424, 201),
        ] {
            let statuses = Statuses::parse(text).unwrap();
            assert!(
                statuses.contain(inside) && !statuses.contain(outside),
                "{text}"
            );
            let again = Statuses::parse(&statuses.to_string()).unwrap();
            assert_eq!(again, statuses, "{text}");
        }
        assert_eq!(Statuses::default().to_string(), "2xx");
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in [
            "",
            "ok",
            "20",
            "2000",
            "+20",
            "6xx",
            "xx",
            "0xx",
            "204-200",
            "200,",
            "99",
            "600",
            "２００",
        ] {
            assert!(Statuses::parse(text).is_err(), "{text}");
        }
    }
}
