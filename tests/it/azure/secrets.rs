//! Nothing secret in what may be shown: errors, notices, and the client itself.

use aml_runner::azure::client::Settings;
use aml_runner::azure::{Address, Audience, Call, Notice};
use aml_runner::host::IdentityOffer;
use aml_runner::secret::Secret;
use azure_core::http::{Context, Method, Request};
use serde_json::json;
use url::Url;

use super::support::{World, job, named, ok, status};

fn marked() -> Settings {
    Settings {
        client_secret: Some(Secret::new("marked-secret")),
        offer: IdentityOffer::GitHubOidc {
            request_url: "https://x".to_owned(),
            request_token: Secret::new("marked-request-token"),
        },
        ..named()
    }
}

fn token() -> wiremock::ResponseTemplate {
    ok(
        json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": "marked-token"}),
    )
}

#[tokio::test]
async fn errors_and_notices_hold_no_secret_in_any_form() {
    let world = World::with(|_| marked()).await;
    world.tokens(token()).await;
    let leaking = json!({"error": {"code": "X", "message": "at https://a/b?sig=marked-signature with Bearer marked-token"}});
    world
        .get("jobs/j", status(500).set_body_json(leaking))
        .await;
    let refused = world.azure.send(job("j")).await.unwrap_err();
    let link = Url::parse("https://example.com/x?sig=marked-signature").unwrap();
    let foreign = world.azure.send(Call::link(link)).await.unwrap_err();
    let shown = format!(
        "{refused} {refused:?} {foreign} {foreign:?} {:?} {:?}",
        world.notices(),
        world.azure
    );
    assert!(!shown.contains("marked"), "{shown}");
}

#[tokio::test]
async fn a_failed_connection_does_not_show_the_signature_it_was_made_with() {
    let world = World::with(|_| marked()).await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://localhost:{port}/container/blob?sig=marked-signature");
    let mut request = Request::new(Url::parse(&url).unwrap(), Method::Put);
    let error = world
        .azure
        .transport()
        .send(&Context::new(), &mut request)
        .await
        .err()
        .unwrap();
    let mut shown = format!("{error} {error:?}");
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        shown.push_str(&format!("{inner} {inner:?}"));
        cause = inner.source();
    }
    assert!(!shown.contains("marked"), "{shown}");
}

#[tokio::test]
async fn tokens_are_announced_before_they_are_sent() {
    let world = World::with(|_| marked()).await;
    world.tokens(token()).await;
    world.get("jobs/j", status(404)).await;
    let _gone = world.azure.send(job("j")).await.unwrap_err();
    let first = world.notices().into_iter().next().unwrap();
    assert!(matches!(first, Notice::Minted(secret) if secret.expose() == "marked-token"));
    // A repeat's line shows the address without its query.
    world
        .on_request("POST", "data/d/listSecrets", status(503))
        .await;
    let call = Call::post_read(
        Address::Workspace("data/d/listSecrets".to_owned()),
        "v",
        None,
    )
    .query("sig", "marked-signature");
    let _unwell = world.azure.send(call).await.unwrap_err();
    world.azure.token(Audience::Arm).await.unwrap();
    let shown = format!("{:?}", world.notices());
    assert!(shown.contains("listSecrets?api-version=v"), "{shown}");
    assert!(!shown.contains("marked"), "{shown}");
}
