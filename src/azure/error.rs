//! Typed errors of the service: one variant per decision a caller makes, with status, code, message and request id kept.
//! Owns the reading of error bodies (service notes 18); what to do about an error is in [`super::advice`].

use std::time::Duration;

use serde_json::Value;

/// What the service said, field by field (service notes 18).
#[derive(Debug, Clone, Default)]
pub struct ServiceError {
    pub status: u16,
    /// The innermost code that says something: `JobNotFound` rather than `UserError`.
    pub code: String,
    pub message: String,
    pub target: Option<String>,
    /// `x-ms-correlation-request-id`, else `x-ms-request-id`.
    pub request_id: Option<String>,
    /// What was asked: `PUT computes/cpu-cluster`.
    pub request: String,
    /// For debug output only.
    pub body: String,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ArmError {
    /// 401 after a renewed token, or no token could be had.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// 403.
    #[error("{}: access denied: {} ({})", .0.request, .0.message, .0.reference())]
    Denied(Box<ServiceError>),
    /// 404.
    #[error("{}: not found: {} ({})", .0.request, .0.message, .0.code)]
    NotFound(Box<ServiceError>),
    /// 409 and 412.
    #[error("{}: conflict: {} ({})", .0.request, .0.message, .0.reference())]
    Conflict(Box<ServiceError>),
    /// 429 after the retries.
    #[error("{}: throttled: {} ({})", .0.request, .0.message, .0.reference())]
    Throttled(Box<ServiceError>),
    /// Any other refusal, and a long-running operation that ended in `Failed` or `Canceled`.
    #[error("{}: {} ({})", .0.request, .0.message, .0.reference())]
    Api(Box<ServiceError>),
    /// No answer: refused, reset, timed out, no name, no route, after the retries.
    #[error("{request}: no answer: {reason}")]
    Transport { request: String, reason: String },
    /// An answer that is not what the service documents.
    #[error("{request}: unexpected answer: {reason}")]
    Decode { request: String, reason: String },
    /// A stated deadline passed.
    #[error("{what} did not finish within {} s; last state: {state}", .after.as_secs())]
    TimedOut {
        what: String,
        state: String,
        after: Duration,
    },
    /// A local file could not be read or written during a transfer.
    #[error("{path}: {reason}")]
    Local { path: String, reason: String },
}

impl ServiceError {
    /// A 404 that is not about what was asked for: the subscription or resource group is not there.
    pub(crate) fn is_about_coordinates(&self) -> bool {
        [
            "ResourceGroupNotFound",
            "SubscriptionNotFound",
            "InvalidSubscriptionId",
        ]
        .contains(&self.code.as_str())
    }

    /// The code and, for support, the request id.
    fn reference(&self) -> String {
        match &self.request_id {
            Some(id) => format!("{}, request id {id}", self.code),
            None => self.code.clone(),
        }
    }
}

impl ArmError {
    /// What the service said, where it said anything.
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Denied(said)
            | Self::NotFound(said)
            | Self::Conflict(said)
            | Self::Throttled(said)
            | Self::Api(said) => Some(said),
            Self::SignIn(_)
            | Self::Transport { .. }
            | Self::Decode { .. }
            | Self::TimedOut { .. }
            | Self::Local { .. } => None,
        }
    }

    /// The id to quote to Azure support.
    pub fn request_id(&self) -> Option<&str> {
        self.service()?.request_id.as_deref()
    }

    /// Whether the service, or the way to it, was unwell rather than unwilling: asking again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Throttled(_) => true,
            Self::Api(said) => super::retry::is_passing(said.status),
            Self::SignIn(error) => error.network,
            Self::Denied(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Decode { .. }
            | Self::TimedOut { .. }
            | Self::Local { .. } => false,
        }
    }
}

/// Sign-in could not be set up or was refused. Messages are complete sentences for the user.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SignInError {
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The login service could not be reached, rather than refusing.
    pub network: bool,
}

impl SignInError {
    pub(crate) fn refused(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: Some(advice.into()),
            network: false,
        }
    }
}

/// The variant that a status decides.
pub(crate) fn classify(said: ServiceError) -> ArmError {
    let said = Box::new(said);
    match said.status {
        401 => ArmError::SignIn(SignInError {
            message: format!(
                "{}: the token was refused: {} ({})",
                said.request,
                said.message,
                said.reference()
            ),
            advice: super::advice::for_service(&said),
            network: false,
        }),
        403 => ArmError::Denied(said),
        404 => ArmError::NotFound(said),
        409 | 412 => ArmError::Conflict(said),
        429 => ArmError::Throttled(said),
        _ => ArmError::Api(said),
    }
}

/// Reads an error body: `{"error": {..}}` of Resource Manager or of Azure ML, or whatever a gateway put there instead.
pub(crate) fn read(
    request: &str,
    status: u16,
    body: &[u8],
    request_id: Option<String>,
) -> ServiceError {
    let text = String::from_utf8_lossy(body);
    let parsed: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let mut said = ServiceError {
        status,
        request_id,
        request: request.to_owned(),
        body: scrub(&text),
        ..ServiceError::default()
    };
    fill(&mut said, parsed.get("error").unwrap_or(&parsed));
    if said.code.is_empty() {
        said.code = format!("HTTP {status}");
    }
    if said.message.is_empty() {
        said.message = without_json(&text, status);
    }
    said
}

/// Fills code, message and target from the inner object of an error body.
pub(crate) fn fill(said: &mut ServiceError, error: &Value) {
    let code = innermost_code(error)
        .or_else(|| deepest_detail(error, "code"))
        .or_else(|| text_of(error, "code"));
    said.code = code.unwrap_or_default();
    said.target = text_of(error, "target");
    let message = text_of(error, "message").unwrap_or_default();
    let detail = deepest_detail(error, "message").unwrap_or_default();
    let full = if detail.is_empty() || message.contains(&detail) {
        message
    } else if message.is_empty() {
        detail
    } else {
        format!("{} {detail}", message.trim_end())
    };
    said.message = scrub(&unwrap_json(&full));
}

fn text_of(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Azure ML hides the telling code in `additionalInfo[InnerError]`; Resource Manager in `innererror`.
fn innermost_code(error: &Value) -> Option<String> {
    let info = error
        .get("additionalInfo")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| entry.get("type").and_then(Value::as_str) == Some("InnerError"))
        .and_then(|entry| entry.pointer("/info/value"));
    let mut next = info
        .or_else(|| error.get("innererror"))
        .or_else(|| error.get("innerError"));
    let mut code = None;
    while let Some(inner) = next.filter(|inner| inner.is_object()) {
        code = text_of(inner, "code").or(code);
        next = inner.get("innerError").or_else(|| inner.get("innererror"));
    }
    code
}

fn deepest_detail(error: &Value, key: &str) -> Option<String> {
    let details = error.get("details").and_then(Value::as_array)?;
    details
        .iter()
        .find_map(|detail| deepest_detail(detail, key).or_else(|| text_of(detail, key)))
}

/// Online deployments put JSON into a message string (service notes 15): its `errors` texts are what the user needs.
fn unwrap_json(message: &str) -> String {
    let Some(start) = message.find('{') else {
        return message.to_owned();
    };
    let inner = serde_json::Deserializer::from_str(&message[start..])
        .into_iter::<Value>()
        .next();
    let Some(Ok(inner)) = inner else {
        return message.to_owned();
    };
    let mut texts = Vec::new();
    for errors in inner.get("errors").and_then(Value::as_object).into_iter() {
        for (field, says) in errors {
            for text in says
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                texts.push(format!("{field}: {text}"));
            }
        }
    }
    if let Some(text) = inner.pointer("/error/message").and_then(Value::as_str) {
        texts.push(text.to_owned());
    }
    if texts.is_empty() {
        return message.to_owned();
    }
    format!("{} {}", message[..start].trim_end(), texts.join("; "))
}

/// For bodies that are no error object: the text of a gateway, or nothing at all.
fn without_json(text: &str, status: u16) -> String {
    let line = text.trim();
    if line.is_empty() {
        return format!("the service answered {status} without a message");
    }
    if line.starts_with('<') {
        return format!(
            "the answer was a page, not the service's (a proxy or gateway?), status {status}"
        );
    }
    scrub(&line.chars().take(300).collect::<String>())
}

/// Blanks what must not be shown in foreign text: signatures of signed URLs, bearer tokens, account keys.
pub(crate) fn scrub(text: &str) -> String {
    const BEFORE: [&str; 5] = [
        "sig=",
        "Bearer ",
        "AccountKey=",
        "client_secret=",
        "client_assertion=",
    ];
    let mut clean = text.to_owned();
    for marker in BEFORE {
        let mut from = 0;
        while let Some(found) = find_ignoring_case(&clean[from..], marker) {
            let start = from + found + marker.len();
            let length = clean[start..]
                .find(|c: char| c.is_whitespace() || "&\"'<>;,)\\".contains(c))
                .unwrap_or(clean.len() - start);
            if length > 0 {
                clean.replace_range(start..start + length, "***");
            }
            from = (start + 3).min(clean.len());
            while !clean.is_char_boundary(from) {
                from += 1;
            }
        }
    }
    clean
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.as_bytes()
        .windows(word.len())
        .position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> ServiceError {
        read("GET x", 400, body.as_bytes(), None)
    }

    #[test]
    fn the_innermost_code_of_azure_ml_is_found() {
        let error = said(
            r#"{"error":{"code":"UserError","message":"Job X not found.","details":[],"additionalInfo":[
            {"type":"ComponentName","info":{"value":"managementfrontend"}},
            {"type":"InnerError","info":{"value":{"code":"NotFound","innerError":{"code":"JobNotFound","innerError":null}}}}]}}"#,
        );
        assert_eq!(error.code, "JobNotFound");
        assert_eq!(error.message, "Job X not found.");
    }

    #[test]
    fn the_deepest_detail_is_said_too() {
        let error = said(
            r#"{"error":{"code":"BadRequest","message":"The request is invalid.","target":"t","details":[
            {"code":"A","message":"outer","details":[{"code":"B","message":"vm size is unknown"}]}]}}"#,
        );
        assert_eq!(error.code, "B");
        assert_eq!(error.message, "The request is invalid. vm size is unknown");
        assert_eq!(error.target.as_deref(), Some("t"));
    }

    #[test]
    fn json_inside_a_message_is_unwrapped() {
        let error = said(
            r#"{"error":{"code":"BadRequest","message":"The request is invalid.","details":[{"code":"InferencingClientCreateDeploymentFailed","message":"InferencingClient HttpRequest error, error detail: {\"errors\":{\"VmSize\":[\"Not enough quota available for Standard_F4s_v2.\"]},\"title\":\"One or more validation errors occurred.\",\"status\":400}"}]}}"#,
        );
        assert!(
            error
                .message
                .ends_with("VmSize: Not enough quota available for Standard_F4s_v2."),
            "{}",
            error.message
        );
    }

    #[test]
    fn bodies_that_are_no_error_objects_still_say_something() {
        assert_eq!(
            said("").message,
            "the service answered 400 without a message"
        );
        assert!(said("<html>nope</html>").message.contains("a page"));
        assert_eq!(said("plain words").message, "plain words");
        assert_eq!(said("[1]").code, "HTTP 400");
    }

    #[test]
    fn signatures_and_tokens_in_foreign_text_are_blanked() {
        let text =
            "at https://a/b?sv=1&sig=SECRET1&se=2 with bearer SECRET2, SIG=SECRET3\u{e9} and sig=";
        let clean = scrub(text);
        assert!(!clean.contains("SECRET"), "{clean}");
        assert!(clean.contains("sv=1&sig=***&se=2"), "{clean}");
    }

    #[test]
    fn a_refusal_carries_the_id_that_support_asks_for() {
        let said = |status| {
            classify(ServiceError {
                status,
                code: "X".to_owned(),
                message: "no".to_owned(),
                request: "PUT jobs/j".to_owned(),
                request_id: Some("id-1".to_owned()),
                ..ServiceError::default()
            })
        };
        for status in [400, 401, 403, 409, 429, 500] {
            let text = said(status).to_string();
            assert!(text.ends_with("(X, request id id-1)"), "{text}");
        }
        // What is not there is the user's to find, not support's.
        assert!(!said(404).to_string().contains("id-1"));
    }

    #[test]
    fn a_status_decides_the_variant() {
        let of = |status| {
            classify(ServiceError {
                status,
                ..ServiceError::default()
            })
        };
        assert!(matches!(of(401), ArmError::SignIn(_)));
        assert!(matches!(of(403), ArmError::Denied(_)));
        assert!(matches!(of(404), ArmError::NotFound(_)));
        assert!(matches!(of(409), ArmError::Conflict(_)));
        assert!(matches!(of(412), ArmError::Conflict(_)));
        assert!(matches!(of(429), ArmError::Throttled(_)));
        assert!(matches!(of(400), ArmError::Api(_)));
        assert!(matches!(of(302), ArmError::Api(_)));
    }
}
