//! `register-environment`: an environment from a YAML file; what is there already stays as it is.

use futures::FutureExt;
use serde::Deserialize;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Shape, Stage, VERSION, shaped};
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "register-environment",
    summary: "Register an environment from a YAML file; unchanged is unchanged",
    inputs: &[
        FILE,
        NAME,
        VERSION,
        SET,
        shaped(
            "conda-file",
            Shape::Path,
            "Conda file; wins over the file's",
        ),
        shaped(
            "build-context",
            Shape::Path,
            "Folder with a Dockerfile; wins over the file's",
        ),
    ],
    outputs: &[
        OutputDef {
            name: "environment-id",
            help: "ARM id of the environment's version",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    conda_file: Option<String>,
    build_context: Option<String>,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let inputs: Inputs = raw.parse()?;
    let fields = vec![
        ("conda_file", inputs.conda_file),
        ("build.path", inputs.build_context),
    ];
    let plan = document
        .plan(context, Expected::Environment, fields)
        .await?;
    document::register(context, "environment", plan, "environment-id").await
}
