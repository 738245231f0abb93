//! What to do about the common refusals, as a table. Only adds words: nothing is decided here.

use super::error::{ArmError, ServiceError};

/// What to look at when nothing answers, or somebody else does.
pub(super) const REACHING: &str = "Check the network, the proxy (HTTPS_PROXY, NO_PROXY) and, behind a proxy that inspects TLS, its \
     certificate (NODE_EXTRA_CA_CERTS names a PEM file to trust).";

/// The next step for a user, where one is known.
pub fn advice(error: &ArmError) -> Option<String> {
    match error {
        ArmError::SignIn(error) => error.advice.clone(),
        ArmError::Denied(said)
        | ArmError::NotFound(said)
        | ArmError::Conflict(said)
        | ArmError::Throttled(said)
        | ArmError::Api(said) => for_service(said),
        ArmError::Transport { .. } => Some(
            format!("{REACHING} Check also that the address is right. Running again is safe: what is there already is recognised."),
        ),
        ArmError::TimedOut { .. } => Some(
            "The service may still finish it. Running again finds what is there; a longer `timeout` waits longer."
                .to_owned(),
        ),
        ArmError::Decode { .. } | ArmError::Local { .. } => None,
    }
}

struct Row {
    /// Codes, whatever their case; empty: any.
    codes: &'static [&'static str],
    /// One of these is in the message, in lower case; empty: any.
    phrases: &'static [&'static str],
    /// Empty: any.
    statuses: &'static [u16],
    says: &'static str,
}

impl Row {
    fn fits(&self, said: &ServiceError) -> bool {
        let message = said.message.to_lowercase();
        let code = |code: &&str| code.eq_ignore_ascii_case(&said.code);
        (self.codes.is_empty() || self.codes.iter().any(code))
            && (self.phrases.is_empty() || self.phrases.iter().any(|words| message.contains(words)))
            && (self.statuses.is_empty() || self.statuses.contains(&said.status))
    }
}

const ENDPOINT_TAKEN: &str = "The name of an endpoint is part of its address, so it is taken for everybody in the region, and this \
     workspace has no endpoint of that name: choose another, for example with the project's and the environment's name in it.";

/// The first row that fits counts. `{action}`, `{scope}`, `{who}` and `{role}` come from the message.
/// Codes: <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>, service notes 18.
const ROWS: &[Row] = &[
    Row {
        codes: &["AuthorizationFailed", "LinkedAuthorizationFailed"],
        phrases: &["perform action"],
        statuses: &[],
        says: "The identity lacks `{action}` on {scope}. The built-in role `{role}` has it:\n  \
               az role assignment create --assignee {who} --role \"{role}\" --scope {workspace}\n\
               A new assignment takes up to ten minutes to count.",
    },
    Row {
        codes: &[
            "AuthorizationPermissionMismatch",
            "InsufficientAccountPermissions",
        ],
        phrases: &[],
        statuses: &[],
        says: "The identity may not use the workspace's storage: give it the role `Storage Blob Data Contributor` on the \
               storage account. A new assignment takes up to ten minutes to count.",
    },
    Row {
        codes: &["PublicAccessNotPermitted", "AuthorizationFailure"],
        phrases: &[],
        statuses: &[],
        says: "The storage account's firewall keeps this machine out: run inside its network (a self-hosted runner), or allow \
               this address under the account's Networking.",
    },
    Row {
        codes: &[],
        phrases: &[
            "public network access",
            "publicnetworkaccess",
            "private endpoint",
            "private link",
            "behind a virtual network",
            "public access is not allowed",
        ],
        statuses: &[400, 403],
        says: "The workspace takes no requests from public networks: run inside its virtual network (a self-hosted runner), or \
               allow public access under the workspace's Networking.",
    },
    Row {
        codes: &["InvalidAuthenticationTokenTenant"],
        phrases: &[],
        statuses: &[],
        says: "The token is of another tenant than the subscription: set tenant-id to the subscription's tenant.",
    },
    Row {
        codes: &[
            "InvalidAuthenticationToken",
            "ExpiredAuthenticationToken",
            "AuthenticationFailed",
        ],
        phrases: &[],
        statuses: &[401],
        says: "The service took none of two fresh tokens. Check cloud, arm-endpoint and tenant-id, and the clock of this machine.",
    },
    Row {
        codes: &["InvalidAuthenticationTokenAudience"],
        phrases: &[],
        statuses: &[],
        says: "The token is for another cloud: check cloud and arm-endpoint.",
    },
    Row {
        codes: &["SubscriptionNotFound", "InvalidSubscriptionId"],
        phrases: &[],
        statuses: &[],
        says: "Check subscription-id. A subscription that the identity has no role in looks the same as one that does not exist.",
    },
    Row {
        codes: &[
            "SubscriptionNotRegistered",
            "MissingSubscriptionRegistration",
        ],
        phrases: &[],
        statuses: &[],
        says: "Register the provider once: az provider register --namespace Microsoft.MachineLearningServices",
    },
    Row {
        codes: &[
            "DisabledSubscription",
            "ReadOnlyDisabledSubscription",
            "SubscriptionDisabled",
        ],
        phrases: &[],
        statuses: &[],
        says: "The subscription is disabled: its owner must enable it again in the portal.",
    },
    Row {
        codes: &["ResourceGroupNotFound"],
        phrases: &[],
        statuses: &[],
        says: "Check resource-group (or resource_group in the config file) and subscription-id; names are spelled as in the portal.",
    },
    Row {
        codes: &[
            "ResourceNotFound",
            "ParentResourceNotFound",
            "WorkspaceNotFound",
        ],
        phrases: &["machinelearningservices/workspaces"],
        statuses: &[404],
        says: "Check workspace (or aml_workspace in the config file), resource-group and subscription-id.",
    },
    Row {
        codes: &["ScopeLocked"],
        phrases: &[],
        statuses: &[],
        says: "A lock protects the resource or its group: remove it under Locks in the portal, or choose another.",
    },
    Row {
        codes: &["RequestDisallowedByPolicy"],
        phrases: &[],
        statuses: &[],
        says: "A policy of the subscription forbids this as it is written; the message names the policy. Its owner can say what is allowed.",
    },
    Row {
        codes: &[
            "ClusterCoreQuotaReached",
            "ClusterMinNodesExceedCoreQuota",
            "OutOfQuota",
            "QuotaExceeded",
            "InsufficientQuota",
            "OperationNotAllowed",
        ],
        phrases: &["quota", "core", "limit"],
        statuses: &[],
        says: "The subscription's quota of cores for this VM size and region is used up: choose a smaller size or fewer \
               instances, delete idle compute, or ask for more (Studio, Quota; or the portal, Quotas).",
    },
    Row {
        codes: &[],
        phrases: &[
            "not enough quota",
            "exceeding approved",
            "exceeds quota",
            "quota limit",
        ],
        statuses: &[],
        says: "The quota for this VM size and region is used up: choose another size or fewer instances, or ask for more \
               (Studio, Quota; or the portal, Quotas).",
    },
    Row {
        codes: &[
            "SkuNotAvailable",
            "VmSizeNotSupported",
            "UnsupportedVmSize",
            "InvalidVmSize",
        ],
        phrases: &[],
        statuses: &[],
        says: "This VM size does not exist in the workspace's region: az ml compute list-sizes --location REGION shows those that do.",
    },
    Row {
        codes: &[],
        phrases: &["vm size", "vmsize"],
        statuses: &[400],
        says: "Check the size: az ml compute list-sizes --location REGION shows what the workspace's region has.",
    },
    Row {
        codes: &[
            "LocationNotAvailableForResourceType",
            "NoRegisteredProviderFound",
        ],
        phrases: &[],
        statuses: &[],
        says: "The workspace's region does not offer this; https://azure.microsoft.com/explore/global-infrastructure/products-by-region lists what is where.",
    },
    Row {
        codes: &[],
        phrases: &[
            "asset paths cannot be updated",
            "cannot be changed",
            "cannot be recreated",
            "is immutable",
        ],
        statuses: &[],
        says: "A version that exists cannot get other content: leave `version` out for the next one, or give a new one.",
    },
    Row {
        codes: &["EndpointAlreadyExists"],
        phrases: &[],
        statuses: &[],
        says: ENDPOINT_TAKEN,
    },
    Row {
        codes: &[],
        phrases: &[
            "unique within a region",
            "already an endpoint with this name",
        ],
        statuses: &[],
        says: ENDPOINT_TAKEN,
    },
    Row {
        codes: &[],
        phrases: &[
            "soft-deleted",
            "soft deleted",
            "softdelete",
            "recently deleted",
        ],
        statuses: &[],
        says: "Something of this name was deleted and its name is still kept: recover or purge it in the portal, wait until the name \
               is free, or choose another.",
    },
    Row {
        codes: &[],
        phrases: &["already exists"],
        statuses: &[400, 409],
        says: "The name or version is taken by something else: choose another, or leave `version` out for the next one.",
    },
    Row {
        codes: &[
            "AllocationFailed",
            "OverconstrainedAllocationRequest",
            "ZonalAllocationFailed",
        ],
        phrases: &[],
        statuses: &[],
        says: "The region has no machines of this size free at the moment: try later, or choose another size.",
    },
    Row {
        codes: &["ImageBuildFailure"],
        phrases: &[],
        statuses: &[],
        says: "The environment's image did not build: its build log is in Studio under Environments.",
    },
    Row {
        codes: &["ResourceNotReady"],
        phrases: &[],
        statuses: &[],
        says: "The container started and failed: its own log has the reason (az ml online-deployment get-logs).",
    },
    Row {
        codes: &[],
        phrases: &[
            "provisioning state",
            "another operation",
            "is being updated",
        ],
        statuses: &[400, 409],
        says: "Something else is changing it right now: wait for that to finish and run again.",
    },
    Row {
        codes: &[],
        phrases: &[],
        statuses: &[429],
        says: "The subscription is throttled, even after several waits: run fewer things at once, or try again in some minutes.",
    },
    Row {
        codes: &[],
        phrases: &[],
        statuses: &[500, 502, 503, 504],
        says: "The service is unwell (https://status.azure.com); running again later is safe. Quote the request id to support.",
    },
];

pub(crate) fn for_service(said: &ServiceError) -> Option<String> {
    let row = ROWS.iter().find(|row| row.fits(said))?;
    let between = |before: &str| {
        let (_, rest) = said.message.split_once(before)?;
        rest.split_once('\'').map(|(inner, _)| inner)
    };
    let action = between("perform action '").unwrap_or("this action");
    let scope = between("over scope '").unwrap_or("the workspace");
    let who = between("object id '")
        .or_else(|| between("The client '"))
        .unwrap_or("CLIENT_ID");
    Some(
        row.says
            .replace("{action}", action)
            .replace("{scope}", scope)
            .replace("{workspace}", workspace_of(scope))
            .replace("{who}", who)
            .replace("{role}", role_for(action)),
    )
}

/// Roles are given on the workspace, not on a job in it.
fn workspace_of(scope: &str) -> &str {
    let marker = "/workspaces/";
    let Some(at) = scope.to_ascii_lowercase().find(marker) else {
        return scope;
    };
    let name = at + marker.len();
    let end = scope[name..]
        .find('/')
        .map_or(scope.len(), |end| name + end);
    &scope[..end]
}

/// The narrowest built-in role with an action; the first prefix that fits counts.
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/ai-machine-learning>
const ROLES: &[(&str, &str)] = &[
    // Data Scientist is told not to write or delete computes.
    (
        "microsoft.machinelearningservices/workspaces/computes/read",
        "AzureML Data Scientist",
    ),
    (
        "microsoft.machinelearningservices/workspaces/computes/",
        "AzureML Compute Operator",
    ),
    (
        "microsoft.machinelearningservices/workspaces/read",
        "AzureML Data Scientist",
    ),
    (
        "microsoft.machinelearningservices/workspaces/write",
        "Contributor",
    ),
    (
        "microsoft.machinelearningservices/workspaces/delete",
        "Contributor",
    ),
    (
        "microsoft.machinelearningservices/workspaces/listkeys/",
        "Contributor",
    ),
    (
        "microsoft.machinelearningservices/workspaces/",
        "AzureML Data Scientist",
    ),
    (
        "microsoft.machinelearningservices/registries/",
        "AzureML Registry User",
    ),
    (
        "microsoft.storage/storageaccounts/blobservices/",
        "Storage Blob Data Contributor",
    ),
    (
        "microsoft.authorization/roleassignments/",
        "Role Based Access Control Administrator",
    ),
    ("microsoft.resources/subscriptions/", "Reader"),
];

fn role_for(action: &str) -> &'static str {
    let action = action.to_ascii_lowercase();
    ROLES
        .iter()
        .find(|(prefix, _)| action.starts_with(prefix))
        .map_or("Contributor", |(_, role)| role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(status: u16, code: &str, message: &str) -> Option<String> {
        for_service(&ServiceError {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            ..ServiceError::default()
        })
    }

    #[test]
    fn a_missing_role_is_named_with_the_command_that_gives_it() {
        let scope = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W";
        for (action, role) in [
            ("computes/write", "AzureML Compute Operator"),
            ("computes/read", "AzureML Data Scientist"),
            ("jobs/write", "AzureML Data Scientist"),
            ("write", "Contributor"),
        ] {
            let message = format!(
                "The client 'c' with object id 'o' does not have authorization to perform action \
                 'Microsoft.MachineLearningServices/workspaces/{action}' over scope '{scope}/computes/x' or the scope is invalid."
            );
            let text = on(403, "AuthorizationFailed", &message).unwrap();
            assert!(
                text.contains(&format!("--role \"{role}\" --scope {scope}\n")),
                "{text}"
            );
            assert!(text.contains("--assignee o "), "{text}");
        }
    }

    #[test]
    fn the_common_refusals_have_a_next_step() {
        for (status, code, message, word) in [
            (404, "SubscriptionNotFound", "", "subscription-id"),
            (404, "ResourceGroupNotFound", "", "resource-group"),
            (
                404,
                "ResourceNotFound",
                "The Resource 'Microsoft.MachineLearningServices/workspaces/W' was not found.",
                "aml_workspace",
            ),
            (200, "ClusterCoreQuotaReached", "cores", "quota"),
            (
                400,
                "UserError",
                "VmSize: Not enough quota available for X",
                "quota",
            ),
            (
                400,
                "UserError",
                "the existing asset's data uri cannot be changed.",
                "version",
            ),
            (
                409,
                "UserError",
                "A job with this name already exists.",
                "choose another",
            ),
            (429, "TooManyRequests", "", "throttled"),
            (401, "InvalidAuthenticationTokenTenant", "", "tenant-id"),
            (
                403,
                "AuthorizationPermissionMismatch",
                "",
                "Storage Blob Data Contributor",
            ),
            (
                403,
                "Forbidden",
                "Public network access is disabled",
                "virtual network",
            ),
            (400, "SkuNotAvailable", "", "list-sizes"),
            (
                400,
                "UserError",
                "There is already an endpoint with this name, Endpoint name needs to be unique within a region",
                "choose another",
            ),
            (
                409,
                "Conflict",
                "An endpoint of this name is soft-deleted.",
                "purge",
            ),
            (503, "x", "", "unwell"),
        ] {
            let text = on(status, code, message).unwrap_or_default();
            assert!(text.contains(word), "{code} {message}: {text}");
            assert!(!text.contains('{'), "{text}");
        }
        assert_eq!(on(404, "NotFound", "Job X not found."), None);
    }
}
