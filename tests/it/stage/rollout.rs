//! Rollouts on an endpoint that really answers: forward, back, killed at every request, stopped, met by others.

use std::time::{Duration, Instant};

use aml_runner::cancel::Signal;
use aml_runner::emulator::Fault;
use serde_json::{Value, json};

use crate::support::process::{start, start_bare};
use crate::support::world::{Ran, World, github_job, read};

const SCORE: &str = "/online/taxi/score";
const JOURNAL: &str = "aml-runner.rollout";

/// Answers with its version; from its `wrong`-th call on with a wrong one.
fn version(world: &World, version: usize, wrong: usize) {
    world.file(
        "src/score.py",
        &format!(
            "calls = 0\ndef init():\n    pass\ndef run(data):\n    global calls\n    calls += 1\n    return {{\"predictions\": [{version} if calls < {wrong} else -1]}}\n"
        ),
    );
}

const NEVER: usize = 1_000_000;

/// An endpoint whose first deployment, `blue`, has all the traffic.
async fn serving() -> World {
    let world = World::new().await;
    world.file("endpoint.yml", "name: taxi\nauth_mode: key\n");
    world.file("model/model.txt", "m");
    world.file(
        "deployment.yml",
        "endpoint_name: taxi\nmodel:\n  path: model\ncode_configuration:\n  code: src\n  scoring_script: score.py\nenvironment: azureml:AzureML-x@latest\ninstance_type: Standard_DS3_v2\ninstance_count: 2\n",
    );
    let endpoint = [("file", "endpoint.yml"), ("endpoint-type", "online")];
    world.stage("create-endpoint", &endpoint).await.succeeded();
    version(&world, 1, NEVER);
    let first = rollout(&world, &[]).await.succeeded();
    assert_eq!(first.output("traffic"), "blue=100", "{}", first.shown);
    world
}

const INPUTS: [(&str, &str); 4] = [
    ("file", "deployment.yml"),
    ("endpoint-type", "online"),
    ("request", "{\"x\": 1}"),
    ("expect", "$.predictions[0] > 0"),
];

async fn rollout(world: &World, more: &[(&str, &str)]) -> Ran {
    let inputs = [&INPUTS[..], more].concat();
    world.stage("rollout", &inputs).await
}

fn traffic(world: &World) -> String {
    let map = world.emulator.traffic("taxi").unwrap();
    let items: Vec<_> = map
        .iter()
        .map(|(name, share)| format!("{name}={share}"))
        .collect();
    items.join(" ")
}

fn deployments(world: &World) -> Vec<(String, &'static str)> {
    world.emulator.deployments("taxi").into_iter().collect()
}

/// Every map that the endpoint was asked for, in order, without repeats.
fn maps(world: &World) -> Vec<Value> {
    let mut maps: Vec<Value> = Vec::new();
    for request in world.requests("PUT", "/onlineEndpoints/taxi") {
        let asked = request.body.unwrap_or_default();
        let map = asked["properties"]["traffic"].clone();
        if !request.path.contains("/deployments/") && maps.last() != Some(&map) {
            maps.push(map);
        }
    }
    maps
}

async fn journal(world: &World) -> Option<Value> {
    let request = world.requests("PUT", "/onlineEndpoints/taxi");
    let last = request
        .iter()
        .rev()
        .find(|one| !one.path.contains("/deployments/"))?;
    last.body.as_ref()?["tags"].get(JOURNAL).cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_traffic_moves_in_the_steps_asked_for_and_the_same_again_is_unchanged() {
    let world = serving().await;
    version(&world, 2, NEVER);
    let ran = rollout(&world, &[("steps", "10, 50, 100")])
        .await
        .succeeded();
    for (output, value) in [
        ("deployment-name", "green"),
        ("traffic", "green=100"),
        ("former-traffic", "blue=100"),
        ("endpoint-name", "taxi"),
        ("changed", "created"),
    ] {
        assert_eq!(ran.output(output), value, "{}", ran.shown);
    }
    let moved = [
        json!({"blue": 100}),
        json!({"blue": 90, "green": 10}),
        json!({"blue": 50, "green": 50}),
        json!({"green": 100}),
    ];
    assert!(maps(&world).ends_with(&moved), "{:?}", maps(&world));
    let kept = ["blue", "green"].map(|name| (name.to_owned(), "Succeeded"));
    assert_eq!(deployments(&world), kept);
    assert_eq!(journal(&world).await, None);
    let writes = world.writes().len();
    let again = rollout(&world, &[]).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(world.writes().len(), writes);
    let back = world.stage("rollback", &[("endpoint-name", "taxi")]).await;
    assert_eq!(back.succeeded().output("traffic"), "blue=100");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replaced_deployment_is_scaled_down_or_deleted_once_it_has_no_traffic() {
    let world = serving().await;
    version(&world, 2, NEVER);
    rollout(&world, &[("old-deployment", "scale-down")])
        .await
        .succeeded();
    let scaled = world.requests("PUT", "/deployments/blue");
    let body = scaled.last().unwrap().body.as_ref().unwrap();
    assert_eq!(body["sku"]["capacity"], 1);
    version(&world, 3, NEVER);
    let ran = rollout(&world, &[("old-deployment", "delete")])
        .await
        .succeeded();
    assert_eq!(ran.output("deployment-name"), "blue");
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
    assert_eq!(journal(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smoke_test_that_fails_at_any_step_puts_the_former_map_back_and_leaves_nothing() {
    let world = serving().await;
    for wrong in 1..=4 {
        version(&world, 10 + wrong, wrong);
        let ran = rollout(&world, &[]).await;
        assert_eq!(ran.code, 1, "{wrong}: {}", ran.shown);
        assert_eq!(traffic(&world), "blue=100", "{wrong}: {}", ran.shown);
        assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
        assert_eq!(ran.output("deployment-name"), "blue");
        assert_eq!(ran.output("traffic"), "blue=100");
        assert!(ran.shown.contains("went back"), "{}", ran.shown);
        assert_eq!(journal(&world).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_does_not_come_up_is_deleted_and_its_log_shown() {
    let world = serving().await;
    world.file(
        "src/score.py",
        "def init():\n    raise ValueError('no such wine')\ndef run(data):\n    return 1\n",
    );
    let ran = rollout(&world, &[]).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("no such wine"), "{}", ran.shown);
    assert_eq!(traffic(&world), "blue=100");
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_begin_changes_nothing() {
    let world = serving().await;
    version(&world, 2, NEVER);
    let writes = world.writes().len();
    for (more, word) in [
        (vec![("name", "blue")], "has traffic"),
        (vec![("steps", "10, 50")], "last step"),
        (vec![("endpoint-name", "nowhere")], "nowhere"),
        (vec![("expect", "$.[ > 0")], "expect"),
        (vec![("pause", "2h"), ("timeout", "1h")], "pauses"),
    ] {
        let ran = rollout(&world, &more).await;
        assert_eq!(ran.code, 2, "{more:?}: {}", ran.shown);
        assert!(ran.shown.contains(word), "{more:?}: {}", ran.shown);
    }
    assert_eq!(world.writes().len(), writes);
}

/// Lets `free` requests through, holds up the next one, and ends the run there as a kill does: nothing is tidied up. The run, when
/// it ended before.
async fn killed_after(world: &World, free: usize, more: &[(&str, &str)]) -> Option<Ran> {
    let faults = world.emulator.faults();
    faults.add("*", "", free, Fault::Delay(Duration::ZERO));
    faults.add("*", "", 1, Fault::Delay(Duration::from_secs(600)));
    let killed = tokio::select! {
        ran = rollout(world, more) => Some(ran),
        () = met(world) => None,
    };
    faults.clear();
    killed
}

async fn met(world: &World) {
    while world.emulator.faults().pending() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Kills a rollout at each of its requests in turn, those with `free % of == part`, and runs it again.
async fn killed_everywhere(part: usize, of: usize) {
    let world = serving().await;
    let olds = ["keep", "delete", "scale-down"];
    let mut free = part;
    loop {
        version(&world, 100 + free, NEVER);
        let more = [("old-deployment", olds[free % 3]), ("steps", "50, 100")];
        if let Some(ran) = killed_after(&world, free, &more).await {
            ran.succeeded();
            assert!(free > 20, "a rollout of {free} requests");
            return;
        }
        let ran = rollout(&world, &more).await;
        assert_eq!(ran.code, 0, "after {free}: {}", ran.shown);
        let live = ran.output("deployment-name");
        assert_eq!(traffic(&world), format!("{live}=100"), "after {free}");
        assert_eq!(journal(&world).await, None, "after {free}: {}", ran.shown);
        let all = deployments(&world);
        assert!(
            all.iter().all(|(_, state)| *state == "Succeeded"),
            "after {free}: {all:?}"
        );
        let known = ["blue", "green"];
        assert!(all.iter().all(|(name, _)| known.contains(&name.as_str())));
        free += of;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_killed_at_any_of_its_requests_ends_well_after_a_second_run() {
    let parts = (0..4).map(|part| tokio::spawn(killed_everywhere(part, 4)));
    for part in parts.collect::<Vec<_>>() {
        part.await.unwrap();
    }
}

/// The same with one that goes back at its second step, and again when it is run again.
async fn killed_everywhere_while_failing(part: usize, of: usize) {
    let world = serving().await;
    let mut free = part;
    loop {
        version(&world, 100 + free, 3);
        let more = [("steps", "50, 100")];
        let whole = killed_after(&world, free, &more).await;
        let done = whole.is_some();
        let ran = match whole {
            Some(ran) => ran,
            None => {
                // Every run calls it as often as it must be called to be found wrong.
                let calls = [&more[..], &[("calls", "3")]].concat();
                rollout(&world, &calls).await
            }
        };
        assert_eq!(ran.code, 1, "after {free}: {}", ran.shown);
        assert_eq!(traffic(&world), "blue=100", "after {free}: {}", ran.shown);
        assert_eq!(journal(&world).await, None, "after {free}: {}", ran.shown);
        let all = deployments(&world);
        assert_eq!(
            all,
            [("blue".to_owned(), "Succeeded")],
            "after {free}: {}",
            ran.shown
        );
        if done {
            assert!(free > 20, "a rollout of {free} requests");
            return;
        }
        free += of;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_killed_on_its_way_back_is_back_after_a_second_run() {
    let parts = (0..4).map(|part| tokio::spawn(killed_everywhere_while_failing(part, 4)));
    for part in parts.collect::<Vec<_>>() {
        part.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_endpoint_gets_another_default_deployment_once_its_job_succeeded() {
    let world = World::new().await;
    let compute = [("name", "cpu"), ("size", "Standard_DS3_v2")];
    world.stage("create-compute", &compute).await.succeeded();
    world.file("endpoint.yml", "name: nightly\nauth_mode: aad_token\n");
    let endpoint = [("file", "endpoint.yml"), ("endpoint-type", "batch")];
    world.stage("create-endpoint", &endpoint).await.succeeded();
    world.file("model/model.txt", "m");
    world.file("in/a.csv", "1\n");
    world.file(
        "deployment.yml",
        "endpoint_name: nightly\ntype: model\nmodel:\n  path: model\ncode_configuration:\n  code: src\n  scoring_script: score.py\nenvironment: azureml:AzureML-x@latest\ncompute: azureml:cpu\n",
    );
    let script = |run: &str| {
        world.file(
            "src/score.py",
            &format!("def init():\n    pass\ndef run(mini_batch):\n    {run}\n"),
        )
    };
    let inputs = [
        ("file", "deployment.yml"),
        ("endpoint-type", "batch"),
        ("input", "in"),
    ];
    script("return ['1' for path in mini_batch]");
    let first = world.stage("rollout", &inputs).await.succeeded();
    assert_eq!(first.output("deployment-name"), "blue", "{}", first.shown);
    script("return ['2' for path in mini_batch]");
    let second = world.stage("rollout", &inputs).await.succeeded();
    assert_eq!(second.output("traffic"), "green=100", "{}", second.shown);
    assert_eq!(second.output("former-traffic"), "blue=100");
    script("raise ValueError('spoilt')");
    let failing = world.stage("rollout", &inputs).await;
    assert_eq!(failing.code, 1, "{}", failing.shown);
    assert_eq!(failing.output("traffic"), "green=100", "{}", failing.shown);
    let scaled = [&inputs[..], &[("old-deployment", "scale-down")]].concat();
    assert_eq!(world.stage("rollout", &scaled).await.code, 2);
}

/// Holds up the smoke test after `passed` ones.
fn hold_test(world: &World, passed: usize) {
    let faults = world.emulator.faults();
    faults.add("POST", SCORE, passed, Fault::Delay(Duration::ZERO));
    faults.add("POST", SCORE, 1, Fault::Delay(Duration::from_secs(600)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_puts_the_former_map_back_within_three_seconds() {
    let world = serving().await;
    version(&world, 2, NEVER);
    hold_test(&world, 2);
    let stop = async {
        met(&world).await;
        assert_eq!(traffic(&world), "blue=50 green=50");
        let asked = Instant::now();
        world.cancel.cancel(Signal::Terminate);
        while traffic(&world) != "blue=100" {
            tokio::task::yield_now().await;
        }
        asked.elapsed()
    };
    let (ran, took) = tokio::join!(rollout(&world, &[]), stop);
    assert_eq!(ran.code, 143, "{}", ran.shown);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(ran.shown.contains("went back"), "{}", ran.shown);
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_post_step_undoes_what_a_killed_step_left() {
    let world = serving().await;
    version(&world, 2, NEVER);
    hold_test(&world, 1);
    let mut env = github_job();
    let state = world.folder.path().join("state");
    std::fs::write(&state, "").unwrap();
    env.push(("GITHUB_STATE".to_owned(), state.display().to_string()));
    let flags: Vec<String> = INPUTS
        .iter()
        .flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()])
        .collect();
    let args: Vec<&str> = std::iter::once("rollout")
        .chain(flags.iter().map(String::as_str))
        .collect();
    let mut step = start(&world, &args, &env);
    met(&world).await;
    step.kill().await.unwrap();
    assert_eq!(traffic(&world), "blue=90 green=10");
    for (name, value) in world.emulator.settings() {
        env.push((format!("INPUT_{}", name.to_uppercase()), value));
    }
    // What the runner does with the file: `name<<delimiter`, the value, the delimiter.
    let saved = read(world.folder.path(), "state");
    let lines: Vec<&str> = saved.lines().collect();
    for entry in lines.chunks(3) {
        let (name, _) = entry[0].split_once("<<").unwrap();
        env.push((format!("STATE_{name}"), entry[1].to_owned()));
    }
    let post = start_bare(&world, &["--post"], &env);
    let post = post.wait_with_output().await.unwrap();
    let text = String::from_utf8_lossy(&post.stdout).into_owned();
    assert_eq!(post.status.code(), Some(0), "{text}");
    assert_eq!(traffic(&world), "blue=100", "{text}");
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_goes_back_and_has_its_own_code() {
    let world = serving().await;
    version(&world, 2, NEVER);
    hold_test(&world, 1);
    let ran = rollout(&world, &[("timeout", "5s")]).await;
    assert_eq!(ran.code, 4, "{}", ran.shown);
    assert_eq!(traffic(&world), "blue=100");
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_two_rollouts_is_refused_and_does_not_disturb_the_first() {
    let world = serving().await;
    version(&world, 2, NEVER);
    hold_test(&world, 1);
    let first = rollout(&world, &[]);
    let second = async {
        met(&world).await;
        let here = rollout(&world, &[]).await;
        assert_eq!(here.code, 1, "{}", here.shown);
        assert!(here.shown.contains("on this machine"), "{}", here.shown);
        // From another machine only the journal tells.
        let elsewhere = world.folder.path().join("elsewhere");
        std::fs::create_dir_all(&elsewhere).unwrap();
        let temp = elsewhere.display().to_string();
        let there = world
            .on_github("rollout", &INPUTS, &[("RUNNER_TEMP", &temp)])
            .await;
        assert_eq!(there.code, 1, "{}", there.shown);
        assert!(
            there.shown.contains("another rollout is under way"),
            "{}",
            there.shown
        );
        assert_eq!(traffic(&world), "blue=90 green=10");
    };
    tokio::select! {
        ran = first => panic!("it was held up: {}", ran.shown),
        () = second => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_that_somebody_else_changed_is_left_as_it_is() {
    let world = serving().await;
    version(&world, 2, NEVER);
    let faults = world.emulator.faults();
    faults.add("POST", SCORE, 1, Fault::Delay(Duration::ZERO));
    faults.add("POST", SCORE, 1, Fault::Delay(Duration::from_secs(2)));
    let other = async {
        met(&world).await;
        let map = [("endpoint-name", "taxi"), ("traffic", "blue=30 green=70")];
        world.stage("allocate-traffic", &map).await.succeeded();
    };
    let (ran, ()) = tokio::join!(rollout(&world, &[]), other);
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("somebody else"), "{}", ran.shown);
    assert_eq!(traffic(&world), "blue=30 green=70");
    assert_eq!(journal(&world).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_of_a_rollout_that_was_cut_off_restores_the_map_that_it_began_from() {
    let world = serving().await;
    version(&world, 2, NEVER);
    rollout(&world, &[]).await.succeeded();
    version(&world, 3, NEVER);
    hold_test(&world, 1);
    tokio::select! {
        ran = rollout(&world, &[]) => panic!("{}", ran.shown),
        () = met(&world) => {}
    }
    assert_eq!(traffic(&world), "blue=10 green=90");
    let name = [("endpoint-name", "taxi")];
    world.stage("rollback", &name).await.succeeded();
    assert_eq!(traffic(&world), "green=100");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_somebody_takes_away_ends_the_rollout_at_the_former_map() {
    let world = serving().await;
    version(&world, 2, NEVER);
    let faults = world.emulator.faults();
    faults.add("POST", SCORE, 1, Fault::Delay(Duration::ZERO));
    faults.add("POST", SCORE, 1, Fault::Delay(Duration::from_secs(2)));
    let other = async {
        met(&world).await;
        let client = reqwest::Client::new();
        let token = world.emulator.access_token("https://management.azure.com/");
        let body = json!({"location": "eastus", "tags": {}, "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {"blue": 90, "green": 10}}});
        let url = arm(&world, "");
        let put = client
            .put(url)
            .bearer_auth(token)
            .header("content-type", "application/json");
        let answer = put.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    };
    let (ran, ()) = tokio::join!(rollout(&world, &[]), other);
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("took the journal"), "{}", ran.shown);
    assert_eq!(traffic(&world), "blue=100");
    assert_eq!(deployments(&world), [("blue".to_owned(), "Succeeded")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_to_writes_of_the_endpoint_change_nothing_in_the_end() {
    for fault in [Fault::DropBefore, Fault::DropAfter] {
        let world = serving().await;
        version(&world, 2, NEVER);
        let faults = world.emulator.faults();
        faults.add("PUT", "/onlineEndpoints/taxi?", 1, fault.clone());
        let ran = rollout(&world, &[("steps", "100")]).await.succeeded();
        assert_eq!(faults.pending(), 0, "{fault:?}");
        assert_eq!(traffic(&world), "green=100", "{fault:?}: {}", ran.shown);
        assert_eq!(journal(&world).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_stops_calling_sees_no_failed_request() {
    let world = serving().await;
    let client = reqwest::Client::new();
    let score = format!("{}{SCORE}", world.emulator.endpoint());
    let key = key(&world, &client).await;
    for (number, old) in [(2, "delete"), (3, "scale-down")] {
        version(&world, number, NEVER);
        let more = [("old-deployment", old)];
        let rolling = rollout(&world, &more);
        tokio::pin!(rolling);
        let mut calls = 0;
        let ran = loop {
            let asked = client
                .post(&score)
                .bearer_auth(&key)
                .header("content-type", "application/json")
                .body("{\"x\": 1}")
                .send();
            tokio::select! {
                biased;
                answer = asked => {
                    let status = answer.unwrap().status();
                    assert_eq!(status, 200, "call {calls}");
                    calls += 1;
                }
                ran = &mut rolling => break ran,
            }
        };
        ran.succeeded();
        assert!(calls > 20, "{calls}");
    }
}

async fn key(world: &World, client: &reqwest::Client) -> String {
    let token = world.emulator.access_token("https://management.azure.com/");
    let asked = client.post(arm(world, "/listKeys")).bearer_auth(token);
    let answer = asked.header("content-length", 0).send().await.unwrap();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    body["primaryKey"].as_str().unwrap().to_owned()
}

/// The endpoint's own address, and what is below it.
fn arm(world: &World, below: &str) -> String {
    let emulator = &world.emulator;
    format!(
        "{}/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}/onlineEndpoints/taxi{below}?api-version=2024-10-01",
        emulator.endpoint(),
        emulator.subscription(),
        emulator.resource_group(),
        emulator.workspace()
    )
}
