//! What is wrong with a YAML file: every problem with its place, collected and reported together.

use std::fmt;

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
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
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
