//! `create-compute`.

use crate::support::world::World;

const CLUSTER: &[(&str, &str)] = &[
    ("name", "cpu"),
    ("size", "Standard_DS3_v2"),
    ("max-instances", "2"),
];

#[tokio::test]
async fn a_cluster_is_created_once_and_kept_afterwards() {
    let world = World::new().await;
    let first = world.stage("create-compute", CLUSTER).await.succeeded();
    let again = world.stage("create-compute", CLUSTER).await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(world.writes(), ["PUT computes/cpu"]);
    assert!(first.output("compute-id").ends_with("/computes/cpu"));
}

#[tokio::test]
async fn other_scale_settings_are_an_update() {
    let world = World::new().await;
    world.stage("create-compute", CLUSTER).await.succeeded();
    let more = [
        ("name", "cpu"),
        ("size", "Standard_DS3_v2"),
        ("max-instances", "9"),
    ];
    let ran = world.stage("create-compute", &more).await.succeeded();
    assert_eq!(ran.output("changed"), "updated", "{}", ran.shown);
    assert_eq!(world.writes().len(), 2);
}

#[tokio::test]
async fn a_size_that_cannot_be_changed_is_said_before_anything_is_written() {
    let world = World::new().await;
    world.stage("create-compute", CLUSTER).await.succeeded();
    let other = [
        ("name", "cpu"),
        ("size", "Standard_NC6s_v3"),
        ("max-instances", "2"),
    ];
    let ran = world.stage("create-compute", &other).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.report.advice.is_some(), "{}", ran.shown);
    assert_eq!(world.writes().len(), 1);
}
