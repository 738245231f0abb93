//! What a step of a pipeline says besides its component and its ports: names, resources, limits, identity and the like.

use serde_json::Value;

use super::source::StepSource;
use crate::spec::component::Component;
use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::io::{self, Spelling};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::settings::{self, Distribution, Resources, Unknown};

/// Fields of `resources` that a step with a component may have beside it, too; they win. The SDK hands all of a step's fields to
/// its `command()`, which has them as arguments.
const BESIDE: [&str; 5] = [
    "instance_count",
    "instance_type",
    "locations",
    "docker_args",
    "shm_size",
];

/// What a step of any type is called.
pub(super) struct Names {
    display_name: Option<Value>,
    pub(super) tags: Option<Value>,
    comment: Option<String>,
}

impl Names {
    pub(super) fn read(fields: &mut Fields<'_>, source: &StepSource, report: &mut Report) -> Self {
        let inline = source.is_inline();
        Self {
            display_name: fields.take("display_name").and_then(|field| {
                if inline {
                    field.text(report).map(Value::String)
                } else {
                    raw(&field)
                }
            }),
            tags: fields.take("tags").and_then(|field| {
                if inline {
                    io::texts(&field, report)
                } else if field.node.is_null() || field.node.entries().is_some() {
                    raw(&field)
                } else {
                    io::values(&field, report)
                }
            }),
            comment: if inline {
                None
            } else {
                fields.text("comment", report)
            },
        }
    }

    pub(super) fn put(self, body: &mut Object) {
        body.put_some("display_name", self.display_name);
        body.put_some("tags", self.tags);
        body.put_some("comment", self.comment);
    }
}

/// What a step says about how its component runs. Expressions may stand for values only where the component is not inline.
pub(super) struct Settings {
    pub(super) names: Names,
    properties: Option<Value>,
    pub(super) resources: Option<Resources>,
    beside: Vec<(&'static str, Value)>,
    pub(super) distribution: Option<Distribution>,
    limits: Option<Object>,
    queue: Option<Object>,
    identity: Option<Object>,
    services: Option<Object>,
    variables: Option<Value>,
}

impl Settings {
    pub(super) fn read<'n>(
        fields: &mut Fields<'n>,
        source: &StepSource,
        report: &mut Report,
    ) -> Self {
        let inline = source.is_inline();
        let open = |field: Field<'n>| if inline { field } else { field.with_bindings() };
        let step = Spelling::Step;
        let mut settings = Self {
            names: Names::read(fields, source, report),
            properties: fields.read("properties", report, io::texts),
            resources: fields
                .take("resources")
                .and_then(|field| Resources::read(&open(field), Unknown::Refused, report)),
            beside: Vec::new(),
            distribution: fields
                .take("distribution")
                .and_then(|field| Distribution::read(&open(field), Unknown::Refused, report)),
            limits: fields
                .take("limits")
                .and_then(|field| settings::limits(&open(field), step, report)),
            queue: fields
                .take("queue_settings")
                .and_then(|field| settings::queue(&field, step, report)),
            identity: fields
                .take("identity")
                .and_then(|field| settings::identity(&field, step, report)),
            services: fields
                .take("services")
                .and_then(|field| settings::services(&open(field), step, report)),
            variables: fields
                .read(
                    "environment_variables",
                    report,
                    settings::environment_variables,
                )
                .filter(|variables| !variables.is_empty())
                .map(Value::Object),
        };
        if !inline {
            settings.read_beside(fields, report);
        }
        settings
    }

    /// What a step with a component may say outside of the mappings that it belongs into.
    fn read_beside(&mut self, fields: &mut Fields<'_>, report: &mut Report) {
        for name in BESIDE {
            let value = fields.take(name).and_then(|field| raw(&field));
            self.beside.extend(value.map(|value| (name, value)));
        }
        if let Some(timeout) = fields.take("timeout").map(Field::with_bindings) {
            let seconds = timeout.integer(report);
            self.limits = Some(settings::limits_of(seconds, Spelling::Step));
        }
        let (tier, priority) = (fields.take("job_tier"), fields.take("priority"));
        if tier.is_some() || priority.is_some() {
            self.queue = Some(settings::queue_of(tier, priority, Spelling::Step, report));
        }
    }

    /// What stands beside `resources` goes into those of a component of this project as well.
    pub(super) fn spread(&mut self, component: Option<&mut Component>) {
        if self.beside.is_empty() {
            return;
        }
        let declared = |component: &&mut Component| component.defaults.resources.clone();
        let own = self
            .resources
            .take()
            .or_else(|| component.as_ref().and_then(declared));
        let merged = own.unwrap_or_default().with(&self.beside);
        if let Some(component) = component {
            component.replace_resources(merged.clone());
        }
        self.resources = Some(merged);
    }

    pub(super) fn put(self, component: Option<&Component>, body: &mut Object) {
        let declared = |pick: fn(&Component) -> Option<Object>| component.and_then(pick);
        let resources = self
            .resources
            .map(|resources| resources.body(Spelling::Step));
        let resources = resources.or_else(|| {
            declared(|component| Some(component.defaults.resources.as_ref()?.body(Spelling::Step)))
        });
        let distribution = self
            .distribution
            .map(|distribution| distribution.body(Spelling::Step));
        let distribution = distribution.or_else(|| {
            declared(|component| {
                Some(
                    component
                        .defaults
                        .distribution
                        .as_ref()?
                        .body(Spelling::Step),
                )
            })
        });
        self.names.put(body);
        body.put_some("properties", self.properties);
        body.put_filled("resources", resources.unwrap_or_default());
        body.put_some("distribution", distribution);
        body.put_some("limits", self.limits);
        body.put_some("queue_settings", self.queue);
        body.put_some("identity", self.identity);
        body.put_some("services", self.services);
        body.put_some("environment_variables", self.variables);
    }
}

/// The value as it is, where no schema names the field; nothing for null.
pub(super) fn raw(field: &Field<'_>) -> Option<Value> {
    Some(python::json_of(field.node)).filter(|value| !value.is_null())
}
