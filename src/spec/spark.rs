//! What Spark jobs, components and steps have in common: the entry, files beside the code, configuration, resources. It does not
//! know who runs them.

use serde_json::Value;

use super::draft::Object;
use super::fields::{Field, Fields};
use super::io::Spelling;
use super::problem::Report;
use super::python;
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
    pub(super) file: String,
}

impl Entry {
    /// Only files; a class is understood and refused, as the service has no jobs of that kind.
    pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        let mut fields = field.fields(report)?;
        if let Some(class) = fields.take("class_name") {
            class.problem(
                report,
                "a class cannot be the entry; name the file that starts the job under `file`",
            );
            return None;
        }
        let file = fields.required("file", report);
        let file = file.and_then(|field| field.text(report));
        fields.refuse_rest(report);
        Some(Self { file: file? })
    }

    pub(super) fn body(&self, spelling: Spelling) -> Object {
        let mut body = Object::default();
        body.put(
            spelling.of("sparkJobEntryType", "spark_job_entry_type"),
            "SparkJobPythonEntry",
        );
        body.put("file", self.file.as_str());
        body
    }
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

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
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

    /// With dynamic allocation a job starts with the least number of executors.
    fn instances(&self) -> Option<&Node> {
        let dynamic = self.is_dynamic();
        let least = || self.get(AT_LEAST).filter(|_| dynamic);
        self.get(INSTANCES).or_else(least)
    }
}

/// `resources` of a Spark job or step: a machine and a version of Spark.
pub(super) fn resources(
    field: &Field<'_>,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let machine = fields.required("instance_type", report);
    let machine = machine.and_then(|field| {
        field.choice(report, &MACHINES, super::fields::Case::Lower)?;
        // The case of the user's word is kept.
        field.text(report)
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
