//! Which fields of Microsoft's schemas the spec cases show, and what became of them: `docs/yaml-support.md` is made of it.
//! `tests/spec/fields.json` is the list of fields, written down by `benches/oracle/fields.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use aml_runner::spec::yaml_to_json;
use serde_json::Value;

use super::cases::{blessing, folders, root};

/// What the cases show of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Refused,
    Supported,
}

type Paths = BTreeSet<String>;

/// Kinds, with the fields that their schemas have.
struct Schemas(BTreeMap<String, Paths>);

/// What the cases show, by kind and field.
#[derive(Default)]
struct Coverage(BTreeMap<(String, String), Shown>);

struct Visit<'a> {
    schemas: &'a Schemas,
    coverage: &'a mut Coverage,
    /// What the case's `problems.txt` says; `None` when it is accepted.
    problems: Option<&'a str>,
    /// Files that are open: a component may name itself.
    open: Vec<PathBuf>,
}

/// A document or a part of it that has a kind of its own.
struct Part<'a> {
    kind: &'a str,
    /// Where paths in it start.
    folder: &'a Path,
}

fn schemas() -> Schemas {
    let text = fs::read(root().join("fields.json")).unwrap();
    Schemas(serde_json::from_slice(&text).unwrap())
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The kind of a document, from the folder that its case is in and what it says of itself.
fn kind_of(folder: &str, document: &Value) -> String {
    let kind = text(document, "type").map(str::to_lowercase);
    let kind = kind.as_deref();
    let has = |key: &str| document.get(key).is_some();
    match folder {
        "job" if kind == Some("automl") => {
            let task = text(document, "task").unwrap_or_default().to_lowercase();
            format!("job/automl/{task}")
        }
        "job" => format!("job/{}", kind.unwrap_or("command")),
        "step" | "component" if kind == Some("data_transfer") => {
            format!(
                "{folder}/data_transfer/{}",
                text(document, "task").unwrap_or_default()
            )
        }
        "step" if kind == Some("automl") => {
            format!(
                "job/automl/{}",
                text(document, "task").unwrap_or_default().to_lowercase()
            )
        }
        "step" | "component" => format!("{folder}/{}", kind.unwrap_or("command")),
        "datastore" | "compute" => format!("{folder}/{}", kind.unwrap_or_default()),
        "online-endpoint" if has("compute") => "online-endpoint/kubernetes".into(),
        "online-endpoint" => "online-endpoint/managed".into(),
        "online-deployment" => format!("online-deployment/{}", kind.unwrap_or("managed")),
        "batch-deployment"
            if kind == Some("pipeline") || (kind.is_none() && has("job_definition")) =>
        {
            "batch-deployment/pipeline".into()
        }
        "batch-deployment" => "batch-deployment/model".into(),
        "schedule" if has("import_data") => "schedule/import_data".into(),
        "schedule" if has("create_monitor") => "schedule/monitor".into(),
        "schedule" => "schedule/job".into(),
        other => other.into(),
    }
}

impl Visit<'_> {
    fn document(&mut self, folder: &str, document: &Value, place: &Path, at: &str) {
        let kind = kind_of(folder, document);
        let part = Part {
            kind: &kind,
            folder: place,
        };
        self.walk(&part, document, "", at);
    }

    fn walk(&mut self, part: &Part<'_>, value: &Value, path: &str, at: &str) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let at = join(at, key);
                    let path = self.child(part, path, key);
                    if let Some(path) = &path {
                        self.note(part.kind, path, &at);
                    }
                    self.elsewhere(part, path.as_deref().unwrap_or(key), value, &at);
                    self.walk(part, value, path.as_deref().unwrap_or("?"), &at);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(part, item, &format!("{path}[]"), &format!("{at}[{index}]"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The schema's path of a key: the field itself, or a name that users choose.
    fn child(&self, part: &Part<'_>, path: &str, key: &str) -> Option<String> {
        let fields = self.schemas.0.get(part.kind)?;
        let named = join(path, key);
        if fields.contains(&named) {
            return Some(named);
        }
        let any = join(path, "*");
        let is_below = |field: &String| {
            let rest = field.strip_prefix(&any);
            rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        fields.iter().any(is_below).then_some(any)
    }

    fn note(&mut self, kind: &str, path: &str, at: &str) {
        let shown = match self.problems {
            None => Shown::Supported,
            Some(problems) if refuses(problems, path, at) => Shown::Refused,
            Some(_) => return,
        };
        let entry = (kind.to_owned(), path.to_owned());
        let known = self.coverage.0.entry(entry).or_insert(shown);
        *known = (*known).max(shown);
    }

    /// Steps, jobs, components and assets inside others have fields of their own.
    fn elsewhere(&mut self, part: &Part<'_>, path: &str, value: &Value, at: &str) {
        let inner = match path {
            "jobs" => {
                for (name, step) in value.as_object().into_iter().flatten() {
                    self.document("step", step, part.folder, &join(at, name));
                }
                return;
            }
            "component" | "trial" => "component",
            "create_job" => "job",
            "environment" => "environment",
            "model" => "model",
            _ => return,
        };
        match value {
            Value::Object(_) => self.document(inner, value, part.folder, at),
            Value::String(written) => {
                let file = part.folder.join(written.trim_start_matches("file:"));
                let Ok(file) = fs::canonicalize(file) else {
                    return;
                };
                let read = fs::read_to_string(&file).ok();
                let document = read.as_deref().and_then(yaml_to_json);
                if let Some(document) = document.filter(|_| !self.open.contains(&file)) {
                    let folder = file.parent().unwrap_or(part.folder).to_owned();
                    self.open.push(file);
                    self.document(inner, &document, &folder, "");
                    self.open.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }
}

impl Coverage {
    /// Whether the kind as a whole is refused: at the word that names it.
    fn refuses(&self, kind: &str) -> bool {
        let kind_of_type = (kind.to_owned(), "type".to_owned());
        self.0.get(&kind_of_type) == Some(&Shown::Refused)
    }
}

/// Whether a field is refused itself or with what it is in; it has as many fields around it as its path has dots.
fn refuses(problems: &str, path: &str, at: &str) -> bool {
    let mut around = Some(at);
    for _ in 0..=path.matches('.').count() {
        let Some(at) = around else { return false };
        if problems.contains(&format!(": {at}:")) {
            return true;
        }
        around = at.rsplit_once('.').map(|(head, _)| head);
    }
    false
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Everything that the cases show.
fn coverage(schemas: &Schemas) -> Coverage {
    let mut coverage = Coverage::default();
    for kind in folders(&root()) {
        let name = kind.file_name().unwrap().to_string_lossy().into_owned();
        for case in folders(&kind) {
            let problems = fs::read_to_string(case.join("problems.txt")).ok();
            let Ok(written) = fs::read_to_string(case.join("in.yml")) else {
                continue;
            };
            let Some(document) = yaml_to_json(&written) else {
                continue;
            };
            let mut visit = Visit {
                schemas,
                coverage: &mut coverage,
                problems: problems.as_deref(),
                open: Vec::new(),
            };
            visit.document(&name, &document, &case, "");
        }
    }
    coverage
}

/// The table of one kind: a row for each field of its document, with the fields below it.
fn section(fields: &Paths, shown: &dyn Fn(&str) -> Option<Shown>) -> String {
    let mut rows = String::new();
    for field in fields.iter().filter(|field| !field.contains(['.', '['])) {
        let below: Vec<String> = fields
            .iter()
            .filter_map(|other| {
                let rest = other.strip_prefix(field.as_str())?;
                let rest = rest
                    .strip_prefix('.')
                    .or_else(|| rest.starts_with('[').then_some(rest))?;
                let mark = if shown(other) == Some(Shown::Refused) {
                    " (refused)"
                } else {
                    ""
                };
                Some(format!("`{rest}`{mark}"))
            })
            .collect();
        let verdict = match shown(field) {
            Some(Shown::Refused) => "refused",
            Some(Shown::Supported) | None => "yes",
        };
        writeln!(rows, "| `{field}` | {verdict} | {} |", below.join(" ")).unwrap();
    }
    format!("| field | supported | below it |\n|---|---|---|\n{rows}")
}

fn table(schemas: &Schemas, coverage: &Coverage) -> String {
    let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
    for (kind, fields) in &schemas.0 {
        let shown = |path: &str| coverage.0.get(&(kind.clone(), path.to_owned())).copied();
        let section = if coverage.refuses(kind) {
            "Refused, as by the SDK.\n".to_owned()
        } else {
            section(fields, &shown)
        };
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, kinds)) => kinds.push(kind),
            None => sections.push((section, vec![kind])),
        }
    }
    let mut page = String::from(HEAD);
    for (section, kinds) in sections {
        write!(page, "\n## {}\n\n{section}", kinds.join(", ")).unwrap();
    }
    page
}

const HEAD: &str = "\
# What is understood of Azure ML YAML

Every kind of file and every field that the schemas of Microsoft's `azure-ai-ml` 1.35.2 have. *yes* means that the field leads to
the same requests as with `az ml`: a case under [tests/spec](../tests/spec), whose expected requests Microsoft's SDK made, shows it.
*refused* means that the field is an error here, as it is there. `*` stands for a name of your choice, `[]` for an item of a list.
Fields that only the service fills (`creation_context`, `status`, ..) are accepted nowhere and not listed. Steps of a pipeline,
inline components, environments and models have the fields of their own kind. Jobs of type `finetuning` and `distillation` are not
supported.

This page is made by `just bless`; `cargo test` compares it.
";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/yaml-support.md")
}

#[test]
fn every_field_of_every_schema_has_a_case() {
    let schemas = schemas();
    let coverage = coverage(&schemas);
    let mut missing = 0;
    for (kind, fields) in &schemas.0 {
        if coverage.refuses(kind) {
            continue;
        }
        let without: Vec<_> = fields
            .iter()
            .filter(|field| !coverage.0.contains_key(&(kind.clone(), (*field).clone())))
            .collect();
        if !without.is_empty() {
            missing += without.len();
            println!("{kind}: {without:?}");
        }
    }
    assert_eq!(missing, 0, "fields without a case");
}

#[test]
fn the_page_on_yaml_says_what_the_cases_show() {
    let schemas = schemas();
    let table = table(&schemas, &coverage(&schemas));
    if blessing() {
        fs::create_dir_all(page().parent().unwrap()).unwrap();
        fs::write(page(), &table).unwrap();
    }
    let written = fs::read_to_string(page()).unwrap_or_default();
    assert!(
        written == table,
        "docs/yaml-support.md is not what the cases show: run `just bless` and read the difference"
    );
}
