//! Spec cases as folders: `tests/spec/<kind>/<case>/` with `in.yml`, the files it names, and either `out.json` (what Microsoft's SDK
//! sends for it) or `problems.txt` (what is said instead). Adding a folder adds a test. `tests/spec/README.md` says how to make one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aml_runner::spec::{EndpointType, LocalFiles, Overrides, Plan, Problems, Source, translate};
use serde_json::Value;

use super::canon::compare;
use super::render::{render, shown};
use super::{expected_of, overrides_of};

pub(super) fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn texts(value: &Value) -> Vec<(String, String)> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// `overrides.json`: `name`, `version`, `fields` and `set`, as the stage would give them.
fn overrides(case: &Path, kind: &str) -> Overrides {
    let given: Value = match fs::read(case.join("overrides.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => Value::Null,
    };
    let text = |key: &str| given[key].as_str().map(str::to_owned);
    let usual = overrides_of(kind);
    let mut fields = usual.fields;
    fields.extend(texts(&given["fields"]));
    Overrides {
        name: text("name").or(usual.name),
        version: text("version"),
        fields,
        endpoint_type: match given["endpoint-type"].as_str() {
            Some("online") => Some(EndpointType::Online),
            Some("batch") => Some(EndpointType::Batch),
            Some(_) | None => None,
        },
        set: texts(&given["set"]),
    }
}

fn translated(case: &Path, kind: &str) -> Result<Plan, Problems> {
    let file = case.join("in.yml").is_file().then(|| Path::new("in.yml"));
    let overrides = overrides(case, kind);
    let source = Source {
        expected: expected_of(kind).unwrap(),
        file,
        working_directory: case,
        overrides: &overrides,
    };
    translate(&source, &LocalFiles)
}

#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS=1` is an instruction to the test and not to the program"
)]
pub(super) fn blessing() -> bool {
    std::env::var("BLESS").is_ok_and(|value| value == "1")
}

fn judge(case: &Path, kind: &str) -> Result<(), String> {
    let problems = case.join("problems.txt");
    match (translated(case, kind), fs::read(case.join("out.json"))) {
        (Ok(plan), Ok(expected)) => {
            let expected: Value = serde_json::from_slice(&expected).unwrap();
            let found = render(&plan);
            match compare(&expected, &found).as_slice() {
                [] => Ok(()),
                lines => Err(format!(
                    "{}\nall of it: {}",
                    lines.join("\n"),
                    shown(&found)
                )),
            }
        }
        (Ok(plan), Err(_)) => Err(format!("no problem was found: {}", shown(&render(&plan)))),
        (Err(found), Ok(_)) => Err(format!("refused:\n{found}")),
        (Err(found), Err(_)) => {
            let said = format!("{found}\n").replace(&*case.to_string_lossy(), "<case>");
            if blessing() {
                fs::write(&problems, &said).unwrap();
            }
            let expected = fs::read_to_string(&problems).unwrap_or_default();
            if said == expected {
                Ok(())
            } else {
                Err(format!("expected:\n{expected}said:\n{said}"))
            }
        }
    }
}

pub(super) fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec")).unwrap()
}

#[test]
fn every_spec_case_holds() {
    let root = root();
    let mut failed: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut count = 0;
    for kind in folders(&root) {
        let name = kind.file_name().unwrap().to_string_lossy().into_owned();
        for case in folders(&kind) {
            count += 1;
            if let Err(message) = judge(&case, &name) {
                failed.insert(case.strip_prefix(&root).unwrap().to_owned(), message);
            }
        }
    }
    for (case, message) in &failed {
        println!("{}: {message}\n", case.display());
    }
    assert!(count > 0, "there are no cases");
    assert!(failed.is_empty(), "{} of {count} cases fail", failed.len());
}
