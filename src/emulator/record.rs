//! What was asked, kept for assertions. Knows no resource.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;

use super::request::Call;
use super::store::lock;

/// An emulator that runs for days must not grow with every poll.
const KEPT: usize = 50_000;

/// One request that arrived, and the status it was answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub method: String,
    /// As the client wrote it, with the port.
    pub host: String,
    /// Percent-decoded.
    pub path: String,
    /// In the order they came, decoded.
    pub query: Vec<(String, String)>,
    /// `None` when the connection was cut instead of an answer.
    pub status: Option<u16>,
    /// A JSON body, or a form's fields as an object.
    pub body: Option<Value>,
    /// The claims of the bearer token, if there was one.
    pub claims: Option<Value>,
}

impl Recorded {
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    kept: Mutex<VecDeque<Recorded>>,
}

impl Recorder {
    pub(crate) fn keep(&self, recorded: Recorded) {
        let mut kept = lock(&self.kept);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(recorded);
    }

    pub(crate) fn all(&self) -> Vec<Recorded> {
        lock(&self.kept).iter().cloned().collect()
    }
}

/// The record of a call before it is answered.
pub(crate) fn of(call: &Call) -> Recorded {
    let kind = call.header("content-type").unwrap_or("");
    let body = if kind.contains("json") {
        serde_json::from_slice(&call.body).ok()
    } else if kind.contains("x-www-form-urlencoded") {
        let fields = url::form_urlencoded::parse(&call.body)
            .map(|(key, value)| (key.into_owned(), Value::from(value.into_owned())));
        Some(Value::Object(fields.collect()))
    } else {
        None
    };
    Recorded {
        method: call.method.clone(),
        host: call.host.clone(),
        path: call.path.clone(),
        query: call.query.clone(),
        status: None,
        body,
        claims: call.bearer().and_then(super::auth::claims),
    }
}
