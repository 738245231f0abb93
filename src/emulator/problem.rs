//! The catalogue of refusals: status, code, wording and the format that the answering part of the service uses. Knows no handler.
//!
//! Bodies that come from the front door are in ARM's format; what Azure ML itself refuses is in its own, with the innermost code in
//! `additionalInfo`; storage speaks XML; Entra and MLflow have their own.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::clock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Arm,
    Aml,
    Storage,
    Mlflow,
}

/// One refusal, ready to be answered.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    dialect: Dialect,
    code: String,
    message: String,
    inner: Vec<&'static str>,
    details: Vec<(&'static str, String)>,
    format: Option<(&'static str, Value)>,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        dialect: Dialect,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            dialect,
            code: code.into(),
            message: message.into(),
            inner: Vec::new(),
            details: Vec::new(),
            format: None,
            headers: Vec::new(),
        }))
    }

    pub(crate) fn arm(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, Dialect::Arm, code, message)
    }

    /// Azure ML's `UserError` with the chain of inner codes, outermost first.
    pub(crate) fn user(
        status: StatusCode,
        message: impl Into<String>,
        inner: &[&'static str],
    ) -> Self {
        let mut problem = Self::new(status, Dialect::Aml, "UserError", message);
        problem.0.inner = inner.to_vec();
        problem
    }

    pub(crate) fn not_found(message: impl Into<String>, inner: &'static str) -> Self {
        Self::user(StatusCode::NOT_FOUND, message, &["NotFound", inner])
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::user(StatusCode::BAD_REQUEST, message, &["BadArgument"])
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::user(StatusCode::CONFLICT, message, &["Conflict"])
    }

    pub(crate) fn storage(status: StatusCode, code: &str, message: &str) -> Self {
        Self::new(status, Dialect::Storage, code, message)
    }

    /// What this emulator does not do. The code names the operation, so that a log says what is missing.
    pub(crate) fn not_implemented(operation: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            Dialect::Arm,
            format!("NotImplemented: {operation}"),
            format!("The emulator does not implement the operation '{operation}'."),
        )
    }

    pub(crate) fn no_api_version() -> Self {
        Self::arm(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    }

    pub(crate) fn no_token() -> Self {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        Self::arm(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message).header(
            "WWW-Authenticate",
            "Bearer authorization_uri=\"https://login.microsoftonline.com/common\", error=\"invalid_token\"",
        )
    }

    pub(crate) fn bad_token(code: &str, message: impl Into<String>) -> Self {
        Self::arm(StatusCode::UNAUTHORIZED, code, message).header(
            "WWW-Authenticate",
            format!("Bearer authorization_uri=\"https://login.microsoftonline.com/common\", error=\"invalid_token\", error_description=\"{code}\""),
        )
    }

    pub(crate) fn detail(mut self, code: &'static str, message: impl Into<String>) -> Self {
        self.0.details.push((code, message.into()));
        self
    }

    /// The template behind the message and the values in it, which some refusals carry.
    pub(crate) fn format(mut self, template: &'static str, parameters: Value) -> Self {
        self.0.format = Some((template, parameters));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// The answer. `location` is the region named in Azure ML's errors.
    pub(crate) fn into_response(self, location: &str) -> Response {
        let inner = *self.0;
        let (kind, body) = match inner.dialect {
            Dialect::Arm => ("application/json", inner.arm_body().to_string()),
            Dialect::Aml => ("application/json", inner.aml_body(location).to_string()),
            Dialect::Mlflow => (
                "application/json",
                json!({"error_code": inner.code, "message": inner.message}).to_string(),
            ),
            Dialect::Storage => (
                "application/xml",
                format!(
                    "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}\nRequestId:{}\nTime:{}</Message></Error>",
                    inner.code,
                    xml_text(&inner.message),
                    Uuid::new_v4(),
                    clock::stamp(clock::now()),
                ),
            ),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(kind));
        match inner.dialect {
            Dialect::Aml => {
                headers.insert("x-ms-response-type", HeaderValue::from_static("error"));
            }
            Dialect::Storage => {
                if let Ok(code) = HeaderValue::from_str(&inner.code) {
                    headers.insert("x-ms-error-code", code);
                }
            }
            Dialect::Arm | Dialect::Mlflow => {}
        }
        for (name, value) in inner.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl Inner {
    fn arm_body(&self) -> Value {
        let details: Vec<Value> = self.details.iter().map(detail).collect();
        let mut error = json!({"code": self.code, "message": self.message});
        if !details.is_empty() {
            error["details"] = Value::Array(details);
        }
        json!({ "error": error })
    }

    fn aml_body(&self, location: &str) -> Value {
        let chain = self.inner.iter().rev().fold(
            Value::Null,
            |below, code| json!({"code": code, "innerError": below}),
        );
        let operation = Uuid::new_v4().simple().to_string();
        let request = operation.get(..16).unwrap_or_default().to_owned();
        let mut info = vec![
            json!({"type": "ComponentName", "info": {"value": "managementfrontend"}}),
            json!({"type": "Correlation", "info": {"value": {"operation": operation, "request": request}}}),
            json!({"type": "Environment", "info": {"value": location}}),
            json!({"type": "Location", "info": {"value": location}}),
            json!({"type": "Time", "info": {"value": clock::stamp(clock::now())}}),
        ];
        if !chain.is_null() {
            info.push(json!({"type": "InnerError", "info": {"value": chain}}));
        }
        if let Some((template, parameters)) = &self.format {
            info.push(json!({"type": "MessageFormat", "info": {"value": template}}));
            info.push(json!({"type": "MessageParameters", "info": {"value": parameters}}));
        }
        let details: Vec<Value> = self.details.iter().map(detail).collect();
        json!({"error": {"code": self.code, "message": self.message, "details": details, "additionalInfo": info}})
    }
}

fn detail((code, message): &(&'static str, String)) -> Value {
    json!({"code": code, "message": message, "details": [], "additionalInfo": []})
}

/// Escapes text for an XML element.
pub(crate) fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
