//! `register-model`: a model from a YAML file; local files are uploaded once, what a job made stays where it is.

use futures::FutureExt;
use serde::Deserialize;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Shape, Stage, VERSION, shaped, text};
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "register-model",
    summary: "Register a model: local files, or what a job or run has left; unchanged is unchanged",
    inputs: &[
        FILE,
        NAME,
        VERSION,
        SET,
        shaped(
            "type",
            Shape::Choice(&["custom_model", "mlflow_model", "triton_model"]),
            "Type of the model; wins over the file's",
        ),
        text(
            "path",
            "Local path, azureml://jobs/.., runs:/.. or datastore URI; wins over the file's",
        ),
    ],
    outputs: &[
        OutputDef {
            name: "model-id",
            help: "ARM id of the model's version",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    r#type: Option<String>,
    path: Option<String>,
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let inputs: Inputs = raw.parse()?;
    let fields = vec![("type", inputs.r#type), ("path", inputs.path)];
    let plan = document.plan(context, Expected::Model, fields).await?;
    document::register(context, "model", plan, "model-id").await
}
