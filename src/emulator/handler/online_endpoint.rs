//! Online endpoints: their traffic, their keys and tokens.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::endpoint::{Rules, accepted};
use crate::emulator::auth;
use crate::emulator::clock;
use crate::emulator::endpoint::{Endpoint, Keys, Kind, Lifecycle, Look, Provisioning, new_key};
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;
use crate::emulator::store::lock;
use crate::emulator::traffic::{MOST_MIRRORED, Split};

const OPERATION: &str = "oe";
const TOKEN_SECONDS: i64 = 24 * 3600;
/// How long before its end the service wants a token renewed.
const REFRESH_SECONDS: i64 = 12 * 3600;

pub(super) static RULES: Rules = Rules {
    kind: Kind::Online,
    operation: OPERATION,
    resource_kind: |properties| {
        let is_managed = properties.get("compute").is_none_or(Value::is_null);
        if is_managed { "Managed" } else { "K8S" }.into()
    },
    check,
    defaults: || {
        json!({
            "description": null, "compute": null, "publicNetworkAccess": "Enabled", "properties": {}, "traffic": {}, "mirrorTraffic": {},
        })
    },
    late: &["traffic", "mirrorTraffic"],
    addresses: |state, name| {
        let base = format!("{}/online/{name}", state.site.endpoint);
        json!({"scoringUri": format!("{base}/score"), "swaggerUri": format!("{base}/swagger.json")})
    },
    action,
};

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Key,
    AmlToken,
    AadToken,
}

impl Mode {
    pub(crate) fn of(properties: &Map<String, Value>) -> Option<Self> {
        let word = properties.get("authMode").and_then(Value::as_str)?;
        match word.to_lowercase().as_str() {
            "key" => Some(Self::Key),
            "amltoken" => Some(Self::AmlToken),
            "aadtoken" => Some(Self::AadToken),
            _ => None,
        }
    }
}

fn check(state: &State, name: &str, properties: &Map<String, Value>) -> Result<(), Problem> {
    if Mode::of(properties).is_none() {
        return Err(Problem::bad_request(
            "The field 'authMode' must be Key, AMLToken or AADToken.",
        ));
    }
    let read = |field: &str| {
        let value = properties.get(field).unwrap_or(&Value::Null);
        Split::read(value).map_err(|what| Problem::bad_request(format!("{field}: {what}.")))
    };
    let (traffic, mirror) = (read("traffic")?, read("mirrorTraffic")?);
    if !matches!(traffic.sum(), 0 | 100) {
        return Err(Problem::bad_request(format!(
            "The traffic of endpoint {name} sums to {}: it must be 0 or 100.",
            traffic.sum()
        )));
    }
    for deployment in traffic.served().chain(mirror.served()) {
        let pair = (name, deployment);
        let (operations, kind) = (&state.operations, Kind::Online);
        let found = state
            .endpoints
            .find_deployment(operations, kind, pair, Look::Not);
        let found = found.ok_or_else(|| {
            Problem::bad_request(format!(
                "The deployment {deployment} in the traffic of endpoint {name} does not exist."
            ))
        })?;
        if found.worker.is_none() {
            return Err(Problem::bad_request(format!(
                "The deployment {deployment} of endpoint {name} cannot get traffic because it is in {} provisioning state.",
                found.resource.lifecycle.state.word()
            )));
        }
    }
    let copies: Vec<&str> = mirror.served().collect();
    match copies.as_slice() {
        [] => Ok(()),
        [one] if traffic.of(one) == 0 && mirror.sum() <= MOST_MIRRORED => Ok(()),
        [one] if traffic.of(one) > 0 => Err(Problem::bad_request(format!(
            "The deployment {one} has live traffic and cannot have mirrored traffic as well."
        ))),
        [_] => Err(Problem::bad_request(format!(
            "At most {MOST_MIRRORED} percent of the traffic can be mirrored, not {}.",
            mirror.sum()
        ))),
        _ => Err(Problem::bad_request(
            "Only one deployment can have mirrored traffic.",
        )),
    }
}

fn action(state: &State, call: &Call, endpoint: &Endpoint, action: &str) -> Reply {
    let mode = Mode::of(&endpoint.resource.properties);
    let only = |wanted: Mode, what: &str| {
        let refused = || {
            Problem::bad_request(format!(
                "Endpoint {} has no {what}: its authMode is {}.",
                endpoint.name, endpoint.resource.properties["authMode"]
            ))
        };
        (mode == Some(wanted)).then_some(()).ok_or_else(refused)
    };
    match action.to_lowercase().as_str() {
        "listkeys" => {
            only(Mode::Key, "keys")?;
            Ok(request::ok(&json!({
                "primaryKey": endpoint.keys.primary, "secondaryKey": endpoint.keys.secondary,
            })))
        }
        "token" => {
            only(Mode::AmlToken, "token")?;
            Ok(token(state, endpoint))
        }
        "regeneratekeys" => {
            only(Mode::Key, "keys")?;
            regenerate(state, call, endpoint)
        }
        _ => Err(Problem::not_implemented(&format!(
            "POST onlineEndpoints/{{name}}/{action}"
        ))),
    }
}

/// A token of the workspace for one endpoint; its seal is known to the endpoint alone.
fn token(state: &State, endpoint: &Endpoint) -> axum::response::Response {
    let now = clock::now().unix_timestamp();
    let expiry = now + TOKEN_SECONDS;
    let token = auth::jwt(&json!({
        "iss": state.site.workspace_id, "endpoint": endpoint.name, "seal": endpoint.keys.seal, "iat": now, "exp": expiry,
    }));
    request::ok(&json!({
        "accessToken": token, "tokenType": "Bearer", "expiryTimeUtc": expiry, "refreshAfterTimeUtc": expiry - REFRESH_SECONDS,
    }))
}

/// Clients send the key that is there; the new one is found by asking again.
fn regenerate(state: &State, call: &Call, endpoint: &Endpoint) -> Reply {
    let sent = call.json()?;
    let _turn = lock(&state.endpoints.turn);
    if endpoint.resource.lifecycle.state.is_busy() {
        return Err(Problem::conflict(format!(
            "Cannot update endpoint {} because it is in {} provisioning state.",
            endpoint.name,
            endpoint.resource.lifecycle.state.word()
        )));
    }
    let mut keys = endpoint.keys.clone();
    let key = match sent["keyType"].as_str() {
        Some("Primary") => &mut keys.primary,
        Some("Secondary") => &mut keys.secondary,
        _ => {
            return Err(Problem::bad_request(
                "The field 'keyType' must be Primary or Secondary.",
            ));
        }
    };
    let wanted = sent["keyValue"].as_str().filter(|value| *value != key);
    *key = wanted.map_or_else(new_key, str::to_owned);
    let operation = state.operations.begin_or_fail();
    let table = state.endpoints.table(Kind::Online);
    table.update(&endpoint.name, |endpoint| {
        endpoint.coming_keys = Some(keys);
        endpoint.resource.lifecycle = Lifecycle {
            state: Provisioning::Updating,
            operation: operation.clone(),
        };
    });
    Ok(accepted(state, call, (OPERATION, &operation)))
}

/// Whether a caller may score: by a key, a token of the endpoint, or one of Entra's.
pub(crate) fn admit(state: &State, call: &Call, endpoint: &Endpoint) -> Result<(), Problem> {
    let Some(given) = call.bearer() else {
        return Err(refused("key_auth_bad_header_not_found"));
    };
    let keys: &Keys = &endpoint.keys;
    match Mode::of(&endpoint.resource.properties) {
        Some(Mode::Key) if given == keys.primary || given == keys.secondary => Ok(()),
        Some(Mode::Key) | None => Err(refused("key_auth_access_denied")),
        Some(Mode::AmlToken) => {
            let claims = auth::claims(given).unwrap_or_default();
            let lives = claims["exp"].as_i64() > Some(clock::now().unix_timestamp());
            let is_ours = claims["seal"] == keys.seal.as_str();
            (lives && is_ours)
                .then_some(())
                .ok_or_else(|| refused("token_auth_access_denied"))
        }
        Some(Mode::AadToken) => {
            auth::check(&state.site, given, auth::Audience::MachineLearning).map(|_| ())
        }
    }
}

fn refused(code: &str) -> Problem {
    Problem::arm(
        StatusCode::UNAUTHORIZED,
        code,
        "Please check this guide to understand why this error code might have been returned \nhttps://docs.microsoft.com/en-us/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes",
    )
    .header("WWW-Authenticate", format!("Bearer error=\"{code}\""))
}
