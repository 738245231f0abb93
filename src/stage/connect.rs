//! `connect`: proves that the workspace exists and that this identity may use it, and publishes its facts for later steps.

use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inputs::RawInputs;
use super::{CHANGED, Context, OutputDef, Refused, Shape, Stage, links, shaped};
use crate::azure::{Address, ArmError, Azure, Call, WorkspaceFacts};
use crate::report::{Change, PhaseKind, Resource};

pub static STAGE: Stage = Stage {
    name: "connect",
    summary: "Sign in, check that the workspace is there and may be used, publish its facts",
    inputs: &[shaped(
        "write-config",
        Shape::Flag,
        "Write config.json for the SDK and other tools",
    )],
    outputs: &[
        OutputDef {
            name: "studio-url",
            help: "The workspace in Azure Machine Learning studio",
        },
        CHANGED,
    ],
    needs_workspace: true,
    run: |context, raw| run(context, raw).boxed(),
};

#[derive(Debug, Deserialize)]
struct Inputs {
    #[serde(default)]
    write_config: bool,
}

/// What the training pipeline needs, and the built-in role that brings it.
const NEEDED: &[(&str, &str)] = &[
    (
        "Microsoft.MachineLearningServices/workspaces/jobs/write",
        "AzureML Data Scientist",
    ),
    (
        "Microsoft.MachineLearningServices/workspaces/data/versions/write",
        "AzureML Data Scientist",
    ),
    (
        "Microsoft.MachineLearningServices/workspaces/environments/versions/write",
        "AzureML Data Scientist",
    ),
    (
        "Microsoft.MachineLearningServices/workspaces/datastores/listSecrets/action",
        "AzureML Data Scientist",
    ),
    (
        "Microsoft.MachineLearningServices/workspaces/computes/write",
        "AzureML Compute Operator",
    ),
];

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let inputs: Inputs = raw.parse()?;
    if context.inputs.dry_run {
        let would_be = context.offline()?;
        context.note(format!("would sign in and check {}", would_be.workspace()));
        return Ok(());
    }
    let azure = context.azure()?;
    let (facts, permissions) = {
        let _phase = context.phase("checking the workspace", PhaseKind::Working);
        context
            .within("checking the workspace", check(&azure))
            .await?
    };
    report_facts(context, &azure, &facts).await?;
    report_permissions(context, permissions)?;
    publish(context, &azure).await?;
    let change = if inputs.write_config {
        write_config(context, &azure)?
    } else {
        Change::Unchanged
    };
    context.output("changed", change.as_str())
}

type Permissions = Option<Vec<Permission>>;

async fn check(azure: &Azure) -> anyhow::Result<(Arc<WorkspaceFacts>, Permissions)> {
    let (facts, permissions) = tokio::join!(azure.workspace_facts(), permissions(azure));
    let (facts, permissions) = (facts?, permissions?);
    if permissions.is_none() {
        // The next best proof: what every job needs, answered by the workspace itself.
        let address = Address::Workspace("datastores".to_owned());
        let read = Call::get(address, "2024-10-01-preview").query("isDefault", "true");
        azure.send(read).await?;
    }
    Ok((facts, permissions))
}

/// The effective permissions of this identity on the workspace; `None` where they cannot be asked for.
/// <https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource>
async fn permissions(azure: &Azure) -> Result<Permissions, ArmError> {
    let address = Address::Workspace("providers/Microsoft.Authorization/permissions".to_owned());
    match azure.send(Call::get(address, "2022-04-01")).await {
        Ok(answer) => Ok(Some(Permission::list(&answer.body))),
        Err(error) if error.service().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where this is and as whom, and what of the workspace will be in the way later.
async fn report_facts(
    context: &Context,
    azure: &Azure,
    facts: &WorkspaceFacts,
) -> anyhow::Result<()> {
    let workspace = azure.workspace();
    let place = format!(
        "workspace {} in {} ({})",
        workspace.name, workspace.resource_group, facts.location
    );
    for line in [place, format!("signed in as {}", azure.identity().await?)] {
        context.note(&line);
        context.report().notes.push(line);
    }
    let is = |fact: &Option<String>, word: &str| {
        fact.as_ref()
            .is_some_and(|fact| fact.eq_ignore_ascii_case(word))
    };
    if is(&facts.public_network_access, "Disabled") {
        context.warn(
            "the workspace is closed to public networks: uploads, logs and metrics work only on a machine inside its virtual network \
             (a self-hosted runner or agent)",
            None,
        );
    }
    if let Some(state) = &facts.provisioning_state
        && !is(&facts.provisioning_state, "Succeeded")
    {
        context.warn(
            format!("the workspace is in state {state}; what is done in it may be refused"),
            None,
        );
    }
    Ok(())
}

/// One role assignment's worth of actions, with `*` as wildcard.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl Permission {
    fn list(body: &Value) -> Vec<Self> {
        let rows = body.get("value").and_then(Value::as_array);
        rows.into_iter()
            .flatten()
            .filter_map(|row| Self::deserialize(row).ok())
            .collect()
    }

    fn allows(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| matches(pattern, action))
            && !self
                .not_actions
                .iter()
                .any(|pattern| matches(pattern, action))
    }
}

/// Compares as Azure RBAC does: case ignored, `*` for any run of characters.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn report_permissions(context: &Context, permissions: Permissions) -> anyhow::Result<()> {
    let Some(permissions) = permissions else {
        context.note(
            "this identity may read the workspace; what else it may do could not be asked for",
        );
        return Ok(());
    };
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(action, _)| {
            !permissions
                .iter()
                .any(|permission| permission.allows(action))
        })
        .collect();
    if missing.len() == NEEDED.len() {
        return Err(Refused {
            message: "this identity can see the workspace but may neither run jobs nor register assets in it".to_owned(),
            advice: Some("assign it the role 'AzureML Data Scientist' on the workspace; a new assignment needs a few minutes".to_owned()),
        }
        .into());
    }
    for (action, role) in missing {
        context.warn(
            format!(
                "this identity may not {action}; the role '{role}' on the workspace would allow it"
            ),
            None,
        );
    }
    Ok(())
}

/// Sets the standard variables for later steps, and the link as an output.
async fn publish(context: &Context, azure: &Azure) -> anyhow::Result<()> {
    let workspace = azure.workspace();
    let variables = [
        (
            "AZURE_SUBSCRIPTION_ID",
            Some(workspace.subscription.as_str()),
        ),
        (
            "AZURE_RESOURCE_GROUP",
            Some(workspace.resource_group.as_str()),
        ),
        ("AZUREML_WORKSPACE_NAME", Some(workspace.name.as_str())),
        ("AZURE_TENANT_ID", context.inputs.tenant_id.as_deref()),
        ("AZURE_CLIENT_ID", context.inputs.client_id.as_deref()),
        ("AZURE_CLOUD", context.inputs.cloud.as_deref()),
    ];
    for (name, value) in variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    {
        context.host.set_env(name, value)?;
    }
    let link = links::workspace(&*azure.cloud().await?, workspace);
    if let Some(link) = &link {
        context.output("studio-url", link)?;
    }
    context.report().resources.push(Resource {
        kind: "workspace".to_owned(),
        name: workspace.name.clone(),
        version: None,
        change: Change::Unchanged,
        id: workspace.to_string(),
        link,
    });
    Ok(())
}

/// The file that `MLClient.from_config` reads.
#[derive(Serialize)]
struct ConfigFile<'a> {
    subscription_id: &'a str,
    resource_group: &'a str,
    workspace_name: &'a str,
}

fn write_config(context: &Context, azure: &Azure) -> anyhow::Result<Change> {
    let workspace = azure.workspace();
    let config = ConfigFile {
        subscription_id: &workspace.subscription,
        resource_group: &workspace.resource_group,
        workspace_name: &workspace.name,
    };
    let path = context.working_directory.join("config.json");
    let text = serde_json::to_string_pretty(&config)? + "\n";
    let change = match std::fs::read_to_string(&path) {
        Ok(there) if there == text => Change::Unchanged,
        Ok(_) => Change::Updated,
        Err(_) => Change::Created,
    };
    if change != Change::Unchanged {
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let said = format!("config.json for other tools: {}", change.as_str());
    context.note(&said);
    context.report().notes.push(said);
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_patterns_match_as_azure_compares_them() {
        assert!(matches("*", "Microsoft.X/a/read"));
        assert!(matches("*/read", "Microsoft.X/a/read"));
        assert!(matches("microsoft.x/*/READ", "Microsoft.X/a/b/read"));
        assert!(!matches("*/read", "Microsoft.X/a/write"));
        assert!(!matches("Microsoft.X/a", "Microsoft.X/a/read"));
    }

    #[test]
    fn not_actions_take_away_what_actions_gave() {
        let permission = Permission {
            actions: vec!["Microsoft.MachineLearningServices/*".to_owned()],
            not_actions: vec!["Microsoft.MachineLearningServices/workspaces/computes/*".to_owned()],
        };
        assert!(permission.allows("Microsoft.MachineLearningServices/workspaces/jobs/write"));
        assert!(!permission.allows("Microsoft.MachineLearningServices/workspaces/computes/write"));
    }
}
