//! Bytes into lines, however they are cut: holds back an unfinished line and an unfinished character, keeps what a progress bar
//! showed last, splits what is too long. Knows no files and no network.

/// A longer line is handed out in pieces.
const LONGEST: usize = 16 << 10;

/// Cuts one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands out the lines that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<String>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.hold(&rest[..end], out);
            let line = std::mem::take(&mut self.held);
            out.push(shown(&line));
            rest = &rest[end + 1..];
        }
        self.hold(rest, out);
    }

    /// The stream is over: the unfinished line is a line.
    pub(super) fn finish(&mut self, out: &mut Vec<String>) {
        let line = std::mem::take(&mut self.held);
        if !line.is_empty() {
            out.push(shown(&line));
        }
    }

    fn hold(&mut self, bytes: &[u8], out: &mut Vec<String>) {
        self.held.extend_from_slice(bytes);
        self.drop_overwritten();
        while self.held.len() > LONGEST {
            let at = boundary(&self.held, LONGEST);
            let rest = self.held.split_off(at);
            out.push(shown(&std::mem::replace(&mut self.held, rest)));
        }
    }

    /// What a carriage return made invisible need not be kept. One at the very end may yet be half of a line end.
    fn drop_overwritten(&mut self) {
        let end = self.held.len().saturating_sub(1);
        if let Some(at) = self.held[..end].iter().rposition(|byte| *byte == b'\r')
            && self.held[at + 1..].iter().any(|byte| *byte != b'\r')
        {
            self.held.drain(..=at);
        }
    }
}

/// The text of a line: the last of its segments that is not empty.
fn shown(line: &[u8]) -> String {
    let last = line
        .split(|byte| *byte == b'\r')
        .rfind(|segment| !segment.is_empty())
        .unwrap_or_default();
    String::from_utf8_lossy(last).into_owned()
}

/// The last start of a character at or before `limit`; bytes that are no UTF-8 are cut where they are.
fn boundary(bytes: &[u8], limit: usize) -> usize {
    let is_start = |at: usize| bytes[at] & 0b1100_0000 != 0b1000_0000;
    (limit.saturating_sub(3)..=limit)
        .rev()
        .find(|at| *at > 0 && is_start(*at))
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, &mut out);
        }
        lines.finish(&mut out);
        out
    }

    #[test]
    fn an_unfinished_line_waits_for_its_end() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        lines.push(b"one\ntw", &mut out);
        assert_eq!(out, ["one"]);
        lines.push(b"o\n", &mut out);
        assert_eq!(out, ["one", "two"]);
        lines.push(b"three", &mut out);
        assert_eq!(out.len(), 2);
        lines.finish(&mut out);
        assert_eq!(out.last().unwrap(), "three");
    }

    #[test]
    fn however_the_bytes_are_cut_the_lines_are_the_same() {
        let text = "a\u{e9}\u{1f600}b\r\n\r\n10%\r20%\r100%\n\u{65e5}\u{672c}\nend".as_bytes();
        let whole = cut(&[text]);
        assert_eq!(
            whole,
            ["a\u{e9}\u{1f600}b", "", "100%", "\u{65e5}\u{672c}", "end"]
        );
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(cut(&pieces), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_progress_bar_without_line_ends_takes_no_memory() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for percent in 0..100_000 {
            lines.push(format!("\r{percent} done").as_bytes(), &mut out);
            assert!(lines.held.len() < 64);
        }
        lines.finish(&mut out);
        assert_eq!(out, ["99999 done"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_well_as_they_can_be() {
        assert_eq!(cut(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn a_very_long_line_comes_in_pieces_of_whole_characters() {
        let text = "\u{e9}".repeat(LONGEST);
        let found = cut(&[b"x", text.as_bytes()]);
        assert!(found.len() > 1 && found.iter().all(|piece| piece.len() <= LONGEST));
        assert_eq!(found.concat(), format!("x{text}"));
        let binary = vec![0x80_u8; LONGEST * 2 + 1];
        assert!(cut(&[&binary]).len() > 1);
    }
}
