//! Where a host writes: whole lines to one stream, cleaned of secrets and of foreign commands; and files that hosts read back.
//! Knows no host's syntax.

use std::collections::HashSet;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Masker, Output, neutral};

/// A stream of lines. Each line is written in one piece, so that lines of several threads never mix.
pub(super) struct Sink(Mutex<Box<dyn Write + Send>>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

impl Sink {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(out))
    }

    /// A CI host's log. Both streams are one log there; standard output is left alone when it is to hold a JSON object.
    pub(super) fn log(output: Output) -> Self {
        match output {
            Output::Text => Self::new(Box::new(io::stdout())),
            Output::Json => Self::new(Box::new(io::stderr())),
        }
    }

    /// Writes a line as it is.
    pub(super) fn line(&self, line: &str) -> io::Result<()> {
        let mut text = String::with_capacity(line.len() + 1);
        text.push_str(line);
        text.push('\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// A text without secrets whose lines are no commands. Several lines stay several lines.
pub(super) fn clean(masker: &Masker, text: &str) -> String {
    let redacted = masker.redact(text);
    neutral::lines(&redacted)
        .map(neutral::neutralise)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The same as one line.
pub(super) fn clean_line(masker: &Masker, text: &str) -> String {
    clean(masker, text).replace('\n', " ")
}

/// What a host was already told. It keeps ten annotations of each kind per step, and what comes later must not vanish; a mask it needs once.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) errors: u32,
    pub(super) warnings: u32,
    pub(super) notices: u32,
    pub(super) group_open: bool,
    masked: HashSet<String>,
}

impl Shown {
    /// Whether the host has not been told yet to mask this.
    pub(super) fn first_time(&mut self, line: &str) -> bool {
        self.masked.insert(line.to_owned())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("group_open", &self.group_open)
            .finish_non_exhaustive()
    }
}

/// How many annotations of a kind a host keeps per step.
pub(super) const KEPT: u32 = 10;

/// Counts one more annotation; `false` when the host would drop it.
pub(super) fn fits(count: &mut u32) -> bool {
    *count += 1;
    *count <= KEPT
}

/// Appends a complete entry to a file of the host's. Another program of the same step may have left its last line open; ours would be
/// glued to it.
pub(super) fn append(path: &Path, entry: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let gap = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{gap}{entry}").as_bytes())
}

/// A Markdown text of at most `limit` bytes, cut at the end of a line, with a word about the cut.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    const NOTE: &str = "\n\n_The rest of this summary was cut off: it is too long for the host._\n";
    if text.len() <= limit {
        return text;
    }
    let mut end = limit.saturating_sub(NOTE.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if let Some(line_end) = text[..end].rfind('\n') {
        end = line_end;
    }
    text.truncate(end);
    if text.len() + NOTE.len() <= limit {
        text.push_str(NOTE);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_cut_by_bytes_and_says_so() {
        let text = "ü".repeat(40) + "\n" + &"é".repeat(100);
        let cut_text = cut(text.clone(), 200);
        assert!(cut_text.len() <= 200);
        assert!(cut_text.starts_with(&"ü".repeat(40)));
        assert!(cut_text.contains("cut off"));
        assert_eq!(cut(text.clone(), text.len()), text);
        assert!(cut(text.clone(), 3).len() <= 3);
        assert_eq!(cut(text, 0), "");
    }

    #[test]
    fn an_entry_begins_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        for entry in ["a=1\n", "b=2", "c=3\n"] {
            append(&path, entry).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=1\nb=2\nc=3\n");
    }

    #[test]
    fn text_is_redacted_before_it_is_broken_up() {
        let masker = Masker::default();
        masker.add(&crate::secret::Secret::new("##[secret]"));
        assert_eq!(clean(&masker, "a ##[secret] b"), "a *** b");
        assert_eq!(clean_line(&masker, "a\n::b"), "a : :b");
    }
}
