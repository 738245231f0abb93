//! Codes, data, environments, models, components, datastores, computes as resources.

use reqwest::Method;
use serde_json::{Value, json};

use super::desk::Desk;

#[tokio::test]
async fn code_is_found_by_its_content_under_any_name() {
    let desk = Desk::open().await;
    let lookup = "/codes/just-invented/versions?hash=hash-of-mine&hashVersion=202208";
    assert_eq!(desk.get(lookup).await.body["value"], json!([]));
    let id = desk.code("mine", &[("a.py", "print(1)")]).await;
    let hits = desk.get(lookup).await.body;
    assert_eq!(hits["value"][0]["id"], id.as_str());
    assert_eq!(
        hits["value"][0]["properties"]["isAnonymous"], false,
        "the service answers false to a version sent as anonymous"
    );

    let mut same = hits["value"][0].clone();
    let again = desk
        .put("/codes/mine/versions/1", same.take_properties())
        .await;
    assert_eq!(again.status, 200);
    let other = json!({"properties": {"codeUri": "https://elsewhere/src"}});
    let refused = desk.put("/codes/mine/versions/1", other).await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.body["error"]["message"],
        "Asset paths cannot be updated."
    );
}

trait TakeProperties {
    fn take_properties(&mut self) -> Value;
}

impl TakeProperties for Value {
    fn take_properties(&mut self) -> Value {
        json!({"properties": self["properties"].take()})
    }
}

#[tokio::test]
async fn data_is_spelled_out_and_a_version_does_not_change_what_it_points_to() {
    let desk = Desk::open().await;
    let body = |path: &str, tag: &str| {
        json!({"properties": {"dataType": "uri_folder", "tags": {"t": tag},
        "dataUri": format!("azureml://datastores/workspaceblobstore/paths/{path}")}})
    };
    let missing = desk.get("/data/d").await;
    assert_eq!(
        (missing.status, missing.inner_code()),
        (404, "DataContainerNotFound".to_owned())
    );
    let made = desk.put("/data/d/versions/foo", body("x", "1")).await;
    assert_eq!(made.status, 201);
    assert!(
        made.header("location")
            .ends_with("/data/d/versions/foo?api-version=2024-10-01"),
        "{}",
        made.header("location")
    );
    let uri = made.body["properties"]["dataUri"].as_str().unwrap();
    assert!(
        uri.contains("/resourcegroups/")
            && uri.ends_with("/datastores/workspaceblobstore/paths/x/"),
        "{uri}"
    );
    assert_eq!(
        (&made.body["name"], &made.body["properties"]["stage"]),
        (&json!("foo"), &Value::Null)
    );

    let changed = desk.put("/data/d/versions/foo", body("x", "2")).await;
    assert_eq!(
        (changed.status, &changed.body["properties"]["tags"]["t"]),
        (200, &json!("2"))
    );
    let refused = desk.put("/data/d/versions/foo", body("y", "2")).await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.body["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("A data version with this name and version already exists.")
    );

    let container = desk.get("/data/D").await.body;
    assert_eq!(
        (
            &container["properties"]["latestVersion"],
            &container["properties"]["nextVersion"]
        ),
        (&json!("foo"), &json!("1"))
    );
    desk.put("/data/d/versions/5", body("z", "1")).await;
    let newest = desk
        .get("/data/d/versions?$orderBy=createdtime desc&$top=1")
        .await
        .body;
    assert_eq!(newest["value"].as_array().unwrap().len(), 1);
    assert_eq!(newest["value"][0]["name"], "5");
    assert_eq!(desk.get("/data/d/labels/latest").await.body["name"], "5");
    assert_eq!(
        desk.get("/data/d").await.body["properties"]["nextVersion"],
        "6"
    );
    let missing = desk.get("/data/d/versions/9").await;
    assert_eq!(
        missing.body["error"]["message"],
        "Data version d:9 (dataContainerName:version) not found."
    );
}

#[tokio::test]
async fn environments_answer_201_every_time_and_conda_as_json() {
    let desk = Desk::open().await;
    let body = |conda: &str| json!({"properties": {"image": "ubuntu:22.04", "condaFile": conda}});
    let conda = "dependencies:\n- python=3.10\nname: x\n";
    let first = desk.put("/environments/e/versions/1", body(conda)).await;
    let second = desk.put("/environments/e/versions/1", body(conda)).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(
        first.body["systemData"]["createdAt"],
        second.body["systemData"]["createdAt"]
    );
    assert_eq!(
        first.body["properties"]["condaFile"],
        "{\n  \"dependencies\": [\n    \"python=3.10\"\n  ],\n  \"name\": \"x\"\n}"
    );
    assert_eq!(first.body["properties"]["osType"], "Linux");
    let refused = desk
        .put("/environments/e/versions/1", body("name: y\n"))
        .await;
    assert_eq!(refused.status, 409);
    let missing = desk.get("/environments/none").await;
    assert_eq!(
        missing.body["error"]["message"],
        "No environment exists for name: none, version: , label: "
    );
}

#[tokio::test]
async fn models_spell_the_group_otherwise_than_data_and_a_missing_one_has_details() {
    let desk = Desk::open().await;
    let missing = desk
        .get("/models/m/versions?$orderBy=createdtime desc&$top=1")
        .await;
    assert_eq!(
        (missing.status, &missing.body["error"]["details"][0]["code"]),
        (404, &json!("ModelNotFound"))
    );
    let body = json!({"properties": {"modelType": "custom_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/m"}});
    let made = desk.put("/models/m/versions/1", body.clone()).await;
    assert_eq!(
        (made.status, &made.body["properties"]["stage"]),
        (201, &json!("Development"))
    );
    assert!(
        made.body["properties"]["modelUri"]
            .as_str()
            .unwrap()
            .contains("/resourceGroups/")
    );
    assert_eq!(desk.put("/models/m/versions/1", body).await.status, 200);
}

#[tokio::test]
async fn an_anonymous_component_is_named_by_its_content() {
    let desk = Desk::open().await;
    let spec = json!({"command": "echo ${{inputs.a}}", "is_deterministic": true, "inputs": {"a": {"type": "integer", "default": 1}}});
    let first = desk.component(spec.clone()).await;
    assert_eq!(desk.component(spec).await, first);
    assert!(!first.ends_with("/versions/whatever"));
    assert_ne!(desk.component(json!({"command": "echo 2"})).await, first);
    let path = first.strip_prefix(&desk.workspace()).unwrap().to_owned();
    let spec = &desk.get(&path).await.body["properties"]["componentSpec"];
    assert_eq!(
        (&spec["is_deterministic"], &spec["inputs"]["a"]["default"]),
        (&json!("True"), &json!("1"))
    );
    assert_eq!(
        (
            &spec["inputs"]["a"]["optional"],
            &spec["resources"]["instance_count"]
        ),
        (&json!("False"), &json!("1"))
    );

    let bad = json!({"properties": {"componentSpec": {"type": "command", "command": "x", "environment": "azureml:none:1"}}});
    let refused = desk.put("/components/c/versions/1", bad).await;
    assert_eq!(
        (refused.status, refused.inner_code()),
        (400, "YamlFileInvalid".to_owned())
    );
}

#[tokio::test]
async fn a_cluster_is_made_asynchronously_and_keeps_its_scale_settings() {
    let desk = Desk::open().await;
    let body = |most: u32| {
        json!({"location": "eastus", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "standard_ds3_v2",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": "PT2M"}}}})
    };
    assert_eq!(desk.get("/computes/cpu").await.status, 404);
    for most in [2, 5] {
        let answer = desk.put("/computes/cpu", body(most)).await;
        assert_eq!(
            (
                answer.status,
                &answer.body["properties"]["provisioningState"]
            ),
            (201, &json!("Creating"))
        );
        let url = answer.header("azure-asyncoperation").to_owned();
        let path = url.strip_prefix(desk.emulator.endpoint()).unwrap();
        let look = desk.at(Method::GET, path, None).await;
        assert_eq!(look.body, json!({"status": "InProgress"}));
        assert!(!look.header("retry-after-ms").is_empty());
        assert_eq!(
            desk.at(Method::GET, path, None).await.body["status"],
            "Succeeded"
        );
        let now = desk.get("/computes/CPU").await.body;
        assert_eq!(now["properties"]["provisioningState"], "Succeeded");
        assert_eq!(now["properties"]["properties"]["vmSize"], "STANDARD_DS3_V2");
        assert_eq!(
            now["properties"]["properties"]["scaleSettings"]["maxNodeCount"],
            most
        );
        assert_eq!(now["properties"]["properties"]["allocationState"], "Steady");
    }
}

#[tokio::test]
async fn datastores_hand_out_secrets_that_open_storage() {
    let desk = Desk::open().await;
    let default = desk.get("/datastores?isDefault=true").await.body;
    assert_eq!(default["value"].as_array().unwrap().len(), 1);
    let store = &default["value"][0];
    assert_eq!(store["name"], "workspaceblobstore");
    let wish = json!({"expirableSecret": true, "expireAfterHours": 1});
    let secret = desk
        .arm(
            Method::POST,
            "/datastores/workspaceblobstore/listSecrets",
            Some(wish.clone()),
        )
        .await
        .body;
    let sas = secret["sasToken"].as_str().unwrap();
    let url = format!(
        "http://{}.blob.{}/{}/x.txt{sas}",
        store["properties"]["accountName"].as_str().unwrap(),
        store["properties"]["endpoint"].as_str().unwrap(),
        store["properties"]["containerName"].as_str().unwrap()
    );
    let sent = desk
        .http
        .put(&url)
        .header("x-ms-blob-type", "BlockBlob")
        .body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 201);
    assert_eq!(
        desk.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "hello"
    );
    let secret = desk
        .arm(
            Method::POST,
            "/datastores/workspaceartifactstore/listSecrets",
            Some(wish),
        )
        .await
        .body;
    assert_eq!(secret["secretsType"], "AccountKey");

    let body = json!({"properties": {"datastoreType": "AzureBlob", "accountName": "other", "containerName": "c",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "c2VjcmV0"}}}});
    let made = desk
        .put("/datastores/other?skipValidation=true", body)
        .await;
    assert_eq!(made.status, 201);
    assert!(
        !made.body.to_string().contains("c2VjcmV0"),
        "a datastore's secret never comes back"
    );
}
