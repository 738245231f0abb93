//! `create-compute`.

use aml_runner::emulator::Fault;

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

#[tokio::test]
async fn a_cluster_that_somebody_else_is_changing_is_waited_for() {
    let world = World::new().await;
    world.stage("create-compute", CLUSTER).await.succeeded();
    let busy = Fault::arm(409, "Conflict", "An operation is in progress.");
    let faults = world.emulator.faults();
    faults.add("PUT", "/computes/cpu", 1, busy.clone());
    let more = [
        ("name", "cpu"),
        ("size", "Standard_DS3_v2"),
        ("max-instances", "9"),
    ];
    let ran = world.stage("create-compute", &more).await.succeeded();
    assert!(ran.shown.contains("compute cpu is busy"), "{}", ran.shown);
    assert_eq!(ran.output("changed"), "updated");
    faults.add("PUT", "/computes/cpu", 2, busy);
    let least = [
        ("name", "cpu"),
        ("size", "Standard_DS3_v2"),
        ("max-instances", "3"),
    ];
    let ran = world.stage("create-compute", &least).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
}

#[tokio::test]
async fn a_broken_cluster_is_not_kept() {
    let world = World::new().await;
    world.stage("create-compute", CLUSTER).await.succeeded();
    let writes = world.writes();
    let broken = Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: serde_json::json!({"name": "cpu", "properties": {"computeType": "AmlCompute", "provisioningState": "Failed",
            "provisioningErrors": [{"error": {"code": "ClusterCoreQuotaReached", "message": "No cores left."}}],
            "properties": {"vmSize": "STANDARD_DS3_V2", "vmPriority": "Dedicated", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}}}})
        .to_string(),
    };
    world
        .emulator
        .faults()
        .add("GET", "/computes/cpu", 9, broken);
    let ran = world.stage("create-compute", CLUSTER).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    for word in [
        "exists but is in state Failed",
        "No cores left.",
        "delete it",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert_eq!(world.writes(), writes);
}
