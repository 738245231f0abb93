//! Who holds an endpoint's journal, and whether that somebody can still be at work: a lease for everybody, the attempts of a CI
//! run, and a lock on this machine that dies with its process. Knows no request and no traffic.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::decide::Standing;
use super::journal::Holder;
use crate::host::RunFacts;
use crate::stage::run_job::name;

/// Hexadecimal digits that tell runs and processes apart in a journal.
const DIGITS: usize = 8;

/// The processes that a lock file remembers; more would only make it grow.
const REMEMBERED: usize = 50;

/// This process's claim on an endpoint.
#[derive(Debug)]
pub(super) struct Claim {
    by: String,
    run: String,
    attempt: String,
    lock: Option<Lock>,
}

/// Another process of this machine is at work on the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken;

impl Claim {
    /// `by` is the word of an earlier part of the same step, for its post part.
    pub(super) fn new(facts: &RunFacts, endpoint: &str, by: Option<String>) -> Result<Self, Taken> {
        let folder = facts
            .temp_directory
            .clone()
            .unwrap_or_else(std::env::temp_dir);
        let by = by.unwrap_or_else(|| {
            let digit = || char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0');
            std::iter::repeat_with(digit).take(DIGITS).collect()
        });
        let lock = Lock::take(&lock_file(&folder, endpoint), &by)?;
        let run = name::of_run(facts, &[]).map(|run| run[..DIGITS].to_owned());
        Ok(Self {
            by,
            run: run.unwrap_or_default(),
            attempt: word(facts.run_attempt.as_deref()),
            lock,
        })
    }

    /// The word that the post part of this step must know.
    pub(super) fn by(&self) -> &str {
        &self.by
    }

    /// The entry for a journal; nobody else acts on it before `lease` has passed.
    pub(super) fn holder(&self, now: SystemTime, lease: Duration) -> Holder {
        Holder {
            by: self.by.clone(),
            run: self.run.clone(),
            attempt: self.attempt.clone(),
            until: unix(now).saturating_add(lease.as_secs()),
        }
    }

    /// What this process may do about a journal of `holder`.
    pub(super) fn standing(&self, holder: &Holder, now: SystemTime) -> Standing {
        if holder.by == self.by {
            return Standing::Mine;
        }
        let died_here = self
            .lock
            .as_ref()
            .is_some_and(|lock| lock.before.contains(&holder.by));
        // A host begins another attempt only after the one before has ended.
        let earlier_attempt = !self.run.is_empty()
            && self.run == holder.run
            && !self.attempt.is_empty()
            && !holder.attempt.is_empty()
            && self.attempt != holder.attempt;
        if died_here || earlier_attempt || unix(now) > holder.until {
            Standing::Orphaned
        } else {
            Standing::Held
        }
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// As it can stand in a journal.
fn word(text: Option<&str>) -> String {
    text.unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(DIGITS)
        .collect()
}

fn lock_file(folder: &Path, endpoint: &str) -> PathBuf {
    let hash = hex::encode(Sha256::digest(endpoint.to_lowercase()));
    folder.join(format!("aml-runner-rollout-{}.lock", &hash[..16]))
}

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
struct Lock {
    _file: File,
    /// Who held it before, and therefore works no longer.
    before: Vec<String>,
}

impl Lock {
    /// `None` where no file can be kept; the lease and the attempts still tell.
    fn take(path: &Path, by: &str) -> Result<Option<Self>, Taken> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "no lock on this machine");
                return Ok(None);
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Taken),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, path = %path.display(), "no lock on this machine");
                return Ok(None);
            }
        }
        let mut text = String::new();
        let known = file.read_to_string(&mut text).is_ok();
        let before: Vec<String> = text.lines().map(str::to_owned).collect();
        if !known || record(&mut file, &before, by).is_err() {
            tracing::debug!(path = %path.display(), "the lock's file could not be written");
        }
        Ok(Some(Self {
            _file: file,
            before,
        }))
    }
}

fn record(file: &mut File, before: &[String], by: &str) -> std::io::Result<()> {
    let old = before.len().saturating_sub(REMEMBERED);
    let mut text = before[old..].join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(by);
    text.push('\n');
    file.seek(SeekFrom::Start(0))?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn terminal(folder: &Path) -> RunFacts {
        RunFacts {
            host: "terminal",
            temp_directory: Some(folder.to_owned()),
            ..RunFacts::default()
        }
    }

    fn github(folder: &Path, run: &str, attempt: &str) -> RunFacts {
        RunFacts {
            host: "github",
            run_id: Some(run.to_owned()),
            run_attempt: Some(attempt.to_owned()),
            ..terminal(folder)
        }
    }

    fn claim(facts: &RunFacts) -> Claim {
        Claim::new(facts, "/E", None).unwrap()
    }

    #[test]
    fn one_process_of_a_machine_at_a_time_and_the_next_knows_that_the_one_before_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH;
        let first = claim(&terminal(folder.path()));
        let holder = first.holder(now, HOUR);
        let again = Claim::new(&terminal(folder.path()), "/e", None);
        assert_eq!(again.unwrap_err(), Taken);
        assert!(Claim::new(&terminal(folder.path()), "/other", None).is_ok());
        assert_eq!(first.standing(&holder, now), Standing::Mine);
        drop(first);
        let second = claim(&terminal(folder.path()));
        assert_eq!(second.standing(&holder, now), Standing::Orphaned);
        drop(second);
        let third = claim(&terminal(folder.path()));
        assert_eq!(third.standing(&holder, now), Standing::Orphaned);
    }

    #[test]
    fn on_another_machine_only_the_lease_or_a_new_attempt_ends_a_claim() {
        let machines: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let at = |machine: usize| machines[machine].path();
        let now = SystemTime::UNIX_EPOCH + HOUR;
        let holder = claim(&github(at(0), "900", "1")).holder(now, HOUR);
        let other = claim(&github(at(1), "901", "2"));
        assert_eq!(other.standing(&holder, now + HOUR), Standing::Held);
        let late = now + HOUR + Duration::from_secs(1);
        assert_eq!(other.standing(&holder, late), Standing::Orphaned);
        // Two jobs of a matrix look like one and run at the same time.
        let twin = claim(&github(at(2), "900", "1"));
        assert_eq!(twin.standing(&holder, now), Standing::Held);
        let attempt = claim(&github(at(3), "900", "2"));
        assert_eq!(attempt.standing(&holder, now), Standing::Orphaned);
    }

    #[test]
    fn the_post_part_of_a_step_speaks_for_the_step() {
        let folder = tempfile::tempdir().unwrap();
        let step = claim(&terminal(folder.path()));
        let (by, holder) = (
            step.by().to_owned(),
            step.holder(SystemTime::UNIX_EPOCH, HOUR),
        );
        drop(step);
        let post = Claim::new(&terminal(folder.path()), "/E", Some(by)).unwrap();
        let standing = post.standing(&holder, SystemTime::UNIX_EPOCH);
        assert_eq!(standing, Standing::Mine);
    }

    #[test]
    fn without_a_place_for_the_lock_the_lease_still_counts() {
        let facts = terminal(Path::new("/nonexistent/folder"));
        let now = SystemTime::UNIX_EPOCH;
        let holder = claim(&facts).holder(now, HOUR);
        assert_eq!(claim(&facts).standing(&holder, now), Standing::Held);
    }
}
