//! How run history describes a job: the run, its details with the log map, its outputs. Knows no route.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::emulator::blob::sas;
use crate::emulator::clock;
use crate::emulator::job::{Job, Output, Role, Status};
use crate::emulator::site::ARTIFACT_CONTAINER;
use crate::emulator::state::State;

/// Experiments have no life of their own here: the id follows from the name.
pub(crate) fn experiment_id(name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// The service's spelling of a type in run history.
fn pascal(kind: &str) -> String {
    match kind {
        "uri_file" => "UriFile",
        "uri_folder" => "UriFolder",
        "mltable" => "MLTable",
        "mlflow_model" => "MLFlowModel",
        "custom_model" => "CustomModel",
        "triton_model" => "TritonModel",
        other => other,
    }
    .to_owned()
}

pub(crate) fn output(output: &Output) -> Value {
    json!({"assetId": output.asset_id, "type": pascal(&output.kind)})
}

fn properties(state: &State, job: &Job) -> Value {
    let mut properties: Map<String, Value> = job.properties.clone();
    let mut set = |key: &str, value: &str| {
        properties.insert(key.to_owned(), value.into());
    };
    match job.role {
        Role::Command => set("ContentSnapshotId", &experiment_id(&job.name)),
        Role::Pipeline => set("azureml.pipelineid", &experiment_id(&job.root)),
        Role::Step | Role::SubPipeline => {
            let node = job.node.as_deref().unwrap_or("");
            let id = experiment_id(&format!("{}/{node}", job.root));
            set("azureml.nodeid", id.get(..8).unwrap_or(&id));
            set(
                "azureml.moduleid",
                job.request["componentId"].as_str().unwrap_or(""),
            );
            set("azureml.moduleName", &job.display_name);
            set("azureml.pipelinerunid", job.parent.as_deref().unwrap_or(""));
            set("azureml.rootpipelinerunid", &job.root);
            set("azureml.runsource", "azureml.StepRun");
            set("StepType", "PythonScriptStep");
            set("ComputeTargetType", "AmlCompute");
        }
    }
    set("_azureml.wsid", &state.site.workspace_id);
    Value::Object(properties)
}

/// The run as `runs/{id}` and `children` answer it.
pub(crate) fn run(state: &State, job: &Job) -> Value {
    let time = |at: Option<time::OffsetDateTime>| at.map(clock::stamp);
    let run_type = match job.role {
        Role::Command => "azureml.scriptrun",
        Role::Pipeline => "azureml.PipelineRun",
        Role::Step => "azureml.StepRun",
        Role::SubPipeline => "azureml.PipelineRun",
    };
    let duration = job
        .started
        .map(|start| clock::span(start, job.ended.unwrap_or_else(clock::now)));
    let outputs: Map<String, Value> = job
        .outputs
        .iter()
        .map(|(name, one)| (name.clone(), output(one)))
        .collect();
    json!({
        "runId": job.name, "runUuid": experiment_id(&job.name), "parentRunId": job.parent, "rootRunId": job.root,
        "experimentId": experiment_id(&job.experiment), "status": job.status.word(), "displayName": job.display_name,
        "name": job.display_name, "description": job.description, "runType": run_type,
        "runTypeV2": {"orchestrator": if job.role.is_pipeline() { "PipelineRun" } else { "Execution" }, "traits": [], "attribution": "PipelineService", "computeType": null},
        "properties": properties(state, job), "target": job.target, "tags": job.tags, "hidden": job.is_archived,
        "actionUris": {"Cancel": format!("{}{}/jobs/{}/cancel", state.site.endpoint, state.site.id(), job.name)},
        "createdUtc": clock::stamp(job.created), "startTimeUtc": time(job.started), "endTimeUtc": time(job.ended),
        "duration": duration, "error": job.error, "warnings": null, "inputs": {}, "outputs": outputs,
        "createdBy": {"userObjectId": crate::emulator::auth::OBJECT_ID, "userName": "emulator"},
    })
}

/// `runs/{id}/details`. The first answer about a run that is over already is its last state before the end: clients that stop
/// following at once when they first see a final state would show no log of a job that was quick.
pub(crate) fn details(state: &State, job: &Job) -> Value {
    let late = job.status.is_final() && !job.was_seen && job.parent.is_none();
    state.jobs.update(&job.name, |job| job.was_seen = true);
    let status = if late { Status::Finalizing } else { job.status };
    let ended = job.ended.filter(|_| !late).map(clock::stamp);
    let logs: Map<String, Value> = job
        .logs
        .iter()
        .map(|log| {
            let path = format!("{}{log}", Job::log_prefix(&job.name));
            let url = state.site.blob_url(ARTIFACT_CONTAINER, &path);
            let query = sas::read_blob(&state.site, ARTIFACT_CONTAINER, &path);
            (log.clone(), format!("{url}?{query}").into())
        })
        .collect();
    json!({
        "runId": job.name, "target": job.target.as_deref().unwrap_or("serverless"), "status": status.word(),
        "startTimeUtc": job.started.map(clock::stamp), "endTimeUtc": ended,
        "services": {}, "error": if late { None } else { job.error.as_ref() }, "warnings": [],
        "properties": properties(state, job), "inputDatasets": [], "outputDatasets": [], "runDefinition": {},
        "logFiles": logs, "jobCost": null, "revision": 1, "submittedBy": "emulator",
    })
}
