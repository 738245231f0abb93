//! `read-config`, and `config` as an input of other stages.

use crate::support::world::World;

const CONFIG: &str = "# Prod environment\nvariables:\n\n  namespace: mlopsv2 #Note: a long one fails\n  postfix: 0001\n  location: eastus\n  environment: prod\n  enable_aml_computecluster: true\n  resource_group: rg-$(namespace)-$(postfix)$(environment)\n  aml_workspace: mlw-$(namespace)-$(postfix)$(environment)\n  storage_account: st$(namespace)$(postfix)$(environment)\n  terraform_st_location: $(location)\n";

#[tokio::test]
async fn the_branch_chooses_the_file_and_its_keys_are_outputs() {
    let world = World::new().await;
    world.file("config-infra-prod.yml", CONFIG);
    world.file("config-infra-dev.yml", &CONFIG.replace("prod", "dev"));
    let main = world.on_github("read-config", &[], &[]).await.succeeded();
    assert_eq!(main.output("resource_group"), "rg-mlopsv2-0001prod");
    assert_eq!(main.output("postfix"), "0001");
    assert_eq!(main.output("changed"), "unchanged");
    let branch = [
        ("GITHUB_REF", "refs/heads/feature"),
        ("GITHUB_REF_NAME", "feature"),
    ];
    let other = world
        .on_github("read-config", &[], &branch)
        .await
        .succeeded();
    assert_eq!(other.output("aml_workspace"), "mlw-mlopsv2-0001dev");
    assert_eq!(other.output("terraform_st_location"), "eastus");
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn what_would_fail_later_fails_now_with_its_line() {
    let world = World::new().await;
    let long = CONFIG
        .replace("mlopsv2", "averylongnamespace")
        .replace("computecluster: true", "computecluster: yep");
    world.file("config-infra-prod.yml", &long);
    let ran = world.on_github("read-config", &[], &[]).await;
    assert_eq!(ran.code, 2);
    for word in [
        "file=config-infra-prod.yml,line=8",
        "line=11",
        "storage account",
    ] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
}

#[tokio::test]
async fn a_config_file_names_the_workspace_of_another_stage() {
    let world = World::new().await;
    world.file(
        "c.yml",
        "variables:\n  resource_group: rg-emulator\n  aml_workspace: mlw-emulator\n",
    );
    let inputs = [
        ("config", "c.yml"),
        ("resource-group", ""),
        ("workspace", ""),
    ];
    world.stage("connect", &inputs).await.succeeded();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let world = World::new().await;
    let ran = world.stage("read-config", &[("branch", "main")]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.shown.contains("config-infra-prod.yml"), "{}", ran.shown);
}
