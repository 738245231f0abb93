//! What the user gave besides the file, put into the tree before it is translated. It knows which inputs are local paths and
//! nothing else of the kinds.

use std::path::Path;

use super::fields::Field;
use super::problem::{Problem, Report};
use super::reference;
use super::session::absolute;
use super::yaml::{self, Kind, Mark, Node};
use super::{Expected, Overrides};

/// Fields whose relative paths start from the working directory when they come from an input.
const LOCAL_PATHS: [&str; 3] = ["path", "conda_file", "build.path"];
const INDEX_LIMIT: usize = 1000;

pub(super) fn apply(
    root: &mut Node,
    overrides: &Overrides,
    expected: Expected,
    working_directory: &Path,
    report: &mut Report,
) {
    for (path, text) in &overrides.set {
        let value = yaml::parse_value(text).unwrap_or_else(|_| Node::text_input(text));
        put(root, path, value, report);
    }
    for (name, text) in &overrides.fields {
        let local = LOCAL_PATHS.contains(&name.as_str())
            && !reference::is_url(text)
            && !text.starts_with("runs:/")
            && !text.starts_with("azureml:");
        let value = if local {
            let path = absolute(working_directory, text)
                .to_string_lossy()
                .into_owned();
            Node::new(Kind::Text(path), Mark::default()).with_raw(text)
        } else {
            Node::text_input(text)
        };
        put(root, name, value, report);
    }
    if let Some(name) = &overrides.name {
        put(root, "name", Node::text_input(name), report);
    }
    let versioned = match expected {
        Expected::Environment | Expected::Data | Expected::Model | Expected::Component => true,
        Expected::Job
        | Expected::Compute
        | Expected::Datastore
        | Expected::Schedule
        | Expected::Endpoint
        | Expected::Deployment => false,
    };
    if let Some(version) = overrides.version.as_ref().filter(|_| versioned) {
        put(root, "version", Node::text_input(version), report);
    }
}

/// `jobs.train.inputs.epochs`, `args[0]`, `args.0`
fn tokens(path: &str) -> Vec<&str> {
    path.split(['.', '['])
        .map(|token| token.trim_end_matches(']'))
        .filter(|token| !token.is_empty())
        .collect()
}

fn put(root: &mut Node, path: &str, value: Node, report: &mut Report) {
    let tokens = tokens(path);
    let refusal = if tokens.is_empty() {
        Some("name the field to set: `field=value`".to_owned())
    } else {
        set(root, &tokens, value).err()
    };
    if let Some(message) = refusal {
        report.push(Problem {
            place: None,
            field: path.to_owned(),
            message,
        });
    }
}

fn set(node: &mut Node, tokens: &[&str], value: Node) -> Result<(), String> {
    let Some((token, rest)) = tokens.split_first() else {
        *node = value;
        return Ok(());
    };
    if node.is_null() {
        let list = token.parse::<usize>().is_ok();
        node.kind = if list {
            Kind::Sequence(Vec::new())
        } else {
            Kind::Mapping(Vec::new())
        };
    }
    match &mut node.kind {
        Kind::Mapping(entries) => {
            let found = entries
                .iter()
                .position(|(key, _)| key.as_text() == Some(token));
            let index = found.unwrap_or_else(|| {
                entries.push((
                    Node::text_input(token),
                    Node::new(Kind::Null, Mark::default()),
                ));
                entries.len() - 1
            });
            set(&mut entries[index].1, rest, value)
        }
        Kind::Sequence(items) => {
            let index = token
                .parse::<usize>()
                .ok()
                .filter(|index| *index <= INDEX_LIMIT);
            let index = index.ok_or_else(|| format!("`{token}` is not an index of a list"))?;
            while items.len() <= index {
                items.push(Node::new(Kind::Null, Mark::default()));
            }
            set(&mut items[index], rest, value)
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_) => Err(format!(
            "`{token}` cannot be set: what should hold it is {}",
            node.describe()
        )),
    }
}

/// The path that names the document in messages when there is no file.
pub(super) fn empty_root() -> Node {
    Node::new(Kind::Mapping(Vec::new()), Mark::default())
}

/// A document is a mapping.
pub(super) fn check_root(root: &Node, report: &mut Report) -> bool {
    let is_mapping = root.entries().is_some();
    if !is_mapping {
        let message = if root.is_null() {
            "the file is empty"
        } else {
            "the file is not a mapping of fields"
        };
        Field::root(root).problem(report, message);
    }
    is_mapping
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::python::json_of;

    fn after(text: &str, set: &[(&str, &str)]) -> serde_json::Value {
        let mut root = yaml::parse(text.as_bytes(), Path::new("a.yml")).unwrap();
        let overrides = Overrides {
            set: set
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Overrides::default()
        };
        let mut report = Report::default();
        apply(
            &mut root,
            &overrides,
            Expected::Job,
            Path::new("/w"),
            &mut report,
        );
        report.into_result().unwrap();
        json_of(&root)
    }

    #[test]
    fn values_are_set_at_any_depth_with_the_type_yaml_gives_them() {
        let set = [
            ("a.b", "3"),
            ("c[1].d", "x: 1"),
            ("e.f.g", "true"),
            ("c.0", "'7'"),
            ("t", "[1, two]"),
        ];
        let expected = serde_json::json!({
            "a": {"b": 3}, "c": ["7", {"d": {"x": 1}}], "e": {"f": {"g": true}}, "t": [1, "two"]
        });
        assert_eq!(after("a: {b: 1}\nc: [1]\n", &set), expected);
    }

    #[test]
    fn a_reference_cannot_be_set_into() {
        let mut root = yaml::parse(b"a: azureml:x:1\n", Path::new("a.yml")).unwrap();
        let mut report = Report::default();
        put(&mut root, "a.b", Node::text_input("1"), &mut report);
        let said = report.into_result().unwrap_err().to_string();
        assert_eq!(
            said,
            "a.b: `b` cannot be set: what should hold it is `azureml:x:1`"
        );
    }

    #[test]
    fn local_paths_of_inputs_start_at_the_working_directory() {
        let mut root = empty_root();
        let overrides = Overrides {
            fields: vec![
                ("path".into(), "../d.csv".into()),
                ("type".into(), "uri_file".into()),
            ],
            ..Overrides::default()
        };
        apply(
            &mut root,
            &overrides,
            Expected::Data,
            Path::new("/w/x"),
            &mut Report::default(),
        );
        assert_eq!(root.get("path").unwrap().as_text(), Some("/w/d.csv"));
        assert_eq!(root.get("path").unwrap().scalar_text(), Some("../d.csv"));
    }
}
