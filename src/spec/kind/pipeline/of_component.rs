//! A pipeline job that runs a pipeline component: `component` instead of `jobs`. What the job says of the component's inputs and
//! outputs completes what the component declares.

use std::path::Path;

use crate::spec::component::{self, Component, NEEDS_INPUT};
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Field, Fields};
use crate::spec::io::{self, DATA_TYPES, Input, Output, Spelling};
use crate::spec::job::Shown;
use crate::spec::problem::Problem;
use crate::spec::reference::REGISTRY;
use crate::spec::session::Session;

/// What a pipeline job runs.
pub(super) enum Runs {
    /// Its own `jobs`.
    Steps,
    /// A component of this project.
    Component(Box<OfComponent>),
    /// A component of the workspace or of a registry.
    Registered(Draft),
    /// Something that could not be read.
    Nothing,
}

pub(super) struct OfComponent(Component);

impl Runs {
    pub(super) fn shown(&self) -> Shown {
        match self {
            Self::Component(of) => Shown {
                display_name: of.0.display_name.clone(),
                description: of.0.description.clone(),
            },
            Self::Steps | Self::Registered(_) | Self::Nothing => Shown::default(),
        }
    }
}

pub(super) fn read(session: &mut Session<'_>, fields: &mut Fields<'_>, base: &Path) -> Runs {
    let Some(field) = fields
        .take("component")
        .filter(|field| !field.node.is_null())
    else {
        return Runs::Steps;
    };
    if let Some(jobs) = fields.peek("jobs").filter(|jobs| !jobs.node.is_void()) {
        jobs.problem(
            &mut session.report,
            "a pipeline job has either `jobs` or a `component`, not both",
        );
    }
    if field.node.entries().is_some() {
        let message = "a pipeline component is not written into a job: put it into a file and name that, or use `jobs`";
        field.problem(&mut session.report, message);
        return Runs::Nothing;
    }
    let Some(text) = field.text(&mut session.report) else {
        return Runs::Nothing;
    };
    if text.starts_with(REGISTRY) {
        return Runs::Registered(Draft::from(text));
    }
    // The SDK resolves no label and no version of a job's component: the service gets what stands here.
    if let Some(id) = text.strip_prefix("azureml:") {
        return Runs::Registered(Draft::from(id));
    }
    if text.starts_with("file:") {
        let message = "a pipeline component is named by its path, without `file:`";
        field.problem(&mut session.report, message);
        return Runs::Nothing;
    }
    component::read_file(session, &field, &text, "pipeline", base)
        .map_or(Runs::Nothing, |component| {
            Runs::Component(Box::new(OfComponent(component)))
        })
}

impl OfComponent {
    pub(super) fn without_compute(&self) -> Vec<Problem> {
        self.0.without_compute.clone()
    }

    pub(super) fn put(
        &self,
        session: &mut Session<'_>,
        job: &Field<'_>,
        inputs: &[(&str, Input<'_>)],
        outputs: &[(&str, Output)],
        base: &Path,
        body: &mut Object,
    ) {
        self.put_inputs(session, job, inputs, base, body);
        self.put_outputs(session, job, outputs, body);
        body.put("componentId", self.0.id(session, "YAML.COMPONENT"));
    }

    /// What the component does not declare is dropped; what the job does not give is the component's default.
    fn put_inputs(
        &self,
        session: &mut Session<'_>,
        job: &Field<'_>,
        inputs: &[(&str, Input<'_>)],
        base: &Path,
        body: &mut Object,
    ) {
        let mut given = Object::default();
        for (name, port) in &self.0.inputs {
            let said = inputs.iter().find(|(known, _)| known == name);
            let value = match said {
                Some((_, input)) if super::is_blank(input) => None,
                Some((_, Input::Literal { node, .. })) => Some(io::literal(node, Spelling::Job)),
                Some((_, Input::Asset(asset))) => asset.body(session, base, Spelling::Job),
                None => {
                    let default = port.default.as_deref().filter(|text| !text.is_empty());
                    default.map(io::literal_text)
                }
            };
            let needed = port.default.is_none() && port.optional != Some(true);
            if said.is_none() && needed && self.0.used.contains(name) {
                let path = format!("inputs.{name}");
                session.report.add(job.node, &path, NEEDS_INPUT);
            }
            given.put_some(name.as_str(), value);
        }
        body.put_filled("inputs", given);
    }

    fn put_outputs(
        &self,
        session: &mut Session<'_>,
        job: &Field<'_>,
        outputs: &[(&str, Output)],
        body: &mut Object,
    ) {
        let mut declared = Object::default();
        for (name, port) in &self.0.outputs {
            let said = outputs
                .iter()
                .any(|(known, output)| known == name && !output.is_bare());
            if said {
                continue;
            }
            if !DATA_TYPES.contains(&port.kind.as_str()) {
                let path = format!("outputs.{name}");
                let message = format!(
                    "a job cannot run this component by itself: the output `{name}` is of the type `{}`, which only steps have",
                    port.kind
                );
                session.report.add(job.node, &path, message);
                continue;
            }
            declared.put(
                name.as_str(),
                Output::declared_as(&port.kind, port.mode.as_deref()),
            );
        }
        for (name, output) in outputs.iter().filter(|(_, output)| !output.is_bare()) {
            declared.put(*name, output.job_body());
        }
        body.put_filled("outputs", declared);
    }
}
