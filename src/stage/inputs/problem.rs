//! What can be wrong with an input. Each problem names the input as the user of that host wrote it; no secret value is ever in one.

use std::fmt;

/// One input that the user must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputProblem {
    Missing {
        label: String,
        help: String,
        /// Other ways to give it, besides the input.
        also: Vec<String>,
    },
    NotAllowed {
        label: String,
        found: String,
        allowed: Vec<String>,
    },
    NotBoolean {
        label: String,
        found: String,
    },
    NotDuration {
        label: String,
        found: String,
    },
    NotCount {
        label: String,
        found: String,
    },
    /// The host left a reference to a variable as it was written.
    UndefinedVariable {
        label: String,
        variable: String,
    },
    /// The text has the right shape but not the right content; `why` says so without repeating it.
    Malformed {
        label: String,
        why: String,
    },
    /// Inputs that exclude each other, or that only make sense together.
    Conflict {
        labels: Vec<String>,
        why: String,
    },
}

impl InputProblem {
    pub(super) fn named(mut self, name: String) -> Self {
        match &mut self {
            Self::Missing { label, .. }
            | Self::NotAllowed { label, .. }
            | Self::NotBoolean { label, .. }
            | Self::NotDuration { label, .. }
            | Self::NotCount { label, .. }
            | Self::UndefinedVariable { label, .. }
            | Self::Malformed { label, .. } => *label = name,
            Self::Conflict { .. } => {}
        }
        self
    }
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { label, help, also } => {
                write!(f, "{label} is missing")?;
                if !help.is_empty() {
                    write!(f, " ({help})")?;
                }
                if !also.is_empty() {
                    write!(f, "; it can also be given as {}", listed(also))?;
                }
                Ok(())
            }
            Self::NotAllowed {
                label,
                found,
                allowed,
            } => {
                write!(f, "{label} is {found:?}, allowed is {}", listed(allowed))?;
                match nearest(found, allowed.iter().map(String::as_str)) {
                    Some(word) => write!(f, "; did you mean {word}?"),
                    None => Ok(()),
                }
            }
            Self::NotBoolean { label, found } => {
                write!(f, "{label} is {found:?}, allowed is true or false")
            }
            Self::NotDuration { label, found } => write!(
                f,
                "{label} is {found:?}, a duration is written like 90s, 15m, 10h or 1h30m and is at most 876000h"
            ),
            Self::NotCount { label, found } => {
                write!(f, "{label} is {found:?}, allowed is a whole number from 0")
            }
            Self::UndefinedVariable { label, variable } => write!(
                f,
                "{label} refers to $({variable}), and no variable of that name is defined in this pipeline"
            ),
            Self::Malformed { label, why } if label.is_empty() => f.write_str(why),
            Self::Malformed { label, why } => write!(f, "{label}: {why}"),
            Self::Conflict { labels, why } => write!(f, "{}: {why}", labels.join(", ")),
        }
    }
}

/// `a, b or c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// All problems with the inputs of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct InputProblems(pub Vec<InputProblem>);

impl InputProblems {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An error if there is any problem.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for InputProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// The word that somebody most likely meant; `None` when none is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| {
        text.trim_start_matches('-')
            .to_lowercase()
            .replace(['-', '_', ' '], "")
    };
    let wanted = plain(word);
    known
        .into_iter()
        .map(|candidate| {
            let text = plain(candidate);
            let distance = strsim::damerau_levenshtein(&wanted, &text);
            (distance, text.chars().count(), candidate)
        })
        .filter(|(distance, length, _)| *distance <= (*length).max(3) / 3)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near_or_none() {
        let words = ["create-compute", "create-endpoint", "run-job", "connect"];
        for (word, expected) in [
            ("create-computer", Some("create-compute")),
            ("create_compute", Some("create-compute")),
            ("runjob", Some("run-job")),
            ("RUN-JOB", Some("run-job")),
            ("conect", Some("connect")),
            ("train", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words), expected, "{word}");
        }
    }
}
