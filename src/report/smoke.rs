//! A smoke test as a report shows it: what was expected, what was found, how long the calls took.

use std::time::Duration;

use serde::Serialize;

use super::number;

/// One thing that was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// As the user wrote it: `$.predictions[0] > 0`.
    pub rule: String,
    pub passed: bool,
    /// What was found instead.
    pub found: Option<String>,
}

/// Latencies that 50, 95, 99 and 100 of a hundred calls did not exceed, in seconds where they are serialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    #[serde(serialize_with = "seconds")]
    pub p95: Duration,
    #[serde(serialize_with = "seconds")]
    pub p99: Duration,
    #[serde(serialize_with = "seconds")]
    pub max: Duration,
}

/// The calls of one deployment and their judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmokeTest {
    pub endpoint: String,
    /// `None` when the endpoint chose it by its traffic or default.
    pub deployment: Option<String>,
    pub passed: bool,
    pub calls: usize,
    pub latency: Option<Percentiles>,
    pub checks: Vec<Check>,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A latency as people compare it: `12.3 ms`, with a tenth where that says something.
pub fn milliseconds(duration: Duration) -> String {
    let exact = duration.as_secs_f64() * 1e3;
    let shown = if exact < 100.0 {
        (exact * 10.0).round() / 10.0
    } else {
        exact.round()
    };
    format!("{} ms", number(shown))
}

impl Check {
    pub(super) fn verdict(&self) -> &'static str {
        if self.passed { "passed" } else { "failed" }
    }
}

impl Percentiles {
    pub(super) fn rows(&self) -> [(&'static str, String); 4] {
        [
            ("p50", self.p50),
            ("p95", self.p95),
            ("p99", self.p99),
            ("max", self.max),
        ]
        .map(|(name, value)| (name, milliseconds(value)))
    }
}

impl SmokeTest {
    /// `taxi/blue`, or the endpoint alone.
    pub fn target(&self) -> String {
        match &self.deployment {
            Some(deployment) => format!("{}/{deployment}", self.endpoint),
            None => self.endpoint.clone(),
        }
    }

    pub(super) fn outcome(&self) -> &'static str {
        if self.passed { "passed" } else { "failed" }
    }

    pub(super) fn calls_made(&self) -> String {
        match self.calls {
            1 => "1 call".to_owned(),
            calls => format!("{calls} calls"),
        }
    }

    pub(super) fn map_texts(&self, f: &dyn Fn(&str) -> String) -> Self {
        let check = |check: &Check| Check {
            rule: f(&check.rule),
            passed: check.passed,
            found: check.found.as_deref().map(f),
        };
        Self {
            endpoint: f(&self.endpoint),
            deployment: self.deployment.as_deref().map(f),
            checks: self.checks.iter().map(check).collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn failed() -> SmokeTest {
        let check = |rule: &str, found: Option<&str>| Check {
            rule: rule.to_owned(),
            passed: found.is_none(),
            found: found.map(str::to_owned),
        };
        let millis = Duration::from_millis;
        SmokeTest {
            endpoint: "taxi".to_owned(),
            deployment: Some("green".to_owned()),
            passed: false,
            calls: 20,
            latency: Some(Percentiles {
                p50: Duration::from_micros(12_340),
                p95: millis(40),
                p99: millis(95),
                max: millis(1_204),
            }),
            checks: vec![
                check("status 2xx", None),
                check(
                    "$.predictions[0] > 0",
                    Some("-1 at $['predictions'][0] (in 3 of 20 answers)"),
                ),
            ],
        }
    }

    #[test]
    fn latencies_are_milliseconds_with_what_matters_of_them() {
        for (micros, shown) in [
            (0, "0 ms"),
            (340, "0.3 ms"),
            (12_340, "12.3 ms"),
            (40_000, "40 ms"),
            (123_456, "123 ms"),
            (61_204_000, "61204 ms"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), shown);
        }
    }
}
