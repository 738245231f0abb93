//! The component of a step: written into the step, in a file of the project, or registered in the workspace or in a registry.

use std::path::Path;

use crate::spec::component::{self, Component};
use crate::spec::draft::Draft;
use crate::spec::fields::Field;
use crate::spec::reference::{REGISTRY, asset_id};
use crate::spec::session::Session;

/// What a step runs.
pub(in crate::spec::kind) enum StepSource {
    /// The step says itself what to run.
    Inline,
    /// A component of this project.
    Local(Box<Component>),
    /// A component of the workspace or of a registry.
    Registered(Draft),
}

impl StepSource {
    pub(super) fn is_inline(&self) -> bool {
        match self {
            Self::Inline => true,
            Self::Local(_) | Self::Registered(_) => false,
        }
    }
}

/// The component that a field names, which has to be of the type `wanted`, and where it was written down in the SDK's words.
pub(super) fn read(
    session: &mut Session<'_>,
    field: &Field<'_>,
    wanted: &'static str,
    base: &Path,
) -> Option<(StepSource, &'static str)> {
    if field.node.entries().is_some() {
        let component = component::read(session, field, wanted, base)?;
        return Some((StepSource::Local(Box::new(component)), "YAML.JOB"));
    }
    let text = field.text(&mut session.report)?;
    if text.starts_with(REGISTRY) {
        return Some((StepSource::Registered(Draft::from(text)), "REMOTE.REGISTRY"));
    }
    if let Some(name) = text.strip_prefix("azureml:") {
        if name.starts_with(REGISTRY) {
            return Some((StepSource::Registered(Draft::from(name)), "REMOTE.REGISTRY"));
        }
        let id = asset_id(session, field, name, "components")?;
        return Some((StepSource::Registered(id), "REMOTE.WORKSPACE.COMPONENT"));
    }
    let (path, origin) = match text.strip_prefix("file:") {
        Some(path) => (path, "YAML.JOB"),
        None => (text.as_str(), "YAML.COMPONENT"),
    };
    let component = component::read_file(session, field, path, wanted, base)?;
    Some((StepSource::Local(Box::new(component)), origin))
}
