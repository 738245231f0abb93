//! `register-data`: a data asset from a YAML file or from inputs alone; only what is not there yet is uploaded.

use futures::FutureExt;
use serde::Deserialize;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Shape, Stage, VERSION, shaped, text};
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "register-data",
    summary: "Register a data asset; only what is not there yet is uploaded",
    inputs: &[
        FILE,
        NAME,
        VERSION,
        SET,
        shaped(
            "type",
            Shape::Choice(&["uri_file", "uri_folder", "mltable"]),
            "Type of the data; wins over the file's",
        ),
        text(
            "path",
            "Local path, datastore URI or https address; wins over the file's",
        ),
    ],
    outputs: &[
        OutputDef {
            name: "data-id",
            help: "ARM id of the data asset's version",
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
    let plan = document.plan(context, Expected::Data, fields).await?;
    document::register(context, "data", plan, "data-id").await
}
