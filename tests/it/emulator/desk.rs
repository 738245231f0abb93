//! A client with an emulator of its own. Knows HTTP and the order of calls, none of the program's client code.

use std::net::{Ipv4Addr, SocketAddr};

use aml_runner::emulator::{Emulator, Options};
use reqwest::{Method, Response};
use serde_json::{Value, json};

pub(super) struct Desk {
    pub(super) emulator: Emulator,
    pub(super) http: reqwest::Client,
}

/// An answer taken apart.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The code at the bottom of an Azure ML error.
    pub(super) fn inner_code(&self) -> String {
        let info = self.body["error"]["additionalInfo"].as_array().unwrap();
        let inner = info.iter().find(|one| one["type"] == "InnerError").unwrap();
        let mut at = &inner["info"]["value"];
        while at["innerError"].is_object() {
            at = &at["innerError"];
        }
        at["code"].as_str().unwrap().to_owned()
    }
}

impl Desk {
    pub(super) async fn open() -> Self {
        Self::with(Options::default()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let emulator = Emulator::start(options).await.unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, emulator.port()));
        let http = reqwest::Client::builder()
            .no_proxy()
            .resolve("localhost", address)
            .resolve("stemulator.blob.localhost", address)
            .resolve("stemulator.blob.core.localhost", address)
            .build()
            .unwrap();
        Self { emulator, http }
    }

    pub(super) fn workspace(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}",
            self.emulator.subscription(),
            self.emulator.resource_group(),
            self.emulator.workspace()
        )
    }

    pub(super) fn token(&self) -> String {
        self.emulator.access_token("https://management.azure.com")
    }

    /// A request with a management token to any path of the emulator.
    pub(super) async fn at(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.emulator.endpoint());
        let mut request = self.http.request(method, url).bearer_auth(self.token());
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .header(
                    "x-azureml-token",
                    self.emulator.access_token("https://ml.azure.com"),
                )
                .body(body.to_string());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// The same below the workspace, with an api-version.
    pub(super) async fn arm(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{}{path}{mark}api-version=2024-10-01", self.workspace());
        self.at(method, &path, body).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.arm(Method::GET, path, None).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.arm(Method::PUT, path, Some(body)).await
    }

    pub(super) async fn history(&self, path: &str) -> Answer {
        let path = format!("/history/v1.0{}/{path}", self.workspace());
        self.at(Method::GET, &path, None).await
    }

    /// Uploads files as a code version the way clients do: pending upload, blobs, PUT. The id of the version.
    pub(super) async fn code(&self, name: &str, files: &[(&str, &str)]) -> String {
        let start = format!("/codes/{name}/versions/1/startPendingUpload");
        let pending = json!({"pendingUploadType": "TemporaryBlobReference"});
        let pending = self.arm(Method::POST, &start, Some(pending)).await.body;
        let reference = &pending["blobReferenceForConsumption"];
        let signed = reference["credential"]["sasUri"].as_str().unwrap();
        let (container, sas) = signed.split_once('?').unwrap();
        for (path, text) in files {
            let url = format!("{container}/src/{path}?{sas}");
            let sent = self.http.put(url).header("x-ms-blob-type", "BlockBlob");
            assert_eq!(
                sent.body((*text).to_owned()).send().await.unwrap().status(),
                201
            );
        }
        let uri = format!("{}/src", reference["blobUri"].as_str().unwrap());
        let body = json!({"properties": {"codeUri": uri, "isAnonymous": true,
            "properties": {"hash_sha256": format!("hash-of-{name}"), "hash_version": "202208"}}});
        let answer = self.put(&format!("/codes/{name}/versions/1"), body).await;
        assert_eq!(answer.status, 201);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn environment(&self) -> String {
        let body = json!({"properties": {"image": "ubuntu:22.04"}});
        let answer = self.put("/environments/env/versions/1", body).await;
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// A file on the default datastore; its short URI.
    pub(super) async fn file(&self, path: &str, text: &str) -> String {
        let container = self.emulator.container("workspaceblobstore").unwrap();
        let port = self.emulator.port();
        let url = format!("http://stemulator.blob.localhost:{port}/{container}/{path}");
        let token = self.emulator.access_token("https://storage.azure.com");
        let sent = self
            .http
            .put(url)
            .bearer_auth(token)
            .header("x-ms-blob-type", "BlockBlob");
        assert_eq!(
            sent.body(text.to_owned()).send().await.unwrap().status(),
            201
        );
        format!("azureml://datastores/workspaceblobstore/paths/{path}")
    }

    /// The text of a blob behind a datastore URI in its long form.
    pub(super) fn text(&self, uri: &str, file: &str) -> String {
        let (_, path) = uri.split_once("/paths/").unwrap();
        let container = self.emulator.container("workspaceblobstore").unwrap();
        let bytes = self.emulator.blob(&container, &format!("{path}{file}"));
        String::from_utf8(bytes.unwrap_or_else(|| panic!("no blob {path}{file}"))).unwrap()
    }

    /// Submits a command job and hands back the answer; the rest of the body is `more`.
    pub(super) async fn submit(&self, name: &str, command: &str, more: Value) -> Answer {
        let mut properties = json!({"jobType": "Command", "command": command, "environmentId": self.environment().await});
        properties
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.put(
            &format!("/jobs/{name}"),
            json!({ "properties": properties }),
        )
        .await
    }

    /// An anonymous component; its id.
    pub(super) async fn component(&self, spec: Value) -> String {
        let mut all = json!({"type": "command", "name": "azureml_anonymous", "version": "1",
            "environment": format!("azureml:{}", self.environment().await)});
        all.as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        let body = json!({"properties": {"componentSpec": all, "isAnonymous": true}});
        let answer = self
            .put("/components/azureml_anonymous/versions/whatever", body)
            .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }
}
