//! Against the emulator's own endpoints: made by the stages that make them, with a scoring script that runs.

use crate::support::world::{Ran, World};

const SCRIPT: &str = r#"
import json
def init():
    pass
def run(data):
    rows = json.loads(data)["data"]
    if not rows:
        raise ValueError("no rows were given")
    return {"predictions": [2 * row for row in rows]}
"#;

/// An endpoint of that auth mode with a deployment `green`, which has no traffic.
async fn serving(auth: &str) -> World {
    let world = World::new().await;
    world.file("endpoint.yml", &format!("name: taxi\nauth_mode: {auth}\n"));
    world.file("code/score.py", SCRIPT);
    world.file("model/weights.txt", "2");
    world.file(
        "deployment.yml",
        "name: green\nendpoint_name: taxi\nmodel:\n  name: doubles\n  version: 1\n  path: model\ncode_configuration:\n  code: code\n  scoring_script: score.py\nenvironment: azureml:AzureML-x@latest\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n",
    );
    world.file("good.json", "{\"data\": [1, 2]}");
    world.file("empty.json", "{\"data\": []}");
    world
        .stage(
            "create-endpoint",
            &[("file", "endpoint.yml"), ("endpoint-type", "online")],
        )
        .await
        .succeeded();
    world
        .stage(
            "create-deployment",
            &[("file", "deployment.yml"), ("endpoint-type", "online")],
        )
        .await
        .succeeded();
    world
}

async fn tested(world: &World, file: &str) -> Ran {
    let inputs = [
        ("endpoint-name", "taxi"),
        ("deployment-name", "green"),
        ("request-file", file),
        ("expect", "$.predictions[0] == 2\n$.predictions[*] > 0"),
    ];
    world.stage("smoke-test", &inputs).await
}

#[tokio::test]
async fn a_deployment_without_traffic_answers_by_name_whatever_the_endpoint_takes() {
    for auth in ["key", "aml_token", "aad_token"] {
        let world = serving(auth).await;
        let ran = tested(&world, "good.json").await.succeeded();
        assert_eq!(
            ran.output("response"),
            "{\"predictions\": [2, 4]}",
            "{auth}"
        );
        let served = world.emulator.served("taxi", "green");
        assert_eq!((served.by_name, served.live), (1, 0), "{auth}");
    }
}

#[tokio::test]
async fn a_script_that_raises_fails_the_test_with_its_own_words() {
    let world = serving("key").await;
    let ran = tested(&world, "empty.json").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    for word in [
        "found 424",
        "no rows were given",
        "the model answered with an error of its own",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
}
