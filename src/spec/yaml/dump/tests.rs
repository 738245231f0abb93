//! What PyYAML 6.0.3 writes for the same values; each expectation was read off `yaml.dump(.., sort_keys=True)`.

use std::path::Path;

use super::*;
use crate::spec::yaml::parse;

fn again(text: &str) -> String {
    dump(&parse(text.as_bytes(), Path::new("a.yml")).unwrap())
}

#[test]
fn conda_files_are_written_as_pyyaml_writes_them() {
    let conda = "name: env\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.8\n  - pip:\n    - 'azureml-core==1.48'\n    - x>=1\n";
    let expected = "channels:\n- conda-forge\ndependencies:\n- python=3.8\n- pip:\n  - azureml-core==1.48\n  - x>=1\nname: env\n";
    assert_eq!(again(conda), expected);
}

#[test]
fn scalars_are_quoted_as_pyyaml_quotes_them() {
    for (text, expected) in [
        ("a: '1.0'", "a: '1.0'\n"),
        ("a: 'yes'", "a: 'yes'\n"),
        ("a: 1e400", "a: 1e400\n"),
        ("a: 1.0e+20", "a: 1.0e+20\n"),
        ("a: null", "a: null\n"),
        ("a: ''", "a: ''\n"),
        ("a: \"it's: x\"", "a: 'it''s: x'\n"),
        ("a: \"é\"", "a: \"\\xE9\"\n"),
        ("a: '# no'", "a: '# no'\n"),
        ("a: '- b'", "a: '- b'\n"),
        ("a: -b", "a: -b\n"),
        ("a: []\nb: {}", "a: []\nb: {}\n"),
        ("a: [[1, 2], [3]]", "a:\n- - 1\n  - 2\n- - 3\n"),
        ("a: 2024-01-31", "a: 2024-01-31\n"),
        ("a: \"x\\ny\"", "a: 'x\n\n  y'\n"),
        ("a: '='", "a: '='\n"),
        ("- a: 1\n  b: 2\n", "- a: 1\n  b: 2\n"),
        ("plain", "plain\n...\n"),
    ] {
        assert_eq!(again(text), expected, "{text}");
    }
}

#[test]
fn long_texts_are_folded_at_eighty_columns() {
    let words = ["word"; 30].join(" ");
    let expected = format!(
        "a: {}\n  {}\n",
        ["word"; 16].join(" "),
        ["word"; 14].join(" ")
    );
    assert_eq!(again(&format!("a: {words}")), expected);
}

#[test]
fn two_escapes_at_the_edge_stay_together() {
    let letters = "a".repeat(73);
    assert_eq!(
        again(&format!("k: \"{letters}éé bc d\"")),
        format!("k: \"{letters}\\xE9\\xE9\\\n  \\ bc d\"\n")
    );
}

#[test]
fn a_value_that_occurs_twice_gets_an_anchor() {
    let text = "b: &x [1]\na: *x\n";
    assert_eq!(again(text), "a: &id001\n- 1\nb: *id001\n");
}
