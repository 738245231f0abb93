//! What is asked of an answer and whether it was given: status, assertions, schema, latency. Pure: it knows neither how the answer
//! came nor what is to be done about it.

mod assertion;
mod latency;
mod schema;
mod status;

use std::time::Duration;

use serde_json::Value;

pub use assertion::{Assertion, Misread};
pub use latency::Latencies;
pub use schema::{BadSchema, Schema};
pub use status::{BadStatus, Statuses};

use crate::report::{Check, milliseconds};

/// Longer findings are cut: the answer itself is shown elsewhere.
const FOUND: usize = 300;

/// What every answer of a series must be.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    pub statuses: Statuses,
    /// All of them must hold.
    pub assertions: Vec<Assertion>,
    pub schema: Option<Schema>,
    /// Of each call, from its first byte out to its last byte in.
    pub max_latency: Option<Duration>,
}

/// One answer, as far as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    pub status: u16,
    pub body: &'a [u8],
    pub latency: Duration,
}

/// Judges answers one after the other and keeps no more of them than the first that broke each rule.
#[derive(Debug)]
pub struct Judge<'a> {
    expected: &'a Expectations,
    rules: Vec<Tally>,
    latencies: Latencies,
}

/// How one rule fared.
#[derive(Debug)]
struct Tally {
    rule: String,
    /// What the first answer that broke it was like.
    found: Option<String>,
    broken: usize,
}

/// How a series of answers was judged.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub checks: Vec<Check>,
    pub latencies: Latencies,
}

impl Judgement {
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The rules that were broken, with what was found instead.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passed)
    }
}

impl<'a> Judge<'a> {
    pub fn new(expected: &'a Expectations) -> Self {
        let mut rules = vec![format!("status {}", expected.statuses)];
        rules.extend(expected.assertions.iter().map(ToString::to_string));
        rules.extend(
            expected
                .schema
                .as_ref()
                .map(|schema| format!("schema {}", schema.name())),
        );
        rules.extend(
            expected
                .max_latency
                .map(|limit| format!("latency <= {}", milliseconds(limit))),
        );
        let tally = |rule| Tally {
            rule,
            found: None,
            broken: 0,
        };
        Self {
            expected,
            rules: rules.into_iter().map(tally).collect(),
            latencies: Latencies::default(),
        }
    }

    /// Takes one more answer into account; whether it is as expected.
    pub fn take(&mut self, observed: &Observed<'_>) -> bool {
        self.latencies.add(observed.latency);
        let findings = self.expected.findings(observed);
        let mut fine = true;
        for (tally, finding) in self.rules.iter_mut().zip(findings) {
            if let Some(found) = finding {
                fine = false;
                tally.broken += 1;
                tally.found.get_or_insert_with(|| cut(&found));
            }
        }
        fine
    }

    pub fn finish(self) -> Judgement {
        let calls = self.latencies.count();
        let checks = self.rules.into_iter().map(|tally| Check {
            rule: tally.rule,
            passed: tally.broken == 0,
            found: match tally.found {
                Some(found) if calls > 1 => {
                    Some(format!("{found} (in {} of {calls} answers)", tally.broken))
                }
                found => found,
            },
        });
        Judgement {
            checks: checks.collect(),
            latencies: self.latencies,
        }
    }
}

impl Expectations {
    /// For each rule, in the order in which they are listed, what is wrong with the answer.
    fn findings(&self, observed: &Observed<'_>) -> Vec<Option<String>> {
        let mut findings =
            vec![(!self.statuses.contain(observed.status)).then(|| observed.status.to_string())];
        let document = if self.assertions.is_empty() && self.schema.is_none() {
            Ok(Value::Null)
        } else {
            document(observed.body)
        };
        match &document {
            Ok(document) => {
                findings.extend(self.assertions.iter().map(|one| one.broken_by(document)));
                findings.extend(self.schema.iter().map(|schema| schema.broken_by(document)));
            }
            Err(why) => {
                let judged = self.assertions.len() + usize::from(self.schema.is_some());
                findings.extend(std::iter::repeat_n(Some(why.clone()), judged));
            }
        }
        findings.extend(
            self.max_latency
                .map(|limit| (observed.latency > limit).then(|| milliseconds(observed.latency))),
        );
        findings
    }
}

/// The JSON of a body. A scoring script that returns `json.dumps(..)` is answered as a JSON string that holds JSON (service notes
/// 14.4); what is asserted is meant of what it holds.
fn document(body: &[u8]) -> Result<Value, String> {
    let outer: Value = serde_json::from_slice(body).map_err(|error| {
        if body.iter().all(u8::is_ascii_whitespace) {
            "an empty body".to_owned()
        } else {
            format!("a body that is not JSON ({error})")
        }
    })?;
    let inner = outer
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    Ok(inner
        .filter(|inner| inner.is_object() || inner.is_array())
        .unwrap_or(outer))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FOUND) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectations(lines: &[&str]) -> Expectations {
        Expectations {
            assertions: lines
                .iter()
                .map(|line| Assertion::parse(line).unwrap())
                .collect(),
            ..Expectations::default()
        }
    }

    fn judged(expected: &Expectations, answers: &[(u16, &str, u64)]) -> Judgement {
        let mut judge = Judge::new(expected);
        for (status, body, latency) in answers {
            judge.take(&Observed {
                status: *status,
                body: body.as_bytes(),
                latency: Duration::from_millis(*latency),
            });
        }
        judge.finish()
    }

    fn found(judgement: &Judgement) -> Vec<(&str, &str)> {
        let found = |check| {
            let Check { rule, found, .. }: &Check = check;
            (rule.as_str(), found.as_deref().unwrap_or_default())
        };
        judgement.failures().map(found).collect()
    }

    #[test]
    fn an_answer_that_is_as_expected_passes_every_check() {
        let mut expected = expectations(&["$.predictions[0] > 0", "$.ok == true"]);
        expected.max_latency = Some(Duration::from_millis(50));
        let judgement = judged(
            &expected,
            &[(200, r#"{"predictions": [3.5], "ok": true}"#, 50)],
        );
        assert!(judgement.passed(), "{judgement:?}");
        assert_eq!(judgement.checks.len(), 4);
    }

    #[test]
    fn every_broken_rule_is_reported_with_what_was_found() {
        let mut expected = expectations(&["$.predictions[0] > 0", "$.model == \"taxi\""]);
        expected.max_latency = Some(Duration::from_millis(50));
        let judgement = judged(
            &expected,
            &[(424, r#"{"predictions": [-1], "model": "x"}"#, 51)],
        );
        assert_eq!(
            found(&judgement),
            [
                ("status 2xx", "424"),
                ("$.predictions[0] > 0", "-1 at $['predictions'][0]"),
                ("$.model == \"taxi\"", "\"x\" at $['model']"),
                ("latency <= 50 ms", "51 ms"),
            ]
        );
    }

    #[test]
    fn of_many_answers_the_first_that_broke_a_rule_is_shown_and_how_many_did() {
        let expected = expectations(&["$ > 0"]);
        let judgement = judged(&expected, &[(200, "1", 1), (200, "-2", 2), (200, "-3", 3)]);
        assert_eq!(
            found(&judgement),
            [("$ > 0", "-2 at $ (in 2 of 3 answers)")]
        );
    }

    #[test]
    fn a_body_that_is_not_json_breaks_what_is_asserted_of_it_and_nothing_else() {
        let none = Expectations::default();
        assert!(judged(&none, &[(200, "plain text", 1)]).passed());
        let expected = expectations(&["$ > 0"]);
        for (body, says) in [("plain text", "not JSON"), ("", "an empty body")] {
            let judgement = judged(&expected, &[(200, body, 1)]);
            assert!(found(&judgement)[0].1.contains(says), "{judgement:?}");
        }
    }

    #[test]
    fn json_within_a_json_string_is_judged_as_what_it_holds() {
        let expected = expectations(&["$.predictions[0] == 1"]);
        assert!(judged(&expected, &[(200, r#""{\"predictions\": [1]}""#, 1)]).passed());
        let text = expectations(&[r#"$ == "12""#]);
        assert!(judged(&text, &[(200, r#""12""#, 1)]).passed());
    }

    #[test]
    fn a_long_finding_is_cut() {
        let long = format!("\"{}\"", "é".repeat(1000));
        let judgement = judged(&expectations(&["$ == 1"]), &[(200, &long, 1)]);
        let (_, found) = found(&judgement)[0];
        assert!(
            found.chars().count() == FOUND + 1 && found.ends_with('…'),
            "{found}"
        );
    }
}
