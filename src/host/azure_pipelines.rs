//! Azure Pipelines: the agent's logging commands, task inputs and variables. GitHub's dialect is another file's, escapes included.
//! <https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands>

mod connection;
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

/// No limit is documented for `task.uploadsummary`; the other host's serves both.
const SUMMARY_LIMIT: usize = 1_000_000;

/// A task of an Azure pipeline.
#[derive(Debug)]
pub struct AzurePipelines {
    env: Env,
    options: Options,
    masker: Masker,
    log: Sink,
    shown: Mutex<Shown>,
}

impl AzurePipelines {
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
        connection::learn_secrets(&env, &masker);
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

    fn plain(&self, text: &str) -> io::Result<()> {
        sink::clean(&self.masker, text)
            .split('\n')
            .try_for_each(|line| self.log.line(line))
    }

    fn command(&self, name: &str, properties: &[(&str, &str)], text: &str) -> io::Result<()> {
        let properties: String = properties
            .iter()
            .map(|(key, value)| format!("{key}={};", property(value)))
            .collect();
        let space = if properties.is_empty() { "" } else { " " };
        self.log
            .line(&format!("##vso[{name}{space}{properties}]{}", data(text)))
    }

    fn close_group(&self) -> io::Result<()> {
        if std::mem::take(&mut self.shown().group_open) {
            self.log.line("##[endgroup]")?;
        }
        Ok(())
    }

    fn issue(&self, issue: &Issue<'_>) -> io::Result<()> {
        let fits = {
            let mut shown = self.shown();
            match issue.level {
                Level::Error => sink::fits(&mut shown.errors),
                Level::Warning => sink::fits(&mut shown.warnings),
            }
        };
        if !fits {
            return self.plain(&super::issue_line(
                issue.level.word(),
                issue.place,
                issue.title,
                issue.text,
                issue.advice,
            ));
        }
        let (file, line, column) = match issue.place {
            Some(place) => (
                sink::clean_line(&self.masker, &place.file.display().to_string()),
                place.line.to_string(),
                place.column.to_string(),
            ),
            None => Default::default(),
        };
        let mut properties = vec![("type", issue.level.word())];
        if issue.place.is_some() {
            properties.extend([
                ("sourcepath", file.as_str()),
                ("linenumber", line.as_str()),
                ("columnnumber", column.as_str()),
            ]);
        }
        // An issue has no title of its own here.
        let title = issue
            .title
            .filter(|title| !title.is_empty() && *title != issue.text)
            .map_or(String::new(), |title| format!("{title}: "));
        let advice = issue
            .advice
            .map_or(String::new(), |advice| format!("\n{advice}"));
        let text = sink::clean(&self.masker, &format!("{title}{}{advice}", issue.text));
        self.command("task.logissue", &properties, &text)
    }

    fn set_variable(&self, name: &str, value: &str, is_output: bool) -> io::Result<()> {
        if name.is_empty() || name.contains(['\r', '\n']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} cannot be the name of a variable"),
            ));
        }
        if self.masker.holds_secret(value) {
            return self.emit(&Event::Warned {
                text: &format!("{name} was not set: its value contains a secret"),
                place: None,
            });
        }
        let mut properties = vec![("variable", name)];
        if is_output {
            properties.push(("isOutput", "true"));
        }
        self.command("task.setvariable", &properties, value)
    }

    /// An optional `filePath` that the user left empty arrives as the root of the sources.
    fn is_root(&self, value: &str) -> bool {
        let value = value.trim_end_matches(['/', '\\']);
        ["SYSTEM_DEFAULTWORKINGDIRECTORY", "BUILD_SOURCESDIRECTORY"]
            .iter()
            .filter_map(|name| self.env.get(name))
            .any(|root| root.trim_end_matches(['/', '\\']) == value)
    }

    /// The file is read after the line has been processed, so it has a folder of its own and stays; its name is the summary's heading.
    fn write_summary(&self, report: &Report) -> io::Result<()> {
        let Some(temp) = self.env.get("AGENT_TEMPDIRECTORY") else {
            return self.emit(&Event::Debug {
                text: "AGENT_TEMPDIRECTORY is not set; there is nowhere to put the summary",
            });
        };
        let folder = Path::new(temp).join(format!("aml-runner-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder)?;
        let stage: String = report
            .stage
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        let path = std::path::absolute(folder.join(format!("aml-runner {stage}.md")))?;
        let mut report = report.clone();
        report.outputs = report
            .outputs
            .into_iter()
            .map(|(name, value)| (camel_case(&name), value))
            .collect();
        let text = sink::cut(markdown::render(&report), SUMMARY_LIMIT);
        std::fs::write(&path, text)?;
        self.command("task.uploadsummary", &[], &path.display().to_string())
    }
}

impl Host for AzurePipelines {
    fn input(&self, name: &str) -> Option<String> {
        super::flag(&self.options, name).or_else(|| {
            self.env
                .input(name)
                .filter(|value| !self.is_root(value))
                .map(str::to_owned)
        })
    }

    fn input_label(&self, name: &str) -> String {
        super::label(&self.options, name, camel_case(name))
    }

    fn unknown_inputs(&self, known: &[&str]) -> Vec<String> {
        // The agent has upper-cased what the user wrote.
        super::unknown_inputs(&self.env, known, str::to_ascii_lowercase)
    }

    fn emit(&self, event: &Event<'_>) -> io::Result<()> {
        match *event {
            Event::Started { stage } => self.plain(&super::banner(stage)),
            Event::GroupStarted { title } => {
                self.close_group()?;
                let title = sink::clean_line(&self.masker, title);
                self.log.line(&format!("##[group]{title}"))?;
                self.shown().group_open = true;
                Ok(())
            }
            Event::GroupEnded => self.close_group(),
            Event::Note { text } => self.plain(text),
            // There is no notice; a section line stands out in the log.
            Event::Notice { title, text } => {
                let line = sink::clean_line(&self.masker, &format!("{title}: {text}"));
                self.log.line(&format!("##[section]{line}"))
            }
            Event::Warned { text, place } => self.issue(&Issue {
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
                self.issue(&Issue {
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
                .try_for_each(|line| self.command("task.debug", &[], line)),
        }
    }

    fn mask(&self, secret: &Secret) -> io::Result<()> {
        if !self.masker.add(secret) {
            return Ok(());
        }
        // The agent registers a value as one string and compares it with lines.
        mask::maskable_lines(secret.expose())
            .filter(|line| self.shown().first_time(line))
            .try_for_each(|line| self.command("task.setsecret", &[], line))
    }

    fn output(&self, name: &str, value: &str) -> io::Result<()> {
        self.set_variable(&camel_case(name), value, true)
    }

    fn set_env(&self, name: &str, value: &str) -> io::Result<()> {
        self.set_variable(name, value, false)
    }

    fn add_path(&self, dir: &Path) -> io::Result<()> {
        self.command("task.prependpath", &[], &dir.display().to_string())
    }

    fn save_state(&self, name: &str, value: &str) -> io::Result<()> {
        if self.masker.holds_secret(value) {
            return Ok(());
        }
        self.command(
            "task.settaskvariable",
            &[("variable", &super::state_name(name))],
            value,
        )
    }

    fn state(&self, name: &str) -> Option<String> {
        let name = super::state_name(name).to_ascii_uppercase();
        self.env
            .get(&format!("VSTS_TASKVARIABLE_{name}"))
            .map(str::to_owned)
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        let report = &report.map_texts(&|text| self.masker.redact(text));
        self.write_summary(report)?;
        match self.options.output {
            Output::Text => Ok(()),
            Output::Json => {
                super::print_json(&mut io::stdout(), &self.masker, &json::render(report))
            }
        }
    }

    fn identity(&self) -> IdentityOffer {
        match self.input("azure-subscription") {
            Some(id) => {
                IdentityOffer::ServiceConnection(Box::new(connection::read(&self.env, &id)))
            }
            None => IdentityOffer::None,
        }
    }

    fn facts(&self) -> RunFacts {
        facts::facts(&self.env, &self.options)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.env
            .get(name)
            .filter(|value| undefined_macro(value).is_none())
            .map(str::to_owned)
    }

    fn child_environment(&self) -> Vec<(String, String)> {
        self.env.for_children()
    }

    fn undefined_variable(&self, value: &str) -> Option<String> {
        undefined_macro(value).map(str::to_owned)
    }

    fn masker(&self) -> Masker {
        self.masker.clone()
    }

    fn network(&self) -> NetworkFacts {
        network::from_agent(&self.env)
    }

    fn finished(&self, outcome: Outcome) -> io::Result<()> {
        self.close_group()?;
        // Always said: in a container job the agent's go-between turns a killed process into success.
        let result = match outcome {
            Outcome::Succeeded => "Succeeded",
            Outcome::Failed => "Failed",
            Outcome::Cancelled => "Canceled",
        };
        self.command("task.complete", &[("result", result)], "")
    }

    fn booleans_ignore_case(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy)]
enum Level {
    Error,
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

struct Issue<'a> {
    level: Level,
    title: Option<&'a str>,
    text: &'a str,
    advice: Option<&'a str>,
    place: Option<&'a Place>,
}

/// Escapes the data of a command. Only here: GitHub escapes `%` differently.
/// <https://github.com/microsoft/azure-pipelines-agent/blob/master/docs/design/percentEncoding.md>
fn data(text: &str) -> String {
    text.replace('%', "%AZP25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(']', "%5D").replace(';', "%3B")
}

/// `resource-group` as a task's input or output is called: `resourceGroup`. Other characters stay as they are.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        if c == '-' {
            raise = !out.is_empty();
        } else if std::mem::take(&mut raise) {
            out.push(c.to_ascii_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// The name in a `$(name)` that the agent left as it was because no variable has that name.
fn undefined_macro(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once("$(") {
        rest = after;
        let Some((name, _)) = after.split_once(')') else {
            continue;
        };
        let mut chars = name.chars();
        // Anything else is text of the user's: a command substitution, a path of JSON.
        if chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        {
            return Some(name);
        }
    }
    None
}

/// A path from a variable.
fn path(env: &Env, name: &str) -> Option<PathBuf> {
    env.get(name).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_the_agents_own() {
        assert_eq!(data("100%\r\n]"), "100%AZP25%0D%0A]");
        assert_eq!(property("a]b;c%"), "a%5Db%3Bc%AZP25");
    }

    #[test]
    fn names_are_in_camel_case() {
        for (name, camel) in [
            ("job-name", "jobName"),
            ("subscription-id", "subscriptionId"),
            ("resource_group", "resource_group"),
            ("changed", "changed"),
        ] {
            assert_eq!(camel_case(name), camel);
        }
    }

    #[test]
    fn only_what_looks_like_a_variable_is_an_undefined_one() {
        for (value, name) in [
            ("$(clientSecret)", Some("clientSecret")),
            ("rg-$(env.name)-x", Some("env.name")),
            ("$(date +%s) $(later)", Some("later")),
            ("$(date +%s)", None),
            ("$()", None),
            ("$(open", None),
            ("${{x}} $[y] (z)", None),
        ] {
            assert_eq!(undefined_macro(value), name, "{value}");
        }
    }
}
