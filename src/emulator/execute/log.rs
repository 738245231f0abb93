//! Log files of a job: append blobs that grow as lines come, and join the run's log map with their first byte. Knows no process.

use crate::emulator::clock;
use crate::emulator::job::Job;
use crate::emulator::site::ARTIFACT_CONTAINER;
use crate::emulator::state::State;

/// What the user's process writes.
pub(super) const USER: &str = "user_logs/std_log.txt";
/// What the emulator has to say about a job.
pub(super) const SYSTEM: &str = "system_logs/lifecycler/lifecycler.log";
/// The pipeline's own log.
pub(super) const PIPELINE: &str = "logs/azureml/executionlogs.txt";

pub(super) fn append(state: &State, job: &str, file: &str, bytes: &[u8]) {
    let path = format!("{}{file}", Job::log_prefix(job));
    state.blobs.log(ARTIFACT_CONTAINER, &path, bytes);
    let is_known = |job: &Job| job.logs.iter().any(|log| log == file);
    if state.jobs.ask(job, is_known) == Some(false) {
        state.jobs.update(job, |job| job.logs.push(file.to_owned()));
    }
}

/// A line with the time in front.
pub(super) fn line(state: &State, job: &str, file: &str, text: &str) {
    let line = format!("[{}] {text}\n", clock::short(clock::now()));
    append(state, job, file, line.as_bytes());
}
