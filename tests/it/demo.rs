//! `aml-runner demo` as a user runs it.

use std::process::{Command, Output};

fn demo(args: &[&str]) -> Output {
    let elsewhere = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_aml-runner"))
        .arg("demo")
        .args(args)
        .current_dir(elsewhere.path())
        .output()
        .unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let log = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {log}"))
}

#[test]
fn the_demo_trains_a_model_whose_metrics_change_with_the_data() {
    let first = demo(&["--output", "json"]);
    assert_eq!(
        first.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let told = json(&first);
    assert_eq!(told["job-status"], "Completed");
    assert!(
        told["model-id"]
            .as_str()
            .unwrap()
            .contains("/models/wine-cultivar/")
    );
    let model = std::path::PathBuf::from(told["model"].as_str().unwrap());
    assert!(model.join("model.json").is_file());

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("fewer.csv");
    let all = include_str!("../../examples/wine/data/wine.csv");
    let kept = all
        .lines()
        .enumerate()
        .filter(|(at, _)| at % 3 != 1)
        .map(|(_, line)| line);
    std::fs::write(&data, kept.collect::<Vec<_>>().join("\n")).unwrap();
    let other = json(&demo(&[
        "--output",
        "json",
        "--data",
        data.to_str().unwrap(),
    ]));
    assert_eq!(other["job-status"], "Completed");
    assert_ne!(told["metrics"]["log_loss"], other["metrics"]["log_loss"]);

    for told in [told, other] {
        std::fs::remove_dir_all(told["model"].as_str().unwrap()).unwrap();
    }
}

#[test]
fn data_that_does_not_fit_fails_the_demo_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("wrong.csv");
    std::fs::write(&data, "a,b\n1,2\n").unwrap();
    let output = demo(&["--output", "json", "--data", data.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = json(&output);
    assert_eq!(told["job-status"], "Failed");
    assert!(
        told["error"].is_string() && told["model"].is_null(),
        "{told}"
    );
}
