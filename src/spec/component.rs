//! Components: the specification that the service gets, and the interface that a pipeline's steps are checked against. A component
//! without a name of its own is anonymous and the service names it. A type is one file here and one row in [`TYPES`].

mod automl;
mod command;
mod known;
mod parallel;
mod pipeline;
mod port;
mod spark;
mod transfer;

pub(super) use command::Inline;
pub(super) use known::{Known, read_file, type_word};
pub(super) use port::{Port, check_cases, declared, declared_literal, literal_type, typed};
pub(super) use spark::Origin;

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::binding::pattern;
use super::draft::{Draft, Object};
use super::fields::{Field, Fields};
use super::parallel::Parallel;
use super::plan::{Reference, Seal, Target, Version};
use super::problem::{Problem, Report, nearest};
use super::python;
use super::session::Session;
use super::settings::{Distribution, Resources};
use super::spark::Program;

pub(super) const API: &str = "2024-01-01-preview";
/// What is said of an input that is not given.
pub(super) const NEEDS_INPUT: &str = "the component needs this input and has no default for it";
/// What is said of a field that the schema has and the SDK cannot send.
const NOT_SENT: &str = "Microsoft's tools fail on this field of a component: no service gets it";
pub(super) const ANONYMOUS: &str = "azureml_anonymous";

/// A type of component.
pub(super) struct ComponentType {
    /// The word under `type`.
    name: &'static str,
    /// Reads all fields but `type`, `name` and `version` into a component whose specification has the type already.
    read: fn(&mut Session<'_>, Fields<'_>, &Path, &mut Component),
}

static TYPES: &[ComponentType] = &[
    ComponentType {
        name: "command",
        read: command::read,
    },
    ComponentType {
        name: parallel::KIND,
        read: parallel::read,
    },
    ComponentType {
        name: "spark",
        read: spark::read,
    },
    ComponentType {
        name: "data_transfer",
        read: transfer::read,
    },
    ComponentType {
        name: "import",
        read: transfer::read_import,
    },
    ComponentType {
        name: "pipeline",
        read: pipeline::read,
    },
    ComponentType {
        name: "automl",
        read: automl::read,
    },
];

/// A component that is defined in this project.
#[derive(Debug, Clone)]
pub(super) struct Component {
    pub(super) inputs: Vec<(String, Port)>,
    pub(super) outputs: Vec<(String, Port)>,
    pub(super) defaults: Defaults,
    /// What is wrong if nothing around this component has a compute for its steps.
    pub(super) without_compute: Vec<Problem>,
    /// The inputs that steps of this component are bound to.
    pub(super) used: Vec<String>,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    spec: Object,
    archived: Option<bool>,
    /// Those of the version; some types of components have them in the specification as well.
    properties: Option<Value>,
    tags: Option<Value>,
    /// The component that the file was made from, if it says so: that one runs.
    registered: Option<String>,
}

/// What a step takes over from its component where it says nothing itself; each type of component has its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) resources: Option<Resources>,
    pub(super) distribution: Option<Distribution>,
    pub(super) parallel: Option<Parallel>,
    pub(super) spark: Option<Program>,
    /// Of a data transfer that copies.
    pub(super) copy_mode: Option<String>,
}

/// The component that a document describes, for a step of the type `wanted`. `base` is the folder of the document.
pub(super) fn read(
    session: &mut Session<'_>,
    field: &Field<'_>,
    wanted: &'static str,
    base: &Path,
) -> Option<Component> {
    let before = session.report.count();
    let mut fields = field.fields(&mut session.report)?;
    let kind = match fields.take("type") {
        Some(kind) => {
            let found = choose(&kind, &mut session.report)?;
            if found.name != wanted {
                let message = format!(
                    "a step of type `{wanted}` runs a component of that type, not of the type `{}`",
                    found.name
                );
                kind.problem(&mut session.report, message);
                return None;
            }
            found
        }
        None => TYPES.iter().find(|kind| kind.name == wanted)?,
    };
    fields.without_effect(&["name", "version"]);
    let component = read_as(session, kind, fields, base);
    (session.report.count() == before).then_some(component)
}

fn read_as(
    session: &mut Session<'_>,
    kind: &ComponentType,
    mut fields: Fields<'_>,
    base: &Path,
) -> Component {
    let deletion = fields.take("auto_delete_setting");
    if let Some(field) = deletion.filter(|_| kind.name != parallel::KIND) {
        field.problem(&mut session.report, NOT_SENT);
    }
    let mut component = Component::default();
    component.spec.put("type", kind.name);
    (kind.read)(session, fields, base, &mut component);
    component
}

/// Plans the registration of a document under its own name. `None` after the problem is reported.
pub(super) fn register(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    let before = session.report.count();
    let report = &mut session.report;
    let kind = match fields.take("type") {
        Some(field) => choose(&field, report),
        None => TYPES.first(),
    };
    let name = fields.required("name", report);
    let name = name.and_then(|field| registered_name(&field, report));
    let version = fields.version("version", report);
    let version = version.filter(|version| !version.is_empty());
    if let Some(tags) = fields.peek("tags") {
        for (_, tag) in tags.entries(report).unwrap_or_default() {
            tag.text(report);
        }
    }
    let Some(kind) = kind else {
        return;
    };
    let component = read_as(session, kind, fields, base);
    let (Some(name), true) = (name, session.report.count() == before) else {
        return;
    };
    let mut spec = component.spec.clone();
    spec.put("name", name.clone());
    spec.put_some("version", version.clone());
    spec.put_some("id", component.registered.clone());
    spec.put("_source", "YAML.COMPONENT");
    let body = component.body(spec, false);
    let target = Target::Versioned {
        collection: "components",
        name,
        version: version.map_or(Version::Next, Version::Fixed),
    };
    let needs = session.take_needs();
    let request = session.request(target, API, body, needs);
    let seal = Seal {
        name: "client_component_hash",
        of: client_hash,
    };
    session.seal(request, seal);
}

/// The hash by which the SDK tells a component that was not changed: of everything but the version (service notes 10).
fn client_hash(body: &Value) -> String {
    let mut spec = body["properties"]["componentSpec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, _| !["version", "_source"].contains(&key.as_str()));
    }
    content_guid(&spec)
}

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z][a-z\d_]*$"));

fn registered_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if !NAME.is_match(&name) {
        let message = format!(
            "`{name}` cannot be the name of a component: lower-case letters, digits and `_`, a letter first"
        );
        field.problem(report, message);
        return None;
    }
    Some(name)
}

impl Default for Component {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            outputs: Vec::new(),
            defaults: Defaults::default(),
            without_compute: Vec::new(),
            used: Vec::new(),
            display_name: None,
            description: None,
            spec: Object::default(),
            archived: Some(false),
            properties: None,
            tags: None,
            registered: None,
        }
    }
}

fn choose(field: &Field<'_>, report: &mut Report) -> Option<&'static ComponentType> {
    let text = field.text(report)?;
    let word = text.to_lowercase();
    let found = TYPES.iter().find(|kind| kind.name == word);
    if found.is_none() {
        let hint = nearest(&word, TYPES.iter().map(|kind| kind.name));
        let message = format!("`{text}` is not a type of component{hint}");
        field.problem(report, message);
    }
    found
}

impl Component {
    /// What an inline step of the type `kind` stands for, without what it runs.
    pub(super) fn of_step(
        kind: &'static str,
        description: Option<String>,
        tags: Option<Value>,
        inputs: Vec<(&str, Value, Port)>,
        outputs: Vec<(&str, Value, Port)>,
    ) -> Self {
        let mut component = Self {
            description,
            tags,
            ..Self::default()
        };
        let spec = &mut component.spec;
        spec.put("type", kind);
        spec.put_some("description", component.description.clone());
        spec.put_some("tags", component.tags.clone());
        spec.put("is_deterministic", true);
        for (key, ports, kept) in [
            ("inputs", inputs, &mut component.inputs),
            ("outputs", outputs, &mut component.outputs),
        ] {
            let mut declared = Object::default();
            for (name, body, port) in ports {
                declared.put(name, body);
                kept.push((name.to_owned(), port));
            }
            spec.put_filled(key, declared);
        }
        component
    }

    /// A field that an inline step has and the component that it stands for has, too.
    pub(super) fn put_spec(&mut self, key: &str, value: Option<Value>) {
        self.spec.put_some(key, value);
    }

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
        self.defaults.resources = Some(resources);
    }

    /// What components of all types have but their ports. `deterministic` is the default of the type, if it has one.
    fn read_common(
        &mut self,
        fields: &mut Fields<'_>,
        deterministic: Option<bool>,
        report: &mut Report,
    ) {
        fields.read_only(&["creation_context", "latest_version"]);
        self.registered = fields.text("id", report);
        self.spec
            .put_some("$schema", fields.text("$schema", report));
        self.description = fields.text("description", report);
        self.spec.put_some("description", self.description.clone());
        self.tags = fields.read("tags", report, as_texts);
        let tags = self.tags.clone().filter(|tags| !is_empty(tags));
        self.spec.put_some("tags", tags);
        self.display_name = fields.text("display_name", report);
        self.spec
            .put_some("display_name", self.display_name.clone());
        let said = fields.flag("is_deterministic", report);
        self.spec
            .put_some("is_deterministic", said.or(deterministic));
    }

    /// `properties`, which a version has as texts; a specification, where it has them at all, as they are.
    fn read_properties(&mut self, fields: &mut Fields<'_>, in_spec: bool, report: &mut Report) {
        let Some(entries) = fields.read("properties", report, Field::entries) else {
            return;
        };
        let texts = entries.iter().map(|(name, field)| {
            let text = python::str_of(field.node);
            ((*name).to_owned(), text.into())
        });
        self.properties = Some(Value::Object(texts.collect()));
        if in_spec {
            let raw = entries
                .iter()
                .map(|(name, field)| ((*name).to_owned(), python::json_of(field.node)));
            self.spec.put("properties", Value::Object(raw.collect()));
        }
    }

    fn read_ports(&mut self, fields: &mut Fields<'_>, report: &mut Report) {
        if let Some(inputs) = fields.take("inputs") {
            let declared =
                port::read_inputs(&inputs, &mut self.inputs, port::Numbers::Typed, report);
            self.spec.put_filled("inputs", declared);
        }
        if let Some(outputs) = fields.take("outputs") {
            let declared = port::read_outputs(&outputs, &mut self.outputs, report);
            self.spec.put_filled("outputs", declared);
        }
    }

    /// What no schema names goes to the service as it is.
    fn put_rest(&mut self, fields: Fields<'_>) {
        for (name, node) in fields.rest() {
            if !node.is_void() {
                self.spec.put(name, python::json_of(node));
            }
        }
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
        let version = content_guid(&self.spec.spelled(&|reference| session.spell(reference)));
        let mut spec = self.spec.clone();
        spec.put("name", ANONYMOUS);
        spec.put("version", "1");
        spec.put("_source", source);
        let body = self.body(spec, true);
        let target = Target::Anonymous {
            collection: "components",
            name: ANONYMOUS.into(),
            version,
        };
        Reference::Answer(session.request(target, API, body, Vec::new()))
    }

    /// The body of a version with some specification.
    fn body(&self, spec: Object, anonymous: bool) -> Object {
        let mut properties = Object::default();
        properties.put("componentSpec", spec);
        properties.put_some("description", self.description.clone());
        properties.put("isAnonymous", anonymous);
        properties.put_some("isArchived", self.archived);
        properties.put_some("tags", self.tags.clone());
        properties.put_some("properties", self.properties.clone());
        let mut body = Object::default();
        body.put("properties", properties);
        body
    }
}

/// First half of the SHA-256 of a specification as a UUID. To an anonymous component the service gives an id of its own; this one
/// only has to be the same for equal components.
pub(super) fn content_guid(spec: &Value) -> String {
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

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
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
        assert_eq!(content_guid(&a), content_guid(&b));
        assert!(uuid::Uuid::parse_str(&content_guid(&a)).is_ok());
    }
}
