//! What Spark jobs, components and steps have in common: the entry, files beside the code, configuration, resources. It does not
//! know who runs them.

use std::path::Path;

use serde_json::{Value, json};

use super::draft::Object;
use super::fields::{Field, Fields, join};
use super::io::Spelling;
use super::problem::Report;
use super::python;
use super::reference;
use super::session::Session;
use super::settings::text_list;
use super::yaml::{Kind, Node};

/// Configuration that has a field of its own in the SDK: that name, and the one that Spark knows it by.
const CONF: [(&str, &str); 8] = [
    (DRIVER_CORES, "spark.driver.cores"),
    (DRIVER_MEMORY, "spark.driver.memory"),
    (EXECUTOR_CORES, "spark.executor.cores"),
    (EXECUTOR_MEMORY, "spark.executor.memory"),
    (INSTANCES, "spark.executor.instances"),
    (DYNAMIC, "spark.dynamicAllocation.enabled"),
    (AT_LEAST, "spark.dynamicAllocation.minExecutors"),
    (AT_MOST, "spark.dynamicAllocation.maxExecutors"),
];
const DRIVER_CORES: &str = "driver_cores";
const DRIVER_MEMORY: &str = "driver_memory";
const EXECUTOR_CORES: &str = "executor_cores";
const EXECUTOR_MEMORY: &str = "executor_memory";
const INSTANCES: &str = "executor_instances";
const DYNAMIC: &str = "dynamic_allocation_enabled";
const AT_LEAST: &str = "dynamic_allocation_min_executors";
const AT_MOST: &str = "dynamic_allocation_max_executors";

/// Files beside the code: in YAML and in steps, and in jobs.
pub(super) const FILES: [(&str, &str); 4] = [
    ("py_files", "pyFiles"),
    ("jars", "jars"),
    ("files", "files"),
    ("archives", "archives"),
];

/// The serverless machines that the service has for Spark.
const MACHINES: [&str; 5] = [
    "standard_e4s_v3",
    "standard_e8s_v3",
    "standard_e16s_v3",
    "standard_e32s_v3",
    "standard_e64s_v3",
];

/// Where a Spark program starts.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The file, or the class.
    pub(super) name: String,
    is_class: bool,
}

impl Entry {
    pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        let mut fields = field.fields(report)?;
        let class = fields.take("class_name");
        let is_class = class.is_some();
        let name = class.or_else(|| fields.required("file", report));
        let name = name.and_then(|field| field.text(report));
        fields.refuse_rest(report);
        Some(Self {
            name: name?,
            is_class,
        })
    }

    /// A component may start with a class, but nothing runs it.
    /// `at` is the entry, or the step whose component has it.
    pub(super) fn refuse_class(&self, at: &Field<'_>, report: &mut Report) {
        if self.is_class {
            let message =
                "a class cannot be the entry; name the file that starts the job under `file`";
            let class = at.node.get("class_name");
            let class = class.map(|node| Field::at_path(node, &join(&at.path, "class_name")));
            class.as_ref().unwrap_or(at).problem(report, message);
        }
    }

    pub(super) fn body(&self, spelling: Spelling) -> Object {
        let mut body = Object::default();
        body.put(
            spelling.of("sparkJobEntryType", "spark_job_entry_type"),
            "SparkJobPythonEntry",
        );
        body.put("file", self.name.as_str());
        body
    }
}

/// What a Spark component runs: a step takes it over.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) entry: Entry,
    pub(super) conf: Conf,
    /// Lists of files, and arguments, in the words of YAML.
    beside: Vec<(&'static str, Value)>,
    /// What is wrong when the code at hand does not have the entry.
    pub(super) missing: Option<String>,
}

impl Program {
    pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Option<Self> {
        let entry = fields.required("entry", report);
        let entry = entry.and_then(|field| Entry::read(&field, report));
        let mut beside = Vec::new();
        for (name, _) in FILES {
            beside.extend(file_list(fields, name, report).map(|list| (name, list)));
        }
        let args = fields.text("args", report).map(Value::String);
        beside.extend(args.map(|args| ("args", args)));
        let conf = fields.read("conf", report, Conf::read);
        Some(Self {
            entry: entry?,
            conf: conf.unwrap_or_default(),
            beside,
            missing: None,
        })
    }

    /// In a component's specification.
    pub(super) fn put_spec(&self, spec: &mut Object) {
        spec.put("entry", json!({"file": self.entry.name}));
        self.put_beside(spec);
        spec.put_filled("conf", self.conf.body());
    }

    pub(super) fn put_beside(&self, body: &mut Object) {
        for (name, value) in &self.beside {
            body.put(*name, value.clone());
        }
    }

    pub(super) fn args(&self) -> Option<&str> {
        let args = self.beside.iter().find(|(name, _)| *name == "args");
        args.and_then(|(_, text)| text.as_str())
    }
}

/// What is wrong with an entry that is not in its code, where the code is at hand.
pub(super) fn missing_entry(
    session: &Session<'_>,
    entry: &Entry,
    code: Option<&Field<'_>>,
    base: &Path,
) -> Option<String> {
    let folder = code?.node.as_text()?;
    let is_local = session.exists(base, folder) && !reference::is_url(folder);
    let is_there = || session.exists(base, &format!("{folder}/{}", entry.name));
    (is_local && !entry.is_class && !is_there())
        .then(|| format!("the code `{folder}` has no file `{}`", entry.name))
}

/// Files beside the code that the field `name` lists; none may be there twice.
pub(super) fn file_list(
    fields: &mut Fields<'_>,
    name: &'static str,
    report: &mut Report,
) -> Option<Value> {
    let field = fields.take(name)?;
    let list = text_list(&field, report)?;
    let mut seen: Vec<&Value> = Vec::new();
    for item in list.as_array().into_iter().flatten() {
        if seen.contains(&item) {
            field.problem(report, format!("{item} is listed twice"));
        }
        seen.push(item);
    }
    Some(list)
}

/// Spark's configuration: names to values of any type, in the order of the document.
#[derive(Debug, Clone, Default)]
pub(super) struct Conf {
    /// What the SDK has a field for, under the name of that field.
    known: Vec<(&'static str, Node)>,
    other: Vec<(String, Node)>,
}

impl Conf {
    pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        let before = report.count();
        let mut conf = Self::default();
        for (name, field) in field.entries(report)? {
            match &field.node.kind {
                Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => {
                    let found = field.node.describe();
                    let message =
                        format!("text, a number or a boolean is expected here, not {found}");
                    field.problem(report, message);
                    continue;
                }
                Kind::Bool(_)
                | Kind::Integer(_)
                | Kind::Float(_)
                | Kind::Text(_)
                | Kind::Timestamp(_) => {}
            }
            let known = CONF
                .iter()
                .find(|(own, spark)| name == *own || name == *spark);
            match known {
                Some((own, spark)) => {
                    // Of both names the one that Spark knows counts.
                    let there = conf.known.iter().position(|(name, _)| name == own);
                    match there {
                        Some(at) if name == *spark => conf.known[at].1 = field.node.clone(),
                        Some(_) => {}
                        None => conf.known.push((*own, field.node.clone())),
                    }
                }
                None => conf.other.push((name.to_owned(), field.node.clone())),
            }
        }
        (report.count() == before).then_some(conf)
    }

    /// The configuration that fields beside `conf` give, under the SDK's names; `conf` wins.
    pub(super) fn read_beside(&mut self, fields: &mut Fields<'_>) {
        for (own, _) in CONF {
            if let Some(field) = fields.take(own)
                && !field.node.is_null()
                && self.get(own).is_none()
            {
                self.known.push((own, field.node.clone()));
            }
        }
    }

    /// A step's own over that of its component: by name what the SDK knows, as a whole the rest.
    pub(super) fn over(mut self, component: &Self) -> Self {
        if self.other.is_empty() {
            self.other.clone_from(&component.other);
        }
        // The SDK takes zero, false and empty texts for nothing here.
        self.known.retain(|(_, node)| match &node.kind {
            Kind::Bool(value) => *value,
            Kind::Integer(value) => *value != 0,
            Kind::Text(text) => !text.is_empty(),
            Kind::Null
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => true,
        });
        for (name, node) in &component.known {
            if self.get(name).is_none() {
                self.known.push((*name, node.clone()));
            }
        }
        self.with_instances()
    }

    /// With dynamic allocation a job starts with the least number of executors.
    pub(super) fn with_instances(mut self) -> Self {
        if let (None, Some(node)) = (self.get(INSTANCES), self.instances()) {
            let node = node.clone();
            self.known.push((INSTANCES, node));
        }
        self
    }

    /// As components and steps have it: values of any type under Spark's own names.
    pub(super) fn body(&self) -> Object {
        let mut body = Object::default();
        for (name, node) in &self.other {
            body.put(name.as_str(), python::json_of(node));
        }
        for (own, spark) in CONF {
            body.put_some(spark, self.get(own).map(number_or_json));
        }
        body
    }

    fn get(&self, name: &str) -> Option<&Node> {
        let found = self.known.iter().find(|(known, _)| *known == name);
        found.map(|(_, node)| node)
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.get(DYNAMIC).is_some_and(|node| match &node.kind {
            Kind::Bool(value) => *value,
            Kind::Integer(value) => *value == 1,
            Kind::Text(text) => text == "True" || text == "true",
            Kind::Null
            | Kind::Float(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => false,
        })
    }

    /// Says what a job cannot run with. `at` is the place to point at, the configuration or what lacks it.
    pub(super) fn check(&self, at: &Field<'_>, report: &mut Report) {
        let mut needed = vec![DRIVER_CORES, DRIVER_MEMORY, EXECUTOR_CORES, EXECUTOR_MEMORY];
        if self.is_dynamic() {
            needed.extend([AT_LEAST, AT_MOST]);
        } else {
            needed.push(INSTANCES);
        }
        for name in needed {
            if self.get(name).is_none() {
                let spark = CONF.iter().find(|(own, _)| *own == name);
                let spark = spark.map_or(name, |(_, spark)| *spark);
                at.problem(report, format!("`{spark}` is missing from `conf`"));
            }
        }
        let bounds = [AT_LEAST, AT_MOST].map(|name| self.get(name));
        match (self.is_dynamic(), bounds) {
            (true, [Some(least), Some(most)]) => self.check_bounds(least, most, at, report),
            (false, [Some(node), _] | [_, Some(node)]) => report.add(
                node,
                &at.path,
                "a number of executors at least or at most needs `spark.dynamicAllocation.enabled: true`",
            ),
            (true | false, _) => {}
        }
    }

    fn check_bounds(&self, least: &Node, most: &Node, at: &Field<'_>, report: &mut Report) {
        let mut whole = |node: &Node| match &node.kind {
            Kind::Integer(value) => Some(*value),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Timestamp(_)
            | Kind::Sequence(_)
            | Kind::Mapping(_) => {
                let found = node.describe();
                let message = format!("a whole number of executors is expected here, not {found}");
                report.add(node, &at.path, message);
                None
            }
        };
        let (least_number, most_number) = (whole(least), whole(most));
        let own = self.get(INSTANCES);
        let own_number = own.and_then(&mut whole);
        let (Some(low), Some(high)) = (least_number, most_number) else {
            return;
        };
        if low < 1 || low > high {
            let message = format!(
                "at least {low} and at most {high} executors: the first must be 1 or more, the second no less than it"
            );
            report.add(least, &at.path, message);
        } else if let (Some(node), Some(number)) = (own, own_number)
            && number != 0
            && !(low..=high).contains(&number)
        {
            let message = format!("{number} executors are not between {low} and {high}");
            report.add(node, &at.path, message);
        }
    }

    /// The configuration of a job: all of it as text, under Spark's own names.
    pub(super) fn job_body(&self) -> Object {
        let mut body = Object::default();
        let text = |node: &Node| python::text_of(node).unwrap_or_default();
        for (name, node) in &self.other {
            body.put(name.as_str(), text(node));
        }
        let dynamic = self.is_dynamic();
        for (own, spark) in CONF {
            let value = match own {
                DYNAMIC => dynamic.then(|| "True".to_owned()),
                AT_LEAST | AT_MOST => self.get(own).filter(|_| dynamic).map(text),
                INSTANCES => self.instances().map(text),
                _ => self.get(own).map(text),
            };
            body.put_some(spark, value);
        }
        body
    }

    fn instances(&self) -> Option<&Node> {
        let dynamic = self.is_dynamic();
        let least = || self.get(AT_LEAST).filter(|_| dynamic);
        self.get(INSTANCES).or_else(least)
    }
}

/// Digits in quotes are a number where the SDK has a field for them.
fn number_or_json(node: &Node) -> Value {
    let digits = node
        .as_text()
        .filter(|text| text.chars().all(|c| c.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok());
    number.map_or_else(|| python::json_of(node), python::integer)
}

/// The identity that the SDK chooses for a job or step which has none.
pub(super) fn usual_identity(has_compute: bool, spelling: Spelling) -> Object {
    let mut body = Object::default();
    let kind = if has_compute {
        "Managed"
    } else {
        "UserIdentity"
    };
    body.put(spelling.of("identityType", "identity_type"), kind);
    body
}

/// A job or step runs on a compute, or on a machine of the service's own.
pub(super) fn check_machine(
    at: &Field<'_>,
    compute: Option<&Field<'_>>,
    resources: Option<&Field<'_>>,
    report: &mut Report,
) {
    match (compute, resources) {
        (None, None) => at.problem(
            report,
            "a Spark job needs a `compute`, or `resources` to run serverless",
        ),
        (Some(_), Some(resources)) => resources.problem(
            report,
            "a Spark job has a `compute` or `resources`, not both",
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
}

/// Where data of a Spark job is wrong: Spark reads and writes storage itself. `mode` is the one of an input's or output's data.
pub(super) fn check_mode(
    whole: &Field<'_>,
    direction: &str,
    name: &str,
    mode: Option<&str>,
    report: &mut Report,
) {
    if mode == Some("direct") {
        return;
    }
    let node = whole.node.get(direction).and_then(|all| all.get(name));
    let path = super::fields::join(&whole.path, &format!("{direction}.{name}"));
    report.add(
        node.unwrap_or(whole.node),
        &path,
        "the data of a Spark job needs `mode: direct`",
    );
}

/// How the case of a machine's name is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    AsWritten,
    Lower,
}

/// `resources` of a Spark job or step: a machine and a version of Spark.
pub(super) fn resources(
    field: &Field<'_>,
    spelling: Spelling,
    word: Word,
    report: &mut Report,
) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let machine = fields.required("instance_type", report);
    let machine = machine.and_then(|field| {
        let known = field.choice(report, &MACHINES, super::fields::Case::Lower)?;
        match word {
            Word::Lower => Some(known),
            Word::AsWritten => field.text(report),
        }
    });
    let version = fields.required("runtime_version", report);
    let version = version.and_then(|field| runtime_version(&field, report));
    fields.refuse_rest(report);
    let mut body = Object::default();
    body.put_some(spelling.of("instanceType", "instance_type"), machine);
    body.put_some(spelling.of("runtimeVersion", "runtime_version"), version);
    Some(body)
}

/// `3.2`, with or without quotes.
fn runtime_version(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let version = match field.binding() {
        Some(Value::String(binding)) => return Some(binding),
        Some(_) | None => field.version(report)?,
    };
    let is_version = version
        .split('.')
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    if !is_version {
        let message = format!("`{version}` is not a version of Spark: numbers with dots, as `3.4`");
        field.problem(report, message);
    }
    Some(version)
}
