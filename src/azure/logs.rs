//! Follows the logs of one run as they grow: which files, from which byte on. Whole files are never read twice and never held.
//! Does not decide when to look and does not know where lines are shown.

mod lines;
mod ranged;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use futures::future::join_all;
use regex::Regex;

use self::lines::Lines;
use self::ranged::{Chunk, get_range};
use super::blob::sas;
use super::error::ServiceError;
use super::history::{RunDetails, run_details};
use super::{ArmError, Azure, Notice};
use crate::secret::Secret;

/// Bytes of one file in one reading.
const READING: u64 = 256 << 10;
/// Files in one reading: together with [`READING`] the most that is in memory.
const FILES: usize = 8;

/// What kind of run it is: old images and pipelines keep their logs elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    Command,
    Pipeline,
    Sweep,
}

/// A line of a run's log, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `user_logs/std_log.txt`
    pub file: String,
    pub line: String,
}

/// The logs of one run, from where they were left.
pub struct LogTail {
    azure: Azure,
    run: String,
    kind: LogKind,
    files: BTreeMap<String, Tailed>,
    may_have_more: bool,
}

impl std::fmt::Debug for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogTail")
            .field("run", &self.run)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Tailed {
    /// Kept until it is refused: every answer signs anew, and each address in use must be masked once.
    address: Secret,
    seen: u64,
    lines: Lines,
}

impl LogTail {
    pub fn new(azure: &Azure, run: &str, kind: LogKind) -> Self {
        Self {
            azure: azure.clone(),
            run: run.to_owned(),
            kind,
            files: BTreeMap::new(),
            may_have_more: false,
        }
    }

    /// What is new in the files that the details name, file by file. An empty answer means that there is nothing more now; a
    /// long log comes in several answers. An error loses no line: the next call goes on where this one was.
    pub async fn read(&mut self, details: &RunDetails) -> Result<Vec<LogLine>, ArmError> {
        self.offer(details);
        self.read_on().await
    }

    /// The same for the files that are known already.
    pub async fn read_on(&mut self) -> Result<Vec<LogLine>, ArmError> {
        loop {
            let reading = self.read_signed().await?;
            self.may_have_more = reading.full;
            // A progress bar can fill a whole reading without completing a line.
            if !reading.lines.is_empty() || !reading.full {
                return Ok(reading.lines);
            }
        }
    }

    /// Whether the log that matters is among the known files: no details are needed to read on.
    pub fn has_user_log(&self) -> bool {
        let Some(pattern) = &*CURRENT else {
            return false;
        };
        self.files.keys().any(|name| pattern.is_match(name))
    }

    /// Whether the last reading was as long as a reading can be.
    pub fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Follows the files worth showing that the details name and that are not known yet.
    pub fn offer(&mut self, details: &RunDetails) {
        let offered: Vec<&String> = details.log_files.keys().collect();
        for name in chosen(&offered, self.kind) {
            if !self.files.contains_key(&name)
                && let Some(address) = details.log_files.get(&name)
            {
                announce(&self.azure, address);
                let tailed = Tailed {
                    address: address.clone(),
                    seen: 0,
                    lines: Lines::default(),
                };
                self.files.insert(name, tailed);
            }
        }
    }

    /// One reading of every file, with new signatures where the old ones do not hold any more.
    async fn read_signed(&mut self) -> Result<Reading, ArmError> {
        let first = self.read_all().await;
        if !first.lines.is_empty() || (first.error.is_none() && first.refused.is_empty()) {
            // Whatever went wrong beside the lines will go wrong again, and be said then: lines must not be lost for it.
            return Ok(first);
        }
        if let Some(error) = first.error {
            return Err(error);
        }
        let fresh = run_details(&self.azure, &self.run).await?;
        for name in &first.refused {
            if let (Some(address), Some(tailed)) =
                (fresh.log_files.get(name), self.files.get_mut(name))
            {
                tailed.address = address.clone();
                announce(&self.azure, address);
            }
        }
        let mut second = self.read_all().await;
        if !second.lines.is_empty() {
            return Ok(second);
        }
        match (second.error.take(), second.refused.first()) {
            (Some(error), _) => Err(error),
            (None, Some(name)) => Err(refusal(name)),
            (None, None) => Ok(second),
        }
    }

    /// The run is over: unfinished last lines are lines.
    pub fn finish(&mut self) -> Vec<LogLine> {
        let mut found = Vec::new();
        for (name, tailed) in &mut self.files {
            let mut lines = Vec::new();
            tailed.lines.finish(&mut lines);
            found.extend(labelled(name, lines));
        }
        found
    }

    /// One reading of every file.
    async fn read_all(&mut self) -> Reading {
        let names: Vec<String> = self.files.keys().cloned().collect();
        let mut reading = Reading::default();
        for group in names.chunks(FILES) {
            let chunks = join_all(group.iter().map(async |name| {
                let tailed = self.files.get(name)?;
                let chunk = get_range(&self.azure, &tailed.address, tailed.seen, READING).await;
                Some((name.clone(), chunk))
            }))
            .await;
            for (name, chunk) in chunks.into_iter().flatten() {
                let Some(tailed) = self.files.get_mut(&name) else {
                    continue;
                };
                match chunk {
                    Ok(Chunk::New(bytes)) => {
                        tailed.seen += bytes.len() as u64;
                        reading.full |= bytes.len() as u64 == READING;
                        let mut lines = Vec::new();
                        tailed.lines.push(&bytes, &mut lines);
                        reading.lines.extend(labelled(&name, lines));
                    }
                    Ok(Chunk::Nothing) => {}
                    Ok(Chunk::Refused) => reading.refused.push(name),
                    Err(error) => reading.error = Some(error),
                }
            }
        }
        reading
    }
}

/// What one look at all files gave.
#[derive(Debug, Default)]
struct Reading {
    lines: Vec<LogLine>,
    /// A file gave as much as one reading takes: there may be more.
    full: bool,
    /// Files whose address does not hold any more.
    refused: Vec<String>,
    error: Option<ArmError>,
}

fn refusal(name: &str) -> ArmError {
    ArmError::Denied(Box::new(ServiceError {
        status: 403,
        code: "AuthenticationFailed".into(),
        message: "storage refuses an address that was signed just now; a firewall or a private network may keep this machine out"
            .into(),
        request: format!("GET log {name}"),
        ..ServiceError::default()
    }))
}

/// Every address in use is masked once.
fn announce(azure: &Azure, address: &Secret) {
    (azure.observer())(&Notice::Minted(address.clone()));
    if let Some((_, query)) = address.expose().split_once('?') {
        for secret in sas::secrets_of(query) {
            (azure.observer())(&Notice::Minted(secret));
        }
    }
}

fn labelled(name: &str, lines: Vec<String>) -> impl Iterator<Item = LogLine> {
    let file = name.to_owned();
    lines.into_iter().map(move |line| LogLine {
        file: file.clone(),
        line,
    })
}

/// A pattern of ours is known to be one.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static CURRENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^user_logs/std_log\D*0*(?:_ps)?\.txt$"));
static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^azureml-logs/\d{2}.+\.txt$"));
static PIPELINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^logs/azureml/executionlogs\.txt$"));
static SWEEP: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^azureml-logs/hyperdrive\.txt$"));

/// The files worth showing: the user's own log, else what older images and other kinds of runs write (service notes 13.4).
fn chosen(names: &[&String], kind: LogKind) -> Vec<String> {
    let matching = |pattern: &Option<Regex>| -> Vec<String> {
        let Some(pattern) = pattern else {
            return Vec::new();
        };
        let found = names.iter().filter(|name| pattern.is_match(name));
        found.map(|name| (*name).clone()).collect()
    };
    let current = matching(&CURRENT);
    if !current.is_empty() {
        return current;
    }
    match kind {
        LogKind::Command => matching(&COMMAND),
        LogKind::Pipeline => matching(&PIPELINE),
        LogKind::Sweep => matching(&SWEEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: LogKind, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&names.iter().collect::<Vec<_>>(), kind)
    }

    #[test]
    fn the_users_log_of_the_first_process_is_followed() {
        for (name, follow) in [
            ("user_logs/std_log.txt", true),
            ("user_logs/std_log_0.txt", true),
            ("user_logs/std_log_process_00.txt", true),
            ("user_logs/std_log_ps.txt", true),
            ("user_logs/std_log_process_01.txt", false),
            ("user_logs/other.txt", false),
            ("system_logs/lifecycler/lifecycler.log", false),
        ] {
            assert_eq!(!of(LogKind::Command, &[name]).is_empty(), follow, "{name}");
        }
    }

    #[test]
    fn older_logs_are_followed_only_while_there_is_no_user_log() {
        let old = [
            "azureml-logs/20_image_build_log.txt",
            "azureml-logs/70_driver_log.txt",
            "azureml-logs/process_info.json",
        ];
        assert_eq!(of(LogKind::Command, &old), old[..2]);
        let both = ["azureml-logs/70_driver_log.txt", "user_logs/std_log.txt"];
        assert_eq!(of(LogKind::Command, &both), ["user_logs/std_log.txt"]);
    }

    #[test]
    fn pipelines_and_sweeps_have_logs_of_their_own() {
        let names = [
            "azureml-logs/hyperdrive.txt",
            "logs/azureml/executionlogs.txt",
            "logs/azureml/stderrlogs.txt",
        ];
        assert_eq!(
            of(LogKind::Pipeline, &names),
            ["logs/azureml/executionlogs.txt"]
        );
        assert_eq!(of(LogKind::Sweep, &names), ["azureml-logs/hyperdrive.txt"]);
        assert!(of(LogKind::Command, &names).is_empty());
    }
}
