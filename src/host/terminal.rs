//! A terminal: log on standard error, data on standard output, colours and progress bars only where somebody watches.
//! Also what every unknown environment counts as.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::sink::Sink;
use super::{
    Env, Host, IdentityOffer, Masker, NetworkFacts, Options, Outcome, Output, RunFacts, network,
};
use crate::event::Event;
use crate::report::{Report, json, text};
use crate::secret::Secret;

const HEADING: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();
const NOTICE: Style = AnsiColor::Green.on_default();
const FAINT: Style = Style::new().dimmed();

/// A person at a terminal, or a script.
pub struct Terminal {
    env: Env,
    options: Options,
    masker: Masker,
    log: Sink,
    data: Mutex<Box<dyn Write + Send>>,
    colour: bool,
    bars: Option<Bars>,
    outputs: Mutex<BTreeMap<String, String>>,
    state: Mutex<BTreeMap<String, String>>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    by_label: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Terminal {
    pub fn new(env: Env, options: Options) -> Self {
        let watched = io::stderr().is_terminal();
        let mut terminal = Self::writing_to(
            env,
            options,
            Box::new(io::stderr()),
            Box::new(io::stdout()),
            watched,
        );
        // A bar moves the cursor but needs no colour.
        let moves = terminal.env.get("TERM") != Some("dumb");
        terminal.bars = (watched && moves).then(Bars::default);
        terminal
    }

    /// The same with other streams. `watched` says whether a person looks at the log; `NO_COLOR` is still honoured.
    pub fn writing_to(
        env: Env,
        options: Options,
        log: Box<dyn Write + Send>,
        data: Box<dyn Write + Send>,
        watched: bool,
    ) -> Self {
        let masker = Masker::default();
        super::learn_standard_secrets(&env, &masker);
        // https://no-color.org
        let colour = watched && env.get("NO_COLOR").is_none() && env.get("TERM") != Some("dumb");
        Self {
            env,
            options,
            masker,
            log: Sink::new(log),
            data: Mutex::new(data),
            colour,
            bars: None,
            outputs: Mutex::default(),
            state: Mutex::default(),
        }
    }

    fn clean(&self, text: &str) -> Vec<String> {
        super::neutral::lines(&self.masker.redact(text))
            .map(|line| plain(line, self.colour))
            .collect()
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Writes lines around the progress bars.
    fn lines(&self, lines: &[String]) -> io::Result<()> {
        let write = || lines.iter().try_for_each(|line| self.log.line(line));
        match &self.bars {
            Some(bars) => bars.all.suspend(write),
            None => write(),
        }
    }

    fn say(&self, style: Style, text: &str) -> io::Result<()> {
        let lines: Vec<_> = self
            .clean(text)
            .iter()
            .map(|line| self.styled(style, line))
            .collect();
        self.lines(&lines)
    }

    fn transfer(&self, label: &str, done: u64, total: u64) {
        let Some(bars) = &self.bars else {
            return;
        };
        let label = self.clean(label).join(" ");
        let mut by_label = lock(&bars.by_label);
        if done >= total {
            if let Some(bar) = by_label.remove(&label) {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = by_label.entry(label).or_insert_with_key(|label| {
            let bar = ProgressBar::new(total)
                .with_message(label.clone())
                .with_style(bar_style());
            bars.all.add(bar)
        });
        bar.set_length(total);
        bar.set_position(done);
    }
}

const BAR: &str = "{msg} {wide_bar} {bytes:>10}/{total_bytes} {bytes_per_sec:>12} {eta:>4}";

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for Terminal {
    fn input(&self, name: &str) -> Option<String> {
        super::flag(&self.options, name)
    }

    fn input_label(&self, name: &str) -> String {
        format!("--{name}")
    }

    /// None: an unknown flag does not get past the command line.
    fn unknown_inputs(&self, _known: &[&str]) -> Vec<String> {
        Vec::new()
    }

    fn emit(&self, event: &Event<'_>) -> io::Result<()> {
        match *event {
            Event::Started { stage } => self.say(FAINT, &super::banner(stage)),
            Event::GroupStarted { title } => {
                self.lines(&[String::new()])?;
                self.say(HEADING, title)
            }
            Event::GroupEnded => Ok(()),
            Event::Note { text } => self.say(Style::new(), text),
            Event::Notice { title, text } => self.say(NOTICE, &format!("{title}: {text}")),
            Event::Warned { text, place } => self.say(
                WARNING,
                &super::issue_line("warning", place, None, text, None),
            ),
            Event::Failed {
                title,
                text,
                advice,
                place,
            } => {
                self.say(
                    ERROR,
                    &super::issue_line("error", place, Some(title), text, None),
                )?;
                advice.map_or(Ok(()), |advice| self.say(Style::new(), advice))
            }
            Event::LogLine { source, line } => {
                let source = self.clean(source).join(" ");
                let head = if source.is_empty() {
                    String::new()
                } else {
                    format!("{} ", self.styled(FAINT, &format!("{source} |")))
                };
                let lines: Vec<_> = self
                    .clean(line)
                    .iter()
                    .map(|line| format!("{head}{line}"))
                    .collect();
                self.lines(&lines)
            }
            Event::Transfer { label, done, total } => {
                self.transfer(label, done, total);
                Ok(())
            }
            Event::Debug { text } if self.options.verbose => self.say(FAINT, text),
            Event::Debug { .. } => Ok(()),
        }
    }

    fn mask(&self, secret: &Secret) -> io::Result<()> {
        self.masker.add(secret);
        Ok(())
    }

    /// Kept for the report: a terminal has no later step to hand it to.
    fn output(&self, name: &str, value: &str) -> io::Result<()> {
        lock(&self.outputs).insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn set_env(&self, _name: &str, _value: &str) -> io::Result<()> {
        Ok(())
    }

    fn add_path(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn save_state(&self, name: &str, value: &str) -> io::Result<()> {
        lock(&self.state).insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn state(&self, name: &str) -> Option<String> {
        lock(&self.state).get(name).cloned()
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        let mut report = report.clone();
        for (name, value) in lock(&self.outputs).iter() {
            report
                .outputs
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        let report = report.map_texts(&|text| self.masker.redact(text));
        let mut data = lock(&self.data);
        match self.options.output {
            Output::Json => super::print_json(&mut **data, &self.masker, &json::render(&report)),
            Output::Text => {
                let mut out = String::new();
                // Data may go to a file while the log is watched.
                let text = self.masker.redact(&text::render(&report));
                for line in super::neutral::lines(&text) {
                    out.push_str(&plain(line, false));
                    out.push('\n');
                }
                data.write_all(out.as_bytes())?;
                data.flush()
            }
        }
    }

    fn identity(&self) -> IdentityOffer {
        IdentityOffer::None
    }

    fn facts(&self) -> RunFacts {
        RunFacts {
            host: "terminal",
            actor: self.env.first(&["USER", "USERNAME"]).map(str::to_owned),
            working_directory: self.env.directory().to_owned(),
            temp_directory: self
                .env
                .first(&["TMPDIR", "TEMP", "TMP"])
                .map(std::path::PathBuf::from),
            ..RunFacts::default()
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.env.get(name).map(str::to_owned)
    }

    fn child_environment(&self) -> Vec<(String, String)> {
        self.env.for_children()
    }

    fn undefined_variable(&self, _value: &str) -> Option<String> {
        None
    }

    fn masker(&self) -> Masker {
        self.masker.clone()
    }

    fn network(&self) -> NetworkFacts {
        network::from_standard_variables(&self.env)
    }

    fn finished(&self, _outcome: Outcome) -> io::Result<()> {
        if let Some(bars) = &self.bars {
            lock(&bars.by_label).clear();
            return bars.all.clear();
        }
        Ok(())
    }
}

/// A line without what a terminal would obey: a training log may hold sequences that retitle the window or fill the clipboard.
/// Colours stay where colours are shown.
fn plain(line: &str, colour: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut coloured = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    let mut sequence = String::new();
                    let mut last = None;
                    for c in chars.by_ref() {
                        if ('@'..='~').contains(&c) {
                            last = Some(c);
                            break;
                        }
                        sequence.push(c);
                    }
                    let is_colour = last == Some('m')
                        && sequence
                            .bytes()
                            .all(|b| b.is_ascii_digit() || matches!(b, b';' | b':'));
                    if colour && is_colour {
                        out.push_str(&format!("\u{1b}[{sequence}m"));
                        coloured = true;
                    }
                }
                // A string up to BEL or ESC \: titles, links, the clipboard.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' {
                            break;
                        }
                        if c == '\u{1b}' && chars.peek() == Some(&'\\') {
                            chars.next();
                            break;
                        }
                    }
                }
                Some(_) | None => {
                    chars.next();
                }
            },
            '\t' => out.push(c),
            // Direction marks make a line read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    if coloured {
        out.push_str("\u{1b}[0m");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_bar_is_our_own() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    #[test]
    fn only_colours_get_through_to_a_terminal() {
        let line = "a\u{1b}[31mred\u{1b}[0m\u{1b}]52;c;ZXZpbA==\u{7}b\u{1b}[2Jc\u{1b}]0;t\u{1b}\\d\u{1b}cx\u{8}\u{9b}2J\ty\u{202e}z";
        assert_eq!(
            plain(line, true),
            "a\u{1b}[31mred\u{1b}[0mbcdx2J\tyz\u{1b}[0m"
        );
        assert_eq!(plain(line, false), "aredbcdx2J\tyz");
        assert_eq!(plain("cut \u{1b}[31", true), "cut ");
        assert_eq!(plain("cut \u{1b}", true), "cut ");
    }
}
