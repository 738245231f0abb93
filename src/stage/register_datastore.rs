//! `register-datastore`: a datastore from a YAML file. Its credentials are masked before anything else happens with them.

use futures::FutureExt;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, SET, Stage};
use crate::spec::Expected;

pub static STAGE: Stage = Stage {
    name: "register-datastore",
    summary: "Register a datastore from a YAML file; one with credentials is written every time",
    inputs: &[FILE, NAME, SET],
    outputs: &[CHANGED],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let document: DocumentInputs = raw.parse()?;
    let plan = document
        .plan(context, Expected::Datastore, Vec::new())
        .await?;
    document::register_as(context, "datastore", plan, None).await
}
