//! The conformance kit's cases, where the kit is at hand: the YAML files of Azure/azureml-examples and Azure/mlops-project-template
//! with what Microsoft's SDK sends for each. `AML_RUNNER_SHARED` names its folder; otherwise `../shared` is tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::render::render;
use super::{canon, expected_of, overrides_of, translate_in_place};

enum Verdict {
    Passed,
    Failed(Vec<String>),
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the optional kit lies is a matter of the machine that runs the tests"
)]
fn suite(name: &str) -> Option<PathBuf> {
    let shared = std::env::var("AML_RUNNER_SHARED").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let suite = shared.join("conformance").join(name);
    if !suite.is_dir() {
        println!("skipped: the conformance kit is not at {}", suite.display());
        return None;
    }
    Some(suite)
}

fn judge(case: &Value, root: &Path) -> Verdict {
    let kind = case["kind"].as_str().unwrap_or_default();
    let file = root.join(case["file"].as_str().unwrap());
    let translated = translate_in_place(&file, expected_of(kind).unwrap(), &overrides_of(kind));
    let refused = case["verdict"] == "refused";
    match translated {
        Err(_) if refused => Verdict::Passed,
        Err(problems) => Verdict::Failed(vec![format!("refused: {problems}")]),
        Ok(_) if refused => Verdict::Failed(vec![format!(
            "accepted, but the SDK refuses: {}",
            case["reason"]
        )]),
        Ok(plan) => {
            let found = render(&plan);
            match canon::compare(case, &found) {
                lines if lines.is_empty() => Verdict::Passed,
                lines => Verdict::Failed(lines),
            }
        }
    }
}

fn run(name: &str) -> Option<Vec<(String, String, Verdict)>> {
    let suite = suite(name)?;
    let root = fs::canonicalize(suite.join("cases")).unwrap();
    let mut files: Vec<_> = fs::read_dir(suite.join("expected"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut verdicts = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)
            .unwrap()
            .replace("<root>", &root.to_string_lossy());
        let case: Value = serde_json::from_str(&text).unwrap();
        let kind = case["kind"].as_str().unwrap_or_default().to_owned();
        if expected_of(&kind).is_some() {
            let verdict = judge(&case, &root);
            verdicts.push((kind, case["file"].as_str().unwrap().to_owned(), verdict));
        }
    }
    report(name, &verdicts);
    Some(verdicts)
}

fn report(suite: &str, verdicts: &[(String, String, Verdict)]) {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (kind, file, verdict) in verdicts {
        let count = counts.entry(kind).or_default();
        match verdict {
            Verdict::Passed => count[0] += 1,
            Verdict::Failed(lines) => {
                count[1] += 1;
                println!("FAILED {kind} {file}");
                lines.iter().for_each(|line| println!("    {line}"));
            }
        }
    }
    for (kind, [passed, failed]) in counts {
        println!("{suite} {kind}: {passed} passed, {failed} failed");
    }
}

fn all_pass(suite: &str) {
    if let Some(verdicts) = run(suite) {
        assert!(!verdicts.is_empty());
        let passed = |verdict: &Verdict| matches!(verdict, Verdict::Passed);
        assert!(verdicts.iter().all(|(.., verdict)| passed(verdict)));
    }
}

#[test]
fn the_accelerators_files_are_sent_as_the_sdk_sends_them() {
    all_pass("mlops-template");
}

#[test]
fn the_examples_files_are_sent_as_the_sdk_sends_them() {
    all_pass("azureml-examples");
}
