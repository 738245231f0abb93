//! What PyYAML 6.0.3 makes of the same text; each expectation was read off `yaml.safe_load`.

use super::*;

fn load(text: &str) -> Node {
    parse(text.as_bytes(), Path::new("a.yml")).unwrap()
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes(), Path::new("a.yml"))
        .unwrap_err()
        .to_string()
}

fn kind(text: &str) -> Kind {
    load(text).kind
}

#[test]
fn scalars_are_read_as_yaml_1_1() {
    for (text, expected) in [
        ("yes", Kind::Bool(true)),
        ("Off", Kind::Bool(false)),
        ("y", Kind::Text("y".into())),
        ("yES", Kind::Text("yES".into())),
        ("010", Kind::Integer(8)),
        ("08", Kind::Text("08".into())),
        ("0x1F", Kind::Integer(31)),
        ("-0b101", Kind::Integer(-5)),
        ("0o17", Kind::Text("0o17".into())),
        ("1_000", Kind::Integer(1000)),
        ("190:20:30", Kind::Integer(685_230)),
        ("1e3", Kind::Text("1e3".into())),
        ("1.0e3", Kind::Text("1.0e3".into())),
        ("1.0e+3", Kind::Float(1000.0)),
        ("1.", Kind::Float(1.0)),
        (".5", Kind::Float(0.5)),
        ("-.inf", Kind::Float(f64::NEG_INFINITY)),
        ("1:30.5", Kind::Float(90.5)),
        ("~", Kind::Null),
        ("", Kind::Null),
        ("'1'", Kind::Text("1".into())),
        ("2024-01-31", Kind::Timestamp("2024-01-31".into())),
        ("2024-1-31", Kind::Text("2024-1-31".into())),
        (
            "2024-01-31T10:00:00Z",
            Kind::Timestamp("2024-01-31 10:00:00+00:00".into()),
        ),
        (
            "2001-12-14 21:59:43.10 -5",
            Kind::Timestamp("2001-12-14 21:59:43.100000-05:00".into()),
        ),
        ("!!str 5", Kind::Text("5".into())),
        ("!!int '5'", Kind::Integer(5)),
        ("1.2.3", Kind::Text("1.2.3".into())),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
    assert!(matches!(kind(".nan"), Kind::Float(value) if value.is_nan()));
}

#[test]
fn a_scalar_keeps_what_the_user_wrote() {
    let node = load("postfix: 0003\nflag: Yes\nname: x\nnone:\n");
    let texts: Vec<_> = ["postfix", "flag", "name", "none"]
        .map(|key| node.get(key).unwrap().scalar_text())
        .into();
    assert_eq!(texts, [Some("0003"), Some("Yes"), Some("x"), None]);
}

#[test]
fn every_node_knows_its_place() {
    let node = load("a:\n  - b: 1\n    c: {d: 2}\n");
    let d = node.get("a").unwrap().items().unwrap()[0]
        .get("c")
        .unwrap()
        .get("d")
        .unwrap();
    let place = d.place().unwrap();
    assert_eq!((place.line, place.column), (3, 12));
}

#[test]
fn of_repeated_keys_the_last_counts_at_the_first_place() {
    let node = load("a: 1\nb: 2\na: 3\n");
    let entries: Vec<_> = node
        .entries()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.as_text().unwrap(), v.kind.clone()))
        .collect();
    assert_eq!(entries, [("a", Kind::Integer(3)), ("b", Kind::Integer(2))]);
}

#[test]
fn merge_keys_give_way_to_own_keys_and_to_earlier_merges() {
    let node = load("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 9\n  <<: [*x, *y]\n");
    let z = node.get("z").unwrap();
    let value = |key: &str| z.get(key).unwrap().kind.clone();
    assert_eq!(
        [value("a"), value("b"), value("c")],
        [Kind::Integer(1), Kind::Integer(1), Kind::Integer(9)]
    );
}

#[test]
fn a_quoted_merge_key_is_a_key() {
    assert_eq!(load("'<<': 1\n").get("<<").unwrap().kind, Kind::Integer(1));
}

#[test]
fn alias_bombs_and_self_references_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(refusal(&bomb).contains("too large"));
    assert!(refusal("a: &a [*a]\n").contains("contains it"));
}

#[test]
fn deep_nesting_is_refused_and_not_a_stack_overflow() {
    assert!(refusal(&"[".repeat(100_000)).contains("a.yml:1:"));
    let deep: String = (0..20_000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .take(400)
        .collect();
    assert!(refusal(&deep).contains("deeply"));
}

#[test]
fn what_pyyaml_refuses_is_refused_with_its_place() {
    for (text, expected) in [
        ("a: 1\n---\nb: 2\n", "a.yml:3:1: a second document"),
        ("a: =\n", "a.yml:1:4: `=` cannot be a value"),
        ("a: !foo 1\n", "a.yml:1:4: the tag `!foo` is not known"),
        ("? [a]\n: 1\n", "cannot be a key"),
        ("a: 2024-02-30\n", "looks like a date"),
        ("a: \u{7}\n", "a.yml:1:4: the character U+0007"),
        ("a: b: c\n", "a.yml:1:"),
        ("a: *nowhere\n", "a.yml:1:"),
    ] {
        let said = refusal(text);
        assert!(said.contains(expected), "{text:?} gave {said:?}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_an_empty_file_is_null() {
    assert_eq!(
        load("\u{feff}a: 1").get("a").unwrap().kind,
        Kind::Integer(1)
    );
    assert!(load("# nothing\n").is_null());
}

#[test]
fn continuation_lines_may_be_indented_as_they_like_inside_quotes_and_brackets() {
    let text = "a:\n  b: \"one\ntwo\n\n  thr\\\nee\"\n  c: 'x\n''y'\n  d: [1,\n2\n]\n  e: {f: 1,\ng: 2\n}\n  h: 3\n";
    let a = load(text).get("a").unwrap().clone();
    assert_eq!(a.get("b").unwrap().as_text(), Some("one two\nthree"));
    assert_eq!(a.get("c").unwrap().as_text(), Some("x 'y"));
    assert_eq!(a.get("d").unwrap().items().unwrap().len(), 2);
    assert_eq!(
        a.get("e")
            .unwrap()
            .get("g")
            .unwrap()
            .place()
            .unwrap()
            .column,
        4
    );
    assert_eq!(a.get("h").unwrap().kind, Kind::Integer(3));
}
