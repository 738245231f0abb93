//! The inputs that every stage has, resolved: input, then `config` file, then environment, then service connection.
//! Reads no file and signs in nowhere; the caller brings the keys of the `config` file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::creds::Creds;
use super::{InputProblem, InputProblems, RawInputs, parse_duration, yaml_bool};
use crate::azure::client::AuthMethod;
use crate::host::{Host, IdentityOffer, ServiceConnection};
use crate::secret::Secret;
use crate::stage::names::Named;

/// What every stage knows about where and as whom it works.
#[derive(Debug, Clone, Default)]
pub struct CommonInputs {
    pub subscription_id: Option<String>,
    pub resource_group: Option<String>,
    pub workspace: Option<String>,
    pub config: Option<PathBuf>,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// PEM text.
    pub client_certificate: Option<Secret>,
    pub client_certificate_path: Option<PathBuf>,
    pub auth: AuthMethod,
    pub cloud: Option<String>,
    pub arm_endpoint: Option<String>,
    pub working_directory: Option<PathBuf>,
    pub timeout: Option<Duration>,
    pub dry_run: bool,
    /// Where two sources disagreed and which one counted; for the log.
    pub notes: Vec<String>,
}

/// Whether a stage works without a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceNeed {
    Needed,
    /// `read-config`, and every stage under `dry-run`.
    Optional,
}

/// Names of clouds that the environment may give; other words in these variables are for other tools.
const CLOUDS: &[&str] = &["AzureCloud", "AzureUSGovernment", "AzureChinaCloud"];

impl CommonInputs {
    /// Resolves the common inputs. `config` holds the keys of the `config` file, or nothing. What is missing or malformed is added to
    /// `problems`, so that the user sees it together with everything else.
    pub fn resolve(
        raw: &RawInputs,
        host: &dyn Host,
        config: &BTreeMap<String, String>,
        need: WorkspaceNeed,
        problems: &mut InputProblems,
    ) -> Self {
        let creds = creds(raw, host, problems);
        let connection = match host.identity() {
            IdentityOffer::ServiceConnection(connection) => Some(*connection),
            IdentityOffer::None
            | IdentityOffer::GitHubOidc { .. }
            | IdentityOffer::GitHubOidcMissing => None,
        };
        let sources = Sources {
            raw,
            host,
            config,
            creds: &creds,
            connection: connection.as_ref(),
        };
        let mut common = Self::settings(&sources);
        sources.place(&mut common);
        sources.cloud(&mut common);
        sources.report_wrong_names(&common, problems);
        // A dry run looks nothing up; what it does not know stays as written.
        if need == WorkspaceNeed::Needed && !common.dry_run {
            sources.report_missing(&common, problems);
        }
        common
    }

    /// The values that must be masked before anything else happens.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.client_secret.iter().chain(&self.client_certificate)
    }

    /// What is the same for everyone: no other source has it, or only the environment has.
    fn settings(sources: &Sources<'_>) -> Self {
        let raw = sources.raw;
        let host = sources.host;
        let creds = sources.creds;
        let text = |name: &str| raw.get(name).map(str::to_owned);
        Self {
            config: text("config").map(PathBuf::from),
            tenant_id: text("tenant-id")
                .or_else(|| creds.tenant_id.clone())
                .or_else(|| host.variable("AZURE_TENANT_ID")),
            client_id: text("client-id")
                .or_else(|| creds.client_id.clone())
                .or_else(|| host.variable("AZURE_CLIENT_ID")),
            client_secret: raw
                .get("client-secret")
                .map(Secret::new)
                .or_else(|| creds.client_secret.clone())
                .or_else(|| host.variable("AZURE_CLIENT_SECRET").map(Secret::new)),
            client_certificate: raw.get("client-certificate").map(Secret::new),
            client_certificate_path: text("client-certificate-path")
                .or_else(|| host.variable("AZURE_CLIENT_CERTIFICATE_PATH"))
                .map(PathBuf::from),
            auth: raw.get("auth").map_or(AuthMethod::Auto, auth_method),
            working_directory: text("working-directory").map(PathBuf::from),
            timeout: raw.get("timeout").and_then(parse_duration),
            dry_run: raw
                .get("dry-run")
                .and_then(|value| yaml_bool(value, true))
                .unwrap_or(false),
            ..Self::default()
        }
    }
}

/// The `creds` input, or the variable under which older workflows keep it.
fn creds(raw: &RawInputs, host: &dyn Host, problems: &mut InputProblems) -> Creds {
    let (label, text) = match raw.get("creds") {
        Some(text) => (host.input_label("creds"), Some(text.to_owned())),
        None => (
            "AZURE_CREDENTIALS".to_owned(),
            host.variable("AZURE_CREDENTIALS"),
        ),
    };
    let Some(text) = text else {
        return Creds::default();
    };
    Creds::parse(&text).unwrap_or_else(|why| {
        problems.0.push(InputProblem::Malformed { label, why });
        Creds::default()
    })
}

fn auth_method(word: &str) -> AuthMethod {
    match word {
        "oidc" => AuthMethod::Oidc,
        "service-connection" => AuthMethod::ServiceConnection,
        "client-secret" => AuthMethod::ClientSecret,
        "client-certificate" => AuthMethod::ClientCertificate,
        "managed-identity" => AuthMethod::ManagedIdentity,
        "azure-cli" => AuthMethod::AzureCli,
        // The table of inputs allows nothing else but `auto`.
        _ => AuthMethod::Auto,
    }
}

struct Sources<'a> {
    raw: &'a RawInputs,
    host: &'a dyn Host,
    config: &'a BTreeMap<String, String>,
    creds: &'a Creds,
    connection: Option<&'a ServiceConnection>,
}

/// One of the three names of a workspace, and where else it may come from.
struct Part {
    name: &'static str,
    config_key: Option<&'static str>,
    variable: &'static str,
}

const SUBSCRIPTION: Part = Part {
    name: "subscription-id",
    config_key: None,
    variable: "AZURE_SUBSCRIPTION_ID",
};
const RESOURCE_GROUP: Part = Part {
    name: "resource-group",
    config_key: Some("resource_group"),
    variable: "AZURE_RESOURCE_GROUP",
};
const WORKSPACE: Part = Part {
    name: "workspace",
    config_key: Some("aml_workspace"),
    variable: "AZUREML_WORKSPACE_NAME",
};

impl Sources<'_> {
    fn place(&self, common: &mut CommonInputs) {
        common.subscription_id = self.part(
            &SUBSCRIPTION,
            self.creds.subscription_id.as_deref(),
            self.connection.and_then(|c| c.subscription_id.as_deref()),
            &mut common.notes,
        );
        common.resource_group = self.part(
            &RESOURCE_GROUP,
            None,
            self.connection.and_then(|c| c.resource_group.as_deref()),
            &mut common.notes,
        );
        common.workspace = self.part(
            &WORKSPACE,
            None,
            self.connection.and_then(|c| c.workspace.as_deref()),
            &mut common.notes,
        );
    }

    fn part(
        &self,
        part: &Part,
        in_creds: Option<&str>,
        in_connection: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let from_config = part.config_key.and_then(|key| self.config.get(key));
        let chosen = self
            .raw
            .get(part.name)
            .or(in_creds)
            .or(from_config.map(String::as_str))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .or_else(|| self.host.variable(part.variable));
        match (chosen, in_connection) {
            (Some(chosen), Some(other)) if !chosen.eq_ignore_ascii_case(other) => {
                notes.push(format!(
                    "{} is {chosen}; the service connection has {other}, which does not count",
                    self.host.input_label(part.name)
                ));
                Some(chosen)
            }
            (Some(chosen), _) => Some(chosen),
            (None, other) => other.map(str::to_owned),
        }
    }

    fn cloud(&self, common: &mut CommonInputs) {
        let of_creds = self.creds.cloud();
        common.arm_endpoint = self.raw.get("arm-endpoint").map(str::to_owned);
        common.cloud = self.raw.get("cloud").map(str::to_owned);
        if common.arm_endpoint.is_some() || common.cloud.is_some() {
            return;
        }
        match of_creds {
            Some(Ok(cloud)) => {
                common.cloud = Some(cloud.to_owned());
                return;
            }
            Some(Err(endpoint)) => {
                common.arm_endpoint = Some(endpoint);
                return;
            }
            None => {}
        }
        let of_connection = self.connection.and_then(|c| c.environment.clone());
        common.cloud = ["AZURE_CLOUD", "AZURE_ENVIRONMENT"]
            .iter()
            .filter_map(|name| self.host.variable(name))
            .chain(of_connection)
            .find_map(|word| {
                CLOUDS
                    .iter()
                    .find(|cloud| cloud.eq_ignore_ascii_case(&word))
                    .map(|cloud| (*cloud).to_owned())
            });
        // A cloud of one's own (Azure Stack) is known by its address alone.
        if common.cloud.is_none() {
            common.arm_endpoint = self.connection.and_then(|c| c.arm_endpoint.clone());
        }
    }

    /// They become parts of an address: one that Azure cannot have could name something else there.
    fn report_wrong_names(&self, common: &CommonInputs, problems: &mut InputProblems) {
        for (part, named, value) in [
            (&SUBSCRIPTION, Named::Subscription, &common.subscription_id),
            (
                &RESOURCE_GROUP,
                Named::ResourceGroup,
                &common.resource_group,
            ),
            (&WORKSPACE, Named::Workspace, &common.workspace),
        ] {
            let Some(Err(wrong)) = value.as_deref().map(|value| named.check(value)) else {
                continue;
            };
            problems.0.push(InputProblem::Malformed {
                label: self.host.input_label(part.name),
                why: wrong.text().to_owned(),
            });
        }
    }

    fn report_missing(&self, common: &CommonInputs, problems: &mut InputProblems) {
        for (part, value) in [
            (&SUBSCRIPTION, &common.subscription_id),
            (&RESOURCE_GROUP, &common.resource_group),
            (&WORKSPACE, &common.workspace),
        ] {
            let label = self.host.input_label(part.name);
            // A malformed value was reported already; saying that it is missing would be wrong.
            let reported = problems.0.iter().any(|problem| {
                matches!(problem, InputProblem::UndefinedVariable { label: known, .. } if *known == label)
            });
            if value.is_some() || reported {
                continue;
            }
            let mut also = Vec::new();
            if let Some(key) = part.config_key {
                also.push(format!(
                    "{key} in the file that {} names",
                    self.host.input_label("config")
                ));
            }
            also.push(format!("the variable {}", part.variable));
            if self.host.facts().host == "azure-pipelines" {
                also.push(format!(
                    "a service connection{} in {}",
                    if part.config_key.is_some() {
                        " scoped to a workspace"
                    } else {
                        ""
                    },
                    self.host.input_label("azure-subscription")
                ));
            }
            problems.0.push(InputProblem::Missing {
                label,
                help: String::new(),
                also,
            });
        }
    }
}

#[cfg(test)]
#[path = "common_tests.rs"]
mod tests;
