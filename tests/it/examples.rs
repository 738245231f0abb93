//! Runs the example projects' steps with the machine's own `python3`, in the order of their pipelines, without a service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::project;

/// A copy of a project, and what its steps left in it.
struct Project {
    folder: TempDir,
}

impl Project {
    fn wine() -> Self {
        let folder = tempfile::tempdir().unwrap();
        project::wine(folder.path());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, script: &str, flags: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args(flags)
            .current_dir(self.path("src"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("MLFLOW_TRACKING_URI")
            .env_remove("MLFLOW_RUN_ID");
        command
    }

    fn run(&self, script: &str, flags: &[&str]) -> Output {
        self.command(script, flags)
            .output()
            .expect("python3 is on the PATH: the README asks for it")
    }

    fn step(&self, script: &str, flags: &[&str]) -> String {
        let output = self.run(script, flags);
        assert!(output.status.success(), "{script}: {}", error_of(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// prepare, train and evaluate; the metrics that evaluate wrote.
    fn wine_metrics(&self, data: &Path) -> Value {
        let data = data.to_str().unwrap();
        self.step(
            "prepare.py",
            &["--data", data, "--train", "../train", "--test", "../test"],
        );
        self.step(
            "train.py",
            &["--train", "../train", "--fitted", "../fitted"],
        );
        self.step(
            "evaluate.py",
            &[
                "--fitted",
                "../fitted",
                "--test",
                "../test",
                "--report",
                "../report",
            ],
        );
        json(&self.path("report/metrics.json"))["metrics"].clone()
    }

    /// The error that prepare gives for a file with this text.
    fn refusal_of(&self, text: &str) -> String {
        let data = self.path("mine.csv");
        fs::write(&data, text).unwrap();
        let data = data.to_str().unwrap();
        let output = self.run(
            "prepare.py",
            &["--data", data, "--train", "../train", "--test", "../test"],
        );
        assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
        assert!(!self.path("train").exists(), "nothing is left behind");
        error_of(&output)
    }
}

const REGISTER: &[&str] = &[
    "--fitted",
    "../fitted",
    "--report",
    "../report",
    "--model",
    "../model",
    "--min-accuracy",
];

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The example's data with every third label moved to the next class.
fn muddled(csv: &str) -> String {
    let mut lines = csv.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    for (index, line) in lines.enumerate() {
        let (values, label) = line.rsplit_once(',').unwrap();
        let class: usize = label.parse().unwrap();
        let class = if index % 3 == 0 {
            (class + 1) % 3
        } else {
            class
        };
        out.push_str(&format!("{values},{class}\n"));
    }
    out
}

#[test]
fn wine_metrics_follow_the_data() {
    let project = Project::wine();
    let data = project.path("data/wine.csv");
    let metrics = project.wine_metrics(&data);
    let again = project.wine_metrics(&data);
    assert_eq!(
        metrics, again,
        "the same data and seed give the same metrics"
    );

    let changed = project.path("muddled.csv");
    fs::write(&changed, muddled(&fs::read_to_string(&data).unwrap())).unwrap();
    let worse = project.wine_metrics(&changed);
    for name in ["accuracy", "macro_f1"] {
        let (good, bad) = (
            metrics[name].as_f64().unwrap(),
            worse[name].as_f64().unwrap(),
        );
        assert!(good > 0.9 && bad < 0.9 * good, "{name}: {good} and {bad}");
    }
    assert!(worse["log_loss"].as_f64().unwrap() > 2.0 * metrics["log_loss"].as_f64().unwrap());
}

#[test]
fn a_good_model_is_handed_on_with_its_card() {
    let project = Project::wine();
    let metrics = project.wine_metrics(&project.path("data/wine.csv"));
    project.step("register.py", &[REGISTER, &["0.9"]].concat());
    let model = json(&project.path("model/model.json"));
    assert_eq!(model["classes"], serde_json::json!(["0", "1", "2"]));
    assert_eq!(model["weights"].as_array().unwrap().len(), 3);
    let card = fs::read_to_string(project.path("model/README.md")).unwrap();
    let accuracy = format!(
        "| accuracy | {:.4} |",
        metrics["accuracy"].as_f64().unwrap()
    );
    assert!(card.contains(&accuracy), "{card}");
}

#[test]
fn a_model_below_the_gate_is_not_handed_on() {
    let project = Project::wine();
    project.wine_metrics(&project.path("data/wine.csv"));
    let output = project.run("register.py", &[REGISTER, &["0.999"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error_of(&output).contains("below the 0.9990"),
        "{}",
        error_of(&output)
    );
    assert!(!project.path("model").exists());
}

#[test]
fn all_missing_columns_are_named_with_the_nearest_word() {
    let project = Project::wine();
    let csv = fs::read_to_string(project.path("data/wine.csv")).unwrap();
    let error = project.refusal_of(&csv.replace("magnesium", "magnesum").replace("hue", "tone"));
    assert!(error.contains("mine.csv lacks 2 of 14 columns"), "{error}");
    assert!(
        error.contains("magnesium (is magnesum meant?), hue"),
        "{error}"
    );
}

#[test]
fn values_that_are_no_numbers_are_named_by_their_line() {
    let project = Project::wine();
    let csv = fs::read_to_string(project.path("data/wine.csv")).unwrap();
    let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replacen("13.2", "n/a", 1);
    lines[3].truncate(10);
    let error = project.refusal_of(&lines.join("\n"));
    assert!(
        error.contains("line 3: alcohol is 'n/a', not a number"),
        "{error}"
    );
    assert!(
        error.contains("line 4: does not have as many values"),
        "{error}"
    );
}

#[test]
fn data_of_one_class_or_none_at_all_is_refused() {
    let project = Project::wine();
    let csv = fs::read_to_string(project.path("data/wine.csv")).unwrap();
    let head: Vec<&str> = csv.lines().take(20).collect();
    assert!(
        project
            .refusal_of(&head.join("\n"))
            .contains("nothing to tell apart")
    );
    assert!(project.refusal_of(head[0]).contains("no rows"));
    assert!(
        project
            .refusal_of(&csv.replace(',', ";"))
            .contains("semicolons")
    );
}

#[tokio::test]
async fn metrics_reach_the_mlflow_server_with_the_jobs_token() {
    let server = MockServer::start().await;
    let address = "/mlflow/v1.0/subscriptions/s/api/2.0/mlflow/runs/log-batch";
    let busy = Mock::given(path(address)).respond_with(ResponseTemplate::new(503));
    busy.up_to_n_times(1).expect(1).mount(&server).await;
    Mock::given(method("POST"))
        .and(path(address))
        .and(header("authorization", "Bearer run-token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(serde_json::json!({})))
        .expect(1)
        .mount(&server)
        .await;

    let project = Project::wine();
    let metrics = project.wine_metrics(&project.path("data/wine.csv"));
    let flags = [
        "--fitted",
        "../fitted",
        "--test",
        "../test",
        "--report",
        "../again",
    ];
    let uri = format!(
        "azureml://{}/mlflow/v1.0/subscriptions/s?",
        server.address()
    );
    let output = tokio::process::Command::from(project.command("evaluate.py", &flags))
        .env("MLFLOW_TRACKING_URI", uri)
        .env("MLFLOW_RUN_ID", "run-7")
        .env("MLFLOW_TRACKING_TOKEN", "run-token")
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        error_of(&output)
    );

    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["run_id"], "run-7");
    for sent in body["metrics"].as_array().unwrap() {
        assert_eq!(sent["value"], metrics[sent["key"].as_str().unwrap()]);
    }
    assert_eq!(body["metrics"].as_array().unwrap().len(), 3);
}

#[test]
fn a_token_is_not_sent_over_plain_http() {
    let project = Project::wine();
    project.wine_metrics(&project.path("data/wine.csv"));
    let flags = [
        "--fitted",
        "../fitted",
        "--test",
        "../test",
        "--report",
        "../report",
    ];
    let output = project
        .command("evaluate.py", &flags)
        .env("MLFLOW_TRACKING_URI", "http://mlflow.example")
        .env("MLFLOW_RUN_ID", "run-7")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "metrics are no reason to lose a model"
    );
    assert!(
        error_of(&output).contains("not sent over plain http"),
        "{}",
        error_of(&output)
    );
}

#[test]
fn the_accelerators_taxi_data_gives_a_model() {
    let folder = tempfile::tempdir().unwrap();
    if project::taxi(folder.path()).is_none() {
        return;
    }
    let project = Project { folder };
    let data = ["--raw_data", "../taxi-data.csv"];
    project.step(
        "prep.py",
        &[
            &data[..],
            &["--train_data", "../train", "--test_data", "../test"],
        ]
        .concat(),
    );
    project.step(
        "train.py",
        &["--train_data", "../train", "--model_output", "../fitted"],
    );
    let fitted = ["--model_input", "../fitted", "--test_data", "../test"];
    project.step(
        "evaluate.py",
        &[&fitted[..], &["--evaluation_output", "../report"]].concat(),
    );
    let gate = [
        "--model_path",
        "../fitted",
        "--evaluation_output",
        "../report",
    ];
    let register = [&gate[..], &["--trained_model", "../model", "--min_r2"]].concat();
    project.step("register.py", &[&register[..], &["0.5"]].concat());
    assert!(project.path("model/model.json").is_file());
    let r2 = json(&project.path("report/metrics.json"))["r2"]
        .as_f64()
        .unwrap();
    assert!(r2 > 0.8, "distance explains most of a fare: {r2}");
}
