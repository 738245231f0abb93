//! The stages: order of steps and the words the user reads. This file owns what a stage is and the list of them.

pub mod allocate_traffic;
pub mod connect;
pub mod context;
pub mod create_compute;
pub mod create_deployment;
pub mod create_endpoint;
pub mod create_schedule;
pub mod document;
pub(crate) mod endpoint;
pub mod inputs;
pub mod links;
mod names;
pub mod read_config;
pub mod register_component;
pub mod register_data;
pub mod register_datastore;
pub mod register_environment;
pub mod register_model;
pub mod rollback;
pub mod rollout;
pub mod run_job;
mod sign_in;
pub mod smoke_test;
pub mod traffic;

use std::fmt;

use futures::future::BoxFuture;

pub use context::Context;
use inputs::RawInputs;

/// Every stage, in the order in which a pipeline uses them. A new stage is one line here.
pub static STAGES: &[&Stage] = &[
    &connect::STAGE,
    &read_config::STAGE,
    &register_environment::STAGE,
    &create_compute::STAGE,
    &register_datastore::STAGE,
    &register_data::STAGE,
    &register_component::STAGE,
    &run_job::STAGE,
    &register_model::STAGE,
    &create_endpoint::STAGE,
    &create_deployment::STAGE,
    &smoke_test::STAGE,
    &allocate_traffic::STAGE,
    &rollout::STAGE,
    &rollback::STAGE,
    &create_schedule::STAGE,
];

/// The stage of that name.
pub fn find(name: &str) -> Option<&'static Stage> {
    STAGES.iter().copied().find(|stage| stage.name == name)
}

/// One stage of the loop, as a row of [`STAGES`]. Flags, CI inputs, help and manifests are derived from it.
pub struct Stage {
    /// The word users write: `create-compute`.
    pub name: &'static str,
    pub summary: &'static str,
    /// Besides [`COMMON_INPUTS`].
    pub inputs: &'static [InputDef],
    pub outputs: &'static [OutputDef],
    /// Whether it makes sense without a workspace: what only reads files does.
    pub needs_workspace: bool,
    pub run: StageFn,
}

/// What a stage does; outputs and report go through the context.
pub type StageFn = for<'a> fn(&'a Context, RawInputs) -> BoxFuture<'a, anyhow::Result<()>>;

/// For tests of what surrounds a stage.
#[cfg(test)]
pub(crate) fn does_nothing(_: &Context, _: RawInputs) -> BoxFuture<'_, anyhow::Result<()>> {
    Box::pin(async { Ok(()) })
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stage").field(&self.name).finish()
    }
}

/// An input: a flag in a terminal, an `INPUT_*` variable on a CI host.
#[derive(Debug)]
pub struct InputDef {
    /// Kebab-case; the same word as the field of the stage's `Inputs` struct.
    pub name: &'static str,
    pub help: &'static str,
    pub required: bool,
    pub default: Option<&'static str>,
    pub shape: Shape,
}

/// What an input's text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Secret,
    /// `true` or `false` in any of YAML's core spellings.
    Flag,
    Choice(&'static [&'static str]),
    /// `90s`, `15m`, `10h`.
    Duration,
    /// A whole number from 0.
    Count,
    /// One item a line.
    Lines,
    Path,
}

/// An output of a stage.
#[derive(Debug)]
pub struct OutputDef {
    pub name: &'static str,
    pub help: &'static str,
}

/// A remote job ended other than `Completed`.
#[derive(Debug, thiserror::Error)]
#[error("job {name} ended as {status}{}", .reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
pub struct JobFailed {
    pub name: String,
    pub status: String,
    pub reason: Option<String>,
    pub advice: Option<String>,
}

/// A state of things on Azure that a stage does not go on with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub message: String,
    pub advice: Option<String>,
}

/// The stated `timeout` passed; what became of the remote work is part of the message.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WaitEnded {
    pub message: String,
    pub advice: String,
}

pub(crate) const fn text(name: &'static str, help: &'static str) -> InputDef {
    InputDef {
        name,
        help,
        required: false,
        default: None,
        shape: Shape::Text,
    }
}

pub(crate) const fn shaped(name: &'static str, shape: Shape, help: &'static str) -> InputDef {
    InputDef {
        name,
        help,
        required: false,
        default: None,
        shape,
    }
}

/// The inputs that every stage has.
pub static COMMON_INPUTS: &[InputDef] = &[
    text("subscription-id", "Azure subscription of the workspace"),
    text("resource-group", "Resource group of the workspace"),
    text("workspace", "Name of the Azure Machine Learning workspace"),
    shaped(
        "config",
        Shape::Path,
        "A config-infra-*.yml that names resource_group and aml_workspace",
    ),
    text("tenant-id", "Entra tenant to sign in to"),
    text("client-id", "Application (client) id of the identity"),
    shaped(
        "client-secret",
        Shape::Secret,
        "Client secret of the identity",
    ),
    shaped(
        "client-certificate",
        Shape::Secret,
        "Certificate and private key of the identity, as PEM text",
    ),
    shaped(
        "client-certificate-path",
        Shape::Path,
        "File that holds the certificate and private key as PEM",
    ),
    shaped(
        "creds",
        Shape::Secret,
        "The JSON that `az ad sp create-for-rbac --sdk-auth` printed",
    ),
    InputDef {
        name: "auth",
        help: "How to sign in",
        required: false,
        default: Some("auto"),
        shape: Shape::Choice(&[
            "auto",
            "oidc",
            "service-connection",
            "client-secret",
            "client-certificate",
            "managed-identity",
            "azure-cli",
        ]),
    },
    shaped(
        "cloud",
        Shape::Choice(&["AzureCloud", "AzureUSGovernment", "AzureChinaCloud"]),
        "Azure cloud; AzureCloud when not given",
    ),
    text(
        "arm-endpoint",
        "Resource Manager address of a cloud or of the emulator, instead of `cloud`",
    ),
    shaped(
        "working-directory",
        Shape::Path,
        "Folder that relative paths start from",
    ),
    shaped(
        "timeout",
        Shape::Duration,
        "How long to wait for the service or the job: 90s, 15m, 10h",
    ),
    shaped(
        "dry-run",
        Shape::Flag,
        "Print the requests instead of sending them",
    ),
];

/// The input that names the YAML file of a stage.
pub(crate) const FILE: InputDef = shaped("file", Shape::Path, "YAML file that describes it");
pub(crate) const NAME: InputDef = text("name", "Name; wins over the file's");
pub(crate) const VERSION: InputDef = text("version", "Version; wins over the file's");
pub(crate) const SET: InputDef = shaped(
    "set",
    Shape::Lines,
    "Overrides of the file's fields, one `key.path=value` a line",
);
pub(crate) const CHANGED: OutputDef = OutputDef {
    name: "changed",
    help: "created, updated or unchanged",
};
