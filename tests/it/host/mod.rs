//! The three front doors, seen from outside: what the runner, the agent and a person would read.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy only exempts the test functions themselves"
)]

mod azure_pipelines;
mod foreign_text;
mod github;
mod secrets;
mod terminal;
mod wire;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aml_runner::event::{Event, Place};
use aml_runner::host::{AzurePipelines, Env, GitHub, Host, Options, Terminal};

/// A stream whose content can be read while the host still has it.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// What was written since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A step on a simulated GitHub runner, with real files for its file commands.
pub(crate) struct GitHubStep {
    pub(crate) host: GitHub,
    pub(crate) log: Captured,
    folder: tempfile::TempDir,
}

impl GitHubStep {
    pub(crate) fn new(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut pairs = vec![
            ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
            ("RUNNER_TEMP".to_owned(), path("")),
        ];
        for name in [
            "GITHUB_OUTPUT",
            "GITHUB_ENV",
            "GITHUB_PATH",
            "GITHUB_STATE",
            "GITHUB_STEP_SUMMARY",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
            pairs.push((name.to_owned(), path(name)));
        }
        pairs.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let log = Captured::default();
        Self {
            host: GitHub::writing_to(
                Env::from_pairs(pairs),
                Options::default(),
                Box::new(log.clone()),
            ),
            log,
            folder,
        }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn entries(&self, name: &str) -> Vec<(String, String)> {
        wire::file_command(&self.file(name)).unwrap()
    }
}

/// A task on a simulated agent.
pub(crate) struct AzureTask {
    pub(crate) host: AzurePipelines,
    pub(crate) log: Captured,
    pub(crate) folder: tempfile::TempDir,
}

impl AzureTask {
    pub(crate) fn new(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let temp = folder.path().display().to_string();
        let pairs = [("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", temp.as_str())];
        let log = Captured::default();
        Self {
            host: AzurePipelines::writing_to(
                Env::from_pairs(pairs.iter().chain(more).copied()),
                Options::default(),
                Box::new(log.clone()),
            ),
            log,
            folder,
        }
    }

    pub(crate) fn commands(&self) -> Vec<wire::Command> {
        wire::dotnet_lines(&self.log.text())
            .iter()
            .filter_map(|line| wire::azure_command(line))
            .collect()
    }
}

/// A person's terminal, or a script's.
pub(crate) struct TerminalRun {
    pub(crate) host: Terminal,
    pub(crate) log: Captured,
    pub(crate) data: Captured,
}

impl TerminalRun {
    pub(crate) fn new(env: &[(&str, &str)], options: Options, watched: bool) -> Self {
        let log = Captured::default();
        let data = Captured::default();
        Self {
            host: Terminal::writing_to(
                Env::from_pairs(env.iter().copied()),
                options,
                Box::new(log.clone()),
                Box::new(data.clone()),
                watched,
            ),
            log,
            data,
        }
    }
}

/// Says `text` in every event and every field of one that shows text.
pub(crate) fn say_everywhere(host: &dyn Host, text: &str) {
    let place = Place {
        file: PathBuf::from(text),
        line: 3,
        column: 7,
    };
    for event in [
        Event::Started { stage: text },
        Event::GroupStarted { title: text },
        Event::Note { text },
        Event::LogLine {
            source: text,
            line: text,
        },
        Event::LogLine {
            source: "",
            line: text,
        },
        Event::GroupEnded,
        Event::Notice { title: text, text },
        Event::Warned {
            text,
            place: Some(&place),
        },
        Event::Failed {
            title: text,
            text,
            advice: Some(text),
            place: Some(&place),
        },
        Event::Transfer {
            label: text,
            done: 1,
            total: 2,
        },
        Event::Debug { text },
    ] {
        host.emit(&event).unwrap();
    }
}

/// Everything in files below a folder.
pub(crate) fn all_files(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&all_files(&path));
        } else {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    all
}
