//! The newcomer of a real rollout: a deployment's YAML and a smoke test, read and checked before anything is sent.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::act::CONTENT_TAG;
use super::newcomer::Newcomer;
use crate::azure::Azure;
use crate::azure::apply::Execution;
use crate::azure::endpoints::{Endpoint, Family};
use crate::report::Change;
use crate::spec::plan::Target;
use crate::spec::{self, Expected, Plan, Problems};
use crate::stage::document::{self, DocumentInputs};
use crate::stage::endpoint::Aim;
use crate::stage::inputs::RawInputs;
use crate::stage::smoke_test::{self, SmokeInputs};
use crate::stage::{Context, create_deployment};

/// Digits of the digest that a journal has room for.
const DIGITS: usize = 12;
/// Stands for the name while there is none, and in the digest, which is of contents.
const UNNAMED: &str = "blue";

/// What is to be brought in.
#[derive(Debug)]
pub(super) struct Live {
    plan: Plan,
    smoke: SmokeInputs,
    family: Family,
    endpoint: String,
    /// Given as an input.
    asked: Option<String>,
    /// Said by the file.
    written: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Inputs {
    endpoint_name: Option<String>,
}

impl Live {
    /// Reads the file and the smoke test's inputs; everything that is wrong is said before anything is sent.
    pub(super) async fn parse(context: &Context, raw: &RawInputs) -> anyhow::Result<Self> {
        let mut document: DocumentInputs = raw.parse()?;
        let inputs: Inputs = raw.parse()?;
        let asked = document.name.clone();
        let fields = || vec![("endpoint_name", inputs.endpoint_name.clone())];
        let mut named = true;
        let plan = match document.plan(context, Expected::Deployment, fields()).await {
            Err(error) if asked.is_none() && error.is::<Problems>() => {
                // Perhaps a name is all that is missing, and that is ours to find.
                document.name = Some(UNNAMED.to_owned());
                named = false;
                document
                    .plan(context, Expected::Deployment, fields())
                    .await?
            }
            planned => planned?,
        };
        let aim = Aim::of(&plan)?;
        document::mask_secrets(context, &plan);
        Ok(Self {
            smoke: SmokeInputs::read(context, raw, aim.family).await?,
            family: aim.family,
            endpoint: aim.endpoint,
            written: aim.deployment.filter(|_| named && asked.is_none()),
            asked: asked.map(|name| name.to_lowercase()),
            plan,
        })
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn asked_name(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    pub(super) fn written_name(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// For a dry run.
    pub(super) fn into_plan(self) -> Plan {
        self.plan
    }

    /// The contents as a hash, whatever the name. Only lookups.
    pub(super) async fn digest(&self, azure: &Azure) -> anyhow::Result<String> {
        let plan = named(&self.plan, UNNAMED);
        let execution = Execution::new(azure.clone(), plan, spec::yaml_to_json);
        execution.look_up().await?;
        Ok(execution.digest().await?.chars().take(DIGITS).collect())
    }

    pub(super) fn with<'a>(
        &'a self,
        context: &'a Context,
        azure: &Azure,
        digest: String,
    ) -> impl Newcomer + 'a {
        Bringing {
            live: self,
            context,
            azure: azure.clone(),
            digest,
        }
    }
}

#[derive(Debug)]
struct Bringing<'a> {
    live: &'a Live,
    context: &'a Context,
    azure: Azure,
    digest: String,
}

#[async_trait]
impl Newcomer for Bringing<'_> {
    async fn create(&self, name: &str, limit: Duration) -> anyhow::Result<Change> {
        let mut plan = named(&self.live.plan, name);
        if let Some(last) = plan.requests.last_mut() {
            tag(&mut last.body, &self.digest);
        }
        let deployed = create_deployment::deploy(self.context, &self.azure, plan, limit);
        Ok(Box::pin(deployed).await?.change)
    }

    async fn test(&self, endpoint: &Endpoint, name: &str) -> anyhow::Result<()> {
        let smoke = &self.live.smoke;
        let probed = smoke_test::probe(self.context, &self.azure, endpoint, Some(name), smoke);
        Box::pin(probed).await?.into_result()?;
        Ok(())
    }
}

fn tag(body: &mut Value, digest: &str) {
    if !body["tags"].is_object() {
        body["tags"] = json!({});
    }
    body["tags"][CONTENT_TAG] = Value::from(digest);
}

/// The same plan for a deployment of another name.
fn named(plan: &Plan, other: &str) -> Plan {
    let mut plan = plan.clone();
    if let Some(Target::Deployment { name, .. }) =
        plan.requests.last_mut().map(|last| &mut last.target)
    {
        other.clone_into(name);
    }
    plan
}
