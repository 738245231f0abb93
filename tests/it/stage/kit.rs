//! All stages against the conformance kit's stand-in for Azure, which knows nothing of this project.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{project, skip};

/// The kit's stand-in in a process of its own, until the end of the test.
struct StandIn {
    process: Child,
    url: String,
}

impl StandIn {
    fn start(script: &Path) -> Self {
        let mut process = Command::new("python3")
            .arg(script)
            .arg("0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            process,
            url: url.trim().to_owned(),
        }
    }

    fn run(&self, folder: &Path, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_aml-runner"))
            .args(args)
            .args([
                "--arm-endpoint",
                &self.url,
                "--subscription-id",
                "00000000-0000-0000-0000-000000000001",
            ])
            .args([
                "--resource-group",
                "rg-mlops",
                "--workspace",
                "mlw-mlops",
                "--output",
                "json",
            ])
            .env("AZURE_TENANT_ID", "t")
            .env("AZURE_CLIENT_ID", "c")
            .env("AZURE_CLIENT_SECRET", "not-a-secret-here")
            .env_remove("GITHUB_ACTIONS")
            .env_remove("TF_BUILD")
            .current_dir(folder)
            .output()
            .unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn every_stage_runs_against_the_stand_in_of_the_conformance_kit() {
    let Some(script) = skip::shared("conformance/oracle/fakearm.py") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    project::wine(folder.path());
    std::fs::write(
        folder.path().join("config-infra-prod.yml"),
        "variables:\n  a: x\n  b: $(a)y\n",
    )
    .unwrap();
    let stand_in = StandIn::start(&script);
    for (args, key, value) in [
        (&["connect"][..], "outcome", "succeeded"),
        (&["read-config", "--branch", "main"], "b", "xy"),
        (
            &["register-environment", "--file", "environment.yml"],
            "changed",
            "updated",
        ),
        (
            &[
                "create-compute",
                "--name",
                "cpu",
                "--size",
                "STANDARD_D2_V2",
                "--max-instances",
                "9",
            ],
            "changed",
            "updated",
        ),
        (
            &["register-data", "--file", "data.yml"],
            "changed",
            "created",
        ),
        (
            &["run-job", "--file", "pipeline.yml", "--wait", "false"],
            "changed",
            "created",
        ),
    ] {
        let output = stand_in.run(folder.path(), args);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {log}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report[key], value, "{args:?}: {log}");
    }
}
