//! What a node's inputs and outputs mean in its pipeline: values, outputs of other steps, defaults of the component. Knows no process.

use std::collections::BTreeMap;

use serde_json::Value;

use super::binding;
use super::graph::{Fate, Node, Pipeline};
use super::work::{self, Input, Target};
use crate::emulator::handler::unserved;

/// The inputs of a step: what the node gives, else the component's default.
pub(super) fn bind_inputs(
    pipeline: &Pipeline,
    nodes: &[Node],
    node: &Node,
    spec: &Value,
) -> Result<BTreeMap<String, Input>, String> {
    let mut inputs = BTreeMap::new();
    for (name, given) in node.definition["inputs"].as_object().into_iter().flatten() {
        let Some(given) = work::input_of(given) else {
            continue;
        };
        if let Some(mut input) = bind(pipeline, nodes, &given)? {
            let declared = spec["inputs"][name]["type"].as_str().unwrap_or("literal");
            // The component says what it wants; a literal that names data is data.
            if work::is_path_kind(declared) {
                declared.clone_into(&mut input.kind);
            }
            let declared = unserved::is_direct(&spec["inputs"][name]);
            input.is_direct = given.is_direct.or(declared).or(input.is_direct);
            inputs.insert(name.clone(), input);
        }
    }
    for (name, declared) in spec["inputs"].as_object().into_iter().flatten() {
        if inputs.contains_key(name) {
            continue;
        }
        if let Some(value) = work::text(&declared["default"]) {
            inputs.insert(name.clone(), Input::literal(value));
        }
    }
    Ok(inputs)
}

/// What a value means in this pipeline; `None` when it is an optional input that was not given.
fn bind(pipeline: &Pipeline, nodes: &[Node], given: &Input) -> Result<Option<Input>, String> {
    let look_up = |name: &str| -> Result<Option<Input>, String> {
        if let Some(input) = name.strip_prefix("parent.inputs.") {
            return Ok(pipeline.inputs.get(input).cloned());
        }
        let parts = name
            .strip_prefix("parent.jobs.")
            .and_then(|rest| rest.split_once(".outputs."));
        let Some((source, output)) = parts else {
            return Err(format!("${{{{{name}}}}} is not known in a pipeline."));
        };
        let found = nodes.iter().find(|node| node.name == source);
        let Some(Fate::Done(outputs)) = found.map(|node| &node.fate) else {
            return Err(format!("The step '{source}' has no outputs yet."));
        };
        let output = outputs
            .get(output)
            .ok_or_else(|| format!("The step '{source}' has no output '{output}'."))?;
        Ok(Some(Input {
            kind: output.kind.clone(),
            value: output.uri.clone(),
            is_direct: None,
        }))
    };
    if let Some(name) = binding::only(&given.value) {
        return look_up(name);
    }
    let value = binding::replace(&given.value, &mut |name| {
        let found = look_up(name)?;
        found
            .map(|input| input.value)
            .ok_or_else(|| format!("${{{{{name}}}}} has no value."))
    })?;
    Ok(Some(Input {
        kind: given.kind.clone(),
        value,
        is_direct: given.is_direct,
    }))
}

/// Where a step's outputs go: all that the component declares, bound to the pipeline's own where the node says so.
pub(super) fn bind_outputs(
    pipeline: &Pipeline,
    node: &Node,
    spec: &Value,
) -> BTreeMap<String, Target> {
    let given = &node.definition["outputs"];
    let declared = spec["outputs"].as_object().into_iter().flatten();
    let bound = declared.map(|(name, declared)| {
        let kind = declared["type"].as_str();
        let target = match bound_to(&given[name]).and_then(|name| pipeline.outputs.get(name)) {
            Some(outer) => Target {
                kind: kind.unwrap_or(&outer.kind).to_owned(),
                ..outer.clone()
            },
            None => {
                let mut target = work::target(&given[name], kind, &pipeline.datastore);
                target.uri = target.uri.filter(|uri| !uri.contains("${{parent"));
                target
            }
        };
        (name.clone(), target)
    });
    bound.collect()
}

/// The pipeline's output that a node's output is.
pub(super) fn bound_to(output: &Value) -> Option<&str> {
    let text = output
        .as_str()
        .or_else(|| output["value"].as_str())
        .or_else(|| output["path"].as_str());
    binding::only(text?)?.strip_prefix("parent.outputs.")
}
