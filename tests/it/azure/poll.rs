//! Long-running operations, scripted.

use std::time::Duration;

use aml_runner::azure::poll::{Budget, put_and_wait};
use aml_runner::azure::{Address, Answer, ArmError, Call, Notice};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::support::{World, ok, script, status};

const OPERATION: &str = "/subscriptions/S/providers/Microsoft.MachineLearningServices/locations/l/computeOperationsStatus/op";
const HOUR: Budget = Budget::Deadline(Duration::from_secs(3600));

/// A world in which `PUT computes/c` starts an operation that gives `answers`.
async fn operation(answers: Vec<ResponseTemplate>) -> World {
    let world = World::new().await;
    world.grant_tokens().await;
    let link = format!(
        "{}{OPERATION}?api-version=v&s=signature",
        world.server.uri()
    );
    let started = status(201)
        .insert_header("Azure-AsyncOperation", link)
        .set_body_json(json!({"properties": {"provisioningState": "Creating"}}));
    world.on_request("PUT", "computes/c", started).await;
    world.get(OPERATION, script(answers)).await;
    world
        .get(
            "computes/c",
            ok(json!({"properties": {"provisioningState": "Succeeded", "fresh": true}})),
        )
        .await;
    world
}

async fn create(world: &World, budget: Budget) -> Result<Answer, ArmError> {
    let address = Address::Workspace("computes/c".to_owned());
    let call = Call::put(address, "v", json!({}));
    put_and_wait(&world.azure, call, budget, world.azure.observer()).await
}

fn state(state: &str) -> ResponseTemplate {
    ok(json!({"status": state}))
}

fn states(world: &World) -> Vec<String> {
    let notices = world.notices();
    notices
        .iter()
        .filter_map(|notice| {
            if let Notice::Polled { state, .. } = notice {
                Some(state.clone())
            } else {
                None
            }
        })
        .collect()
}

#[tokio::test]
async fn an_operation_that_succeeds_answers_with_the_resource_as_it_then_is() {
    let world = operation(vec![
        state("InProgress"),
        state("InProgress").insert_header("retry-after", "60"),
        state("InProgress").insert_header("retry-after-ms", "500"),
        state("Succeeded"),
    ])
    .await;
    let answer = create(&world, HOUR).await.unwrap();
    assert_eq!(answer.body["properties"]["fresh"], true);
    assert_eq!(states(&world).len(), 3);
    // Immediately, then our own pace, then what the last answer asked for.
    let waited = aml_runner::azure::clock::Time::elapsed(&*world.clock);
    assert_eq!(waited, Duration::from_millis(5000 + 60_000 + 500));
    assert_eq!(
        world.requests(OPERATION).await[0].url.query(),
        Some("api-version=v&s=signature")
    );
}

#[tokio::test]
async fn an_operation_that_fails_says_the_services_code_and_message() {
    let failed = ok(
        json!({"status": "Failed", "error": {"code": "ClusterCoreQuotaReached", "message": "no cores left"}}),
    );
    let world = operation(vec![state("InProgress"), failed]).await;
    let error = create(&world, HOUR).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "PUT computes/c: no cores left (ClusterCoreQuotaReached)"
    );
    assert!(matches!(error, ArmError::Api(_)));
    assert!(
        aml_runner::azure::advice::advice(&error)
            .unwrap()
            .contains("quota")
    );
    let canceled = operation(vec![state("Canceled")]).await;
    let error = create(&canceled, HOUR).await.unwrap_err();
    assert!(error.to_string().contains("Canceled"), "{error}");
}

#[tokio::test]
async fn an_unknown_state_is_in_progress_and_said_once() {
    let world = operation(vec![
        state("Pondering"),
        state("Pondering"),
        state("Succeeded"),
    ])
    .await;
    create(&world, HOUR).await.unwrap();
    let unknown = world
        .notices()
        .iter()
        .filter(
            |notice| matches!(notice, Notice::UnknownState { state, .. } if state == "Pondering"),
        )
        .count();
    assert_eq!(unknown, 1);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_names_the_last_state() {
    let world = operation(vec![state("InProgress")]).await;
    let budget = Budget::Deadline(Duration::from_secs(90));
    let error = create(&world, budget).await.unwrap_err();
    let ArmError::TimedOut { what, state, after } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (what.as_str(), state.as_str()),
        ("PUT computes/c", "InProgress")
    );
    assert_eq!(after.as_secs(), 90);
}

#[tokio::test]
async fn a_status_that_is_not_visible_yet_is_waited_for() {
    let world = operation(vec![status(404), state("Succeeded")]).await;
    create(&world, HOUR).await.unwrap();
    let never = operation(vec![status(404)]).await;
    let error = create(&never, HOUR).await.unwrap_err();
    assert!(matches!(error, ArmError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn a_status_link_to_another_host_is_not_followed() {
    let world = World::new().await;
    world.grant_tokens().await;
    let started = status(201).insert_header("Azure-AsyncOperation", "https://example.com/steal");
    world.on_request("PUT", "computes/c", started).await;
    let error = create(&world, HOUR).await.unwrap_err();
    assert!(
        error.to_string().contains("no token is sent there"),
        "{error}"
    );
}

#[tokio::test]
async fn without_an_operation_the_resources_own_state_is_followed() {
    let resource = |state: &str| ok(json!({"properties": {"provisioningState": state}}));
    let world = World::new().await;
    world.grant_tokens().await;
    world
        .on_request("PUT", "computes/c", resource("Creating"))
        .await;
    world
        .get(
            "computes/c",
            script([resource("Creating"), resource("Succeeded")]),
        )
        .await;
    create(&world, HOUR).await.unwrap();
    assert_eq!(world.requests("computes/c").await.len(), 3);

    let failing = World::new().await;
    failing.grant_tokens().await;
    failing
        .on_request("PUT", "computes/c", resource("Creating"))
        .await;
    let failed = ok(json!({"properties": {"provisioningState": "Failed",
        "provisioningErrors": [{"error": {"code": "OutOfQuota", "message": "none left"}}]}}));
    failing.get("computes/c", failed).await;
    let error = create(&failing, HOUR).await.unwrap_err();
    assert_eq!(error.to_string(), "PUT computes/c: none left (OutOfQuota)");
}

#[tokio::test]
async fn what_is_there_at_once_is_not_asked_for_again() {
    for body in [
        json!({"properties": {"provisioningState": "Succeeded"}}),
        json!({"name": "c"}),
    ] {
        let world = World::new().await;
        world.grant_tokens().await;
        let created = status(201)
            .set_body_json(body)
            .insert_header("location", "https://example.com/itself");
        world.on_request("PUT", "computes/c", created).await;
        create(&world, HOUR).await.unwrap();
        assert_eq!(world.requests("computes/c").await.len(), 1);
    }
}

#[tokio::test]
async fn a_location_is_followed_while_it_answers_202() {
    let world = World::new().await;
    world.grant_tokens().await;
    let link = format!("{}/results/1", world.server.uri());
    let accepted = |link: &str| {
        status(202)
            .insert_header("location", link)
            .set_body_json(Value::Null)
    };
    world
        .on_request("POST", "jobs/j/cancel", accepted(&link))
        .await;
    let next = format!("{}/results/2", world.server.uri());
    world.get("/results/1", accepted(&next)).await;
    world
        .get("/results/2", script([accepted(&next), status(200)]))
        .await;
    let call = Call::post_action(Address::Workspace("jobs/j/cancel".to_owned()), "v", None);
    put_and_wait(&world.azure, call, HOUR, world.azure.observer())
        .await
        .unwrap();
    assert_eq!(world.requests("/results/1").await.len(), 1);
    assert_eq!(world.requests("/results/2").await.len(), 2);
}

#[tokio::test]
async fn a_service_that_stays_unwell_ends_the_wait_at_the_third_drop() {
    let world = operation(vec![state("InProgress"), status(503)]).await;
    let error = create(&world, HOUR).await.unwrap_err();
    assert_eq!(error.service().map(|said| said.status), Some(503));
    // One answer, then three questions of six tries each.
    assert_eq!(world.requests(OPERATION).await.len(), 1 + 3 * 6);
}
