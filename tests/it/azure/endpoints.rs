//! Reading and changing endpoints, against scripted answers: what is sent, and what is waited for.

use std::time::Duration;

use aml_runner::azure::ArmError;
use aml_runner::azure::endpoints::{
    self, Changed, Container, EndpointChange, Family, Shares, change_endpoint,
};
use aml_runner::azure::poll::Budget;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::support::{World, ok, script, status};

const AT: &str = "onlineEndpoints/taxi";
const HOUR: Budget = Budget::Deadline(Duration::from_secs(3600));

fn body(state: &str, traffic: &Value) -> Value {
    json!({"id": "i", "name": "taxi", "location": "eastus", "tags": {"team": "x"},
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {"authMode": "Key", "provisioningState": state, "traffic": traffic, "publicNetworkAccess": "Disabled", "compute": null}})
}

fn there(state: &str, traffic: &Value) -> ResponseTemplate {
    ok(body(state, traffic))
}

fn refused(code: u16, message: &str) -> ResponseTemplate {
    status(code).set_body_json(json!({"error": {"code": "Conflict", "message": message}}))
}

async fn world(reads: Vec<ResponseTemplate>, writes: Vec<ResponseTemplate>) -> World {
    let world = World::new().await;
    world.grant_tokens().await;
    world.get(AT, script(reads)).await;
    world.on_request("PUT", AT, script(writes)).await;
    world
}

/// Asks for green=100, unless it is so.
async fn to_green(world: &World, budget: Budget) -> Result<Changed, ArmError> {
    let endpoint = endpoints::endpoint(&world.azure, Family::Online, "taxi").await?;
    let wanted = Shares::from([("green".to_owned(), 100)]);
    change_endpoint(&world.azure, endpoint.unwrap(), budget, |there| {
        Ok((there.traffic != wanted).then(|| EndpointChange {
            traffic: Some(wanted.clone()),
            ..EndpointChange::default()
        }))
    })
    .await
}

async fn sent(world: &World) -> Vec<Value> {
    let requests = world.requests(AT).await;
    let puts = requests
        .iter()
        .filter(|request| request.method.as_str() == "PUT");
    puts.map(|request| request.body_json().unwrap()).collect()
}

#[tokio::test]
async fn a_change_of_traffic_writes_the_rest_as_it_is() {
    let (old, new) = (json!({"blue": 100}), json!({"green": 100}));
    let world = world(
        vec![there("Succeeded", &old), there("Succeeded", &new)],
        vec![there("Updating", &old)],
    )
    .await;
    let changed = to_green(&world, HOUR).await.unwrap();
    assert!(changed.written);
    assert_eq!(
        changed.endpoint.traffic,
        Shares::from([("green".to_owned(), 100)])
    );
    let expected = json!({"location": "eastus", "tags": {"team": "x"}, "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "traffic": {"green": 100}, "publicNetworkAccess": "Disabled"}});
    assert_eq!(sent(&world).await, [expected]);
    // Nothing is to do the second time.
    assert!(!to_green(&world, HOUR).await.unwrap().written);
    assert_eq!(sent(&world).await.len(), 1);
}

#[tokio::test]
async fn a_busy_endpoint_is_waited_for_and_looked_at_anew() {
    let others = json!({"red": 100});
    let world = world(
        vec![
            there("Updating", &json!({"blue": 100})),
            there("Updating", &json!({"blue": 100})),
            there("Succeeded", &others),
        ],
        vec![there("Succeeded", &json!({"green": 100}))],
    )
    .await;
    let mut seen = Vec::new();
    let endpoint = endpoints::endpoint(&world.azure, Family::Online, "taxi")
        .await
        .unwrap();
    let changed = change_endpoint(&world.azure, endpoint.unwrap(), HOUR, |there| {
        seen.push(there.traffic.clone());
        Ok::<_, ArmError>(Some(EndpointChange::default()))
    });
    assert!(changed.await.unwrap().written);
    assert_eq!(seen, [Shares::from([("red".to_owned(), 100)])]);
    assert_eq!(sent(&world).await[0]["properties"]["traffic"], others);
}

#[tokio::test]
async fn an_operation_that_began_after_the_read_is_waited_for_too() {
    for code in [409, 400] {
        let (old, new) = (json!({"blue": 100}), json!({"green": 100}));
        let world = world(
            vec![
                there("Succeeded", &old),
                there("Updating", &old),
                there("Succeeded", &old),
            ],
            vec![
                refused(code, "it is in Updating provisioning state"),
                there("Succeeded", &new),
            ],
        )
        .await;
        assert!(to_green(&world, HOUR).await.unwrap().written, "{code}");
        assert_eq!(sent(&world).await.len(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_done() {
    // The second sending meets the operation that the first one began.
    let (old, new) = (json!({"blue": 100}), json!({"green": 100}));
    let world = world(
        vec![
            there("Succeeded", &old),
            there("Updating", &old),
            there("Succeeded", &new),
        ],
        vec![status(503), refused(409, "busy")],
    )
    .await;
    let changed = to_green(&world, HOUR).await.unwrap();
    assert!(changed.written);
    assert_eq!(sent(&world).await.len(), 2);
}

#[tokio::test]
async fn a_refusal_that_is_not_about_another_operation_is_told() {
    let old = json!({"blue": 100});
    for (code, times) in [(400, 1), (409, 2), (412, 2), (403, 1)] {
        let world = world(
            vec![there("Succeeded", &old)],
            vec![refused(code, "not like this")],
        )
        .await;
        let error = to_green(&world, HOUR).await.unwrap_err();
        assert!(error.to_string().contains("not like this"), "{error}");
        assert_eq!(sent(&world).await.len(), times, "{code}");
    }
}

#[tokio::test]
async fn an_endpoint_that_stays_busy_ends_the_wait_on_time() {
    let world = world(
        vec![there("Updating", &json!({}))],
        vec![refused(409, "busy")],
    )
    .await;
    let minute = Budget::Deadline(Duration::from_secs(60));
    let error = to_green(&world, minute).await.unwrap_err();
    let ArmError::TimedOut { state, after, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((state.as_str(), after.as_secs()), ("Updating", 60));
    assert!(sent(&world).await.is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_callers_sends_nothing() {
    let world = world(vec![there("Succeeded", &json!({}))], vec![]).await;
    let endpoint = endpoints::endpoint(&world.azure, Family::Online, "taxi")
        .await
        .unwrap();
    let refusal = change_endpoint(&world.azure, endpoint.unwrap(), HOUR, |_| {
        Err(ArmError::Local {
            path: "x".to_owned(),
            reason: "no".to_owned(),
        })
    });
    assert!(matches!(refusal.await, Err(ArmError::Local { .. })));
    assert!(sent(&world).await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_none_and_a_missing_resource_group_is_an_error() {
    let absent = World::new().await;
    absent.grant_tokens().await;
    let gone = endpoints::deployment(&absent.azure, Family::Batch, "e", "d").await;
    assert!(gone.unwrap().is_none());
    let list = endpoints::deployments(&absent.azure, Family::Batch, "e").await;
    assert!(list.unwrap().is_empty());
    let wrong = World::new().await;
    wrong.grant_tokens().await;
    let group = json!({"error": {"code": "ResourceGroupNotFound", "message": "no such group"}});
    wrong.get(AT, status(404).set_body_json(group)).await;
    let error = endpoints::endpoint(&wrong.azure, Family::Online, "taxi").await;
    assert!(matches!(error, Err(ArmError::NotFound(_))));
}

#[tokio::test]
async fn deployments_are_listed_page_by_page() {
    let world = World::new().await;
    world.grant_tokens().await;
    let next = format!("{}/next", world.server.uri());
    let one = |name: &str| json!({"name": name, "sku": {"capacity": 1}, "properties": {"provisioningState": "Succeeded"}});
    let first = ok(json!({"value": [one("blue")], "nextLink": next}));
    world.get("onlineEndpoints/taxi/deployments", first).await;
    world
        .get(
            "/next",
            ok(json!({"value": [one("green")], "nextLink": null})),
        )
        .await;
    let found = endpoints::deployments(&world.azure, Family::Online, "taxi")
        .await
        .unwrap();
    let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["blue", "green"]);
}

#[tokio::test]
async fn a_deployment_is_scaled_by_writing_it_whole_and_deleted_when_the_endpoint_is_free() {
    let at = "onlineEndpoints/taxi/deployments/blue";
    let world = World::new().await;
    world.grant_tokens().await;
    let blue = |count: u64| {
        json!({"name": "blue", "location": "eastus", "sku": {"name": "Default", "tier": "Standard", "capacity": count},
        "properties": {"provisioningState": "Succeeded", "endpointComputeType": "Managed", "model": "m", "readinessProbe": null}})
    };
    world.get(at, ok(blue(2))).await;
    world.on_request("PUT", at, ok(blue(1))).await;
    let found = endpoints::deployment(&world.azure, Family::Online, "taxi", "blue").await;
    let blue = found.unwrap().unwrap();
    let scaled = endpoints::scale_deployment(&world.azure, &blue, 1, HOUR).await;
    assert_eq!(scaled.unwrap().instances, Some(1));
    let requests = world.requests(at).await;
    let put: Value = requests[1].body_json().unwrap();
    assert_eq!(
        put,
        json!({"location": "eastus", "sku": {"name": "Default", "tier": "Standard", "capacity": 1},
            "properties": {"endpointComputeType": "Managed", "model": "m"}})
    );
    let busy = [refused(409, "busy"), status(204)];
    world.on_request("DELETE", at, script(busy)).await;
    let states = ["Updating", "Succeeded"].map(|state| there(state, &json!({})));
    world.get(AT, script(states)).await;
    endpoints::delete_deployment(&world.azure, Family::Online, "taxi", "blue", HOUR)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_containers_log_is_asked_for_by_its_name() {
    let at = "onlineEndpoints/taxi/deployments/blue/getLogs";
    let world = World::new().await;
    world.grant_tokens().await;
    let log = ok(json!({"content": "one\ntwo\n"}));
    world.on_request("POST", at, log).await;
    let container = Container::StorageInitializer;
    let text = endpoints::deployment_log(&world.azure, "taxi", "blue", container, 50).await;
    assert_eq!(text.unwrap(), "one\ntwo\n");
    let asked: Value = world.requests(at).await[0].body_json().unwrap();
    assert_eq!(
        asked,
        json!({"containerType": "StorageInitializer", "tail": 50})
    );
}
