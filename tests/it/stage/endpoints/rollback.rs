//! `rollback`: back to the map before, and when that is not possible.

use super::{allocate, bodies, serving, traffic};
use crate::support::world::{Ran, World};

async fn rollback(world: &World) -> Ran {
    let inputs = [("endpoint-name", "taxi")];
    world.stage("rollback", &inputs).await
}

async fn delete(world: &World, deployment: &str) {
    let workspace = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}",
        world.emulator.subscription(),
        world.emulator.resource_group(),
        world.emulator.workspace()
    );
    let url = format!(
        "{}{workspace}/onlineEndpoints/taxi/deployments/{deployment}?api-version=2023-04-01-preview",
        world.emulator.endpoint()
    );
    let token = world.emulator.access_token("https://management.azure.com");
    let client = reqwest::Client::new();
    let answer = client.delete(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let link = answer.headers()["azure-asyncoperation"]
        .to_str()
        .unwrap()
        .to_owned();
    let token = world.emulator.access_token("https://management.azure.com");
    for _ in 0..20 {
        let status = client.get(&link).bearer_auth(&token).send().await.unwrap();
        if status.text().await.unwrap().contains("Succeeded") {
            return;
        }
    }
    panic!("{deployment} is still there");
}

#[tokio::test]
async fn traffic_goes_back_to_what_it_was_and_stays_there() {
    let world = serving().await;
    allocate(&world, "blue=10 green=90").await.succeeded();
    let ran = rollback(&world).await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    assert_eq!(ran.output("traffic"), "blue=100");
    assert_eq!(ran.output("former-traffic"), "blue=10 green=90");
    assert_eq!(traffic(&world), "blue=100");
    let sent = bodies(&world, "onlineEndpoints/taxi").pop().unwrap();
    assert_eq!(sent["tags"]["aml-runner.former-traffic"], "blue=100");
    let writes = world.writes();
    let again = rollback(&world).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged");
    assert_eq!(
        (world.writes(), traffic(&world).as_str()),
        (writes, "blue=100")
    );
}

#[tokio::test]
async fn a_map_whose_deployment_is_gone_is_not_restored() {
    let world = serving().await;
    allocate(&world, "green=100").await.succeeded();
    delete(&world, "blue").await;
    let writes = world.writes();
    let ran = rollback(&world).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("blue is not there any more"),
        "{}",
        ran.shown
    );
    assert_eq!(
        (world.writes(), traffic(&world).as_str()),
        (writes, "green=100")
    );
}

#[tokio::test]
async fn without_a_record_there_is_nothing_to_go_back_to() {
    let world = super::project().await;
    world
        .stage("create-endpoint", super::CREATE)
        .await
        .succeeded();
    let ran = rollback(&world).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("no record of a former traffic map"),
        "{}",
        ran.shown
    );
    assert!(ran.report.advice.is_some());
}
