//! Outputs on their way to this machine.

use aml_runner::azure::jobs::JobView;
use aml_runner::azure::outputs::{DownloadError, download_outputs, registered_outputs};
use serde_json::json;

use super::world::Scene;
use crate::azure::support::{WORKSPACE, ok};

const ID: &str = "azureml://locations/l/workspaces/w/data/azureml_J_output_data_model/versions/1";

async fn scene(uri: &str) -> Scene {
    let scene = Scene::new().await;
    let run = json!({"runMetadata": {"runId": "J", "outputs": {"model": {"assetId": ID, "type": "UriFolder"}}}});
    let history = format!("/history/v1.0{WORKSPACE}/rundata");
    scene.world.on_request("POST", &history, ok(run)).await;
    let resolve = format!("/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris");
    let uris = json!({"values": {ID: {"uri": uri, "type": "UriFolder"}}});
    scene.world.on_request("POST", &resolve, ok(uris)).await;
    scene
}

const FOLDER: &str = "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/store/paths/azureml/J/model/";

#[tokio::test]
async fn a_folder_comes_with_everything_that_is_in_it() {
    let scene = scene(FOLDER).await;
    for (name, content) in [("MLmodel", "m"), ("data/big.bin", "xyz"), ("empty", "")] {
        let path = format!("/box/azureml/J/model/{name}");
        scene.store.put(&path, content.as_bytes(), &[]);
    }
    scene.store.put("/box/azureml/J/model2/no", b"no", &[]);
    let to = scene.folder.path().join("out");
    let wanted = [("model".to_owned(), to.clone())];
    let done = download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap();
    assert_eq!((done[0].files, done[0].bytes), (3, 4));
    assert_eq!(std::fs::read(to.join("data/big.bin")).unwrap(), b"xyz");
    assert_eq!(std::fs::read(to.join("empty")).unwrap(), b"");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 3);
}

#[tokio::test]
async fn a_file_is_put_into_the_folder_under_its_name() {
    let scene = scene("azureml://datastores/store/paths/a/scores.csv").await;
    scene.store.put("/box/a/scores.csv", b"1,2", &[]);
    scene.store.put("/box/a/scores.csv.bak", b"no", &[]);
    let to = scene.folder.path().join("out");
    let wanted = [("model".to_owned(), to.clone())];
    download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap();
    assert_eq!(std::fs::read(to.join("scores.csv")).unwrap(), b"1,2");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_of_many_parts_is_put_together() {
    let scene = scene("azureml://datastores/store/paths/a/big.bin").await;
    let content: Vec<u8> = (0..(9 << 20)).map(|n: u32| (n % 251) as u8).collect();
    scene.store.put("/box/a/big.bin", &content, &[]);
    let to = scene.folder.path().join("out");
    let wanted = [("model".to_owned(), to.clone())];
    download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap();
    assert!(std::fs::read(to.join("big.bin")).unwrap() == content);
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_folder_stops_the_download_before_it_starts() {
    let scene = scene(FOLDER).await;
    scene.store.put("/box/azureml/J/model/ok", b"ok", &[]);
    scene
        .store
        .put("/box/azureml/J/model/../../evil", b"evil", &[]);
    let to = scene.folder.path().join("deep/out");
    let wanted = [("model".to_owned(), to.clone())];
    let error = download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("outside"), "{error}");
    assert!(!to.exists());
}

#[tokio::test]
async fn an_output_that_is_not_there_is_answered_with_those_that_are() {
    let scene = scene(FOLDER).await;
    let job = json!({"id": "i", "name": "J", "properties": {"status": "Completed", "outputs": {
        "default": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/store/ExperimentRun/dcid.J"}}}});
    scene.world.get("jobs/J", ok(job)).await;
    let wanted = [("modle".to_owned(), scene.folder.path().to_owned())];
    let error = download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap_err();
    let DownloadError::NoSuchOutput { known, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(known, &["default", "model"]);
    scene.store.put("/box/ExperimentRun/dcid.J/f", b"f", &[]);
    let to = scene.folder.path().join("default");
    let wanted = [("default".to_owned(), to.clone())];
    download_outputs(&scene.world.azure, "J", &wanted)
        .await
        .unwrap();
    assert!(to.join("f").exists());
}

#[tokio::test]
async fn registered_outputs_are_named_by_their_assets() {
    let scene = Scene::new().await;
    let latest = json!({"properties": {"latestVersion": "9"}});
    scene.world.get("data/scores", ok(latest)).await;
    let view = JobView::parse(
        &json!({"name": "J", "properties": {"status": "Completed", "outputs": {
        "m": {"jobOutputType": "mlflow_model", "assetName": "taxi", "assetVersion": "3"},
        "d": {"jobOutputType": "uri_file", "assetName": "scores"},
        "gone": {"jobOutputType": "uri_file", "assetName": "gone"},
        "plain": {"jobOutputType": "uri_folder"}}}}),
    );
    let found = registered_outputs(&scene.world.azure, &view).await.unwrap();
    let ids: Vec<_> = found
        .iter()
        .map(|one| (one.kind, one.id.as_str()))
        .collect();
    assert_eq!(
        ids,
        [
            (
                "data",
                format!("{WORKSPACE}/data/scores/versions/9").as_str()
            ),
            (
                "model",
                format!("{WORKSPACE}/models/taxi/versions/3").as_str()
            ),
        ]
    );
}
