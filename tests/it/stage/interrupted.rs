//! What only a process shows: signals cancel the remote job, and a killed run is found again.

use rustix::process::Signal;

use crate::support::process::{job_is, signal, start};
use crate::support::world::{World, github_job, read};

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
