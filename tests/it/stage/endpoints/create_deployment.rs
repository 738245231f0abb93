//! `create-deployment`: made, unchanged, updated in place, and every way in which it can fail.

use std::fs;

use aml_runner::emulator::Fault;
use serde_json::json;

use super::{CREATE, RAISES, SCORE, answer, bodies, deployment, project, serving, traffic};
use crate::support::world::{Ran, World};

const AT: &str = "onlineEndpoints/taxi/deployments/blue";

async fn deploy(world: &World, file: &str) -> Ran {
    let inputs = [("file", file)];
    world.stage("create-deployment", &inputs).await
}

async fn endpoint() -> World {
    let world = project().await;
    world.stage("create-endpoint", CREATE).await.succeeded();
    world
}

#[tokio::test]
async fn a_deployment_is_made_once_and_updated_in_place_when_something_changed() {
    let world = endpoint().await;
    let first = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(first.output("endpoint-name"), "taxi");
    assert_eq!(first.output("deployment-name"), "blue");
    assert!(first.output("scoring-uri").ends_with("/online/taxi/score"));
    let writes = world.writes();
    let again = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(world.writes(), writes);
    world.file(
        "blue.yml",
        &deployment("blue").replace("count: 1", "count: 2"),
    );
    let more = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(more.output("changed"), "updated");
    assert_eq!(bodies(&world, AT).pop().unwrap()["sku"]["capacity"], 2);
    world.file("src/score.py", &format!("{SCORE}# other\n"));
    let code = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(code.output("changed"), "updated");
    assert_eq!(traffic(&world), "", "no traffic was moved");
}

#[tokio::test]
async fn names_from_inputs_win_over_the_file() {
    let world = endpoint().await;
    let inputs = [
        ("file", "blue.yml"),
        ("name", "red"),
        ("endpoint-name", "taxi"),
    ];
    let ran = world.stage("create-deployment", &inputs).await.succeeded();
    assert_eq!(ran.output("deployment-name"), "red");
    assert!(
        world
            .writes()
            .contains(&"PUT onlineEndpoints/taxi/deployments/red".to_owned())
    );
}

#[tokio::test]
async fn an_update_of_what_is_live_says_so_and_leaves_the_traffic() {
    let world = serving().await;
    world.file(
        "blue.yml",
        &deployment("blue").replace("count: 1", "count: 3"),
    );
    let ran = deploy(&world, "blue.yml").await.succeeded();
    assert!(
        ran.shown.contains("blue has 100 % of the requests"),
        "{}",
        ran.shown
    );
    assert_eq!(traffic(&world), "blue=100");
}

#[tokio::test]
async fn without_its_endpoint_nothing_is_uploaded() {
    let world = project().await;
    let ran = deploy(&world, "blue.yml").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("online endpoint taxi does not exist"),
        "{}",
        ran.shown
    );
    assert!(ran.shown.contains("create-endpoint first"), "{}", ran.shown);
    assert!(world.writes().is_empty());
    let uploads = world.emulator.requests().into_iter();
    assert_eq!(uploads.filter(|request| request.method == "PUT").count(), 0);
}

#[tokio::test]
async fn a_script_that_raises_fails_with_its_log_and_is_made_good_by_the_next_run() {
    let world = endpoint().await;
    world.file("src/score.py", RAISES);
    let ran = deploy(&world, "blue.yml").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    for words in [
        "deployment blue of endpoint taxi failed",
        "likely cause: the scoring script raised an exception: KeyError: 'no such column'",
        "log of deployment blue of endpoint taxi: inference server",
        "Traceback (most recent call last)",
    ] {
        assert!(ran.shown.contains(words), "{words}: {}", ran.shown);
    }
    assert!(
        ran.report
            .advice
            .unwrap()
            .contains("how-to-troubleshoot-online-endpoints")
    );
    world.file("src/score.py", SCORE);
    let ran = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    // The very same file again, over the one that failed, is written again too.
    world.file("src/score.py", RAISES);
    assert_eq!(deploy(&world, "blue.yml").await.code, 1);
    let before = bodies(&world, AT).len();
    deploy(&world, "blue.yml").await;
    assert_eq!(bodies(&world, AT).len(), before + 1);
}

#[tokio::test]
async fn a_deployment_that_is_late_ends_the_stage_with_its_log() {
    let world = endpoint().await;
    let status = answer(&json!({"status": "Updating"}));
    let faults = world.emulator.faults();
    faults.add("GET", "OperationsStatus", 1000, status);
    let inputs = [("file", "blue.yml"), ("timeout", "1s")];
    let ran = world.stage("create-deployment", &inputs).await;
    assert_eq!(ran.code, 4, "{}", ran.shown);
    assert!(ran.shown.contains("was not ready within"), "{}", ran.shown);
    assert!(ran.shown.contains("last state: Updating"), "{}", ran.shown);
    assert_eq!(world.requests("POST", "/getLogs").len(), 2);
    assert!(
        ran.report
            .advice
            .unwrap()
            .contains("running the stage again waits for it")
    );
}

#[tokio::test]
async fn a_refusal_at_once_names_the_quota() {
    let world = endpoint().await;
    let message =
        "VmSize: Not enough quota available for Standard_F4s_v2. Current usage/limit: 0/6.";
    let faults = world.emulator.faults();
    faults.add(
        "PUT",
        "/deployments/blue",
        1,
        Fault::arm(400, "BadRequest", message),
    );
    let ran = deploy(&world, "blue.yml").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("likely cause: quota"), "{}", ran.shown);
}

#[tokio::test]
async fn another_operation_on_the_endpoint_or_the_deployment_is_waited_for() {
    let world = serving().await;
    let faults = world.emulator.faults();
    faults.add(
        "GET",
        "/onlineEndpoints/taxi?",
        2,
        super::in_state("Updating"),
    );
    world.file(
        "blue.yml",
        &deployment("blue").replace("count: 1", "count: 2"),
    );
    let ran = deploy(&world, "blue.yml").await.succeeded();
    assert!(ran.shown.contains("is busy (Updating)"), "{}", ran.shown);
    assert_eq!((ran.output("changed"), faults.pending()), ("updated", 0));
    // Begun by somebody else after our look: the write is refused, and what is there then is looked at anew.
    let busy = Fault::arm(
        409,
        "Conflict",
        "The deployment is in Updating provisioning state.",
    );
    faults.add("PUT", "/deployments/blue", 1, busy);
    let current =
        json!({"id": "i", "name": "blue", "properties": {"provisioningState": "Updating"}});
    faults.add("GET", "/deployments/blue", 3, answer(&current));
    world.file(
        "blue.yml",
        &deployment("blue").replace("count: 1", "count: 3"),
    );
    let ran = deploy(&world, "blue.yml").await.succeeded();
    assert!(
        ran.shown.contains("deployment blue is busy"),
        "{}",
        ran.shown
    );
    assert_eq!(ran.output("changed"), "updated");
}

#[tokio::test]
async fn a_deployment_whose_first_answer_was_lost_is_made_once() {
    let world = endpoint().await;
    let faults = world.emulator.faults();
    faults.add("PUT", "/deployments/blue", 1, Fault::DropAfter);
    let ran = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(ran.output("changed"), "created", "{}", ran.shown);
    let again = deploy(&world, "blue.yml").await.succeeded();
    assert_eq!(again.output("changed"), "unchanged");
}

#[tokio::test]
async fn the_compute_of_a_batch_deployment_is_checked_first() {
    let world = project().await;
    let inputs = [("file", "batch-endpoint.yml")];
    world.stage("create-endpoint", &inputs).await.succeeded();
    world.file(
        "batch.yml",
        "$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json\nname: heart\nendpoint_name: rides\n\
         model:\n  path: model.txt\ncode_configuration:\n  code: src\n  scoring_script: batch.py\n\
         environment:\n  image: mcr.microsoft.com/azureml/minimal\ncompute: azureml:cpu\n",
    );
    world.file(
        "src/batch.py",
        "def init():\n    pass\ndef run(batch):\n    return [len(batch)]\n",
    );
    let writes = world.writes();
    let ran = deploy(&world, "batch.yml").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("compute `cpu` does not exist"),
        "{}",
        ran.shown
    );
    assert_eq!(world.writes(), writes);
    let cluster = [
        ("name", "cpu"),
        ("size", "Standard_DS3_v2"),
        ("max-instances", "1"),
    ];
    world.stage("create-compute", &cluster).await.succeeded();
    let ran = deploy(&world, "batch.yml").await.succeeded();
    assert_eq!(ran.output("changed"), "created");
    let again = deploy(&world, "batch.yml").await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    // Its default deployment is a batch endpoint's traffic.
    let inputs = [("endpoint-name", "rides"), ("traffic", "heart=100")];
    let ran = world.stage("allocate-traffic", &inputs).await.succeeded();
    assert_eq!(ran.output("traffic"), "heart=100");
    assert_eq!(ran.output("former-traffic"), "none");
    let sent = bodies(&world, "batchEndpoints/rides").pop().unwrap();
    assert_eq!(
        sent["properties"]["defaults"],
        json!({"deploymentName": "heart"})
    );
}

#[tokio::test]
async fn a_dry_run_needs_no_endpoint() {
    let world = project().await;
    let inputs = [("file", "blue.yml"), ("dry-run", "true")];
    let ran = world.stage("create-deployment", &inputs).await.succeeded();
    assert!(
        ran.shown
            .contains("PUT onlineEndpoints/taxi/deployments/blue"),
        "{}",
        ran.shown
    );
    assert!(world.writes().is_empty());
    assert!(fs::exists(world.folder.path().join("blue.yml")).unwrap());
}
