//! GitHub Actions: the runner's workflow commands, file commands and limits. Azure Pipelines' dialect is another file's, escapes included.
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

mod facts;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::sink::{self, Shown, Sink};
use super::{
    Env, Host, IdentityOffer, Masker, NetworkFacts, Options, Outcome, Output, RunFacts, mask,
    network,
};
use crate::event::{Event, Place};
use crate::report::Report;
use crate::report::{json, markdown};
use crate::secret::Secret;

/// The runner drops the whole summary above 1 MiB; what it counts are bytes.
const SUMMARY_LIMIT: usize = 1_000_000;
/// The runner cuts a message at 4,096 characters. Cut here first, the advice at its end survives.
const MESSAGE_LIMIT: usize = 3_000;

/// A step of a GitHub workflow.
#[derive(Debug)]
pub struct GitHub {
    env: Env,
    options: Options,
    masker: Masker,
    log: Sink,
    shown: Mutex<Shown>,
}

impl GitHub {
    pub fn new(env: Env, options: Options) -> Self {
        let log = Sink::log(options.output);
        Self::with_sink(env, options, log)
    }

    /// The same, with the log going somewhere else.
    pub fn writing_to(env: Env, options: Options, log: Box<dyn Write + Send>) -> Self {
        Self::with_sink(env, options, Sink::new(log))
    }

    fn with_sink(env: Env, options: Options, log: Sink) -> Self {
        let masker = Masker::default();
        for name in [
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "GITHUB_TOKEN",
        ] {
            if let Some(value) = env.get(name) {
                masker.add(&Secret::new(value));
            }
        }
        super::learn_standard_secrets(&env, &masker);
        Self {
            env,
            options,
            masker,
            log,
            shown: Mutex::default(),
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines of ours or of others, as plain text.
    fn plain(&self, text: &str) -> io::Result<()> {
        sink::clean(&self.masker, text)
            .split('\n')
            .try_for_each(|line| self.log.line(line))
    }

    fn close_group(&self) -> io::Result<()> {
        if std::mem::take(&mut self.shown().group_open) {
            self.log.line("::endgroup::")?;
        }
        Ok(())
    }

    fn annotate(&self, kind: &Annotation<'_>) -> io::Result<()> {
        let fits = {
            let mut shown = self.shown();
            match kind.level {
                Level::Error => sink::fits(&mut shown.errors),
                Level::Warning => sink::fits(&mut shown.warnings),
                Level::Notice => sink::fits(&mut shown.notices),
            }
        };
        if !fits {
            return self.plain(&kind.as_line());
        }
        let mut properties = Vec::new();
        if let Some(place) = kind.place {
            let file = sink::clean_line(&self.masker, &place.file.display().to_string());
            properties.push(format!("file={}", property(&file)));
            properties.push(format!("line={}", place.line));
            properties.push(format!("col={}", place.column));
        }
        if let Some(title) = kind.title {
            let title = sink::clean_line(&self.masker, title);
            properties.push(format!("title={}", property(&title)));
        }
        let text = sink::clean(&self.masker, kind.text);
        let cut = text.char_indices().nth(MESSAGE_LIMIT).map(|(at, _)| at);
        let mut message = match cut {
            Some(at) => format!("{}…", &text[..at]),
            None => text.clone(),
        };
        if let Some(advice) = kind.advice {
            message.push('\n');
            message.push_str(&sink::clean(&self.masker, advice));
        }
        let space = if properties.is_empty() { "" } else { " " };
        self.log.line(&format!(
            "::{}{space}{}::{}",
            kind.level.command(),
            properties.join(","),
            data(&message)
        ))?;
        if cut.is_some() {
            self.plain(&text)?;
        }
        Ok(())
    }

    /// The file behind a file command. Absent where nobody would read it, as in a local imitation of the runner.
    fn file(&self, name: &str) -> io::Result<Option<PathBuf>> {
        let path = self.env.get(name).map(PathBuf::from);
        if path.is_none() {
            self.emit(&Event::Debug {
                text: &format!("{name} is not set; what was meant for it is lost"),
            })?;
        }
        Ok(path)
    }

    fn write_entry(&self, variable: &str, name: &str, value: &str) -> io::Result<()> {
        let delimiter = format!("amlrunner_{}", uuid::Uuid::new_v4().simple());
        let entry = entry(name, value, &delimiter)?;
        match self.file(variable)? {
            Some(path) => sink::append(&path, &entry),
            None => Ok(()),
        }
    }

    /// Whether a value may leave the step. The runner drops a job output that holds a secret; we do not write it in the first place.
    fn may_leave(&self, name: &str, value: &str) -> io::Result<bool> {
        if !self.masker.holds_secret(value) {
            return Ok(true);
        }
        self.emit(&Event::Warned {
            text: &format!("{name} was not set: its value contains a secret"),
            place: None,
        })?;
        Ok(false)
    }
}

impl Host for GitHub {
    fn input(&self, name: &str) -> Option<String> {
        super::flag(&self.options, name).or_else(|| self.env.input(name).map(str::to_owned))
    }

    fn input_label(&self, name: &str) -> String {
        super::label(&self.options, name, name.to_owned())
    }

    fn unknown_inputs(&self, known: &[&str]) -> Vec<String> {
        super::unknown_inputs(&self.env, known, |rest| {
            rest.to_ascii_lowercase().replace('_', "-")
        })
    }

    fn emit(&self, event: &Event<'_>) -> io::Result<()> {
        match *event {
            Event::Started { stage } => self.plain(&super::banner(stage)),
            Event::GroupStarted { title } => {
                self.close_group()?;
                let title = sink::clean_line(&self.masker, title);
                self.log.line(&format!("::group::{}", data(&title)))?;
                self.shown().group_open = true;
                Ok(())
            }
            Event::GroupEnded => self.close_group(),
            Event::Note { text } => self.plain(text),
            Event::Notice { title, text } => self.annotate(&Annotation {
                level: Level::Notice,
                title: Some(title),
                text,
                advice: None,
                place: None,
            }),
            Event::Warned { text, place } => self.annotate(&Annotation {
                level: Level::Warning,
                title: None,
                text,
                advice: None,
                place,
            }),
            Event::Failed {
                title,
                text,
                advice,
                place,
            } => {
                self.close_group()?;
                self.annotate(&Annotation {
                    level: Level::Error,
                    title: Some(title),
                    text,
                    advice,
                    place,
                })
            }
            Event::LogLine { source, line } => self.plain(&super::attributed(source, line)),
            Event::Transfer { .. } => Ok(()),
            Event::Debug { text } => sink::clean(&self.masker, text)
                .split('\n')
                .try_for_each(|line| self.log.line(&format!("::debug::{}", data(line)))),
        }
    }

    fn mask(&self, secret: &Secret) -> io::Result<()> {
        if !self.masker.add(secret) {
            return Ok(());
        }
        // One command per line: of a value with line ends the runner registers every line, however short.
        mask::maskable_lines(secret.expose())
            .filter(|line| self.shown().first_time(line))
            .try_for_each(|line| self.log.line(&format!("::add-mask::{}", data(line))))
    }

    fn output(&self, name: &str, value: &str) -> io::Result<()> {
        if self.may_leave(name, value)? {
            self.write_entry("GITHUB_OUTPUT", name, value)?;
        }
        Ok(())
    }

    fn set_env(&self, name: &str, value: &str) -> io::Result<()> {
        if self.may_leave(name, value)? {
            self.write_entry("GITHUB_ENV", name, value)?;
        }
        Ok(())
    }

    fn add_path(&self, dir: &Path) -> io::Result<()> {
        let dir = dir.display().to_string();
        if dir.contains(['\r', '\n']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a directory for PATH may not contain a line end",
            ));
        }
        match self.file("GITHUB_PATH")? {
            Some(path) => sink::append(&path, &format!("{dir}\n")),
            None => Ok(()),
        }
    }

    fn save_state(&self, name: &str, value: &str) -> io::Result<()> {
        if self.may_leave(name, value)? {
            self.write_entry("GITHUB_STATE", &super::state_name(name), value)?;
        }
        Ok(())
    }

    fn state(&self, name: &str) -> Option<String> {
        self.env
            .get(&format!("STATE_{}", super::state_name(name)))
            .map(str::to_owned)
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        let report = &report.map_texts(&|text| self.masker.redact(text));
        if let Some(path) = self.file("GITHUB_STEP_SUMMARY")? {
            let used = std::fs::metadata(&path).map_or(0, |file| file.len());
            let room = SUMMARY_LIMIT.saturating_sub(usize::try_from(used).unwrap_or(usize::MAX));
            let text = markdown::render(report);
            sink::append(&path, &sink::cut(text, room))?;
        }
        match self.options.output {
            Output::Text => Ok(()),
            Output::Json => {
                super::print_json(&mut io::stdout(), &self.masker, &json::render(report))
            }
        }
    }

    fn identity(&self) -> IdentityOffer {
        match (
            self.env.get("ACTIONS_ID_TOKEN_REQUEST_URL"),
            self.env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ) {
            (Some(url), Some(token)) => IdentityOffer::GitHubOidc {
                request_url: url.to_owned(),
                request_token: Secret::new(token),
            },
            _ => IdentityOffer::GitHubOidcMissing,
        }
    }

    fn facts(&self) -> RunFacts {
        facts::facts(&self.env, &self.options)
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
        // The exit code is the result; GitHub has no other.
        self.close_group()
    }
}

#[derive(Clone, Copy)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

struct Annotation<'a> {
    level: Level,
    title: Option<&'a str>,
    text: &'a str,
    advice: Option<&'a str>,
    place: Option<&'a Place>,
}

impl Annotation<'_> {
    fn as_line(&self) -> String {
        super::issue_line(
            self.level.command(),
            self.place,
            self.title,
            self.text,
            self.advice,
        )
    }
}

/// Escapes the data of a command. Only here: Azure Pipelines escapes differently.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// An entry of a file command. A fixed delimiter would let a value end its own entry and begin another, so each has its own.
fn entry(name: &str, value: &str, delimiter: &str) -> io::Result<String> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if name.is_empty() || name.contains(['\r', '\n', '=']) || name.contains("<<") {
        return refuse(format!("{name:?} cannot be the name of an output"));
    }
    if name.contains(delimiter) || value.contains(delimiter) {
        return refuse(format!("the value of {name} contains its own delimiter"));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_the_runners_own() {
        assert_eq!(data("100%\r\n::x"), "100%25%0D%0A::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn an_entry_that_could_end_itself_is_refused() {
        assert_eq!(entry("a", "1\n2", "D").unwrap(), "a<<D\n1\n2\nD\n");
        for (name, value) in [
            ("a", "x\nD\nb<<E"),
            ("aD", "x"),
            ("a=b", "x"),
            ("a<<b", "x"),
            ("a\nb", "x"),
            ("", "x"),
        ] {
            assert!(entry(name, value, "D").is_err(), "{name:?} {value:?}");
        }
    }
}
