//! The scripted service with a blob store beside it, and plans to carry out.
#![expect(
    clippy::unwrap_used,
    reason = "test support: a broken world is a failed test"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use aml_runner::azure::apply::Execution;
use aml_runner::spec::Plan;
use aml_runner::spec::plan::{
    Destination, LocalFile, Part, Reference, Request, Slot, Target, Upload, Version,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::matchers::{method, path_regex, query_param_contains};
use wiremock::{Mock, ResponseTemplate};

use super::store::Store;
use crate::azure::support::{WORKSPACE, World, ok, status};

pub(crate) const BOX: &str = "/box";

/// A workspace with one datastore, and a folder for local files.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Scene {
    /// Nothing exists but the workspace and its datastore, which a SAS opens.
    pub(crate) async fn new() -> Self {
        let scene = Self::without_secrets().await;
        let secrets = json!({"secretsType": "Sas", "sasToken": "?sv=1&sig=datastore-signature"});
        scene
            .world
            .on_request("POST", "datastores/store/listSecrets", ok(secrets))
            .await;
        scene
    }

    pub(crate) async fn without_secrets() -> Self {
        let world = World::new().await;
        world.grant_tokens().await;
        let (uri, port) = (world.server.uri(), world.server.address().port());
        let facts = json!({"id": WORKSPACE, "name": "W", "location": "eastus", "properties": {
            "workspaceId": "11111111-1111-1111-1111-111111111111", "discoveryUrl": format!("{uri}/discovery"),
            "mlFlowTrackingUri": format!("azureml://eastus.api.azureml.ms/mlflow/v1.0{WORKSPACE}")}});
        world.get(WORKSPACE, ok(facts)).await;
        world.get("/discovery", ok(json!({"api": uri}))).await;
        let datastore = json!({"properties": {"datastoreType": "AzureBlob", "accountName": "acct", "containerName": "box",
            "endpoint": format!("localhost:{port}"), "protocol": "http", "credentials": {"credentialsType": "AccountKey"}}});
        world.get("datastores/store", ok(datastore)).await;
        let store = Store::default();
        Mock::given(path_regex("^/(box|fresh|logs)(/.*)?$"))
            .respond_with(store.clone())
            .mount(&world.server)
            .await;
        Self {
            world,
            store,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn run(&self, plan: Plan) -> Execution {
        Execution::new(self.world.azure.clone(), plan, |_| None)
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> LocalFile {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        LocalFile {
            path,
            relative: name
                .rsplit_once('/')
                .map_or(name, |(_, base)| base)
                .to_owned(),
            size: content.len() as u64,
        }
    }

    /// A folder of files as an upload.
    pub(crate) fn folder(
        &self,
        name: &str,
        hash: &str,
        destination: Destination,
        files: &[(&str, &[u8])],
    ) -> Upload {
        let files = files.iter().map(|(relative, content)| LocalFile {
            relative: (*relative).to_owned(),
            ..self.file(&format!("{name}/{relative}"), content)
        });
        Upload {
            written: format!("./{name}"),
            path: self.folder.path().join(name),
            is_folder: true,
            files: files.collect(),
            hash: hash.to_owned(),
            destination,
        }
    }

    /// A single file as an upload to the datastore.
    pub(crate) fn single(&self, name: &str, hash: &str, content: &[u8]) -> Upload {
        Upload {
            written: format!("./{name}"),
            path: self.folder.path().join(name),
            is_folder: false,
            files: vec![self.file(name, content)],
            hash: hash.to_owned(),
            destination: Destination::Datastore {
                name: "store".into(),
            },
        }
    }

    /// Code assets are never found, go to a fresh container and are written as they are asked.
    pub(crate) async fn codes(&self) {
        let port = self.world.server.address().port();
        let blob = format!("http://acct.blob.localhost:{port}/fresh");
        self.mount("GET", "codes/[^/]+/versions$", ok(json!({"value": []})))
            .await;
        let pending = json!({"blobReferenceForConsumption": {"blobUri": blob,
            "credential": {"credentialType": "SAS", "sasUri": format!("{blob}?sv=1&sr=c&sig=fresh-signature")}}});
        self.mount("POST", "codes/.*/startPendingUpload$", ok(pending))
            .await;
        self.echo("codes/[^/]+/versions/1$").await;
    }

    /// Answers writes with the resource that was asked for.
    pub(crate) async fn echo(&self, below: &str) {
        let answer = |request: &wiremock::Request| {
            let mut body: Value = request.body_json().unwrap();
            body["id"] = request.url.path().into();
            ResponseTemplate::new(201).set_body_json(body)
        };
        Mock::given(method("PUT"))
            .and(path_regex(format!("{WORKSPACE}/{below}")))
            .respond_with(answer)
            .mount(&self.world.server)
            .await;
    }

    pub(crate) async fn mount(&self, verb: &str, below: &str, answer: ResponseTemplate) {
        Mock::given(method(verb))
            .and(path_regex(format!("{WORKSPACE}/{below}")))
            .respond_with(answer)
            .mount(&self.world.server)
            .await;
    }

    /// Anonymous components get ids of the service's own.
    pub(crate) async fn components(&self) {
        let count = AtomicUsize::new(0);
        let answer = move |_: &wiremock::Request| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let id = format!("{WORKSPACE}/components/azureml_anonymous/versions/service-{number}");
            ResponseTemplate::new(201).set_body_json(json!({"id": id}))
        };
        Mock::given(method("PUT"))
            .and(path_regex("components/azureml_anonymous/versions/"))
            .respond_with(answer)
            .mount(&self.world.server)
            .await;
    }

    /// The newest version of environment `env` is 3.
    pub(crate) async fn environment(&self) {
        let id = format!("{WORKSPACE}/environments/env/versions/3");
        Mock::given(method("GET"))
            .and(path_regex("environments/env/versions$"))
            .and(query_param_contains("$orderBy", "createdtime desc"))
            .respond_with(ok(json!({"value": [{"id": id}]})))
            .mount(&self.world.server)
            .await;
    }

    /// Every request but those for tokens and metadata, as `METHOD path`, below the workspace where it is.
    pub(crate) async fn sent(&self) -> Vec<String> {
        let all = self.world.server.received_requests().await.unwrap();
        all.iter()
            .filter(|one| {
                !one.url.path().starts_with("/tenant") && !one.url.path().starts_with("/metadata")
            })
            .map(|one| {
                let path = one.url.path();
                let path = path.strip_prefix(WORKSPACE).unwrap_or(path);
                format!("{} {}", one.method, path.trim_start_matches('/'))
            })
            .collect()
    }

    pub(crate) async fn count(&self, start: &str) -> usize {
        let sent = self.sent().await;
        sent.iter().filter(|one| one.starts_with(start)).count()
    }

    pub(crate) async fn body(&self, verb: &str, path: &str) -> Value {
        let requests = self.world.requests(path).await;
        let found = requests.iter().rfind(|one| one.method.as_str() == verb);
        found
            .unwrap_or_else(|| panic!("no {verb} {path}"))
            .body_json()
            .unwrap()
    }
}

pub(crate) fn slot(pointer: &str, reference: Reference) -> Slot {
    Slot {
        pointer: pointer.to_owned(),
        parts: vec![Part::Reference(reference)],
    }
}

pub(crate) fn request(target: Target, body: Value, slots: Vec<Slot>) -> Request {
    Request {
        target,
        api_version: "2024-01-01-preview",
        body,
        slots,
        needs: Vec::new(),
        seal: None,
    }
}

/// A data asset whose content is upload 0.
pub(crate) fn data(version: Version, upload: Upload) -> Plan {
    let base = PathBuf::from(&upload.written);
    let base = base.file_name().unwrap().to_string_lossy().into_owned();
    let uri = format!(
        "azureml://datastores/store/paths/LocalUpload/{}/{base}",
        upload.hash
    );
    let target = Target::Versioned {
        collection: "data",
        name: "taxi".into(),
        version,
    };
    let body =
        json!({"properties": {"dataType": "uri_file", "dataUri": uri, "description": "cabs"}});
    Plan {
        uploads: vec![upload],
        requests: vec![Request {
            needs: vec![0],
            seal: None,
            ..request(target, body, Vec::new())
        }],
        expects: Vec::new(),
    }
}

/// What the service shows of a data asset that [`data`] would write.
pub(crate) fn registered(hash: &str, base: &str, version: &str) -> Value {
    json!({"id": format!("{WORKSPACE}/data/taxi/versions/{version}"), "name": version, "properties": {
        "dataUri": format!("azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/store/paths/LocalUpload/{hash}/{base}"),
        "dataType": "uri_file", "description": "cabs", "tags": {}, "properties": {}, "isArchived": false, "stage": null}})
}

pub(crate) fn conflict() -> ResponseTemplate {
    let error = json!({"error": {"code": "UserError", "message": "A data version with this name and version already exists."}});
    status(409).set_body_json(error)
}
