//! What is wrong with a YAML file: every problem with its place, collected and reported together.

use std::fmt;

use super::yaml::Node;
use crate::event::Place;

/// One thing the user must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Absent when the problem is with an input and not with a file.
    pub place: Option<Place>,
    /// The field's path: `jobs.train.inputs.epochs`; empty for the whole document.
    pub field: String,
    /// What was found and what is allowed, with the nearest valid word.
    pub message: String,
}

impl Problem {
    /// Field and message, without the place: for an annotation that stands on the line itself.
    pub fn text(&self) -> String {
        if self.field.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.field, self.message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(
                f,
                "{}:{}:{}: ",
                place.file.display(),
                place.line,
                place.column
            )?;
        }
        f.write_str(&self.text())
    }
}

/// All problems of a translation, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
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

/// Problems as they are found; a translation goes on after one, so that all are said in one go.
#[derive(Debug, Default)]
pub(super) struct Report {
    found: Vec<Problem>,
}

impl Report {
    pub(super) fn add(&mut self, node: &Node, field: &str, message: impl Into<String>) {
        self.push(Problem {
            place: node.place(),
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// The same problem at the same place is said once: a component file may serve several steps.
    pub(super) fn push(&mut self, problem: Problem) {
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    pub(super) fn extend(&mut self, problems: Problems) {
        problems
            .0
            .into_iter()
            .for_each(|problem| self.push(problem));
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// In the order of the documents, the one that was opened first coming first.
    pub(super) fn into_result(mut self) -> Result<(), Problems> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut order: Vec<_> = Vec::new();
        for problem in &self.found {
            let file = problem.place.as_ref().map(|place| place.file.clone());
            if !order.contains(&file) {
                order.push(file);
            }
        }
        self.found.sort_by_key(|problem| {
            let file = problem.place.as_ref().map(|place| place.file.clone());
            let (line, column) = problem
                .place
                .as_ref()
                .map_or((0, 0), |place| (place.line, place.column));
            (order.iter().position(|known| *known == file), line, column)
        });
        Err(Problems(self.found))
    }
}

/// `", did you mean \`x\`?"` for the nearest of the allowed words, or nothing when none is near.
pub(super) fn nearest<'w>(word: &str, allowed: impl IntoIterator<Item = &'w str>) -> String {
    let word = word.to_lowercase();
    let reach = |candidate: &str| (candidate.len() / 3).max(1);
    allowed
        .into_iter()
        // The distance takes memory for every pair of letters, and a damaged file may have a line of megabytes for a word.
        .filter(|candidate| word.len().abs_diff(candidate.len()) <= 4 * reach(candidate))
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= reach(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map_or(String::new(), |(_, candidate)| {
            format!("; did you mean `{candidate}`?")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_and_a_line_of_megabytes_has_none() {
        let allowed = ["environment_variables", "inputs"];
        assert_eq!(nearest("Input", allowed), "; did you mean `inputs`?");
        assert_eq!(nearest("colour", allowed), "");
        assert_eq!(nearest(&"x".repeat(64 << 20), allowed), "");
    }
}
