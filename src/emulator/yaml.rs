//! Just enough YAML to turn a conda file into JSON as the service does. Knows no schema.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The document as JSON. Anchors are refused: conda files have none.
pub(crate) fn to_json(text: &str) -> Result<Value, String> {
    let mut stack: Vec<Open> = Vec::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let done = match event {
            Event::Scalar(text, style, _, _) => Some(scalar(&text, style)),
            Event::SequenceStart(..) => {
                stack.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                stack.push(Open::Object(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(Open::close),
            Event::Alias(_) => return Err("aliases are not supported".to_owned()),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => None,
        };
        if let Some(value) = done {
            match stack.last_mut() {
                Some(open) => open.add(value),
                None => root = value,
            }
        }
    }
    Ok(root)
}

enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

impl Open {
    fn add(&mut self, value: Value) {
        match self {
            Self::List(values) => values.push(value),
            Self::Object(fields, key) => match key.take() {
                None => {
                    *key = Some(
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned),
                    )
                }
                Some(name) => {
                    fields.insert(name, value);
                }
            },
        }
    }

    fn close(self) -> Value {
        match self {
            Self::List(values) => Value::Array(values),
            Self::Object(fields, _) => Value::Object(fields),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        number => number
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| decimal(number).ok_or(()))
            .unwrap_or_else(|()| text.into()),
    }
}

/// `1.5` is a number; `inf` and `nan`, which Rust would read too, are words.
fn decimal(text: &str) -> Option<Value> {
    let plain = text
        .chars()
        .all(|letter| letter.is_ascii_digit() || "+-.eE".contains(letter));
    plain
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conda_file_becomes_json() {
        let text = "name: x\ndependencies:\n- python=3.10\n- pip:\n  - 'a==1'\nprefix: null\n";
        assert_eq!(
            to_json(text).unwrap(),
            json!({"name": "x", "dependencies": ["python=3.10", {"pip": ["a==1"]}], "prefix": null})
        );
        assert!(to_json("a: [").is_err());
    }
}
