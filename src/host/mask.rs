//! Redaction: the values that must never show, in every form in which they tend to turn up. Hosts mask too, but only later
//! lines and only some forms. Knows no host's syntax.

mod address;

use std::fmt;
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

/// Shorter values make logs unreadable and give nothing away that a guess would not.
pub const SHORTEST: usize = 4;
/// Derived forms are looked for only from this length: three characters of base64 hit everywhere.
const SHORTEST_DERIVED: usize = 8;
const STARS: &str = "***";

/// The secrets of this run. Clones share them, so that a log writer made early knows what is registered later.
#[derive(Clone, Default)]
pub struct Masker(Arc<RwLock<Patterns>>);

#[derive(Default)]
struct Patterns {
    texts: Vec<String>,
    /// Values that we were told to mask: these never leave in an output. What the user merely declared secret on the host may.
    values: Vec<String>,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker")
    }
}

impl Masker {
    /// Registers a secret that this run uses. Returns `false` when it is too short to be masked.
    pub fn add(&self, secret: &Secret) -> bool {
        let value = secret.expose().trim();
        if value.chars().count() < SHORTEST {
            return false;
        }
        self.learn(value);
        let mut patterns = self.write();
        if !patterns.values.iter().any(|known| known == value) {
            patterns.values.push(value.to_owned());
        }
        true
    }

    /// Registers a value that the host holds secret; it is redacted in texts, but may be an output (a subscription id in a secret variable).
    pub fn learn(&self, value: &str) {
        let forms = forms(value);
        let mut patterns = self.write();
        for form in forms {
            if !patterns.texts.contains(&form) {
                patterns.texts.push(form);
            }
        }
    }

    /// Whether a text contains a secret that was registered with [`Masker::add`], whole.
    pub fn holds_secret(&self, text: &str) -> bool {
        let patterns = self.read();
        patterns
            .values
            .iter()
            .any(|value| text.contains(value.as_str()))
    }

    /// The text with every registered value, and what is secret in an address, replaced by `***`. Overlapping values are replaced as one,
    /// so no tail of either remains.
    pub fn redact(&self, text: &str) -> String {
        let patterns = self.read();
        let mut spans = address::secrets_in(text);
        for pattern in &patterns.texts {
            let mut from = 0;
            while let Some(found) = text
                .get(from..)
                .and_then(|rest| rest.find(pattern.as_str()))
            {
                let start = from + found;
                spans.push((start, start + pattern.len()));
                // One character on, not one match: a value may overlap itself.
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        if spans.is_empty() {
            return text.to_owned();
        }
        spans.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut shown = 0;
        for (start, end) in spans {
            if end <= shown {
                continue;
            }
            if start >= shown {
                out.push_str(&text[shown..start]);
                if !(start == shown && out.ends_with(STARS)) {
                    out.push_str(STARS);
                }
            }
            shown = end;
        }
        out.push_str(&text[shown..]);
        out
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Patterns> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Patterns> {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The lines of a secret that are worth a mask of their own. A PEM's frame is public and would hit everywhere.
pub fn maskable_lines(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| line.chars().count() >= SHORTEST && !line.starts_with("-----"))
}

fn forms(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut plain: Vec<String> = Vec::new();
    if value.chars().count() >= SHORTEST {
        plain.push(value.to_owned());
    }
    plain.extend(maskable_lines(value).map(str::to_owned));
    let mut all = plain.clone();
    for text in plain.iter().filter(|text| text.len() >= SHORTEST) {
        all.push(json_escaped(text));
        for unescaped in UNESCAPED {
            let upper = url_encoded(text, unescaped, false);
            all.push(upper.replace("%20", "+"));
            all.push(upper);
            let lower = url_encoded(text, unescaped, true);
            all.push(lower.replace("%20", "+"));
            all.push(lower);
        }
        all.extend(base64_forms(text.as_bytes()));
    }
    all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// What is left alone besides letters and digits: by RFC 3986, by forms, by JavaScript's `encodeURIComponent`.
const UNESCAPED: [&[u8]; 3] = [b"-._~", b"-._*", b"-._~!'()*"];

fn url_encoded(text: &str, unescaped: &[u8], lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || unescaped.contains(&byte) {
            out.push(char::from(byte));
        } else if lower {
            out.push_str(&format!("%{byte:02x}"));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The base64 of a value within something longer: it depends on where the value begins, modulo three. Characters that its neighbours
/// decide are left off.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for (shift, skipped) in [(0, 0), (1, 2), (2, 3)] {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(bytes);
        let whole = shifted.len() * 8 / 6;
        let encoded = STANDARD.encode(&shifted);
        let Some(stable) = encoded.get(skipped..whole) else {
            continue;
        };
        if stable.len() >= SHORTEST_DERIVED {
            forms.push(stable.to_owned());
            forms.push(stable.replace('+', "-").replace('/', "_"));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    fn masker(values: &[&str]) -> Masker {
        let masker = Masker::default();
        for value in values {
            masker.add(&Secret::new(*value));
        }
        masker
    }

    #[test]
    fn every_derived_form_is_redacted() {
        let value = "p\"ss/w\\rd ?&=é~x+/>>?";
        let masker = masker(&[value]);
        let json = serde_json::to_string(value).unwrap();
        let mut forms = vec![
            value.to_owned(),
            json[1..json.len() - 1].to_owned(),
            url_encoded(value, b"-._~", false),
            url_encoded(value, b"-._~", true),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        ];
        for before in ["", "u", "us", "usr", "user"] {
            let basic = format!("{before}{value}:more");
            forms.push(STANDARD.encode(&basic));
            forms.push(URL_SAFE.encode(&basic));
            forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{value}")));
        }
        for form in forms {
            let shown = masker.redact(&format!("before {form} after"));
            assert!(shown.contains("***"), "{form} shows: {shown}");
            assert!(!shown.contains(&form), "{form} shows: {shown}");
        }
    }

    #[test]
    fn each_line_of_a_multi_line_secret_is_redacted_and_its_frame_is_not() {
        let pem =
            "-----BEGIN PRIVATE KEY-----\nMIIabcdefgh\nab\nZYXwvut\n-----END PRIVATE KEY-----";
        let masker = masker(&[pem]);
        assert_eq!(masker.redact("x MIIabcdefgh y"), "x *** y");
        assert_eq!(masker.redact("ZYXwvut"), "***");
        assert_eq!(masker.redact("about"), "about");
        assert_eq!(
            masker.redact("a file with -----BEGIN PRIVATE KEY-----"),
            "a file with -----BEGIN PRIVATE KEY-----"
        );
        assert_eq!(masker.redact(&format!("<{pem}>")), "<***>");
    }

    #[test]
    fn overlapping_secrets_leave_no_tail() {
        let masker = masker(&["abcdef", "defghi"]);
        assert_eq!(masker.redact("x abcdefghi y"), "x *** y");
        assert_eq!(masker.redact("abcdefabcdef"), "***");
        let masker = self::masker(&["aaaa"]);
        assert_eq!(masker.redact("baaaaaaab"), "b***b");
    }

    #[test]
    fn values_under_four_characters_are_refused() {
        let masker = Masker::default();
        assert!(!masker.add(&Secret::new("abc")));
        assert!(!masker.add(&Secret::new("  1\n")));
        assert_eq!(masker.redact("abc 1"), "abc 1");
        assert!(masker.add(&Secret::new("abcd")));
    }

    #[test]
    fn what_the_host_holds_secret_is_redacted_but_may_be_an_output() {
        let masker = Masker::default();
        masker.learn("11111111-2222-3333-4444-555555555555");
        assert_eq!(
            masker.redact("id 11111111-2222-3333-4444-555555555555"),
            "id ***"
        );
        assert!(!masker.holds_secret("11111111-2222-3333-4444-555555555555"));
    }

    #[test]
    fn clones_share_what_is_registered() {
        let first = Masker::default();
        let second = first.clone();
        first.add(&Secret::new("late-secret"));
        assert_eq!(second.redact("a late-secret"), "a ***");
    }
}
