//! The log for us, not for the user: `tracing` on standard error, off unless asked for. What users read are events.
//! Everything passes through the masker, and no line of it can be a host's command.

use std::fmt;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{Env, Masker, sink};

/// What is logged when logging is asked for without saying what: our own doings, none of the libraries'.
const DEFAULT_FILTER: &str = "aml_runner=debug";

/// Sets up the log. On with `verbose`, with `AML_RUNNER_LOG` (a filter such as `aml_runner=trace`), and with the debug switches of
/// both hosts. A second call changes nothing.
pub fn init(verbose: bool, env: &Env, masker: Masker) {
    let Some(filter) = filter(verbose, env) else {
        return;
    };
    // An embedding program or another test may have a subscriber already; theirs stays.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(MaskedStderr { masker })
            .try_init(),
    );
}

fn filter(verbose: bool, env: &Env) -> Option<EnvFilter> {
    if let Some(text) = env.get("AML_RUNNER_LOG") {
        return Some(EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER)));
    }
    let asked = verbose || env.is_on("RUNNER_DEBUG") || env.is_on("SYSTEM_DEBUG");
    asked.then(|| EnvFilter::new(DEFAULT_FILTER))
}

#[derive(Debug, Clone)]
struct MaskedStderr {
    masker: Masker,
}

impl<'a> MakeWriter<'a> for MaskedStderr {
    type Writer = Cleaned<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Cleaned {
            masker: self.masker.clone(),
            out: io::stderr(),
            held: Vec::new(),
        }
    }
}

/// Collects the text of one log event and writes it cleaned when it is complete, so that no secret is split over two writes.
struct Cleaned<W: Write> {
    masker: Masker,
    out: W,
    held: Vec<u8>,
}

impl<W: Write> fmt::Debug for Cleaned<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cleaned")
    }
}

impl<W: Write> Write for Cleaned<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        let mut cleaned = sink::clean(&self.masker, &text);
        cleaned.push('\n');
        self.out.write_all(cleaned.as_bytes())
    }
}

impl<W: Write> Drop for Cleaned<W> {
    fn drop(&mut self) {
        // Nobody is left to tell when standard error is gone.
        drop(self.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_log_is_off_unless_asked_for() {
        let env = |name: &str, value: &str| Env::from_pairs([(name, value)]);
        assert!(filter(false, &Env::default()).is_none());
        assert!(filter(false, &env("SYSTEM_DEBUG", "false")).is_none());
        assert!(filter(true, &Env::default()).is_some());
        assert!(filter(false, &env("RUNNER_DEBUG", "1")).is_some());
        assert!(filter(false, &env("SYSTEM_DEBUG", "True")).is_some());
        assert!(filter(false, &env("AML_RUNNER_LOG", "aml_runner=trace")).is_some());
    }

    #[test]
    fn a_log_line_holds_no_secret_and_no_command_even_when_written_in_pieces() {
        let masker = Masker::default();
        masker.add(&Secret::new("top-secret-value"));
        let mut out = Vec::new();
        {
            let mut writer = Cleaned {
                masker,
                out: &mut out,
                held: Vec::new(),
            };
            write!(writer, "key=top-sec").unwrap();
            writeln!(writer, "ret-value ##vso[task.complete]").unwrap();
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key=*** # #vso[task.complete]\n"
        );
    }
}
