//! Bringing a deployment's model and code onto the disk, and the environment that its script sees. Knows no process and no HTTP.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::log::Log;
use super::worker::{Recipe, SERVER};
use crate::emulator::asset::{AssetKind, Pick};
use crate::emulator::execute::inputs;
use crate::emulator::operation::Failure;
use crate::emulator::reference::{self, Reference};
use crate::emulator::state::State;
use crate::emulator::{clock, yaml};

const SERVER_TEXT: &str = concat!(include_str!("script.py"), include_str!("online.py"));
const ROOT: &str = "/var/azureml-app";
/// What the service sets and clients send back with what they read.
pub(crate) const OWN_VARIABLES: [&str; 3] =
    ["AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"];

/// What a deployment runs.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) model: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) script: Option<String>,
    pub(crate) variables: Vec<(String, String)>,
    /// How long `init` may take, by the liveness probe.
    pub(crate) patience: Duration,
    pub(crate) limit: Duration,
}

impl Order {
    /// From a deployment's properties, probes and limits filled.
    pub(crate) fn of(properties: &Map<String, Value>) -> Self {
        let field = |name: &str| properties.get(name).unwrap_or(&Value::Null);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let code = field("codeConfiguration");
        let variables = field("environmentVariables")
            .as_object()
            .into_iter()
            .flatten();
        let length = |value: &Value| value.as_str().and_then(clock::duration);
        let probe = field("livenessProbe");
        let failures = probe["failureThreshold"].as_u64().unwrap_or(30);
        let period = length(&probe["period"]).unwrap_or(Duration::from_secs(10));
        let delay = length(&probe["initialDelay"]).unwrap_or(Duration::from_secs(10));
        Self {
            model: text(field("model")),
            code: text(&code["codeId"]),
            script: text(&code["scoringScript"]),
            variables: variables
                .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
                .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
                .collect(),
            patience: delay + period * u32::try_from(failures).unwrap_or(u32::MAX),
            limit: length(&field("requestSettings")["requestTimeout"])
                .unwrap_or(Duration::from_secs(5)),
        }
    }

    /// What two orders have to share for one process to do for both.
    pub(crate) fn recipe(&self, environment: &Value) -> Value {
        json!([
            self.model,
            self.code,
            self.script,
            self.variables,
            environment,
            self.limit.as_millis().to_string()
        ])
    }

    /// The variables that answers name, with the paths of Azure's container.
    pub(crate) fn shown_variables(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in &self.variables {
            shown.insert(name.clone(), value.clone().into());
        }
        let mut add = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
        if let Some((name, version)) = self.model.as_deref().and_then(model_name) {
            add(
                "AZUREML_MODEL_DIR",
                format!("{ROOT}/azureml-models/{name}/{version}"),
            );
        }
        if let (Some(code), Some(script)) = (&self.code, &self.script) {
            add("AZUREML_ENTRY_SCRIPT", script.clone());
            add("AML_APP_ROOT", format!("{ROOT}/{}", code_name(code)));
        }
        shown
    }
}

/// The name and version that an id or a short form names.
fn model_name(id: &str) -> Option<(String, String)> {
    match reference::parse(id, AssetKind::Model)? {
        Reference::Asset(AssetKind::Model, name, Pick::Version(version)) => Some((name, version)),
        Reference::Asset(..) | Reference::Curated(_) => None,
    }
}

fn code_name(id: &str) -> String {
    match reference::parse(id, AssetKind::Code) {
        Some(Reference::Asset(_, name, _)) => name,
        Some(Reference::Curated(_)) | None => "code".to_owned(),
    }
}

/// Fetches everything and says how to start the process.
pub(crate) fn recipe(
    state: &State,
    order: &Order,
    log: &Arc<Log>,
    search_path: OsString,
) -> Result<Recipe, Failure> {
    let broken = |error: std::io::Error| Failure::new("InternalServerError", error.to_string());
    let root = tempfile::Builder::new()
        .prefix("deployment-")
        .tempdir_in(state.scratch.path())
        .map_err(broken)?;
    std::fs::write(root.path().join(SERVER), SERVER_TEXT).map_err(broken)?;
    let mut variables: Vec<(String, OsString)> = vec![
        ("PATH".to_owned(), search_path),
        ("LANG".to_owned(), "C.UTF-8".into()),
        ("PYTHONUNBUFFERED".to_owned(), "1".into()),
    ];
    for (name, value) in &order.variables {
        variables.push((name.clone(), value.into()));
    }
    let model = fetch_model(state, order, log, root.path())?;
    let folder = fetch_code(state, order, log, root.path())?;
    if order.script.is_none() {
        let flavour = order.model.as_deref().map_or_else(
            || Err("A deployment without a scoring script needs an MLflow model.".to_owned()),
            |id| flavour(state, id),
        );
        let flavour = flavour.map_err(|what| told(log, "ModelUnreadable", what))?;
        variables.push(("AML_EMULATOR_MLFLOW".to_owned(), flavour.to_string().into()));
        let content = model.as_ref().map(|(_, content)| content.into());
        variables.push(("AML_EMULATOR_MODEL".to_owned(), content.unwrap_or_default()));
    }
    if let Some((directory, _)) = model {
        variables.push(("AZUREML_MODEL_DIR".to_owned(), directory.into()));
    }
    if let Some(script) = &order.script {
        variables.push(("AZUREML_ENTRY_SCRIPT".to_owned(), script.into()));
    }
    for name in ["AML_APP_ROOT", "HOME", "PWD"] {
        variables.push((name.to_owned(), folder.clone().into()));
    }
    Ok(Recipe {
        folder,
        variables,
        patience: order.patience,
        limit: order.limit,
        log: Arc::clone(log),
        root,
    })
}

/// The directory of the model's version, and what lies in it under the model's own name.
fn fetch_model(
    state: &State,
    order: &Order,
    log: &Log,
    root: &Path,
) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
    let Some(id) = &order.model else {
        return Ok(None);
    };
    let (name, version) = model_name(id).unwrap_or_else(|| ("model".into(), "1".into()));
    let directory = root.join("azureml-models").join(&name).join(&version);
    log.storage(&format!("Downloading model {name}:{version}"));
    let fetched = inputs::fetch_model(state, id, &directory);
    let content = fetched.map_err(|what| told(log, "ModelDownloadFailed", what))?;
    log.storage(&format!("Downloaded model {name}:{version}"));
    Ok(Some((directory, content)))
}

fn fetch_code(state: &State, order: &Order, log: &Log, root: &Path) -> Result<PathBuf, Failure> {
    let name = order.code.as_deref().map_or_else(String::new, code_name);
    let folder = root.join("app").join(name);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::new("InternalServerError", error.to_string()))?;
    if let Some(code) = &order.code {
        inputs::fetch_code(state, code, &folder)
            .map_err(|what| told(log, "CodeDownloadFailed", what))?;
        log.storage("Downloaded the scoring code");
    }
    Ok(folder)
}

fn told(log: &Log, what: &str, why: String) -> Failure {
    log.storage(&format!("{what}: {why}"));
    Failure::new("BadArgument", why)
}

/// How the generic flavour of an MLflow model is loaded; the paths are relative to the model.
pub(crate) fn flavour(state: &State, model: &str) -> Result<Value, String> {
    let text = inputs::text_in_model(state, model, "MLmodel")?;
    let read = yaml::to_json(&text).map_err(|error| format!("MLmodel: {error}"))?;
    let flavour = &read["flavors"]["python_function"];
    let loader = flavour["loader_module"]
        .as_str()
        .ok_or("MLmodel has no python_function flavour with a loader_module.")?;
    let data = flavour["data"].as_str().unwrap_or("");
    let code = flavour["code"].as_array();
    let code = code.map_or_else(|| std::slice::from_ref(&flavour["code"]), Vec::as_slice);
    let code: Vec<&str> = code.iter().filter_map(Value::as_str).collect();
    Ok(json!({"loader": loader, "data": data, "code": code}))
}
