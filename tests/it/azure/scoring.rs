//! Calling endpoints, against scripted answers: who we say we are, what is sent how often, and which job is ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aml_runner::azure::ArmError;
use aml_runner::azure::endpoints::{Endpoint, Family};
use aml_runner::azure::scoring::{Doubt, Invocation, Payload, Scored, Scorer, invoke};
use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use super::support::{WORKSPACE, World, header, ok, script, status};

fn endpoint(family: Family, auth: &str, scoring_uri: &str) -> Endpoint {
    let body = json!({"id": "i", "name": "taxi", "properties": {"authMode": auth, "provisioningState": "Succeeded",
        "scoringUri": scoring_uri, "traffic": {"blue": 100}}});
    Endpoint::parse(family, body)
}

/// An online endpoint that answers with `answers`, one after the other.
async fn world(answers: Vec<ResponseTemplate>) -> World {
    let world = World::new().await;
    world.grant_tokens().await;
    let keys = ok(json!({"primaryKey": "marked-key", "secondaryKey": "other"}));
    world
        .on_request("POST", "onlineEndpoints/taxi/listKeys", keys)
        .await;
    let token = ok(json!({"accessToken": "marked-aml-token", "tokenType": "Bearer"}));
    world
        .on_request("POST", "onlineEndpoints/taxi/token", token)
        .await;
    world.on_request("POST", "/score", script(answers)).await;
    world
}

async fn score(world: &World, auth: &str, deployment: Option<&str>) -> Result<Scored, ArmError> {
    let address = format!("{}/score", world.server.uri());
    let endpoint = endpoint(Family::Online, auth, &address);
    let scorer = Scorer::open(&world.azure, &endpoint, deployment).await?;
    let payload = Payload {
        content_type: "application/json",
        bytes: b"{\"data\": [1]}".to_vec(),
    };
    scorer.score(&payload).await
}

#[tokio::test]
async fn a_deployment_is_called_by_name_with_what_the_endpoint_takes() {
    for (auth, bearer) in [
        ("Key", "Bearer marked-key"),
        ("AMLToken", "Bearer marked-aml-token"),
        ("AADToken", "Bearer token-1"),
    ] {
        let world = world(vec![ok(json!([7]))]).await;
        let answer = score(&world, auth, Some("green")).await.unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, b"[7]".as_slice())
        );
        let sent = &world.requests("/score").await[0];
        assert_eq!(header(sent, "authorization"), Some(bearer), "{auth}");
        assert_eq!(header(sent, "azureml-model-deployment"), Some("green"));
        assert_eq!(header(sent, "content-type"), Some("application/json"));
        assert_eq!(sent.body, b"{\"data\": [1]}");
        let secret = bearer.trim_start_matches("Bearer ").to_owned();
        assert!(world.minted().contains(&secret), "{auth}");
    }
}

#[tokio::test]
async fn without_a_deployment_the_traffic_decides() {
    let world = world(vec![ok(json!([7]))]).await;
    score(&world, "Key", None).await.unwrap();
    let sent = &world.requests("/score").await[0];
    assert_eq!(header(sent, "azureml-model-deployment"), None);
}

#[tokio::test]
async fn what_cannot_have_reached_the_model_is_sent_again_and_nothing_else() {
    for (code, times) in [
        (429, 2),
        (503, 2),
        (400, 1),
        (401, 1),
        (404, 1),
        (408, 1),
        (424, 1),
        (500, 1),
        (502, 1),
        (504, 1),
    ] {
        let world = world(vec![status(code), ok(json!([7]))]).await;
        let answer = score(&world, "Key", Some("green")).await.unwrap();
        assert_eq!(world.requests("/score").await.len(), times, "{code}");
        let seen = if times == 2 { 200 } else { code };
        assert_eq!(answer.status, seen, "{code}");
    }
}

#[tokio::test]
async fn the_wait_before_a_repeat_is_not_the_models_latency() {
    let busy = status(503).insert_header("retry-after", "90");
    let world = world(vec![busy, ok(json!([7]))]).await;
    let answer = score(&world, "Key", None).await.unwrap();
    assert_eq!(world.waits(), [Duration::from_secs(90)]);
    assert_eq!(answer.latency, Duration::ZERO);
}

#[tokio::test]
async fn a_key_is_not_sent_in_plain_http_and_not_even_asked_for() {
    let world = world(vec![ok(json!([7]))]).await;
    for address in [
        "http://10.0.0.1/score",
        "http://127.0.0.1:1/score",
        "ftp://x/score",
        "",
    ] {
        let endpoint = endpoint(Family::Online, "Key", address);
        let refused = Scorer::open(&world.azure, &endpoint, None)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, ArmError::Decode { .. }),
            "{address}: {refused}"
        );
    }
    assert!(
        world
            .requests("onlineEndpoints/taxi/listKeys")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_kept_in_memory() {
    let long = status(200).set_body_bytes(vec![b' '; (32 << 20) + 1]);
    let world = world(vec![long]).await;
    let refused = score(&world, "Key", None).await.unwrap_err();
    assert!(
        refused.to_string().contains("longer than 32 MiB"),
        "{refused}"
    );
}

/// Remembers what an invoke sent, answers it with `answer`, and lists its job in the way that `listed` makes of it.
#[derive(Clone)]
struct Batch {
    sent: Arc<Mutex<Option<Value>>>,
    answer: ResponseTemplate,
    listed: fn(&Value) -> Value,
}

impl Respond for Batch {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut sent = self.sent.lock().unwrap();
        if request.method.as_str() == "POST" {
            *sent = Some(request.body_json().unwrap());
            return self.answer.clone();
        }
        let other =
            json!({"name": "batchjob-other", "properties": {"status": "Running", "name": "mango"}});
        let ours = sent.as_ref().map(|sent| (self.listed)(&sent["properties"]));
        let jobs: Vec<Value> = std::iter::once(other).chain(ours).collect();
        ok(json!({"value": jobs, "nextLink": "https://elsewhere.example/next"}))
    }
}

async fn batch_world(answer: ResponseTemplate, listed: fn(&Value) -> Value) -> World {
    let world = World::new().await;
    world.grant_tokens().await;
    let uri = world.server.uri();
    let facts = json!({"id": WORKSPACE, "name": "W", "location": "eastus", "properties": {"workspaceId": "w",
        "discoveryUrl": format!("{uri}/discovery")}});
    world.get("", ok(facts)).await;
    world.get(WORKSPACE, ok(json!({"id": WORKSPACE, "name": "W", "location": "eastus", "properties": {"workspaceId": "w",
        "discoveryUrl": format!("{uri}/discovery")}}))).await;
    world.get("/discovery", ok(json!({"api": uri}))).await;
    let batch = Batch {
        sent: Arc::default(),
        answer,
        listed,
    };
    world.on_request("POST", "/jobs", batch.clone()).await;
    world.get(&list(), batch).await;
    world
}

fn list() -> String {
    format!("/mferp/managementfrontend{WORKSPACE}/batchEndpoints/taxi/jobs")
}

async fn invoked(world: &World) -> Result<String, Doubt> {
    let address = format!("{}/jobs", world.server.uri());
    let endpoint = endpoint(Family::Batch, "AADToken", &address);
    let inputs = json!({"UriFolder": {"jobInputType": "UriFolder", "uri": "azureml://x"}});
    let invocation = Invocation::new(inputs, Some("d"));
    let job = invoke(&world.azure, &endpoint, &invocation).await?;
    Ok(job.name)
}

fn by_name(sent: &Value) -> Value {
    json!({"name": "batchjob-ours", "properties": {"status": "Preparing", "name": sent["name"]}})
}

fn by_tag(sent: &Value) -> Value {
    json!({"name": "batchjob-ours", "properties": {"status": "Preparing", "name": "kiwi", "tags": sent["tags"]}})
}

fn not_at_all(_: &Value) -> Value {
    json!({"name": "batchjob-third", "properties": {"status": "Running"}})
}

#[tokio::test]
async fn an_invoke_carries_a_repeatability_id_and_its_answer_names_the_job() {
    let made = status(201)
        .set_body_json(json!({"name": "batchjob-1", "properties": {"status": "Preparing"}}));
    let world = batch_world(made, by_name).await;
    assert_eq!(invoked(&world).await.unwrap(), "batchjob-1");
    let sent = &world.requests("/jobs").await[0];
    assert_eq!(header(sent, "azureml-model-deployment"), Some("d"));
    assert!(uuid::Uuid::parse_str(header(sent, "repeatability_request-id").unwrap()).is_ok());
    let body: Value = sent.body_json().unwrap();
    assert_eq!(
        body["properties"]["inputData"]["UriFolder"]["uri"],
        "azureml://x"
    );
    assert!(world.requests(&list()).await.is_empty());
}

#[tokio::test]
async fn after_an_answer_that_leaves_it_open_the_job_is_found_in_the_list_and_the_invoke_not_sent_again()
 {
    for listed in [by_name as fn(&Value) -> Value, by_tag] {
        for code in [500, 502, 504] {
            let world = batch_world(status(code), listed).await;
            assert_eq!(invoked(&world).await.unwrap(), "batchjob-ours", "{code}");
            assert_eq!(world.requests("/jobs").await.len(), 1, "{code}");
        }
    }
}

#[tokio::test]
async fn an_invoke_whose_job_is_not_listed_stays_open_and_is_not_sent_again() {
    let world = batch_world(status(502), not_at_all).await;
    let doubt = invoked(&world).await.unwrap_err();
    assert!(matches!(doubt, Doubt::Open(_)), "{doubt}");
    assert!(doubt.to_string().contains("not sent again"), "{doubt}");
    assert_eq!(world.requests("/jobs").await.len(), 1);
    // It was looked for more than once: a job takes a moment to be listed.
    assert!(world.requests(&list()).await.len() > 1);
}

#[tokio::test]
async fn an_invoke_that_is_refused_begins_nothing() {
    let no = status(400)
        .set_body_json(json!({"error": {"code": "BadRequest", "message": "no such input"}}));
    let world = batch_world(no, by_name).await;
    let doubt = invoked(&world).await.unwrap_err();
    assert!(matches!(doubt, Doubt::Refused(ArmError::Api(_))), "{doubt}");
    assert!(world.requests(&list()).await.is_empty());
}
