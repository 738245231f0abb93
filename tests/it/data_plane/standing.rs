//! Created, updated or unchanged: what is compared, which version is written, and what a conflict leads to.

use aml_runner::azure::ArmError;
use aml_runner::azure::apply::ApplyError;
use aml_runner::report::Change;
use aml_runner::spec::Plan;
use aml_runner::spec::plan::{Destination, FIRST, Reference, Target, Version};
use serde_json::{Value, json};

use super::world::{Scene, conflict, data, registered, request, slot};
use crate::azure::support::{ok, script, status};

async fn container(scene: &Scene, collection: &str, latest: &str, next: &str) {
    let body = json!({"properties": {"latestVersion": latest, "nextVersion": next}});
    scene.world.get(collection, ok(body)).await;
}

fn environment(version: Version, image: &str) -> Plan {
    let target = Target::Versioned {
        collection: "environments",
        name: "env".into(),
        version,
    };
    let body = json!({"properties": {"image": image, "isAnonymous": false, "isArchived": false}});
    Plan {
        requests: vec![request(target, body, Vec::new())],
        ..Plan::default()
    }
}

fn compute(size: &str, most: u32) -> Plan {
    let target = Target::Named {
        collection: "computes",
        name: Some("cpu".into()),
    };
    let body = json!({"location": null, "properties": {"computeType": "AmlCompute", "properties": {
        "vmSize": size, "scaleSettings": {"minNodeCount": 0, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": "PT2M"}}}});
    Plan {
        requests: vec![request(
            target,
            body,
            vec![slot("/location", Reference::Location)],
        )],
        ..Plan::default()
    }
}

fn cluster() -> Value {
    json!({"id": "x", "location": "eastus", "properties": {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": {
        "vmSize": "STANDARD_D2_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT120S"}}}})
}

#[tokio::test]
async fn data_without_a_version_that_is_the_same_as_the_latest_is_unchanged() {
    let scene = Scene::new().await;
    container(&scene, "data/taxi", "3", "4").await;
    scene
        .world
        .get("data/taxi/versions/3", ok(registered("aa", "t.csv", "3")))
        .await;
    let run = scene.run(data(Version::Next, scene.single("t.csv", "aa", b"1")));
    run.look_up().await.unwrap();
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.change, Change::Unchanged);
    assert_eq!(applied.version.as_deref(), Some("3"));
    assert!(applied.answer.is_none());
    assert_eq!(scene.count("PUT ").await, 0);
    assert!(scene.store.paths().is_empty());
}

#[tokio::test]
async fn other_content_becomes_the_next_version() {
    let scene = Scene::new().await;
    container(&scene, "data/taxi", "foo", "4").await;
    scene
        .world
        .get(
            "data/taxi/versions/foo",
            ok(registered("aa", "t.csv", "foo")),
        )
        .await;
    scene.echo("data/taxi/versions/").await;
    let run = scene.run(data(Version::Next, scene.single("t.csv", "bb", b"2")));
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.change, Change::Created);
    assert_eq!(applied.version.as_deref(), Some("4"));
    let blob = scene.store.blob("/box/LocalUpload/bb/t.csv").unwrap();
    assert_eq!(blob.metadata["name"], "taxi");
    assert_eq!(blob.metadata["version"], "4");
}

#[tokio::test]
async fn a_first_version_is_1() {
    let scene = Scene::new().await;
    scene.echo("data/taxi/versions/").await;
    let run = scene.run(data(Version::Next, scene.single("t.csv", "aa", b"1")));
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.version.as_deref(), Some("1"));
    assert_eq!(scene.count("PUT data/taxi/versions/1").await, 1);
}

#[tokio::test]
async fn a_version_that_somebody_else_took_is_followed_by_the_next_free_one() {
    let scene = Scene::new().await;
    let versions = |next: &str| ok(json!({"properties": {"nextVersion": next}}));
    scene
        .world
        .get("data/taxi", script([versions("4"), versions("5")]))
        .await;
    scene
        .world
        .on_request("PUT", "data/taxi/versions/4", conflict())
        .await;
    scene.echo("data/taxi/versions/5").await;
    let run = scene.run(data(Version::Next, scene.single("t.csv", "aa", b"1")));
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.version.as_deref(), Some("5"));
    assert_eq!(scene.count("PUT box/").await, 1, "the upload was repeated");
}

#[tokio::test]
async fn three_taken_versions_end_in_the_services_own_words() {
    let scene = Scene::new().await;
    container(&scene, "data/taxi", "", "4").await;
    scene
        .world
        .on_request("PUT", "data/taxi/versions/4", conflict())
        .await;
    let run = scene.run(data(Version::Next, scene.single("t.csv", "aa", b"1")));
    let error = run.send(None).await.unwrap_err();
    assert!(
        matches!(&error, ApplyError::Arm(ArmError::Conflict(said)) if said.message.contains("already exists")),
        "{error:?}"
    );
    assert_eq!(scene.count("PUT data/taxi/versions/4").await, 3);
}

#[tokio::test]
async fn a_stated_version_is_created_updated_or_unchanged() {
    for (there, change, puts) in [
        (None, Change::Created, 1),
        (Some(registered("bb", "t.csv", "7")), Change::Updated, 1),
        (Some(registered("aa", "t.csv", "7")), Change::Unchanged, 0),
    ] {
        let scene = Scene::new().await;
        if let Some(there) = there {
            scene.world.get("data/taxi/versions/7", ok(there)).await;
        }
        scene.echo("data/taxi/versions/7").await;
        let plan = data(
            Version::Fixed("7".into()),
            scene.single("t.csv", "aa", b"1"),
        );
        let applied = scene.run(plan).send(None).await.unwrap();
        assert_eq!(applied.change, change);
        assert_eq!(scene.count("PUT data/").await, puts);
        assert_eq!(scene.store.paths().len(), puts);
    }
}

#[tokio::test]
async fn a_stated_version_that_cannot_change_is_a_conflict_and_not_repeated() {
    let scene = Scene::new().await;
    scene
        .world
        .get("data/taxi/versions/7", ok(registered("bb", "t.csv", "7")))
        .await;
    scene
        .world
        .on_request("PUT", "data/taxi/versions/7", conflict())
        .await;
    let plan = data(
        Version::Fixed("7".into()),
        scene.single("t.csv", "aa", b"1"),
    );
    let error = scene.run(plan).send(None).await.unwrap_err();
    assert!(matches!(error, ApplyError::Arm(ArmError::Conflict(_))));
    assert_eq!(scene.count("PUT data/").await, 1);
}

#[tokio::test]
async fn an_environment_is_updated_in_place_where_the_service_lets_it() {
    let scene = Scene::new().await;
    container(&scene, "environments/env", "3", "4").await;
    let there = json!({"properties": {"image": "old", "environmentType": "UserCreated", "osType": "Linux"}});
    scene
        .world
        .get("environments/env/versions/3", ok(there))
        .await;
    scene.echo("environments/env/versions/3").await;
    let applied = scene
        .run(environment(Version::LatestOrNext, "new"))
        .send(None)
        .await
        .unwrap();
    assert_eq!(applied.change, Change::Updated);
    assert_eq!(applied.version.as_deref(), Some("3"));
}

#[tokio::test]
async fn an_environment_that_cannot_change_becomes_its_next_version() {
    let scene = Scene::new().await;
    container(&scene, "environments/env", "3", "4").await;
    let there = json!({"properties": {"image": "old"}});
    scene
        .world
        .get("environments/env/versions/3", ok(there))
        .await;
    scene
        .world
        .on_request("PUT", "environments/env/versions/3", conflict())
        .await;
    scene.echo("environments/env/versions/4").await;
    let run = scene.run(environment(Version::LatestOrNext, "new"));
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.change, Change::Created);
    assert_eq!(applied.version.as_deref(), Some("4"));
    assert_eq!(
        scene.count("GET environments/env").await,
        2,
        "container and version once each"
    );
}

#[tokio::test]
async fn an_environment_that_says_the_same_is_unchanged() {
    let scene = Scene::new().await;
    container(&scene, "environments/env", "3", "4").await;
    let there = json!({"properties": {"image": "same", "environmentType": "UserCreated", "osType": "Linux", "tags": {},
        "condaFile": null, "isAnonymous": false, "isArchived": false, "properties": {}, "description": null}});
    scene
        .world
        .get("environments/env/versions/3", ok(there))
        .await;
    let run = scene.run(environment(Version::LatestOrNext, "same"));
    let applied = run.send(None).await.unwrap();
    assert_eq!(applied.change, Change::Unchanged);
    assert_eq!(scene.count("PUT ").await, 0);
}

#[tokio::test]
async fn a_cluster_is_made_in_the_workspaces_region() {
    let scene = Scene::new().await;
    scene.echo("computes/cpu").await;
    let applied = scene
        .run(compute("STANDARD_D2_V2", 4))
        .send(None)
        .await
        .unwrap();
    assert_eq!(applied.change, Change::Created);
    assert!(applied.answer.is_some());
    assert_eq!(
        scene.body("PUT", "computes/cpu").await["location"],
        "eastus"
    );
}

#[tokio::test]
async fn a_clusters_scale_settings_are_updated_and_its_size_is_not() {
    let scene = Scene::new().await;
    scene.world.get("computes/cpu", ok(cluster())).await;
    scene.echo("computes/cpu").await;
    let same = scene
        .run(compute("Standard_D2_v2", 4))
        .send(None)
        .await
        .unwrap();
    assert_eq!(same.change, Change::Unchanged);
    let grown = scene
        .run(compute("STANDARD_D2_V2", 8))
        .send(None)
        .await
        .unwrap();
    assert_eq!(grown.change, Change::Updated);
    let error = scene
        .run(compute("STANDARD_D4_V2", 4))
        .look_up()
        .await
        .unwrap_err();
    let ApplyError::Fixed { message, advice } = &error else {
        panic!("{error:?}");
    };
    assert!(
        message.contains("size") && message.contains("STANDARD_D2_V2"),
        "{message}"
    );
    assert!(advice.contains("another name"), "{advice}");
    assert_eq!(scene.count("PUT ").await, 1);
}

#[tokio::test]
async fn a_refused_look_is_not_taken_for_absence() {
    let scene = Scene::new().await;
    scene.world.get("data/taxi/versions/7", status(403)).await;
    let plan = data(
        Version::Fixed("7".into()),
        scene.single("t.csv", "aa", b"1"),
    );
    let error = scene.run(plan).look_up().await.unwrap_err();
    assert!(matches!(error, ApplyError::Arm(ArmError::Denied(_))));
}

/// A batch deployment of a pipeline component that has one component of its own, with code.
fn deployment_of_a_pipeline(scene: &Scene) -> Plan {
    let anonymous = |version: &str| Target::Anonymous {
        collection: "components",
        name: "azureml_anonymous".into(),
        version: version.into(),
    };
    let spec = |key: &str| json!({"properties": {"componentSpec": {key: null}}});
    let at = |key: &str| format!("/properties/componentSpec/{key}");
    let target = Target::Deployment {
        endpoints: "batchEndpoints",
        endpoint: "e".into(),
        name: "d".into(),
    };
    let body = json!({"properties": {"componentId": null}});
    let id = slot("/properties/componentId", Reference::Answer(1));
    Plan {
        uploads: vec![scene.folder("src", "c0de", Destination::Code, &[("a.py", b"1")])],
        requests: vec![
            request(
                anonymous("abc"),
                spec("code"),
                vec![slot(&at("code"), Reference::Code(0))],
            ),
            request(
                anonymous(FIRST),
                spec("step"),
                vec![slot(&at("step"), Reference::Answer(0))],
            ),
            request(target, body, vec![id]),
        ],
        expects: Vec::new(),
    }
}

#[tokio::test]
async fn a_deployed_component_that_is_there_is_taken_and_nothing_of_it_is_written() {
    let scene = Scene::new().await;
    scene.echo("batchEndpoints/").await;
    let path = "components/azureml_anonymous/versions/1";
    scene.world.get(path, ok(json!({"id": "there"}))).await;
    let run = scene.run(deployment_of_a_pipeline(&scene));
    run.look_up().await.unwrap();
    run.send(None).await.unwrap();
    let writes = scene.count("PUT ").await;
    assert_eq!(writes, scene.count("PUT batchEndpoints/").await);
    let body = scene.body("PUT", "batchEndpoints/e/deployments/d").await;
    assert_eq!(body["properties"]["componentId"], "there");
}

#[tokio::test]
async fn a_deployed_component_that_is_not_there_is_registered_with_all_that_it_needs() {
    let scene = Scene::new().await;
    scene.codes().await;
    scene.components().await;
    scene.echo("batchEndpoints/").await;
    let run = scene.run(deployment_of_a_pipeline(&scene));
    run.look_up().await.unwrap();
    run.send(None).await.unwrap();
    assert_eq!(scene.count("PUT components/azureml_anonymous/").await, 2);
    let body = scene.body("PUT", "batchEndpoints/e/deployments/d").await;
    let id = body["properties"]["componentId"].as_str().unwrap();
    assert!(id.ends_with("/service-1"), "{id}");
}
