//! The real binary as a process of its own, for what only a process shows: signals, exit codes, being killed.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::world::{CLIENT_SECRET, World};

/// Starts the binary against the world's emulator, in the world's folder, with nothing of this process's environment but PATH.
pub(crate) fn start(world: &World, args: &[&str], env: &[(String, String)]) -> Child {
    let settings = world.emulator.settings();
    let flags = settings
        .into_iter()
        .flat_map(|(name, value)| [format!("--{name}"), value]);
    spawn(command(world, env).args(args).args(flags))
}

/// The same without a flag that points it anywhere: a CI step's environment says it all.
pub(crate) fn start_bare(world: &World, args: &[&str], env: &[(String, String)]) -> Child {
    spawn(command(world, env).args(args))
}

fn command(world: &World, env: &[(String, String)]) -> Command {
    let path = aml_runner::host::Env::process()
        .get("PATH")
        .unwrap_or("/usr/bin:/bin")
        .to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aml-runner"));
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", world.folder.path())
        .env("AZURE_CLIENT_SECRET", CLIENT_SECRET);
    command
        .envs(env.iter().cloned())
        .current_dir(world.folder.path());
    command
}

fn spawn(command: &mut Command) -> Child {
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    kill_process(pid.expect("the process runs"), signal).unwrap();
}

/// Waits until a job of the emulator is in that state. Nothing sleeps: other tasks run in between.
pub(crate) async fn job_is(world: &World, status: &str) -> String {
    loop {
        for job in world.emulator.job_names() {
            if world.emulator.job_status(&job) == Some(status) {
                return job;
            }
        }
        tokio::task::yield_now().await;
    }
}
