//! Run history, logs, MLflow and the pages for people.

use reqwest::Method;
use serde_json::{Value, json};

use super::desk::Desk;

#[tokio::test]
async fn the_first_details_of_a_quick_job_are_not_final_and_its_log_can_be_tailed() {
    let desk = Desk::open().await;
    desk.submit("quick", "echo hello", json!({})).await;
    let mut statuses = Vec::new();
    let details = loop {
        let details = desk.history("runs/quick/details").await.body;
        statuses.push(details["status"].as_str().unwrap().to_owned());
        if ["Completed", "Failed", "Canceled"].contains(&statuses.last().unwrap().as_str()) {
            break details;
        }
    };
    assert!(
        statuses.len() > 1,
        "a client has to see a state before the last"
    );
    let url = details["logFiles"]["user_logs/std_log.txt"]
        .as_str()
        .unwrap();
    assert!(
        url.contains("/azureml/ExperimentRun/dcid.quick/user_logs/std_log.txt?")
            && url.contains("sp=r"),
        "{url}"
    );
    assert_eq!(
        desk.http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "hello\n"
    );
    let behind = desk
        .http
        .get(url)
        .header("range", "bytes=6-")
        .send()
        .await
        .unwrap();
    assert_eq!(behind.status(), 416);
    let system = details["logFiles"]["system_logs/lifecycler/lifecycler.log"]
        .as_str()
        .unwrap();
    let text = desk
        .http
        .get(system)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.contains("Environment env (ubuntu:22.04) is noted and not built"),
        "{text}"
    );
}

#[tokio::test]
async fn a_log_grows_while_the_job_runs() {
    let desk = Desk::open().await;
    let gate = tempfile::tempdir().unwrap();
    let gate = gate.path().join("gate");
    let command = format!(
        "echo first; mkfifo {0} && cat {0}; echo last",
        gate.display()
    );
    desk.submit("growing", &command, json!({})).await;
    while desk.emulator.job_log("growing") != "first\n" || !gate.exists() {
        desk.get("/jobs/growing").await;
    }
    let details = desk.history("runs/growing/details").await.body;
    assert_eq!(details["status"], "Running");
    assert!(details["endTimeUtc"].is_null() && details["startTimeUtc"].is_string());
    tokio::fs::write(&gate, "through the gate\n").await.unwrap();
    assert_eq!(
        desk.emulator.wait_for_job("growing").await,
        Some("Completed")
    );
    assert_eq!(
        desk.emulator.job_log("growing"),
        "first\nthrough the gate\nlast\n"
    );
}

#[tokio::test]
async fn children_come_in_pages_with_their_nodes_and_times() {
    let desk = Desk::open().await;
    let component = desk.component(json!({"command": "true"})).await;
    let step = json!({"type": "command", "componentId": component, "display_name": "shown"});
    let body =
        json!({"properties": {"jobType": "Pipeline", "jobs": {"a": step, "b": step, "c": step}}});
    assert_eq!(desk.put("/jobs/pages", body).await.status, 201);
    assert_eq!(desk.emulator.wait_for_job("pages").await, Some("Completed"));
    let (mut runs, mut token) = (Vec::new(), String::new());
    loop {
        let page = desk
            .history(&format!("runs/pages/children?$top=2{token}"))
            .await
            .body;
        runs.extend(page["value"].as_array().unwrap().clone());
        let Some(next) = page["continuationToken"].as_str() else {
            break;
        };
        token = format!("&$continuationToken={next}");
    }
    assert_eq!(runs.len(), 3);
    for run in &runs {
        assert_eq!(
            (&run["displayName"], &run["status"], &run["parentRunId"]),
            (&json!("shown"), &json!("Completed"), &json!("pages"))
        );
        assert!(run["duration"].is_string() && run["properties"]["azureml.nodeid"].is_string());
    }
    let log = desk.history("runs/pages/details").await.body;
    assert!(log["logFiles"]["logs/azureml/executionlogs.txt"].is_string());
}

#[tokio::test]
async fn a_run_can_be_edited_and_read_as_a_whole() {
    let desk = Desk::open().await;
    desk.submit(
        "edit",
        "true",
        json!({"experimentName": "exp", "tags": {"old": "1"}}),
    )
    .await;
    let path = format!(
        "/history/v1.0{}/experiments/exp/runs/edit",
        desk.workspace()
    );
    let change = json!({"displayName": "new", "tags": {"old": null, "new": "2"}, "hidden": true});
    assert_eq!(
        desk.at(Method::PATCH, &path, Some(change)).await.status,
        200
    );
    let job = desk.get("/jobs/edit").await.body;
    assert_eq!(
        (
            &job["properties"]["displayName"],
            &job["properties"]["tags"]
        ),
        (&json!("new"), &json!({"new": "2"}))
    );
    assert_eq!(job["properties"]["isArchived"], true);
    let path = format!("/history/v1.0{}/rundata", desk.workspace());
    let data = desk
        .at(
            Method::POST,
            &path,
            Some(json!({"runId": "edit", "selectRunMetadata": true})),
        )
        .await
        .body;
    assert_eq!(data["runMetadata"]["displayName"], "new");
    assert_eq!(desk.history("runs/none").await.status, 404);
}

#[tokio::test]
async fn metrics_are_kept_with_their_history() {
    let desk = Desk::open().await;
    desk.submit("metrics", "true", json!({"experimentName": "exp"}))
        .await;
    let mlflow = |operation: &str| {
        format!(
            "/mlflow/v1.0{}/api/2.0/mlflow/{operation}",
            desk.workspace()
        )
    };
    for step in 0..3 {
        let body = json!({"run_id": "metrics", "key": "loss", "value": 1.0 / f64::from(step + 1), "timestamp": 10 + step, "step": step});
        assert_eq!(
            desk.at(Method::POST, &mlflow("runs/log-metric"), Some(body))
                .await
                .status,
            200
        );
    }
    let batch = json!({"run_id": "metrics", "metrics": [{"key": "acc", "value": 0.9, "timestamp": 1, "step": 0}],
        "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "t", "value": "v"}]});
    assert_eq!(
        desk.at(Method::POST, &mlflow("runs/log-batch"), Some(batch))
            .await
            .status,
        200
    );
    let changed = json!({"run_id": "metrics", "key": "lr", "value": "0.2"});
    let refused = desk
        .at(Method::POST, &mlflow("runs/log-parameter"), Some(changed))
        .await;
    assert_eq!(
        (refused.status, &refused.body["error_code"]),
        (400, &json!("INVALID_PARAMETER_VALUE"))
    );

    let run = desk
        .at(Method::GET, &mlflow("runs/get?run_id=metrics"), None)
        .await
        .body;
    let metrics = run["run"]["data"]["metrics"].as_array().unwrap();
    let value = |key: &str| metrics.iter().find(|one| one["key"] == key).unwrap()["value"].clone();
    assert_eq!(
        (value("acc"), value("loss")),
        (json!(0.9), json!(1.0 / 3.0))
    );
    assert_eq!(
        run["run"]["data"]["params"],
        json!([{"key": "lr", "value": "0.1"}])
    );
    let history = desk
        .at(
            Method::GET,
            &mlflow("metrics/get-history?run_id=metrics&metric_key=loss"),
            None,
        )
        .await
        .body;
    assert_eq!(history["metrics"].as_array().unwrap().len(), 3);
    let experiment = desk
        .at(
            Method::GET,
            &mlflow("experiments/get-by-name?experiment_name=exp"),
            None,
        )
        .await
        .body;
    assert_eq!(
        experiment["experiment"]["experiment_id"],
        run["run"]["info"]["experiment_id"]
    );
    let missing = desk
        .at(Method::GET, &mlflow("runs/get?run_id=none"), None)
        .await;
    assert_eq!(missing.body["error_code"], "RESOURCE_DOES_NOT_EXIST");
    let url = format!(
        "{}{}",
        desk.emulator.endpoint(),
        mlflow("runs/get?run_id=metrics")
    );
    assert_eq!(desk.http.get(url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn the_studio_link_leads_to_a_page_that_shows_the_job_and_escapes_what_it_wrote() {
    let desk = Desk::open().await;
    let answer = desk
        .submit("shown", "echo '<script>alert(1)</script>'", json!({}))
        .await;
    let link = answer.body["properties"]["services"]["Studio"]["endpoint"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(link.contains("/runs/shown?wsid=/subscriptions/"), "{link}");
    desk.emulator.wait_for_job("shown").await;
    let page = desk
        .http
        .get(link)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("Completed") && page.contains("&lt;script&gt;alert(1)"),
        "{page}"
    );
    assert!(!page.contains("<script>"), "{page}");
    let index = desk
        .http
        .get(format!("{}/studio", desk.emulator.endpoint()))
        .send()
        .await
        .unwrap();
    assert!(index.text().await.unwrap().contains("/studio/runs/shown"));
    let list: Value = desk.get("/jobs?listViewType=ActiveOnly").await.body;
    assert_eq!(list["value"][0]["name"], "shown");
}

#[tokio::test]
async fn no_name_that_a_job_chooses_becomes_part_of_the_page() {
    let desk = Desk::open().await;
    let evil = "<img src=x onerror=alert(1)>\"'";
    let component = desk
        .component(
            json!({"command": "echo '<img src=x>' $[[${{inputs.x}}]]; exit 3",
            "inputs": {"x": {"type": "string", "optional": true}}}),
        )
        .await;
    let step = json!({"type": "command", "componentId": component, "display_name": evil,
        "inputs": {"x": {"job_input_type": "literal", "value": "1"}}});
    let body = json!({"properties": {"jobType": "Pipeline", "displayName": evil, "experimentName": evil,
        "inputs": {evil: {"jobInputType": "literal", "value": evil}}, "jobs": {evil: step}}});
    assert_eq!(desk.put("/jobs/evil", body).await.status, 201);
    assert_eq!(desk.emulator.wait_for_job("evil").await, Some("Failed"));
    let step = desk.emulator.steps("evil")[evil].clone();
    let log = format!(
        "/mlflow/v1.0{}/api/2.0/mlflow/runs/log-metric",
        desk.workspace()
    );
    let metric = json!({"run_id": step, "key": evil, "value": 1, "timestamp": 1, "step": 0});
    let logged = desk.at(Method::POST, &log, Some(metric)).await;
    assert_eq!(logged.status, 200);
    for page in [
        "studio".to_owned(),
        "studio/runs/evil".to_owned(),
        format!("studio/runs/{step}"),
    ] {
        let url = format!("{}/{page}", desk.emulator.endpoint());
        let answer = desk.http.get(url).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = answer.text().await.unwrap();
        assert!(
            !text.contains("<img") && text.contains("&lt;img src=x"),
            "{page}: {text}"
        );
        assert!(!text.contains("alert(1)>\""), "{page}: {text}");
    }
    let url = format!("{}/studio/runs/evil", desk.emulator.endpoint());
    let text = desk
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.contains("exited with status code 3"),
        "a pipeline's page says why a step failed: {text}"
    );
}
