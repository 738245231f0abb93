//! Online endpoints as resources: their operations and states, what is refused, and what a replacement does to what was there.

use aml_runner::emulator::Options;
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::Desk;
use super::serving::SCRIPT;

const E: &str = "/onlineEndpoints/wine";

async fn state(desk: &Desk, path: &str) -> Value {
    desk.get(path).await.body["properties"]["provisioningState"].clone()
}

#[tokio::test]
async fn an_endpoint_is_created_with_an_operation_and_has_its_address_when_that_is_done() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    assert_eq!(begun.status, 201);
    assert_eq!(begun.header("x-ms-async-operation-timeout"), "PT30M");
    let (properties, none) = (&begun.body["properties"], Value::Null);
    assert_eq!(properties["provisioningState"], "Creating");
    assert_eq!(
        (&properties["scoringUri"], &properties["traffic"]),
        (&none, &json!({}))
    );
    let status = desk.follow(&begun).await;
    assert_eq!(status["status"], "Succeeded");
    let name = status["name"].as_str().unwrap();
    assert!(name.starts_with("oe:") && status["id"].as_str().unwrap().ends_with(name));
    let made = desk.get(E).await.body;
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    let uri = format!("{}/online/wine/score", desk.emulator.endpoint());
    assert_eq!(made["properties"]["scoringUri"], uri);
    assert_eq!(made["kind"], "Managed");
    assert_eq!(made["identity"]["type"], "SystemAssigned");
}

#[tokio::test]
async fn a_put_replaces_traffic_and_tags_and_the_new_map_counts_when_it_is_done() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100, "green": 0})).await;
    let begun = desk
        .endpoint("wine", json!({"traffic": {"blue": 90, "green": 10}}))
        .await;
    assert_eq!(begun.body["properties"]["provisioningState"], "Updating");
    assert_eq!(
        begun.body["properties"]["traffic"]["blue"], 100,
        "still the old map"
    );
    assert_eq!(
        desk.emulator.traffic("wine").unwrap().get("blue"),
        Some(&100)
    );
    desk.follow(&begun).await;
    assert_eq!(
        desk.emulator.traffic("wine").unwrap().get("blue"),
        Some(&90)
    );
    // One that names no traffic takes it away.
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    assert_eq!(desk.get(E).await.body["properties"]["traffic"], json!({}));
}

#[tokio::test]
async fn what_is_busy_takes_no_other_change_until_its_operation_is_done() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    let again = desk.endpoint("wine", json!({})).await;
    assert_eq!(again.status, 409, "{}", again.body);
    assert!(
        again
            .body
            .to_string()
            .contains("it is in Creating provisioning state")
    );
    desk.follow(&begun).await;
    let body = desk.deployment("blue", SCRIPT, json!({})).await;
    let begun = desk.endpoint("wine", json!({})).await;
    let path = format!("{E}/deployments/blue");
    let early = desk.put(&path, body.clone()).await;
    assert_eq!(early.status, 409, "{}", early.body);
    let told = early.body["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(
        told,
        "Cannot create a deployment in endpoint wine because it is in Updating provisioning state."
    );
    desk.follow(&begun).await;
    let begun = desk.put(&path, body.clone()).await;
    assert_eq!(begun.body["properties"]["provisioningState"], "Creating");
    assert_eq!(desk.put(&path, body).await.status, 409);
    assert_eq!(desk.arm(Method::DELETE, &path, None).await.status, 409);
    assert_eq!(desk.follow(&begun).await["status"], "Succeeded");
}

#[tokio::test]
async fn traffic_that_does_not_add_up_or_goes_nowhere_is_refused_and_changes_nothing() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100, "green": 0})).await;
    for (properties, why) in [
        (json!({"traffic": {"blue": 60, "green": 30}}), "sums to 90"),
        (json!({"traffic": {"red": 100}}), "deployment red"),
        (json!({"traffic": {"blue": 101}}), "101 is no percentage"),
        (
            json!({"traffic": {"blue": 100}, "mirrorTraffic": {"blue": 10}}),
            "has live traffic",
        ),
        (
            json!({"traffic": {"blue": 100}, "mirrorTraffic": {"green": 51}}),
            "At most 50",
        ),
        (
            json!({"traffic": {"blue": 100}, "mirrorTraffic": {"red": 5}}),
            "deployment red",
        ),
        (json!({"authMode": "Password"}), "authMode"),
    ] {
        let refused = desk.endpoint("wine", properties).await;
        assert_eq!(refused.status, 400);
        let told = refused.body["error"]["message"].as_str().unwrap();
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(state(&desk, E).await, "Succeeded");
    assert_eq!(
        desk.emulator.traffic("wine").unwrap().get("blue"),
        Some(&100)
    );
    let body = json!({"location": "eastus", "properties": {"authMode": "Key"}});
    assert_eq!(desk.put(E, body).await.status, 400, "no identity");
}

#[tokio::test]
async fn names_follow_the_rule_for_host_names_and_are_unique_in_the_region() {
    let desk = Desk::with(Options {
        taken_endpoint_names: vec!["taken".to_owned()],
        ..Options::default()
    })
    .await;
    for name in ["ab", "1abc", "abc-", "a_bc", &"a".repeat(33)] {
        assert_eq!(desk.endpoint(name, json!({})).await.status, 400, "{name}");
    }
    let body = json!({"location": "eastus", "properties": {"authMode": "aadToken"}});
    let batch = desk.put("/batchEndpoints/both", body).await;
    assert_eq!(batch.status, 201, "{}", batch.body);
    for name in ["taken", "Both"] {
        let told = desk.endpoint(name, json!({})).await.body.to_string();
        assert!(
            told.contains("There is already an endpoint with this name"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_deployment_with_traffic_is_not_deleted_and_one_without_is() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100, "green": 0})).await;
    let (blue, green) = (
        format!("{E}/deployments/blue"),
        format!("{E}/deployments/green"),
    );
    let refused = desk.arm(Method::DELETE, &blue, None).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .body
            .to_string()
            .contains("100 percent of the live traffic")
    );
    let begun = desk.arm(Method::DELETE, &green, None).await;
    assert_eq!((begun.status, &begun.body), (202, &Value::Null));
    assert_eq!(state(&desk, &green).await, "Deleting");
    assert_eq!(desk.follow(&begun).await["status"], "Succeeded");
    assert_eq!(desk.get(&green).await.status, 404);
    assert_eq!(desk.arm(Method::DELETE, &green, None).await.status, 204);
    // An endpoint takes its deployments with it.
    let begun = desk.arm(Method::DELETE, E, None).await;
    desk.follow(&begun).await;
    assert_eq!(desk.get(E).await.body["error"]["code"], "ResourceNotFound");
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    let left = desk.get(&format!("{E}/deployments")).await;
    assert_eq!(left.body["value"], json!([]));
}

#[tokio::test]
async fn an_operation_that_was_told_to_fail_leaves_the_former_traffic_and_says_why() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    desk.emulator
        .fail_next_operation("OutOfQuota", "Not enough quota.");
    let begun = desk.endpoint("wine", json!({})).await;
    let status = desk.follow(&begun).await;
    assert_eq!(
        (&status["status"], &status["error"]["code"]),
        (&json!("Failed"), &json!("OutOfQuota"))
    );
    let after = desk.get(E).await.body;
    assert_eq!(after["properties"]["provisioningState"], "Failed");
    assert_eq!(after["properties"]["traffic"], json!({"blue": 100}));
    let body = desk.deployment("green", SCRIPT, json!({})).await;
    desk.emulator.pass_time();
    assert_eq!(
        desk.put(&format!("{E}/deployments/green"), body)
            .await
            .status,
        409,
        "in a failed endpoint"
    );
}

#[tokio::test]
async fn an_endpoint_is_patched_in_tags_alone_and_lists_by_name() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let begun = desk
        .arm(Method::PATCH, E, Some(json!({"tags": {"a": "b"}})))
        .await;
    assert_eq!(begun.status, 202);
    desk.follow(&begun).await;
    let after = desk.get("/onlineEndpoints?name=wine").await.body;
    assert_eq!(after["value"][0]["tags"], json!({"a": "b"}));
    assert_eq!(
        after["value"][0]["properties"]["traffic"],
        json!({"blue": 100})
    );
    let refused = desk
        .arm(Method::PATCH, E, Some(json!({"tags": {"a": ""}})))
        .await;
    assert!(
        refused
            .body
            .to_string()
            .contains("Tag values must not be null or empty.")
    );
}

#[tokio::test]
async fn a_deployment_answers_what_the_service_fills_in() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let blue = desk.get(&format!("{E}/deployments/blue")).await.body;
    let properties = &blue["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(
        blue["sku"],
        json!({"name": "Default", "tier": "Standard", "capacity": 1})
    );
    assert_eq!(properties["requestSettings"]["requestTimeout"], "PT5S");
    assert_eq!(properties["livenessProbe"]["failureThreshold"], 30);
    let variables = &properties["environmentVariables"];
    assert_eq!(
        variables["AZUREML_MODEL_DIR"],
        "/var/azureml-app/azureml-models/blue/1"
    );
    assert_eq!(variables["WHO"], "blue");
    let missing = json!({"properties": {"endpointComputeType": "Managed", "instanceType": "S", "model": "azureml:none:1"}});
    assert!(
        (400..500).contains(
            &desk
                .put(&format!("{E}/deployments/red"), missing)
                .await
                .status
        )
    );
    assert_eq!(
        desk.get("/onlineEndpoints/none/deployments").await.status,
        404
    );
}
