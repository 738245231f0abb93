//! One deployment's process: it is ready before it is a [`Worker`], answers one request at a time, is replaced when it has died, and ends when
//! nobody holds it any more. Knows no endpoint.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::log::Log;
use super::wire::Wire;
pub(crate) use super::wire::{Answer, Request};
use crate::emulator::execute::process::{self, Ended, Script};
use crate::emulator::operation::Failure;
use crate::emulator::state::State;

/// More wait where they came from.
const QUEUE: usize = 256;

/// How long a process that has hung up may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The file in a recipe's root that runs the script.
pub(crate) const SERVER: &str = "server.py";

/// What a process is made of.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// The server, model and code; removed with the recipe.
    pub(crate) root: TempDir,
    /// Where it is started.
    pub(crate) folder: PathBuf,
    pub(crate) variables: Vec<(String, OsString)>,
    /// How long `init` may take.
    pub(crate) patience: Duration,
    /// How long `run` may take.
    pub(crate) limit: Duration,
    pub(crate) log: Arc<Log>,
}

impl Recipe {
    fn command(&self) -> String {
        let server = self.root.path().join(SERVER).display().to_string();
        format!("exec python3 '{}'", server.replace('\'', "'\\''"))
    }
}

/// How a request went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    TimedOut,
    /// The process died over it, or cannot be started again.
    Unreachable,
}

#[derive(Debug)]
struct Ask {
    request: Request,
    answer: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
pub(crate) struct Worker {
    asks: mpsc::Sender<Ask>,
}

impl Worker {
    /// Starts a process and waits until its `init` is through.
    pub(crate) async fn start(state: &Arc<State>, recipe: Recipe) -> Result<Self, Failure> {
        let stop = state.closing.child_token();
        let live = Live::start(state, &recipe, &stop).await?;
        let (asks, asked) = mpsc::channel(QUEUE);
        let state = Arc::clone(state);
        let tasks = state.machine.tasks();
        tasks.spawn(async move { serve(&state, &recipe, live, asked, &stop).await });
        Ok(Self { asks })
    }

    pub(crate) async fn ask(&self, request: Request) -> Outcome {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask { request, answer }).await.is_err() {
            return Outcome::Unreachable;
        }
        answered.await.unwrap_or(Outcome::Unreachable)
    }
}

async fn serve(
    state: &Arc<State>,
    recipe: &Recipe,
    first: Live,
    mut asked: mpsc::Receiver<Ask>,
    stop: &CancellationToken,
) {
    let mut live = Some(first);
    loop {
        let ask = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ask = asked.recv() => ask,
        };
        let Some(ask) = ask else {
            break;
        };
        if live.as_ref().is_none_or(Live::has_ended) {
            recipe
                .log
                .server(b"azmlinfsrv - The worker is gone, a new one is started\n");
            live = Live::start(state, recipe, stop).await.ok();
        }
        let outcome = match &mut live {
            Some(live) => live.ask(&ask.request, recipe.limit).await,
            None => Outcome::Unreachable,
        };
        if !matches!(outcome, Outcome::Answered(_))
            && let Some(mut live) = live.take()
        {
            if matches!(outcome, Outcome::Unreachable) {
                // It hung up because it died; how is said in the log.
                tokio::time::timeout(LAST_WORDS, &mut live.process)
                    .await
                    .ok();
            }
            live.end().await;
        }
        // Whoever asked may have gone away.
        ask.answer.send(outcome).ok();
    }
    if let Some(live) = live {
        live.end().await;
    }
}

/// A process whose `init` is through.
struct Live {
    wire: Wire,
    process: JoinHandle<Ended>,
    cancel: CancellationToken,
}

impl Live {
    async fn start(
        state: &Arc<State>,
        recipe: &Recipe,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| Failure::new("InternalServerError", error.to_string());
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(broken)?;
        let port = listener.local_addr().map_err(broken)?.port();
        let password = Uuid::new_v4().simple().to_string();
        let cancel = stop.child_token();
        let mut process = spawn(state, recipe, (port, &password), &cancel);
        let connected = async {
            loop {
                if let Ok((stream, _)) = listener.accept().await
                    && let Some(wire) = Wire::open(stream, &password).await
                {
                    break wire;
                }
            }
        };
        let started = tokio::time::timeout(recipe.patience, async {
            tokio::select! {
                wire = connected => Ok(wire),
                ended = &mut process => Err(crashed(ended.ok())),
            }
        });
        match started.await {
            Ok(Ok(wire)) => Ok(Self {
                wire,
                process,
                cancel,
            }),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                cancel.cancel();
                process.await.ok();
                Err(Failure::new(
                    "ResourceNotReady",
                    "User container has crashed or terminated: Liveness probe failed: HTTP probe failed with statuscode: 502. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready",
                ))
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.process.is_finished()
    }

    async fn ask(&mut self, request: &Request, limit: Duration) -> Outcome {
        match tokio::time::timeout(limit, self.wire.ask(request)).await {
            Ok(Some(answer)) => Outcome::Answered(answer),
            Ok(None) => Outcome::Unreachable,
            Err(_) => Outcome::TimedOut,
        }
    }

    async fn end(self) {
        self.cancel.cancel();
        if !self.process.is_finished() {
            self.process.await.ok();
        }
    }
}

fn spawn(
    state: &Arc<State>,
    recipe: &Recipe,
    (port, password): (u16, &str),
    cancel: &CancellationToken,
) -> JoinHandle<Ended> {
    let (state, cancel, log) = (Arc::clone(state), cancel.clone(), Arc::clone(&recipe.log));
    let (command, folder) = (recipe.command(), recipe.folder.clone());
    let mut variables = recipe.variables.clone();
    variables.push(("AML_EMULATOR_PORT".to_owned(), port.to_string().into()));
    variables.push(("AML_EMULATOR_PASSWORD".to_owned(), password.into()));
    tokio::spawn(async move {
        let script = Script {
            command: &command,
            folder: &folder,
            variables,
            timeout: None,
            grace: state.options.cancel_grace,
        };
        let written = Arc::clone(&log);
        let ended = process::run(&state.machine, script, &cancel, move |bytes| {
            written.server(bytes);
        })
        .await;
        if let Ended::Exited { code, .. } = &ended {
            log.server(format!("azmlinfsrv - Worker exiting with code {code}\n").as_bytes());
        }
        ended
    })
}

fn crashed(ended: Option<Ended>) -> Failure {
    match ended {
        Some(Ended::NoBash) => Failure::new(
            "InternalServerError",
            "The emulator runs scoring scripts with bash, which is not in its search path.",
        ),
        Some(Ended::Broken(error)) => Failure::new("InternalServerError", error.to_string()),
        Some(Ended::Exited { .. } | Ended::Canceled | Ended::TimedOut) | None => Failure::new(
            "ResourceNotReady",
            "User container has crashed or terminated. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready",
        ),
    }
}
