//! Makes foreign text harmless: after this, no line of it is a command on GitHub Actions or on Azure Pipelines.
//! Both hosts scan both of our streams, so whatever we did not write ourselves goes through here, on every host.

/// Splits a text into the lines that a host would see. The runner and the agent read with .NET's `ReadLine`, which also ends a line at a
/// lone CR; progress bars write those, and a command could hide behind one.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let trimmed = text.trim_end_matches(['\r', '\n']);
    trimmed
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .flat_map(|line| {
            // Within a line, what a CR overwrites is kept, except for the empty pieces.
            let whole = !line.contains('\r');
            line.split('\r')
                .filter(move |piece| whole || !piece.is_empty())
        })
}

/// One line with the commands in it broken by a space: `##[` and `##vso[` anywhere, `::` where the line begins.
///
/// The hosts compare with .NET's culture-aware functions, which skip control, zero-width and many other characters outside printable ASCII;
/// a token is therefore found here with any of those within.
pub fn neutralise(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 4);
    let mut rest = line;
    let begin = skip(line, char::is_whitespace);
    if let Some(after) = begin.strip_prefix(':')
        && skip(after, |_| false).starts_with(':')
    {
        out.push_str(&line[..line.len() - begin.len()]);
        out.push_str(": ");
        rest = after;
    }
    while let Some(at) = rest.find('#') {
        let (before, hash) = rest.split_at(at);
        out.push_str(before);
        out.push('#');
        rest = &hash[1..];
        if opens_command(rest) {
            out.push(' ');
        }
    }
    out.push_str(rest);
    out.replace(['\r', '\n'], " ")
}

/// Whether the text after a `#` goes on as `#[` or `#vso[`.
fn opens_command(rest: &str) -> bool {
    let Some(mut rest) = skip(rest, |_| false).strip_prefix('#') else {
        return false;
    };
    rest = skip(rest, |_| false);
    if rest.starts_with('[') {
        return true;
    }
    for letter in ['v', 's', 'o'] {
        let mut chars = rest.chars();
        if !chars
            .next()
            .is_some_and(|c| c.eq_ignore_ascii_case(&letter))
        {
            return false;
        }
        rest = skip(chars.as_str(), |_| false);
    }
    rest.starts_with('[')
}

fn skip(text: &str, also: fn(char) -> bool) -> &str {
    text.trim_start_matches(|c: char| !matches!(c, ' '..='~') || also(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_broken_wherever_a_host_would_find_them() {
        for (line, harmless) in [
            ("::error::x", ": :error::x"),
            ("  \t::error::x", "  \t: :error::x"),
            ("\u{feff}::error::x", "\u{feff}: :error::x"),
            (":\u{200b}:error::x", ": \u{200b}:error::x"),
            ("a ##[error]b", "a # #[error]b"),
            ("a ##vso[task.complete]", "a # #vso[task.complete]"),
            ("##\u{ad}vso[x.y]", "# #\u{ad}vso[x.y]"),
            ("#\u{0}#v\u{200d}so[x.y]", "# \u{0}#v\u{200d}so[x.y]"),
            ("####[group]x", "### #[group]x"),
            ("##VSO[x.y]", "# #VSO[x.y]"),
        ] {
            assert_eq!(neutralise(line), harmless, "{line:?}");
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for line in [
            "",
            "std::vector<int>",
            "a :: b",
            "## Heading",
            "# [1] note",
            "C# [x]",
            "50%|#####     | 5/10",
            "\u{1b}[31mred\u{1b}[0m",
            ":smile:",
        ] {
            assert_eq!(neutralise(line), line);
        }
    }

    #[test]
    fn a_carriage_return_ends_a_line_as_it_does_for_the_hosts() {
        let all = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(all("a\r\nb\nc\r"), ["a", "b", "c"]);
        assert_eq!(all("10%\r20%\r::error::x\n"), ["10%", "20%", "::error::x"]);
        assert_eq!(all("a\n\nb"), ["a", "", "b"]);
        assert_eq!(all(""), [""]);
    }
}
