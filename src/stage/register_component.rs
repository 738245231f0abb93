//! `register-component`: a component from a YAML file, under its own name; one that was not changed keeps its version.

use futures::FutureExt;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, OutputDef, SET, Stage, VERSION};
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "register-component",
    summary: "Register a component from a YAML file with what it runs; unchanged is unchanged",
    inputs: &[FILE, NAME, VERSION, SET],
    outputs: &[
        OutputDef {
            name: "component-id",
            help: "ARM id of the component's version",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let plan = document
        .plan(context, Expected::Component, Vec::new())
        .await?;
    document::register(context, "component", plan, "component-id").await
}
