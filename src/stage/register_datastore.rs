//! `register-datastore`: a datastore from a YAML file. Its credentials are masked before anything else happens with them.

use futures::FutureExt;

use super::document::{self, DocumentInputs};
use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, NAME, SET, Stage};
use crate::azure::cloud::Cloud;
use crate::spec::{Expected, Plan};

/// Fields that are filled in for public Azure where a file has nothing, and what they hold then.
const SUFFIX: (&str, &str) = ("/properties/endpoint", "core.windows.net");
const AUTHORITY: (&str, &str) = (
    "/properties/credentials/authorityUrl",
    "https://login.microsoftonline.com",
);

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
    let mut plan = document
        .plan(context, Expected::Datastore, Vec::new())
        .await?;
    if let Some(cloud) = context.inputs.cloud.as_deref().and_then(Cloud::known) {
        move_to(&cloud, &mut plan);
    }
    document::register_as(context, "datastore", plan, None).await
}

/// What is not said in the file is that of the cloud in use, and nothing of another cloud would be of use there.
fn move_to(cloud: &Cloud, plan: &mut Plan) {
    let login = cloud.login.as_str().trim_end_matches('/');
    for request in &mut plan.requests {
        for ((pointer, public), own) in
            [(SUFFIX, cloud.storage_suffix.as_str()), (AUTHORITY, login)]
        {
            if let Some(value) = request.body.pointer_mut(pointer)
                && value == public
            {
                *value = own.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::spec::plan::{Request, Target};

    fn moved(endpoint: &str, cloud: &str) -> Value {
        let credentials = json!({"authorityUrl": "https://login.microsoftonline.com"});
        let body = json!({"properties": {"endpoint": endpoint, "credentials": credentials}});
        let request = Request {
            target: Target::Named {
                collection: "datastores",
                name: Some("d".into()),
            },
            api_version: "1",
            body,
            slots: Vec::new(),
            needs: Vec::new(),
        };
        let mut plan = Plan {
            requests: vec![request],
            ..Plan::default()
        };
        move_to(&Cloud::known(cloud).unwrap(), &mut plan);
        plan.requests[0].body["properties"].take()
    }

    #[test]
    fn a_file_without_addresses_gets_those_of_the_cloud_in_use() {
        let found = moved("core.windows.net", "AzureUSGovernment");
        assert_eq!(found["endpoint"], "core.usgovcloudapi.net");
        let authority = &found["credentials"]["authorityUrl"];
        assert_eq!(authority, "https://login.microsoftonline.us");
        let found = moved("core.windows.net", "AzureCloud");
        assert_eq!(found["endpoint"], "core.windows.net");
        let authority = &found["credentials"]["authorityUrl"];
        assert_eq!(authority, "https://login.microsoftonline.com");
    }

    #[test]
    fn an_address_of_the_file_stays() {
        let found = moved("onelake.dfs.fabric.microsoft.com", "AzureUSGovernment");
        assert_eq!(found["endpoint"], "onelake.dfs.fabric.microsoft.com");
    }
}
