//! Command components: the specification that the service gets, and the interface that a pipeline's steps are checked against.
//! A component without a name of its own is anonymous and the service names it. It does not know pipelines.

mod port;

pub(super) use port::{Port, check_cases, declared, declared_literal, literal_type, typed};

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::binding;
use super::code;
use super::draft::{Draft, Object};
use super::environment;
use super::fields::{Case, Field, Fields};
use super::io;
use super::plan::{Reference, Target};
use super::problem::Report;
use super::python;
use super::session::Session;
use super::settings::{Distribution, Resources, Unknown};

pub(super) const API: &str = "2024-01-01-preview";
pub(super) const ANONYMOUS: &str = "azureml_anonymous";
/// What else than inputs and outputs a command may name: the SDK lets through what its component object has.
const PROPERTIES: [&str; 14] = [
    "inputs",
    "outputs",
    "name",
    "version",
    "type",
    "display_name",
    "description",
    "tags",
    "properties",
    "command",
    "code",
    "environment",
    "resources",
    "distribution",
];

/// A component that is defined in this project.
#[derive(Debug, Clone, Default)]
pub(super) struct Component {
    pub(super) inputs: Vec<(String, Port)>,
    pub(super) outputs: Vec<(String, Port)>,
    /// A step runs with these unless it says otherwise.
    pub(super) resources: Option<Resources>,
    pub(super) distribution: Option<Distribution>,
    spec: Object,
    description: Option<String>,
    tags: Option<Value>,
    /// The component that the file was made from, if it says so: that one runs.
    registered: Option<String>,
}

impl Component {
    pub(super) fn input(&self, name: &str) -> Option<&Port> {
        self.inputs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, port)| port)
    }

    pub(super) fn output(&self, name: &str) -> Option<&Port> {
        self.outputs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, port)| port)
    }

    pub(super) fn replace_resources(&mut self, resources: Resources) {
        self.spec.put("resources", resources.spec());
        self.resources = Some(resources);
    }

    /// What a step names as its component; a registration is planned where there is none yet.
    pub(super) fn id(&self, session: &mut Session<'_>, source: &'static str) -> Draft {
        match &self.registered {
            Some(id) => Draft::from(id.as_str()),
            None => Draft::reference(self.register_anonymous(session, source)),
        }
    }

    /// Plans the anonymous registration; the answer holds the id.
    fn register_anonymous(&self, session: &mut Session<'_>, source: &'static str) -> Reference {
        let version = anonymous_version(&self.spec.spelled(&|reference| session.spell(reference)));
        let mut spec = self.spec.clone();
        spec.put("name", ANONYMOUS);
        spec.put("version", "1");
        spec.put("_source", source);
        let mut properties = Object::default();
        properties.put("componentSpec", spec);
        properties.put_some("description", self.description.clone());
        properties.put("isAnonymous", true);
        properties.put("isArchived", false);
        properties.put_some("tags", self.tags.clone());
        let mut body = Object::default();
        body.put("properties", properties);
        let target = Target::Anonymous {
            collection: "components",
            name: ANONYMOUS.into(),
            version,
        };
        Reference::Answer(session.request(target, API, body, Vec::new()))
    }
}

/// First half of the SHA-256 of the specification as a UUID. The service answers with an id of its own; this one only has to be
/// the same for equal components.
pub(super) fn anonymous_version(spec: &Value) -> String {
    let digest = hex::encode(Sha256::digest(python::dumps_sorted(spec)));
    [
        &digest[..8],
        &digest[8..12],
        &digest[12..16],
        &digest[16..20],
        &digest[20..32],
    ]
    .join("-")
}

/// A command component from its document. `base` is the folder of the document.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) -> Option<Component> {
    let before = session.report.count();
    fields.read_only(&["creation_context", "latest_version"]);
    fields.without_effect(&[
        "name",
        "version",
        "auto_delete_setting",
        "environment_variables",
    ]);
    let report = &mut session.report;
    let mut component = Component {
        registered: fields.text("id", report),
        ..Component::default()
    };
    let mut spec = Object::default();
    spec.put_some("$schema", fields.text("$schema", report));
    if let Some(kind) = fields.take("type") {
        kind.choice(report, &["command"], Case::Lower);
    }
    spec.put("type", "command");
    component.description = fields.text("description", report);
    spec.put_some("description", component.description.clone());
    component.tags = fields.read("tags", report, as_texts);
    spec.put_some(
        "tags",
        component
            .tags
            .clone()
            .filter(|tags| tags != &Value::Object(serde_json::Map::new())),
    );
    spec.put_some("display_name", fields.text("display_name", report));
    let deterministic = fields.flag("is_deterministic", report);
    spec.put("is_deterministic", deterministic.unwrap_or(true));
    spec.put_some("properties", fields.read("properties", report, io::values));
    if let Some(inputs) = fields.take("inputs") {
        spec.put_filled(
            "inputs",
            port::read_inputs(&inputs, &mut component.inputs, report),
        );
    }
    if let Some(outputs) = fields.take("outputs") {
        spec.put_filled(
            "outputs",
            port::read_outputs(&outputs, &mut component.outputs, report),
        );
    }
    component.resources = fields
        .take("resources")
        .and_then(|field| Resources::read(&field, Unknown::Dropped, report));
    component.distribution = fields
        .take("distribution")
        .and_then(|field| Distribution::read(&field, Unknown::Dropped, report));
    let command = fields.required("command", report);
    let includes = fields.take("additional_includes");
    let code_field = fields.take("code");
    if let Some(environment) = fields.required("environment", report) {
        let id = environment::resolve(session, &environment, base);
        spec.put_some("environment", id.map(|id| id.prefixed("azureml:")));
    }
    code::of_component(
        session,
        code_field.as_ref(),
        includes.as_ref(),
        base,
        &mut spec,
    );
    component.spec = spec;
    component.finish(command.as_ref(), &mut session.report);
    for (name, node) in fields.rest() {
        if !(node.is_null() || node.entries().is_some_and(<[_]>::is_empty)) {
            component.spec.put(name, python::json_of(node));
        }
    }
    (session.report.count() == before).then_some(component)
}

/// An inline step of a pipeline as the component it stands for.
pub(super) struct Inline<'f, 'n> {
    pub(super) description: Option<String>,
    pub(super) tags: Option<Value>,
    pub(super) inputs: Vec<(&'n str, Value, Port)>,
    pub(super) outputs: Vec<(&'n str, Value, Port)>,
    pub(super) resources: Option<Resources>,
    pub(super) distribution: Option<Distribution>,
    pub(super) environment: Option<Draft>,
    pub(super) code: Option<&'f Field<'n>>,
    pub(super) command: Option<&'f Field<'n>>,
}

impl Inline<'_, '_> {
    pub(super) fn into_component(self, session: &mut Session<'_>, base: &Path) -> Component {
        let mut spec = Object::default();
        let mut component = Component {
            description: self.description,
            tags: self.tags,
            resources: self.resources,
            distribution: self.distribution,
            ..Component::default()
        };
        spec.put("type", "command");
        spec.put_some("description", component.description.clone());
        spec.put_some("tags", component.tags.clone());
        spec.put("is_deterministic", true);
        for (key, ports, kept) in [
            ("inputs", self.inputs, &mut component.inputs),
            ("outputs", self.outputs, &mut component.outputs),
        ] {
            let mut declared = Object::default();
            for (name, body, port) in ports {
                declared.put(name, body);
                kept.push((name.to_owned(), port));
            }
            spec.put_filled(key, declared);
        }
        spec.put_some(
            "environment",
            self.environment.map(|id| id.prefixed("azureml:")),
        );
        code::of_component(session, self.code, None, base, &mut spec);
        component.spec = spec;
        component.finish(self.command, &mut session.report);
        component
    }
}

impl Component {
    fn finish(&mut self, command: Option<&Field<'_>>, report: &mut Report) {
        if let Some(resources) = &self.resources {
            self.spec.put_filled("resources", resources.spec());
        }
        if let Some(distribution) = &self.distribution {
            self.spec.put("distribution", distribution.spec());
        }
        let Some((field, text)) = command.and_then(|field| Some((field, field.text(report)?)))
        else {
            return;
        };
        for target in binding::targets(&text) {
            let known = match target.split_once('.') {
                Some(("inputs", name)) => port::knows_input(&self.inputs, name),
                Some(("outputs", name)) => port::knows_output(&self.outputs, name),
                Some(_) => false,
                None => PROPERTIES.contains(&target),
            };
            if !known {
                field.problem(
                    report,
                    format!("the command refers to `{target}`, which is not declared"),
                );
            }
        }
        self.spec.put("command", text);
    }
}

/// Tags: scalars of any type, as texts.
fn as_texts(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let texts = entries
        .into_iter()
        .filter(|(_, field)| !field.node.is_null())
        .filter_map(|(name, field)| {
            let text = python::text_of(field.node).or_else(|| field.text(report))?;
            Some((name.to_owned(), text.into()))
        });
    Some(Value::Object(texts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_specifications_have_one_version_whatever_the_order_of_their_keys() {
        let a = serde_json::json!({"command": "x", "inputs": {"a": 1, "b": 2}});
        let b = serde_json::json!({"inputs": {"b": 2, "a": 1}, "command": "x"});
        assert_eq!(anonymous_version(&a), anonymous_version(&b));
        assert!(uuid::Uuid::parse_str(&anonymous_version(&a)).is_ok());
    }
}
