//! `register-environment` and `register-data`.

use std::collections::HashSet;

use aml_runner::emulator::Fault;
use aml_runner::report::Change;

use crate::support::world::World;

#[tokio::test]
async fn registering_an_environment_twice_is_unchanged_and_writes_once() {
    let world = World::with_wine().await;
    let first = world
        .stage("register-environment", &[("file", "environment.yml")])
        .await
        .succeeded();
    let again = world
        .stage("register-environment", &[("file", "environment.yml")])
        .await
        .succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(
        first.output("environment-id"),
        again.output("environment-id")
    );
    assert_eq!(world.writes(), ["PUT environments/wine-train/versions/1"]);
}

#[tokio::test]
async fn a_changed_conda_file_is_an_update_or_a_new_version_and_never_lost() {
    let world = World::with_wine().await;
    world
        .stage("register-environment", &[("file", "environment.yml")])
        .await
        .succeeded();
    world.file(
        "conda.yml",
        "name: wine\nchannels: [conda-forge]\ndependencies: [python=3.12]\n",
    );
    let changed = world
        .stage("register-environment", &[("file", "environment.yml")])
        .await
        .succeeded();
    assert_ne!(changed.output("changed"), "unchanged");
    let again = world
        .stage("register-environment", &[("file", "environment.yml")])
        .await
        .succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
}

#[tokio::test]
async fn registering_data_twice_uploads_once() {
    let world = World::with_wine().await;
    let first = world
        .stage("register-data", &[("file", "data.yml")])
        .await
        .succeeded();
    let uploads = world.requests("PUT", "/LocalUpload/").len();
    let again = world
        .stage("register-data", &[("file", "data.yml")])
        .await
        .succeeded();
    assert_eq!(first.output("changed"), "created");
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert!(uploads > 0);
    assert_eq!(world.requests("PUT", "/LocalUpload/").len(), uploads);
    assert_eq!(world.emulator.data(), [("wine".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn changed_data_becomes_the_next_version() {
    let world = World::with_wine().await;
    world
        .stage("register-data", &[("file", "data.yml")])
        .await
        .succeeded();
    world.file("data/wine.csv", "a,b\n1,2\n");
    let ran = world
        .stage("register-data", &[("file", "data.yml")])
        .await
        .succeeded();
    assert_eq!(ran.report.resources[0].version.as_deref(), Some("2"));
    assert_eq!(ran.report.resources[0].change, Change::Created);
}

#[tokio::test]
async fn data_needs_no_file_where_the_inputs_say_enough() {
    let world = World::new().await;
    world.file("rows/a.csv", "1\n");
    world.file("rows/b.csv", "2\n");
    let inputs = [
        ("name", "rows"),
        ("version", "7"),
        ("type", "uri_folder"),
        ("path", "rows"),
    ];
    let ran = world.stage("register-data", &inputs).await.succeeded();
    assert!(
        ran.output("data-id").ends_with("/data/rows/versions/7"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn an_existing_version_with_other_content_is_refused_with_advice() {
    let world = World::new().await;
    world.file("one.csv", "1\n");
    world.file("two.csv", "2\n");
    let of = |path| {
        [
            ("name", "d"),
            ("version", "1"),
            ("type", "uri_file"),
            ("path", path),
        ]
    };
    world
        .stage("register-data", &of("one.csv"))
        .await
        .succeeded();
    let ran = world.stage("register-data", &of("two.csv")).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.report.advice.is_some(), "{}", ran.shown);
}

#[tokio::test]
async fn a_missing_local_path_is_named_as_written_and_as_resolved_and_nothing_is_asked() {
    let world = World::new().await;
    world.file(
        "ml/data.yml",
        "name: d\ntype: uri_file\npath: ../nowhere/x.csv\n",
    );
    let ran = world
        .stage("register-data", &[("file", "ml/data.yml")])
        .await;
    assert_eq!(ran.code, 2);
    assert!(ran.shown.contains("../nowhere/x.csv"), "{}", ran.shown);
    assert!(
        ran.shown
            .contains(&world.folder.path().join("nowhere").display().to_string()),
        "{}",
        ran.shown
    );
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn mistakes_in_yaml_are_annotations_on_their_own_lines() {
    let world = World::new().await;
    world.file("d.yml", "name: d\ntyp: uri_file\npath: a.csv\nversoin: 1\n");
    let ran = world
        .on_github("register-data", &[("file", "d.yml")], &[])
        .await;
    assert_eq!(ran.code, 2);
    for line in ["line=2", "line=4"] {
        assert!(ran.shown.contains(line), "{line}: {}", ran.shown);
    }
    assert!(ran.shown.contains("version"), "{}", ran.shown);
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn a_version_that_is_refused_as_a_bad_request_leads_to_the_next_one() {
    let world = World::with_wine().await;
    let inputs = [("file", "environment.yml")];
    world
        .stage("register-environment", &inputs)
        .await
        .succeeded();
    world.file("conda.yml", "name: wine\ndependencies: [python=3.12]\n");
    let refused = Fault::arm(400, "UserError", "The definition cannot be changed.");
    world
        .emulator
        .faults()
        .add("PUT", "/environments/wine-train/versions/1", 1, refused);
    let ran = world
        .stage("register-environment", &inputs)
        .await
        .succeeded();
    assert!(
        ran.output("environment-id").ends_with("/versions/2"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn a_bad_request_that_no_other_version_would_mend_is_an_error() {
    let world = World::with_wine().await;
    let refused = Fault::arm(400, "UserError", "The name is odd.");
    world
        .emulator
        .faults()
        .add("PUT", "/data/wine/versions/", 9, refused);
    let ran = world.stage("register-data", &[("file", "data.yml")]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.shown.contains("The name is odd."), "{}", ran.shown);
    assert_eq!(world.requests("PUT", "/data/wine/versions/").len(), 1);
}

#[tokio::test]
async fn many_jobs_that_register_one_name_at_once_all_get_a_version() {
    let world = World::new().await;
    for n in 0..8 {
        world.file(&format!("{n}.csv"), &format!("{n}\n"));
    }
    let files: Vec<_> = (0..8).map(|n| format!("{n}.csv")).collect();
    let runs = files.iter().map(async |file| {
        let inputs = [("name", "d"), ("type", "uri_file"), ("path", file.as_str())];
        let ran = world.stage("register-data", &inputs).await.succeeded();
        ran.output("data-id").to_owned()
    });
    let ids: HashSet<_> = futures::future::join_all(runs).await.into_iter().collect();
    assert_eq!(ids.len(), 8);
}

#[tokio::test]
async fn many_jobs_that_register_the_same_at_once_make_it_once() {
    let world = World::new().await;
    world.file("same.csv", "1\n");
    let inputs = [("name", "d"), ("type", "uri_file"), ("path", "same.csv")];
    let runs = (0..4).map(|_| world.stage("register-data", &inputs));
    let runs = futures::future::join_all(runs).await;
    let created = runs.iter().filter(|ran| ran.output("changed") == "created");
    assert_eq!(created.count(), 1);
    assert!(
        runs.iter()
            .all(|ran| ran.code == 0 && ran.output("changed") != "updated")
    );
}
