//! `aml-runner demo` as people and programs start it: what it prints, what it says of bad data, and that nothing of it stays behind.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::process;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A demo in a folder of its own, which is also where it puts its temporary files.
fn demo(folder: &TempDir, args: &[&str]) -> Command {
    let temporary = folder.path().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let path = aml_runner::host::Env::process()
        .get("PATH")
        .unwrap_or("/usr/bin:/bin")
        .to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aml-runner"));
    command
        .arg("demo")
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path)
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(folder: &TempDir, args: &[&str]) -> Ran {
    let output = demo(folder, args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// What lies in the temporary folder.
fn left(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("tmp")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn wine() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wine/data/wine.csv");
    fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn the_object_on_standard_output_has_the_metrics_of_the_data_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let plain = run(&folder, &["--output", "json"]).await;
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    let plain = json(&plain);
    assert_eq!(plain["job-status"], "Completed");
    assert!(
        plain["model-id"]
            .as_str()
            .unwrap()
            .ends_with("/models/wine-cultivar/versions/1")
    );
    let answers = plain["response"]["predictions"].as_array().unwrap();
    assert!(answers.len() == 2 && answers[0]["probability"].as_f64().unwrap() > 0.3);
    assert_eq!(plain["batch-status"], "Completed");
    let rollout = plain["rollout"].as_str().unwrap();
    assert!(
        rollout.contains("went back") && rollout.contains("blue=100"),
        "{rollout}"
    );
    assert_eq!(plain["traffic"], serde_json::json!({"blue": 100}));
    let model = plain["model"].as_str().unwrap();
    assert!(Path::new(model).join("model.json").is_file());
    assert_eq!(left(&folder).len(), 1, "only the model stays");

    // Every fortieth wine under another label: still good enough to be registered.
    let mut lines: Vec<String> = wine().lines().map(str::to_owned).collect();
    for line in lines.iter_mut().skip(1).step_by(40) {
        let (values, class) = line.rsplit_once(',').unwrap();
        let class = (class.parse::<u8>().unwrap() + 1) % 3;
        *line = format!("{values},{class}");
    }
    fs::write(folder.path().join("mine.csv"), lines.join("\n")).unwrap();
    let other = run(&folder, &["--output", "json", "--data", "mine.csv"]).await;
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    let (plain, other) = (&plain["metrics"], &json(&other)["metrics"]);
    for name in ["accuracy", "log_loss", "train_accuracy"] {
        assert!(
            plain[name].is_f64() && plain[name] != other[name],
            "{name}: {plain} {other}"
        );
    }
}

#[tokio::test]
async fn data_that_cannot_be_used_is_named_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.csv");
    for (text, why) in [
        (wine().replace("hue", "tone"), "lacks 1 of 14 columns: hue"),
        (String::new(), "lacks 14 of 14 columns"),
    ] {
        fs::write(&file, text).unwrap();
        let ran = run(&folder, &["--output", "json", "--data", "mine.csv"]).await;
        assert_eq!(ran.code, Some(1));
        let told = json(&ran);
        assert_eq!(told["job-status"], "Failed");
        assert!(
            told["model-id"].is_null() && told["model"].is_null(),
            "{told}"
        );
        let error = told["error"].as_str().unwrap();
        assert!(
            error.starts_with("step prepare failed: ") && error.contains(why),
            "{error}"
        );
        assert_eq!(left(&folder), Vec::<String>::new());
    }
    let ran = run(&folder, &["--data", "mine.csv"]).await;
    let (_, end) = ran
        .stdout
        .split_once("The demo did not get to its end:")
        .unwrap();
    assert!(
        end.contains("step prepare failed: ") && end.contains("lacks 14 of 14 columns"),
        "{end}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_as_written_and_as_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&folder, &["--output", "json", "--data", "no/such.csv"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let here = fs::canonicalize(folder.path()).unwrap();
    let resolved = here.join("no/such.csv").display().to_string();
    assert!(
        ran.stderr.contains("`no/such.csv`") && ran.stderr.contains(&resolved),
        "{}",
        ran.stderr
    );
    assert_eq!(left(&folder), Vec::<String>::new());
}

/// Processes that have this text in their environment.
fn processes_with(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let has_it = |entry: &fs::DirEntry| {
        let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&variables).contains(mark)
    };
    entries
        .filter(has_it)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn an_interrupted_demo_leaves_no_process_and_no_file() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = demo(&folder, &[]).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(line) = log.next_line().await.unwrap() {
            if line.starts_with("submitted job") {
                break;
            }
        }
        process::signal(&child, signal);
        let mut rest = log.into_inner();
        let (mut text, mut out) = (String::new(), child.stdout.take().unwrap());
        let mut told = String::new();
        let ended = tokio::join!(
            child.wait(),
            rest.read_to_string(&mut text),
            out.read_to_string(&mut told)
        );
        assert_eq!(ended.0.unwrap().code(), Some(code), "{text}");
        assert_eq!(left(&folder), Vec::<String>::new());
        let mark = folder.path().display().to_string();
        assert_eq!(processes_with(&mark), Vec::<String>::new());
    }
}
