//! `create-schedule`.

use aml_runner::emulator::Fault;

use crate::support::world::World;

const PIPELINE: &str = "type: pipeline
settings: {default_compute: azureml:serverless}
inputs: {text: hello}
jobs:
  say:
    command: echo ${{inputs.text}}
    environment: azureml:shell:1
    inputs: {text: \"${{parent.inputs.text}}\"}
";

async fn with_schedule(trigger: &str, job: &str) -> World {
    let world = World::new().await;
    world.file("ml/pipeline.yml", PIPELINE);
    write(&world, trigger, job);
    let environment = [
        ("name", "shell"),
        ("version", "1"),
        ("set", "image=busybox"),
    ];
    world
        .stage("register-environment", &environment)
        .await
        .succeeded();
    world
}

fn write(world: &World, trigger: &str, job: &str) {
    let text = format!("name: nightly\ntrigger: {trigger}\ncreate_job: {job}\n");
    world.file("ml/schedule.yml", &text);
}

fn schedule_writes(world: &World) -> usize {
    let writes = world.writes();
    let schedules = writes
        .iter()
        .filter(|write| write.contains("schedules/nightly"));
    schedules.count()
}

const FILE: &[(&str, &str)] = &[("file", "ml/schedule.yml")];
const HOURLY: &str = "{type: cron, expression: \"0 * * * *\"}";

#[tokio::test]
async fn a_schedule_is_created_once_and_kept_afterwards() {
    let world = with_schedule(HOURLY, "pipeline.yml").await;
    let first = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(first.output("changed"), "created", "{}", first.shown);
    assert_eq!(first.output("schedule-name"), "nightly");
    let again = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(schedule_writes(&world), 1);
}

#[tokio::test]
async fn another_time_or_input_is_an_update() {
    let world = with_schedule(
        "{type: recurrence, frequency: day, interval: 1, schedule: {hours: 3, minutes: 0}, end_time: \"2099-01-01T00:00:00\"}",
        "{type: pipeline, job: pipeline.yml, inputs: {text: bye}}",
    )
    .await;
    world.stage("create-schedule", FILE).await.succeeded();
    let other_time =
        "{type: recurrence, frequency: day, interval: 1, schedule: {hours: 3, minutes: 0}}";
    write(
        &world,
        other_time,
        "{type: pipeline, job: pipeline.yml, inputs: {text: bye}}",
    );
    let ran = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(ran.output("changed"), "updated", "{}", ran.shown);
    write(&world, other_time, "pipeline.yml");
    let ran = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(ran.output("changed"), "updated", "{}", ran.shown);
    let ran = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(ran.output("changed"), "unchanged", "{}", ran.shown);
    assert_eq!(schedule_writes(&world), 3);
}

#[tokio::test]
async fn an_existing_job_is_scheduled_by_its_name() {
    let world = with_schedule(HOURLY, "azureml:first").await;
    let absent = world.stage("create-schedule", FILE).await;
    assert_eq!(absent.code, 1, "{}", absent.shown);
    assert!(absent.shown.contains("first"), "{}", absent.shown);
    let job = [
        ("file", "ml/pipeline.yml"),
        ("name", "first"),
        ("wait", "false"),
    ];
    world.stage("run-job", &job).await.succeeded();
    let ran = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(ran.output("changed"), "created", "{}", ran.shown);
    let ran = world.stage("create-schedule", FILE).await.succeeded();
    assert_eq!(ran.output("changed"), "unchanged", "{}", ran.shown);
}

#[tokio::test]
async fn what_the_service_refuses_is_said_in_its_words() {
    let world = with_schedule("{type: cron, expression: \"every hour\"}", "pipeline.yml").await;
    let ran = world.stage("create-schedule", FILE).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown
            .contains("cron expression 'every hour' is invalid"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn a_schedule_that_fails_in_the_background_fails_the_stage() {
    let world = with_schedule(HOURLY, "pipeline.yml").await;
    let failed = Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: serde_json::json!({"status": "Failed", "error": {"code": "UserError", "message": "The quota of schedules is used up."}})
            .to_string(),
    };
    world
        .emulator
        .faults()
        .add("GET", "/mfeOperationsStatus/", 9, failed);
    let ran = world.stage("create-schedule", FILE).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("The quota of schedules is used up."),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn mistakes_are_said_before_anything_is_written() {
    let world = with_schedule("{type: cron, expresion: x}", "missing.yml").await;
    let before = world.writes();
    let ran = world.stage("create-schedule", FILE).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    for words in [
        "did you mean `expression`?",
        "no file or folder `missing.yml`",
    ] {
        assert!(ran.shown.contains(words), "{words}: {}", ran.shown);
    }
    assert_eq!(world.writes(), before);
}

#[tokio::test]
async fn a_dry_run_shows_the_schedule_and_writes_nothing() {
    let world = with_schedule(HOURLY, "pipeline.yml").await;
    let before = world.writes();
    let inputs = [("file", "ml/schedule.yml"), ("dry-run", "true")];
    let ran = world.stage("create-schedule", &inputs).await.succeeded();
    assert!(ran.shown.contains("schedules/nightly"), "{}", ran.shown);
    assert_eq!(world.writes(), before);
}
