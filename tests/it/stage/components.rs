//! `register-component`.

use crate::support::world::World;

const COMMAND: &str =
    "name: train\ncommand: python a.py\ncode: src\nenvironment: {image: \"ubuntu:22.04\"}\n";
const PIPELINE: &str = "name: pipe\ntype: pipeline\ninputs: {x: {type: string, default: a}}\njobs:\n  one:\n    component: train.yml\n  two:\n    command: echo ${{inputs.x}}\n    environment: {image: \"ubuntu:22.04\"}\n    inputs: {x: \"${{parent.inputs.x}}\"}\n";

async fn with_component() -> World {
    let world = World::new().await;
    world.file("src/a.py", "print(1)");
    world.file("train.yml", COMMAND);
    world.file("pipe.yml", PIPELINE);
    world
}

#[tokio::test]
async fn registering_a_component_twice_uploads_and_writes_once() {
    let world = with_component().await;
    let inputs = [("file", "train.yml")];
    let first = world.stage("register-component", &inputs).await.succeeded();
    let written = world.writes().len();
    let again = world.stage("register-component", &inputs).await.succeeded();
    assert_eq!(first.output("changed"), "created", "{}", first.shown);
    let id = first.output("component-id");
    assert!(id.ends_with("/components/train/versions/1"), "{id}");
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    assert_eq!(again.output("component-id"), id);
    assert_eq!(world.writes().len(), written);
}

#[tokio::test]
async fn changed_code_becomes_the_next_version() {
    let world = with_component().await;
    let inputs = [("file", "train.yml")];
    world.stage("register-component", &inputs).await.succeeded();
    world.file("src/a.py", "print(2)");
    let next = world.stage("register-component", &inputs).await.succeeded();
    assert_eq!(next.output("changed"), "created", "{}", next.shown);
    assert!(next.output("component-id").ends_with("/versions/2"));
}

#[tokio::test]
async fn a_pipeline_component_is_known_again_by_what_its_steps_run() {
    let world = with_component().await;
    let inputs = [("file", "pipe.yml")];
    let first = world.stage("register-component", &inputs).await.succeeded();
    let again = world.stage("register-component", &inputs).await.succeeded();
    assert_eq!(first.output("changed"), "created", "{}", first.shown);
    assert_eq!(again.output("changed"), "unchanged", "{}", again.shown);
    world.file("src/a.py", "print(2)");
    let next = world.stage("register-component", &inputs).await.succeeded();
    assert!(
        next.output("component-id").ends_with("/versions/2"),
        "{}",
        next.shown
    );
}

#[tokio::test]
async fn a_version_with_another_command_is_refused_with_advice() {
    let world = with_component().await;
    let inputs = [("file", "train.yml"), ("version", "7")];
    world.stage("register-component", &inputs).await.succeeded();
    let other = [inputs[0], inputs[1], ("set", "command=echo")];
    let refused = world.stage("register-component", &other).await;
    assert_eq!(refused.code, 1, "{}", refused.shown);
    assert!(refused.report.advice.is_some(), "{}", refused.shown);
}

#[tokio::test]
async fn a_component_with_a_bad_name_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    world.file(
        "c.yml",
        "name: has-dash\ncomand: echo\nenvironment: azureml:e:1\n",
    );
    let ran = world
        .on_github("register-component", &[("file", "c.yml")], &[])
        .await;
    assert_eq!(ran.code, 2);
    for said in [
        "cannot be the name of a component",
        "command: this field is required",
    ] {
        assert!(ran.shown.contains(said), "{}", ran.shown);
    }
    assert!(world.emulator.requests().is_empty());
}

#[tokio::test]
async fn a_dry_run_shows_the_component_and_sends_nothing() {
    let world = with_component().await;
    let inputs = [("file", "pipe.yml"), ("dry-run", "true")];
    let ran = world.stage("register-component", &inputs).await.succeeded();
    assert!(
        ran.shown.contains("components/pipe/versions/"),
        "{}",
        ran.shown
    );
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}
