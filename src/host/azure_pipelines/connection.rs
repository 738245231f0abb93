//! The Azure Resource Manager service connection in the variables that the agent hands to a task. Data only: nothing is signed in here.

use serde_json::Value;

use crate::host::{ConnectionScheme, Env, Masker, ServiceConnection};
use crate::secret::Secret;

/// The connection of the job itself.
const JOB: &str = "SYSTEMVSSCONNECTION";

/// The parameters of a connection whose values are secret. Ids are not: the agent masks them all the same.
const SECRET_PARAMETERS: &[&str] = &[
    "SERVICEPRINCIPALKEY",
    "SERVICEPRINCIPALCERTIFICATE",
    "ACCESSTOKEN",
    "IDTOKEN",
    "PASSWORD",
    "APITOKEN",
];

/// Registers what the agent itself holds secret.
pub(super) fn learn_secrets(env: &Env, masker: &Masker) {
    for (_, value) in env.with_prefix("SECRET_") {
        masker.learn(value);
    }
    if let Some(token) = env.get("SYSTEM_ACCESSTOKEN") {
        masker.add(&Secret::new(token));
    }
    for (rest, value) in env.with_prefix("ENDPOINT_AUTH_PARAMETER_") {
        if SECRET_PARAMETERS
            .iter()
            .any(|name| rest.to_ascii_uppercase().ends_with(name))
        {
            masker.add(&Secret::new(value));
        }
    }
    for (_, value) in env.with_prefix("ENDPOINT_AUTH_") {
        let Ok(json) = serde_json::from_str::<Value>(value) else {
            continue;
        };
        let Some(parameters) = json.get("parameters").and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in parameters {
            if let Some(value) = value.as_str()
                && SECRET_PARAMETERS.contains(&name.to_ascii_uppercase().as_str())
            {
                masker.add(&Secret::new(value));
            }
        }
    }
}

/// Reads the connection with this id. Always gives one: what makes it unusable is in its scheme.
pub(super) fn read(env: &Env, id: &str) -> ServiceConnection {
    let source = Source { env, id };
    ServiceConnection {
        id: id.to_owned(),
        scheme: scheme(&source),
        tenant_id: source.parameter("TENANTID"),
        client_id: source.parameter("SERVICEPRINCIPALID"),
        subscription_id: source.data("SUBSCRIPTIONID"),
        // Only a connection scoped to a workspace has these.
        resource_group: source.data("RESOURCEGROUPNAME"),
        workspace: source.data("MLWORKSPACENAME"),
        environment: source.data("ENVIRONMENT"),
        authority: source
            .data("ACTIVEDIRECTORYAUTHORITY")
            .or_else(|| source.data("ENVIRONMENTAUTHORITYURL")),
        arm_endpoint: source.variable("URL", ""),
    }
}

fn scheme(source: &Source<'_>) -> ConnectionScheme {
    let unusable = |why: String| ConnectionScheme::Unusable(why);
    if !source.is_there() {
        return unusable(format!(
            "the agent handed over no connection with the id {}; it only does so for a task input of the type connectedService:AzureRM, \
             and when the pipeline is authorised to use it",
            source.id
        ));
    }
    let scheme = source
        .variable("AUTH_SCHEME", "")
        .or_else(|| source.auth_json("scheme"))
        .unwrap_or_else(|| "ServicePrincipal".to_owned());
    match scheme.to_ascii_lowercase().as_str() {
        "serviceprincipal" => service_principal(source),
        "workloadidentityfederation" => federated(source),
        "managedserviceidentity" => ConnectionScheme::ManagedIdentity {
            client_id: source.data("MSICLIENTID"),
        },
        "publishprofile" => unusable(
            "a connection with a publish profile reaches one app service, not Azure Resource Manager".to_owned(),
        ),
        _ => unusable(format!("its authentication scheme {scheme} is not known")),
    }
}

fn service_principal(source: &Source<'_>) -> ConnectionScheme {
    let by_certificate = source
        .parameter("AUTHENTICATIONTYPE")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("spnCertificate"));
    let name = if by_certificate {
        "SERVICEPRINCIPALCERTIFICATE"
    } else {
        "SERVICEPRINCIPALKEY"
    };
    match source.parameter(name).map(Secret::new) {
        Some(secret) if by_certificate => ConnectionScheme::Certificate(secret),
        Some(secret) => ConnectionScheme::Secret(secret),
        None => ConnectionScheme::Unusable(format!(
            "the agent handed over no {}",
            name.to_ascii_lowercase()
        )),
    }
}

fn federated(source: &Source<'_>) -> ConnectionScheme {
    let env = source.env;
    let Some(request_uri) = env
        .get("SYSTEM_OIDCREQUESTURI")
        .map(str::to_owned)
        .or_else(|| server_request_uri(env))
    else {
        return ConnectionScheme::Unusable(
            "System.OidcRequestUri is not set, so no ID token can be asked for".to_owned(),
        );
    };
    let job = Source { env, id: JOB };
    match job
        .parameter("ACCESSTOKEN")
        .or_else(|| env.get("SYSTEM_ACCESSTOKEN").map(str::to_owned))
    {
        Some(token) => ConnectionScheme::Federated {
            request_uri,
            job_token: Secret::new(token),
        },
        None => ConnectionScheme::Unusable(
            "the job's access token is not there, so no ID token can be asked for; a script step must map SYSTEM_ACCESSTOKEN"
                .to_owned(),
        ),
    }
}

/// Azure DevOps Server before `System.OidcRequestUri` existed; there the operation is a preview and must be asked for as one.
fn server_request_uri(env: &Env) -> Option<String> {
    let collection = env.first(&["SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"])?;
    Some(format!(
        "{}/{}/_apis/distributedtask/hubs/{}/plans/{}/jobs/{}/oidctoken?api-version=7.1-preview.1",
        collection.trim_end_matches('/'),
        env.get("SYSTEM_TEAMPROJECTID")?,
        env.get("SYSTEM_HOSTTYPE")?,
        env.get("SYSTEM_PLANID")?,
        env.get("SYSTEM_JOBID")?,
    ))
}

/// The variables of one connection. The agent gives each field as a variable and all of them as JSON; keys are upper-cased, ids are
/// written as the server has them.
struct Source<'a> {
    env: &'a Env,
    id: &'a str,
}

impl Source<'_> {
    fn is_there(&self) -> bool {
        ["URL", "AUTH", "AUTH_SCHEME"]
            .iter()
            .any(|kind| self.variable(kind, "").is_some())
    }

    /// `ENDPOINT_<kind>_<id><rest>`, with the id in any case.
    fn variable(&self, kind: &str, rest: &str) -> Option<String> {
        [
            self.id.to_owned(),
            self.id.to_ascii_lowercase(),
            self.id.to_ascii_uppercase(),
        ]
        .iter()
        .find_map(|id| self.env.get(&format!("ENDPOINT_{kind}_{id}{rest}")))
        .map(str::to_owned)
    }

    fn parameter(&self, key: &str) -> Option<String> {
        self.variable("AUTH_PARAMETER", &format!("_{key}"))
            .or_else(|| field(self.json("AUTH")?.get("parameters")?, key))
    }

    fn data(&self, key: &str) -> Option<String> {
        self.variable("DATA", &format!("_{key}"))
            .or_else(|| field(&self.json("DATA")?, key))
    }

    fn auth_json(&self, key: &str) -> Option<String> {
        field(&self.json("AUTH")?, key)
    }

    fn json(&self, kind: &str) -> Option<Value> {
        serde_json::from_str(&self.variable(kind, "")?).ok()
    }
}

fn field(object: &Value, key: &str) -> Option<String> {
    object
        .as_object()?
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .and_then(|(_, value)| value.as_str())
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d-0000-4000-8000-00000000000f";

    fn env(scheme: &[(&str, &str)], others: &[(&str, &str)]) -> Env {
        Env::from_pairs(
            scheme
                .iter()
                .map(|(kind, value)| (kind.replace("{id}", ID), (*value).to_owned()))
                .chain(
                    others
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
                ),
        )
    }

    fn connection(pairs: &[(&str, &str)], others: &[(&str, &str)]) -> ServiceConnection {
        read(&env(pairs, others), &ID.to_ascii_uppercase())
    }

    #[test]
    fn a_missing_scheme_is_a_service_principal_with_a_key() {
        let connection = connection(
            &[
                ("ENDPOINT_URL_{id}", "https://management.azure.com/"),
                ("ENDPOINT_AUTH_PARAMETER_{id}_TENANTID", "t"),
                (
                    "ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALKEY",
                    "the-key",
                ),
            ],
            &[],
        );
        assert!(
            matches!(&connection.scheme, ConnectionScheme::Secret(key) if key.expose() == "the-key")
        );
        assert_eq!(connection.tenant_id.as_deref(), Some("t"));
        assert_eq!(
            connection.arm_endpoint.as_deref(),
            Some("https://management.azure.com/")
        );
    }

    #[test]
    fn a_certificate_is_told_by_its_authentication_type_in_any_case() {
        let connection = connection(
            &[
                ("ENDPOINT_AUTH_SCHEME_{id}", "serviceprincipal"),
                (
                    "ENDPOINT_AUTH_PARAMETER_{id}_AUTHENTICATIONTYPE",
                    "SPNCertificate",
                ),
                (
                    "ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALCERTIFICATE",
                    "PEM",
                ),
            ],
            &[],
        );
        assert!(matches!(
            connection.scheme,
            ConnectionScheme::Certificate(_)
        ));
    }

    #[test]
    fn federation_needs_the_request_uri_and_the_jobs_token() {
        let scheme = [("ENDPOINT_AUTH_SCHEME_{id}", "WorkloadIdentityFederation")];
        let uri = ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/o/oidctoken");
        let token = (
            "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN",
            "job-token",
        );
        let whole = connection(&scheme, &[uri, token]).scheme;
        assert!(
            matches!(&whole, ConnectionScheme::Federated { request_uri, job_token }
                if request_uri == uri.1 && job_token.expose() == "job-token")
        );
        let in_json = (
            "ENDPOINT_AUTH_SYSTEMVSSCONNECTION",
            r#"{"scheme":"OAuth","parameters":{"AccessToken":"job-token"}}"#,
        );
        assert!(matches!(
            connection(&scheme, &[uri, in_json]).scheme,
            ConnectionScheme::Federated { .. }
        ));
        assert!(
            matches!(connection(&scheme, &[uri]).scheme, ConnectionScheme::Unusable(why) if why.contains("access token"))
        );
        assert!(
            matches!(connection(&scheme, &[token]).scheme, ConnectionScheme::Unusable(why) if why.contains("OidcRequestUri"))
        );
    }

    #[test]
    fn an_older_server_has_its_request_address_composed() {
        let scheme = connection(
            &[("ENDPOINT_AUTH_SCHEME_{id}", "WorkloadIdentityFederation")],
            &[
                ("SYSTEM_COLLECTIONURI", "https://tfs/c/"),
                ("SYSTEM_TEAMPROJECTID", "p"),
                ("SYSTEM_HOSTTYPE", "build"),
                ("SYSTEM_PLANID", "pl"),
                ("SYSTEM_JOBID", "j"),
                ("SYSTEM_ACCESSTOKEN", "job-token"),
            ],
        )
        .scheme;
        assert!(
            matches!(scheme, ConnectionScheme::Federated { request_uri, .. }
                if request_uri == "https://tfs/c/p/_apis/distributedtask/hubs/build/plans/pl/jobs/j/oidctoken?api-version=7.1-preview.1")
        );
    }

    #[test]
    fn a_managed_identity_may_be_user_assigned() {
        let scheme = ("ENDPOINT_AUTH_SCHEME_{id}", "ManagedServiceIdentity");
        let user = connection(&[scheme, ("ENDPOINT_DATA_{id}_MSICLIENTID", "c")], &[]);
        assert!(
            matches!(user.scheme, ConnectionScheme::ManagedIdentity { client_id: Some(id) } if id == "c")
        );
        assert!(matches!(
            connection(&[scheme], &[]).scheme,
            ConnectionScheme::ManagedIdentity { client_id: None }
        ));
    }

    #[test]
    fn a_connection_scoped_to_a_workspace_names_it_in_variables_or_in_json() {
        let scheme = ("ENDPOINT_AUTH_SCHEME_{id}", "ManagedServiceIdentity");
        let by_variables = connection(
            &[
                scheme,
                ("ENDPOINT_DATA_{id}_SUBSCRIPTIONID", "s"),
                ("ENDPOINT_DATA_{id}_RESOURCEGROUPNAME", "rg"),
                ("ENDPOINT_DATA_{id}_MLWORKSPACENAME", "ws"),
                ("ENDPOINT_DATA_{id}_ENVIRONMENT", "AzureUSGovernment"),
            ],
            &[],
        );
        let by_json = connection(
            &[
                scheme,
                (
                    "ENDPOINT_DATA_{id}",
                    r#"{"subscriptionId":"s","resourceGroupName":"rg","mlWorkspaceName":"ws","environment":"AzureUSGovernment"}"#,
                ),
            ],
            &[],
        );
        for connection in [by_variables, by_json] {
            assert_eq!(connection.subscription_id.as_deref(), Some("s"));
            assert_eq!(connection.resource_group.as_deref(), Some("rg"));
            assert_eq!(connection.workspace.as_deref(), Some("ws"));
            assert_eq!(connection.environment.as_deref(), Some("AzureUSGovernment"));
        }
    }

    #[test]
    fn what_cannot_sign_in_says_why() {
        let why = |pairs: &[(&str, &str)]| {
            let ConnectionScheme::Unusable(why) = connection(pairs, &[]).scheme else {
                panic!("{pairs:?} is usable");
            };
            why
        };
        assert!(why(&[]).contains("handed over no connection"));
        assert!(
            why(&[("ENDPOINT_AUTH_SCHEME_{id}", "PublishProfile")]).contains("publish profile")
        );
        assert!(why(&[("ENDPOINT_AUTH_SCHEME_{id}", "Token")]).contains("Token"));
        assert!(
            why(&[("ENDPOINT_AUTH_SCHEME_{id}", "ServicePrincipal")])
                .contains("serviceprincipalkey")
        );
    }
}
