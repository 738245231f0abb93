//! Batch deployments that run a pipeline component: one of the workspace, of a registry, of a file, or made from a job.

use std::path::Path;

use serde_json::{Value, json};

use super::Names;
use super::batch::asset;
use crate::spec::component;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Field, Fields};
use crate::spec::io;
use crate::spec::plan::{Part, Reference, Target};
use crate::spec::reference::{REGISTRY, asset_id};
use crate::spec::session::Session;

const SOURCE: &str = "YAML.COMPONENT";
const API: &str = "2023-02-01-preview";

pub(super) fn translate(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    names: Names,
    base: &Path,
) {
    fields.read_only(&["$schema", "creation_context"]);
    let report = &mut session.report;
    let mut resource = Object::default();
    resource.put_some("tags", fields.read("tags", report, io::values));
    let description = fields.text("description", report);
    let settings = fields.read("settings", report, io::values);
    let component = fields.take("component");
    let job = fields.take("job_definition");
    if component.is_none() && job.is_none() {
        let message = "a deployment of a pipeline needs a `component` or a `job_definition`";
        fields.at().problem(report, message);
    }
    fields.refuse_rest(report);
    // A component counts first, as in the SDK.
    let id = match (component, job) {
        (Some(field), _) => component_id(session, &field, base),
        (None, Some(field)) => of_job(session, &field),
        (None, None) => None,
    };
    let Some(id) = id else { return };
    let mut configuration = Object::default();
    configuration.put("deploymentConfigurationType", "PipelineComponent");
    configuration.put("componentId", asset(id));
    configuration.put_some("settings", settings);
    let mut properties = Object::default();
    properties.put("deploymentConfiguration", configuration);
    properties.put_some("description", description);
    // Of no use to a pipeline, but always sent by the SDK.
    for (name, value) in [
        ("errorThreshold", json!(-1)),
        ("maxConcurrencyPerInstance", json!(1)),
        ("miniBatchSize", json!(10)),
        ("outputFileName", json!("predictions.csv")),
    ] {
        properties.put(name, value);
    }
    names.put(session, API, resource, properties);
}

fn component_id(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    if text.starts_with(REGISTRY) {
        return Some(Draft::from(text));
    }
    if let Some(name) = text.strip_prefix("azureml:") {
        return asset_id(session, field, name, "components");
    }
    let path = text.strip_prefix("file:").unwrap_or(&text);
    let id = component::read_file(session, field, path, "pipeline", base)?.id(session, SOURCE);
    if let Draft::Parts(parts) = &id
        && let [Part::Reference(Reference::Answer(request))] = parts.as_slice()
    {
        session.look_for_first(*request);
    }
    Some(id)
}

/// A component that repeats what a job did; the service makes it from the job.
fn of_job(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    if field.node.entries().is_some() {
        // The SDK takes one and then sends a deployment that has nothing to run.
        let message = "the job has to exist already: `azureml:<its name>`";
        field.problem(&mut session.report, message);
        return None;
    }
    let text = field.text(&mut session.report)?;
    let Some(job) = text.strip_prefix("azureml:").filter(|job| !job.is_empty()) else {
        let message = format!("`{text}` is written `azureml:{text}` here");
        field.problem(&mut session.report, message);
        return None;
    };
    let spec = json!({
        "name": component::ANONYMOUS,
        "version": "1",
        "type": "pipeline",
        "source_job_id": job,
        "sourceJobId": job,
        "_source": SOURCE,
    });
    let version = component::content_guid(&spec);
    let mut body = Object::default();
    let properties: Value =
        json!({"componentSpec": spec, "isAnonymous": true, "isArchived": false});
    body.put("properties", properties);
    let target = Target::Anonymous {
        collection: "components",
        name: component::ANONYMOUS.into(),
        version,
    };
    let request = session.request(target, API, body, Vec::new());
    Some(Draft::reference(Reference::Answer(request)))
}
