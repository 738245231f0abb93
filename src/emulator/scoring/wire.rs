//! What goes between the emulator and a scoring process: one JSON object a line, over a loopback connection that the process opens.
//! Knows no deployment.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A request as a script may see it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What the script made of it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) millis: f64,
    /// Whether `run` raised.
    pub(crate) raised: bool,
}

#[derive(Debug, Deserialize)]
struct Line {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    millis: f64,
    raised: bool,
}

#[derive(Debug)]
pub(super) struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Takes a connection whose first line is the password; `None` for a stranger's.
    pub(super) async fn open(stream: TcpStream, password: &str) -> Option<Self> {
        stream.set_nodelay(true).ok();
        let mut wire = Self(BufReader::new(stream));
        let first = wire.line().await?;
        (first.trim_end() == password).then_some(wire)
    }

    /// Sends a request and waits for its answer; `None` when the process is gone.
    pub(super) async fn ask(&mut self, request: &Request) -> Option<Answer> {
        let line = json!({
            "method": request.method, "headers": request.headers, "query": request.query,
            "body": BASE64_STANDARD.encode(&request.body),
        });
        let line = format!("{line}\n");
        self.0.write_all(line.as_bytes()).await.ok()?;
        let answer: Line = serde_json::from_str(&self.line().await?).ok()?;
        Some(Answer {
            status: answer.status,
            headers: answer.headers,
            body: BASE64_STANDARD.decode(answer.body).ok()?,
            millis: answer.millis,
            raised: answer.raised,
        })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.0.read_until(b'\n', &mut line).await.ok()?;
        (read > 0).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}
