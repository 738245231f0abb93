//! `register-model` and `register-datastore`.

use aml_runner::emulator::Fault;

use crate::support::world::World;

const MLFLOW: &str = "name: wine\ntype: mlflow_model\npath: model\n";

async fn with_model() -> World {
    let world = World::new().await;
    world.file("model/MLmodel", "flavors: {}\n");
    world.file("model/model.pkl", "weights");
    world.file("model.yml", MLFLOW);
    world
}

#[tokio::test]
async fn registering_a_model_twice_uploads_and_writes_once() {
    let world = with_model().await;
    let inputs = [("file", "model.yml")];
    let first = world.stage("register-model", &inputs).await.succeeded();
    let uploads = world.requests("PUT", "/LocalUpload/").len();
    let again = world.stage("register-model", &inputs).await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert!(
        first
            .output("model-id")
            .ends_with("/models/wine/versions/1"),
        "{}",
        first.shown
    );
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(again.output("model-id"), first.output("model-id"));
    assert!(uploads > 0);
    assert_eq!(world.requests("PUT", "/LocalUpload/").len(), uploads);
    assert_eq!(world.writes(), ["PUT models/wine/versions/1"]);
}

#[tokio::test]
async fn changed_weights_become_the_next_version_and_a_changed_description_an_update() {
    let world = with_model().await;
    let inputs = [("file", "model.yml")];
    world.stage("register-model", &inputs).await.succeeded();
    world.file("model/model.pkl", "better weights");
    let next = world.stage("register-model", &inputs).await.succeeded();
    assert!(
        next.output("model-id").ends_with("/versions/2"),
        "{}",
        next.shown
    );
    world.file(
        "model.yml",
        &format!("{MLFLOW}version: 2\ndescription: d\n"),
    );
    let described = world.stage("register-model", &inputs).await.succeeded();
    assert_eq!(
        described.output("changed"),
        "updated",
        "{}",
        described.shown
    );
}

#[tokio::test]
async fn a_version_with_other_files_is_refused_with_advice() {
    let world = with_model().await;
    let inputs = [("file", "model.yml"), ("version", "1")];
    world.stage("register-model", &inputs).await.succeeded();
    world.file("model/model.pkl", "better weights");
    let ran = world.stage("register-model", &inputs).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.report.advice.is_some(), "{}", ran.shown);
}

#[tokio::test]
async fn what_a_job_left_is_registered_from_inputs_alone_and_stays_where_it_is() {
    let world = World::new().await;
    for path in [
        "azureml://jobs/my-job/outputs/artifacts/paths/model/",
        "runs:/my-job/model",
    ] {
        let inputs = [("name", "wine"), ("type", "mlflow_model"), ("path", path)];
        let first = world.stage("register-model", &inputs).await.succeeded();
        let again = world.stage("register-model", &inputs).await.succeeded();
        assert_eq!(first.output("changed"), "created", "{}", first.shown);
        assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    }
    assert!(world.requests("PUT", "/LocalUpload/").is_empty());
}

#[tokio::test]
async fn a_model_without_a_path_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    world.file("model.yml", "name: wine\ntyp: mlflow_model\n");
    let ran = world
        .on_github("register-model", &[("file", "model.yml")], &[])
        .await;
    assert_eq!(ran.code, 2);
    for said in ["path: this field is required", "did you mean `type`?"] {
        assert!(ran.shown.contains(said), "{}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}

const BLOB: &str = "name: lake\ntype: azure_blob\naccount_name: acc\ncontainer_name: c\n";

#[tokio::test]
async fn a_datastore_without_credentials_is_created_then_unchanged_then_updated() {
    let world = World::new().await;
    let inputs = [("file", "store.yml")];
    for (more, changed) in [
        ("", "created"),
        ("", "unchanged"),
        ("description: d\n", "updated"),
        ("description: d\n", "unchanged"),
    ] {
        world.file("store.yml", &format!("{BLOB}{more}"));
        let ran = world.stage("register-datastore", &inputs).await.succeeded();
        assert_eq!(ran.output("changed"), changed, "{}", ran.shown);
    }
    assert_eq!(world.requests("PUT", "/datastores/lake").len(), 2);
}

#[tokio::test]
async fn a_datastore_with_a_key_is_written_every_time_because_its_key_cannot_be_read_back() {
    let world = World::new().await;
    world.file(
        "store.yml",
        &format!("{BLOB}credentials: {{account_key: cGxhbnRlZA==}}\n"),
    );
    let inputs = [("file", "store.yml")];
    let first = world.stage("register-datastore", &inputs).await.succeeded();
    let again = world.stage("register-datastore", &inputs).await.succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(again.output("changed"), "updated");
}

#[tokio::test]
async fn no_credential_of_a_datastore_shows_wherever_it_is_written_or_repeated() {
    let world = World::new().await;
    let stores = [
        format!("{BLOB}credentials: {{account_key: planted-credential}}\n"),
        format!("{BLOB}credentials: {{sas_token: planted-credential}}\n"),
        "name: lake\ntype: azure_data_lake_gen2\naccount_name: a\nfilesystem: f\ncredentials:\n  tenant_id: t\n  client_id: c\n  \
         client_secret: planted-credential\n"
            .to_owned(),
        "name: lake\ntype: azure_data_lake_gen1\nstore_name: a\ncredentials:\n  tenant_id: t\n  client_id: c\n  thumbprint: print\n  \
         certificate: planted-credential\n"
            .to_owned(),
    ];
    for store in stores {
        world.file("store.yml", &store);
        let echo = Fault::arm(400, "UserError", "The key planted-credential is odd.");
        world
            .emulator
            .faults()
            .add("PUT", "/datastores/lake", 1, echo);
        let inputs = [("file", "store.yml")];
        let refused = world.stage("register-datastore", &inputs).await;
        assert_eq!(refused.code, 1, "{}", refused.shown);
        assert!(refused.shown.contains("is odd"), "{}", refused.shown);
        let dry = [("file", "store.yml"), ("dry-run", "true")];
        let dry = world.stage("register-datastore", &dry).await.succeeded();
        assert!(dry.shown.contains("secretsType"), "{}", dry.shown);
        for ran in [&refused, &dry] {
            assert!(!ran.shown.contains("planted-credential"), "{}", ran.shown);
        }
        let plan = serde_json::to_string(&dry.report).unwrap();
        assert!(!plan.contains("planted-credential"), "{plan}");
    }
}

#[tokio::test]
async fn a_wrong_credential_is_named_and_not_repeated() {
    let world = World::new().await;
    world.file(
        "store.yml",
        &format!("{BLOB}credentials: {{sas_token: 987654321}}\n"),
    );
    let ran = world
        .stage("register-datastore", &[("file", "store.yml")])
        .await;
    assert_eq!(ran.code, 2);
    assert!(ran.shown.contains("credentials.sas_token"), "{}", ran.shown);
    assert!(!ran.shown.contains("987654321"), "{}", ran.shown);
}
