//! The accelerator's three pipelines (training, batch, online), stage by stage on its real data, where that data is.

use std::fs;

use serde_json::Value;

use crate::support::world::{Ran, World};
use crate::support::{project, skip};

/// Runs stages that take a file each.
async fn stages(world: &World, all: &[(&str, &str)]) {
    for (stage, file) in all {
        world.stage(stage, &[("file", file)]).await.succeeded();
    }
}

/// The training pipeline. `None` when the data is not there.
async fn train(world: &World) -> Option<Ran> {
    project::taxi(world.folder.path())?;
    stages(
        world,
        &[
            ("register-environment", "environment.yml"),
            ("create-compute", "compute.yml"),
            ("register-data", "data.yml"),
        ],
    )
    .await;
    let ran = world.stage("run-job", &[("file", "pipeline.yml")]).await;
    Some(ran.succeeded())
}

/// A file of the accelerator's beside the project.
fn bring(world: &World, name: &str) -> Option<String> {
    let text = fs::read_to_string(skip::shared(&format!("data/{name}"))?).unwrap();
    world.file(name, &text);
    Some(text)
}

#[tokio::test]
async fn the_taxi_data_goes_through_a_training_pipeline() {
    let world = World::new().await;
    let Some(ran) = train(&world).await else {
        return;
    };
    let job = ran.report.job.as_ref().unwrap();
    assert_eq!(job.status, "Completed");
    let r2 = job
        .metrics
        .iter()
        .find(|metric| metric.key == "r2")
        .expect("the pipeline logs r2");
    assert!(r2.value > 0.5, "{r2:?}");
    assert!(ran.output("model-id").contains("/models/"), "{}", ran.shown);
}

#[tokio::test]
async fn the_taxi_model_goes_through_the_online_pipeline() {
    let world = World::new().await;
    if train(&world).await.is_none() {
        return;
    }
    let Some(request) = bring(&world, "taxi-request.json") else {
        return;
    };
    stages(
        &world,
        &[
            ("create-endpoint", "online-endpoint.yml"),
            ("create-deployment", "online-deployment.yml"),
        ],
    )
    .await;
    let inputs = [
        ("endpoint-name", "taxi-fare-online"),
        ("traffic", "blue=100"),
    ];
    world.stage("allocate-traffic", &inputs).await.succeeded();
    let inputs = [
        ("endpoint-name", "taxi-fare-online"),
        ("deployment-name", "blue"),
        ("request-file", "taxi-request.json"),
        ("expect", "$[0] > 1\n$[1] > 1"),
    ];
    let tested = world.stage("smoke-test", &inputs).await.succeeded();
    let fares: Vec<f64> = serde_json::from_str(tested.output("response")).unwrap();
    let rides: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(fares.len(), rides["input_data"].as_array().unwrap().len());
    // Again, as a second run of the pipeline would: traffic stays.
    let again = world
        .stage("create-endpoint", &[("file", "online-endpoint.yml")])
        .await
        .succeeded();
    assert_eq!(again.output("changed"), "unchanged");
    let traffic = world.emulator.traffic("taxi-fare-online").unwrap();
    assert_eq!(traffic.get("blue"), Some(&100));
}

#[tokio::test]
async fn the_taxi_model_goes_through_the_batch_pipeline() {
    let world = World::new().await;
    if train(&world).await.is_none() {
        return;
    }
    let Some(rides) = bring(&world, "taxi-batch.csv") else {
        return;
    };
    stages(
        &world,
        &[
            ("create-compute", "batch-cluster.yml"),
            ("create-endpoint", "batch-endpoint.yml"),
            ("create-deployment", "batch-deployment.yml"),
        ],
    )
    .await;
    let inputs = [
        ("endpoint-name", "taxi-fare-batch"),
        ("deployment-name", "batch-dp"),
        ("endpoint-type", "batch"),
        ("input", "taxi-batch.csv"),
    ];
    let tested = world.stage("smoke-test", &inputs).await.succeeded();
    assert_eq!(tested.output("job-status"), "Completed");
    let container = world.emulator.container("workspaceblobstore").unwrap();
    let all = world.emulator.blobs(&container, "azureml/");
    let path = all
        .iter()
        .find(|path| path.ends_with("/score/predictions.csv"));
    let predictions = world.emulator.blob(&container, path.unwrap()).unwrap();
    let predictions = String::from_utf8(predictions).unwrap();
    assert_eq!(predictions.lines().count(), rides.lines().count() - 1);
    for line in predictions.lines() {
        let (_, fare) = line.rsplit_once(' ').unwrap();
        assert!(fare.parse::<f64>().unwrap().is_finite(), "{line}");
    }
}
