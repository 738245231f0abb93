//! A pipeline's plan against the conformance kit's recording stand-in, which tells how deep the requests went.
#![expect(
    clippy::unwrap_used,
    reason = "test support: a broken stand-in is a failed test"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aml_runner::azure::apply::Execution;
use aml_runner::azure::client::Settings;
use aml_runner::azure::{Azure, WorkspaceId};
use aml_runner::secret::Secret;
use serde_json::Value;

use super::apply::pipeline;
use super::world::Scene;

/// Per answer, so that what waits for an answer starts after it, however busy the machine is.
const DELAY_MS: &str = "40";

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn skipped(missing: &str) {
    println!("skipped: {missing} is not there");
}

struct Oracle {
    child: Child,
    url: String,
}

impl Oracle {
    fn start() -> Option<Self> {
        let kit = "../shared/conformance/oracle/fakearm.py";
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(kit);
        if !script.exists() {
            skipped(kit);
            return None;
        }
        let mut child = Command::new("python3")
            .arg(script)
            .arg("0")
            .env("FAKEARM_DELAY_MS", DELAY_MS)
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take()?)
            .read_line(&mut url)
            .ok()?;
        Some(Self {
            child,
            url: url.trim().to_owned(),
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The longest chain of requests each of which began after the one before had been answered, as the kit counts it.
fn depth(log: &[Value]) -> usize {
    let mut spans: Vec<(f64, f64)> = log
        .iter()
        .map(|entry| {
            (
                entry["start"].as_f64().unwrap(),
                entry["end"].as_f64().unwrap(),
            )
        })
        .collect();
    spans.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (mut depth, mut last) = (0, 0.0);
    for (start, end) in spans {
        if start >= last {
            (depth, last) = (depth + 1, end);
        }
    }
    depth
}

#[tokio::test]
async fn a_training_pipeline_is_at_most_eight_requests_deep_and_repeats_none() {
    let Some(oracle) = Oracle::start() else {
        return;
    };
    let scene = Scene::new().await;
    let settings = Settings {
        tenant_id: Some("tenant".into()),
        client_id: Some("client".into()),
        client_secret: Some(Secret::new("secret")),
        arm_endpoint: Some(oracle.url.parse().unwrap()),
        ..Settings::default()
    };
    let workspace = WorkspaceId {
        subscription: "00000000-0000-0000-0000-000000000001".into(),
        resource_group: "rg-mlops".into(),
        name: "mlw-mlops".into(),
    };
    let azure = Azure::new(settings, workspace, Arc::new(|_| {})).unwrap();
    let run = Execution::new(azure, pipeline(&scene), |_| None);
    run.look_up().await.unwrap();
    run.send(Some("oracle-job")).await.unwrap();
    let log = reqwest::get(format!("{}/_oracle/log", oracle.url))
        .await
        .unwrap();
    let log: Vec<Value> = serde_json::from_slice(&log.bytes().await.unwrap()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for entry in &log {
        let what = format!(
            "{} {}{} {} {}",
            entry["method"], entry["host"], entry["path"], entry["query"], entry["sha256"]
        );
        assert!(seen.insert(what.clone()), "sent twice: {what}");
    }
    let shown: Vec<_> = log
        .iter()
        .map(|entry| {
            let at = |key: &str| entry[key].as_f64().unwrap() - log[0]["start"].as_f64().unwrap();
            format!(
                "{:.3}-{:.3} {} {}",
                at("start"),
                at("end"),
                entry["method"],
                entry["path"]
            )
        })
        .collect();
    assert!(depth(&log) <= 8, "{} deep: {shown:#?}", depth(&log));
}
