//! A cursor over a mapping: it hands out keys, remembers which were read, and reports every key that nobody asked for, every one
//! that is missing and every value of the wrong type, with its place and the nearest word that would be right.
//!
//! What a type accepts is what the fields of Microsoft's schemas accept (marshmallow 3): text must be text, numbers may be
//! written in quotes, null is nobody's value. It knows no schema.

use serde_json::Value;

use super::problem::{Report, nearest};
use super::python;
use super::yaml::{Kind, Node};

/// A value of the document and the path that leads to it.
#[derive(Debug, Clone)]
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    /// Whether `${{..}}` may stand for a value of any type, as it may in a pipeline's steps.
    bindings: bool,
}

#[derive(Debug)]
pub(super) struct Fields<'n> {
    at: Field<'n>,
    entries: Vec<Entry<'n>>,
    known: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry<'n> {
    key: &'n Node,
    name: &'n str,
    value: &'n Node,
    taken: bool,
}

/// How the words of a choice are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    /// Any case; the answer is lower case.
    Lower,
    /// `UserIdentity` is `user_identity`; the answer is the latter.
    Snake,
}

impl<'n> Fields<'n> {
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'n>> {
        self.known.push(name);
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.taken = true;
        Some(self.at.child(entry.value, name))
    }

    /// A field that is looked at and left for others to take.
    pub(super) fn peek(&self, name: &str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(self.at.child(entry.value, name))
    }

    /// A field read by a function of its own.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        report: &mut Report,
        read: impl FnOnce(&Field<'n>, &mut Report) -> Option<T>,
    ) -> Option<T> {
        read(&self.take(name)?, report)
    }

    pub(super) fn text(&mut self, name: &'static str, report: &mut Report) -> Option<String> {
        self.read(name, report, Field::text)
    }

    pub(super) fn version(&mut self, name: &'static str, report: &mut Report) -> Option<String> {
        self.read(name, report, Field::version)
    }

    pub(super) fn integer(&mut self, name: &'static str, report: &mut Report) -> Option<Value> {
        self.read(name, report, Field::integer)
    }

    pub(super) fn flag(&mut self, name: &'static str, report: &mut Report) -> Option<bool> {
        self.read(name, report, Field::flag)
    }

    pub(super) fn choice(
        &mut self,
        name: &'static str,
        report: &mut Report,
        words: &[&str],
        case: Case,
    ) -> Option<String> {
        self.take(name)?.choice(report, words, case)
    }

    pub(super) fn required(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Field<'n>> {
        let field = self.take(name);
        if field.is_none() {
            self.missing(name, report);
        }
        field
    }

    pub(super) fn missing(&self, name: &str, report: &mut Report) {
        report.add(
            self.at.node,
            &join(&self.at.path, name),
            "this field is required",
        );
    }

    /// Read-only fields: tools write them into files, so they are let through unless they are null.
    pub(super) fn read_only(&mut self, names: &[&'static str]) {
        for entry in &mut self.entries {
            entry.taken |= names.contains(&entry.name) && !entry.value.is_null();
        }
    }

    /// Accepted by the schema and without effect.
    pub(super) fn without_effect(&mut self, names: &[&'static str]) {
        for name in names {
            let _field = self.take(name);
        }
    }

    pub(super) fn refuse_rest(self, report: &mut Report) {
        for entry in self.entries.iter().filter(|entry| !entry.taken) {
            let hint = nearest(entry.name, self.known.iter().copied());
            report.add(
                entry.key,
                &join(&self.at.path, entry.name),
                format!("unknown field{hint}"),
            );
        }
    }

    /// What no schema names, for those that let everything through.
    pub(super) fn rest(self) -> Vec<(&'n str, &'n Node)> {
        self.entries
            .into_iter()
            .filter(|entry| !entry.taken)
            .map(|entry| (entry.name, entry.value))
            .collect()
    }

    pub(super) fn at(&self) -> &Field<'n> {
        &self.at
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl<'n> Field<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self {
            node,
            path: String::new(),
            bindings: false,
        }
    }

    pub(super) fn at_path(node: &'n Node, path: &str) -> Self {
        Self {
            node,
            path: path.to_owned(),
            bindings: false,
        }
    }

    #[must_use]
    pub(super) fn with_bindings(mut self) -> Self {
        self.bindings = true;
        self
    }

    /// A value below this one.
    fn child(&self, node: &'n Node, name: &str) -> Self {
        Self {
            node,
            path: join(&self.path, name),
            bindings: self.bindings,
        }
    }

    pub(super) fn problem(&self, report: &mut Report, message: impl Into<String>) {
        report.add(self.node, &self.path, message);
    }

    /// What the value is, for a message; passwords and keys are not repeated.
    fn found(&self) -> String {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        if ["password", "secret", "key", "token", "certificate"]
            .iter()
            .any(|word| name.contains(word))
        {
            return "this value".into();
        }
        self.node.describe()
    }

    fn expected(&self, report: &mut Report, what: &str) {
        self.problem(
            report,
            format!("{what} is expected here, not {}", self.found()),
        );
    }

    pub(super) fn fields(&self, report: &mut Report) -> Option<Fields<'n>> {
        let Some(entries) = self.node.entries() else {
            self.expected(report, "a mapping");
            return None;
        };
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key.as_text() {
                Some(name) => named.push(Entry {
                    key,
                    name,
                    value,
                    taken: false,
                }),
                None => report.add(
                    key,
                    &self.path,
                    format!("a key must be text; put {} in quotes", key.describe()),
                ),
            }
        }
        Some(Fields {
            at: self.clone(),
            entries: named,
            known: Vec::new(),
        })
    }

    /// A mapping from names of the user's choice.
    pub(super) fn entries(&self, report: &mut Report) -> Option<Vec<(&'n str, Field<'n>)>> {
        let fields = self.fields(report)?;
        let entries = fields.entries.into_iter().map(|entry| {
            let field = Field {
                node: entry.value,
                path: join(&self.path, entry.name),
                bindings: self.bindings,
            };
            (entry.name, field)
        });
        Some(entries.collect())
    }

    pub(super) fn items(&self, report: &mut Report) -> Option<Vec<Field<'n>>> {
        let Some(items) = self.node.items() else {
            self.expected(report, "a list");
            return None;
        };
        let items = items.iter().enumerate().map(|(index, node)| Field {
            node,
            path: format!("{}[{index}]", self.path),
            bindings: self.bindings,
        });
        Some(items.collect())
    }

    pub(super) fn text(&self, report: &mut Report) -> Option<String> {
        // What came from an input was never meant to have a YAML type of its own.
        let text = if self.node.is_input() {
            self.node.scalar_text().map(|_| self.input_text())
        } else {
            None
        };
        let text = text.or_else(|| self.node.as_text().map(str::to_owned));
        if text.is_none() {
            let hint = match self.node.scalar_text() {
                Some(_) => "; put it in quotes",
                None => "",
            };
            self.problem(
                report,
                format!("text is expected here, not {}{hint}", self.found()),
            );
        }
        text
    }

    fn input_text(&self) -> String {
        self.node
            .as_text()
            .or_else(|| self.node.scalar_text())
            .unwrap_or_default()
            .to_owned()
    }

    /// Text, or null for nothing.
    pub(super) fn text_or_null(&self, report: &mut Report) -> Option<Value> {
        if self.node.is_null() {
            Some(Value::Null)
        } else {
            self.text(report).map(Value::String)
        }
    }

    /// A version: text, or a number that is taken as text.
    pub(super) fn version(&self, report: &mut Report) -> Option<String> {
        match &self.node.kind {
            Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) => python::text_of(self.node),
            Kind::Text(text) => Some(text.clone()),
            Kind::Null | Kind::Timestamp(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
                self.expected(report, "a version");
                None
            }
        }
    }

    /// A whole number, as JSON; a binding where those are allowed.
    pub(super) fn integer(&self, report: &mut Report) -> Option<Value> {
        if let Some(binding) = self.binding() {
            return Some(binding);
        }
        self.whole(report).map(python::integer)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "Python's int() cuts off the same way"
    )]
    pub(super) fn whole(&self, report: &mut Report) -> Option<i128> {
        let value = match &self.node.kind {
            Kind::Integer(value) => Some(*value),
            Kind::Float(value) if value.is_finite() => Some(value.trunc() as i128),
            Kind::Text(text) => text.trim().replace('_', "").parse().ok(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => None,
        };
        if value.is_none() {
            self.expected(report, "a whole number");
        }
        value
    }

    /// Any finite number, written or in quotes.
    pub(super) fn number(&self, report: &mut Report) -> Option<f64> {
        let text = self.node.scalar_text().filter(|_| self.is_number());
        let number = text.and_then(|text| text.trim().parse().ok());
        if number.is_none() {
            self.expected(report, "a number");
        }
        number
    }

    /// A number, written or in quotes.
    pub(super) fn is_number(&self) -> bool {
        match &self.node.kind {
            Kind::Integer(_) => true,
            Kind::Float(value) => value.is_finite(),
            Kind::Text(text) => text.trim().parse::<f64>().is_ok_and(f64::is_finite),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => false,
        }
    }

    pub(super) fn boolean(&self, report: &mut Report) -> Option<Value> {
        if let Some(binding) = self.binding() {
            return Some(binding);
        }
        self.flag(report).map(Value::Bool)
    }

    pub(super) fn flag(&self, report: &mut Report) -> Option<bool> {
        let value = match &self.node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Integer(1) => Some(true),
            Kind::Integer(0) => Some(false),
            Kind::Text(text) => match text.as_str() {
                "t" | "T" | "true" | "True" | "TRUE" | "on" | "On" | "ON" | "y" | "Y" | "yes"
                | "Yes" | "YES" | "1" => Some(true),
                "f" | "F" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" | "n" | "N"
                | "no" | "No" | "NO" | "0" => Some(false),
                _ => None,
            },
            Kind::Null
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => None,
        };
        if value.is_none() {
            self.expected(report, "true or false");
        }
        value
    }

    /// One of some words. The answer is the word as the schema spells it, or the binding.
    pub(super) fn choice(&self, report: &mut Report, words: &[&str], case: Case) -> Option<String> {
        if let Some(Value::String(binding)) = self.binding() {
            return Some(binding);
        }
        let found = self.node.as_text().map(|text| match case {
            Case::Exact => text.to_owned(),
            Case::Lower => text.to_lowercase(),
            Case::Snake => python::camel_to_snake(text),
        });
        if let Some(found) = found
            .as_ref()
            .filter(|found| words.contains(&found.as_str()))
        {
            return Some(found.clone());
        }
        let hint = found.map_or(String::new(), |found| {
            nearest(&found, words.iter().copied())
        });
        let listed = words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
        self.problem(
            report,
            format!("{} is not one of {listed}{hint}", self.found()),
        );
        None
    }

    /// The value as it is, if it is a binding and bindings may stand here.
    pub(super) fn binding(&self) -> Option<Value> {
        let text = self.node.as_text()?;
        (self.bindings && super::binding::found_in(text)).then(|| Value::String(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::yaml::parse;

    #[test]
    fn a_password_of_the_wrong_type_is_not_repeated() {
        let node = parse(b"admin_password: 123456\n", Path::new("c.yml")).unwrap();
        let mut report = Report::default();
        let mut fields = Field::root(&node).fields(&mut report).unwrap();
        assert!(fields.text("admin_password", &mut report).is_none());
        let said = report.into_result().unwrap_err().to_string();
        assert!(
            said.contains("put it in quotes") && !said.contains("123456"),
            "{said}"
        );
    }

    #[test]
    fn every_problem_of_a_mapping_is_reported_with_its_place_and_nearest_word() {
        let node = parse(
            b"nmae: x\ncount: many\ntier: dedicatd\n",
            Path::new("c.yml"),
        )
        .unwrap();
        let mut report = Report::default();
        let mut fields = Field::root(&node).fields(&mut report).unwrap();
        assert!(fields.required("name", &mut report).is_none());
        assert!(fields.take("count").unwrap().whole(&mut report).is_none());
        let tier = fields.take("tier").unwrap();
        assert!(
            tier.choice(&mut report, &["low_priority", "dedicated"], Case::Lower)
                .is_none()
        );
        fields.refuse_rest(&mut report);
        let said = report.into_result().unwrap_err().to_string();
        assert_eq!(
            said,
            "c.yml:1:1: name: this field is required\n\
             c.yml:1:1: nmae: unknown field; did you mean `name`?\n\
             c.yml:2:8: count: a whole number is expected here, not `many`\n\
             c.yml:3:7: tier: `dedicatd` is not one of `low_priority`, `dedicated`; did you mean `dedicated`?"
        );
    }
}
