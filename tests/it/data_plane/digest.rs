//! The digest: what it depends on, and what it does not.

use aml_runner::spec::plan::Version;

use super::apply::{pipeline, pipeline_scene};
use super::world::{Scene, data};

#[tokio::test]
async fn the_same_inputs_give_the_same_digest_before_and_after_everything_was_written() {
    let scene = pipeline_scene().await;
    let first = scene.run(pipeline(&scene));
    let before = first.digest().await.unwrap();
    first.send(Some("one-name")).await.unwrap();
    assert_eq!(first.digest().await.unwrap(), before);
    let second = scene.run(pipeline(&scene));
    assert_eq!(second.digest().await.unwrap(), before);
    assert_eq!(before.len(), 64);
}

#[tokio::test]
async fn stamps_that_come_after_the_digest_do_not_change_what_was_hashed() {
    let scene = pipeline_scene().await;
    let mut run = scene.run(pipeline(&scene));
    let before = run.digest().await.unwrap();
    run.amend(|body| body["properties"]["tags"] = serde_json::json!({"attempt": "2"}));
    assert_ne!(run.digest().await.unwrap(), before);
    run.send(Some("j")).await.unwrap();
    let sent = scene.body("PUT", "jobs/j").await;
    assert_eq!(sent["properties"]["tags"]["attempt"], "2");
}

#[tokio::test]
async fn other_code_another_command_or_another_upload_is_another_digest() {
    let scene = pipeline_scene().await;
    let base = scene.run(pipeline(&scene)).digest().await.unwrap();
    let mut code = pipeline(&scene);
    code.uploads[0].hash = "changed".into();
    assert_ne!(scene.run(code).digest().await.unwrap(), base);
    let mut command = pipeline(&scene);
    command.requests[1].body["properties"]["componentSpec"]["command"] = "other".into();
    assert_ne!(scene.run(command).digest().await.unwrap(), base);

    let scene = Scene::new().await;
    let of = |hash: &str| data(Version::Next, scene.single("t.csv", hash, b"1"));
    let one = scene.run(of("aa")).digest().await.unwrap();
    assert_ne!(scene.run(of("bb")).digest().await.unwrap(), one);
    assert!(scene.sent().await.is_empty(), "nothing had to be asked");
}
