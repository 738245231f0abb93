//! Holds the tree against ARCHITECTURE.md: who may depend on whom, and what may be named in one file only.
//! Reads the sources as text; knows nothing of what they do.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Open to every part but the emulator, and open to one another.
const LEAVES: &[&str] = &["cancel", "event", "report", "secret"];

/// Each top-level module of `src` with the paths of other modules that it may name. A longer path allows only that part.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cancel", &[]),
    ("event", &[]),
    ("report", &[]),
    ("secret", &[]),
    ("host", &[]),
    ("judge", &[]),
    ("spec", &[]),
    ("emulator", &[]),
    // What an identity offer is made of; a host describes it, `azure` redeems it.
    (
        "azure",
        &[
            "spec::plan",
            "spec::Plan",
            "spec::EndpointType",
            "host::IdentityOffer",
            "host::ServiceConnection",
            "host::ConnectionScheme",
        ],
    ),
    ("provenance", &["host::RunFacts"]),
    ("stage", &["azure", "spec", "host", "judge", "provenance"]),
    ("failure", &["azure", "spec", "host", "stage"]),
    (
        "run",
        &["stage", "azure", "spec", "host", "failure", "provenance"],
    ),
    ("post", &["run", "stage", "azure", "host"]),
    ("demo", &["run", "emulator", "stage", "host"]),
    ("cli", &["stage", "host"]),
    (
        "dispatch",
        &[
            "cli", "run", "post", "demo", "emulator", "stage", "host", "failure", "azure",
        ],
    ),
    ("main", &["dispatch", "host"]),
];

/// Chosen among by `host::detect`; everybody else sees the trait.
const HOST_DIALECTS: &[&str] = &["host::github", "host::azure_pipelines"];

struct Source {
    /// Below `src`, with forward slashes.
    name: String,
    text: String,
    /// Identifiers and punctuation, without comments and literals.
    tokens: Vec<String>,
}

impl Source {
    /// `azure` for `azure/poll/mod.rs`, `run` for `run.rs`.
    fn part(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep the file's own module is.
    fn depth(&self) -> usize {
        let parts = self.name.split('/').count();
        if self.name.ends_with("/mod.rs") || matches!(self.part(), "lib" | "main") {
            parts - 1
        } else {
            parts
        }
    }

    fn follows(&self, words: &[&str]) -> bool {
        self.tokens
            .windows(words.len())
            .any(|window| window.iter().zip(words).all(|(token, word)| token == word))
    }

    /// Paths from the crate's root that the file names: `azure::error::SignInError`.
    fn crate_paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut inner_modules: Vec<bool> = Vec::new();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            match token.as_str() {
                "{" => inner_modules.push(at >= 2 && self.tokens[at - 2] == "mod"),
                "}" => {
                    inner_modules.pop();
                }
                "crate" | "aml_runner" => self.paths_after(at, String::new(), &mut found),
                "super" => {
                    let climb = (at..)
                        .step_by(2)
                        .take_while(|i| self.tokens.get(*i).is_some_and(|t| t == "super"))
                        .count();
                    let depth = self.depth() + inner_modules.iter().filter(|inner| **inner).count();
                    at += 2 * (climb - 1);
                    if climb == depth {
                        self.paths_after(at, String::new(), &mut found);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// Follows `::name` and `::{a, b::c}` after the token at `at`.
    fn paths_after(&self, at: usize, path: String, found: &mut Vec<String>) {
        let token = |i: usize| self.tokens.get(i).map(String::as_str);
        if token(at + 1) != Some("::") {
            if !path.is_empty() {
                found.push(path);
            }
            return;
        }
        match token(at + 2) {
            Some("{") => {
                let mut open = 1;
                let mut item_starts = true;
                let mut i = at + 3;
                while let (Some(word), true) = (token(i), open > 0) {
                    match word {
                        "{" => open += 1,
                        "}" => open -= 1,
                        "," if open == 1 => item_starts = true,
                        _ if item_starts && open == 1 => {
                            item_starts = false;
                            self.paths_after(i, join(&path, word), found);
                        }
                        _ => {}
                    }
                    i += 1;
                }
            }
            Some(word) => self.paths_after(at + 2, join(&path, word), found),
            None => {}
        }
    }
}

fn join(path: &str, word: &str) -> String {
    if path.is_empty() {
        word.to_owned()
    } else {
        format!("{path}::{word}")
    }
}

fn tokens(text: &str) -> Vec<String> {
    let shapes = concat!(
        r#"(?s)//[^\n]*|/\*.*?\*/|b?r\x23"(?:.*?)"\x23|b?r"[^"]*"|b?"(?:\\.|[^"\\])*""#,
        r#"|b?'(?:\\[^']+|[^'\\])'|(?P<keep>[A-Za-z_][A-Za-z0-9_]*|::|[^\sA-Za-z0-9_])"#,
    );
    Regex::new(shapes)
        .unwrap()
        .captures_iter(text)
        .filter_map(|found| Some(found.name("keep")?.as_str().to_owned()))
        .collect()
}

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        text: text.to_owned(),
        tokens: tokens(text),
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty());
    files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
            source(&name.replace('\\', "/"), &fs::read_to_string(file).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// What the file names although its part may not.
fn trespasses(source: &Source) -> Vec<String> {
    let part = source.part();
    if part == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == part) else {
        return vec![format!(
            "{part} has no row in MAY_USE: say what it may depend on"
        )];
    };
    let leaves: &[&str] = if part == "emulator" { &[] } else { LEAVES };
    let covers = |rule: &str, path: &str| {
        path.strip_prefix(rule)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    source
        .crate_paths()
        .into_iter()
        .filter(|path| {
            let root = path.split("::").next().unwrap_or_default();
            let another_part = root != part && MAY_USE.iter().any(|(name, _)| *name == root);
            let open = allowed.iter().chain(leaves).any(|rule| covers(rule, path));
            let dialect = HOST_DIALECTS.iter().any(|rule| covers(rule, path));
            another_part && (dialect || !open)
        })
        .map(|path| format!("src/{} names {path}", source.name))
        .collect()
}

fn offenders(is_wrong: impl Fn(&Source) -> bool) -> Vec<String> {
    let wrong = sources().into_iter().filter(is_wrong);
    wrong.map(|source| source.name).collect()
}

#[test]
fn every_part_depends_only_on_what_the_architecture_allows() {
    let wrong: Vec<String> = sources().iter().flat_map(trespasses).collect();
    assert!(
        wrong.is_empty(),
        "against ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_host_env_reads_the_environment() {
    let readers = ["var", "vars", "var_os", "vars_os", "set_var", "remove_var"];
    // The emulator is a world of its own: it looks up the PATH that its jobs run with.
    let may = ["host/env.rs", "emulator/execute/machine.rs"];
    let wrong = offenders(|source| {
        !may.contains(&source.name.as_str())
            && readers
                .iter()
                .any(|reader| source.follows(&["env", "::", reader]))
    });
    assert!(wrong.is_empty(), "take an Env instead: {wrong:?}");
}

#[test]
fn one_file_of_the_translator_and_one_of_the_emulator_name_the_yaml_crate() {
    let wrong = offenders(|source| {
        !["spec/yaml.rs", "emulator/yaml.rs"].contains(&source.name.as_str())
            && source
                .tokens
                .iter()
                .any(|token| token.starts_with("saphyr"))
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn nothing_ends_the_process_but_the_end_of_main() {
    let wrong = offenders(|source| source.follows(&["process", "::", "exit"]));
    assert!(wrong.is_empty(), "return an error instead: {wrong:?}");
}

#[test]
fn every_file_says_what_it_owns() {
    let wrong = offenders(|source| !source.text.starts_with("//!"));
    assert!(wrong.is_empty(), "without a leading //!: {wrong:?}");
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let wrong = offenders(|source| source.text.lines().count() > 500);
    assert!(wrong.is_empty(), "find the seam: {wrong:?}");
}

#[test]
fn a_trespass_is_found_however_the_path_is_written() {
    for text in [
        "use crate::azure::client::Client;",
        "use crate::{event::Event, azure};",
        "fn f() { crate::azure::id::parse(\"x\") }",
        "use super::azure;",
        "mod tests { use super::super::azure; }",
    ] {
        assert_eq!(trespasses(&source("spec.rs", text)).len(), 1, "{text}");
    }
    let emulator = source("emulator/store.rs", "use crate::event::Event;");
    assert_eq!(trespasses(&emulator).len(), 1, "not even the leaves");
    let outside = source("azure/plan.rs", "use crate::spec::kind::KINDS;");
    assert_eq!(trespasses(&outside).len(), 1, "spec::plan is not spec");
    let dialect = source("stage/connect.rs", "use crate::host::github::Github;");
    assert_eq!(trespasses(&dialect).len(), 1, "stages see the trait only");
    assert_eq!(
        trespasses(&source("novel.rs", "")).len(),
        1,
        "a part without a row"
    );
}

#[test]
fn what_is_allowed_or_only_mentioned_is_no_trespass() {
    for (name, text) in [
        (
            "spec/plan.rs",
            "use crate::event::Place; use crate::spec::problem::Problems;",
        ),
        (
            "spec/plan.rs",
            "// crate::azure\nfn f() -> &'static str { \"crate::azure\" }",
        ),
        (
            "azure/poll/mod.rs",
            "use super::azure; mod tests { use super::super::x; }",
        ),
        ("azure/apply.rs", "use crate::spec::plan::{Plan, Request};"),
        (
            "stage/connect.rs",
            "use crate::{azure::client::Client, host::Host};",
        ),
    ] {
        assert_eq!(
            trespasses(&source(name, text)),
            Vec::<String>::new(),
            "{text}"
        );
    }
}
