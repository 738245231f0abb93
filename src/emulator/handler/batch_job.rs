//! Invoking a batch endpoint: what was asked becomes a pipeline job, which runs as any other. The step of a deployment with a scoring script
//! runs the script over mini-batches; a pipeline component runs its own steps.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::submit::{check_compute, new_job};
use super::{component, deployment, endpoint};
use crate::emulator::asset::AssetKind;
use crate::emulator::auth::{self, Audience};
use crate::emulator::clock;
use crate::emulator::endpoint::{Deployment, Endpoint, Kind, Look, Provisioning};
use crate::emulator::execute;
use crate::emulator::job::{Job, Role};
use crate::emulator::problem::Problem;
use crate::emulator::reference::{self, Reference};
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::scoring::prepare;
use crate::emulator::scoring::serve::DEPLOYMENT;
use crate::emulator::site::PROVIDER;
use crate::emulator::state::State;

const RUNNER: &str = concat!(
    include_str!("../scoring/script.py"),
    include_str!("../scoring/batch.py")
);
/// The one step of a deployment with a scoring script.
const STEP: &str = "batchscoring";

/// The service's spellings of input and output types, and those of pipelines.
const TYPES: [(&str, &str); 7] = [
    ("UriFile", "uri_file"),
    ("UriFolder", "uri_folder"),
    ("MLTable", "mltable"),
    ("MLFlowModel", "mlflow_model"),
    ("CustomModel", "custom_model"),
    ("TritonModel", "triton_model"),
    ("Literal", "literal"),
];

/// `/batch/<endpoint>/jobs`, the scoring address of a batch endpoint.
pub(crate) fn handle(state: &Arc<State>, call: &Call, name: &str, rest: &[&str]) -> Reply {
    auth::require(&state.site, call, Audience::MachineLearning)?;
    let endpoint = endpoint::find(state, Kind::Batch, name, Look::Not)?;
    match (call.method.as_str(), rest) {
        ("POST", []) => invoke(state, call, &endpoint),
        ("GET", []) => Ok(list(state, &endpoint.name, None)),
        ("GET", [job]) => {
            let job = super::job::find(state, job)?;
            Ok(request::ok(&body(state, &job)))
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} batch jobs/{}",
            rest.join("/")
        ))),
    }
}

/// The management front end's lists: `batchEndpoints/E/jobs` and `batchEndpoints/E/deployments/D/jobs`.
pub(crate) fn list_below(state: &State, call: &Call, rest: &[&str]) -> Reply {
    auth::require(&state.site, call, Audience::DataPlane)?;
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    match (call.method.as_str(), rest) {
        ("GET", [kind, name, jobs]) if is(kind, "batchEndpoints") && is(jobs, "jobs") => {
            let endpoint = endpoint::find(state, Kind::Batch, name, Look::Not)?;
            Ok(list(state, &endpoint.name, None))
        }
        ("GET", [kind, name, deployments, deployment, jobs])
            if is(kind, "batchEndpoints") && is(deployments, "deployments") && is(jobs, "jobs") =>
        {
            let endpoint = endpoint::find(state, Kind::Batch, name, Look::Not)?;
            Ok(list(state, &endpoint.name, Some(deployment)))
        }
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} managementfrontend {}",
            rest.join("/")
        ))),
    }
}

/// The newest first.
fn list(state: &State, endpoint: &str, deployment: Option<&str>) -> axum::response::Response {
    let is = |job: &Job, name: &str, wanted: &str| {
        let tag = job.tags.get(name).and_then(Value::as_str);
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(wanted))
    };
    let mut jobs = state.jobs.roots();
    jobs.retain(|job| {
        is(job, "azureml.endpointname", endpoint)
            && deployment.is_none_or(|name| is(job, "azureml.deploymentname", name))
    });
    jobs.reverse();
    let bodies: Vec<Value> = jobs.iter().map(|job| body(state, job)).collect();
    request::list(&bodies)
}

/// The batch view of a job.
fn body(state: &State, job: &Job) -> Value {
    let tag = |name: &str| job.tags.get(name).and_then(Value::as_str).unwrap_or("");
    let (endpoint, deployment) = (tag("azureml.endpointname"), tag("azureml.deploymentname"));
    let id = deployment::id(state, Kind::Batch, endpoint, deployment);
    let place = |kind: &str, address: String| json!({"jobEndpointType": kind, "endpoint": address, "port": null, "properties": null});
    json!({
        "id": format!("{id}/jobs/{}", job.name), "name": job.name,
        "type": format!("{PROVIDER}/workspaces/batchEndpoints/deployments/jobs"),
        "properties": {
            "status": job.status.word(), "provisioningState": "Succeeded", "name": job.display_name, "description": job.description,
            "inputData": job.request["batchInput"], "outputData": job.request["batchOutput"], "compute": {"target": job.target},
            "interactionEndpoints": {
                "Tracking": place("Tracking", state.site.mlflow_uri()),
                "Studio": place("Studio", state.site.studio_url(&job.name)),
            },
            "tags": job.tags, "properties": job.properties,
        },
        "systemData": State::system_data(job.created, job.created),
    })
}

fn invoke(state: &Arc<State>, call: &Call, endpoint: &Endpoint) -> Reply {
    let sent = call.json()?["properties"].take();
    let default = &endpoint.resource.properties["defaults"]["deploymentName"];
    let name = call.header(DEPLOYMENT).or(default.as_str());
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
        Problem::bad_request(format!(
            "The endpoint {} has no default deployment, and the request names none.",
            endpoint.name
        ))
    })?;
    let found = deployment::find_one(state, Kind::Batch, &endpoint.name, name, Look::Not)?;
    if found.resource.lifecycle.state != Provisioning::Succeeded {
        return Err(Problem::conflict(format!(
            "The deployment {name} cannot be invoked because it is in {} provisioning state.",
            found.resource.lifecycle.state.word()
        )));
    }
    let order = Order {
        state,
        properties: &found.resource.properties,
        sent: &sent,
        inputs: inputs(&sent["inputData"])?,
    };
    let mut request = order.pipeline()?;
    describe(&mut request, &sent, endpoint, &found);
    let job_name = format!("batchjob-{}", Uuid::new_v4());
    let target = check_compute(
        state,
        request
            .get("settings")
            .and_then(|all| all["default_compute"].as_str()),
    )?;
    let mut job = new_job(state, &job_name, Role::Pipeline, request, target);
    // The front end shows no steps of a batch job.
    job.body["jobs"] = Value::Null;
    state.jobs.put(job.clone());
    execute::start(state, &job_name);
    let answer = request::json(StatusCode::CREATED, &body(state, &job));
    let answer = request::with(answer, DEPLOYMENT, &found.name);
    let id = deployment::id(state, Kind::Batch, &endpoint.name, &found.name);
    // The deployment, not the job: as recorded.
    let location = format!("{}{id}", state.site.endpoint);
    let answer = request::with(answer, "location", &location);
    Ok(request::with(answer, "server", "azureml-frontdoor"))
}

/// What a job of an endpoint says of itself.
fn describe(
    request: &mut Map<String, Value>,
    sent: &Value,
    endpoint: &Endpoint,
    deployment: &Deployment,
) {
    let mut tags = sent["tags"].as_object().cloned().unwrap_or_default();
    for (name, value) in [
        ("azureml.batchrun", "true"),
        ("azureml.endpointname", &endpoint.name),
        ("azureml.deploymentname", &deployment.name),
        ("azureml.jobtype", "azureml.batchjob"),
        ("inputType", "input_data"),
        ("outputType", "output_data"),
    ] {
        tags.insert(name.to_owned(), value.into());
    }
    let experiment = sent["properties"]["experimentName"].as_str();
    let name = sent["name"].as_str().map(str::to_owned);
    let description = format!(
        "Pipeline submission for endpoint: {}, deployment: {}",
        endpoint.name, deployment.name
    );
    for (field, value) in [
        ("jobType", "Pipeline".into()),
        (
            "experimentName",
            experiment.unwrap_or(&endpoint.name).into(),
        ),
        ("displayName", name.unwrap_or_else(own_name).into()),
        ("description", description.into()),
        ("tags", Value::Object(tags)),
        ("batchInput", sent["inputData"].clone()),
        ("batchOutput", sent["outputData"].clone()),
    ] {
        request.insert(field.to_owned(), value);
    }
}

/// The service thinks of two words and eight letters.
fn own_name() -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("mango_island_{}", id.get(..8).unwrap_or(&id))
}

/// What was given, in the spelling of pipelines.
fn inputs(sent: &Value) -> Result<Map<String, Value>, Problem> {
    let mut inputs = Map::new();
    for (name, input) in sent.as_object().into_iter().flatten() {
        let kind = input["jobInputType"].as_str().unwrap_or("");
        let known = TYPES
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(kind));
        let (_, kind) = known.ok_or_else(|| {
            Problem::bad_request(format!(
                "The type '{kind}' of the input '{name}' is unknown."
            ))
        })?;
        let field = if *kind == "literal" { "value" } else { "uri" };
        if input[field].is_null() {
            return Err(Problem::bad_request(format!(
                "The input '{name}' has no {field}."
            )));
        }
        inputs.insert(
            name.clone(),
            json!({"jobInputType": kind, field: input[field]}),
        );
    }
    Ok(inputs)
}

/// One invocation of a deployment.
struct Order<'a> {
    state: &'a State,
    properties: &'a Map<String, Value>,
    sent: &'a Value,
    inputs: Map<String, Value>,
}

impl Order<'_> {
    /// The properties of the pipeline job that it becomes.
    fn pipeline(&self) -> Result<Map<String, Value>, Problem> {
        let configuration = self.field("deploymentConfiguration");
        let component = configuration["componentId"]["assetId"].as_str();
        let pipeline = match component {
            Some(id) => self.of_component(id, &configuration["settings"])?,
            None => self.of_script()?,
        };
        Ok(pipeline.as_object().cloned().unwrap_or_default())
    }

    /// What the invocation says, else the deployment.
    fn field(&self, name: &str) -> &Value {
        let own = Some(&self.sent[name]).filter(|own| !own.is_null());
        own.or_else(|| self.properties.get(name))
            .unwrap_or(&Value::Null)
    }

    /// The component's steps, with the inputs that were given or that it has by default.
    fn of_component(&self, id: &str, settings: &Value) -> Result<Value, Problem> {
        let spec = component::spec(self.state, id);
        let spec = spec.ok_or_else(|| component::missing_in_pipeline(id))?;
        let mut inputs = self.inputs.clone();
        for (name, declared) in spec["inputs"].as_object().into_iter().flatten() {
            if inputs.contains_key(name) || declared["optional"] == "True" {
                continue;
            }
            let default = Some(&declared["default"]).filter(|value| !value.is_null());
            let default = default.ok_or_else(|| {
                Problem::bad_request(format!("The required input '{name}' is not provided."))
            })?;
            inputs.insert(
                name.clone(),
                json!({"jobInputType": "literal", "value": default}),
            );
        }
        let mut outputs = Map::new();
        for (name, declared) in spec["outputs"].as_object().into_iter().flatten() {
            let uri = &self.sent["outputData"][name]["uri"];
            outputs.insert(
                name.clone(),
                json!({"jobOutputType": declared["type"], "uri": uri}),
            );
        }
        Ok(
            json!({"inputs": inputs, "outputs": outputs, "settings": settings, "jobs": spec["jobs"]}),
        )
    }

    /// One step that runs the script over the first input that is data.
    fn of_script(&self) -> Result<Value, Problem> {
        let data = self.inputs.iter();
        let mut data = data.filter(|(_, input)| input["jobInputType"] != "literal");
        let (name, data) = data.next().ok_or_else(|| {
            Problem::bad_request("The request has no input that is a file or a folder.")
        })?;
        let component = self.step(data["jobInputType"].as_str().unwrap_or("uri_folder"))?;
        let mut step_inputs = json!({"data": format!("${{{{parent.inputs.{name}}}}}")});
        if let Some(model) = self.field("model")["assetId"].as_str() {
            step_inputs["model"] = json!({"job_input_type": "custom_model", "uri": model});
        }
        let compute = self.field("compute");
        let compute = compute["target"].as_str().or(compute.as_str());
        let step = json!({
            "type": "command", "componentId": component, "display_name": STEP, "inputs": step_inputs,
            "outputs": {"score": "${{parent.outputs.score}}"},
        });
        Ok(json!({
            "inputs": {name: data}, "settings": {"default_compute": compute}, "jobs": {STEP: step},
            "outputs": {"score": {"jobOutputType": "uri_folder", "uri": self.output()}},
        }))
    }

    /// Where the results go, if the invocation says so.
    fn output(&self) -> Option<String> {
        let given = self.sent["outputData"].as_object().into_iter().flatten();
        let mut given = given.filter_map(|(_, output)| output["uri"].as_str());
        if let Some(uri) = given.next() {
            return Some(uri.to_owned());
        }
        let folder = &self.sent["outputDataset"];
        let datastore = folder["datastoreId"].as_str()?.rsplit('/').next()?;
        let path = folder["path"].as_str().unwrap_or("").trim_matches('/');
        Some(format!("azureml://datastores/{datastore}/paths/{path}/"))
    }

    /// A component of this emulator's own around the script; its id.
    fn step(&self, data: &str) -> Result<String, Problem> {
        let code = self.field("codeConfiguration");
        let model = self.field("model")["assetId"].as_str();
        let mut command = "exec python3 -c \"$AML_EMULATOR_BATCH\" --input \"${{inputs.data}}\" --output \"${{outputs.score}}\"".to_owned();
        let mut inputs = json!({"data": {"type": data}});
        if model.is_some() {
            command.push_str(" --model \"${{inputs.model}}\"");
            inputs["model"] = json!({"type": "custom_model"});
        }
        let own = self.field("environmentVariables").as_object();
        let mut variables = own.cloned().unwrap_or_default();
        variables.insert("AML_EMULATOR_BATCH".to_owned(), RUNNER.into());
        variables.insert(
            "AML_EMULATOR_BATCH_SETTINGS".to_owned(),
            self.settings(code, model)?.to_string().into(),
        );
        let spec = json!({
            "type": "command", "name": STEP, "version": "1", "command": command, "code": code["codeId"],
            "environment": self.field("environmentId"), "environment_variables": variables, "inputs": inputs,
            "outputs": {"score": {"type": "uri_folder"}},
        });
        let version = Uuid::new_v4().to_string();
        let properties = json!({"componentSpec": spec, "isAnonymous": true, "isArchived": false});
        let name = "azureml_anonymous";
        self.state
            .assets
            .write(AssetKind::Component, name, &version, properties);
        Ok(super::asset::version_id(
            self.state,
            AssetKind::Component,
            name,
            &version,
        ))
    }

    fn settings(&self, code: &Value, model: Option<&str>) -> Result<Value, Problem> {
        let number = |value: &Value, default: i64| value.as_i64().unwrap_or(default);
        let script = code["scoringScript"].as_str();
        let flavour = match (script, model) {
            (None, Some(model)) => {
                prepare::flavour(self.state, model).map_err(Problem::bad_request)?
            }
            (None, None) => {
                return Err(Problem::bad_request(
                    "The deployment has neither a scoring script nor a model.",
                ));
            }
            (Some(_), _) => Value::Null,
        };
        let retry = self.field("retrySettings");
        let seconds = retry["timeout"].as_str().and_then(clock::duration);
        Ok(json!({
            "script": script, "mlflow": flavour, "model_name": model.and_then(|id| self.model_name(id)),
            "mini_batch_size": number(self.field("miniBatchSize"), 10).max(1), "retries": number(&retry["maxRetries"], 3).max(0),
            "seconds": seconds.map_or(30.0, |limit| limit.as_secs_f64()), "threshold": number(self.field("errorThreshold"), -1),
            "append": self.field("outputAction") != "SummaryOnly",
            "file": self.field("outputFileName").as_str().unwrap_or("predictions.csv"),
        }))
    }

    /// What the model's folder is called, which scripts find in `AZUREML_MODEL_DIR`.
    fn model_name(&self, id: &str) -> Option<String> {
        let Some(Reference::Asset(kind, name, pick)) = reference::parse(id, AssetKind::Model)
        else {
            return None;
        };
        let model = self.state.assets.find(kind, &name, &pick)?;
        let uri = model.properties["modelUri"].as_str()?;
        let base = uri.trim_end_matches('/').rsplit('/').next()?;
        Some(base.to_owned())
    }
}
