//! Where the common inputs come from, and what is said when they come from nowhere.

use super::*;
use crate::host::{AzurePipelines, Env, GitHub, Options, Terminal};
use crate::stage::Stage;

static STAGE: Stage = Stage {
    name: "try",
    summary: "",
    inputs: &[],
    outputs: &[],
    needs_workspace: true,
    run: crate::stage::does_nothing,
};

fn resolve(
    host: &dyn Host,
    config: &[(&str, &str)],
    need: WorkspaceNeed,
) -> (CommonInputs, InputProblems) {
    let mut collected = RawInputs::collect(host, &STAGE, &[]);
    let config = config
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let common = CommonInputs::resolve(
        &collected.inputs,
        host,
        &config,
        need,
        &mut collected.problems,
    );
    (common, collected.problems)
}

fn github(pairs: &[(&str, &str)]) -> GitHub {
    let env = Env::from_pairs(pairs.iter().copied());
    GitHub::writing_to(env, Options::default(), Box::new(std::io::sink()))
}

fn azure(pairs: &[(&str, &str)]) -> AzurePipelines {
    let env = Env::from_pairs(pairs.iter().copied());
    AzurePipelines::writing_to(env, Options::default(), Box::new(std::io::sink()))
}

const CONNECTION: &[(&str, &str)] = &[
    ("INPUT_AZURESUBSCRIPTION", "abc"),
    ("ENDPOINT_AUTH_SCHEME_abc", "ManagedServiceIdentity"),
    ("ENDPOINT_DATA_abc_SUBSCRIPTIONID", "sub-connection"),
    ("ENDPOINT_DATA_abc_RESOURCEGROUPNAME", "rg-connection"),
    ("ENDPOINT_DATA_abc_MLWORKSPACENAME", "ws-connection"),
    ("ENDPOINT_DATA_abc_ENVIRONMENT", "AzureChinaCloud"),
];

#[test]
fn an_input_counts_before_config_before_environment_before_connection() {
    let mut pairs = CONNECTION.to_vec();
    let place = |pairs: &[(&str, &str)], config: &[(&str, &str)]| {
        let (common, problems) = resolve(&azure(pairs), config, WorkspaceNeed::Needed);
        assert_eq!(problems, InputProblems::default());
        (common.resource_group.unwrap(), common.workspace.unwrap())
    };
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(place(&pairs, &[]), both("rg-connection", "ws-connection"));
    pairs.extend([
        ("AZURE_RESOURCE_GROUP", "rg-env"),
        ("AZUREML_WORKSPACE_NAME", "ws-env"),
    ]);
    assert_eq!(place(&pairs, &[]), both("rg-env", "ws-env"));
    let config = [
        ("resource_group", "rg-config"),
        ("aml_workspace", "ws-config"),
    ];
    assert_eq!(place(&pairs, &config), both("rg-config", "ws-config"));
    pairs.push(("INPUT_RESOURCEGROUP", "rg-input"));
    assert_eq!(place(&pairs, &config), both("rg-input", "ws-config"));
}

#[test]
fn a_connection_that_disagrees_is_noted_and_does_not_count() {
    let mut pairs = CONNECTION.to_vec();
    pairs.push(("INPUT_SUBSCRIPTIONID", "sub-input"));
    let (common, _) = resolve(&azure(&pairs), &[], WorkspaceNeed::Needed);
    assert_eq!(common.subscription_id.as_deref(), Some("sub-input"));
    assert_eq!(
        common.notes,
        [
            "subscriptionId is sub-input; the service connection has sub-connection, which does not count"
        ]
    );
    assert_eq!(common.cloud.as_deref(), Some("AzureChinaCloud"));
}

#[test]
fn what_is_missing_is_said_together_with_every_other_way_to_give_it() {
    let (_, problems) = resolve(
        &github(&[("INPUT_DRY-RUN", "maybe"), ("INPUT_AUTH", "odic")]),
        &[],
        WorkspaceNeed::Needed,
    );
    insta::assert_snapshot!("missing_on_github", problems);
    let (_, problems) = resolve(
        &azure(&[("INPUT_WORKSPACE", "$(workspace)")]),
        &[],
        WorkspaceNeed::Needed,
    );
    insta::assert_snapshot!("missing_on_azure", problems);
    let terminal = Terminal::writing_to(
        Env::default(),
        Options::default(),
        Box::new(std::io::sink()),
        Box::new(std::io::sink()),
        false,
    );
    let (_, problems) = resolve(&terminal, &[], WorkspaceNeed::Needed);
    insta::assert_snapshot!("missing_in_a_terminal", problems);
}

#[test]
fn a_dry_run_and_a_stage_without_a_workspace_miss_nothing() {
    let (common, problems) = resolve(
        &github(&[("INPUT_DRY-RUN", "True")]),
        &[],
        WorkspaceNeed::Needed,
    );
    assert!(common.dry_run && problems.is_empty());
    let (_, problems) = resolve(&github(&[]), &[], WorkspaceNeed::Optional);
    assert!(problems.is_empty());
}

#[test]
fn a_name_that_azure_cannot_have_is_refused_wherever_it_comes_from() {
    let (_, problems) = resolve(
        &github(&[
            ("INPUT_WORKSPACE", "a/../b?x=1#"),
            ("AZURE_SUBSCRIPTION_ID", "Visual Studio Enterprise"),
        ]),
        &[("resource_group", "rg%2f")],
        WorkspaceNeed::Needed,
    );
    let text = problems.to_string();
    assert_eq!(problems.0.len(), 3, "{text}");
    for start in [
        "subscription-id: a subscription's id has only",
        "resource-group: a resource group's name has only",
        "workspace: a workspace's name has only",
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{text}");
    }
}

#[test]
fn creds_fill_in_what_no_input_gives() {
    let json = r#"{"clientId":"c-json","clientSecret":"planted-secret","tenantId":"t-json","subscriptionId":"s-json",
        "resourceManagerEndpointUrl":"https://management.chinacloudapi.cn/"}"#;
    let pairs = [
        ("INPUT_CREDS", json),
        ("INPUT_CLIENT-ID", "c-input"),
        ("AZURE_TENANT_ID", "t-env"),
        ("AZURE_SUBSCRIPTION_ID", "s-env"),
    ];
    let (common, _) = resolve(&github(&pairs), &[], WorkspaceNeed::Optional);
    assert_eq!(common.client_id.as_deref(), Some("c-input"));
    assert_eq!(common.tenant_id.as_deref(), Some("t-json"));
    assert_eq!(common.subscription_id.as_deref(), Some("s-json"));
    assert_eq!(common.cloud.as_deref(), Some("AzureChinaCloud"));
    let secrets: Vec<_> = common.secrets().map(Secret::expose).collect();
    assert_eq!(secrets, ["planted-secret"]);
    assert!(!format!("{common:?}").contains("planted-secret"));
}

#[test]
fn broken_creds_are_a_problem_with_the_input() {
    let (_, problems) = resolve(
        &github(&[("INPUT_CREDS", "planted-secret")]),
        &[],
        WorkspaceNeed::Optional,
    );
    let text = problems.to_string();
    assert!(text.starts_with("creds: not the JSON of"), "{text}");
    assert!(!text.contains("planted-secret"), "{text}");
}

#[test]
fn the_standard_variables_are_read() {
    let (common, problems) = resolve(
        &github(&[
            ("AZURE_SUBSCRIPTION_ID", "s"),
            ("AZURE_RESOURCE_GROUP", "g"),
            ("AZUREML_WORKSPACE_NAME", "www"),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "planted-secret"),
            ("AZURE_CLIENT_CERTIFICATE_PATH", "/cert.pem"),
            ("INPUT_TIMEOUT", "1h30m"),
            ("INPUT_AUTH", "managed-identity"),
        ]),
        &[],
        WorkspaceNeed::Needed,
    );
    assert!(problems.is_empty());
    assert_eq!(common.client_secret.unwrap().expose(), "planted-secret");
    assert_eq!(
        common.client_certificate_path,
        Some(PathBuf::from("/cert.pem"))
    );
    assert_eq!(common.timeout, Some(Duration::from_secs(5400)));
    assert_eq!(common.auth, AuthMethod::ManagedIdentity);
    assert_eq!(common.cloud, None);
}
