//! Logs as they grow.

use std::collections::BTreeMap;

use aml_runner::azure::history::RunDetails;
use aml_runner::azure::jobs::JobStatus;
use aml_runner::azure::logs::{LogKind, LogLine, LogTail};
use aml_runner::secret::Secret;
use serde_json::json;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use super::world::Scene;
use crate::azure::support::{WORKSPACE, header, ok};

const LOG: &str = "user_logs/std_log.txt";

fn address(scene: &Scene, name: &str, signature: &str) -> String {
    let port = scene.world.server.address().port();
    format!("http://acct.blob.localhost:{port}/logs/{name}?sv=1&sr=b&sig={signature}")
}

fn details(scene: &Scene, names: &[&str]) -> RunDetails {
    let files: BTreeMap<_, _> = names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                Secret::new(address(scene, name, "first")),
            )
        })
        .collect();
    RunDetails {
        run: "J".into(),
        status: JobStatus::Running,
        error: None,
        warnings: Vec::new(),
        log_files: files,
        started: None,
        ended: None,
    }
}

fn tail(scene: &Scene) -> LogTail {
    LogTail::new(&scene.world.azure, "J", LogKind::Command)
}

fn texts(lines: Vec<LogLine>) -> Vec<String> {
    lines.into_iter().map(|one| one.line).collect()
}

#[tokio::test]
async fn only_what_is_new_is_asked_for_and_shown() {
    let scene = Scene::new().await;
    let (mut tail, details) = (tail(&scene), details(&scene, &[LOG]));
    assert!(tail.read(&details).await.unwrap().is_empty(), "no blob yet");
    scene
        .store
        .append("/logs/user_logs/std_log.txt", b"one\ntwo\nthr");
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["one", "two"]);
    assert!(tail.read(&details).await.unwrap().is_empty());
    scene
        .store
        .append("/logs/user_logs/std_log.txt", b"ee\n\xe2\x82");
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["three"]);
    scene
        .store
        .append("/logs/user_logs/std_log.txt", b"\xac\nend");
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["\u{20ac}"]);
    assert_eq!(texts(tail.finish()), ["end"]);
    assert!(tail.finish().is_empty());
    let asked = scene.world.requests("/logs/user_logs/std_log.txt").await;
    let starts: Vec<_> = asked
        .iter()
        .map(|one| {
            header(one, "range")
                .unwrap()
                .split('-')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        starts,
        ["bytes=0", "bytes=0", "bytes=11", "bytes=11", "bytes=16"]
    );
    assert!(
        asked
            .iter()
            .all(|one| header(one, "authorization").is_none())
    );
}

#[tokio::test]
async fn files_that_appear_later_are_followed_from_their_start() {
    let scene = Scene::new().await;
    let mut tail = tail(&scene);
    assert!(tail.read(&details(&scene, &[])).await.unwrap().is_empty());
    let build = "azureml-logs/20_image_build_log.txt";
    scene.store.append(&format!("/logs/{build}"), b"step 1\n");
    let lines = tail.read(&details(&scene, &[build])).await.unwrap();
    assert_eq!(
        (lines[0].file.as_str(), lines[0].line.as_str()),
        (build, "step 1")
    );
    scene.store.append(&format!("/logs/{build}"), b"step 2\n");
    scene.store.append(&format!("/logs/{LOG}"), b"hello\n");
    let lines = tail.read(&details(&scene, &[build, LOG])).await.unwrap();
    assert_eq!(texts(lines), ["step 2", "hello"]);
}

#[tokio::test]
async fn an_expired_signature_is_replaced_from_fresh_details() {
    let scene = Scene::new().await;
    let blob = "/expiring/log.txt";
    let port = scene.world.server.address().port();
    let signed =
        |signature: &str| format!("http://acct.blob.localhost:{port}{blob}?sig={signature}");
    for (signature, answer) in [
        ("old", ResponseTemplate::new(403)),
        ("new", ResponseTemplate::new(206).set_body_string("late\n")),
    ] {
        Mock::given(method("GET"))
            .and(path(blob))
            .and(query_param("sig", signature))
            .respond_with(answer)
            .mount(&scene.world.server)
            .await;
    }
    let fresh = json!({"runId": "J", "status": "Running", "logFiles": {LOG: signed("new")}});
    let at = format!("/history/v1.0{WORKSPACE}/runs/J/details");
    scene.world.get(&at, ok(fresh)).await;
    let mut tail = tail(&scene);
    let mut details = details(&scene, &[]);
    details
        .log_files
        .insert(LOG.into(), Secret::new(signed("old")));
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["late"]);
    assert!(scene.world.minted().contains(&"new".to_owned()));
}

#[tokio::test]
async fn a_server_without_ranges_does_not_repeat_lines() {
    let scene = Scene::new().await;
    let whole = crate::azure::support::script([
        ResponseTemplate::new(200).set_body_string("one\n"),
        ResponseTemplate::new(200).set_body_string("one\ntwo\n"),
        ResponseTemplate::new(200).set_body_string("one\ntwo\n"),
    ]);
    scene.world.get("/plain/log.txt", whole).await;
    let mut details = details(&scene, &[]);
    let port = scene.world.server.address().port();
    let address = format!("http://acct.blob.localhost:{port}/plain/log.txt?sig=x");
    details.log_files.insert(LOG.into(), Secret::new(address));
    let mut tail = tail(&scene);
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["one"]);
    assert_eq!(texts(tail.read(&details).await.unwrap()), ["two"]);
    assert!(tail.read(&details).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_long_log_comes_in_several_answers_and_whole() {
    let scene = Scene::new().await;
    let expected: Vec<String> = (0..60_000).map(|n| format!("line {n}")).collect();
    let content = expected.join("\n") + "\n";
    scene
        .store
        .append(&format!("/logs/{LOG}"), content.as_bytes());
    let (mut tail, details) = (tail(&scene), details(&scene, &[LOG]));
    let (mut found, mut answers) = (Vec::new(), 0);
    loop {
        let lines = texts(tail.read(&details).await.unwrap());
        if lines.is_empty() {
            break;
        }
        answers += 1;
        found.extend(lines);
    }
    assert!(answers > 1);
    assert!(found == expected);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_cost_the_lines_of_another() {
    let scene = Scene::new().await;
    let bad = "user_logs/std_log_0.txt";
    scene.store.append(&format!("/logs/{LOG}"), b"kept\n");
    scene.store.append(&format!("/logs/{bad}"), b"later\n");
    scene.store.refuse_once(&format!("/logs/{bad}"), 400);
    let (mut tail, details) = (tail(&scene), details(&scene, &[LOG, bad]));
    let mut found = texts(tail.read(&details).await.unwrap());
    found.extend(texts(tail.read(&details).await.unwrap()));
    assert_eq!(found, ["kept", "later"]);
}

#[tokio::test]
async fn storage_that_keeps_this_machine_out_is_said_and_not_taken_for_silence() {
    let scene = Scene::new().await;
    let port = scene.world.server.address().port();
    let address = format!("http://acct.blob.localhost:{port}/closed/log.txt?sig=SIGNED");
    let closed = crate::azure::support::status(403);
    scene.world.get("/closed/log.txt", closed).await;
    let fresh = json!({"runId": "J", "status": "Running", "logFiles": {LOG: address}});
    let at = format!("/history/v1.0{WORKSPACE}/runs/J/details");
    scene.world.get(&at, ok(fresh)).await;
    let mut details = details(&scene, &[]);
    details.log_files.insert(LOG.into(), Secret::new(address));
    let error = tail(&scene).read(&details).await.unwrap_err();
    assert!(matches!(error, aml_runner::azure::ArmError::Denied(_)));
    assert!(!format!("{error:?}").contains("SIGNED"), "{error:?}");
}

#[tokio::test]
async fn a_progress_bar_longer_than_a_reading_does_not_end_the_log() {
    let scene = Scene::new().await;
    let (mut tail, details) = (tail(&scene), details(&scene, &[LOG]));
    let bar = "\r 42% done".repeat(60_000);
    let log = format!("/logs/{LOG}");
    scene.store.append(&log, bar.as_bytes());
    scene.store.append(&log, b"\nafter the bar\n");
    let mut lines = texts(tail.read(&details).await.unwrap());
    lines.extend(texts(tail.read_on().await.unwrap()));
    assert_eq!(lines, [" 42% done", "after the bar"]);
}
