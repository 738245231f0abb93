//! Requests: addresses, repeats, renewal.

use std::time::Duration;

use aml_runner::azure::{Address, ArmError, Call};
use serde_json::json;

use super::support::{World, header, job, ok, script, status};

#[tokio::test]
async fn a_read_goes_through_metadata_sign_in_and_comes_back_as_json() {
    let world = World::new().await;
    world.grant_tokens().await;
    world.get("jobs/j", ok(json!({"name": "j"}))).await;
    let answer = world.azure.send(job("j")).await.unwrap();
    assert_eq!(answer.body["name"], "j");
    let sent = &world.requests("jobs/j").await[0];
    assert_eq!(header(sent, "authorization"), Some("Bearer token-1"));
    assert_eq!(sent.url.query(), Some("api-version=2024-01-01-preview"));
    assert!(
        header(sent, "user-agent")
            .unwrap()
            .starts_with("aml-runner/")
    );
    assert!(header(sent, "x-ms-client-request-id").is_some());
    assert_eq!(world.minted(), ["token-1"]);
}

#[tokio::test]
async fn what_fails_in_passing_is_sent_again() {
    for code in [408, 429, 500, 502, 503, 504] {
        let world = World::new().await;
        world.grant_tokens().await;
        world
            .get(
                "jobs/j",
                script([status(code), status(code), ok(json!({}))]),
            )
            .await;
        world.azure.send(job("j")).await.unwrap();
        assert_eq!(world.requests("jobs/j").await.len(), 3, "{code}");
        assert_eq!(world.waits().len(), 2, "{code}");
    }
}

#[tokio::test]
async fn retry_after_counts_on_every_status() {
    for code in [408, 429, 500, 502, 503, 504] {
        let world = World::new().await;
        world.grant_tokens().await;
        let busy = status(code).insert_header("retry-after", "7");
        world.get("jobs/j", script([busy, ok(json!({}))])).await;
        world.azure.send(job("j")).await.unwrap();
        assert_eq!(world.waits(), [Duration::from_secs(7)], "{code}");
    }
}

#[tokio::test]
async fn an_action_is_not_sent_again_unless_it_was_refused() {
    for (code, times) in [(500, 1), (503, 1), (429, 2)] {
        let world = World::new().await;
        world.grant_tokens().await;
        world
            .on_request("POST", "jobs/j/cancel", script([status(code), status(202)]))
            .await;
        let address = Address::Workspace("jobs/j/cancel".to_owned());
        let outcome = world
            .azure
            .send(Call::post_action(address, "v", None))
            .await;
        assert_eq!(outcome.is_ok(), times == 2, "{code}: {outcome:?}");
        assert_eq!(world.requests("jobs/j/cancel").await.len(), times, "{code}");
    }
}

#[tokio::test]
async fn what_is_gone_is_said_at_once() {
    let world = World::new().await;
    world.grant_tokens().await;
    let gone = status(404)
        .insert_header("x-ms-correlation-request-id", "id-1")
        .set_body_json(json!({"error": {"code": "NotFound", "message": "no such job"}}));
    world.get("jobs/j", gone).await;
    let error = world.azure.send(job("j")).await.unwrap_err();
    assert!(matches!(error, ArmError::NotFound(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "GET jobs/j: not found: no such job (NotFound)"
    );
    assert_eq!(error.request_id(), Some("id-1"));
    assert!(world.waits().is_empty());
}

#[tokio::test]
async fn a_token_is_kept_for_its_hour_and_renewed_before_its_end() {
    let world = World::new().await;
    world.grant_tokens().await;
    world.get("jobs/j", ok(json!({}))).await;
    for minutes in [0, 30, 20, 6, 30] {
        world.clock.advance(Duration::from_secs(60 * minutes));
        world.azure.send(job("j")).await.unwrap();
    }
    // At 50 minutes the first still had ten left, at 56 four: too few.
    let sent = world.requests("jobs/j").await;
    let tokens: Vec<_> = sent
        .iter()
        .map(|one| header(one, "authorization"))
        .collect();
    let (first, second) = (Some("Bearer token-1"), Some("Bearer token-2"));
    assert_eq!(tokens[..4], [first, first, first, second]);
    assert_eq!(world.token_requests().await.len(), 3);
}
