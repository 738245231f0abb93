//! What is asked of every request, whatever it is for; and faults.

use std::time::{Duration, Instant};

use aml_runner::emulator::{Emulator, Fault, Options};
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};

#[tokio::test]
async fn the_workspace_answers_with_addresses_of_the_emulator() {
    let desk = Desk::open().await;
    let workspace = desk.get("").await.body;
    assert_eq!(workspace["id"], desk.workspace());
    let discovery = workspace["properties"]["discoveryUrl"].as_str().unwrap();
    let answer = desk.http.get(discovery).send().await.unwrap();
    assert_eq!(
        Answer::of(answer).await.body["api"],
        desk.emulator.endpoint()
    );
    let shouted = desk
        .workspace()
        .to_uppercase()
        .replace("/SUBSCRIPTIONS/", "/subscriptions/");
    let answer = desk
        .at(Method::GET, &format!("{shouted}?Api-Version=1"), None)
        .await;
    assert_eq!(
        answer.status, 200,
        "ids and query names are compared without case"
    );
    let permissions = desk
        .get("/providers/Microsoft.Authorization/permissions")
        .await
        .body;
    assert_eq!(permissions["value"][0]["actions"], json!(["*"]));
}

#[tokio::test]
async fn metadata_is_one_object_or_an_array_by_version() {
    let desk = Desk::open().await;
    let get = |version: &str| {
        let url = format!(
            "{}/metadata/endpoints?api-version={version}",
            desk.emulator.endpoint()
        );
        let http = desk.http.clone();
        async move { Answer::of(http.get(url).send().await.unwrap()).await.body }
    };
    assert_eq!(get("2022-09-01").await["name"], "AmlRunnerEmulator");
    let old = get("2019-05-01").await;
    assert_eq!(old[0]["resourceManager"], desk.emulator.endpoint());
}

#[tokio::test]
async fn a_missing_version_or_token_is_refused_in_the_words_of_arm() {
    let desk = Desk::open().await;
    let bare = desk.at(Method::GET, &desk.workspace(), None).await;
    assert_eq!(
        (bare.status, &bare.body["error"]["code"]),
        (400, &json!("MissingApiVersionParameter"))
    );
    let url = format!(
        "{}{}?api-version=1",
        desk.emulator.endpoint(),
        desk.workspace()
    );
    let with = |token: Option<String>| {
        let request = desk.http.get(&url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async { Answer::of(request.send().await.unwrap()).await }
    };
    let none = with(None).await;
    assert_eq!(
        (none.status, &none.body["error"]["code"]),
        (401, &json!("AuthenticationFailed"))
    );
    assert!(!none.header("www-authenticate").is_empty());
    let other = with(Some(
        desk.emulator.access_token("https://storage.azure.com"),
    ))
    .await;
    assert_eq!(
        (other.status, &other.body["error"]["code"]),
        (401, &json!("InvalidAuthenticationTokenAudience"))
    );
    assert_eq!(with(Some("nonsense".to_owned())).await.status, 401);
}

#[tokio::test]
async fn wrong_coordinates_are_told_apart() {
    let desk = Desk::open().await;
    let (subscription, group) = (
        desk.emulator.subscription().to_owned(),
        desk.emulator.resource_group().to_owned(),
    );
    for (wrong, code) in [
        (
            desk.workspace()
                .replace(&subscription, "11111111-0000-0000-0000-000000000000"),
            "SubscriptionNotFound",
        ),
        (
            desk.workspace().replace(&group, "rg-other"),
            "ResourceGroupNotFound",
        ),
        (format!("{}-other", desk.workspace()), "ResourceNotFound"),
    ] {
        let answer = desk
            .at(Method::GET, &format!("{wrong}?api-version=1"), None)
            .await;
        assert_eq!(
            (
                answer.status,
                answer.body["error"]["code"].as_str().unwrap()
            ),
            (404, code)
        );
        assert!(
            answer.header("x-ms-response-type").is_empty(),
            "ARM's own answers do not carry it"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_names_itself() {
    let desk = Desk::open().await;
    for (method, path, operation) in [
        (
            Method::PUT,
            "/serverlessEndpoints/e",
            "PUT serverlessEndpoints/{name}",
        ),
        (Method::DELETE, "/jobs/j", "DELETE jobs/{name}"),
        (
            Method::POST,
            "/computes/c/start",
            "POST computes/{name}/start",
        ),
    ] {
        let answer = desk.arm(method, path, Some(json!({}))).await;
        assert_eq!(answer.status, 501);
        assert_eq!(
            answer.body["error"]["code"],
            format!("NotImplemented: {operation}")
        );
    }
    let sweep = desk
        .put("/jobs/s", json!({"properties": {"jobType": "Sweep"}}))
        .await;
    assert_eq!(
        sweep.body["error"]["code"],
        "NotImplemented: PUT jobs (Sweep)"
    );
}

#[tokio::test]
async fn queued_faults_meet_the_next_matching_requests_only() {
    let desk = Desk::open().await;
    let faults = desk.emulator.faults();
    faults.add(
        "GET",
        "/computes",
        2,
        Fault::arm(429, "TooManyRequests", "slow down").with_header("Retry-After", "7"),
    );
    assert_eq!(desk.get("/datastores").await.status, 200);
    for _ in 0..2 {
        let answer = desk.get("/computes").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    }
    assert_eq!(desk.get("/computes").await.status, 200);
    assert_eq!(faults.pending(), 0);
    faults.add("*", "/computes", 1, Fault::Delay(Duration::from_millis(60)));
    let before = Instant::now();
    assert_eq!(desk.get("/computes").await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_connection_can_be_lost_before_or_after_the_write() {
    let desk = Desk::open().await;
    let put = |name: &str| {
        let url = format!(
            "{}{}/data/{name}/versions/1?api-version=1",
            desk.emulator.endpoint(),
            desk.workspace()
        );
        let body = json!({"properties": {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/x"}});
        desk.http
            .put(url)
            .bearer_auth(desk.token())
            .body(body.to_string())
            .send()
    };
    for (name, fault, there) in [
        ("before", Fault::DropBefore, 404),
        ("after", Fault::DropAfter, 200),
    ] {
        desk.emulator.faults().add("PUT", name, 1, fault);
        assert!(
            put(name).await.is_err(),
            "{name}: the connection has to be lost"
        );
        assert_eq!(
            desk.get(&format!("/data/{name}/versions/1")).await.status,
            there,
            "{name}"
        );
    }
    let lost: Vec<_> = desk
        .emulator
        .requests()
        .into_iter()
        .filter(|one| one.method == "PUT")
        .collect();
    assert_eq!(lost.len(), 2);
    assert!(lost.iter().all(|one| one.status.is_none()));
}

#[tokio::test]
async fn requests_are_recorded_for_assertions() {
    let desk = Desk::open().await;
    desk.put("/data/d%20x/versions/1", json!({"properties": {"k": "v"}}))
        .await;
    let all = desk.emulator.requests();
    let last = all.last().unwrap();
    assert_eq!((last.method.as_str(), last.status), ("PUT", Some(400)));
    assert!(last.path.ends_with("/data/d x/versions/1"), "{}", last.path);
    assert_eq!(last.query("API-VERSION"), Some("2024-10-01"));
    assert_eq!(last.body.as_ref().unwrap()["properties"]["k"], "v");
    assert_eq!(last.host, format!("localhost:{}", desk.emulator.port()));
    assert_eq!(
        last.claims
            .as_ref()
            .and_then(|claims| claims["aud"].as_str()),
        Some("https://management.azure.com")
    );
    assert_ne!(all, Vec::new());
    assert_eq!(
        desk.get("/data/d").await.body["error"]["additionalInfo"][0]["info"]["value"],
        Value::from("managementfrontend")
    );
}

#[tokio::test]
async fn a_name_from_elsewhere_that_leads_to_loopback_gets_nothing() {
    let desk = Desk::open().await;
    let port = desk.emulator.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        (format!("evil.example:{port}"), 421),
        ("localhost.evil.example".to_owned(), 421),
        (format!("192.168.1.2:{port}"), 421),
    ] {
        let url = format!("{}/studio", desk.emulator.endpoint());
        let answer = desk
            .http
            .get(url)
            .header("host", &host)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let desk = Desk::open().await;
    let port = desk.emulator.port();
    let options = Options {
        port,
        ..Options::default()
    };
    let error = Emulator::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("port {port}: ")), "{error}");
}
