//! Tokens: minting unsigned ones and checking what comes in. A token is judged by its audience and expiry, as the service judges it;
//! its signature is not, as the emulator trusts its own loopback port. Knows no resource.

use axum::http::StatusCode;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use super::clock;
use super::problem::Problem;
use super::request::Call;
use super::site::Site;

/// Everyone who signs in is this service principal.
pub(crate) const OBJECT_ID: &str = "00000000-0000-0000-0000-0000000000aa";
pub(crate) const MACHINE_LEARNING: &str = "https://ml.azure.com";
pub(crate) const STORAGE: &str = "https://storage.azure.com";
const MANAGEMENT: [&str; 2] = [
    "https://management.azure.com",
    "https://management.core.windows.net",
];

/// What kind of resource a token has to be meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Management,
    MachineLearning,
    /// Run history, data plane and MLflow take either.
    DataPlane,
    Storage,
}

/// An unsigned JWT with these claims.
pub(crate) fn jwt(claims: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "none"});
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.emulator", part(&header), part(claims))
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// An access token as Entra grants it.
pub(crate) fn access_token(
    site: &Site,
    tenant: &str,
    client: &str,
    aud: &str,
    secs: i64,
) -> String {
    let now = clock::now().unix_timestamp();
    jwt(&json!({
        "aud": aud, "iss": format!("{}/{tenant}/v2.0", site.endpoint), "iat": now, "nbf": now, "exp": now + secs,
        "appid": client, "oid": OBJECT_ID, "sub": OBJECT_ID, "tid": tenant, "idtyp": "app", "ver": "1.0",
        "jti": uuid::Uuid::new_v4().to_string(),
    }))
}

fn accepts(site: &Site, wanted: Audience, aud: &str) -> bool {
    let aud = aud.trim_end_matches('/');
    let management = || {
        MANAGEMENT.contains(&aud)
            || aud
                .split_once("://")
                .is_some_and(|(_, host)| host == site.authority || host == site.loopback())
    };
    match wanted {
        Audience::Management => management(),
        Audience::MachineLearning => aud == MACHINE_LEARNING,
        Audience::DataPlane => management() || aud == MACHINE_LEARNING,
        Audience::Storage => {
            aud == STORAGE
                || aud == format!("https://{}.blob.{}", site.account, site.storage_suffix())
        }
    }
}

/// Checks one token; the problem is in ARM's words.
pub(crate) fn check(site: &Site, token: &str, wanted: Audience) -> Result<Value, Problem> {
    let Some(claims) = claims(token) else {
        let message = "The access token is invalid.";
        return Err(Problem::bad_token("InvalidAuthenticationToken", message));
    };
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if expiry <= clock::now().unix_timestamp() {
        let message = "The access token has expired or is not yet valid.";
        return Err(Problem::bad_token("ExpiredAuthenticationToken", message));
    }
    let aud = claims.get("aud").and_then(Value::as_str).unwrap_or("");
    if !accepts(site, wanted, aud) {
        let message =
            format!("The access token has been obtained for wrong audience or resource '{aud}'.");
        return Err(Problem::bad_token(
            "InvalidAuthenticationTokenAudience",
            message,
        ));
    }
    Ok(claims)
}

/// Demands a bearer token for this audience.
pub(crate) fn require(site: &Site, call: &Call, wanted: Audience) -> Result<Value, Problem> {
    let token = call.bearer().ok_or_else(Problem::no_token)?;
    check(site, token, wanted)
}

/// The user's token that a pipeline job carries beside the caller's, which the service uses for the steps.
pub(crate) fn require_job_token(site: &Site, call: &Call) -> Result<(), Problem> {
    let Some(token) = call.header("x-azureml-token") else {
        return Err(Problem::user(
            StatusCode::BAD_REQUEST,
            "The x-azureml-token header is required to submit a pipeline job.",
            &["BadArgument", "MissingHeader"],
        ));
    };
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    check(site, token, Audience::MachineLearning).map(|_| ())
}
