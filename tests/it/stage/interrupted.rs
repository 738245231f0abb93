//! Being told to stop, at every moment: the remote job is cancelled, or never comes to be, and a killed run is found again.

use std::time::Duration;

use aml_runner::cancel;
use aml_runner::emulator::Fault;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::process::{job_is, signal, start};
use crate::support::world::{Ran, World, github_job, read};

async fn sleeper() -> World {
    let world = World::new().await;
    world
        .stage(
            "create-compute",
            &[("name", "cpu"), ("size", "Standard_DS3_v2")],
        )
        .await
        .succeeded();
    world.file(
        "job.yml",
        "command: echo started; sleep 600\nenvironment: azureml:AzureML-x@latest\ncompute: cpu\n",
    );
    world
}

const RUN: &[&str] = &["run-job", "--file", "job.yml"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_cancels_the_remote_job_and_exits_with_the_signals_code() {
    for (name, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let world = sleeper().await;
        let child = start(&world, RUN, &[]);
        let job = job_is(&world, "Running").await;
        signal(&child, name);
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_eq!(world.emulator.wait_for_job(&job).await, Some("Canceled"));
        assert_eq!(world.requests("POST", "/cancel").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_cancel_leave_lets_the_job_run_on() {
    let world = sleeper().await;
    let child = start(
        &world,
        &["run-job", "--file", "job.yml", "--on-cancel", "leave"],
        &[],
    );
    let job = job_is(&world, "Running").await;
    signal(&child, Signal::TERM);
    assert_eq!(
        child.wait_with_output().await.unwrap().status.code(),
        Some(143)
    );
    assert_eq!(world.emulator.job_status(&job), Some("Running"));
    assert!(world.requests("POST", "/cancel").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_is_re_attached_to_by_the_next_attempt_and_nothing_is_submitted_twice() {
    let world = sleeper().await;
    let mut env = github_job();
    let state = world.folder.path().join("state");
    std::fs::write(&state, "").unwrap();
    env.push(("GITHUB_STATE".to_owned(), state.display().to_string()));
    let mut first = start(&world, RUN, &env);
    let job = job_is(&world, "Running").await;
    first.kill().await.unwrap();

    env.retain(|(name, _)| name != "GITHUB_RUN_ATTEMPT");
    env.push(("GITHUB_RUN_ATTEMPT".to_owned(), "2".to_owned()));
    let second = start(&world, RUN, &env);
    // It has found the job once it asks run history about it again.
    let before = world.requests("GET", "/details").len();
    while world.requests("GET", "/details").len() <= before {
        tokio::task::yield_now().await;
    }
    signal(&second, Signal::TERM);
    let output = second.wait_with_output().await.unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("re-attached to job"), "{text}");
    assert_eq!(world.emulator.job_names(), [job.as_str()]);
    assert_eq!(world.requests("PUT", "/jobs/").len(), 1);
    assert_eq!(world.emulator.wait_for_job(&job).await, Some("Canceled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_post_step_cancels_what_a_killed_step_left_running() {
    let world = sleeper().await;
    let mut env = github_job();
    let state = world.folder.path().join("state");
    std::fs::write(&state, "").unwrap();
    env.push(("GITHUB_STATE".to_owned(), state.display().to_string()));
    let mut step = start(&world, RUN, &env);
    let job = job_is(&world, "Running").await;
    step.kill().await.unwrap();

    let saved = read(world.folder.path(), "state");
    assert!(saved.contains(&job), "{saved}");
    for (name, value) in world.emulator.settings() {
        env.push((format!("INPUT_{}", name.to_uppercase()), value));
    }
    // What the runner does with the file: `name<<delimiter`, the value, the delimiter.
    let (name, _) = saved.split_once("<<").unwrap();
    env.push((format!("STATE_{name}"), job.clone()));
    let post = crate::support::process::start_bare(&world, &["--post"], &env)
        .wait_with_output()
        .await
        .unwrap();
    assert_eq!(
        post.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&post.stdout)
    );
    assert_eq!(world.emulator.wait_for_job(&job).await, Some("Canceled"));
}

/// Runs the job and asks it to stop once a request has met the fault that is queued.
async fn stopped_there(world: &World, inputs: &[(&str, &str)]) -> Ran {
    let stop = async {
        fault_is_met(world).await;
        world.cancel.cancel(cancel::Signal::Terminate);
    };
    let (ran, ()) = tokio::join!(world.stage("run-job", inputs), stop);
    assert_eq!(ran.code, 143, "{}", ran.shown);
    ran
}

async fn fault_is_met(world: &World) {
    while world.emulator.faults().pending() > 0 {
        tokio::task::yield_now().await;
    }
}

fn hold_up(world: &World, method: &str, path: &str, seconds: u64) {
    let fault = Fault::Delay(Duration::from_secs(seconds));
    world.emulator.faults().add(method, path, 1, fault);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_before_the_submission_leaves_nothing_to_cancel() {
    for (method, path) in [("GET", "/computes/cpu"), ("PUT", "/src/a.py")] {
        let world = sleeper().await;
        world.file("src/a.py", "print(1)\n");
        world.file(
            "job.yml",
            "command: sleep 600\ncode: src\nenvironment: azureml:AzureML-x@latest\ncompute: cpu\n",
        );
        hold_up(&world, method, path, 600);
        stopped_there(&world, &[("file", "job.yml")]).await;
        assert!(world.emulator.job_names().is_empty());
        assert!(world.requests("POST", "/cancel").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_the_submission_cancels_the_job_that_comes_of_it() {
    let world = sleeper().await;
    hold_up(&world, "PUT", "/jobs/", 1);
    let ran = stopped_there(&world, &[("file", "job.yml")]).await;
    let jobs = world.emulator.job_names();
    assert_eq!(jobs.len(), 1, "{}", ran.shown);
    assert_eq!(
        world.emulator.wait_for_job(&jobs[0]).await,
        Some("Canceled")
    );
    assert_eq!(world.requests("POST", "/cancel").len(), 1);
    assert_eq!(ran.output("job-status"), "CancelRequested");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_a_submission_that_is_refused_cancels_nothing() {
    let world = sleeper().await;
    hold_up(&world, "PUT", "/jobs/", 1);
    world.file(
        "job.yml",
        "command: echo\nenvironment: azureml:nowhere:7\ncompute: cpu\n",
    );
    let ran = stopped_there(&world, &[("file", "job.yml")]).await;
    assert!(world.emulator.job_names().is_empty(), "{}", ran.shown);
    assert!(world.requests("POST", "/cancel").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_request_that_the_service_fumbles_is_sent_again() {
    let world = sleeper().await;
    let faults = world.emulator.faults();
    let look = Fault::Delay(Duration::from_millis(1));
    faults.add("GET", "/details", 1, look);
    let inputs = [("file", "job.yml")];
    let ran = world.stage("run-job", &inputs);
    let stop = async {
        fault_is_met(&world).await;
        let fault = Fault::arm(500, "InternalServerError", "Oops.");
        faults.add("POST", "/cancel", 1, fault);
        world.cancel.cancel(cancel::Signal::Terminate);
    };
    let (ran, ()) = tokio::join!(ran, stop);
    assert_eq!((ran.code, faults.pending()), (143, 0), "{}", ran.shown);
    let job = ran.output("job-name");
    assert_eq!(world.emulator.wait_for_job(job).await, Some("Canceled"));
    assert!(ran.shown.contains("cancelled job"), "{}", ran.shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_after_the_end_of_the_job_stops_the_download_and_cancels_nothing() {
    let world = sleeper().await;
    world.file(
        "job.yml",
        "command: echo x > ${{outputs.o}}/late.txt\noutputs:\n  o: {type: uri_folder}\nenvironment: azureml:AzureML-x@latest\ncompute: cpu\n",
    );
    hold_up(&world, "GET", "/late.txt", 600);
    let inputs = [("file", "job.yml"), ("download", "o=there")];
    let ran = stopped_there(&world, &inputs).await;
    assert_eq!(ran.output("job-status"), "Completed");
    assert!(world.requests("POST", "/cancel").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_does_not_wait_for_the_service() {
    let world = sleeper().await;
    hold_up(&world, "POST", "/cancel", 600);
    let child = start(&world, RUN, &[]);
    job_is(&world, "Running").await;
    signal(&child, Signal::TERM);
    fault_is_met(&world).await;
    signal(&child, Signal::INT);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_re_attached_job_is_remembered_for_the_post_step_and_an_ended_one_is_not() {
    let world = sleeper().await;
    let inputs = [("file", "job.yml"), ("wait", "false")];
    let first = world.on_github("run-job", &inputs, &[]).await.succeeded();
    let second = world.on_github("run-job", &inputs, &[]).await.succeeded();
    assert_eq!(second.output("job-name"), first.output("job-name"));
    let state = read(world.folder.path(), "host/GITHUB_STATE");
    assert!(state.contains(second.output("job-name")), "{state}");
    assert!(state.contains("settled"), "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_does_not_wait_for_files_to_be_hashed() {
    let world = World::new().await;
    let huge = std::fs::File::create(world.folder.path().join("huge.bin")).unwrap();
    huge.set_len(64 << 30).unwrap();
    let args = [
        "register-data",
        "--name",
        "d",
        "--type",
        "uri_file",
        "--path",
        "huge.bin",
    ];
    let mut child = start(&world, &args, &[]);
    let mut shown = BufReader::new(child.stderr.take().unwrap()).lines();
    let banner = shown.next_line().await.unwrap().unwrap();
    assert!(banner.contains("register-data"), "{banner}");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().await.unwrap().code(), Some(143));
}
