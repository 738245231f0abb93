//! From a request to its handler: faults first, then who it is for, then which operation. The only file that knows all of them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use uuid::Uuid;

use super::asset::AssetKind;
use super::auth::{self, Audience};
use super::blob;
use super::connection::Cut;
use super::endpoint::Kind;
use super::fault::Fault;
use super::handler::{
    asset, batch_job, compute, datastore, endpoint, entra, history, job, metadata, mlflow, oidc,
    operation, schedule, workspace,
};
use super::problem::Problem;
use super::record;
use super::request::{self, Call, Reply};
use super::scoring::serve;
use super::site::PROVIDER;
use super::state::State;
use super::studio;

pub(crate) fn service(state: Arc<State>) -> IntoMakeServiceWithConnectInfo<Router, Cut> {
    Router::new()
        .fallback(answer)
        .with_state(state)
        .into_make_service_with_connect_info::<Cut>()
}

async fn answer(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let Some(call) = read(request).await else {
        return request::empty(StatusCode::BAD_REQUEST);
    };
    let query: Vec<String> = call
        .query
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let target = format!("{}{}?{}", call.host, call.path, query.join("&"));
    let fault = state.faults.take(&call.method, &target);
    let mut recorded = record::of(&call);
    if let Some(Fault::Delay(time)) = fault {
        delay(time).await;
    }
    let response = match fault {
        Some(Fault::DropBefore) => None,
        Some(Fault::Answer {
            status,
            headers,
            body,
        }) => Some(faulty(status, headers, body)),
        Some(Fault::DropAfter) => {
            handle(&state, &call).await;
            None
        }
        Some(Fault::Delay(_)) | None => Some(handle(&state, &call).await),
    };
    recorded.status = response.as_ref().map(|response| response.status().as_u16());
    state.recorder.keep(recorded);
    response.unwrap_or_else(|| {
        cut.cut();
        request::empty(StatusCode::OK)
    })
}

#[expect(clippy::disallowed_methods, reason = "a fault that delays has to wait")]
async fn delay(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}

async fn read(request: Request) -> Option<Call> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.ok()?;
    let authority = parts.uri.authority().map(ToString::to_string);
    let host = parts
        .headers
        .get("host")
        .and_then(|host| host.to_str().ok());
    let raw_path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or("");
    let query = url::form_urlencoded::parse(query.as_bytes());
    Some(Call {
        method: parts.method.as_str().to_owned(),
        host: host.map(str::to_owned).or(authority).unwrap_or_default(),
        path: request::percent_decode(&raw_path),
        raw_path,
        query: query
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect(),
        headers: parts.headers,
        body,
    })
}

fn faulty(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn handle(state: &Arc<State>, call: &Call) -> Response {
    let reply = match call.segments().as_slice() {
        // The one thing that takes time: a script answers.
        ["online", endpoint, "score"] if is_loopback(&call.host) && is_scoring(call) => {
            serve::score(state, call, endpoint).await
        }
        _ => dispatch(state, call),
    };
    let mut response = reply.unwrap_or_else(|problem| problem.into_response(&state.site.location));
    let id = Uuid::new_v4().to_string();
    if response.status().is_success() && call.path.starts_with("/subscriptions/") {
        response = request::with(response, "x-ms-response-type", "standard");
    }
    response = request::with(response, "x-ms-correlation-request-id", &id);
    request::with(response, "x-ms-request-id", &id)
}

fn is_scoring(call: &Call) -> bool {
    matches!(call.method.as_str(), "POST" | "GET") && !call.host.contains(".blob.")
}

/// Whether a request names this machine. A page from elsewhere whose name was made to point at loopback names itself, and must neither
/// read what is here nor start a job.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn dispatch(state: &Arc<State>, call: &Call) -> Reply {
    if !is_loopback(&call.host) {
        return Err(Problem::arm(
            StatusCode::MISDIRECTED_REQUEST,
            "MisdirectedRequest",
            format!("The emulator answers to localhost, not to '{}'.", call.host),
        ));
    }
    if call.host.contains(".blob.") {
        return blob::handle(state, call);
    }
    let site = &state.site;
    let segments = call.segments();
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => metadata::endpoints(site, call),
        ("GET", ["discovery"]) => metadata::discovery(site),
        ("GET", ["common", "discovery", "instance"]) => metadata::instance(site),
        (
            "GET",
            [tenant, ".well-known", "openid-configuration"]
            | [tenant, "v2.0", ".well-known", "openid-configuration"],
        ) => metadata::openid(site, tenant),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => Ok(entra::token(state, call, tenant)),
        ("GET", ["oidc", "token"]) => oidc::github(state, call),
        ("POST", ["oidc", "azure-pipelines"]) => oidc::azure_pipelines(state, call),
        ("GET", ["" | "studio"]) => Ok(studio::index(state)),
        ("GET", ["studio", "runs", name]) => studio::run(state, name),
        (_, ["batch", endpoint, "jobs", rest @ ..]) => {
            batch_job::handle(state, call, endpoint, rest)
        }
        (_, ["mferp", "managementfrontend", "subscriptions", rest @ ..]) => {
            let rest = in_workspace(state, rest)?;
            batch_job::list_below(state, call, rest)
        }
        (_, ["subscriptions", rest @ ..]) => arm(state, call, rest),
        (_, [plane, "v1.0" | "v2.0", "subscriptions", rest @ ..])
            if is(plane, "history") || is(plane, "data") || is(plane, "mlflow") =>
        {
            data_plane(state, call, plane, rest)
        }
        (method, segments) => {
            let shape = segments
                .iter()
                .take(2)
                .copied()
                .collect::<Vec<_>>()
                .join("/");
            Err(Problem::not_implemented(&format!("{method} /{shape}")))
        }
    }
}

/// Checks the names in `S/resourceGroups/G/providers/P/workspaces/W/...` and hands back what is behind them.
fn in_workspace<'a>(state: &State, segments: &'a [&'a str]) -> Result<&'a [&'a str], Problem> {
    let site = &state.site;
    let [
        subscription,
        groups,
        group,
        providers,
        provider,
        workspaces,
        workspace,
        rest @ ..,
    ] = segments
    else {
        let shape = segments.get(1..).unwrap_or_default().join("/");
        return Err(Problem::not_implemented(&format!(
            "/subscriptions/{{id}}/{shape}"
        )));
    };
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    check_subscription(state, subscription)?;
    if !is(group, &site.resource_group) {
        return Err(no_group(group));
    }
    let known = is(groups, "resourceGroups")
        && is(providers, "providers")
        && is(provider, PROVIDER)
        && is(workspaces, "workspaces");
    if !known {
        return Err(Problem::not_implemented(&format!(
            "{provider}/{workspaces}"
        )));
    }
    if !is(workspace, &site.workspace) {
        return Err(Problem::arm(
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            format!(
                "The Resource '{PROVIDER}/workspaces/{workspace}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            ),
        ));
    }
    Ok(rest)
}

fn check_subscription(state: &State, subscription: &str) -> Result<(), Problem> {
    if subscription.eq_ignore_ascii_case(&state.site.subscription) {
        return Ok(());
    }
    Err(Problem::arm(
        StatusCode::NOT_FOUND,
        "SubscriptionNotFound",
        format!("The subscription '{subscription}' could not be found."),
    ))
}

fn no_group(group: &str) -> Problem {
    Problem::arm(
        StatusCode::NOT_FOUND,
        "ResourceGroupNotFound",
        format!("Resource group '{group}' could not be found."),
    )
}

fn arm(state: &Arc<State>, call: &Call, segments: &[&str]) -> Reply {
    let site = &state.site;
    auth::require(site, call, Audience::Management)?;
    if call.query("api-version").is_none_or(str::is_empty) {
        return Err(Problem::no_api_version());
    }
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    let method = call.method.as_str();
    match segments {
        [subscription] if method == "GET" => {
            check_subscription(state, subscription)?;
            return workspace::subscription(site);
        }
        [subscription, groups, group] if method == "GET" && is(groups, "resourceGroups") => {
            check_subscription(state, subscription)?;
            if !is(group, &site.resource_group) {
                return Err(no_group(group));
            }
            return workspace::resource_group(site);
        }
        [subscription, groups, group, _, provider, workspaces]
            if method == "GET"
                && is(groups, "resourceGroups")
                && is(provider, PROVIDER)
                && is(workspaces, "workspaces") =>
        {
            check_subscription(state, subscription)?;
            if !is(group, &site.resource_group) {
                return Err(no_group(group));
            }
            return workspace::list(site);
        }
        [subscription, providers, provider, locations, _, kind, id]
            if method == "GET"
                && is(providers, "providers")
                && is(provider, PROVIDER)
                && is(locations, "locations") =>
        {
            check_subscription(state, subscription)?;
            return match kind.to_lowercase().as_str() {
                "computeoperationsstatus" => compute::operation(state, id),
                "mfeoperationsstatus" => operation::status(state, id),
                "mfeoperationresults" if id.starts_with("jc:") => {
                    job::cancel_result(state, call, id)
                }
                "mfeoperationresults" => operation::result(state, call, id),
                _ => Err(Problem::not_implemented(&format!("GET locations/{kind}"))),
            };
        }
        _ => {}
    }
    resource(state, call, in_workspace(state, segments)?)
}

/// What is below the workspace: the first segment is the collection.
fn resource(state: &Arc<State>, call: &Call, segments: &[&str]) -> Reply {
    let method = call.method.as_str();
    let Some((kind, rest)) = segments.split_first() else {
        return match method {
            "GET" => workspace::get(&state.site),
            _ => Err(Problem::not_implemented(&format!("{method} workspaces"))),
        };
    };
    if let Some(assets) = AssetKind::from_segment(kind) {
        return asset::handle(state, call, assets, rest);
    }
    if let Some(endpoints) = Kind::from_segment(kind) {
        return endpoint::handle(state, call, endpoints, rest);
    }
    match kind.to_lowercase().as_str() {
        "datastores" => datastore::handle(state, call, rest),
        "computes" => compute::handle(state, call, rest),
        "jobs" => job::handle(state, call, rest),
        "schedules" => schedule::handle(state, call, rest),
        "providers"
            if method == "GET"
                && rest
                    .join("/")
                    .eq_ignore_ascii_case("Microsoft.Authorization/permissions") =>
        {
            workspace::permissions()
        }
        _ => Err(Problem::not_implemented(&format!(
            "{method} {kind}{}",
            asset::shape(rest)
        ))),
    }
}

fn data_plane(state: &State, call: &Call, plane: &str, segments: &[&str]) -> Reply {
    auth::require(&state.site, call, Audience::DataPlane)?;
    let rest = in_workspace(state, segments)?;
    match (plane.to_lowercase().as_str(), rest) {
        ("history", rest) => history::handle(state, call, rest),
        ("data", [one, two])
            if call.method == "POST"
                && one.eq_ignore_ascii_case("dataversion")
                && two.eq_ignore_ascii_case("batchGetResolvedUris") =>
        {
            history::resolve_uris(state, call)
        }
        ("mlflow", ["api", "2.0", "mlflow", operation @ ..]) => {
            mlflow::handle(state, call, &operation.join("/"))
        }
        (plane, rest) => Err(Problem::not_implemented(&format!(
            "{} {plane} {}",
            call.method,
            rest.join("/")
        ))),
    }
}
