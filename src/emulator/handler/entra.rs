//! Entra's token endpoint for the client-credential flows: a secret, a federated assertion, a certificate's assertion. Knows no resource.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::emulator::auth;
use crate::emulator::clock;
use crate::emulator::request::{self, Call};
use crate::emulator::state::State;
use crate::emulator::store::lock;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The audience that a host's token must have to be exchanged.
pub(crate) const EXCHANGE: &str = "api://AzureADTokenExchange";

struct Refused {
    status: StatusCode,
    error: &'static str,
    aadsts: u32,
    message: String,
}

fn refused(aadsts: u32, error: &'static str, message: impl Into<String>) -> Refused {
    let status = if error == "invalid_client" {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::BAD_REQUEST
    };
    Refused {
        status,
        error,
        aadsts,
        message: message.into(),
    }
}

/// `POST /<tenant>/oauth2/v2.0/token`.
pub(crate) fn token(state: &State, call: &Call, tenant: &str) -> Response {
    match grant(state, call, tenant) {
        Ok(body) => request::ok(&body),
        Err(refused) => {
            let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
            let now = clock::now();
            let description = format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {}",
                refused.aadsts,
                refused.message,
                clock::short(now)
            );
            let body = json!({
                "error": refused.error, "error_description": description, "error_codes": [refused.aadsts],
                "timestamp": clock::short(now), "trace_id": trace.to_string(), "correlation_id": correlation.to_string(),
                "error_uri": format!("{}/error?code={}", state.site.endpoint, refused.aadsts),
            });
            request::json(refused.status, &body)
        }
    }
}

fn grant(state: &State, call: &Call, tenant: &str) -> Result<Value, Refused> {
    let kind = call.form("grant_type").unwrap_or_default();
    if kind != "client_credentials" {
        return Err(refused(
            70003,
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{kind}'."),
        ));
    }
    let Some(client) = call.form("client_id").filter(|id| !id.is_empty()) else {
        return Err(refused(
            900_144,
            "invalid_request",
            "The request body must contain the following parameter: 'client_id'.",
        ));
    };
    let scope = call.form("scope").unwrap_or_default();
    let Some(audience) = scope
        .split(' ')
        .find_map(|one| one.strip_suffix("/.default"))
    else {
        return Err(refused(
            1_002_012,
            "invalid_scope",
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    match (call.form("client_assertion"), call.form("client_secret")) {
        (Some(assertion), _) => check_assertion(state, call, &client, &assertion)?,
        (None, Some(secret)) => check_secret(state, &client, &secret)?,
        (None, None) => {
            return Err(refused(
                7_000_216,
                "invalid_client",
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            ));
        }
    }
    let lifetime = i64::try_from(state.options.token_lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    let token = auth::access_token(&state.site, tenant, &client, audience, lifetime);
    let mut body = json!({"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token});
    // Entra names a time to refresh at only for tokens of more than two hours.
    if lifetime > 7200 {
        body["refresh_in"] = Value::from(lifetime / 2);
    }
    Ok(body)
}

fn check_secret(state: &State, client: &str, secret: &str) -> Result<(), Refused> {
    let right = match &state.options.client_secret {
        Some(wanted) => wanted == secret,
        None => !secret.is_empty(),
    };
    if right {
        return Ok(());
    }
    Err(refused(
        7_000_215,
        "invalid_client",
        format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
        ),
    ))
}

fn check_assertion(
    state: &State,
    call: &Call,
    client: &str,
    assertion: &str,
) -> Result<(), Refused> {
    let malformed = || {
        refused(
            50027,
            "invalid_request",
            "JWT token is invalid or malformed.",
        )
    };
    if call.form("client_assertion_type").as_deref() != Some(ASSERTION_TYPE) {
        return Err(refused(
            900_144,
            "invalid_request",
            "The request body must contain the following parameter: 'client_assertion_type'.",
        ));
    }
    let claims = auth::claims(assertion).ok_or_else(malformed)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("");
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    let now = clock::now().unix_timestamp();
    if expiry <= now {
        return Err(refused(
            700_024,
            "invalid_client",
            format!(
                "Client assertion is not within its valid time range. Current time: {now}, expiry time of assertion {expiry}."
            ),
        ));
    }
    // A certificate's assertion is issued by the application itself, to the token endpoint.
    let is_certificate = text("iss") == client;
    if is_certificate
        && !text("aud").contains("/oauth2/v2.0/token")
        && !text("aud").ends_with("/v2.0")
    {
        return Err(refused(
            700_023,
            "invalid_client",
            format!(
                "Client assertion audience claim does not match Realm issuer. Audience '{}'.",
                text("aud")
            ),
        ));
    }
    if !is_certificate {
        check_federation(state, text("aud"), text("iss"), text("sub"))?;
    }
    if state.options.refuse_reused_assertions
        && !lock(&state.assertions).insert(assertion.to_owned())
    {
        return Err(refused(
            700_030,
            "invalid_client",
            "The client assertion was presented before; a new one is needed for every token.",
        ));
    }
    Ok(())
}

fn check_federation(state: &State, aud: &str, iss: &str, sub: &str) -> Result<(), Refused> {
    if aud != EXCHANGE {
        return Err(refused(
            700_212,
            "invalid_client",
            format!(
                "No matching federated identity record found for presented assertion audience '{aud}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion."
            ),
        ));
    }
    match &state.options.federated_subject {
        Some(wanted) if wanted != sub => Err(refused(
            700_213,
            "invalid_client",
            format!(
                "No matching federated identity record found for presented assertion subject '{sub}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. Issuer '{iss}'."
            ),
        )),
        Some(_) | None => Ok(()),
    }
}
