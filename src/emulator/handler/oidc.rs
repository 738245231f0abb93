//! The identity tokens that CI hosts mint: GitHub's endpoint and Azure Pipelines'. Each call makes a new token, as the hosts do.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::entra::EXCHANGE;
use crate::emulator::auth;
use crate::emulator::clock;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

/// GitHub's tokens live five minutes.
const LIFETIME: i64 = 300;

fn token(issuer: &str, subject: &str, audience: &str) -> String {
    let now = clock::now().unix_timestamp();
    auth::jwt(&json!({
        "iss": issuer, "sub": subject, "aud": audience, "jti": Uuid::new_v4().to_string(),
        "iat": now, "nbf": now, "exp": now + LIFETIME,
    }))
}

fn refuse_without_token(call: &Call) -> Result<(), Problem> {
    if call.bearer().is_some_and(|token| !token.is_empty()) {
        return Ok(());
    }
    let message = "The request token is missing or was refused.";
    Err(Problem::arm(
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        message,
    ))
}

/// `GET /oidc/token?..&audience=` as GitHub answers it.
pub(crate) fn github(state: &State, call: &Call) -> Reply {
    refuse_without_token(call)?;
    // Without one GitHub uses the address of the repository's owner.
    let audience = call
        .query("audience")
        .unwrap_or("https://github.com/example");
    let token = token(
        "https://token.actions.githubusercontent.com",
        &state.options.github_subject,
        audience,
    );
    Ok(request::ok(&json!({"count": token.len(), "value": token})))
}

/// `POST /oidc/azure-pipelines?api-version=7.1&serviceConnectionId=` as Azure DevOps answers it.
pub(crate) fn azure_pipelines(state: &State, call: &Call) -> Reply {
    refuse_without_token(call)?;
    let connection = call.query("serviceConnectionId").unwrap_or("");
    if connection.is_empty() || call.query("api-version").is_none() {
        let body = json!({"message": "serviceConnectionId and api-version are required.", "typeKey": "VssPropertyValidationException", "$id": "1"});
        return Ok(request::json(StatusCode::BAD_REQUEST, &body));
    }
    let subject = &state.options.pipelines_subject;
    let token = token(
        "https://vstoken.dev.azure.com/00000000-0000-0000-0000-0000000000dd",
        subject,
        EXCHANGE,
    );
    Ok(request::ok(&json!({ "oidcToken": Value::from(token) })))
}
