//! Where requests go and where they must not: the stand-in on this machine, other hosts, plain http.

use aml_runner::azure::client::Settings;
use aml_runner::azure::{Address, ArmError, Azure, Call, WorkspaceId};
use aml_runner::secret::Secret;
use azure_core::http::{Context, Method, Request};
use serde_json::json;
use std::sync::Arc;
use url::Url;
use wiremock::{MockServer, ResponseTemplate};

use super::support::{SECRET, WORKSPACE, World, header, job, named, ok, status, workspace};

#[tokio::test]
async fn a_link_to_another_host_gets_no_request_at_all() {
    let world = World::new().await;
    world.grant_tokens().await;
    let foreign = MockServer::start().await;
    for link in [
        format!("{}/operations/1", foreign.uri()),
        "https://example.com/operations/1".to_owned(),
        format!(
            "https://stmlops.blob.localhost:{}/x",
            world.server.address().port()
        ),
    ] {
        let error = world
            .azure
            .send(Call::link(Url::parse(&link).unwrap()))
            .await
            .unwrap_err();
        assert!(matches!(error, ArmError::Decode { .. }), "{error:?}");
        assert!(
            error.to_string().contains("no token is sent there"),
            "{error}"
        );
    }
    assert!(foreign.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_link_of_the_stand_in_is_followed_under_any_of_its_names() {
    let world = World::new().await;
    world.grant_tokens().await;
    world
        .get("/operations/1", ok(json!({"status": "Succeeded"})))
        .await;
    let port = world.server.address().port();
    for host in ["localhost", "127.0.0.1"] {
        let link = Url::parse(&format!("http://{host}:{port}/operations/1?s=signature")).unwrap();
        world.azure.send(Call::link(link)).await.unwrap();
    }
    let requests = world.requests("/operations/1").await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].url.query(), Some("s=signature"));
    assert!(header(&requests[0], "authorization").is_some());
}

#[tokio::test]
async fn names_under_localhost_lead_to_this_machine() {
    let world = World::new().await;
    world.get("/container/blob", status(200)).await;
    let port = world.server.address().port();
    // As a blob client sends it: https, an account's own name, through the shared transport.
    for scheme in ["https", "http"] {
        let url = Url::parse(&format!(
            "{scheme}://stmlops.blob.localhost:{port}/container/blob"
        ))
        .unwrap();
        let mut request = Request::new(url, Method::Get);
        let answer = world
            .azure
            .transport()
            .send(&Context::new(), &mut request)
            .await
            .unwrap();
        assert_eq!(u16::from(answer.status()), 200);
    }
    let requests = world.requests("/container/blob").await;
    let host = header(&requests[0], "host").unwrap();
    assert_eq!(host, format!("stmlops.blob.localhost:{port}"));
}

#[tokio::test]
async fn another_port_of_this_machine_is_not_spoken_to_in_plain_http() {
    let world = World::new().await;
    let other = MockServer::start().await;
    let url = other.uri().replace("http://", "https://");
    let mut request = Request::new(Url::parse(&url).unwrap(), Method::Get);
    request.insert_header("authorization", "Bearer marked-token");
    let sent = world
        .azure
        .transport()
        .send(&Context::new(), &mut request)
        .await;
    // TLS was tried, and wiremock does not speak it.
    assert!(sent.is_err());
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[test]
fn plain_http_to_other_machines_is_refused_before_anything_is_sent() {
    for endpoint in [
        "http://management.azure.com",
        "http://10.0.0.1:80",
        "http://localhost",
    ] {
        let settings = Settings {
            client_secret: Some(Secret::new(SECRET)),
            arm_endpoint: Some(Url::parse(endpoint).unwrap()),
            ..named()
        };
        let error = Azure::new(settings, workspace(), Arc::new(|_| {})).unwrap_err();
        assert!(
            error.message.contains("http://localhost") || error.message.contains("plain http"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_request_in_plain_http_is_refused_by_the_transport_too() {
    let world = World::new().await;
    let mut request = Request::new(
        Url::parse("http://example.com/?sig=marked").unwrap(),
        Method::Get,
    );
    let sent = world
        .azure
        .transport()
        .send(&Context::new(), &mut request)
        .await;
    let error = sent
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(error.contains("plain http"), "{error}");
    assert!(!error.contains("marked"), "{error}");
}

#[tokio::test]
async fn a_login_endpoint_in_plain_http_elsewhere_gets_no_secret() {
    let server = MockServer::start().await;
    let settings = Settings {
        client_secret: Some(Secret::new(SECRET)),
        ..named()
    };
    let world = World::on(server, settings);
    let body = json!({"name": "x", "authentication": {"loginEndpoint": "http://example.com", "audiences": []}});
    world.get("/metadata/endpoints", ok(body)).await;
    let error = world.azure.send(job("j")).await.unwrap_err();
    assert!(error.to_string().contains("plain http"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_no_resource_manager_is_said_to_be_none() {
    for answer in [
        status(404).set_body_string("<html>not here</html>"),
        ResponseTemplate::new(200).set_body_string("<html>welcome</html>"),
        ok(json!({"name": "something else"})),
    ] {
        let settings = Settings {
            client_secret: Some(Secret::new(SECRET)),
            ..named()
        };
        let world = World::on(MockServer::start().await, settings);
        world.get("/metadata/endpoints", answer).await;
        let error = world.azure.send(job("j")).await.unwrap_err();
        let ArmError::SignIn(error) = error else {
            panic!("{error:?}");
        };
        assert!(error.message.contains(&world.server.uri()), "{error}");
        assert!(error.advice.unwrap().contains("arm-endpoint"));
        assert!(world.token_requests().await.is_empty());
    }
}

#[tokio::test]
async fn metadata_workspace_and_discovery_are_asked_once_however_many_ask() {
    let world = World::new().await;
    world.grant_tokens().await;
    let uri = world.server.uri();
    world
        .get(
            WORKSPACE,
            ok(json!({"id": WORKSPACE, "location": "eastus", "properties": {"workspaceId": "guid", "tenantId": "t",
                "discoveryUrl": format!("{uri}/discovery"), "mlFlowTrackingUri": "azureml://x", "storageAccount": "account"}})),
        )
        .await;
    world.get("/discovery", ok(json!({"api": uri}))).await;
    let runs = format!("/history/v1.0{WORKSPACE}/runs/j");
    world.get(&runs, ok(json!({}))).await;
    let read = |path: &str| {
        world
            .azure
            .send(Call::get(Address::DataPlane(path.to_owned()), None))
    };
    let (one, two, facts, cloud) = tokio::join!(
        read("history/v1.0/{ws}/runs/j"),
        read("/history/v1.0{ws}/runs/j"),
        world.azure.workspace_facts(),
        world.azure.cloud()
    );
    one.unwrap();
    two.unwrap();
    assert_eq!(facts.unwrap().workspace_id, "guid");
    assert_eq!(cloud.unwrap().name, "AzureCloud");
    for (path, times) in [
        ("/metadata/endpoints", 1),
        (WORKSPACE, 1),
        ("/discovery", 1),
        (&runs, 2),
    ] {
        assert_eq!(world.requests(path).await.len(), times, "{path}");
    }
    assert_eq!(world.token_requests().await.len(), 1);
    assert!(header(&world.requests("/discovery").await[0], "authorization").is_none());
}

#[tokio::test]
async fn a_known_cloud_is_not_asked_for_its_metadata() {
    let settings = Settings {
        client_secret: Some(Secret::new(SECRET)),
        cloud: Some("AzureUSGovernment".to_owned()),
        ..named()
    };
    let id = WorkspaceId { ..workspace() };
    let azure = Azure::new(settings, id, Arc::new(|_| {})).unwrap();
    let cloud = azure.cloud().await.unwrap();
    assert_eq!(cloud.arm.as_str(), "https://management.usgovcloudapi.net/");
    assert_eq!(cloud.login.as_str(), "https://login.microsoftonline.us/");
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_said_to_be_none() {
    let world = World::new().await;
    world.grant_tokens().await;
    world
        .get(
            "jobs/j",
            ResponseTemplate::new(200).set_body_string("<html>"),
        )
        .await;
    let error = world.azure.send(job("j")).await.unwrap_err();
    assert!(matches!(error, ArmError::Decode { .. }), "{error:?}");
}
