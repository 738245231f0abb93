//! A request to the service and its answer, as the rest of the program writes and reads them. Knows no tokens and sends nothing.

use std::fmt;

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::pipeline::shown;

/// One request to the service. Prints as its label: bodies and signed links may hold secrets.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub address: Address,
    pub api_version: Option<String>,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
    /// Also send `x-azureml-token` with a token for the Azure ML audience.
    pub with_ml_token: bool,
    /// An action must not be sent again once it may have arrived.
    pub action: bool,
}

#[derive(Clone)]
pub enum Address {
    /// Below the workspace: `jobs/x`. Empty for the workspace itself. Segments must be encoded already ([`segment`]).
    Workspace(String),
    /// Below Resource Manager: `/subscriptions/...`.
    Arm(String),
    /// Below the workspace's data plane host (from discovery): `history/v1.0/...`; `{ws}` stands for the workspace's ARM id.
    DataPlane(String),
    /// As the service gave it (`Location`, `Azure-AsyncOperation`, `nextLink`): checked for our own origin before it gets a token.
    Link(Url),
}

impl Address {
    /// A name of the user's as one segment of a path: `a b/c` becomes `a%20b%2Fc`.
    pub fn segment(name: &str) -> String {
        let mut encoded = String::with_capacity(name.len());
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
        encoded
    }
}

impl Call {
    /// A read.
    pub fn get<'a>(address: Address, api_version: impl Into<Option<&'a str>>) -> Self {
        Self::new(Method::GET, address, api_version)
    }

    /// Follows a link that the service gave, as it is.
    pub fn link(url: Url) -> Self {
        Self::get(Address::Link(url), None)
    }

    /// Creates or updates under a name of our choosing: safe to repeat.
    pub fn put<'a>(address: Address, api_version: impl Into<Option<&'a str>>, body: Value) -> Self {
        Self::new(Method::PUT, address, api_version).body(body)
    }

    /// Changes some fields: safe to repeat.
    pub fn patch<'a>(
        address: Address,
        api_version: impl Into<Option<&'a str>>,
        body: Value,
    ) -> Self {
        Self::new(Method::PATCH, address, api_version).body(body)
    }

    /// A POST that only looks something up (`listSecrets`, `startPendingUpload`, `rundata`): safe to repeat.
    pub fn post_read<'a>(
        address: Address,
        api_version: impl Into<Option<&'a str>>,
        body: impl Into<Option<Value>>,
    ) -> Self {
        let call = Self::new(Method::POST, address, api_version);
        Self {
            body: body.into(),
            ..call
        }
    }

    /// A POST that does something (`cancel`, `invoke`): not repeated once it may have arrived.
    pub fn post_action<'a>(
        address: Address,
        api_version: impl Into<Option<&'a str>>,
        body: impl Into<Option<Value>>,
    ) -> Self {
        Self {
            action: true,
            ..Self::post_read(address, api_version, body)
        }
    }

    pub fn delete<'a>(address: Address, api_version: impl Into<Option<&'a str>>) -> Self {
        Self::new(Method::DELETE, address, api_version)
    }

    /// One more query parameter.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Also sends `x-azureml-token` (a pipeline job's PUT).
    #[must_use]
    pub fn with_ml_token(mut self) -> Self {
        self.with_ml_token = true;
        self
    }

    fn new<'a>(method: Method, address: Address, api_version: impl Into<Option<&'a str>>) -> Self {
        Self {
            method,
            address,
            api_version: api_version.into().map(str::to_owned),
            query: Vec::new(),
            body: None,
            with_ml_token: false,
            action: false,
        }
    }

    /// For errors and logs: `PUT computes/cpu-cluster`.
    pub(crate) fn label(&self) -> String {
        let path = match &self.address {
            Address::Workspace(path) if path.is_empty() => "the workspace",
            Address::Workspace(path) | Address::Arm(path) | Address::DataPlane(path) => path,
            Address::Link(url) => below_workspace(url.path()),
        };
        format!("{} {path}", self.method)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.label())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(path) => write!(f, "Workspace({path})"),
            Self::Arm(path) => write!(f, "Arm({path})"),
            Self::DataPlane(path) => write!(f, "DataPlane({path})"),
            Self::Link(url) => write!(f, "Link({})", shown(url)),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// The part of an ARM path that people recognise.
fn below_workspace(path: &str) -> &str {
    let lower = path.to_ascii_lowercase();
    let provider = "/providers/microsoft.machinelearningservices/";
    let Some(at) = lower.find(provider) else {
        return path;
    };
    let rest = &path[at + provider.len()..];
    match rest
        .strip_prefix("workspaces/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_, below)) => below,
        None => rest,
    }
}

/// An answer with a success status. Prints without its body and headers: keys and signed links come in them.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// `Null` for an empty body.
    pub body: Value,
    pub request_id: Option<String>,
}

impl Answer {
    /// A header by its name, whatever the case (the service writes `Azure-AsyncOperation` and `azure-asyncoperation`).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_by_what_people_recognise() {
        let shown = |path: &str| {
            let url = Url::parse(&format!("https://x{path}?t=SECRET")).unwrap();
            Call::link(url).label()
        };
        let provider =
            "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices";
        assert_eq!(
            shown(&format!("{provider}/workspaces/W/jobs/j")),
            "GET jobs/j"
        );
        assert_eq!(
            shown(
                "/subscriptions/S/providers/Microsoft.MachineLearningServices/locations/l/mfeOperationsStatus/oe:1"
            ),
            "GET locations/l/mfeOperationsStatus/oe:1"
        );
        assert_eq!(shown("/other"), "GET /other");
    }

    #[test]
    fn what_may_hold_a_secret_does_not_print() {
        let link = Url::parse("https://x/y?sig=marked").unwrap();
        let call = Call::link(link).body(Value::from("marked"));
        let answer = Answer {
            status: 200,
            headers: vec![("location".to_owned(), "https://x?sig=marked".to_owned())],
            body: Value::from("marked"),
            request_id: None,
        };
        let shown = format!("{call:?} {:?} {answer:?}", call.address);
        assert!(!shown.contains("marked"), "{shown}");
    }

    #[test]
    fn names_become_single_segments() {
        assert_eq!(Address::segment("a b/c?d#é"), "a%20b%2Fc%3Fd%23%C3%A9");
        assert_eq!(Address::segment("cpu-cluster_1.0~x"), "cpu-cluster_1.0~x");
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let answer = Answer {
            status: 200,
            headers: vec![("azure-asyncoperation".to_owned(), "x".to_owned())],
            body: Value::Null,
            request_id: None,
        };
        assert_eq!(answer.header("Azure-AsyncOperation"), Some("x"));
        assert_eq!(answer.header("Location"), None);
    }
}
