//! A pipeline's plan: what is sent, how often, and what only a write may cause.

use std::collections::BTreeSet;
use std::path::PathBuf;

use aml_runner::azure::apply::ApplyError;
use aml_runner::event::Place;
use aml_runner::report::Change;
use aml_runner::spec::Plan;
use aml_runner::spec::plan::{Destination, Existing, Expectation, Part, Reference, Slot, Target};
use serde_json::json;

use super::world::{Scene, request, slot};
use crate::azure::support::{WORKSPACE, header, ok};

/// Four steps, each with a copy of the same code folder; three components differ, the fourth repeats the third.
pub(crate) fn pipeline(scene: &Scene) -> Plan {
    let files: [(&str, &[u8]); 2] = [("prep.py", b"print(1)\n"), ("lib/util.py", b"x = 1\n")];
    let uploads = (0..4)
        .map(|_| scene.folder("src", "c0de", Destination::Code, &files))
        .collect();
    let mut requests: Vec<_> = (0..4)
        .map(|step| {
            let hash = format!("hash-{}", step.min(2));
            let target = Target::Anonymous {
                collection: "components",
                name: "azureml_anonymous".into(),
                version: hash.clone(),
            };
            let body = json!({"properties": {"componentSpec": {"command": hash, "code": null, "environment": null}}});
            let environment = Slot {
                pointer: "/properties/componentSpec/environment".into(),
                parts: vec![
                    Part::Text("azureml:".into()),
                    Part::Reference(Reference::Latest {
                        collection: "environments",
                        name: "env".into(),
                    }),
                ],
            };
            let code = slot("/properties/componentSpec/code", Reference::Code(step));
            request(target, body, vec![code, environment])
        })
        .collect();
    let job = Target::Named {
        collection: "jobs",
        name: None,
    };
    let body = json!({"properties": {"jobType": "Pipeline", "displayName": null, "jobs": {
        "a": {"componentId": null}, "b": {"componentId": null}, "c": {"componentId": null}, "d": {"componentId": null}}}});
    let mut slots = vec![slot("/properties/displayName", Reference::OwnName)];
    for (index, step) in ["a", "b", "c", "d"].iter().enumerate() {
        let pointer = format!("/properties/jobs/{step}/componentId");
        slots.push(slot(&pointer, Reference::Answer(index)));
    }
    requests.push(request(job, body, slots));
    Plan {
        uploads,
        requests,
        expects: vec![Expectation {
            resource: Existing::Compute("cpu".into()),
            place: None,
        }],
    }
}

pub(crate) async fn pipeline_scene() -> Scene {
    let scene = Scene::new().await;
    scene.codes().await;
    scene.components().await;
    scene.environment().await;
    scene.echo("jobs/").await;
    scene.world.get("computes/cpu", ok(json!({}))).await;
    scene
}

#[tokio::test]
async fn four_steps_with_the_same_code_look_it_up_upload_it_and_write_it_once() {
    let scene = pipeline_scene().await;
    let run = scene.run(pipeline(&scene));
    run.look_up().await.unwrap();
    run.look_up().await.unwrap();
    run.digest().await.unwrap();
    let reads = scene.sent().await;
    assert!(reads.iter().all(|one| one.starts_with("GET ")), "{reads:?}");
    let applied = run.send(Some("my-job")).await.unwrap();
    let sent = scene.sent().await;
    let distinct: BTreeSet<_> = sent.iter().collect();
    assert_eq!(
        distinct.len(),
        sent.len(),
        "something was sent twice: {sent:#?}"
    );
    assert_eq!(scene.count("GET codes/").await, 1);
    assert_eq!(scene.count("PUT codes/").await, 1);
    assert_eq!(scene.count("PUT components/").await, 3);
    assert_eq!(scene.count("GET environments/env/versions").await, 1);
    assert_eq!(
        scene.store.paths(),
        ["/fresh/src/lib/util.py", "/fresh/src/prep.py"]
    );
    assert_eq!(applied.change, Change::Created);
    assert_eq!(applied.id, format!("{WORKSPACE}/jobs/my-job"));
    let kinds: Vec<_> = applied.also.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["code", "component", "component", "component"]);
    assert_eq!((applied.also[0].files, applied.also[0].bytes), (2, 15));
}

#[tokio::test]
async fn the_job_refers_to_what_the_service_answered() {
    let scene = pipeline_scene().await;
    let run = scene.run(pipeline(&scene));
    run.send(Some("my-job")).await.unwrap();
    let job = scene.body("PUT", "jobs/my-job").await;
    assert_eq!(job["properties"]["displayName"], "my-job");
    let id = |step: &str| job["properties"]["jobs"][step]["componentId"].clone();
    for step in ["a", "b", "c", "d"] {
        let id = id(step);
        assert!(
            id.as_str()
                .unwrap()
                .contains("azureml_anonymous/versions/service-"),
            "{id}"
        );
    }
    assert_eq!(id("c"), id("d"));
    assert_ne!(id("a"), id("b"));
    let component = scene
        .body("PUT", "components/azureml_anonymous/versions/hash-0")
        .await;
    let spec = &component["properties"]["componentSpec"];
    assert_eq!(
        spec["environment"],
        format!("azureml:{WORKSPACE}/environments/env/versions/3")
    );
    assert!(spec["code"].as_str().unwrap().ends_with("/versions/1"));
}

#[tokio::test]
async fn a_code_asset_says_its_hash_and_where_it_was_put() {
    let scene = pipeline_scene().await;
    scene.run(pipeline(&scene)).send(Some("j")).await.unwrap();
    let sent = scene.sent().await;
    let put = sent
        .iter()
        .find(|one| one.starts_with("PUT codes/"))
        .unwrap();
    let body = scene.body("PUT", put.trim_start_matches("PUT ")).await;
    let properties = &body["properties"];
    assert_eq!(
        properties["properties"],
        json!({"hash_sha256": "c0de", "hash_version": "202208"})
    );
    assert!(
        properties["codeUri"]
            .as_str()
            .unwrap()
            .ends_with("/fresh/src")
    );
    assert_eq!(properties["isAnonymous"], true);
}

#[tokio::test]
async fn only_the_pipelines_put_carries_the_token_for_azure_ml() {
    let scene = pipeline_scene().await;
    scene.run(pipeline(&scene)).send(Some("j")).await.unwrap();
    let all = scene.world.server.received_requests().await.unwrap();
    let with: Vec<_> = all
        .iter()
        .filter(|one| header(one, "x-azureml-token").is_some())
        .map(|one| one.url.path().to_owned())
        .collect();
    assert_eq!(with, [format!("{WORKSPACE}/jobs/j")]);
}

#[tokio::test]
async fn code_that_is_there_is_neither_uploaded_nor_written() {
    let scene = Scene::new().await;
    let id = format!("{WORKSPACE}/codes/other/versions/7");
    scene
        .mount(
            "GET",
            "codes/[^/]+/versions$",
            ok(json!({"value": [{"id": id}]})),
        )
        .await;
    scene.components().await;
    scene.environment().await;
    scene.echo("jobs/").await;
    scene.world.get("computes/cpu", ok(json!({}))).await;
    let applied = scene.run(pipeline(&scene)).send(Some("j")).await.unwrap();
    assert_eq!(scene.count("POST ").await, 0);
    assert!(scene.store.paths().is_empty());
    assert_eq!(applied.also[0].change, Change::Unchanged);
    assert_eq!(applied.also[0].id, id);
}

#[tokio::test]
async fn everything_that_is_missing_is_named_with_its_place_and_nothing_is_written() {
    let scene = pipeline_scene().await;
    let mut plan = pipeline(&scene);
    let place = |line| Place {
        file: PathBuf::from("pipeline.yml"),
        line,
        column: 12,
    };
    for (name, line) in [("gpu", 7), ("huge", 9)] {
        plan.expects.push(Expectation {
            resource: Existing::Compute(name.into()),
            place: Some(place(line)),
        });
    }
    let run = scene.run(plan);
    let error = run.look_up().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "pipeline.yml:7:12: compute `gpu` does not exist in the workspace\n\
         pipeline.yml:9:12: compute `huge` does not exist in the workspace"
    );
    let ApplyError::Missing(missing) = run.send(Some("j")).await.unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(missing[1].place, Some(place(9)));
    let sent = scene.sent().await;
    assert!(sent.iter().all(|one| one.starts_with("GET ")), "{sent:?}");
}

#[tokio::test]
async fn the_job_is_not_submitted_when_a_part_of_it_was_refused() {
    let scene = Scene::new().await;
    scene.codes().await;
    scene.environment().await;
    scene.echo("jobs/").await;
    scene.world.get("computes/cpu", ok(json!({}))).await;
    let refusal = json!({"error": {"code": "UserError", "message": "bad spec"}});
    scene
        .mount(
            "PUT",
            "components/",
            wiremock::ResponseTemplate::new(400).set_body_json(refusal),
        )
        .await;
    let error = scene
        .run(pipeline(&scene))
        .send(Some("j"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("bad spec"), "{error}");
    assert_eq!(scene.count("PUT jobs/").await, 0);
}

#[tokio::test]
async fn a_preview_sends_nothing_and_leaves_what_it_does_not_know_as_it_was_written() {
    let scene = pipeline_scene().await;
    let run = scene.run(pipeline(&scene));
    let preview = run.preview(None).unwrap();
    assert!(scene.sent().await.is_empty());
    assert_eq!(preview.uploads.len(), 1);
    assert_eq!(preview.uploads[0].bytes, 15);
    let spec = &preview.requests[0].body["properties"]["componentSpec"];
    assert_eq!(spec["code"], "./src");
    assert_eq!(spec["environment"], "azureml:azureml:env@latest");
    assert_eq!(preview.requests.last().unwrap().path, "jobs/<name>");
    run.look_up().await.unwrap();
    let known = run.preview(Some("j")).unwrap();
    let spec = &known.requests[0].body["properties"]["componentSpec"];
    assert!(
        spec["environment"]
            .as_str()
            .unwrap()
            .ends_with("/env/versions/3")
    );
    assert_eq!(known.requests.last().unwrap().path, "jobs/j");
}
