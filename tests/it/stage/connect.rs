//! `connect`.

use crate::support::world::{World, read};

#[tokio::test]
async fn a_workspace_that_is_there_is_published_for_later_steps() {
    let world = World::new().await;
    let ran = world
        .on_github("connect", &[("write-config", "true")], &[])
        .await
        .succeeded();
    for name in [
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_RESOURCE_GROUP",
        "AZUREML_WORKSPACE_NAME",
    ] {
        assert!(
            read(world.folder.path(), "host/GITHUB_ENV").contains(name),
            "{}",
            ran.shown
        );
    }
    let config: serde_json::Value =
        serde_json::from_str(&read(world.folder.path(), "config.json")).unwrap();
    assert_eq!(config["workspace_name"], "mlw-emulator");
    assert_eq!(config["resource_group"], "rg-emulator");
    assert!(world.writes().is_empty());
    assert_eq!(ran.output("changed"), "created");
    let again = world.stage("connect", &[("write-config", "true")]).await;
    assert_eq!(again.output("changed"), "unchanged");
    world.file("config.json", "{}");
    let other = world.stage("connect", &[("write-config", "true")]).await;
    assert_eq!(other.output("changed"), "updated");
    assert_eq!(
        world.stage("connect", &[]).await.output("changed"),
        "unchanged"
    );
}

#[tokio::test]
async fn a_workspace_that_is_not_there_is_refused_with_what_to_check() {
    let world = World::new().await;
    let ran = world
        .stage("connect", &[("workspace", "mlw-elsewhere")])
        .await;
    assert_eq!(ran.code, 1);
    assert!(ran.shown.contains("mlw-elsewhere"), "{}", ran.shown);
    assert!(ran.report.advice.is_some(), "{}", ran.shown);
}

#[tokio::test]
async fn a_wrong_subscription_and_a_wrong_resource_group_are_told_apart() {
    let world = World::new().await;
    let wrong = "00000000-0000-0000-0000-00000000dead";
    let subscription = world.stage("connect", &[("subscription-id", wrong)]).await;
    let group = world
        .stage("connect", &[("resource-group", "rg-elsewhere")])
        .await;
    assert_eq!((subscription.code, group.code), (1, 1));
    assert!(
        subscription.shown.contains("SubscriptionNotFound"),
        "{}",
        subscription.shown
    );
    assert!(
        group.shown.contains("ResourceGroupNotFound"),
        "{}",
        group.shown
    );
}

#[tokio::test]
async fn everything_that_is_missing_is_said_at_once_and_nothing_is_asked() {
    let world = World::new().await;
    let inputs = [
        ("subscription-id", ""),
        ("workspace", ""),
        ("timeout", "soon"),
    ];
    let ran = world.stage("connect", &inputs).await;
    assert_eq!(ran.code, 2);
    for word in [
        "--subscription-id",
        "--workspace",
        "--timeout",
        "AZUREML_WORKSPACE_NAME",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}
