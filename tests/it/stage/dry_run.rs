//! `dry-run`: what would be sent, without credentials and without a request.

use crate::support::world::World;

#[tokio::test]
async fn a_dry_run_shows_the_requests_and_sends_none() {
    let world = World::with_wine().await;
    for (stage, file, request) in [
        ("register-data", "data.yml", "PUT data/wine/versions/"),
        (
            "register-environment",
            "environment.yml",
            "PUT environments/wine-train/versions/",
        ),
        ("create-compute", "compute.yml", "PUT computes/cpu-cluster"),
        ("run-job", "pipeline.yml", "PUT jobs/"),
    ] {
        let inputs = [
            ("file", file),
            ("dry-run", "true"),
            ("subscription-id", ""),
            ("resource-group", ""),
            ("workspace", ""),
        ];
        let ran = world.stage(stage, &inputs).await.succeeded();
        assert!(ran.shown.contains(request), "{}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn with_credentials_a_dry_run_reads_and_says_what_would_become_of_what_exists() {
    let world = World::with_wine().await;
    let file = [("file", "environment.yml")];
    world.stage("register-environment", &file).await.succeeded();
    let before = world.emulator.requests().len();
    let inputs = [("file", "environment.yml"), ("dry-run", "true")];
    let ran = world
        .stage("register-environment", &inputs)
        .await
        .succeeded();
    let shown = &ran.shown;
    assert!(
        shown.contains("PUT environments/wine-train/versions/1?"),
        "{shown}"
    );
    assert!(shown.contains("(unchanged)"), "{shown}");
    let requests = world.emulator.requests();
    assert!(requests.len() > before, "nothing was read");
    assert!(
        requests[before..]
            .iter()
            .all(|request| request.method == "GET" || request.path.contains("oauth2")),
        "a dry run wrote something"
    );
}

#[tokio::test]
async fn with_credentials_a_dry_run_says_what_is_missing() {
    let world = World::new().await;
    world.file(
        "job.yml",
        "command: x\nenvironment: azureml:e@latest\ncompute: nowhere\n",
    );
    let inputs = [("file", "job.yml"), ("dry-run", "true")];
    let ran = world.stage("run-job", &inputs).await;
    let shown = &ran.succeeded().shown;
    assert!(shown.contains("job.yml:3:10"), "{shown}");
    assert!(
        shown.contains("compute `nowhere` does not exist"),
        "{shown}"
    );
    assert!(shown.contains("PUT jobs/"), "{shown}");
}

#[tokio::test]
async fn the_report_of_a_dry_run_has_the_requests_as_data() {
    let world = World::with_wine().await;
    let inputs = [("file", "data.yml"), ("dry-run", "true")];
    let ran = world.stage("register-data", &inputs).await.succeeded();
    let plan = aml_runner::report::json::render(&ran.report)["plan"].take();
    assert_eq!(plan["uploads"][0]["files"], 1, "{plan}");
    let request = &plan["requests"][0];
    assert_eq!(request["method"], "PUT");
    assert_eq!(request["path"], "data/wine/versions/1");
    assert_eq!(request["body"]["properties"]["dataType"], "uri_file");
}

#[tokio::test]
async fn a_dry_run_shows_no_password_of_a_compute() {
    let world = World::new().await;
    world.file(
        "vm.yml",
        "name: box\ntype: virtualmachine\nresource_id: /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/v\nssh_settings:\n  admin_username: me\n  admin_password: pl4nted-password\n",
    );
    let ran = world
        .stage("create-compute", &[("file", "vm.yml"), ("dry-run", "true")])
        .await
        .succeeded();
    let report = serde_json::to_string(&ran.report).unwrap();
    for text in [&ran.shown, &report] {
        assert!(text.contains("administratorAccount"), "{text}");
        assert!(!text.contains("pl4nted"), "{text}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_no_secret_that_the_file_holds() {
    let world = World::new().await;
    let sas = "https://a.blob.core.windows.net/c/x.csv?sv=1&sig=planted-signature-4711%3D";
    world.file(
        "job.yml",
        &format!(
            "type: pipeline\nsettings: {{default_compute: azureml:cpu}}\njobs:\n  a:\n    command: x\n    environment: azureml:e@latest\n    environment_variables: {{TOKEN: planted-variable}}\n    inputs:\n      d: {{type: uri_file, path: \"{sas}\"}}\n"
        ),
    );
    world.file(
        "command.yml",
        "command: x\nenvironment: azureml:e@latest\ncompute: cpu\nenvironment_variables: {TOKEN: planted-variable}\n",
    );
    world.file(
        "data.yml",
        &format!("name: d\ntype: uri_file\npath: {sas}\n"),
    );
    world.file(
        "compute.yml",
        "name: cpu\ntype: amlcompute\nssh_settings: {admin_username: me, admin_password: planted-password}\n",
    );
    for (stage, file, name) in [
        ("run-job", "job.yml", "TOKEN"),
        ("run-job", "command.yml", "TOKEN"),
        ("register-data", "data.yml", "sv=1&sig=***"),
        ("create-compute", "compute.yml", "adminUserPassword"),
    ] {
        let inputs = [("file", file), ("dry-run", "true")];
        let ran = world.stage(stage, &inputs).await.succeeded();
        assert!(ran.shown.contains(name), "{}", ran.shown);
        assert!(!ran.shown.contains("planted"), "{}", ran.shown);
    }
}

#[tokio::test]
async fn a_forgotten_file_is_asked_for_and_not_the_fields_that_it_would_have_held() {
    let world = World::new().await;
    for stage in [
        "run-job",
        "register-data",
        "register-environment",
        "create-compute",
    ] {
        let ran = world.stage(stage, &[("dry-run", "true")]).await;
        assert_eq!(ran.code, 2);
        let error = ran.report.error.unwrap_or_default();
        assert!(error.starts_with("--file is missing"), "{error}");
    }
}
