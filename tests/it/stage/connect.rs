//! `connect`.

use aml_runner::emulator::Fault;
use serde_json::json;

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
    let who = "signed in as application 00000000-0000-0000-0000-0000000000cc (object id 00000000-0000-0000-0000-0000000000aa)";
    assert!(ran.shown.contains(who), "{}", ran.shown);
    assert!(read(world.folder.path(), "host/GITHUB_STEP_SUMMARY").contains("mlw-emulator"));
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

const PERMISSIONS: &str = "/Microsoft.Authorization/permissions";

fn denied(action: &str) -> Fault {
    let message = format!(
        "The client 'c' with object id 'o' does not have authorization to perform action \
         'Microsoft.MachineLearningServices/workspaces/{action}' over scope '/subscriptions/S/resourceGroups/G/providers/\
         Microsoft.MachineLearningServices/workspaces/W' or the scope is invalid."
    );
    Fault::arm(403, "AuthorizationFailed", &message)
}

#[tokio::test]
async fn an_identity_that_cannot_list_its_permissions_proves_itself_by_reading() {
    let world = World::new().await;
    let faults = world.emulator.faults();
    faults.add("GET", PERMISSIONS, 1, denied("permissions/read"));
    world.stage("connect", &[]).await.succeeded();
    assert_eq!(world.requests("GET", "/datastores").len(), 1);

    faults.add("GET", PERMISSIONS, 1, denied("permissions/read"));
    faults.add("GET", "/datastores", 1, denied("datastores/read"));
    let ran = world.stage("connect", &[]).await;
    assert_eq!(ran.code, 1);
    let advice = ran.report.advice.unwrap();
    assert!(
        advice.contains("--role \"AzureML Data Scientist\""),
        "{advice}"
    );
    assert!(advice.contains("--assignee o "), "{advice}");
}

#[tokio::test]
async fn an_identity_that_may_only_look_is_refused_and_one_that_lacks_a_part_is_warned() {
    let world = World::new().await;
    let grants = |actions: &[&str]| Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json!({"value": [{"actions": actions, "notActions": []}]}).to_string(),
    };
    let faults = world.emulator.faults();
    faults.add("GET", PERMISSIONS, 1, grants(&["*/read"]));
    let ran = world.stage("connect", &[]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.report
            .advice
            .unwrap()
            .contains("AzureML Data Scientist")
    );

    let some = [
        "Microsoft.MachineLearningServices/workspaces/*/read",
        "Microsoft.MachineLearningServices/workspaces/jobs/*",
        "Microsoft.MachineLearningServices/workspaces/data/*",
        "Microsoft.MachineLearningServices/workspaces/environments/*",
        "Microsoft.MachineLearningServices/workspaces/datastores/*",
    ];
    faults.add("GET", PERMISSIONS, 1, grants(&some));
    let ran = world.stage("connect", &[]).await.succeeded();
    assert!(
        ran.shown.contains("AzureML Compute Operator"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn a_workspace_closed_to_public_networks_is_warned_of_before_anything_fails_on_it() {
    let world = World::new().await;
    let body = json!({"location": "eastus", "properties": {"publicNetworkAccess": "Disabled", "provisioningState": "Updating"}});
    let closed = Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    };
    let workspace = "/workspaces/mlw-emulator?";
    world.emulator.faults().add("GET", workspace, 1, closed);
    let ran = world.stage("connect", &[]).await.succeeded();
    for word in ["virtual network", "in state Updating"] {
        assert!(ran.shown.contains(word), "{}", ran.shown);
    }
}

#[tokio::test]
async fn a_dry_run_needs_neither_credentials_nor_a_workspace_and_asks_nothing() {
    let world = World::new().await;
    let inputs = [("dry-run", "true"), ("workspace", ""), ("client-id", "")];
    let ran = world.stage("connect", &inputs).await.succeeded();
    assert!(
        ran.shown.contains("workspaces/<workspace>"),
        "{}",
        ran.shown
    );
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_would_lead_elsewhere_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    for (input, value) in [
        // Without a check these would read the group, or the workspace of another.
        ("resource-group", "rg-emulator?x="),
        ("workspace", "../../rg-emulator"),
        ("subscription-id", "a b"),
    ] {
        let ran = world.stage("connect", &[(input, value)]).await;
        assert_eq!(ran.code, 2, "{}", ran.shown);
        assert!(ran.shown.contains(&format!("--{input}")), "{}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_in_time_is_exit_code_four() {
    let world = World::new().await;
    let hang = Fault::Delay(std::time::Duration::from_secs(3600));
    world.emulator.faults().add("*", "/metadata", 1, hang);
    let ran = world.stage("connect", &[("timeout", "5s")]).await;
    assert_eq!(ran.code, 4, "{}", ran.shown);
}
