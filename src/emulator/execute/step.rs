//! One step from its place in the queue to its outputs. Knows no graph.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::log;
use super::outputs::{self, Pending};
use super::process::{self, Ended, Script};
use super::work::Work;
use super::{End, binding, inputs, locate, user_error};
use crate::emulator::auth;
use crate::emulator::job::{Output, Status};
use crate::emulator::reference::{self, Reference};
use crate::emulator::state::State;

/// How many of the log's last lines an error message carries.
const LINES: usize = 20;
/// Longer than any job: a step must be able to log at its end.
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;

/// Everything of a step that is on disk.
struct Ready {
    /// Removed with the step.
    root: tempfile::TempDir,
    folder: PathBuf,
    command: String,
    variables: Vec<(String, OsString)>,
    outputs: Vec<Pending>,
}

/// Runs a step to its end; the caller writes down how it ended.
pub(super) async fn run(state: &Arc<State>, work: Work, cancel: CancellationToken) -> End {
    let job = work.job.clone();
    state.jobs.set_status(&job, Status::Queued);
    let permit = tokio::select! {
        () = cancel.cancelled() => return End::Canceled(None),
        permit = state.permits.acquire() => permit,
    };
    if permit.is_err() {
        return End::Canceled(None);
    }
    let search_path = state.machine.search_path().await.clone();
    note_environment(state, &work);
    let (timeout, command_word) = (work.timeout, first_word(&work.command));
    let preparing = {
        let state = Arc::clone(state);
        tokio::task::spawn_blocking(move || prepare(&state, &work, search_path))
    };
    let ready = match preparing.await {
        Ok(Ok(ready)) => ready,
        Ok(Err(message)) => return failed_before_start(state, &job, &message),
        Err(error) => return failed_before_start(state, &job, &error.to_string()),
    };
    state.jobs.set_status(&job, Status::Running);
    let on_output = {
        let (state, job) = (Arc::clone(state), job.clone());
        move |bytes: &[u8]| log::append(&state, &job, log::USER, bytes)
    };
    let script = Script {
        command: &ready.command,
        folder: &ready.folder,
        variables: ready.variables,
        timeout,
        grace: state.options.cancel_grace,
    };
    let ended = process::run(&state.machine, script, &cancel, on_output).await;
    let message = match ended {
        Ended::Exited { code: 0, .. } => return finalize(state, &job, ready.root, ready.outputs).await,
        Ended::Canceled => return End::Canceled(None),
        Ended::TimedOut => {
            let message = format!("The job was canceled by the system because it ran longer than its limit of {} s.", timeout.unwrap_or_default().as_secs_f64());
            return End::Canceled(Some(user_error(state, &message)));
        }
        Ended::Exited { code, tail } => {
            let failed = format!("Execution failed. User process '{command_word}' exited with status code {code}.");
            match last_lines(&tail) {
                // A job that wrote nothing has no log file to check.
                nothing if nothing.is_empty() => failed,
                lines => format!("{failed} Please check log file '{}' for error details. Error: {lines}", log::USER),
            }
        }
        Ended::NoBash => "The emulator runs commands with bash, and there is no bash in the search path of this machine.".to_owned(),
        Ended::Broken(error) => format!("The command could not be run: {error}"),
    };
    End::Failed(user_error(state, &message))
}

fn failed_before_start(state: &State, job: &str, message: &str) -> End {
    log::line(state, job, log::SYSTEM, message);
    End::Failed(user_error(state, message))
}

async fn finalize(
    state: &Arc<State>,
    job: &str,
    root: tempfile::TempDir,
    pending: Vec<Pending>,
) -> End {
    state.jobs.set_status(job, Status::Finalizing);
    let uploading = {
        let (state, job) = (Arc::clone(state), job.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut outputs: BTreeMap<String, Output> = BTreeMap::new();
            for one in &pending {
                outputs.insert(one.name.clone(), outputs::collect(&state, &job, one)?);
            }
            drop(root);
            Ok::<_, String>(outputs)
        })
    };
    match uploading.await {
        Ok(Ok(outputs)) => End::Completed(outputs),
        Ok(Err(message)) => failed_before_start(state, job, &message),
        Err(error) => failed_before_start(state, job, &error.to_string()),
    }
}

/// Images are not built; the log says which one it would have been.
fn note_environment(state: &State, work: &Work) {
    let id = work.environment.as_deref().unwrap_or("none");
    let found = reference::parse(id, crate::emulator::asset::AssetKind::Environment);
    let what = match found {
        Some(Reference::Asset(kind, name, pick)) => {
            let version = state.assets.find(kind, &name, &pick);
            let properties = version.map_or(Value::Null, |version| version.properties);
            let image = properties["image"].as_str().unwrap_or("a build context");
            let conda = if properties["condaFile"].is_string() {
                " with a conda file"
            } else {
                ""
            };
            format!("{name} ({image}{conda})")
        }
        Some(Reference::Curated(name)) => name,
        None => id.to_owned(),
    };
    let text = format!("Environment {what} is noted and not built: the step runs on this machine.");
    log::line(state, &work.job, log::SYSTEM, &text);
}

fn prepare(state: &State, work: &Work, search_path: OsString) -> Result<Ready, String> {
    let broken =
        |error: std::io::Error| format!("The working directory could not be made: {error}");
    let root = tempfile::Builder::new()
        .prefix("job-")
        .tempdir_in(state.scratch.path())
        .map_err(broken)?;
    let folder = root.path().join("wd");
    std::fs::create_dir(&folder).map_err(broken)?;
    if let Some(code) = &work.code {
        inputs::fetch_code(state, code, &folder)?;
    }
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut variables = environment(state, work, &folder, search_path);
    for (name, input) in &work.inputs {
        let value = if input.is_path() && input.value.is_empty() {
            continue;
        } else if input.is_path() && input.is_direct == Some(true) {
            let address = locate::address(state, &input.value, &input.kind);
            address.map_err(|what| format!("Input '{name}': {what}"))?
        } else if input.is_path() {
            let path = inputs::fetch(state, name, input, &root.path().join("inputs").join(name))?;
            let text = path.display().to_string();
            variables.push((format!("AZURE_ML_INPUT_{name}"), text.clone().into()));
            text
        } else {
            input.value.clone()
        };
        values.insert(format!("inputs.{name}"), value);
    }
    let mut outputs = Vec::new();
    for (name, target) in &work.outputs {
        let place = root.path().join("outputs").join(name);
        let pending = outputs::prepare(state, &work.job, name, target, &place)?;
        let text = pending.path.display().to_string();
        variables.push((format!("AZURE_ML_OUTPUT_{name}"), text.clone().into()));
        values.insert(format!("outputs.{name}"), text);
        outputs.push(pending);
    }
    let command = binding::optional_groups(&work.command, &|name| {
        values.contains_key(name.strip_suffix(".path").unwrap_or(name))
    });
    let command = binding::replace(&command, &mut |name| {
        let known = values.get(name.strip_suffix(".path").unwrap_or(name));
        known.cloned().ok_or_else(|| {
            format!("The command names ${{{{{name}}}}}, which the job does not have.")
        })
    })?;
    Ok(Ready {
        root,
        folder,
        command,
        variables,
        outputs,
    })
}

/// What a step sees of the environment: what Azure sets, what the job sets, and of this machine only the search path.
fn environment(
    state: &State,
    work: &Work,
    folder: &Path,
    search_path: OsString,
) -> Vec<(String, OsString)> {
    let site = &state.site;
    let job = state.jobs.get(&work.job);
    let experiment = job
        .as_ref()
        .map_or("Default", |job| job.experiment.as_str());
    let root = job
        .as_ref()
        .map_or(work.job.as_str(), |job| job.root.as_str());
    let token = auth::access_token(
        site,
        &site.tenant,
        "azureml-job",
        "https://management.azure.com",
        TOKEN_SECONDS,
    );
    let mut variables: Vec<(String, OsString)> = vec![
        ("PATH".to_owned(), search_path),
        ("HOME".to_owned(), folder.into()),
        ("PWD".to_owned(), folder.into()),
    ];
    for (name, value) in [
        ("LANG", "C.UTF-8"),
        ("PYTHONUNBUFFERED", "1"),
        ("AZUREML_RUN_ID", &work.job),
        ("AZUREML_ROOT_RUN_ID", root),
        ("AZUREML_ARM_SUBSCRIPTION", &site.subscription),
        ("AZUREML_ARM_RESOURCEGROUP", &site.resource_group),
        ("AZUREML_ARM_WORKSPACE_NAME", &site.workspace),
        ("AZUREML_ARM_PROJECT_NAME", experiment),
        (
            "AZUREML_EXPERIMENT_SCOPE",
            &format!("{}/experiments/{experiment}", site.id()),
        ),
        ("AZUREML_WORKSPACE_ID", &site.workspace_id),
        ("AZUREML_WORKSPACE_SCOPE", &site.id()),
        ("AZUREML_SERVICE_ENDPOINT", &site.endpoint),
        (
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT",
            &format!("{}/discovery", site.endpoint),
        ),
        ("AZUREML_RUN_TOKEN", &token),
        ("MLFLOW_TRACKING_URI", &site.mlflow_uri()),
        ("MLFLOW_TRACKING_TOKEN", &token),
        ("MLFLOW_RUN_ID", &work.job),
        ("MLFLOW_EXPERIMENT_NAME", experiment),
        (
            "MLFLOW_EXPERIMENT_ID",
            &crate::emulator::handler::run::experiment_id(experiment),
        ),
    ] {
        variables.push((name.to_owned(), value.into()));
    }
    let own = work.variables.iter();
    variables.extend(own.map(|(name, value)| (name.clone(), value.into())));
    variables
}

/// The program that a command starts, for the error message.
fn first_word(command: &str) -> String {
    command
        .split_whitespace()
        .find(|word| !word.contains('='))
        .unwrap_or("bash")
        .to_owned()
}

/// The traceback if there is one, else the last lines.
fn last_lines(tail: &str) -> String {
    let from = tail.rfind("Traceback (most recent call last)").unwrap_or(0);
    let text = tail.get(from..).unwrap_or(tail).trim_end();
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(LINES);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_message_carries_the_traceback_from_its_start() {
        let tail = "noise\nTraceback (most recent call last)\n  File x\nValueError: no\n";
        assert_eq!(
            last_lines(tail),
            "Traceback (most recent call last)\n  File x\nValueError: no"
        );
        assert_eq!(last_lines("a\nb\n"), "a\nb");
        assert_eq!(first_word("A=1 python train.py"), "python");
    }
}
