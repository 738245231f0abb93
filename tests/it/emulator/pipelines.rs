//! Pipelines as graphs.

use reqwest::Method;
use serde_json::{Value, json};

use super::desk::Desk;

#[expect(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are used"
)]
fn step(component: &str, inputs: Value, outputs: Value) -> Value {
    json!({"type": "command", "componentId": component, "inputs": inputs, "outputs": outputs, "_source": "YAML.JOB"})
}

fn literal(value: &str) -> Value {
    json!({"job_input_type": "literal", "value": value})
}

async fn submit(desk: &Desk, name: &str, more: Value) -> super::desk::Answer {
    let mut properties = json!({"jobType": "Pipeline", "experimentName": "exp"});
    properties
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    desk.put(
        &format!("/jobs/{name}"),
        json!({ "properties": properties }),
    )
    .await
}

/// A component that adds a word to a file, and one that joins two of its outputs.
async fn halves_and_sum(desk: &Desk) -> (String, String) {
    let half = desk
        .component(json!({
            "command": "cp ${{inputs.raw}} ${{outputs.part}}/part.txt && echo -n ${{inputs.word}} >> ${{outputs.part}}/part.txt",
            "inputs": {"raw": {"type": "uri_file"}, "word": {"type": "string", "default": "?"}},
            "outputs": {"part": {"type": "uri_folder"}},
        }))
        .await;
    let sum = desk
        .component(json!({
            "command": "cat ${{inputs.a}}/part.txt ${{inputs.b}}/part.txt > ${{outputs.all}}/all.txt; echo joined",
            "inputs": {"a": {"type": "uri_folder"}, "b": {"type": "uri_folder"}},
            "outputs": {"all": {"type": "uri_folder"}},
        }))
        .await;
    (half, sum)
}

#[tokio::test]
async fn two_steps_feed_a_third_and_the_pipeline_has_its_output() {
    let desk = Desk::open().await;
    let raw = desk.file("raw.txt", "raw ").await;
    let (half, sum) = halves_and_sum(&desk).await;
    let answer = submit(&desk, "pipe", json!({
        "inputs": {"raw": {"jobInputType": "uri_file", "uri": raw}, "word": {"jobInputType": "literal", "value": "one"}},
        "outputs": {"result": {"jobOutputType": "uri_folder", "assetName": "joined", "assetVersion": "7"}},
        "jobs": {
            "join": step(&sum, json!({"a": literal("${{parent.jobs.left.outputs.part}}"), "b": literal("${{parent.jobs.right.outputs.part}}")}),
                json!({"all": {"type": "literal", "value": "${{parent.outputs.result}}"}})),
            "left": step(&half, json!({"raw": literal("${{parent.inputs.raw}}"), "word": literal("${{parent.inputs.word}}")}), json!({})),
            "right": step(&half, json!({"raw": literal("${{parent.inputs.raw}}")}), json!({})),
        },
    })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["properties"]["status"], "Preparing");
    assert_eq!(
        answer.body["properties"]["properties"]["azureml.runsource"],
        "azureml.PipelineRun"
    );
    assert!(
        answer.body["properties"]["outputs"]
            .get("default")
            .is_none()
    );

    let details = desk.history("runs/pipe/details").await.body;
    assert_eq!(
        desk.emulator.wait_for_job("pipe").await,
        Some("Completed"),
        "{details}"
    );
    let steps = desk.emulator.steps("pipe");
    assert_eq!(steps.keys().collect::<Vec<_>>(), ["join", "left", "right"]);

    let run = desk.history("runs/pipe").await.body;
    let asset = run["outputs"]["result"]["assetId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        asset.ends_with("/data/azureml_pipe_output_data_result/versions/1"),
        "{asset}"
    );
    let path = format!(
        "/data/v1.0{}/dataversion/batchGetResolvedUris",
        desk.workspace()
    );
    let resolved = desk
        .at(Method::POST, &path, Some(json!({"values": [asset]})))
        .await
        .body;
    let uri = resolved["values"][&asset]["uri"].as_str().unwrap();
    assert_eq!(desk.text(uri, "all.txt"), "raw oneraw ?");
    assert_eq!(
        desk.emulator.data(),
        [("joined".to_owned(), "7".to_owned())]
    );

    let child = desk.get(&format!("/jobs/{}", steps["join"])).await;
    assert_eq!(child.status, 200);
    assert!(
        child.body.get("properties").is_none(),
        "a step answers no properties"
    );
}

#[tokio::test]
async fn independent_steps_run_at_the_same_time() {
    let desk = Desk::open().await;
    let meeting = tempfile::tempdir().unwrap();
    let meeting = meeting.path().display();
    // Opening a pipe waits for the other side: neither step can end unless both run.
    let meet = |how: &str| json!({"command": format!("mkfifo {meeting}/p 2>/dev/null; timeout 20 bash -c '{how}'"), "inputs": {}, "outputs": {}});
    let talk = desk
        .component(meet(&format!("echo hello > {meeting}/p")))
        .await;
    let listen = desk.component(meet(&format!("cat {meeting}/p"))).await;
    let jobs = json!({"talk": step(&talk, json!({}), json!({})), "listen": step(&listen, json!({}), json!({}))});
    submit(&desk, "meet", json!({ "jobs": jobs })).await;
    assert_eq!(desk.emulator.wait_for_job("meet").await, Some("Completed"));
    assert_eq!(
        desk.emulator
            .job_log(&desk.emulator.steps("meet")["listen"]),
        "hello\n"
    );
}

async fn failing(desk: &Desk, name: &str, go_on: bool) -> Vec<(String, String)> {
    let bad = desk
        .component(json!({"command": "exit 3", "outputs": {"o": {"type": "uri_folder"}}}))
        .await;
    let slow = desk.component(json!({"command": "test -n \"$AZUREML_RUN_ID\"", "outputs": {"o": {"type": "uri_folder"}}})).await;
    let next = desk
        .component(
            json!({"command": "true", "inputs": {"i": {"type": "uri_folder", "optional": true}}}),
        )
        .await;
    submit(desk, name, json!({
        "settings": {"continue_on_step_failure": go_on},
        "jobs": {
            "bad": step(&bad, json!({}), json!({})),
            "good": step(&slow, json!({}), json!({})),
            "after_bad": step(&next, json!({"i": literal("${{parent.jobs.bad.outputs.o}}")}), json!({})),
        },
    })).await;
    assert_eq!(desk.emulator.wait_for_job(name).await, Some("Failed"));
    let steps = desk.emulator.steps(name).into_iter();
    steps
        .map(|(node, run)| (node, desk.emulator.job_status(&run).unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn a_failure_stops_what_depends_on_it() {
    let desk = Desk::open().await;
    for go_on in [true, false] {
        let name = format!("failing-{go_on}");
        let ends = failing(&desk, &name, go_on).await;
        let ends: Vec<(&str, &str)> = ends
            .iter()
            .map(|(node, end)| (node.as_str(), end.as_str()))
            .collect();
        assert_eq!(
            ends,
            [
                ("after_bad", "Canceled"),
                ("bad", "Failed"),
                ("good", "Completed")
            ]
        );
        let details = desk.history(&format!("runs/{name}/details")).await.body;
        assert!(
            details["error"]["error"]["message"]
                .as_str()
                .unwrap()
                .contains("failed steps")
        );
    }
    let steps = desk.emulator.steps("failing-true");
    let run = desk.history(&format!("runs/{}", steps["bad"])).await.body;
    let message = run["error"]["error"]["message"].as_str().unwrap();
    assert!(
        message.ends_with("status code 3."),
        "no log was written: {message}"
    );
}

#[tokio::test]
async fn cancelling_a_pipeline_cancels_its_steps() {
    let desk = Desk::open().await;
    let long = desk
        .component(
            json!({"command": "echo up; sleep 600", "outputs": {"o": {"type": "uri_folder"}}}),
        )
        .await;
    let next = desk
        .component(json!({"command": "true", "inputs": {"i": {"type": "uri_folder"}}}))
        .await;
    submit(&desk, "stop", json!({"jobs": {
        "long": step(&long, json!({}), json!({})),
        "next": step(&next, json!({"i": literal("${{parent.jobs.long.outputs.o}}")}), json!({})),
    }})).await;
    while desk
        .emulator
        .steps("stop")
        .get("long")
        .is_none_or(|run| desk.emulator.job_log(run).is_empty())
    {
        desk.get("/jobs/stop").await;
    }
    desk.arm(Method::POST, "/jobs/stop/cancel", None).await;
    assert_eq!(desk.emulator.wait_for_job("stop").await, Some("Canceled"));
    let steps = desk.emulator.steps("stop");
    for run in steps.values() {
        assert_eq!(desk.emulator.job_status(run), Some("Canceled"));
    }
}

#[tokio::test]
async fn a_pipeline_component_runs_as_a_step() {
    let desk = Desk::open().await;
    let echo = desk.component(json!({"command": "echo ${{inputs.w}} > ${{outputs.o}}/w", "inputs": {"w": {"type": "string"}}, "outputs": {"o": {"type": "uri_folder"}}})).await;
    let inner = desk.component(json!({
        "type": "pipeline", "inputs": {"w": {"type": "string"}}, "outputs": {"o": {"type": "uri_folder"}},
        "jobs": {"echo": step(&echo, json!({"w": literal("${{parent.inputs.w}}")}), json!({"o": {"type": "literal", "value": "${{parent.outputs.o}}"}}))},
    })).await;
    let read = desk
        .component(
            json!({"command": "cat ${{inputs.i}}/w", "inputs": {"i": {"type": "uri_folder"}}}),
        )
        .await;
    let mut sub = step(&inner, json!({"w": literal("nested")}), json!({}));
    sub["type"] = "pipeline".into();
    submit(
        &desk,
        "nest",
        json!({"jobs": {
            "sub": sub,
            "read": step(&read, json!({"i": literal("${{parent.jobs.sub.outputs.o}}")}), json!({})),
        }}),
    )
    .await;
    assert_eq!(desk.emulator.wait_for_job("nest").await, Some("Completed"));
    let steps = desk.emulator.steps("nest");
    assert_eq!(desk.emulator.job_log(&steps["read"]), "nested\n");
}

#[tokio::test]
async fn a_pipeline_is_refused_without_its_token_or_with_a_component_that_is_not_there() {
    let desk = Desk::open().await;
    let url = format!(
        "{}{}/jobs/p?api-version=1",
        desk.emulator.endpoint(),
        desk.workspace()
    );
    let body = json!({"properties": {"jobType": "Pipeline", "jobs": {}}}).to_string();
    let send = |request: reqwest::RequestBuilder| async {
        request
            .bearer_auth(desk.token())
            .body(body.clone())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(send(desk.http.put(&url)).await, 400);
    assert_eq!(
        send(desk.http.put(&url).header("x-azureml-token", desk.token())).await,
        401,
        "the token is for another audience"
    );

    let id = format!("{}/components/none/versions/1", desk.workspace());
    let answer = submit(
        &desk,
        "p",
        json!({"jobs": {"a": step(&id, json!({}), json!({}))}}),
    )
    .await;
    assert_eq!(
        (answer.status, &answer.body["error"]["code"]),
        (404, &json!("NotFound"))
    );
    assert!(
        answer.body["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with("Not found component none (version: 1).")
    );

    let needs = desk
        .component(json!({"command": "true", "inputs": {"must": {"type": "string"}}}))
        .await;
    let answer = submit(
        &desk,
        "p",
        json!({"jobs": {"a": step(&needs, json!({}), json!({}))}}),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("'must'")
    );
}

#[tokio::test]
async fn an_output_that_nothing_was_written_to_is_an_empty_folder_for_the_next_step() {
    let desk = Desk::open().await;
    let nothing = desk
        .component(json!({"command": "true", "outputs": {"o": {"type": "uri_folder"}}}))
        .await;
    let look = desk
        .component(
            json!({"command": "ls ${{inputs.i}} | wc -l", "inputs": {"i": {"type": "uri_folder"}}}),
        )
        .await;
    submit(&desk, "empty", json!({"jobs": {
        "nothing": step(&nothing, json!({}), json!({})),
        "look": step(&look, json!({"i": literal("${{parent.jobs.nothing.outputs.o}}")}), json!({})),
    }})).await;
    assert_eq!(desk.emulator.wait_for_job("empty").await, Some("Completed"));
    assert_eq!(
        desk.emulator
            .job_log(&desk.emulator.steps("empty")["look"])
            .trim(),
        "0"
    );
}
