//! What command jobs and command components have in common besides their command: resources, distribution, limits, queue,
//! identity, services, environment variables. Each is read once and written in the spelling that its place wants.

use serde_json::{Map, Value, json};

pub(super) use super::duration::duration_of;

use super::draft::Object;
use super::fields::{Case, Field};
use super::io::Spelling;
use super::problem::Report;
use super::python;

/// Whether keys that no schema names are an error or fall away, as in components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Refused,
    Dropped,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Resources {
    instance_count: Option<Value>,
    instance_type: Option<Value>,
    max_instance_count: Option<Value>,
    shm_size: Option<Value>,
    docker_args: Option<Value>,
    locations: Option<Value>,
    properties: Option<Value>,
}

impl Resources {
    pub(super) fn read(field: &Field<'_>, unknown: Unknown, report: &mut Report) -> Option<Self> {
        let mut fields = field.fields(report)?;
        let text =
            |field: Option<Field<'_>>, report: &mut Report| field?.text(report).map(Value::String);
        let resources = Self {
            instance_count: fields.integer("instance_count", report),
            instance_type: text(fields.take("instance_type"), report),
            max_instance_count: fields.integer("max_instance_count", report),
            shm_size: text(fields.take("shm_size"), report),
            docker_args: fields
                .take("docker_args")
                .and_then(|field| match field.node.items() {
                    Some(_) => text_list(&field, report),
                    None => field.text(report).map(Value::String),
                }),
            locations: fields.read("locations", report, text_list),
            properties: fields.read("properties", report, resource_properties),
        };
        match unknown {
            Unknown::Refused => fields.refuse_rest(report),
            Unknown::Dropped => {}
        }
        Some(resources)
    }

    /// The same with other values for some of the fields.
    #[must_use]
    pub(super) fn with(mut self, values: &[(&'static str, Value)]) -> Self {
        for (name, value) in values {
            let field = match *name {
                "instance_count" => &mut self.instance_count,
                "instance_type" => &mut self.instance_type,
                "locations" => &mut self.locations,
                "docker_args" => &mut self.docker_args,
                _ => &mut self.shm_size,
            };
            *field = Some(value.clone());
        }
        self
    }

    /// Merely runs on this machine, which the service refuses for pipelines but knows for jobs.
    pub(super) fn mark_local(&mut self) {
        let mut properties = match self.properties.take() {
            Some(Value::Object(properties)) => properties,
            Some(_) | None => Map::new(),
        };
        properties.insert("IsLocal".into(), json!({"IsLocal": true}));
        self.properties = Some(Value::Object(properties));
    }

    pub(super) fn body(&self, spelling: Spelling) -> Object {
        let mut body = Object::default();
        body.put_some(
            spelling.of("instanceCount", "instance_count"),
            self.instance_count.clone(),
        );
        body.put_some(
            spelling.of("instanceType", "instance_type"),
            self.instance_type.clone(),
        );
        body.put_some(
            "properties",
            self.properties.clone().filter(|value| !is_empty(value)),
        );
        body.put_some(spelling.of("shmSize", "shm_size"), self.shm_size.clone());
        if let Some(list @ Value::Array(_)) = &self.docker_args {
            body.put(
                spelling.of("dockerArgsList", "docker_args_list"),
                list.clone(),
            );
            return body;
        }
        body.put_some(
            spelling.of("dockerArgs", "docker_args"),
            self.docker_args.clone(),
        );
        body.put_some("locations", self.locations.clone());
        body.put_some("maxInstanceCount", self.max_instance_count.clone());
        body
    }

    /// As they are in YAML.
    pub(super) fn yaml(&self) -> Object {
        let mut body = self.spec();
        body.put_some("properties", self.properties.clone());
        body
    }

    /// Whether an expression stands for one of the values, but for `properties`.
    pub(super) fn has_binding(&self) -> bool {
        let is_bound = |value: &Value| value.as_str().is_some_and(super::binding::found_in);
        [
            &self.instance_count,
            &self.instance_type,
            &self.max_instance_count,
            &self.shm_size,
            &self.docker_args,
        ]
        .into_iter()
        .flatten()
        .any(is_bound)
    }

    /// As a component keeps them: without `properties`.
    pub(super) fn spec(&self) -> Object {
        let mut body = Object::default();
        body.put_some("locations", self.locations.clone());
        body.put_some("instance_count", self.instance_count.clone());
        body.put_some("instance_type", self.instance_type.clone());
        body.put_some("shm_size", self.shm_size.clone());
        body.put_some("max_instance_count", self.max_instance_count.clone());
        body.put_some("docker_args", self.docker_args.clone());
        body
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

pub(super) fn text_list(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let items = field.items(report)?;
    Some(
        items
            .iter()
            .filter_map(|item| item.text(report))
            .map(Value::String)
            .collect(),
    )
}

/// Some names are known in any case, and one of them has a newer name.
fn resource_properties(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let renamed = entries
        .into_iter()
        .filter(|(_, field)| !field.node.is_null())
        .map(|(name, field)| {
            let known = match name.to_lowercase().as_str() {
                "aisupercomputer" | "singularity" => "AISuperComputer",
                "itp" => "itp",
                "target_selector" => "target_selector",
                _ => name,
            };
            (known.to_owned(), without_nulls(python::json_of(field.node)))
        });
    Some(Value::Object(renamed.collect()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value
        }
    }
}

/// A field of a distribution: its name in YAML and in a job.
type Named = (&'static str, &'static str);

#[derive(Debug, Clone)]
pub(super) struct Distribution {
    kind: &'static str,
    rest: &'static str,
    values: Vec<(Named, Value)>,
}

impl Distribution {
    pub(super) fn read(field: &Field<'_>, unknown: Unknown, report: &mut Report) -> Option<Self> {
        let mut fields = field.fields(report)?;
        let kind = fields.required("type", report)?;
        let kind = kind.choice(
            report,
            &["pytorch", "tensorflow", "mpi", "ray"],
            Case::Lower,
        )?;
        let processes: Named = ("process_count_per_instance", "processCountPerInstance");
        let (kind, rest, numbers, texts): (_, _, &[Named], &[Named]) = match kind.as_str() {
            "pytorch" => ("pytorch", "PyTorch", &[processes], &[]),
            "mpi" => ("mpi", "Mpi", &[processes], &[]),
            "tensorflow" => (
                "tensorflow",
                "TensorFlow",
                &[
                    ("parameter_server_count", "parameterServerCount"),
                    ("worker_count", "workerCount"),
                ],
                &[],
            ),
            _ => (
                "ray",
                "Ray",
                &[("port", "port"), ("dashboard_port", "dashboardPort")],
                &[
                    ("address", "address"),
                    ("head_node_additional_args", "headNodeAdditionalArgs"),
                    ("worker_node_additional_args", "workerNodeAdditionalArgs"),
                ],
            ),
        };
        let mut values = Vec::new();
        for name in numbers {
            let value = fields.integer(name.0, report);
            let default = (name.0 == "parameter_server_count").then(|| json!(0));
            values.extend(value.or(default).map(|value| (*name, value)));
        }
        for name in texts {
            values.extend(fields.text(name.0, report).map(|text| (*name, text.into())));
        }
        if kind == "ray" {
            let shown = fields.read("include_dashboard", report, Field::boolean);
            values.extend(shown.map(|value| (("include_dashboard", "includeDashboard"), value)));
        }
        match unknown {
            Unknown::Refused => fields.refuse_rest(report),
            Unknown::Dropped => {}
        }
        Some(Self { kind, rest, values })
    }

    pub(super) fn body(&self, spelling: Spelling) -> Object {
        let mut body = Object::default();
        body.put(
            spelling.of("distributionType", "distribution_type"),
            self.rest,
        );
        for ((snake, camel), value) in &self.values {
            // Ray is newer than the models that give the others their snake case.
            let key = if self.kind == "ray" {
                camel
            } else {
                &spelling.of(camel, snake)
            };
            body.put(*key, value.clone());
        }
        body
    }

    pub(super) fn spec(&self) -> Object {
        let mut body = Object::default();
        body.put("type", self.kind);
        for ((snake, _), value) in &self.values {
            body.put(*snake, value.clone());
        }
        body
    }
}

/// `limits: {timeout: 3600}`
pub(super) fn limits(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let timeout = fields.integer("timeout", report);
    fields.refuse_rest(report);
    Some(limits_of(timeout, spelling))
}

pub(super) fn limits_of(timeout: Option<Value>, spelling: Spelling) -> Object {
    let mut body = Object::default();
    body.put(spelling.of("jobLimitsType", "job_limits_type"), "Command");
    body.put_some("timeout", timeout.and_then(|value| duration_of(&value)));
    body
}

pub(super) fn queue(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let (tier, priority) = (fields.take("job_tier"), fields.take("priority"));
    fields.refuse_rest(report);
    Some(queue_of(tier, priority, spelling, report))
}

/// The same in the words of YAML, as a sweep's step has it.
pub(super) fn queue_as_written(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let (tier, priority) = (fields.take("job_tier"), fields.take("priority"));
    fields.refuse_rest(report);
    let (tier, priority) = queue_words(tier, priority, report);
    let mut body = Object::default();
    body.put_some("job_tier", tier);
    body.put_some("priority", priority);
    Some(body)
}

/// The service wants a number or another spelling, so an expression cannot stand here.
fn queue_words(
    tier: Option<Field<'_>>,
    priority: Option<Field<'_>>,
    report: &mut Report,
) -> (Option<String>, Option<String>) {
    let mut word = |field: Option<Field<'_>>, words: &[&str]| {
        let field = field?;
        Field::at_path(field.node, &field.path).choice(report, words, Case::Lower)
    };
    (
        word(tier, &["spot", "basic", "standard", "premium", "null"]),
        word(priority, &["low", "medium", "high"]),
    )
}

pub(super) fn queue_of(
    tier: Option<Field<'_>>,
    priority: Option<Field<'_>>,
    spelling: Spelling,
    report: &mut Report,
) -> Object {
    let (tier, priority) = queue_words(tier, priority, report);
    let mut body = Object::default();
    body.put_some(
        spelling.of("jobTier", "job_tier"),
        tier.map(|tier| capitalized(&tier)),
    );
    let number = priority.map(|priority| match priority.as_str() {
        "low" => json!(1),
        "medium" => json!(2),
        _ => json!(3),
    });
    body.put_some("priority", number);
    body
}

pub(super) fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// The identity that a job runs under, and whether it is the user's own.
pub(super) fn identity(
    field: &Field<'_>,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let kind = kind.choice(
        report,
        &["managed", "managed_identity", "aml_token", "user_identity"],
        Case::Snake,
    )?;
    let mut body = Object::default();
    let rest = match kind.as_str() {
        "aml_token" => "AMLToken",
        "user_identity" => "UserIdentity",
        _ => "Managed",
    };
    body.put(spelling.of("identityType", "identity_type"), rest);
    if rest == "Managed" {
        for (yaml, job) in [("client_id", "clientId"), ("object_id", "objectId")] {
            let id = fields.text(yaml, report);
            body.put_some(spelling.of(job, yaml), id);
        }
    }
    fields.refuse_rest(report);
    Some(body)
}

/// Interactive services by name.
pub(super) fn services(
    field: &Field<'_>,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Object> {
    let mut body = Object::default();
    for (name, field) in field.entries(report)? {
        if let Some(service) = service(&field, spelling, report) {
            body.put(name, service);
        }
    }
    Some(body)
}

fn service(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    fields.read_only(&["$schema", "endpoint", "status", "error_message"]);
    let kind = match fields.take("type") {
        Some(field) => Some(field.text(report)?.to_lowercase()),
        None => None,
    };
    let log_dir = field.node.get("log_dir").is_some();
    let (rest, property): (_, Option<Named>) = match kind.as_deref() {
        // Without a type the first schema that fits counts.
        None if log_dir => (Some("TensorBoard"), Some(("log_dir", "logDir"))),
        None | Some("ssh") => (Some("SSH"), Some(("ssh_public_keys", "sshPublicKeys"))),
        Some("tensor_board") => (Some("TensorBoard"), Some(("log_dir", "logDir"))),
        Some("vs_code") => (Some("VSCode"), None),
        Some("jupyter_lab") => (Some("JupyterLab"), None),
        Some(_) => (None, None),
    };
    let mut body = Object::default();
    body.put_some(spelling.of("jobServiceType", "job_service_type"), rest);
    if let Some(nodes) = fields.take("nodes") {
        nodes.choice(report, &["all"], Case::Exact);
        let all = json!({ spelling.of("nodesValueType", "nodes_value_type"): "All" });
        body.put("nodes", all);
    }
    body.put_some("port", fields.integer("port", report));
    let mut properties = match fields
        .take("properties")
        .map(|field| super::io::values(&field, report))
    {
        Some(Some(Value::Object(properties))) => properties,
        Some(_) | None => Map::new(),
    };
    if let Some((yaml, rest)) = property
        && let Some(text) = fields.text(yaml, report)
    {
        properties.insert(rest.into(), text.into());
    }
    if !properties.is_empty() {
        body.put("properties", Value::Object(properties));
    }
    fields.refuse_rest(report);
    Some(body)
}

/// Names to values; what is no text goes to the service as YAML has it.
pub(super) fn environment_variables(
    field: &Field<'_>,
    report: &mut Report,
) -> Option<Map<String, Value>> {
    field.node.entries().map_or_else(
        || {
            let what = field.node.describe();
            field.problem(report, format!("a mapping is expected here, not {what}"));
            None
        },
        |_| match python::json_of(field.node) {
            Value::Object(variables) => Some(variables),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        },
    )
}
