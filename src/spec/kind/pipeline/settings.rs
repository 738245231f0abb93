//! What a step of a pipeline says besides its component and its ports: names, resources, limits, identity and the like.

use serde_json::Value;

use super::step::StepSource;
use crate::spec::component::Component;
use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::io::{self, Spelling};
use crate::spec::problem::Report;
use crate::spec::settings::{self, Distribution, Resources, Unknown};

/// What a step says about how its component runs. Expressions may stand for values only where the component is not inline.
pub(super) struct Settings {
    display_name: Option<String>,
    pub(super) tags: Option<Value>,
    properties: Option<Value>,
    comment: Option<String>,
    pub(super) resources: Option<Resources>,
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
        Self {
            display_name: fields.text("display_name", report),
            tags: fields.take("tags").and_then(|field| {
                if inline {
                    io::texts(&field, report)
                } else {
                    io::values(&field, report)
                }
            }),
            properties: fields.read("properties", report, io::texts),
            comment: if inline {
                None
            } else {
                fields.text("comment", report)
            },
            resources: fields
                .take("resources")
                .and_then(|field| Resources::read(&open(field), Unknown::Refused, report)),
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
        }
    }

    pub(super) fn put(self, component: Option<&Component>, body: &mut Object) {
        let declared = |pick: fn(&Component) -> Option<Object>| component.and_then(pick);
        let resources = self
            .resources
            .map(|resources| resources.body(Spelling::Step));
        let resources = resources.or_else(|| {
            declared(|component| Some(component.resources.as_ref()?.body(Spelling::Step)))
        });
        let distribution = self
            .distribution
            .map(|distribution| distribution.body(Spelling::Step));
        let distribution = distribution.or_else(|| {
            declared(|component| Some(component.distribution.as_ref()?.body(Spelling::Step)))
        });
        body.put_some("display_name", self.display_name);
        body.put_some("tags", self.tags);
        body.put_some("properties", self.properties);
        body.put_some("comment", self.comment);
        body.put_filled("resources", resources.unwrap_or_default());
        body.put_some("distribution", distribution);
        body.put_some("limits", self.limits);
        body.put_some("queue_settings", self.queue);
        body.put_some("identity", self.identity);
        body.put_some("services", self.services);
        body.put_some("environment_variables", self.variables);
    }
}
