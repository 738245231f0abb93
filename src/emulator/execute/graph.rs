//! Pipelines as graphs: what waits for what, binding of inputs and outputs, steps side by side, and what a failure stops.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::wiring::{bind_inputs, bind_outputs, bound_to};
use super::work::{self, Input, Target, Work};
use super::{End, binding, finish, log, outputs, step, user_error};
use crate::emulator::handler::component;
use crate::emulator::job::{Job, Output, Role, Status};
use crate::emulator::reference::compute_name;
use crate::emulator::state::State;

/// A pipeline job, or a pipeline component used as a step.
#[derive(Debug)]
pub(crate) struct Pipeline {
    nodes: Vec<(String, Value)>,
    pub(super) inputs: BTreeMap<String, Input>,
    pub(super) outputs: BTreeMap<String, Target>,
    pub(super) datastore: String,
    compute: Option<String>,
    go_on: bool,
}

/// The nodes that a node's inputs come from.
fn sources(node: &Value) -> BTreeSet<String> {
    let texts = node["inputs"].as_object().into_iter().flatten();
    let texts = texts.filter_map(|(_, input)| work::input_of(input));
    let mut sources = BTreeSet::new();
    for input in texts {
        for name in binding::names(&input.value) {
            if let Some((source, _)) = name
                .strip_prefix("parent.jobs.")
                .and_then(|rest| rest.split_once('.'))
            {
                sources.insert(source.to_owned());
            }
        }
    }
    sources
}

/// Refuses steps that wait for something that is not there, or for one another.
pub(crate) fn check(nodes: &Map<String, Value>) -> Result<(), String> {
    let mut waiting: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
    for (name, node) in nodes {
        let sources = sources(node);
        if let Some(unknown) = sources
            .iter()
            .find(|source| !nodes.contains_key(source.as_str()))
        {
            return Err(format!(
                "The step '{name}' takes an output of '{unknown}', which is not a step of the pipeline."
            ));
        }
        waiting.insert(name, sources);
    }
    while !waiting.is_empty() {
        let free: Vec<&String> = waiting
            .iter()
            .filter(|(_, sources)| !sources.iter().any(|source| waiting.contains_key(source)))
            .map(|(name, _)| *name)
            .collect();
        if free.is_empty() {
            let names: Vec<&str> = waiting.keys().map(|name| name.as_str()).collect();
            return Err(format!(
                "The steps {} wait for one another.",
                names.join(", ")
            ));
        }
        waiting.retain(|name, _| !free.contains(name));
    }
    Ok(())
}

impl Pipeline {
    pub(super) fn of_job(state: &State, job: &Job) -> Result<Self, String> {
        let body = &job.request;
        let datastore =
            work::default_datastore(state, body["settings"]["default_datastore"].as_str());
        let outputs = body["outputs"].as_object().into_iter().flatten();
        Ok(Self {
            nodes: nodes(&body["jobs"]),
            inputs: work::inputs_of(&body["inputs"])?,
            outputs: outputs
                .map(|(name, output)| (name.clone(), work::target(output, None, &datastore)))
                .collect(),
            compute: job.target.clone(),
            go_on: body["settings"]["continue_on_step_failure"] == true,
            datastore,
        })
    }

    fn of_component(
        &self,
        spec: &Value,
        inputs: BTreeMap<String, Input>,
        outputs: BTreeMap<String, Target>,
    ) -> Self {
        Self {
            nodes: nodes(&spec["jobs"]),
            inputs,
            outputs,
            datastore: self.datastore.clone(),
            compute: self.compute.clone(),
            go_on: self.go_on,
        }
    }
}

fn nodes(value: &Value) -> Vec<(String, Value)> {
    let nodes = value.as_object().into_iter().flatten();
    nodes
        .map(|(name, node)| (name.clone(), node.clone()))
        .collect()
}

/// What became of a node.
#[derive(Debug)]
pub(super) enum Fate {
    Waiting,
    Running,
    Done(BTreeMap<String, Output>),
    Stopped,
}

pub(super) struct Node {
    pub(super) name: String,
    job: String,
    pub(super) definition: Value,
    sources: BTreeSet<String>,
    cancel: CancellationToken,
    pub(super) fate: Fate,
}

type Running = Pin<Box<dyn Future<Output = (usize, End)> + Send>>;

/// Runs a pipeline's steps; the caller writes down how the pipeline ended.
pub(super) fn run(
    state: Arc<State>,
    job: String,
    pipeline: Pipeline,
    cancel: CancellationToken,
) -> Pin<Box<dyn Future<Output = End> + Send>> {
    Box::pin(async move {
        let mut nodes = plant(&state, &job, &pipeline, &cancel);
        state.jobs.set_status(&job, Status::Running);
        let mut running: JoinSet<(usize, End)> = JoinSet::new();
        let mut has_failed = false;
        loop {
            let may_start = !cancel.is_cancelled() && (!has_failed || pipeline.go_on);
            has_failed |= start_ready(&state, &job, &pipeline, &mut nodes, &mut running, may_start);
            let Some(ended) = running.join_next().await else {
                break;
            };
            let Ok((at, end)) = ended else {
                has_failed = true;
                continue;
            };
            if let Some(node) = nodes.get_mut(at) {
                has_failed |= settle(&state, &job, node, end);
            }
        }
        let ran = nodes.iter().all(|node| matches!(node.fate, Fate::Done(_)));
        for node in nodes
            .iter()
            .filter(|node| matches!(node.fate, Fate::Waiting))
        {
            finish(&state, &node.job, End::Canceled(None));
        }
        if cancel.is_cancelled() {
            return End::Canceled(None);
        }
        if has_failed || !ran {
            return End::Failed(user_error(
                &state,
                "Pipeline has some failed steps. See child run or execution logs for more details.",
            ));
        }
        state.jobs.set_status(&job, Status::Finalizing);
        End::Completed(results(&state, &job, &nodes))
    })
}

/// Makes a job of every node, so that a client sees them all from the start.
fn plant(
    state: &State,
    parent: &str,
    pipeline: &Pipeline,
    cancel: &CancellationToken,
) -> Vec<Node> {
    let known = state.jobs.get(parent);
    let (root, experiment) = known.map_or_else(
        || (parent.to_owned(), "Default".to_owned()),
        |job| (job.root, job.experiment),
    );
    let mut planted = Vec::new();
    for (name, definition) in &pipeline.nodes {
        let is_pipeline = definition["type"] == "pipeline";
        let role = if is_pipeline {
            Role::SubPipeline
        } else {
            Role::Step
        };
        let mut job = Job::new(&Uuid::new_v4().to_string(), role, cancel.child_token());
        job.parent = Some(parent.to_owned());
        job.root.clone_from(&root);
        job.node = Some(name.clone());
        job.experiment.clone_from(&experiment);
        let shown = definition["display_name"].as_str();
        shown.unwrap_or(name).clone_into(&mut job.display_name);
        let own = definition["computeId"].as_str().and_then(compute_name);
        job.target = own.map(str::to_owned).or_else(|| pipeline.compute.clone());
        job.request = definition.clone();
        planted.push(Node {
            name: name.clone(),
            job: job.name.clone(),
            definition: definition.clone(),
            sources: sources(definition),
            cancel: job.cancel.clone(),
            fate: Fate::Waiting,
        });
        state.jobs.put(job);
    }
    let children: Vec<String> = planted.iter().map(|node| node.job.clone()).collect();
    state
        .jobs
        .update(parent, |job| job.children.extend(children));
    planted
}

/// Starts what has all it needs, and stops what waits for something that will not come. True when one could not be started.
fn start_ready(
    state: &Arc<State>,
    job: &str,
    pipeline: &Pipeline,
    nodes: &mut [Node],
    running: &mut JoinSet<(usize, End)>,
    may_start: bool,
) -> bool {
    let mut has_failed = false;
    for at in 0..nodes.len() {
        let Some(node) = nodes
            .get(at)
            .filter(|node| matches!(node.fate, Fate::Waiting))
        else {
            continue;
        };
        let done = |source: &String| {
            let found = nodes.iter().find(|other| other.name == *source);
            found.is_some_and(|other| matches!(other.fate, Fate::Done(_)))
        };
        if !may_start || !node.sources.iter().all(done) {
            continue;
        }
        let begun = begin(state, pipeline, nodes, node, at);
        let Some(node) = nodes.get_mut(at) else {
            continue;
        };
        match begun {
            Ok(future) => {
                log::line(
                    state,
                    job,
                    log::PIPELINE,
                    &format!("Started step {} as run {}", node.name, node.job),
                );
                node.fate = Fate::Running;
                running.spawn(future);
            }
            Err(message) => {
                let end = End::Failed(user_error(state, &message));
                has_failed |= settle(state, job, node, end);
            }
        }
    }
    has_failed
}

fn begin(
    state: &Arc<State>,
    pipeline: &Pipeline,
    nodes: &[Node],
    node: &Node,
    at: usize,
) -> Result<Running, String> {
    let id = node.definition["componentId"].as_str().unwrap_or("");
    let spec = component::spec(state, id).ok_or_else(|| format!("the component {id} is gone"))?;
    let inputs = bind_inputs(pipeline, nodes, node, &spec)?;
    let outputs = bind_outputs(pipeline, node, &spec);
    let (state, name, cancel) = (Arc::clone(state), node.job.clone(), node.cancel.clone());
    if node.definition["type"] == "pipeline" {
        let inner = pipeline.of_component(&spec, inputs, outputs);
        let future = run(state, name, inner, cancel);
        return Ok(Box::pin(async move { (at, future.await) }));
    }
    let work = Work::of_step(&name, &node.definition, &spec, inputs, outputs)?;
    Ok(Box::pin(async move {
        (at, step::run(&state, work, cancel).await)
    }))
}

/// Writes down how a step ended. True when it failed.
fn settle(state: &State, job: &str, node: &mut Node, end: End) -> bool {
    let (word, failed) = match &end {
        End::Completed(outputs) => {
            node.fate = Fate::Done(outputs.clone());
            ("Completed", false)
        }
        End::Failed(_) => {
            node.fate = Fate::Stopped;
            ("Failed", true)
        }
        End::Canceled(_) => {
            node.fate = Fate::Stopped;
            ("Canceled", true)
        }
    };
    finish(state, &node.job, end);
    log::line(
        state,
        job,
        log::PIPELINE,
        &format!("Step {} is {word}", node.name),
    );
    failed
}

/// The pipeline's outputs, each being the output of a step.
fn results(state: &State, job: &str, nodes: &[Node]) -> BTreeMap<String, Output> {
    let mut results = BTreeMap::new();
    for node in nodes {
        let Fate::Done(outputs) = &node.fate else {
            continue;
        };
        for (name, output) in outputs {
            if let Some(outer) = bound_to(&node.definition["outputs"][name]) {
                results.insert(outer.to_owned(), outputs::adopt(state, job, outer, output));
            }
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(input: &str) -> Value {
        json!({"inputs": {"x": {"job_input_type": "literal", "value": input}}})
    }

    #[test]
    fn steps_that_wait_for_one_another_are_refused() {
        let circle = json!({"a": node("${{parent.jobs.b.outputs.o}}"), "b": node("${{parent.jobs.a.outputs.o}}")});
        let refusal = check(circle.as_object().unwrap()).unwrap_err();
        assert_eq!(refusal, "The steps a, b wait for one another.");
    }

    #[test]
    fn a_step_that_is_not_there_is_named() {
        let pipeline = json!({"a": node("${{parent.jobs.z.outputs.o}}")});
        let refusal = check(pipeline.as_object().unwrap()).unwrap_err();
        assert!(refusal.contains("'z'"), "{refusal}");
        assert!(check(json!({"a": node("1")}).as_object().unwrap()).is_ok());
    }
}
