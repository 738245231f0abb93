//! Deployments: what online and batch ones have in common: names, the model, its code and its environment. What only one family has
//! is in its own file.

pub(super) mod batch;
mod collector;
pub(super) mod online;
mod pipeline;

use std::path::Path;

use serde_json::Value;

use super::{endpoint, model, not_empty};
use crate::spec::code;
use crate::spec::draft::{Draft, Object};
use crate::spec::environment;
use crate::spec::fields::{Field, Fields};
use crate::spec::io;
use crate::spec::plan::{Reference, Target};
use crate::spec::problem::Report;
use crate::spec::reference::REGISTRY;
use crate::spec::session::Session;
use crate::spec::settings;

/// Where a deployment goes and what it is called.
struct Names {
    /// The collection of its endpoint.
    endpoints: &'static str,
    endpoint: Option<String>,
    /// In lower case, as the service keeps it.
    name: Option<String>,
}

impl Names {
    fn online(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let name = fields.required("name", report);
        let endpoint = fields.required("endpoint_name", report);
        Self {
            endpoints: "onlineEndpoints",
            endpoint: endpoint.and_then(|field| not_empty(&field, report)),
            name: name
                .and_then(|field| endpoint::checked_name(&field, report))
                .map(|name| name.to_lowercase()),
        }
    }

    fn batch(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let name = fields.required("name", report);
        let endpoint = fields.required("endpoint_name", report);
        let endpoint = endpoint.and_then(|field| {
            let text = not_empty(&field, report)?;
            // The SDK does so with names that are given besides the file.
            Some(if field.node.is_input() {
                text.to_lowercase()
            } else {
                text
            })
        });
        Self {
            endpoints: "batchEndpoints",
            endpoint,
            name: name
                .and_then(|field| not_empty(&field, report))
                .map(|name| name.to_lowercase()),
        }
    }

    /// Plans the deployment itself.
    fn put(
        self,
        session: &mut Session<'_>,
        api: &'static str,
        mut resource: Object,
        properties: Object,
    ) {
        let (Some(endpoint), Some(name)) = (self.endpoint, self.name) else {
            return;
        };
        resource.put("location", Draft::reference(Reference::Location));
        resource.put("properties", properties);
        let target = Target::Deployment {
            endpoints: self.endpoints,
            endpoint,
            name,
        };
        session.request(target, api, resource, Vec::new());
    }
}

/// What a model needs to be served.
struct Serving {
    model: Option<Draft>,
    code: Option<Object>,
    environment: Option<Draft>,
    variables: Option<Value>,
    description: Option<String>,
    properties: Option<Value>,
    /// What the deployment says beside its properties.
    resource: Object,
}

impl Serving {
    fn read(session: &mut Session<'_>, fields: &mut Fields<'_>, base: &Path) -> Self {
        fields.read_only(&["$schema", "creation_context"]);
        let report = &mut session.report;
        let _checked = fields.text("id", report);
        let mut resource = Object::default();
        resource.put_some("tags", fields.read("tags", report, io::values));
        let description = fields.text("description", report);
        let properties = fields.read("properties", report, io::values);
        let variables = fields.read(
            "environment_variables",
            report,
            settings::environment_variables,
        );
        let environment = fields
            .take("environment")
            .and_then(|field| environment::of_deployment(session, &field, base));
        let model = fields
            .take("model")
            .and_then(|field| model::of_deployment(session, &field, base));
        let code = fields
            .take("code_configuration")
            .and_then(|field| code_configuration(session, &field, base));
        Self {
            model,
            code,
            environment,
            variables: variables.map(Value::Object),
            description,
            properties,
            resource,
        }
    }
}

/// A scoring script and the folder that it is in.
fn code_configuration(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let code = fields.required("code", &mut session.report);
    let script = fields.required("scoring_script", &mut session.report);
    let script = script.and_then(|field| field.text(&mut session.report));
    fields.refuse_rest(&mut session.report);
    let id = code.and_then(|field| code::of_deployment(session, &field, base));
    let mut body = Object::default();
    body.put("codeId", id?);
    body.put("scoringScript", script?);
    Some(body)
}

/// Kubernetes cannot pull from a registry.
fn refuse_registry(whole: &Field<'_>, report: &mut Report) {
    let places = [
        whole.node.get("model"),
        whole.node.get("environment"),
        whole
            .node
            .get("code_configuration")
            .and_then(|node| node.get("code")),
    ];
    let names = ["model", "environment", "code_configuration.code"];
    for (node, name) in places.into_iter().zip(names) {
        let named = node.filter(|node| {
            node.as_text()
                .is_some_and(|text| text.starts_with(REGISTRY))
        });
        if let Some(node) = named {
            let message = "a deployment on Kubernetes cannot use what is in a registry";
            Field::at_path(node, name).problem(report, message);
        }
    }
}
