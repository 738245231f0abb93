//! The stages of endpoints on the emulator. Here is what they share: the files of a small project, and an endpoint with deployments.

mod allocate_traffic;
mod create_deployment;
mod create_endpoint;
mod rollback;

use aml_runner::emulator::Fault;
use serde_json::{Value, json};

use crate::support::world::{Ran, World, below_workspace};

/// As the accelerator writes it: no traffic in it.
const ENDPOINT: &str = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nname: taxi\nauth_mode: key\n";
const BATCH_ENDPOINT: &str = "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\nname: rides\nauth_mode: aad_token\n";
const SCORE: &str =
    "import json\ndef init():\n    pass\ndef run(raw):\n    return json.loads(raw)\n";
const RAISES: &str =
    "def init():\n    raise KeyError('no such column')\ndef run(raw):\n    return raw\n";

const CREATE: &[(&str, &str)] = &[("file", "endpoint.yml")];

fn deployment(name: &str) -> String {
    format!(
        "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\nname: {name}\nendpoint_name: taxi\n\
         model:\n  path: model.txt\ncode_configuration:\n  code: src\n  scoring_script: score.py\n\
         environment:\n  image: mcr.microsoft.com/azureml/minimal\n\
         instance_type: Standard_DS3_v2\ninstance_count: 1\n"
    )
}

/// A project's files, and nothing in the workspace yet.
async fn project() -> World {
    let world = World::new().await;
    for (name, text) in [
        ("endpoint.yml", ENDPOINT),
        ("batch-endpoint.yml", BATCH_ENDPOINT),
        ("blue.yml", &deployment("blue")),
        ("green.yml", &deployment("green")),
        ("model.txt", "a model"),
        ("src/score.py", SCORE),
    ] {
        world.file(name, text);
    }
    world
}

/// An endpoint with deployments blue and green, everything to blue.
async fn serving() -> World {
    let world = project().await;
    world.stage("create-endpoint", CREATE).await.succeeded();
    for file in ["blue.yml", "green.yml"] {
        let inputs = [("file", file)];
        world.stage("create-deployment", &inputs).await.succeeded();
    }
    allocate(&world, "blue=100").await.succeeded();
    world
}

async fn allocate(world: &World, traffic: &str) -> Ran {
    let inputs = [("endpoint-name", "taxi"), ("traffic", traffic)];
    world.stage("allocate-traffic", &inputs).await
}

/// What the emulator gives each deployment now.
fn traffic(world: &World) -> String {
    let map = world.emulator.traffic("taxi").unwrap_or_default();
    let live = map.iter().filter(|(_, share)| **share > 0);
    let items: Vec<String> = live
        .map(|(name, share)| format!("{name}={share}"))
        .collect();
    items.join(" ")
}

/// The bodies of the writes of an endpoint so far.
fn bodies(world: &World, path: &str) -> Vec<Value> {
    let puts = world.requests("PUT", path).into_iter();
    puts.filter(|request| below_workspace(&request.path) == path)
        .filter_map(|request| request.body)
        .collect()
}

/// A 200 that is polled again at once.
fn answer(body: &Value) -> Fault {
    Fault::Answer {
        status: 200,
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("retry-after-ms".to_owned(), "10".to_owned()),
        ],
        body: body.to_string(),
    }
}

/// An endpoint in some state, as the next read finds it.
fn in_state(state: &str) -> Fault {
    answer(
        &json!({"id": "i", "name": "taxi", "location": "eastus", "tags": {},
        "properties": {"authMode": "Key", "provisioningState": state, "traffic": {}}}),
    )
}
