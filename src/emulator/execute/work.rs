//! What a step has to do, whichever way it was submitted: a command job's body, or a pipeline's node with its component. Knows no process.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::emulator::clock;
use crate::emulator::handler::unserved::is_direct;
use crate::emulator::job::Job;
use crate::emulator::site;
use crate::emulator::state::State;

/// A value for an input; an optional one that was not given is not in the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// `literal`, or a type that lives in storage.
    pub(crate) kind: String,
    pub(crate) value: String,
    /// The address itself is handed over instead of a path; `None` when nobody said.
    pub(crate) is_direct: Option<bool>,
}

impl Input {
    pub(super) fn literal(value: String) -> Self {
        Self {
            kind: "literal".to_owned(),
            value,
            is_direct: None,
        }
    }

    pub(super) fn is_path(&self) -> bool {
        is_path_kind(&self.kind)
    }
}

pub(super) fn is_path_kind(kind: &str) -> bool {
    matches!(
        kind,
        "uri_file" | "uri_folder" | "mltable" | "custom_model" | "mlflow_model" | "triton_model"
    )
}

/// Where an output goes and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: String,
    pub(crate) uri: Option<String>,
    pub(crate) asset_name: Option<String>,
    pub(crate) asset_version: Option<String>,
    pub(crate) datastore: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(super) job: String,
    pub(super) command: String,
    pub(super) code: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) inputs: BTreeMap<String, Input>,
    pub(super) outputs: BTreeMap<String, Target>,
    pub(super) timeout: Option<Duration>,
}

impl Work {
    /// A stand-alone command job.
    pub(super) fn of_command(state: &State, job: &Job) -> Result<Self, String> {
        let body = &job.request;
        let mut outputs = BTreeMap::new();
        for (name, output) in body["outputs"].as_object().into_iter().flatten() {
            outputs.insert(
                name.clone(),
                target(output, None, &default_datastore(state, None)),
            );
        }
        Ok(Self {
            job: job.name.clone(),
            command: text(&body["command"]).unwrap_or_default(),
            code: text(&body["codeId"]),
            environment: text(&body["environmentId"]),
            variables: variables(&body["environmentVariables"]),
            inputs: inputs_of(&body["inputs"])?,
            outputs,
            timeout: timeout(&body["limits"]["timeout"])?,
        })
    }

    /// A node of a pipeline, with inputs and outputs already bound.
    pub(super) fn of_step(
        job: &str,
        node: &Value,
        spec: &Value,
        inputs: BTreeMap<String, Input>,
        outputs: BTreeMap<String, Target>,
    ) -> Result<Self, String> {
        let command = text(&spec["command"]).ok_or("the component has no command")?;
        let mut all = variables(&spec["environment_variables"]);
        all.extend(variables(&node["environment_variables"]));
        Ok(Self {
            job: job.to_owned(),
            command,
            code: text(&spec["code"]),
            environment: text(&node["environment"]).or_else(|| text(&spec["environment"])),
            variables: all,
            inputs,
            outputs,
            timeout: timeout(&node["limits"]["timeout"])?,
        })
    }
}

/// A string, or the text of a number or a flag.
pub(super) fn text(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    (value.is_number() || value.is_boolean()).then(|| value.to_string())
}

fn variables(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
        .collect()
}

/// ISO 8601 in a job's body, plain seconds in a component's node.
fn timeout(value: &Value) -> Result<Option<Duration>, String> {
    let Some(text) = text(value) else {
        return Ok(None);
    };
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    seconds
        .or_else(|| clock::duration(&text))
        .map(Some)
        .ok_or_else(|| format!("the timeout '{text}' is not a duration"))
}

/// The inputs of a job's body.
pub(super) fn inputs_of(value: &Value) -> Result<BTreeMap<String, Input>, String> {
    let mut inputs = BTreeMap::new();
    for (name, input) in value.as_object().into_iter().flatten() {
        if let Some(input) = input_of(input) {
            inputs.insert(name.clone(), input);
        } else if !input.is_null() {
            return Err(format!("the input '{name}' has neither a value nor a uri"));
        }
    }
    Ok(inputs)
}

/// Either spelling: `jobInputType` in a job, `job_input_type` in a pipeline's node, a bare value in a component.
pub(super) fn input_of(input: &Value) -> Option<Input> {
    if !input.is_object() {
        return text(input).map(Input::literal);
    }
    let kind = ["jobInputType", "job_input_type", "type"]
        .iter()
        .find_map(|name| input[*name].as_str())
        .unwrap_or("literal");
    let value = text(&input["uri"])
        .or_else(|| text(&input["value"]))
        .or_else(|| text(&input["path"]))?;
    Some(Input {
        kind: kind.to_lowercase(),
        value,
        is_direct: is_direct(input),
    })
}

/// An output's target, from either spelling; `declared` is the type the component gives it.
pub(super) fn target(output: &Value, declared: Option<&str>, datastore: &str) -> Target {
    let first = |names: &[&str]| names.iter().find_map(|name| text(&output[*name]));
    let given = first(&["jobOutputType", "job_output_type", "type"]);
    let kind = given
        .filter(|kind| is_path_kind(kind))
        .or_else(|| declared.map(str::to_owned))
        .unwrap_or_else(|| "uri_folder".to_owned());
    Target {
        kind,
        uri: first(&["uri", "path"]),
        asset_name: first(&["assetName", "asset_name", "name"]),
        asset_version: first(&["assetVersion", "asset_version", "version"]),
        datastore: datastore.to_owned(),
    }
}

/// The name of the datastore that outputs without a place go to.
pub(super) fn default_datastore(state: &State, setting: Option<&str>) -> String {
    let name = setting.map(|text| text.strip_prefix("azureml:").unwrap_or(text));
    let name = name.and_then(|text| text.rsplit('/').next());
    name.filter(|name| state.datastores.get(name).is_some())
        .unwrap_or(site::BLOB_STORE)
        .to_owned()
}
