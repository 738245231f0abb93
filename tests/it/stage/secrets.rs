//! Marked secrets go down every road, and nothing that anybody reads shows them.

use aml_runner::emulator::Fault;

use crate::support::process::start;
use crate::support::world::{CLIENT_SECRET, Ran, World};

/// Marks that every token, signed link and secret of a run carries.
fn leaks(ran: &Ran, world: &World) -> Vec<String> {
    let mut marks = vec![CLIENT_SECRET.to_owned(), "sig=".to_owned()];
    // Tokens of the emulator are JWTs: their payload begins like this, whatever they hold.
    marks.push("eyJhbGci".to_owned());
    marks.push("eyJ0eXAi".to_owned());
    for audience in ["https://management.azure.com", "https://ml.azure.com"] {
        marks.push(
            world
                .emulator
                .access_token(audience)
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    let masks = |line: &&str| line.starts_with("::add-mask::") || line.contains("task.setsecret");
    let text: String = ran
        .shown
        .lines()
        .filter(|line| !masks(line))
        .collect::<Vec<_>>()
        .join("\n");
    let report = format!("{:?}", ran.report);
    marks.retain(|mark| !mark.is_empty() && (text.contains(mark) || report.contains(mark)));
    marks
}

#[tokio::test]
async fn no_secret_shows_on_any_host_whether_the_stage_succeeds_or_fails() {
    let world = World::with_wine().await;
    world.prepare_wine().await;
    let verbose = [("RUNNER_DEBUG", "1"), ("SYSTEM_DEBUG", "true")];
    let mut all = Vec::new();
    for _ in 0..2 {
        let job = [("file", "pipeline.yml"), ("download", "model=fetched")];
        all.push(world.on_github("run-job", &job, &verbose).await);
        all.push(
            world
                .on_azure_pipelines("register-data", &[("file", "data.yml")], &verbose)
                .await,
        );
        all.push(world.stage("connect", &[]).await);
        let refuse = |path, status, code| {
            world
                .emulator
                .faults()
                .add("*", path, 40, Fault::arm(status, code, "no"))
        };
        refuse("blob.localhost", 403, "AuthorizationPermissionMismatch");
        refuse("/metadata/endpoints", 403, "Forbidden");
    }
    for ran in &all {
        assert_eq!(leaks(ran, &world), Vec::<String>::new(), "{}", ran.shown);
    }
    assert!(
        all.iter().any(|ran| ran.code != 0),
        "nothing was made to fail"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_in_the_most_talkative_log_of_the_program_and_its_libraries() {
    let world = World::new().await;
    world.file(
        "data.yml",
        "name: d\ntype: uri_file\npath: https://a.blob.core.windows.net/c/x?sv=1&sig=planted-signature-4711%3D\n",
    );
    world.file("folder/x.csv", "1");
    world.file("local.yml", "name: l\ntype: uri_folder\npath: folder\n");
    let env = [
        ("AML_RUNNER_LOG", "trace"),
        (
            "HTTPS_PROXY",
            "http://user:planted-proxy-password@127.0.0.1:9",
        ),
        ("NO_PROXY", "localhost,.localhost,127.0.0.1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for args in [
        &["register-data", "--file", "data.yml"][..],
        &[
            "register-data",
            "--file",
            "local.yml",
            "--output",
            "json",
            "--verbose",
        ],
        &["connect", "--output", "json"],
    ] {
        let output = start(&world, args, &env).wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("TRACE"), "{text}");
        assert_eq!(output.status.code(), Some(0), "{text}");
        for mark in ["planted", "eyJ0eXAi", "eyJhbGci"] {
            assert!(!text.contains(mark), "{mark}: {text}");
        }
    }
}
