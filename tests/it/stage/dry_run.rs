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
