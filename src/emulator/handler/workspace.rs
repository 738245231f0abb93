//! The workspace, its group and subscription, and what the caller may do there.

use serde_json::{Value, json};

use crate::emulator::request::{self, Reply};
use crate::emulator::site::{PROVIDER, Site};

fn body(site: &Site) -> Value {
    let provider = |kind: &str| format!("{}/providers/{kind}", site.group_id());
    json!({
        "id": site.id(), "name": site.workspace, "type": format!("{PROVIDER}/workspaces"), "location": site.location,
        "tags": {}, "etag": null, "kind": "Default", "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": site.workspace_id, "tenantId": site.tenant},
        "properties": {
            "friendlyName": site.workspace, "description": "", "workspaceId": site.workspace_id, "tenantId": site.tenant,
            "provisioningState": "Succeeded", "creationTime": "2026-01-01T00:00:00.0000000Z",
            "storageAccount": provider(&format!("Microsoft.Storage/storageAccounts/{}", site.account)),
            "keyVault": provider("Microsoft.Keyvault/vaults/kv-emulator"),
            "applicationInsights": provider("Microsoft.insights/components/appi-emulator"),
            "containerRegistry": null,
            "discoveryUrl": format!("{}/discovery", site.endpoint),
            "mlFlowTrackingUri": format!("azureml://{}/mlflow/v1.0{}", site.authority, site.id()),
            "publicNetworkAccess": "Enabled", "hbiWorkspace": false, "v1LegacyMode": false, "imageBuildCompute": null,
            "managedNetwork": {"isolationMode": "Disabled", "changeableIsolationModes": []}, "notebookInfo": null,
            "allowRoleAssignmentOnRG": false, "softDeleteEnabled": false, "storageHnsEnabled": false, "privateLinkCount": 0,
            "ipAllowlist": [], "serverlessComputeSettings": null, "sasGetterUri": "", "enableDataIsolation": false,
            "systemDatastoresAuthMode": "accesskey", "enableServiceSideCMKEncryption": false,
        },
        "systemData": {"createdAt": "2026-01-01T00:00:00.0000000Z", "createdBy": "emulator", "createdByType": "Application",
            "lastModifiedAt": "2026-01-01T00:00:00.0000000Z", "lastModifiedBy": "emulator", "lastModifiedByType": "Application"},
    })
}

pub(crate) fn get(site: &Site) -> Reply {
    Ok(request::ok(&body(site)))
}

pub(crate) fn list(site: &Site) -> Reply {
    Ok(request::list(&[body(site)]))
}

pub(crate) fn subscription(site: &Site) -> Reply {
    Ok(request::ok(&json!({
        "id": format!("/subscriptions/{}", site.subscription), "subscriptionId": site.subscription,
        "displayName": "Emulator", "state": "Enabled", "tenantId": site.tenant,
    })))
}

pub(crate) fn resource_group(site: &Site) -> Reply {
    Ok(request::ok(&json!({
        "id": site.group_id(), "name": site.resource_group, "type": "Microsoft.Resources/resourceGroups", "location": site.location,
        "properties": {"provisioningState": "Succeeded"},
    })))
}

/// `GET <workspace>/providers/Microsoft.Authorization/permissions`: everything, as a contributor.
pub(crate) fn permissions() -> Reply {
    let all =
        json!({"actions": ["*"], "notActions": [], "dataActions": ["*"], "notDataActions": []});
    Ok(request::list(&[all]))
}
