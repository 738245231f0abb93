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
async fn the_report_of_a_dry_run_has_the_requests_as_data() {
    let world = World::with_wine().await;
    let inputs = [("file", "data.yml"), ("dry-run", "true")];
    let ran = world.stage("register-data", &inputs).await.succeeded();
    let plan = aml_runner::report::json::render(&ran.report)["plan"].take();
    assert_eq!(plan["uploads"][0]["files"], 1, "{plan}");
    let request = &plan["requests"][0];
    assert_eq!(request["method"], "PUT");
    assert_eq!(request["path"], "data/wine/versions/<next version>");
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
