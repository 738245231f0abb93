//! Command jobs, really run.

use std::time::Duration;

use aml_runner::emulator::Options;
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};

const TRAIN: &str = r#"
import json, os, sys, urllib.request
data, model, rate = sys.argv[1:4]
total = sum(int(line) for line in open(data))
os.makedirs(os.path.join(model, "deep"))
with open(os.path.join(model, "deep", "model.json"), "w") as out:
    json.dump({"total": total, "rate": rate, "where": os.getcwd() == os.environ["HOME"]}, out)
body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "key": "total", "value": total, "timestamp": 1, "step": 0}).encode()
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
call = urllib.request.Request(url, body, {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]})
urllib.request.urlopen(call).read()
print("trained on", total)
print("to the other stream", file=sys.stderr)
"#;

#[tokio::test]
async fn a_command_job_runs_its_code_on_its_inputs_and_registers_its_model() {
    let desk = Desk::open().await;
    let code = desk.code("training", &[("train.py", TRAIN)]).await;
    let data = desk.file("numbers/data.csv", "1\n2\n39\n").await;
    let answer = desk
        .submit(
            "train-1",
            "python train.py ${{inputs.data}} ${{outputs.model}} ${{inputs.rate}}",
            json!({
                "codeId": code, "experimentName": "exp",
                "inputs": {"data": {"jobInputType": "uri_file", "uri": data}, "rate": {"jobInputType": "literal", "value": "0.5"}},
                "outputs": {"model": {"jobOutputType": "custom_model", "assetName": "taxi"}},
            }),
        )
        .await;
    assert_eq!(answer.status, 201);
    let properties = &answer.body["properties"];
    assert_eq!(properties["status"], "Starting");
    assert_eq!(
        properties["outputs"]["default"]["uri"],
        "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.train-1"
    );
    assert_eq!(properties["inputs"]["data"]["mode"], "ReadOnlyMount");

    assert_eq!(
        desk.emulator.wait_for_job("train-1").await,
        Some("Completed"),
        "{}",
        desk.emulator.job_log("train-1")
    );
    let log = desk.emulator.job_log("train-1");
    assert!(
        log.contains("trained on 42\n") && log.contains("to the other stream\n"),
        "{log}"
    );
    assert_eq!(desk.emulator.metrics("train-1")["total"], 42);
    assert_eq!(
        desk.emulator.models(),
        [("taxi".to_owned(), "1".to_owned())]
    );
    let model = desk.get("/models/taxi/versions/1").await.body;
    assert_eq!(model["properties"]["jobName"], "train-1");
    let uri = model["properties"]["modelUri"].as_str().unwrap();
    assert!(
        uri.contains("/resourceGroups/") && uri.ends_with("/paths/azureml/train-1/model/"),
        "{uri}"
    );
    let written: Value = serde_json::from_str(&desk.text(uri, "deep/model.json")).unwrap();
    assert_eq!(written, json!({"total": 42, "rate": "0.5", "where": true}));
}

#[tokio::test]
async fn a_failed_job_says_why_with_its_traceback_and_its_code() {
    let desk = Desk::open().await;
    let code = desk
        .code(
            "bad",
            &[(
                "bad.py",
                "print('before')\nraise ValueError('no such taxi')\n",
            )],
        )
        .await;
    desk.submit("bad-1", "python bad.py", json!({"codeId": code}))
        .await;
    assert_eq!(desk.emulator.wait_for_job("bad-1").await, Some("Failed"));
    let details = desk.history("runs/bad-1/details").await.body;
    assert_eq!(details["status"], "Failed");
    assert_eq!(details["error"]["error"]["code"], "UserError");
    let message = details["error"]["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Execution failed. User process 'python' exited with status code 1."),
        "{message}"
    );
    assert!(
        message.contains("Traceback") && message.contains("ValueError: no such taxi"),
        "{message}"
    );
    assert!(
        !message.contains("before"),
        "only the traceback belongs into the message: {message}"
    );
}

/// Polls what a job writes to until `done` says so. Each poll is a request, so nothing sleeps.
async fn until(desk: &Desk, done: impl Fn(&str) -> bool, job: &str) -> String {
    loop {
        let log = desk.emulator.job_log(job);
        if done(&log) {
            return log;
        }
        assert_eq!(desk.get(&format!("/jobs/{job}")).await.status, 200);
    }
}

fn is_alive(process: &str) -> bool {
    // A process that has ended and was not collected yet is a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for a process to be gone; the kernel needs a moment after the signal.
async fn is_gone(process: &str) -> bool {
    let gone = async {
        while is_alive(process) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .is_ok()
}

#[tokio::test]
async fn cancel_ends_every_process_of_the_job() {
    let desk = Desk::open().await;
    let command = "bash -c 'echo child $BASHPID; exec sleep 600' & wait";
    desk.submit("long", command, json!({})).await;
    let log = until(
        &desk,
        |log| log.contains("child ") && log.ends_with('\n'),
        "long",
    )
    .await;
    let process = log.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(is_alive(&process));

    let cancel = desk.arm(Method::POST, "/jobs/long/cancel", None).await;
    assert_eq!((cancel.status, &cancel.body), (202, &Value::Null));
    let location = cancel.header("location").to_owned();
    assert!(location.contains("/mfeOperationResults/jc:"), "{location}");
    assert_eq!(desk.emulator.wait_for_job("long").await, Some("Canceled"));
    let path = location
        .strip_prefix(desk.emulator.endpoint())
        .unwrap()
        .to_owned();
    assert_eq!(desk.at(Method::GET, &path, None).await.status, 200);
    assert!(
        is_gone(&process).await,
        "process {process} outlived its job"
    );
}

#[tokio::test]
async fn a_process_that_ignores_the_signal_is_killed_after_its_grace() {
    let options = Options {
        cancel_grace: Duration::from_millis(50),
        ..Options::default()
    };
    let desk = Desk::with(options).await;
    desk.submit(
        "deaf",
        "trap '' TERM; echo pid $BASHPID; while true; do :; done",
        json!({}),
    )
    .await;
    let log = until(&desk, |log| log.ends_with('\n'), "deaf").await;
    let process = log.trim().rsplit(' ').next().unwrap().to_owned();
    desk.arm(Method::POST, "/jobs/deaf/cancel", None).await;
    assert_eq!(desk.emulator.wait_for_job("deaf").await, Some("Canceled"));
    assert!(is_gone(&process).await);
}

#[tokio::test]
async fn no_process_outlives_the_emulator() {
    for orderly in [true, false] {
        let desk = Desk::open().await;
        desk.submit("on", "sleep 600 & echo child $!; wait", json!({}))
            .await;
        let log = until(&desk, |log| log.ends_with('\n'), "on").await;
        let process = log.trim().rsplit(' ').next().unwrap().to_owned();
        if orderly {
            desk.emulator.shutdown().await;
        } else {
            drop(desk.emulator);
        }
        assert!(
            is_gone(&process).await,
            "process {process} outlived the emulator (orderly: {orderly})"
        );
    }
}

#[tokio::test]
async fn a_limit_of_time_cancels_the_job_and_says_so() {
    let desk = Desk::open().await;
    let limits = json!({"limits": {"jobLimitsType": "Command", "timeout": "PT0.2S"}});
    desk.submit("slow", "sleep 600", limits).await;
    assert_eq!(desk.emulator.wait_for_job("slow").await, Some("Canceled"));
    let details = desk.history("runs/slow/details").await.body;
    assert!(
        details["error"]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("longer than its limit")
    );
}

#[tokio::test]
async fn the_environment_of_a_job_is_what_azure_sets_and_what_the_job_asks_for() {
    let desk = Desk::open().await;
    let more = json!({"environmentVariables": {"MINE": "yes"}, "inputs": {"d": {"jobInputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/d/"}}});
    desk.file("d/x", "1").await;
    desk.submit("env", "env | cut -d= -f1 | sort | tr '\\n' ' '; test -f $AZURE_ML_INPUT_d/x && echo found $MINE; ls ${{inputs.d}}", more).await;
    assert_eq!(desk.emulator.wait_for_job("env").await, Some("Completed"));
    let log = desk.emulator.job_log("env");
    for name in [
        "AZUREML_RUN_ID",
        "AZUREML_ARM_SUBSCRIPTION",
        "AZUREML_ARM_RESOURCEGROUP",
        "AZUREML_ARM_WORKSPACE_NAME",
        "MLFLOW_TRACKING_URI",
        "HOME",
    ] {
        assert!(log.contains(name), "{name} is missing in {log}");
    }
    assert!(log.contains("found yes"), "{log}");
    assert!(
        !log.contains("CARGO"),
        "the emulator's own environment leaked: {log}"
    );
}

#[tokio::test]
async fn an_optional_group_is_dropped_and_an_unknown_binding_fails_the_job() {
    let desk = Desk::open().await;
    desk.submit("optional", "echo got $[[--x ${{inputs.x}}]] end", json!({}))
        .await;
    desk.submit("unknown", "echo ${{inputs.nope}}", json!({}))
        .await;
    assert_eq!(
        desk.emulator.wait_for_job("optional").await,
        Some("Completed")
    );
    assert_eq!(desk.emulator.job_log("optional"), "got end\n");
    assert_eq!(desk.emulator.wait_for_job("unknown").await, Some("Failed"));
}

#[tokio::test]
async fn inputs_are_read_from_registered_data_and_from_earlier_jobs_and_not_from_the_network() {
    let desk = Desk::open().await;
    let uri = desk.file("folder/a.txt", "from a").await;
    let folder = uri.replace("/a.txt", "");
    let body = json!({"properties": {"dataType": "uri_folder", "dataUri": folder}});
    desk.put("/data/set/versions/3", body).await;
    let outputs = json!({"jobOutputType": "uri_file", "uri": "azureml://datastores/${{default_datastore}}/paths/made/${{name}}/${{output_name}}.txt"});
    desk.submit("first", "cat ${{inputs.d}}/a.txt > ${{outputs.copy}}", json!({
        "inputs": {"d": {"jobInputType": "uri_folder", "uri": "azureml:set@latest"}}, "outputs": {"copy": outputs},
    })).await;
    assert_eq!(desk.emulator.wait_for_job("first").await, Some("Completed"));
    desk.submit("second", "cat ${{inputs.c}}", json!({
        "inputs": {"c": {"jobInputType": "uri_file", "uri": "azureml://jobs/first/outputs/copy"}},
    })).await;
    assert_eq!(
        desk.emulator.wait_for_job("second").await,
        Some("Completed")
    );
    assert_eq!(desk.emulator.job_log("second"), "from a");

    for (name, uri, word) in [
        (
            "network",
            "https://example.org/data.csv?sig=secret",
            "no network",
        ),
        (
            "absent",
            "azureml://datastores/workspaceblobstore/paths/nothing.csv",
            "StreamAccess.NotFound",
        ),
        ("unregistered", "azureml:nothing:1", "does not exist"),
    ] {
        let inputs = json!({"inputs": {"x": {"jobInputType": "uri_file", "uri": uri}}});
        assert_eq!(
            desk.submit(name, "true", inputs).await.status,
            201,
            "the service does not look at inputs when it takes a job"
        );
        assert_eq!(desk.emulator.wait_for_job(name).await, Some("Failed"));
        let details = desk.history(&format!("runs/{name}/details")).await.body;
        let message = details["error"]["error"]["message"].as_str().unwrap();
        assert!(
            message.contains(word) && !message.contains("secret"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_second_put_edits_words_and_nothing_else() {
    let desk = Desk::open().await;
    desk.submit("twice", "echo 1", json!({"tags": {"a": "1"}}))
        .await;
    let edited = desk
        .submit(
            "twice",
            "echo 1",
            json!({"tags": {"a": "2"}, "displayName": "shown"}),
        )
        .await;
    assert_eq!(edited.status, 200);
    assert_eq!(edited.body["properties"]["tags"], json!({"a": "2"}));
    assert_eq!(edited.body["properties"]["displayName"], "shown");
    let refused = desk.submit("twice", "echo 2", json!({})).await;
    assert_eq!(refused.status, 409);
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("already exists")
            && message.contains("existing job's command cannot be changed"),
        "{message}"
    );
}

#[tokio::test]
async fn what_a_job_refers_to_has_to_be_there() {
    let desk = Desk::open().await;
    let ws = desk.workspace();
    let refused = |answer: Answer| (answer.status, answer.inner_code());
    let code = desk
        .submit(
            "a",
            "x",
            json!({"codeId": format!("{ws}/codes/c/versions/1")}),
        )
        .await;
    assert_eq!(refused(code), (404, "CodeVersionNotFound".to_owned()));
    let environment = desk
        .submit(
            "b",
            "x",
            json!({"environmentId": format!("{ws}/environments/e/versions/1")}),
        )
        .await;
    assert_eq!(refused(environment), (404, "NotFoundError".to_owned()));
    let compute = desk
        .submit("c", "x", json!({"computeId": format!("{ws}/computes/cpu")}))
        .await;
    assert_eq!(refused(compute), (400, "ComputeNotFound".to_owned()));
    for curated in [
        "azureml:AzureML-sklearn-1.5@latest",
        "azureml://registries/azureml/environments/sklearn/versions/1",
    ] {
        let name = format!("curated-{}", curated.len());
        assert_eq!(
            desk.submit(&name, "true", json!({"environmentId": curated}))
                .await
                .status,
            201
        );
    }
    let missing = desk.get("/jobs/none").await;
    assert_eq!(
        (missing.status, missing.inner_code()),
        (404, "JobNotFound".to_owned())
    );
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_name() {
    let desk = Desk::open().await;
    let folder = "azureml://datastores/workspaceblobstore/paths/d/";
    for (more, what) in [
        (
            json!({"distribution": {"distributionType": "PyTorch", "processCountPerInstance": 2}}),
            "distribution PyTorch",
        ),
        (json!({"resources": {"instanceCount": 2}}), "2 instances"),
        (
            json!({"services": {"lab": {"jobServiceType": "JupyterLab"}}}),
            "services",
        ),
        (
            json!({"inputs": {"d": {"jobInputType": "uri_folder", "uri": folder, "mode": "ReadWriteMount"}}}),
            "input mode ReadWriteMount",
        ),
        (
            json!({"inputs": {"d": {"jobInputType": "mltable", "uri": folder, "mode": "EvalMount"}}}),
            "input mode EvalMount",
        ),
        (
            json!({"outputs": {"o": {"jobOutputType": "uri_folder", "mode": "Direct"}}}),
            "output mode Direct",
        ),
    ] {
        let answer = desk.submit("refused", "true", more).await;
        let code = format!("NotImplemented: PUT jobs ({what})");
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (501, &json!(code))
        );
    }
    let input = json!({"inputs": {"d": {"jobInputType": "uri_folder", "uri": folder, "mode": "Telepathy"}}});
    assert_eq!(desk.submit("refused", "true", input).await.status, 400);
    assert_eq!(desk.get("/jobs/refused").await.status, 404);
    let list = desk.get("/jobs?properties=a=b").await;
    assert_eq!(
        list.status, 501,
        "a filter that is ignored shows the wrong jobs"
    );
}

#[tokio::test]
async fn a_direct_input_is_the_address_itself() {
    let desk = Desk::open().await;
    let uri = "azureml://datastores/workspaceblobstore/paths/not/there/";
    let body = json!({"properties": {"dataType": "uri_folder", "dataUri": uri}});
    assert_eq!(desk.put("/data/far/versions/1", body).await.status, 201);
    let input = json!({"inputs": {"d": {"jobInputType": "uri_folder", "uri": "azureml:far:1", "mode": "Direct"}}});
    desk.submit("direct", "echo ${{inputs.d}}", input).await;
    assert_eq!(
        desk.emulator.wait_for_job("direct").await,
        Some("Completed")
    );
    let log = desk.emulator.job_log("direct");
    assert!(
        log.starts_with("azureml://subscriptions/")
            && log.ends_with("/datastores/workspaceblobstore/paths/not/there/\n"),
        "{log}"
    );
}

#[tokio::test]
async fn an_output_cannot_take_the_place_of_a_version_that_is_there() {
    let desk = Desk::open().await;
    let output = json!({"outputs": {"o": {"jobOutputType": "uri_folder", "assetName": "made", "assetVersion": "1"}}});
    let command = "echo $AZUREML_RUN_ID > ${{outputs.o}}/who";
    desk.submit("first", command, output.clone()).await;
    assert_eq!(desk.emulator.wait_for_job("first").await, Some("Completed"));
    desk.submit("second", command, output).await;
    assert_eq!(desk.emulator.wait_for_job("second").await, Some("Failed"));
    let details = desk.history("runs/second/details").await.body;
    let message = details["error"]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("made:1") && message.contains("already exists"),
        "{message}"
    );
    let version = desk.get("/data/made/versions/1").await.body;
    let uri = version["properties"]["dataUri"].as_str().unwrap();
    assert_eq!(desk.text(uri, "who"), "first\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_jobs_under_one_name_one_is_run() {
    let desk = Desk::open().await;
    desk.environment().await;
    for round in 0..20 {
        let name = format!("race-{round}");
        let puts = (0..16).map(|one| {
            let (desk, name) = (&desk, &name);
            async move {
                let body = json!({"properties": {"jobType": "Command", "command": format!("echo {one}"),
                    "environmentId": format!("{}/environments/env/versions/1", desk.workspace())}});
                desk.put(&format!("/jobs/{name}"), body).await.status
            }
        });
        let mut statuses = futures::future::join_all(puts).await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1]), (201, 409));
        assert_eq!(desk.emulator.wait_for_job(&name).await, Some("Completed"));
        assert_eq!(desk.emulator.job_log(&name).lines().count(), 1);
    }
}
