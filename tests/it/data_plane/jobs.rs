//! Jobs, runs and metrics, as the watch of a job reads them.

use aml_runner::azure::history::{run_children, run_details};
use aml_runner::azure::jobs::{JobStatus, cancel_job, get_job};
use aml_runner::azure::metrics::run_metrics;
use serde_json::json;

use super::world::Scene;
use crate::azure::support::{WORKSPACE, ok, script, status};

fn history(below: &str) -> String {
    format!("/history/v1.0{WORKSPACE}/runs/{below}")
}

#[tokio::test]
async fn a_job_that_is_not_there_is_none() {
    let scene = Scene::new().await;
    let job = json!({"id": "i", "name": "J", "properties": {"status": "Running"}});
    scene.world.get("jobs/J", ok(job)).await;
    let azure = &scene.world.azure;
    let found = get_job(azure, "J").await.unwrap().unwrap();
    assert_eq!(found.status, JobStatus::Running);
    assert!(get_job(azure, "K").await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancellation_whose_answer_was_lost_is_asked_for_again() {
    let scene = Scene::new().await;
    scene
        .world
        .on_request("POST", "jobs/J/cancel", script([status(503), status(202)]))
        .await;
    let answer = cancel_job(&scene.world.azure, "J").await.unwrap();
    assert_eq!(answer.status, 202);
    assert_eq!(scene.count("POST jobs/J/cancel").await, 2);
}

#[tokio::test]
async fn children_come_page_by_page_and_a_page_that_repeats_itself_ends_the_list() {
    let scene = Scene::new().await;
    let page = |run: &str, next: Option<&str>| {
        ok(
            json!({"value": [{"runId": run, "displayName": run, "status": "Running"}], "continuationToken": next}),
        )
    };
    let pages = script([
        page("a", Some("t1")),
        page("b", Some("t2")),
        page("c", Some("t2")),
    ]);
    scene.world.get(&history("J/children"), pages).await;
    let found = run_children(&scene.world.azure, "J").await.unwrap();
    let names: Vec<_> = found.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn details_are_read_from_the_host_that_discovery_names() {
    let scene = Scene::new().await;
    let details = json!({"runId": "J", "status": "Failed", "logFiles": {}, "error": {"error": {"code": "UserError", "message": "boom"}}});
    scene.world.get(&history("J/details"), ok(details)).await;
    let details = run_details(&scene.world.azure, "J").await.unwrap();
    assert_eq!(details.status, JobStatus::Failed);
    assert_eq!(details.error.unwrap().message, "boom");
}

#[tokio::test]
async fn a_run_without_metrics_has_none() {
    let scene = Scene::new().await;
    let azure = &scene.world.azure;
    assert!(run_metrics(azure, "J").await.unwrap().is_empty());
    let metrics = json!({"run": {"data": {"metrics": [{"key": "rmse", "value": 2.5}]}}});
    let path = format!("/mlflow/v1.0{WORKSPACE}/api/2.0/mlflow/runs/get");
    scene.world.get(&path, ok(metrics)).await;
    let found = run_metrics(azure, "J").await.unwrap();
    assert_eq!(found, [("rmse".to_owned(), 2.5)]);
    let asked = scene.world.requests(&path).await;
    assert_eq!(asked[1].url.query(), Some("run_id=J"));
}
