//! Byte ranges of a read. Knows no blob.

/// Which bytes a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// From and length, both within the blob.
    Part(u64, u64),
    /// The range begins at or behind the end, which is how a tail learns that there is nothing new.
    Unsatisfiable,
}

/// Reads `bytes=0-9` or `bytes=10-`. What is no such range is ignored, as HTTP demands.
pub(crate) fn parse(header: Option<&str>, len: u64) -> Wanted {
    let bounds = header
        .and_then(|text| text.trim().strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'));
    let Some((from, to)) = bounds else {
        return Wanted::All;
    };
    let Ok(from) = from.trim().parse::<u64>() else {
        return Wanted::All;
    };
    if from >= len {
        return Wanted::Unsatisfiable;
    }
    let last = match to.trim() {
        "" => len - 1,
        to => match to.parse::<u64>() {
            Ok(to) if to >= from => to.min(len - 1),
            Ok(_) | Err(_) => return Wanted::All,
        },
    };
    Wanted::Part(from, last - from + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_end_and_refused_behind_it() {
        assert_eq!(parse(None, 10), Wanted::All);
        assert_eq!(parse(Some("bytes=2-4"), 10), Wanted::Part(2, 3));
        assert_eq!(parse(Some("bytes=8-99"), 10), Wanted::Part(8, 2));
        assert_eq!(parse(Some("bytes=4-"), 10), Wanted::Part(4, 6));
        assert_eq!(parse(Some("bytes=10-"), 10), Wanted::Unsatisfiable);
        assert_eq!(parse(Some("bytes=0-5"), 0), Wanted::Unsatisfiable);
        assert_eq!(parse(Some("lines=1-2"), 10), Wanted::All);
    }
}
