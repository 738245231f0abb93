//! How a stage that fails says so: where annotations point, what is shown last, and once.

use crate::support::process::start_bare;
use crate::support::world::World;

const BAD: &str = "type: pipeline\nexperimant_name: x\njobs:\n  a: {command: x, environment: e}\n";

#[tokio::test]
async fn an_annotation_names_the_file_by_its_path_from_the_root_of_the_host() {
    let world = World::new().await;
    world.file("ml/bad.yml", BAD);
    let whole = world.folder.path().join("ml/bad.yml").display().to_string();
    for inputs in [
        &[("file", "ml/bad.yml")][..],
        &[("file", "./ml/../ml/bad.yml")],
        &[("file", whole.as_str())],
        &[("file", "bad.yml"), ("working-directory", "ml")],
    ] {
        let ran = world.on_github("run-job", inputs, &[]).await;
        assert_eq!(ran.code, 2);
        assert!(
            ran.shown.contains("::error file=ml/bad.yml,line=2,col=1,"),
            "{}",
            ran.shown
        );
        assert!(ran.shown.contains("\nml/bad.yml:2:1: experimant_name"));
        let ran = world.on_azure_pipelines("run-job", inputs, &[]).await;
        assert!(
            ran.shown.contains("sourcepath=ml/bad.yml;linenumber=2;"),
            "{}",
            ran.shown
        );
        let ran = world.stage("run-job", inputs).await;
        assert!(
            ran.shown.contains("ml/bad.yml:2:1: error: "),
            "{}",
            ran.shown
        );
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_as_written_and_as_resolved() {
    let world = World::new().await;
    let inputs = [("file", "none.yml"), ("working-directory", "ml")];
    world.file("ml/x", "");
    let ran = world.stage("run-job", &inputs).await;
    let resolved = world.folder.path().join("ml/none.yml");
    let error = format!("no file `none.yml`: {} does not exist", resolved.display());
    assert_eq!(ran.report.error.as_deref(), Some(error.as_str()));
}

#[tokio::test]
async fn the_error_is_the_last_thing_on_a_terminal_and_is_there_once() {
    let world = World::new().await;
    let ran = world
        .stage("connect", &[("workspace", "mlw-elsewhere")])
        .await;
    assert_eq!(
        ran.shown.matches("mlw-elsewhere").count(),
        1,
        "{}",
        ran.shown
    );
    let advice = ran.report.advice.unwrap_or_default();
    assert!(
        ran.shown.trim_end().ends_with(&advice) && !advice.is_empty(),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn a_wrong_command_line_ends_a_task_with_its_result_once() {
    let world = World::new().await;
    let task = [("TF_BUILD".to_owned(), "True".to_owned())];
    for args in [
        &[][..],
        &["conect"],
        &["run-job", "--fiel", "x"],
        &["connect"],
    ] {
        let output = start_bare(&world, args, &task)
            .wait_with_output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_eq!(
            text.matches("##vso[task.complete result=Failed;]").count(),
            1,
            "{text}"
        );
        assert!(text.contains("##vso[task.logissue type=error;]"), "{text}");
    }
}

#[tokio::test]
async fn a_host_is_told_once_to_mask_a_secret() {
    let world = World::new().await;
    let secret = "planted-creds-secret";
    let creds = format!(
        r#"{{"clientId":"c","clientSecret":"{secret}","tenantId":"t","subscriptionId":"s"}}"#
    );
    let env = [
        ("INPUT_CREDS", creds.as_str()),
        ("INPUT_CLIENT-SECRET", secret),
    ];
    let ran = world.on_github("connect", &[], &env).await;
    assert_eq!(
        ran.shown
            .matches(&format!("::add-mask::{secret}\n"))
            .count(),
        1
    );
}
