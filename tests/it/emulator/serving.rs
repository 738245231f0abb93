//! An online endpoint on the desk: made, deployed to, called. Knows HTTP and the order of calls.

use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};

/// Answers what it is asked with its own name, and does on demand what goes wrong in practice.
pub(super) const SCRIPT: &str = r#"
import json, os, sys
def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")) as file:
        model = file.read()
    print("loaded", model)
def run(data):
    asked = json.loads(data)
    print("asked", asked)
    if asked.get("die"):
        os._exit(9)
    if asked.get("raise"):
        raise ValueError("no such wine")
    if asked.get("hang"):
        while True:
            pass
    return {"model": model, "who": os.environ.get("WHO"), "echo": asked}
"#;

impl Desk {
    /// Follows an operation to its end the way clients do. Its last status.
    pub(super) async fn follow(&self, begun: &Answer) -> Value {
        let url = begun.header("azure-asyncoperation").to_owned();
        assert!(!url.is_empty(), "{} {}", begun.status, begun.body);
        let path = url.strip_prefix(self.emulator.endpoint()).unwrap();
        loop {
            let status = self.at(Method::GET, path, None).await;
            assert_eq!(status.status, 200, "{}", status.body);
            if !matches!(
                status.body["status"].as_str(),
                Some("Updating" | "InProgress")
            ) {
                return status.body;
            }
        }
    }

    pub(super) async fn endpoint(&self, name: &str, more: Value) -> Answer {
        let mut properties = json!({"authMode": "Key"});
        merge(&mut properties, more);
        let body = json!({"location": "eastus", "identity": {"type": "SystemAssigned"}, "properties": properties});
        self.put(&format!("/onlineEndpoints/{name}"), body).await
    }

    /// A model of one file.
    pub(super) async fn model(&self, name: &str, text: &str) -> String {
        let uri = self.file(&format!("models/{name}/model.txt"), text).await;
        let body = json!({"properties": {"modelType": "custom_model", "modelUri": uri}});
        let answer = self.put(&format!("/models/{name}/versions/1"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// The body of a deployment that runs a script over a model of this text.
    pub(super) async fn deployment(&self, name: &str, script: &str, more: Value) -> Value {
        let code = self
            .code(&format!("code-{name}"), &[("score.py", script)])
            .await;
        let mut properties = json!({
            "endpointComputeType": "Managed", "instanceType": "Standard_F2s_v2", "model": self.model(name, name).await,
            "codeConfiguration": {"codeId": code, "scoringScript": "score.py"}, "environmentId": self.environment().await,
            "environmentVariables": {"WHO": name},
        });
        merge(&mut properties, more);
        json!({"location": "eastus", "sku": {"name": "Default", "capacity": 1}, "properties": properties})
    }

    /// Makes a deployment and waits for it.
    pub(super) async fn deploy(&self, endpoint: &str, name: &str, script: &str) -> Value {
        let body = self.deployment(name, script, json!({})).await;
        let path = format!("/onlineEndpoints/{endpoint}/deployments/{name}");
        let begun = self.put(&path, body).await;
        assert_eq!(begun.status, 201, "{}", begun.body);
        self.follow(&begun).await
    }

    /// An endpoint with deployments that run [`SCRIPT`], and traffic as given.
    pub(super) async fn serving(&self, endpoint: &str, traffic: Value) {
        let begun = self.endpoint(endpoint, json!({})).await;
        assert_eq!(self.follow(&begun).await["status"], "Succeeded");
        for name in traffic.as_object().unwrap().keys() {
            let status = self.deploy(endpoint, name, SCRIPT).await;
            assert_eq!(status["status"], "Succeeded", "{status}");
        }
        let begun = self.endpoint(endpoint, json!({"traffic": traffic})).await;
        assert_eq!(self.follow(&begun).await["status"], "Succeeded");
    }

    pub(super) async fn key(&self, endpoint: &str) -> String {
        let path = format!("/onlineEndpoints/{endpoint}/listKeys");
        let keys = self.arm(Method::POST, &path, None).await;
        keys.body["primaryKey"].as_str().unwrap().to_owned()
    }

    /// Calls an endpoint with this credential, and a deployment by name if one is given.
    pub(super) async fn score(
        &self,
        endpoint: &str,
        credential: &str,
        deployment: Option<&str>,
        body: Value,
    ) -> Answer {
        let url = format!("{}/online/{endpoint}/score", self.emulator.endpoint());
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        if !credential.is_empty() {
            request = request.bearer_auth(credential);
        }
        if let Some(deployment) = deployment {
            request = request.header("azureml-model-deployment", deployment);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// The last lines of a deployment's log.
    pub(super) async fn log(&self, endpoint: &str, deployment: &str, lines: u64) -> String {
        let path = format!("/onlineEndpoints/{endpoint}/deployments/{deployment}/getLogs");
        let body = json!({"containerType": "InferenceServer", "tail": lines});
        let answer = self.arm(Method::POST, &path, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["content"].as_str().unwrap().to_owned()
    }
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("{more} is no object");
    };
    into.as_object_mut().unwrap().extend(more);
}
