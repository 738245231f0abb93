//! Secrets that nobody registered: signatures, account keys and passwords inside addresses. A user may write one into a YAML file, a
//! service may quote one in a message. Knows how they are written, not whose they are.

/// What stands before a storage signature or key.
const MARKS: &[&str] = &["sig=", "sig%3D", "sig%3d", "AccountKey="];
/// A signature is 44 characters of base64, a key 88. `sig=0.05` in a training log is neither.
const SHORTEST: usize = 16;

/// Where in a text such values are, as byte ranges; in no order.
pub(super) fn secrets_in(text: &str) -> Vec<(usize, usize)> {
    let marked = MARKS.iter().flat_map(|mark| {
        text.match_indices(mark)
            .map(|(at, mark)| value_at(text, at + mark.len()))
            .filter(|(start, end)| end - start >= SHORTEST)
    });
    marked.chain(passwords(text)).collect()
}

fn value_at(text: &str, start: usize) -> (usize, usize) {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+/=_-".contains(byte);
    let length = text.as_bytes()[start..]
        .iter()
        .take_while(|byte| base64(byte))
        .count();
    (start, start + length)
}

/// The password of `scheme://user:password@host`, and the user where there is none: `https://token@host` is how git is given a token.
fn passwords(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.match_indices("://")
        .filter_map(|(at, mark)| {
            let start = at + mark.len();
            let authority = text[start..]
                .split(|c: char| c.is_whitespace() || "/?#\"'<>`".contains(c))
                .next()?;
            let (user_info, _) = authority.rsplit_once('@')?;
            let end = start + user_info.len();
            match user_info.split_once(':') {
                Some((user, _)) => Some((start + user.len() + 1, end)),
                None if text[..at].ends_with("http") || text[..at].ends_with("https") => {
                    Some((start, end))
                }
                None => None,
            }
        })
        .filter(|(start, end)| start < end)
}

#[cfg(test)]
mod tests {
    use crate::host::Masker;

    #[test]
    fn signatures_and_passwords_in_addresses_are_redacted_though_nobody_registered_them() {
        for (text, shown) in [
            (
                "https://a.blob.core.windows.net/c/x?sv=1&sig=abcdefghijklmnop%2Bqrst%3D&se=2",
                "https://a.blob.core.windows.net/c/x?sv=1&sig=***&se=2",
            ),
            ("x%3Fsig%3Dabcdefghijklmnopqrst", "x%3Fsig%3D***"),
            (
                "AccountName=a;AccountKey=abcdefghijklmnop+/qrst==;EndpointSuffix=x",
                "AccountName=a;AccountKey=***;EndpointSuffix=x",
            ),
            (
                "http://user:p:w@d@proxy:8080/x",
                "http://user:***@proxy:8080/x",
            ),
            (
                "https://ghp_token@github.com/o/r",
                "https://***@github.com/o/r",
            ),
        ] {
            assert_eq!(Masker::default().redact(text), shown);
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "sig=0.05 after 3 epochs",
            "ssh://git@github.com/o/r",
            "https://example.com/a?b=c@d",
            "see https://example.com or write to me@example.com",
            "https://@example.com, sig=",
        ] {
            assert_eq!(Masker::default().redact(text), text);
        }
    }
}
