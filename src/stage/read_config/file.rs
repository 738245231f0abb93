//! Reading `config-infra-*.yml`: the `variables:` root (a mapping, or Azure Pipelines' list of name and value) and its
//! `$(name)` references. What the values mean is `checks`' business.

use std::collections::HashMap;
use std::path::Path;

use super::checks;
use crate::event::Place;
use crate::spec::yaml::{self, Kind, Node};
use crate::spec::{Problem, Problems};

/// One variable, with its references filled in.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Option<Place>,
}

/// A reference chain longer than this can only be a circle.
const LONGEST_CHAIN: usize = 32;
/// References that double at each link would fill the memory long before the chain is too long.
const LONGEST_VALUE: usize = 10_000;

/// All variables of the file, or everything that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Problems> {
    let bytes = std::fs::read(path).map_err(|error| {
        Problems(vec![Problem {
            place: None,
            field: String::new(),
            message: format!("no config file can be read at {}: {error}", path.display()),
        }])
    })?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Entry>, Problems> {
    let root = yaml::parse(bytes, path)?;
    let variables = root.get("variables").unwrap_or(&root);
    let mut problems = Vec::new();
    let entries = match &variables.kind {
        Kind::Mapping(pairs) => pairs
            .iter()
            .filter_map(|(key, value)| entry(key, value, &mut problems))
            .collect(),
        Kind::Sequence(items) => items
            .iter()
            .filter_map(|item| listed(item, &mut problems))
            .collect(),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::Text(_)
        | Kind::Timestamp(_) => {
            problems.push(problem(
                variables,
                "variables",
                "a mapping of names to values is needed here".to_owned(),
            ));
            Vec::new()
        }
    };
    report_repeated(&entries, &mut problems);
    let entries = fill(entries, &mut problems);
    problems.extend(checks::check(&entries));
    if problems.is_empty() {
        return Ok(entries);
    }
    problems.sort_by_key(|problem| {
        problem
            .place
            .as_ref()
            .map(|place| (place.line, place.column))
    });
    Err(Problems(problems))
}

/// Of two values one would silently not count.
fn report_repeated(entries: &[Entry], problems: &mut Vec<Problem>) {
    let mut seen = HashMap::new();
    for entry in entries {
        let line = entry.place.as_ref().map_or(0, |place| place.line);
        if let Some(first) = seen.insert(entry.name.to_lowercase(), line) {
            problems.push(Problem {
                place: entry.place.clone(),
                field: entry.name.clone(),
                message: format!("has a value in line {first} already"),
            });
        }
    }
}

fn problem(node: &Node, field: &str, message: String) -> Problem {
    Problem {
        place: node.place(),
        field: field.to_owned(),
        message,
    }
}

fn entry(key: &Node, value: &Node, problems: &mut Vec<Problem>) -> Option<Entry> {
    let name = key.scalar_text()?.to_owned();
    let text = match &value.kind {
        Kind::Null => String::new(),
        Kind::Sequence(_) | Kind::Mapping(_) => {
            problems.push(problem(
                value,
                &name,
                "a single value is needed here, not a list or a mapping".to_owned(),
            ));
            return None;
        }
        // `postfix: 0001` must stay `0001`.
        Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::Timestamp(_) => {
            value.scalar_text().unwrap_or_default().to_owned()
        }
    };
    Some(Entry {
        name,
        value: text,
        place: value.place(),
    })
}

/// `- name: x` with `value: y`; a variable group or template lies outside this file and is passed over.
fn listed(item: &Node, problems: &mut Vec<Problem>) -> Option<Entry> {
    match (item.get("name"), item.get("value")) {
        (Some(name), Some(value)) => entry(name, value, problems),
        _ if item.get("group").is_some() || item.get("template").is_some() => None,
        _ => {
            problems.push(problem(
                item,
                "variables",
                "an item needs `name` and `value`".to_owned(),
            ));
            None
        }
    }
}

/// Replaces `$(name)` by the variable of that name, case ignored as Azure Pipelines does. What cannot be filled in is left out.
fn fill(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let known: HashMap<String, String> = entries
        .iter()
        .map(|entry| (entry.name.to_lowercase(), entry.value.clone()))
        .collect();
    let mut filled = Vec::new();
    for entry in entries {
        match expand(&entry.value, &known, LONGEST_CHAIN) {
            Ok(value) => filled.push(Entry { value, ..entry }),
            Err(message) => problems.push(Problem {
                place: entry.place,
                field: entry.name,
                message,
            }),
        }
    }
    filled
}

fn expand(text: &str, known: &HashMap<String, String>, depth: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        let Some((name, tail)) = after.split_once(')') else {
            break;
        };
        out.push_str(before);
        out.push_str(&reference(name.trim(), known, depth)?);
        if out.len() > LONGEST_VALUE {
            return Err(format!(
                "has more than {LONGEST_VALUE} characters when its references are filled in"
            ));
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn reference(name: &str, known: &HashMap<String, String>, depth: usize) -> Result<String, String> {
    if depth == 0 {
        return Err(format!("$({name}) refers back to itself"));
    }
    let lower = name.to_lowercase();
    match known.get(&lower) {
        Some(value) => expand(value, known, depth - 1),
        None => Err(match nearest(&lower, known) {
            Some(near) => format!("$({name}) is not defined in this file; did you mean $({near})?"),
            None => format!("$({name}) is not defined in this file"),
        }),
    }
}

fn nearest<'a>(name: &str, known: &'a HashMap<String, String>) -> Option<&'a String> {
    let scored = known
        .keys()
        .map(|key| (strsim::jaro_winkler(name, key), key));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String)>, String> {
        parse(text.as_bytes(), Path::new("c.yml"))
            .map(|entries| {
                entries
                    .into_iter()
                    .map(|entry| (entry.name, entry.value))
                    .collect()
            })
            .map_err(|problems| problems.to_string())
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn references_are_filled_in_and_numbers_stay_as_they_are_written() {
        let text = "variables:\n  namespace: mlops #note\n  postfix: 0001\n  environment: prod\n  on: true\n  rg: rg-$(namespace)-$(postfix)$(Environment)\n  again: $(rg)x\n";
        let expected = pairs(&[
            ("namespace", "mlops"),
            ("postfix", "0001"),
            ("environment", "prod"),
            ("on", "true"),
            ("rg", "rg-mlops-0001prod"),
            ("again", "rg-mlops-0001prodx"),
        ]);
        assert_eq!(parsed(text), Ok(expected));
    }

    #[test]
    fn a_list_of_names_and_values_is_read_too() {
        let text =
            "variables:\n- group: shared\n- name: a\n  value: 1\n- name: b\n  value: $(a)2\n";
        assert_eq!(parsed(text), Ok(pairs(&[("a", "1"), ("b", "12")])));
    }

    #[test]
    fn an_unknown_reference_is_named_with_its_place_and_the_nearest_name() {
        let text = "variables:\n  namespace: x\n  rg: rg-$(namespce)\n";
        let error = parsed(text).unwrap_err();
        assert_eq!(
            error,
            "c.yml:3:7: rg: $(namespce) is not defined in this file; did you mean $(namespace)?"
        );
    }

    #[test]
    fn a_circle_of_references_is_an_error_and_not_a_hang() {
        let error = parsed("variables:\n  a: $(b)\n  b: $(a)$(a)\n").unwrap_err();
        assert!(error.contains("refers back to itself"), "{error}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
        let text = "variables:\n  enable_x: ja\n  a: $(b)\n  list: [1]\n  key_vault: k_v\n  A: 1\n  c: $(c)\n";
        let error = parsed(text).unwrap_err();
        let starts = [
            "c.yml:2:13: enable_x: \"ja\" is neither",
            "c.yml:3:6: a: $(b) is not defined",
            "c.yml:4:9: list: a single value",
            "c.yml:5:14: key_vault: a key vault's name",
            "c.yml:6:6: A: has a value in line 3 already",
            "c.yml:7:6: c: $(c) refers back to itself",
        ];
        assert_eq!(error.lines().count(), starts.len(), "{error}");
        for (line, start) in error.lines().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn references_that_double_end_with_an_error_and_not_with_the_memory() {
        let mut text = "variables:\n  v0: xxxxxxxxxx\n".to_owned();
        for n in 1..31 {
            text.push_str(&format!("  v{n}: $(v{0})$(v{0})\n", n - 1));
        }
        let error = parsed(&text).unwrap_err();
        assert!(error.contains("more than 10000 characters"), "{error}");
    }
}
