//! One request to an endpoint's own host: sent through the one transport and the one retry policy, timed, and read up to a limit.
//! Knows no endpoints and judges no status.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Method, Pipeline, PipelineStreamOptions, Request};
use futures::StreamExt;
use url::Url;

use super::Scored;
use crate::azure::client::no_answer;
use crate::azure::clock::Clock;
use crate::azure::pipeline::Manner;
use crate::azure::retry::Repeat;
use crate::azure::{ArmError, Azure};
use crate::secret::Secret;

/// The longest answer that is read: what is judged is held in memory.
const LONGEST: usize = 32 << 20;

/// What is sent.
pub(super) struct Letter<'a> {
    pub(super) address: &'a Url,
    pub(super) bearer: &'a Secret,
    pub(super) headers: Vec<(&'static str, String)>,
    /// A POST with it, a GET without.
    pub(super) body: Option<Vec<u8>>,
    pub(super) repeat: Repeat,
    /// For errors: never holds the bearer.
    pub(super) label: &'a str,
}

#[derive(Debug)]
pub(super) struct Wire {
    pipeline: Pipeline,
    clock: Clock,
}

impl Wire {
    pub(super) fn new(azure: &Azure) -> Self {
        let clock = azure.clock().clone();
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            azure.client_options(),
            Vec::new(),
            vec![Arc::new(Stopwatch(clock.clone()))],
            None,
        );
        Self { pipeline, clock }
    }

    pub(super) async fn send(&self, letter: Letter<'_>) -> Result<Scored, ArmError> {
        let label = letter.label;
        let method = match letter.body {
            Some(_) => Method::Post,
            None => Method::Get,
        };
        let mut request = Request::new(letter.address.clone(), method);
        let bearer = format!("Bearer {}", letter.bearer.expose());
        request.insert_header("authorization", bearer);
        for (name, value) in letter.headers {
            request.insert_header(name, value);
        }
        if let Some(body) = letter.body {
            request.set_body(body);
        }
        let started = Started::default();
        let context = Context::new()
            .with_value(Manner {
                repeat: letter.repeat,
                signed: None,
            })
            .with_value(started.clone());
        let options = PipelineStreamOptions {
            skip_checks: true,
            ..PipelineStreamOptions::default()
        };
        let sent = self.pipeline.stream(&context, &mut request, Some(options));
        let answer = match Box::pin(sent).await {
            Ok(answer) => answer,
            Err(failed) => return Err(no_answer(&failed, &request, label)),
        };
        let (status, headers, mut stream) = answer.deconstruct();
        let mut body = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|broken| no_answer(&broken, &request, label))?;
            if body.len() + piece.len() > LONGEST {
                return Err(ArmError::Decode {
                    request: label.to_owned(),
                    reason: format!("the answer is longer than {} MiB", LONGEST >> 20),
                });
            }
            body.extend_from_slice(&piece);
        }
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str().to_ascii_lowercase();
                (name, value.as_str().to_owned())
            })
            .collect();
        Ok(Scored {
            status: u16::from(status),
            headers,
            body,
            latency: self.clock.elapsed().saturating_sub(started.get()),
        })
    }
}

/// When the last try began.
#[derive(Debug, Clone, Default)]
struct Started(Arc<Mutex<Duration>>);

impl Started {
    fn get(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes when a try begins: neither the tries before it nor the waits between them are the model's latency.
#[derive(Debug)]
struct Stopwatch(Clock);

#[async_trait]
impl Policy for Stopwatch {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        if let Some(Started(cell)) = ctx.value::<Started>() {
            *cell.lock().unwrap_or_else(PoisonError::into_inner) = self.0.elapsed();
        }
        next[0].send(ctx, request, &next[1..]).await
    }
}
