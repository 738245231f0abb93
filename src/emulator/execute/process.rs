//! One command in a process group of its own: its output as it comes, its end, and an end to everything it started. Knows no job.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::machine::Machine;

/// Runs the command ($1) and watches the emulator: when that ends, however it ends, its end of the pipe closes and the whole group is killed.
/// The signal to end reaches every process of the group; this shell waits for the command's own end.
const SUPERVISOR: &str = r#"exec 9<&0 </dev/null
(trap '' TERM INT HUP; read -r -u 9 line; kill -KILL 0) >/dev/null 2>&1 &
watch=$!
exec 9<&-
trap : TERM
bash -c "$1"
code=$?
exec >/dev/null 2>&1
kill -KILL "$watch"
wait "$watch"
exit "$code""#;

/// How long the log is read after the command's end, for a process that left the group and still holds the pipe.
const DRAIN: Duration = Duration::from_secs(2);
/// How much of the log's end is kept for the error message.
const TAIL: usize = 8 << 10;

pub(super) struct Script<'a> {
    pub(super) command: &'a str,
    pub(super) folder: &'a Path,
    pub(super) variables: Vec<(String, OsString)>,
    pub(super) timeout: Option<Duration>,
    /// How long a process may take to end when told to.
    pub(super) grace: Duration,
}

#[derive(Debug)]
pub(super) enum Ended {
    Exited { code: i32, tail: String },
    Canceled,
    TimedOut,
    NoBash,
    Broken(io::Error),
}

/// Runs a script to its end.
pub(super) async fn run(
    machine: &Machine,
    script: Script<'_>,
    cancel: &CancellationToken,
    on_output: impl FnMut(&[u8]) + Send + 'static,
) -> Ended {
    let (mut child, output) = match spawn(&script) {
        Ok(spawned) => spawned,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ended::NoBash,
        Err(error) => return Ended::Broken(error),
    };
    // Held until the end: see the supervisor.
    let alive = child.stdin.take();
    let Some(group) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
        return Ended::Broken(io::Error::other("the process has no id"));
    };
    if !machine.enter(group) {
        kill_process_group(group, Signal::KILL).ok();
    }
    let reader = tokio::spawn(read(output, on_output));
    let ended = wait(&mut child, &script, cancel, group).await;
    // What the command left behind in its group ends with it.
    kill_process_group(group, Signal::KILL).ok();
    machine.leave(group);
    drop(alive);
    let tail = match tokio::time::timeout(DRAIN, reader).await {
        Ok(Ok(tail)) => String::from_utf8_lossy(&tail).into_owned(),
        Ok(Err(_)) | Err(_) => String::new(),
    };
    match ended {
        Ok(Some(status)) => Ended::Exited {
            code: exit_code(status),
            tail,
        },
        Ok(None) if cancel.is_cancelled() => Ended::Canceled,
        Ok(None) => Ended::TimedOut,
        Err(error) => Ended::Broken(error),
    }
}

fn spawn(script: &Script<'_>) -> io::Result<(Child, Receiver)> {
    let (reader, writer) = io::pipe()?;
    let child = Command::new("bash")
        .args(["-c", SUPERVISOR, "bash", script.command])
        .current_dir(script.folder)
        .env_clear()
        .envs(script.variables.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::piped())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let output = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((child, output))
}

/// The status, or `None` when the command was made to end.
async fn wait(
    child: &mut Child,
    script: &Script<'_>,
    cancel: &CancellationToken,
    group: Pid,
) -> io::Result<Option<ExitStatus>> {
    let limit = script.timeout.unwrap_or(Duration::MAX);
    let ended = tokio::time::timeout(limit, async {
        tokio::select! {
            biased;
            status = child.wait() => Some(status),
            () = cancel.cancelled() => None,
        }
    });
    if let Ok(Some(status)) = ended.await {
        return status.map(Some);
    }
    kill_process_group(group, Signal::TERM).ok();
    if tokio::time::timeout(script.grace, child.wait())
        .await
        .is_err()
    {
        kill_process_group(group, Signal::KILL).ok();
        child.wait().await?;
    }
    Ok(None)
}

/// Passes the output on and keeps its end.
async fn read(mut output: Receiver, mut on_output: impl FnMut(&[u8])) -> Vec<u8> {
    let (mut tail, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while let Ok(count) = output.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        on_output(bytes);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(TAIL);
        tail.drain(..excess);
    }
    tail
}

/// As a shell counts: 128 and the signal for a process that was killed.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Options;

    /// What is left of a process: a zombie has ended and was only not collected yet.
    fn is_alive(process: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{process}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn what_a_command_started_ends_even_if_nobody_is_left_to_kill_it() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(&Options::default(), folder.path()).unwrap();
        let (sender, mut pids) = tokio::sync::mpsc::unbounded_channel();
        let path = machine.search_path().await.clone();
        let here = folder.path().to_owned();
        let running = tokio::spawn(async move {
            let script = Script {
                command: "sleep 600 & echo $!; wait",
                folder: &here,
                variables: vec![("PATH".to_owned(), path)],
                timeout: None,
                grace: Duration::from_secs(1),
            };
            let cancel = CancellationToken::new();
            run(&machine, script, &cancel, move |bytes| {
                sender
                    .send(String::from_utf8_lossy(bytes).trim().to_owned())
                    .unwrap();
            })
            .await
        });
        let process = pids.recv().await.unwrap();
        assert!(is_alive(&process));
        // As when the emulator is killed itself: nothing is told, the pipe just closes.
        running.abort();
        let gone = async {
            while is_alive(&process) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .unwrap();
    }
}
