//! When a request is sent again, and after how long. Pure decisions; [`super::pipeline`] carries them out.

use std::time::{Duration, SystemTime};

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;

/// The figures of the one retry policy. With the defaults five repeats, 25 s of waiting on average, then the error counts.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The wait before the first repeat; each further one doubles, give or take a fifth.
    pub first: Duration,
    /// The longest wait that we choose ourselves.
    pub cap: Duration,
    pub max_retries: u32,
    /// The longest wait that the service may ask for; a longer `Retry-After` is cut to this.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(800),
            cap: Duration::from_secs(30),
            max_retries: 5,
            retry_after_cap: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before repeat number `attempt` (from 1).
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.min(self.retry_after_cap);
        }
        let doubled = self
            .first
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.min(self.cap).mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

/// Whether sending a request twice may do something twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reads, PUTs and POSTs that only look something up.
    Safe,
    /// An action: repeated only when it cannot have been carried out.
    OnlyIfRefused,
    /// A request to a model. A 503 comes from the front door, which found nobody to hand it to; what the model itself answers is a
    /// 424, and 502 and 504 may come when it has worked already (service notes 14.4).
    Scoring,
}

/// Why a try did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Status(u16),
    /// No connection came about: nothing was sent.
    NotSent,
    /// The connection broke or timed out after it came about: the request may have arrived.
    Lost,
}

const PASSING: &[u16] = &[408, 429, 500, 502, 503, 504];

/// Whether the service may answer differently a moment later.
pub(crate) fn is_passing(status: u16) -> bool {
    PASSING.contains(&status)
}

pub(crate) fn may_repeat(repeat: Repeat, failure: Failure) -> bool {
    match (repeat, failure) {
        (_, Failure::NotSent | Failure::Status(429)) => true,
        (Repeat::Safe, Failure::Status(status)) => is_passing(status),
        (Repeat::Safe, Failure::Lost) => true,
        // A 5xx may come from a gateway after the action has started.
        (Repeat::OnlyIfRefused, Failure::Status(_) | Failure::Lost) => false,
        (Repeat::Scoring, Failure::Status(status)) => status == 503,
        (Repeat::Scoring, Failure::Lost) => false,
    }
}

/// What kind of failure an error of the transport is; `None` when a repeat would fail the same way.
pub(crate) fn failure_of(error: &azure_core::Error) -> Option<Failure> {
    if super::transport::is_lasting(error) {
        return None;
    }
    match error.kind() {
        ErrorKind::Connection => Some(Failure::NotSent),
        ErrorKind::Io => Some(Failure::Lost),
        ErrorKind::HttpResponse { .. }
        | ErrorKind::DataConversion
        | ErrorKind::Credential
        | ErrorKind::Other => None,
    }
}

/// The wait that an answer asks for. Milliseconds win over seconds; fractions and HTTP dates are read too. Zero asks for nothing
/// (Microsoft's SDK reads `Retry-After: 0` like that).
pub(crate) fn asked_wait<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
) -> Option<Duration> {
    let milliseconds = ["x-ms-retry-after-ms", "retry-after-ms"]
        .iter()
        .find_map(|name| header(name))
        .and_then(|text| text.trim().parse::<f64>().ok())
        .map(|number| number / 1000.0);
    let seconds = || {
        let text = header("retry-after")?.trim();
        match text.parse::<f64>() {
            Ok(number) => Some(number),
            Err(_) => azure_core::time::parse_rfc7231(text)
                .ok()
                .and_then(|date| SystemTime::from(date).duration_since(now).ok())
                .map(|wait| wait.as_secs_f64()),
        }
    };
    let wait = Duration::try_from_secs_f64(milliseconds.or_else(seconds)?).ok()?;
    (!wait.is_zero()).then_some(wait)
}

/// The same for headers as the pipeline has them.
pub(crate) fn asked_wait_of(headers: &Headers, now: SystemTime) -> Option<Duration> {
    asked_wait(
        |name| {
            headers
                .iter()
                .find(|(key, _)| key.as_str() == name)
                .map(|(_, value)| value.as_str())
        },
        now,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (&'static [(&'static str, &'static str)], Option<u64>);

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        // Thu, 01 Jan 1970 00:01:40 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        asked_wait(
            |name| {
                headers
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| *value)
            },
            now,
        )
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let cases: &[Case] = &[
            (&[("retry-after", "7")], Some(7000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after", " 3 ")], Some(3000)),
            (
                &[("retry-after", "Thu, 01 Jan 1970 00:02:00 GMT")],
                Some(20_000),
            ),
            (&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], None),
            (
                &[("retry-after-ms", "700"), ("retry-after", "3")],
                Some(700),
            ),
            (&[("x-ms-retry-after-ms", "50")], Some(50)),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(
                asked(headers),
                expected.map(Duration::from_millis),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn own_waits_double_up_to_the_cap_and_stay_under_a_minute_together() {
        let policy = RetryPolicy::default();
        let total: Duration = (1..=policy.max_retries).map(|n| policy.wait(n, None)).sum();
        assert!(total < Duration::from_secs(60), "{total:?}");
        assert!(policy.wait(1, None) >= Duration::from_millis(640));
        assert!(policy.wait(40, None) <= policy.cap.mul_f64(1.2));
    }

    #[test]
    fn a_wait_that_the_service_asks_for_is_taken_up_to_five_minutes() {
        let policy = RetryPolicy::default();
        let minute = Duration::from_secs(60);
        assert_eq!(policy.wait(1, Some(minute)), minute);
        assert_eq!(policy.wait(1, Some(60 * minute)), 5 * minute);
    }

    #[test]
    fn an_action_is_repeated_only_when_it_cannot_have_happened() {
        for (failure, safe, action) in [
            (Failure::NotSent, true, true),
            (Failure::Lost, true, false),
            (Failure::Status(429), true, true),
            (Failure::Status(408), true, false),
            (Failure::Status(500), true, false),
            (Failure::Status(502), true, false),
            (Failure::Status(503), true, false),
            (Failure::Status(504), true, false),
            (Failure::Status(400), false, false),
            (Failure::Status(409), false, false),
            (Failure::Status(501), false, false),
        ] {
            assert_eq!(may_repeat(Repeat::Safe, failure), safe, "{failure:?}");
            assert_eq!(
                may_repeat(Repeat::OnlyIfRefused, failure),
                action,
                "{failure:?}"
            );
            let scoring = action || failure == Failure::Status(503);
            assert_eq!(may_repeat(Repeat::Scoring, failure), scoring, "{failure:?}");
        }
    }
}
