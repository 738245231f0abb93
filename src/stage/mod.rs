//! The stages: order of steps and the words the user reads. This file owns what a stage is and the list of them.

pub mod inputs;

use std::fmt;

/// One stage of the loop, as a row of [`STAGES`]. Flags, CI inputs, help and manifests are derived from it.
pub struct Stage {
    /// The word users write: `create-compute`.
    pub name: &'static str,
    pub summary: &'static str,
    /// Besides [`COMMON_INPUTS`].
    pub inputs: &'static [InputDef],
    pub outputs: &'static [OutputDef],
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

const fn text(name: &'static str, help: &'static str) -> InputDef {
    InputDef {
        name,
        help,
        required: false,
        default: None,
        shape: Shape::Text,
    }
}

const fn shaped(name: &'static str, shape: Shape, help: &'static str) -> InputDef {
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
