//! Batch endpoints: the invoke is scripted, the job that it names really runs.

use serde_json::json;

use super::{ENDPOINT, answer};
use crate::support::world::{Ran, World};

/// A world with a batch endpoint whose invoke answers with a job that ran `command`.
async fn with_batch_job(command: &str) -> World {
    let world = World::with_compute().await;
    let yaml = format!(
        "type: pipeline\nsettings: {{default_compute: azureml:cpu}}\njobs:\n  batchscoring:\n    command: {command}\n    environment: azureml:AzureML-x@latest\n    outputs:\n      score: {{type: uri_folder}}\n"
    );
    world.file("job.yml", &yaml);
    world.file("data/rows.csv", "1,2\n3,4\n");
    let ran = world
        .stage(
            "run-job",
            &[
                ("file", "job.yml"),
                ("name", "batchjob-1"),
                ("wait", "false"),
            ],
        )
        .await;
    ran.succeeded();
    let faults = world.emulator.faults();
    let address = format!("{}/batch/taxi/jobs", world.emulator.endpoint());
    let endpoint = json!({"id": "i", "name": "taxi", "properties": {"authMode": "AADToken", "provisioningState": "Succeeded",
        "scoringUri": address, "defaults": {"deploymentName": "d"}}});
    faults.add(
        "GET",
        "/batchEndpoints/taxi/deployments",
        9,
        answer(200, "{\"value\": [{\"name\": \"d\", \"properties\": {}}]}"),
    );
    faults.add(
        "GET",
        "/batchEndpoints/taxi",
        9,
        answer(200, &endpoint.to_string()),
    );
    let job = json!({"name": "batchjob-1", "properties": {"status": "Preparing", "name": "mango"}});
    faults.add("POST", "/batch/taxi/jobs", 1, answer(201, &job.to_string()));
    world
}

async fn batch_tested(world: &World) -> Ran {
    world
        .stage(
            "smoke-test",
            &[ENDPOINT, ("deployment-name", "d"), ("input", "data")],
        )
        .await
}

#[tokio::test]
async fn a_batch_endpoint_is_invoked_with_an_uploaded_folder_and_its_output_looked_into() {
    let world = with_batch_job("echo 1,2 > ${{outputs.score}}/predictions.csv").await;
    let ran = batch_tested(&world).await.succeeded();
    assert_eq!(
        (ran.output("job-name"), ran.output("job-status")),
        ("batchjob-1", "Completed")
    );
    assert!(ran.shown.contains("predictions.csv"), "{}", ran.shown);
    let invokes = world.requests("POST", "/batch/taxi/jobs");
    let input = &invokes[0].body.as_ref().unwrap()["properties"]["inputData"]["UriFolder"];
    assert_eq!(input["jobInputType"], "UriFolder");
    let uri = input["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("azureml://datastores/workspaceblobstore/paths/LocalUpload/")
            && uri.ends_with("/data/"),
        "{uri}"
    );
    assert!(!world.requests("PUT", "/data/rows.csv").is_empty());
    let audience = invokes[0].claims.as_ref().unwrap()["aud"].as_str().unwrap();
    assert!(audience.contains("ml.azure.com"), "{audience}");
}

#[tokio::test]
async fn a_batch_job_without_rows_or_one_that_fails_fails_the_test() {
    for (command, says) in [
        (
            "touch ${{outputs.score}}/predictions.csv",
            "expected the output has rows",
        ),
        ("echo nothing", "expected the output file is there"),
        ("echo the reason && exit 7", "found Failed"),
    ] {
        let world = with_batch_job(command).await;
        let ran = batch_tested(&world).await;
        assert_eq!(ran.code, 1, "{command}: {}", ran.shown);
        assert!(ran.shown.contains(says), "{says}: {}", ran.shown);
        assert!(ran.shown.contains("what was sent"), "{}", ran.shown);
    }
}

#[tokio::test]
async fn a_data_asset_is_given_as_the_type_that_it_was_registered_with() {
    let world = with_batch_job("echo 1,2 > ${{outputs.score}}/predictions.csv").await;
    let data = [
        ("name", "rows"),
        ("version", "1"),
        ("type", "uri_file"),
        ("path", "data/rows.csv"),
    ];
    world.stage("register-data", &data).await.succeeded();
    let ran = world
        .stage(
            "smoke-test",
            &[
                ENDPOINT,
                ("input", "azureml:gone:1"),
                ("endpoint-type", "batch"),
            ],
        )
        .await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    assert!(world.requests("POST", "/batch/taxi/jobs").is_empty());
    world
        .stage("smoke-test", &[ENDPOINT, ("input", "azureml:rows:1")])
        .await
        .succeeded();
    let sent = &world.requests("POST", "/batch/taxi/jobs")[0].body;
    let input = &sent.as_ref().unwrap()["properties"]["inputData"]["UriFile"];
    assert_eq!(input["jobInputType"], "UriFile");
    assert!(
        input["uri"]
            .as_str()
            .unwrap()
            .ends_with("/data/rows/versions/1"),
        "{input}"
    );
}
