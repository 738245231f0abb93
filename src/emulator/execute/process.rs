//! One command in a process group of its own: its output as it comes, its end, and an end to everything it started. Knows no job.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::machine::Machine;
use crate::emulator::store::lock;

/// Runs the command ($1) and watches the emulator: when that ends, however it ends, its end of the pipe closes and the whole group is killed.
/// This shell waits for the command's own end, which the signal to end reaches as well, and never says a word: what a shell reports of its
/// children ("Killed", with the text above) would be in the log of a job that never saw them. It leaves the watch to whoever kills the group.
const SUPERVISOR: &str = r#"exec 9<&0 8>&2 </dev/null 2>/dev/null
(trap '' TERM INT HUP; read -r -u 9; kill -KILL 0) >/dev/null 8>&- &
exec 9<&-
trap : TERM
bash -c "$1" 2>&8 8>&-
exit "$?""#;

/// In front of a command: a shell that is told to end waits for what it started, so that a script can save its work in the time it is given,
/// and does not go on to the next command.
const WAIT_FOR_CHILDREN: &str = "trap 'wait; exit 143' TERM; ";

/// A variable that every process of one run carries, also those that left the group for a session of their own.
const MARK: &str = "AML_EMULATOR_PROCESS";

/// A process may have started another one while it was being found.
const SWEEPS: usize = 10;
/// How long the log is read after the command's end, for a process that nothing above found and that still holds the pipe.
const DRAIN: Duration = Duration::from_secs(2);
/// How much of the log's end is kept for the error message.
const TAIL: usize = 8 << 10;

pub(crate) struct Script<'a> {
    pub(crate) command: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) variables: Vec<(String, OsString)>,
    pub(crate) timeout: Option<Duration>,
    /// How long a process may take to end when told to.
    pub(crate) grace: Duration,
}

#[derive(Debug)]
pub(crate) enum Ended {
    Exited { code: i32, tail: String },
    Canceled,
    TimedOut,
    NoBash,
    Broken(io::Error),
}

/// Runs a script to its end.
pub(crate) async fn run(
    machine: &Machine,
    script: Script<'_>,
    cancel: &CancellationToken,
    on_output: impl FnMut(&[u8]) + Send + 'static,
) -> Ended {
    let mark = Uuid::new_v4().to_string();
    let (mut child, output) = match spawn(&script, &mark) {
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
    let tail = Arc::new(Mutex::new(Vec::new()));
    let mut reader = tokio::spawn(read(output, on_output, Arc::clone(&tail)));
    let ended = wait(&mut child, &script, cancel, group).await;
    // What the command left behind ends with it.
    kill_process_group(group, Signal::KILL).ok();
    machine.leave(group);
    drop(alive);
    tokio::task::spawn_blocking(move || kill_marked(&format!("{MARK}={mark}")))
        .await
        .ok();
    if tokio::time::timeout(DRAIN, &mut reader).await.is_err() {
        reader.abort();
    }
    match ended {
        Ok(Some(status)) => Ended::Exited {
            code: exit_code(status),
            tail: String::from_utf8_lossy(&lock(&tail)).into_owned(),
        },
        Ok(None) if cancel.is_cancelled() => Ended::Canceled,
        Ok(None) => Ended::TimedOut,
        Err(error) => Ended::Broken(error),
    }
}

fn spawn(script: &Script<'_>, mark: &str) -> io::Result<(Child, Receiver)> {
    let (reader, writer) = io::pipe()?;
    let command = format!("{WAIT_FOR_CHILDREN}{}", script.command);
    let child = Command::new("bash")
        .args(["-c", SUPERVISOR, "bash", &command])
        .current_dir(script.folder)
        .env_clear()
        .envs(script.variables.iter().map(|(key, value)| (key, value)))
        .env(MARK, mark)
        .stdin(Stdio::piped())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let output = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((child, output))
}

/// Kills the processes that have this in their environment, until there are none. Where there is no `/proc` to look in, what left its group
/// is not found.
fn kill_marked(mark: &str) {
    for _ in 0..SWEEPS {
        let mut found = false;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Other people's cannot be read, and one that has ended has none.
            let variables = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let is_ours = variables
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes());
            if is_ours && let Some(process) = Pid::from_raw(process) {
                kill_process(process, Signal::KILL).ok();
                found = true;
            }
        }
        if !found {
            return;
        }
    }
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
async fn read(mut output: Receiver, mut on_output: impl FnMut(&[u8]), tail: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = output.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        on_output(bytes);
        let mut tail = lock(&tail);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(TAIL);
        tail.drain(..excess);
    }
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

    struct Bench {
        folder: tempfile::TempDir,
        machine: Machine,
        cancel: CancellationToken,
        lines: tokio::sync::mpsc::UnboundedSender<String>,
    }

    impl Bench {
        fn new() -> (Self, tokio::sync::mpsc::UnboundedReceiver<String>) {
            let folder = tempfile::tempdir().unwrap();
            let machine = Machine::new(&Options::default(), folder.path()).unwrap();
            let (lines, received) = tokio::sync::mpsc::unbounded_channel();
            let cancel = CancellationToken::new();
            let bench = Self {
                folder,
                machine,
                cancel,
                lines,
            };
            (bench, received)
        }

        async fn run(&self, command: &str) -> Ended {
            let path = self.machine.search_path().await.clone();
            let script = Script {
                command,
                folder: self.folder.path(),
                variables: vec![("PATH".to_owned(), path)],
                timeout: None,
                grace: Duration::from_secs(20),
            };
            let lines = self.lines.clone();
            run(&self.machine, script, &self.cancel, move |bytes| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                lines.send(text).unwrap();
            })
            .await
        }

        /// How it ended, and all it wrote.
        async fn exited(&self, command: &str) -> (i32, String) {
            let ended = self.run(command).await;
            let Ended::Exited { code, tail } = ended else {
                panic!("{command}: {ended:?}");
            };
            (code, tail)
        }
    }

    async fn is_gone(process: &str) -> bool {
        let gone = async {
            while is_alive(process) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_log_holds_what_the_command_wrote_and_nothing_of_the_shells_around_it() {
        let (bench, _lines) = Bench::new();
        for (command, code, log) in [
            ("echo out; echo err >&2; exit 3", 3, "out\nerr\n"),
            ("kill -KILL $$", 137, ""),
            ("kill -TERM $$", 143, ""),
            ("kill -SEGV $$", 139, ""),
            ("kill -KILL 0", 137, ""),
            ("exec >&- 2>&-; exit 4", 4, ""),
            ("cat; echo $# $0", 0, "0 bash\n"),
            ("sleep 600 &", 0, ""),
        ] {
            // A shell that is told of a process's end reports it only now and then: many at once meet that moment.
            let runs = (0..20).map(|_| bench.exited(command));
            for ended in futures::future::join_all(runs).await {
                assert_eq!(ended, (code, log.to_owned()), "{command}");
            }
        }
    }

    #[tokio::test]
    async fn a_process_that_left_the_group_ends_with_the_command_and_holds_nothing_up() {
        let (bench, _lines) = Bench::new();
        let command = "setsid bash -c 'echo $BASHPID; touch up; exec sleep 600' & while [ ! -e up ]; do :; done; exit 5";
        let (code, tail) = bench.exited(command).await;
        assert_eq!(code, 5);
        assert!(
            is_gone(tail.trim()).await,
            "process {tail} outlived its job"
        );
    }

    #[tokio::test]
    async fn a_command_that_is_told_to_end_may_save_its_work_and_goes_no_further() {
        let saves = "import os, signal, sys, time\ndef save(*_):\n    time.sleep(0.1); os.write(1, b'saved\\n'); sys.exit(0)\nsignal.signal(signal.SIGTERM, save)\nos.write(1, b'up\\n')\ntime.sleep(600)";
        for command in ["python3 save.py; echo after", "python3 save.py & wait"] {
            let (bench, mut lines) = Bench::new();
            std::fs::write(bench.folder.path().join("save.py"), saves).unwrap();
            let cancel = async {
                let first = lines.recv().await;
                bench.cancel.cancel();
                first
            };
            let (ended, first) = tokio::join!(bench.run(command), cancel);
            assert_eq!(first.as_deref(), Some("up\n"), "{command}");
            assert!(matches!(ended, Ended::Canceled), "{ended:?}");
            let rest: String = std::iter::from_fn(|| lines.try_recv().ok()).collect();
            assert_eq!(rest, "saved\n", "{command}");
        }
    }

    #[tokio::test]
    async fn what_a_command_started_ends_even_if_nobody_is_left_to_kill_it() {
        let (bench, mut lines) = Bench::new();
        let running = tokio::spawn(async move { bench.run("sleep 600 & echo $!; wait").await });
        let process = lines.recv().await.unwrap().trim().to_owned();
        assert!(is_alive(&process));
        // As when the emulator is killed itself: nothing is told, the pipe just closes.
        running.abort();
        assert!(is_gone(&process).await);
    }
}
