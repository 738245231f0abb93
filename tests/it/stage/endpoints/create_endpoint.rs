//! `create-endpoint`: the first time, again, and on what is not as it should be.

use aml_runner::emulator::Fault;
use serde_json::json;

use super::{CREATE, allocate, answer, bodies, in_state, project, serving, traffic};

const AT: &str = "onlineEndpoints/taxi";

#[tokio::test]
async fn an_endpoint_is_created_once_and_is_unchanged_afterwards() {
    let world = project().await;
    let first = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(first.output("endpoint-name"), "taxi");
    assert_eq!(first.output("traffic"), "none");
    let uri = format!("{}/online/taxi/score", world.emulator.endpoint());
    assert_eq!(first.output("scoring-uri"), uri);
    let again = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(again.output("scoring-uri"), uri);
    assert_eq!(world.writes(), [format!("PUT {AT}")]);
}

#[tokio::test]
async fn traffic_stays_throughout_when_the_file_names_none() {
    let world = serving().await;
    assert_eq!(traffic(&world), "blue=100");
    let before = bodies(&world, AT).len();
    world.file(
        "endpoint.yml",
        &format!("{}description: new words\n", super::ENDPOINT),
    );
    let again = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(again.output("changed"), "updated");
    assert_eq!(again.output("traffic"), "blue=100");
    assert_eq!(traffic(&world), "blue=100");
    let sent = bodies(&world, AT).split_off(before);
    assert_eq!(sent.len(), 1);
    for body in &sent {
        assert_eq!(body["properties"]["traffic"], json!({"blue": 100}));
        assert_eq!(body["properties"]["description"], "new words");
        assert!(body["tags"].get("aml-runner.former-traffic").is_some());
    }
}

#[tokio::test]
async fn traffic_that_the_file_names_counts() {
    let world = serving().await;
    let file = format!("{}traffic:\n  blue: 80\n  green: 20\n", super::ENDPOINT);
    world.file("endpoint.yml", &file);
    let ran = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(ran.output("traffic"), "blue=80 green=20");
    assert_eq!(traffic(&world), "blue=80 green=20");
    let again = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
}

#[tokio::test]
async fn identity_mirror_traffic_access_and_tags_stay_too() {
    let world = serving().await;
    let own = "/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u";
    world.file(
        "endpoint.yml",
        &format!("{}tags: {{team: x}}\npublic_network_access: disabled\nidentity:\n  type: user_assigned\n  user_assigned_identities:\n    - resource_id: {own}\n", super::ENDPOINT),
    );
    world.stage("create-endpoint", CREATE).await.succeeded();
    let mirror = [
        ("endpoint-name", "taxi"),
        ("traffic", "blue=100"),
        ("mirror-traffic", "green=10"),
    ];
    world.stage("allocate-traffic", &mirror).await.succeeded();
    world.file(
        "endpoint.yml",
        &format!("{}description: once more\n", super::ENDPOINT),
    );
    let ran = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    let sent = bodies(&world, AT).pop().unwrap();
    assert_eq!(sent["identity"]["type"], "UserAssigned");
    let ids = sent["identity"]["userAssignedIdentities"].as_object();
    assert_eq!(ids.unwrap().len(), 1);
    assert_eq!(sent["properties"]["mirrorTraffic"], json!({"green": 10}));
    assert_eq!(sent["properties"]["publicNetworkAccess"], "disabled");
    assert_eq!(sent["tags"]["team"], "x");
    // What the file says now replaces what was there; what is ours stays.
    world.file(
        "endpoint.yml",
        &format!("{}tags: {{owner: y}}\n", super::ENDPOINT),
    );
    allocate(&world, "blue=90 green=10").await.succeeded();
    world.stage("create-endpoint", CREATE).await.succeeded();
    let tags = bodies(&world, AT).pop().unwrap()["tags"].clone();
    assert_eq!(
        tags,
        json!({"owner": "y", "aml-runner.former-traffic": "blue=100"})
    );
}

#[tokio::test]
async fn a_batch_endpoint_keeps_its_default_deployment() {
    let world = project().await;
    let inputs = [("file", "batch-endpoint.yml")];
    let first = world.stage("create-endpoint", &inputs).await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(first.output("endpoint-name"), "rides");
    let again = world.stage("create-endpoint", &inputs).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(world.writes(), ["PUT batchEndpoints/rides"]);
}

#[tokio::test]
async fn a_busy_endpoint_is_waited_for() {
    let world = serving().await;
    let faults = world.emulator.faults();
    faults.add("GET", "/onlineEndpoints/taxi?", 2, in_state("Updating"));
    world.file(
        "endpoint.yml",
        &format!("{}description: x\n", super::ENDPOINT),
    );
    let ran = world.stage("create-endpoint", CREATE).await.succeeded();
    assert!(ran.shown.contains("is busy (Updating)"), "{}", ran.shown);
    assert_eq!((ran.output("changed"), faults.pending()), ("updated", 0));
    assert_eq!(traffic(&world), "blue=100");
}

#[tokio::test]
async fn an_endpoint_that_stays_busy_ends_the_stage_on_time() {
    let world = project().await;
    let faults = world.emulator.faults();
    faults.add("GET", "/onlineEndpoints/taxi?", 1000, in_state("Updating"));
    let inputs = [("file", "endpoint.yml"), ("timeout", "1s")];
    let ran = world.stage("create-endpoint", &inputs).await;
    assert_eq!(ran.code, 4, "{}", ran.shown);
    assert!(ran.shown.contains("Updating"), "{}", ran.shown);
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_failed_endpoint_is_explained_and_left_alone() {
    let world = project().await;
    let faults = world.emulator.faults();
    faults.add("GET", "/onlineEndpoints/taxi?", 1, in_state("Failed"));
    let ran = world.stage("create-endpoint", CREATE).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    for word in [
        "exists but is in state Failed",
        "serves nothing",
        "online-endpoint delete -n taxi",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert!(world.writes().is_empty());
    let serving = answer(&json!({"id": "i", "name": "taxi", "location": "eastus",
        "properties": {"authMode": "Key", "provisioningState": "Failed", "traffic": {"blue": 100}}}));
    faults.add("GET", "/onlineEndpoints/taxi?", 1, serving);
    let ran = world.stage("create-endpoint", CREATE).await;
    assert!(
        ran.shown.contains("may still serve blue=100"),
        "{}",
        ran.shown
    );
    assert!(!ran.shown.contains("delete"), "{}", ran.shown);
}

#[tokio::test]
async fn names_that_are_taken_or_still_kept_are_told_apart() {
    for (status, message, word) in [
        (
            400,
            "There is already an endpoint with this name, Endpoint name needs to be unique within a region",
            "taken for everybody in the region",
        ),
        (
            409,
            "An endpoint of this name is soft-deleted.",
            "recover or purge it",
        ),
    ] {
        let world = project().await;
        let fault = Fault::arm(status, "UserError", message);
        let faults = world.emulator.faults();
        faults.add("PUT", "/onlineEndpoints/taxi", 1, fault);
        let ran = world.stage("create-endpoint", CREATE).await;
        assert_eq!(ran.code, 1, "{}", ran.shown);
        assert!(ran.shown.contains(message), "{}", ran.shown);
        let advice = ran.report.advice.unwrap_or_default();
        assert!(advice.contains(word), "{advice}");
        assert_eq!(world.writes().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_whose_first_answer_was_lost_is_created_once() {
    let world = project().await;
    let faults = world.emulator.faults();
    faults.add("PUT", "/onlineEndpoints/taxi", 1, Fault::DropAfter);
    let ran = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(ran.output("changed"), "created", "{}", ran.shown);
    let again = world.stage("create-endpoint", CREATE).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_stay_and_sends_nothing() {
    let world = serving().await;
    let before = world.writes();
    world.file(
        "endpoint.yml",
        &format!("{}description: x\n", super::ENDPOINT),
    );
    let inputs = [("file", "endpoint.yml"), ("dry-run", "true")];
    let ran = world.stage("create-endpoint", &inputs).await.succeeded();
    assert!(ran.shown.contains("\"blue\": 100"), "{}", ran.shown);
    assert!(ran.shown.contains("(updated)"), "{}", ran.shown);
    assert_eq!(world.writes(), before);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_said_before_anything_is_sent() {
    let world = project().await;
    world.file("endpoint.yml", "name: taxi\nauth_mod: key\n");
    let inputs = [("file", "endpoint.yml"), ("endpoint-type", "online")];
    let ran = world.stage("create-endpoint", &inputs).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    assert!(ran.shown.contains("auth_mode"), "{}", ran.shown);
    assert!(world.emulator.requests().is_empty());
}
