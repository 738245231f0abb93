//! The name of a job. A CI host gets one that every attempt of the same step derives again, so that a repeated run finds the
//! job it already paid for; a terminal gets a random one.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::host::RunFacts;

/// Digits of the hash, or of the random part, that a name ends in.
const TAIL: usize = 16;

/// A name derived from the run, the step and the request, never from the attempt; `None` where there is no run to derive it from.
pub(super) fn derived(facts: &RunFacts, digest: &str, file: Option<&Path>) -> Option<String> {
    let digits = of_run(facts, &[facts.step.as_deref(), Some(digest)])?;
    Some(format!("{}-{}", stem(file), &digits[..TAIL]))
}

/// A hash that all attempts of a job of a CI run share, and `more` with it; `None` where there is no run.
pub(in crate::stage) fn of_run(facts: &RunFacts, more: &[Option<&str>]) -> Option<String> {
    let run = facts.run_id.as_deref()?;
    let repository = facts
        .repository_id
        .as_deref()
        .or(facts.repository.as_deref());
    let job = [
        Some(facts.host),
        repository,
        Some(run),
        facts.job.as_deref(),
    ];
    let mut hash = Sha256::new();
    for part in job.iter().chain(more) {
        let part = part.unwrap_or_default();
        // The length in front keeps ("a", "bc") and ("ab", "c") apart.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    Some(hex::encode(hash.finalize()))
}

/// A name that no other run has.
pub(super) fn random(file: Option<&Path>) -> String {
    let tail: String = std::iter::repeat_with(fastrand::lowercase)
        .take(TAIL)
        .collect();
    format!("{}-{tail}", stem(file))
}

/// The n-th name of the series: the name itself, then `-2`, `-3`, ...
pub(super) fn nth(name: &str, n: usize) -> String {
    if n == 1 {
        name.to_owned()
    } else {
        format!("{name}-{n}")
    }
}

/// The file's stem as a job name may begin: letters, digits, `-` and `_`, at most 32.
fn stem(file: Option<&Path>) -> String {
    let stem = file
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let kept: String = stem
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                letter
            } else {
                '-'
            }
        })
        .take(32)
        .collect();
    let kept = kept.trim_matches(['-', '_']);
    if kept.is_empty() {
        "job".to_owned()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RunFacts {
        RunFacts {
            host: "github",
            repository_id: Some("17".to_owned()),
            run_id: Some("900".to_owned()),
            run_attempt: Some("1".to_owned()),
            job: Some("train".to_owned()),
            step: Some("__run_2".to_owned()),
            ..RunFacts::default()
        }
    }

    #[test]
    fn a_second_attempt_derives_the_same_name() {
        let again = RunFacts {
            run_attempt: Some("2".to_owned()),
            ..facts()
        };
        let file = Some(Path::new("ml/Pipeline.yml"));
        assert_eq!(derived(&facts(), "d", file), derived(&again, "d", file));
        assert!(
            derived(&facts(), "d", file)
                .unwrap()
                .starts_with("pipeline-")
        );
    }

    #[test]
    fn another_step_run_or_request_derives_another_name() {
        let names: std::collections::HashSet<_> = [
            derived(&facts(), "d", None),
            derived(&facts(), "e", None),
            derived(
                &RunFacts {
                    step: Some("__run_3".to_owned()),
                    ..facts()
                },
                "d",
                None,
            ),
            derived(
                &RunFacts {
                    run_id: Some("901".to_owned()),
                    ..facts()
                },
                "d",
                None,
            ),
            derived(
                &RunFacts {
                    job: None,
                    step: Some("train__run_2".to_owned()),
                    ..facts()
                },
                "d",
                None,
            ),
        ]
        .into_iter()
        .collect();
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn a_terminal_has_no_run_to_derive_a_name_from() {
        assert_eq!(derived(&RunFacts::default(), "d", None), None);
        assert_ne!(random(None), random(None));
    }

    #[test]
    fn a_name_keeps_to_the_letters_that_azure_allows() {
        assert_eq!(
            stem(Some(Path::new("__my pipeline (ü).yml"))),
            "my-pipeline"
        );
        assert_eq!(stem(Some(Path::new("---.yml"))), "job");
        assert_eq!(nth("a", 1), "a");
        assert_eq!(nth("a", 3), "a-3");
    }
}
