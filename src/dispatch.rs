//! From the command line to an exit code: signals, host, and which part of the program runs. Knows no stage by name.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::azure;
use crate::cancel::{Cancel, Signal};
use crate::cli::{self, CliExit, Command};
use crate::demo::{self, Demo};
use crate::emulator::{self, Emulator};
use crate::event::Event;
use crate::failure;
use crate::host::{self, Env, Host, HostKind, Options, Outcome, Output, logging};
use crate::stage::STAGES;
use crate::{post, run};

/// Runs the command and says with which code the process ends. The first signal asks everything to stop; a second one does
/// not wait.
pub async fn main(args: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    azure::install_crypto();
    let command = match cli::parse(args, &env, STAGES) {
        Ok(command) => command,
        Err(exit) => return said(&exit, &env),
    };
    let cancel = Cancel::default();
    tokio::select! {
        // First, so that somebody listens for signals before the work begins.
        biased;
        signal = second_signal(&cancel) => ExitCode::from(signal.exit_code()),
        code = Box::pin(run_command(command, &env, &cancel)) => ExitCode::from(code),
    }
}

async fn run_command(command: Command, env: &Env, cancel: &Cancel) -> u8 {
    let options = command.options().clone();
    let host = host::detect(env.clone(), options.clone());
    logging::init(options.verbose, env, host.masker());
    let result = match command {
        Command::Stage { stage, .. } => Ok(run::run(&host, stage, cancel).await.exit_code()),
        Command::Post { .. } => post::run(&host).await.map(|()| 0),
        Command::Stages { options } => stages(&options).map(|()| 0),
        Command::Emulator { port, python, .. } => emulator(port, python, cancel).await.map(|()| 0),
        Command::Demo { data, options } => {
            let demo = Demo {
                data,
                verbose: options.verbose,
            };
            self::demo(demo, env, &options, cancel).await
        }
    };
    result.unwrap_or_else(|error| failed(host.as_ref(), &error))
}

/// Passes the first signal on and returns at the second.
async fn second_signal(cancel: &Cancel) -> Signal {
    cancel.cancel(next_signal().await);
    next_signal().await
}

/// Help and mistakes of the command line. On a CI host a mistake is an annotation.
fn said(exit: &CliExit, env: &Env) -> ExitCode {
    let text = exit.text.trim_end().to_owned() + "\n";
    let written = match (host::kind(env), exit.to_stderr) {
        (_, false) => to_stdout(&text),
        (HostKind::Terminal, true) => to_stderr(&text),
        (HostKind::GitHub | HostKind::AzurePipelines, true) => {
            let event = Event::Failed {
                title: "aml-runner",
                text: exit.text.trim_end(),
                advice: None,
                place: None,
            };
            let host = host::detect(env.clone(), Options::default());
            host.emit(&event)
                .and_then(|()| host.finished(Outcome::Failed))
        }
    };
    if let Err(error) = written {
        tracing::debug!(%error, "nobody reads our output");
    }
    ExitCode::from(exit.code)
}

fn failed(host: &dyn Host, error: &anyhow::Error) -> u8 {
    let advice = failure::advice_for(error);
    let text = format!("{error:#}");
    if let Err(error) = host.emit(&Event::Failed {
        title: "aml-runner",
        text: &text,
        advice: advice.as_deref(),
        place: None,
    }) {
        tracing::warn!(%error, "an event could not be written");
    }
    failure::classify(error).exit_code()
}

#[cfg(unix)]
async fn next_signal() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

#[cfg(not(unix))]
async fn next_signal() -> Signal {
    use tokio::signal::windows::{ctrl_break, ctrl_c};
    let (Ok(mut interrupt), Ok(mut terminate)) = (ctrl_c(), ctrl_break()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

fn stages(options: &Options) -> anyhow::Result<()> {
    let text = match options.output {
        Output::Text => cli::stages_text(STAGES),
        Output::Json => {
            let rows: Vec<_> = STAGES
                .iter()
                .map(|stage| serde_json::json!({"name": stage.name, "summary": stage.summary}))
                .collect();
            serde_json::to_string_pretty(&rows)? + "\n"
        }
    };
    Ok(to_stdout(&text)?)
}

/// Serves until a signal comes.
async fn emulator(
    port: u16,
    python: Option<std::path::PathBuf>,
    cancel: &Cancel,
) -> anyhow::Result<()> {
    let emulator = Emulator::start(emulator::Options {
        port,
        python,
        ..emulator::Options::default()
    })
    .await?;
    let flags: Vec<_> = emulator
        .settings()
        .into_iter()
        .map(|(name, value)| format!("--{name} {value}"))
        .collect();
    let text = format!(
        "Azure ML emulator at {}\n\nPoint a stage at it:\n  export AZURE_CLIENT_SECRET=anything\n  aml-runner connect {}\n\nCtrl-C stops it.\n",
        emulator.endpoint(),
        flags.join(" ")
    );
    to_stdout(&text)?;
    cancel.cancelled().await;
    emulator.shutdown().await;
    Ok(())
}

async fn demo(demo: Demo, env: &Env, options: &Options, cancel: &Cancel) -> anyhow::Result<u8> {
    let summary = demo::run(demo, env, cancel).await?;
    let text = match options.output {
        Output::Json => serde_json::to_string_pretty(&summary)? + "\n",
        Output::Text => summary.text(),
    };
    to_stdout(&text)?;
    Ok(summary.exit_code)
}

fn to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn to_stderr(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}
