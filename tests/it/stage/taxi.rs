//! The accelerator's real data through a training pipeline, where that data is.

use crate::support::project;
use crate::support::world::World;

#[tokio::test]
async fn the_taxi_data_goes_through_a_training_pipeline() {
    let world = World::new().await;
    if project::taxi(world.folder.path()).is_none() {
        return;
    }
    for (stage, file) in [
        ("register-environment", "environment.yml"),
        ("create-compute", "compute.yml"),
        ("register-data", "data.yml"),
    ] {
        if world.folder.path().join(file).exists() {
            world.stage(stage, &[("file", file)]).await.succeeded();
        }
    }
    let ran = world
        .stage("run-job", &[("file", "pipeline.yml")])
        .await
        .succeeded();
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
