//! Faults that a test queues: the next requests that match are answered otherwise, late or not at all. Knows no resource.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::store::lock;

/// What happens to a request instead of, or beside, being handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this and not handled.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The connection is cut and nothing was done.
    DropBefore,
    /// The request is handled in full, then the connection is cut instead of an answer: the client cannot know.
    DropAfter,
    /// Handled after a while.
    Delay(Duration),
}

impl Fault {
    /// A refusal in ARM's format.
    pub fn arm(status: u16, code: &str, message: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: json!({"error": {"code": code, "message": message}}).to_string(),
        }
    }

    /// The same answer with one more header, such as `Retry-After`.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

#[derive(Debug)]
struct Rule {
    method: String,
    path: String,
    left: usize,
    fault: Fault,
}

/// The queue. Rules are tried in the order they were added; a rule is used up after its number of requests.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
}

impl Faults {
    /// The next `times` requests of this method (`*` for any) whose host, path and query contain `path` meet `fault`.
    pub fn add(&self, method: &str, path: &str, times: usize, fault: Fault) {
        lock(&self.rules).push(Rule {
            method: method.to_owned(),
            path: path.to_owned(),
            left: times,
            fault,
        });
    }

    /// The next `times` sign-ins are refused with this AADSTS number, as Entra words it.
    pub fn refuse_sign_in(&self, aadsts: u32, message: &str, times: usize) {
        let code = match aadsts {
            700_016 | 90_002 => "unauthorized_client",
            65_001 => "invalid_grant",
            _ => "invalid_client",
        };
        let body = json!({
            "error": code,
            "error_description": format!("AADSTS{aadsts}: {message}\r\nTrace ID: 0\r\nCorrelation ID: 0"),
            "error_codes": [aadsts],
        });
        let fault = Fault::Answer {
            status: if aadsts == 7_000_215 { 401 } else { 400 },
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string(),
        };
        self.add("POST", "/oauth2/v2.0/token", times, fault);
    }

    /// How many requests are still to meet a fault; zero shows a test that all of them happened.
    pub fn pending(&self) -> usize {
        lock(&self.rules).iter().map(|rule| rule.left).sum()
    }

    pub fn clear(&self) {
        lock(&self.rules).clear();
    }

    pub(crate) fn take(&self, method: &str, target: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| {
            rule.left > 0
                && (rule.method == "*" || rule.method.eq_ignore_ascii_case(method))
                && target.contains(&rule.path)
        })?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }
}
