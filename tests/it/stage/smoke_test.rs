//! `smoke-test`: bad inputs, and endpoints whose answers are scripted.

mod batch;
mod served;

use std::time::Duration;

use aml_runner::emulator::Fault;
use serde_json::json;

use crate::support::world::{Ran, World};

const ENDPOINT: (&str, &str) = ("endpoint-name", "taxi");

/// Inputs, and words that the refusal must have.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

/// Runs with inputs that must be refused before anything is sent.
async fn refused(inputs: &[(&str, &str)]) -> String {
    let world = World::new().await;
    world.file("good.json", "{\"data\": [1]}");
    world.file("bad.json", "{\n  \"data\": [1,]\n}");
    world.file("schema.json", "{\"type\": \"nmber\"}");
    let all: Vec<_> = [ENDPOINT]
        .into_iter()
        .chain(inputs.iter().copied())
        .collect();
    let ran = world.stage("smoke-test", &all).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    let sent = world.emulator.requests();
    assert!(sent.is_empty(), "{sent:?}");
    ran.shown
}

#[tokio::test]
async fn what_is_wrong_with_the_inputs_is_said_with_its_place_and_nothing_is_sent() {
    const GOOD: (&str, &str) = ("request-file", "good.json");
    let cases: &[Case] = &[
        (&[], &["request-file", "request"]),
        (
            &[("request-file", "gone.json")],
            &["request-file", "gone.json", "no such file"],
        ),
        (
            &[("request-file", "bad.json")],
            &["bad.json:2:14", "not JSON"],
        ),
        (&[("request", "data: 1")], &["request", "not JSON"]),
        (
            &[GOOD, ("request", "{}")],
            &["request-file", "request", "only one"],
        ),
        (
            &[GOOD, ("expect", "$.a > 0\n$.b >> 0")],
            &["expect", "line 2, column 6", "$.b >> 0"],
        ),
        (&[GOOD, ("expect", "$.a = 1")], &["line 1, column 5", "=="]),
        (&[GOOD, ("expect", "$.a")], &["line 1, column 4"]),
        (
            &[GOOD, ("expect-status", "ok")],
            &["expect-status", "200, 2xx"],
        ),
        (
            &[GOOD, ("expect-schema", "gone.json")],
            &["expect-schema", "no such file"],
        ),
        (
            &[GOOD, ("expect-schema", "schema.json")],
            &["expect-schema", "schema.json", "/type"],
        ),
        (&[GOOD, ("expect-schema", "bad.json")], &["bad.json:2:14"]),
        (&[GOOD, ("calls", "0")], &["calls"]),
        (&[GOOD, ("max-latency", "5")], &["max-latency"]),
        (
            &[GOOD, ("input", "data"), ("endpoint-type", "online")],
            &["input", "batch endpoints"],
        ),
        (
            &[GOOD, ("endpoint-type", "batch")],
            &["request-file", "online endpoints", "input"],
        ),
        (
            &[("input", "data"), ("input-type", "folder")],
            &["input-type", "uri_folder"],
        ),
        (&[("input", "a=x\ny")], &["name=value"]),
        (
            &[("input", "a=x"), ("input-type", "b=uri_file")],
            &["no input `b`"],
        ),
        (&[("input", "gone/")], &["gone/", "no file or folder"]),
    ];
    for (inputs, words) in cases {
        let shown = refused(inputs).await;
        for word in *words {
            assert!(shown.contains(word), "{inputs:?}: {word}: {shown}");
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let shown = refused(&[
        ("request-file", "bad.json"),
        ("expect", "a\nb"),
        ("expect-status", "x"),
        ("calls", "0"),
    ])
    .await;
    for word in [
        "bad.json:2:14",
        "line 1, column 1",
        "line 2, column 1",
        "expect-status",
        "calls",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_the_request_and_sends_nothing() {
    let world = World::new().await;
    world.file("good.json", "{\"data\": [1]}");
    let inputs = [
        ENDPOINT,
        ("deployment-name", "blue"),
        ("request-file", "good.json"),
        ("dry-run", "true"),
    ];
    let ran = world.stage("smoke-test", &inputs).await.succeeded();
    for word in [
        "taxi/blue",
        "{\"data\": [1]}",
        "application/json",
        "nothing was sent",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    let batch = [
        ENDPOINT,
        ("input", "rows=5\nfolder=azureml://datastores/d/paths/p/"),
        ("input-type", "rows=literal"),
        ("dry-run", "true"),
    ];
    let ran = world.stage("smoke-test", &batch).await.succeeded();
    for word in [
        "\"Literal\"",
        "\"value\": 5",
        "\"UriFolder\"",
        "azureml://datastores/d/paths/p/",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}

fn answer(status: u16, body: &str) -> Fault {
    let fault = Fault::arm(status, "", "");
    match fault {
        Fault::Answer {
            status, headers, ..
        } => Fault::Answer {
            status,
            headers,
            body: body.to_owned(),
        },
        Fault::DropBefore | Fault::DropAfter | Fault::Delay(_) => fault,
    }
}

const KEY: &str = "marked-endpoint-key-4711";

/// A world whose endpoint `taxi` with the deployments `blue` and `green` is scripted, and which scores as told.
async fn scripted(scores: &[Fault]) -> World {
    let world = World::new().await;
    world.file("good.json", "{\"data\": [1]}");
    let faults = world.emulator.faults();
    let named =
        |name: &str| json!({"name": name, "properties": {"provisioningState": "Succeeded"}});
    let deployments = json!({"value": [named("blue"), named("green")]});
    faults.add(
        "GET",
        "/onlineEndpoints/taxi/deployments",
        9,
        answer(200, &deployments.to_string()),
    );
    let address = format!("{}/online/taxi/score", world.emulator.endpoint());
    let endpoint = json!({"id": "i", "name": "taxi", "properties": {"authMode": "Key", "provisioningState": "Succeeded",
        "scoringUri": address, "traffic": {"blue": 100}}});
    faults.add(
        "GET",
        "/onlineEndpoints/taxi",
        9,
        answer(200, &endpoint.to_string()),
    );
    let keys = json!({"primaryKey": KEY, "secondaryKey": "other"});
    faults.add(
        "POST",
        "/onlineEndpoints/taxi/listKeys",
        9,
        answer(200, &keys.to_string()),
    );
    for score in scores {
        faults.add("POST", "/online/taxi/score", 1, score.clone());
    }
    world
}

async fn tested(world: &World, more: &[(&str, &str)]) -> Ran {
    let inputs = [
        ENDPOINT,
        ("deployment-name", "green"),
        ("request-file", "good.json"),
    ];
    let all: Vec<_> = inputs.into_iter().chain(more.iter().copied()).collect();
    world.stage("smoke-test", &all).await
}

#[tokio::test]
async fn a_good_answer_passes_and_is_an_output() {
    let world = scripted(&[answer(200, "{\"predictions\": [3.5]}")]).await;
    let ran = tested(
        &world,
        &[("expect", "$.predictions[0] > 0"), ("max-latency", "1h")],
    )
    .await
    .succeeded();
    assert_eq!(ran.output("response"), "{\"predictions\": [3.5]}");
    let test = &ran.report.smoke_tests[0];
    assert!(test.passed && test.checks.len() == 3, "{test:?}");
    assert_eq!((test.target().as_str(), test.calls), ("taxi/green", 1));
    assert!(
        ran.shown.contains("smoke test of taxi/green passed"),
        "{}",
        ran.shown
    );
    assert!(!ran.shown.contains(KEY), "{}", ran.shown);
}

#[tokio::test]
async fn a_test_of_one_call_is_five_requests_deep() {
    let world = scripted(&[answer(200, "[1]")]).await;
    tested(&world, &[]).await.succeeded();
    let asked: Vec<_> = world
        .emulator
        .requests()
        .iter()
        .map(|request| {
            let path = request
                .path
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            format!("{} {path}", request.method)
        })
        .collect();
    // The endpoint and its deployments are asked for at the same time.
    let mut first: Vec<_> = asked[..4].to_vec();
    first[2..].sort();
    assert_eq!(
        first,
        ["GET endpoints", "POST token", "GET deployments", "GET taxi"]
    );
    assert_eq!(asked[4..], ["POST listKeys", "POST score"]);
}

#[tokio::test]
async fn a_bad_answer_fails_with_what_was_sent_and_what_came_back_and_without_the_key() {
    let body = format!("{{\"error\": \"ValueError\", \"predictions\": [-1], \"echo\": \"{KEY}\"}}");
    let world = scripted(&[answer(424, &body)]).await;
    let ran = tested(
        &world,
        &[("expect", "$.predictions[0] > 0\n$.model == \"taxi\"")],
    )
    .await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    for word in [
        "expected status 2xx, found 424",
        "expected $.predictions[0] > 0, found -1 at $['predictions'][0]",
        "expected $.model == \"taxi\", found nothing",
        "sent: POST",
        "{\"data\": [1]}",
        "came back: HTTP 424",
        "ValueError",
        "the model answered with an error of its own",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert!(!ran.shown.contains(KEY), "{}", ran.shown);
    assert!(!ran.report.smoke_tests[0].passed);
}

#[tokio::test]
async fn of_many_calls_one_bad_answer_fails_the_test_and_percentiles_are_reported() {
    let mut scores = vec![answer(200, "[1]"); 19];
    scores.insert(7, answer(200, "[-1]"));
    let world = scripted(&scores).await;
    let ran = tested(&world, &[("calls", "20"), ("expect", "$[0] > 0")]).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("-1 at $[0] (in 1 of 20 answers)"),
        "{}",
        ran.shown
    );
    let test = &ran.report.smoke_tests[0];
    let latency = test.latency.unwrap();
    assert!(test.calls == 20 && latency.p50 <= latency.p95 && latency.p95 <= latency.max);
    assert_eq!(world.emulator.faults().pending(), 9 + 9 + 9 - 3);
}

#[tokio::test]
async fn an_expected_error_is_a_good_answer() {
    let world = scripted(&[answer(424, "no")]).await;
    tested(&world, &[("expect-status", "4xx")])
        .await
        .succeeded();
}

#[tokio::test]
async fn a_deployment_or_endpoint_that_is_not_there_is_an_input_to_correct() {
    let world = scripted(&[]).await;
    let ran = tested(&world, &[("deployment-name", "gren")]).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    for word in [
        "deployment-name",
        "no deployment `gren`",
        "blue, green",
        "did you mean green?",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    let gone = world.emulator.faults();
    gone.clear();
    gone.add(
        "GET",
        "/onlineEndpoints/taxi",
        9,
        Fault::arm(404, "NotFound", "no such endpoint"),
    );
    let ran = tested(&world, &[]).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    assert!(
        ran.shown.contains("no online endpoint `taxi`"),
        "{}",
        ran.shown
    );
    assert!(world.requests("POST", "/score").is_empty());
}

#[tokio::test]
async fn an_answer_that_is_lost_is_a_network_failure_and_the_request_not_sent_again() {
    for lost in [Fault::DropBefore, Fault::DropAfter] {
        let world = scripted(&[lost.clone(), answer(200, "[1]")]).await;
        let ran = tested(&world, &[]).await;
        assert_eq!(ran.code, 5, "{lost:?}: {}", ran.shown);
        assert!(ran.shown.contains("call 1 of 1"), "{}", ran.shown);
        assert_eq!(world.requests("POST", "/score").len(), 1, "{lost:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_is_a_timeout() {
    let world = scripted(&[Fault::Delay(Duration::from_secs(60))]).await;
    let ran = tested(&world, &[("timeout", "300ms")]).await;
    assert_eq!(ran.code, 4, "{}", ran.shown);
}
