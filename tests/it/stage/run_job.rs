//! `run-job`: submitting, following, re-attaching, ending as the job ends.

use aml_runner::emulator::Fault;

use crate::support::world::{World, read};

fn command(world: &World, text: &str) {
    let yaml = format!(
        "command: |\n  {}\nenvironment: azureml:AzureML-sklearn-1.5@latest\ncompute: cpu\n",
        text.replace('\n', "\n  ")
    );
    world.file("job.yml", &yaml);
}

#[tokio::test]
async fn the_wine_pipeline_runs_to_its_end_and_reports_steps_metrics_and_model() {
    let world = World::with_wine().await;
    world.prepare_wine().await;
    let inputs = [("file", "pipeline.yml"), ("download", "model=fetched")];
    let ran = world.on_github("run-job", &inputs, &[]).await.succeeded();
    let job = ran.report.job.as_ref().unwrap();
    assert_eq!(ran.output("job-status"), "Completed");
    let steps: Vec<_> = job
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.status.as_str()))
        .collect();
    for name in ["prepare", "train", "evaluate", "register"] {
        assert!(steps.contains(&(name, "Completed")), "{steps:?}");
    }
    assert!(
        job.metrics
            .iter()
            .any(|metric| metric.key == "accuracy" && metric.value > 0.9),
        "{:?}",
        job.metrics
    );
    assert!(
        ran.output("model-id")
            .contains("/models/wine-cultivar/versions/1"),
        "{}",
        ran.shown
    );
    assert!(world.folder.path().join("fetched/model.json").is_file());
    assert!(
        ran.shown.contains("kept 133 wines for training"),
        "{}",
        ran.shown
    );
    let summary = read(world.folder.path(), "host/GITHUB_STEP_SUMMARY");
    for word in ["wine-cultivar", "accuracy", "prepare", "Completed"] {
        assert!(summary.contains(word), "{word}: {summary}");
    }
}

#[tokio::test]
async fn a_job_is_stamped_with_git_and_the_run_that_submitted_it() {
    let world = World::with_compute().await;
    command(&world, "true");
    let ran = world
        .on_github("run-job", &[("file", "job.yml")], &[])
        .await
        .succeeded();
    let put = &world.requests("PUT", "/jobs/")[0];
    let tags = &put.body.as_ref().unwrap()["properties"]["tags"];
    assert_eq!(
        tags["ci.run"], "https://github.com/octo/wine/actions/runs/900/attempts/1",
        "{}",
        ran.shown
    );
    assert_eq!(tags["ci.actor"], "octocat");
    assert_eq!(
        tags["ci.commit"],
        "0123456789abcdef0123456789abcdef01234567"
    );
}

#[tokio::test]
async fn a_failing_step_fails_the_stage_with_its_error_and_the_end_of_its_log() {
    let world = World::with_compute().await;
    command(&world, "echo before the fall\nexit 3");
    let ran = world
        .on_github("run-job", &[("file", "job.yml")], &[])
        .await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.output("job-status"), "Failed");
    let error = ran.report.error.as_deref().unwrap();
    assert!(error.contains("before the fall"), "{error}");
    assert!(error.contains('3'), "{error}");
    assert!(ran.shown.contains("::error"), "{}", ran.shown);
}

#[tokio::test]
async fn a_failed_step_of_a_pipeline_is_named_and_what_depends_on_it_does_not_run() {
    let world = World::with_compute().await;
    world.file(
        "p.yml",
        "type: pipeline\nsettings: {default_compute: azureml:cpu}\njobs:\n  good:\n    command: echo fine\n    environment: azureml:AzureML-x@latest\n  bad:\n    command: echo the reason && exit 7\n    environment: azureml:AzureML-x@latest\n    outputs:\n      o: {type: uri_folder}\n  after:\n    command: ls ${{inputs.i}}\n    environment: azureml:AzureML-x@latest\n    inputs:\n      i: ${{parent.jobs.bad.outputs.o}}\n",
    );
    let ran = world.stage("run-job", &[("file", "p.yml")]).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("step bad failed"), "{}", ran.shown);
    let error = ran.report.error.as_deref().unwrap();
    assert!(
        error.ends_with("ended as Failed: step bad failed"),
        "{error}"
    );
    let job = ran.report.job.unwrap();
    let story = job.error.as_deref().unwrap();
    assert!(story.contains("exited with status code 7"), "{story}");
    assert_eq!(story.matches("the reason").count(), 1, "{story}");
    let after = job.steps.iter().find(|step| step.name == "after");
    assert!(
        after.is_none_or(|step| step.status != "Completed"),
        "{:?}",
        job.steps
    );
}

#[tokio::test]
async fn a_second_attempt_of_a_finished_run_submits_the_next_name() {
    let world = World::with_compute().await;
    command(&world, "true");
    let first = world
        .on_github("run-job", &[("file", "job.yml")], &[])
        .await
        .succeeded();
    let second = world
        .on_github(
            "run-job",
            &[("file", "job.yml")],
            &[("GITHUB_RUN_ATTEMPT", "2")],
        )
        .await
        .succeeded();
    assert_eq!(
        second.output("job-name"),
        format!("{}-2", first.output("job-name"))
    );
    assert_eq!(world.emulator.job_names().len(), 2);
}

#[tokio::test]
async fn without_wait_the_stage_ends_once_the_job_is_submitted() {
    let world = World::with_compute().await;
    command(&world, "sleep 600");
    let ran = world
        .stage(
            "run-job",
            &[("file", "job.yml"), ("wait", "false"), ("name", "mine")],
        )
        .await
        .succeeded();
    assert_eq!(ran.output("job-name"), "mine");
    assert!(!ran.output("job-status").is_empty());
    assert!(
        ran.output("studio-url").contains("/runs/mine"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn a_timeout_ends_the_wait_with_its_own_code_and_says_what_became_of_the_job() {
    let world = World::with_compute().await;
    command(&world, "sleep 600");
    let inputs = |fate| [("file", "job.yml"), ("timeout", "1s"), ("on-timeout", fate)];
    let left = world.stage("run-job", &inputs("leave")).await;
    assert_eq!(left.code, 4, "{}", left.shown);
    assert!(left.shown.contains("it runs on"), "{}", left.shown);
    assert_eq!(left.report.job.as_ref().unwrap().status, "Running");
    assert!(world.requests("POST", "/cancel").is_empty());
    let cancelled = world.stage("run-job", &inputs("cancel")).await;
    assert_eq!(cancelled.code, 4);
    assert!(
        cancelled.shown.contains("it was cancelled"),
        "{}",
        cancelled.shown
    );
    assert_eq!(
        world
            .emulator
            .wait_for_job(cancelled.output("job-name"))
            .await,
        Some("Canceled")
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_exist_is_said_with_its_line_before_anything_is_uploaded() {
    let world = World::new().await;
    world.file("src/a.py", "print(1)\n");
    world.file("job.yml", "command: python a.py\ncode: src\nenvironment: azureml:AzureML-x@latest\ncompute: nowhere\n");
    let ran = world
        .on_github("run-job", &[("file", "job.yml")], &[])
        .await;
    assert_eq!(ran.code, 1);
    assert!(ran.shown.contains("line=4"), "{}", ran.shown);
    assert!(ran.shown.contains("nowhere"), "{}", ran.shown);
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_lost_answer_to_the_submission_leaves_one_job() {
    let world = World::with_compute().await;
    command(&world, "echo once");
    world
        .emulator
        .faults()
        .add("PUT", "/jobs/", 1, Fault::DropAfter);
    let ran = world
        .stage("run-job", &[("file", "job.yml")])
        .await
        .succeeded();
    assert!(ran.shown.contains("retry 1 of PUT"), "{}", ran.shown);
    assert_eq!(world.emulator.job_names().len(), 1);
}

#[tokio::test]
async fn a_log_cannot_issue_commands_to_the_host() {
    let world = World::with_compute().await;
    command(
        &world,
        "echo '::set-output name=x::1'\necho '##vso[task.setvariable variable=x]1'\necho '##[error]no'",
    );
    let ran = world
        .on_github("run-job", &[("file", "job.yml")], &[])
        .await
        .succeeded();
    for line in ran.shown.lines() {
        assert!(!line.trim_start().starts_with("::set-output"), "{line}");
        assert!(
            !line.contains("##vso[") && !line.contains("##[error]"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_given_name_is_submitted_once_and_its_end_is_reported_again() {
    let world = World::with_compute().await;
    command(&world, "echo once");
    let inputs = [("file", "job.yml"), ("name", "mine")];
    for (first, second) in [
        (
            world.stage("run-job", &inputs).await,
            world.stage("run-job", &inputs).await,
        ),
        (
            world.on_github("run-job", &inputs, &[]).await,
            world.on_github("run-job", &inputs, &[]).await,
        ),
    ] {
        first.succeeded();
        let second = second.succeeded();
        assert_eq!(second.output("changed"), "unchanged");
        assert_eq!(second.output("job-status"), "Completed");
    }
    assert_eq!(world.requests("PUT", "/jobs/").len(), 1);
}

#[tokio::test]
async fn another_job_under_a_given_name_is_never_reported_as_ours() {
    let world = World::with_compute().await;
    let inputs = |name: &'static str| [("file", "job.yml"), ("name", name)];
    command(&world, "echo one");
    world.stage("run-job", &inputs("a")).await.succeeded();
    world
        .on_github("run-job", &inputs("b"), &[])
        .await
        .succeeded();
    command(&world, "echo other");
    for ran in [
        world.stage("run-job", &inputs("a")).await,
        world.on_github("run-job", &inputs("b"), &[]).await,
    ] {
        assert_eq!(ran.code, 1, "{}", ran.shown);
        assert!(ran.shown.contains("exists already"), "{}", ran.shown);
        assert!(ran.report.advice.is_some());
        assert_eq!(ran.output("job-status"), "");
    }
    assert_eq!(world.requests("PUT", "/jobs/").len(), 2);
}

#[tokio::test]
async fn a_failed_job_under_a_given_name_fails_again_and_says_how_to_run_it_anew() {
    let world = World::with_compute().await;
    command(&world, "exit 4");
    let inputs = [("file", "job.yml"), ("name", "mine")];
    world.stage("run-job", &inputs).await;
    let again = world.stage("run-job", &inputs).await;
    assert_eq!(again.code, 1, "{}", again.shown);
    let advice = again.report.advice.unwrap();
    assert!(advice.contains("give another `name`"), "{advice}");
}

#[tokio::test]
async fn an_output_that_the_job_will_not_have_is_said_before_it_is_submitted() {
    let world = World::with_compute().await;
    world.file("taken", "a file");
    world.file(
        "job.yml",
        "command: echo\noutputs:\n  model: {type: uri_folder}\nenvironment: azureml:AzureML-x@latest\ncompute: cpu\n",
    );
    let download = "modle=here\nmodel=taken\ndefault=there";
    let inputs = [("file", "job.yml"), ("download", download)];
    let before = world.writes();
    let hasty = [inputs[0], ("download", "model=here"), ("wait", "false")];
    assert_eq!(world.stage("run-job", &hasty).await.code, 2);
    let ran = world.stage("run-job", &inputs).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    for word in ["`modle`", "it has: model, default", "taken is not a folder"] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
    assert_eq!(world.writes(), before);
}

#[tokio::test]
async fn a_job_that_completed_is_a_success_also_where_its_log_and_metrics_cannot_be_read() {
    let world = World::with_compute().await;
    command(&world, "echo hidden");
    let refused = |status| Fault::arm(status, "AuthenticationFailed", "No.");
    let faults = world.emulator.faults();
    faults.add("GET", "user_logs/std_log.txt", 9, refused(403));
    faults.add("GET", "/mlflow/runs/get", 9, refused(400));
    let ran = world
        .stage("run-job", &[("file", "job.yml")])
        .await
        .succeeded();
    assert_eq!(ran.output("job-status"), "Completed");
    for word in ["the log of", "the job's metrics cannot be read"] {
        assert!(ran.shown.contains(word), "{word}: {}", ran.shown);
    }
}

#[tokio::test]
async fn the_log_of_a_step_comes_before_its_end_and_the_schedulers_own_log_once() {
    let world = World::with_compute().await;
    world.file(
        "p.yml",
        "type: pipeline\nsettings: {default_compute: azureml:cpu}\njobs:\n  only:\n    command: echo first line\n    environment: azureml:AzureML-x@latest\n",
    );
    let inputs = [("file", "p.yml"), ("name", "pipe")];
    let ran = world.stage("run-job", &inputs).await.succeeded();
    let at = |text: &str| {
        ran.shown
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", ran.shown))
    };
    assert!(
        at("only | first line") < at("-> Completed"),
        "{}",
        ran.shown
    );
    assert_eq!(ran.shown.matches("Log of pipe\n").count(), 1);
}

#[tokio::test]
async fn a_submission_that_arrives_after_the_next_attempt_looked_for_it_is_attached_to() {
    let world = World::with_compute().await;
    command(&world, "sleep 600");
    let inputs = [("file", "job.yml"), ("wait", "false")];
    let first = world.on_github("run-job", &inputs, &[]).await.succeeded();
    let faults = world.emulator.faults();
    faults.add("GET", "/jobs/", 1, Fault::arm(404, "NotFound", "No job."));
    let taken = Fault::arm(409, "UserError", "A job with this name already exists.");
    faults.add("PUT", "/jobs/", 1, taken);
    let second = world.on_github("run-job", &inputs, &[]).await.succeeded();
    assert_eq!(faults.pending(), 0);
    assert_eq!(second.output("job-name"), first.output("job-name"));
    assert_eq!(second.output("changed"), "unchanged");
    assert_eq!(world.emulator.job_names().len(), 1);
}

#[tokio::test]
async fn a_refused_submission_fails_with_the_services_words_and_leaves_nothing_to_cancel() {
    let world = World::with_compute().await;
    command(&world, "true");
    let refused = Fault::arm(400, "UserError", "The experiment is archived.");
    world.emulator.faults().add("PUT", "/jobs/", 1, refused);
    let inputs = [("file", "job.yml")];
    let ran = world.on_github("run-job", &inputs, &[]).await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(
        ran.shown.contains("The experiment is archived."),
        "{}",
        ran.shown
    );
    let state = read(world.folder.path(), "host/GITHUB_STATE");
    assert!(state.contains("settled"), "{state}");
}
