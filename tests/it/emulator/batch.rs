//! Batch endpoints: invoked, followed as jobs, and judged by what they wrote.

use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk};

const SCRIPT: &str = r#"
import os
def init():
    global word
    folder = os.environ["AZUREML_MODEL_DIR"]
    with open(os.path.join(folder, "model", "word.txt")) as file:
        word = file.read()
    print("model", word)
def run(mini_batch):
    if os.environ.get("FAIL") and any(path.endswith(os.environ["FAIL"]) for path in mini_batch):
        raise ValueError("spoilt")
    return [f"{word} {os.path.basename(path)} {open(path).read()}" for path in mini_batch]
"#;

impl Desk {
    async fn batch(&self, more: Value) -> Answer {
        let cluster = json!({"location": "eastus", "properties": {"computeType": "AmlCompute",
            "properties": {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}}});
        assert_eq!(self.put("/computes/cluster", cluster).await.status, 201);
        let endpoint = json!({"location": "eastus", "properties": {"authMode": "aadToken"}});
        let begun = self.put("/batchEndpoints/wines", endpoint).await;
        assert_eq!(begun.status, 201, "{}", begun.body);
        self.follow(&begun).await;
        let uri = self.file("models/w/model/word.txt", "red").await;
        let uri = uri.replace("/word.txt", "");
        let model = json!({"properties": {"modelType": "custom_model", "modelUri": uri}});
        let model = self.put("/models/w/versions/1", model).await.body["id"].clone();
        let mut properties = json!({
            "model": {"referenceType": "Id", "assetId": model}, "environmentId": self.environment().await,
            "codeConfiguration": {"codeId": self.code("batch", &[("score.py", SCRIPT)]).await, "scoringScript": "score.py"},
            "compute": format!("{}/computes/cluster", self.workspace()), "miniBatchSize": 2, "loggingLevel": "info",
        });
        properties
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let body = json!({"location": "eastus", "properties": properties});
        let begun = self
            .put("/batchEndpoints/wines/deployments/first", body)
            .await;
        if begun.status == 201 {
            assert_eq!(self.follow(&begun).await["status"], "Succeeded");
        }
        begun
    }

    /// A folder of five files; its URI.
    async fn bottles(&self) -> String {
        for number in 1..=5 {
            self.file(&format!("bottles/{number}.txt"), &number.to_string())
                .await;
        }
        "azureml://datastores/workspaceblobstore/paths/bottles/".to_owned()
    }

    async fn invoke(&self, deployment: Option<&str>, properties: Value) -> Answer {
        let url = format!("{}/batch/wines/jobs", self.emulator.endpoint());
        let token = self.emulator.access_token("https://ml.azure.com");
        let mut request = self.http.post(url).bearer_auth(token);
        if let Some(deployment) = deployment {
            request = request.header("azureml-model-deployment", deployment);
        }
        let body = json!({ "properties": properties }).to_string();
        let request = request
            .header("content-type", "application/json")
            .body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Invokes the first deployment over the bottles and waits for the job. Its name and how it ended.
    async fn score_bottles(&self, more: Value) -> (String, &'static str) {
        let mut properties = json!({"inputData": {"UriFolder": {"jobInputType": "UriFolder", "uri": self.bottles().await}}});
        properties
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = self.invoke(Some("first"), properties).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let name = answer.body["name"].as_str().unwrap().to_owned();
        let status = self.emulator.wait_for_job(&name).await.unwrap();
        (name, status)
    }

    /// What the only step of a job wrote to its log.
    fn step_log(&self, job: &str) -> String {
        self.emulator
            .job_log(&self.emulator.steps(job)["batchscoring"])
    }

    fn predictions(&self, job: &str) -> Option<String> {
        let container = self.emulator.container("workspaceblobstore").unwrap();
        let all = self.emulator.blobs(&container, "azureml/");
        let step = &self.emulator.steps(job)["batchscoring"];
        let path = all.iter().find(|path| {
            path.ends_with("/score/predictions.csv") && (path.contains(step) || path.contains(job))
        })?;
        Some(String::from_utf8(self.emulator.blob(&container, path)?).unwrap())
    }
}

#[tokio::test]
async fn an_invocation_runs_mini_batches_and_appends_their_rows() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    let uri = desk.bottles().await;
    let properties = json!({"inputData": {"wines": {"jobInputType": "UriFolder", "uri": uri}}, "tags": {"mine": "yes"}, "name": "chosen"});
    let invoked = desk.invoke(Some("first"), properties).await;
    assert_eq!(invoked.status, 201, "{}", invoked.body);
    assert_eq!(invoked.header("azureml-model-deployment"), "first");
    assert!(
        invoked
            .header("location")
            .ends_with("/batchEndpoints/wines/deployments/first")
    );
    let name = invoked.body["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("batchjob-"));
    assert_eq!(invoked.body["properties"]["name"], "chosen");
    assert_eq!(invoked.body["properties"]["tags"]["mine"], "yes");
    assert_eq!(
        desk.emulator.wait_for_job(&name).await,
        Some("Completed"),
        "{}",
        desk.step_log(&name)
    );
    let rows = desk.predictions(&name).unwrap();
    let wanted: String = (1..=5).map(|n| format!("red {n}.txt {n}\n")).collect();
    assert_eq!(rows, wanted);
    assert!(
        desk.step_log(&name)
            .contains("mini-batch 3 of 3: 1 files, 1 results")
    );
    // It is an ordinary job as well, and in the endpoint's list.
    let job = desk.get(&format!("/jobs/{name}")).await.body["properties"].clone();
    assert_eq!(
        (&job["jobType"], &job["experimentName"], &job["jobs"]),
        (&json!("Pipeline"), &json!("wines"), &Value::Null)
    );
    let path = format!(
        "/mferp/managementfrontend{}/batchEndpoints/wines/jobs?v=2020-09-01-dataplanepreview",
        desk.workspace()
    );
    let listed = desk.at(Method::GET, &path, None).await;
    assert_eq!(
        listed.body["value"][0]["name"],
        name.as_str(),
        "{}",
        listed.body
    );
    assert_eq!(listed.body["value"][0]["properties"]["status"], "Completed");
    let history = desk.history(&format!("runs/{name}")).await.body;
    assert!(
        history["outputs"]["score"]["assetId"].is_string(),
        "{history}"
    );
}

#[tokio::test]
async fn the_default_deployment_answers_and_without_one_the_request_is_refused() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    let properties =
        json!({"inputData": {"a": {"jobInputType": "UriFolder", "uri": desk.bottles().await}}});
    let refused = desk.invoke(None, properties.clone()).await;
    assert!(
        refused.status == 400 && refused.body.to_string().contains("no default deployment"),
        "{}",
        refused.body
    );
    let body = |name: &str| json!({"location": "eastus", "properties": {"authMode": "aadToken", "defaults": {"deploymentName": name}}});
    assert_eq!(
        desk.put("/batchEndpoints/wines", body("second"))
            .await
            .status,
        400
    );
    let begun = desk.put("/batchEndpoints/wines", body("first")).await;
    desk.follow(&begun).await;
    let invoked = desk.invoke(None, properties).await;
    assert_eq!(invoked.header("azureml-model-deployment"), "first");
    let status = desk
        .emulator
        .wait_for_job(invoked.body["name"].as_str().unwrap())
        .await;
    assert_eq!(status, Some("Completed"));
}

#[tokio::test]
async fn failed_mini_batches_are_retried_and_counted_against_the_threshold() {
    let desk = Desk::open().await;
    let settings = json!({"environmentVariables": {"FAIL": "3.txt"}, "retrySettings": {"maxRetries": 1, "timeout": "PT30S"}});
    desk.batch(settings).await;
    let (name, status) = desk.score_bottles(json!({})).await;
    assert_eq!(status, "Completed", "-1 lets any number fail");
    assert_eq!(desk.predictions(&name).unwrap().lines().count(), 3);
    let log = desk.step_log(&name);
    assert!(
        log.contains("try 2 of 2") && !log.contains("try 3"),
        "{log}"
    );
    let (name, status) = desk.score_bottles(json!({"errorThreshold": 1})).await;
    assert_eq!(status, "Failed");
    assert!(
        desk.step_log(&name)
            .contains("2 files failed, more than the error threshold of 1")
    );
    let (_, status) = desk.score_bottles(json!({"errorThreshold": 2})).await;
    assert_eq!(status, "Completed");
}

#[tokio::test]
async fn the_output_goes_where_the_invocation_says_under_the_name_it_says() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    let uri = "azureml://datastores/workspaceblobstore/paths/answers/today/";
    let more = json!({"outputData": {"score": {"jobOutputType": "UriFolder", "uri": uri}}, "outputFileName": "rows.txt", "miniBatchSize": 10});
    let (name, status) = desk.score_bottles(more).await;
    assert_eq!(status, "Completed", "{}", desk.step_log(&name));
    assert_eq!(desk.text(uri, "rows.txt").lines().count(), 5);
    assert!(desk.step_log(&name).contains("mini-batch 1 of 1"));
}

#[tokio::test]
async fn a_summary_has_no_rows_but_what_the_script_writes_itself() {
    let desk = Desk::open().await;
    let script = "import os\ndef init():\n    pass\ndef run(files):\n    open(os.path.join(os.environ['AZUREML_BI_OUTPUT_PATH'], 'own.txt'), 'a').write('x')\n    return files\n";
    let code = desk.code("own", &[("score.py", script)]).await;
    let more = json!({"outputAction": "SummaryOnly", "codeConfiguration": {"codeId": code, "scoringScript": "score.py"}});
    desk.batch(more).await;
    let uri = "azureml://datastores/workspaceblobstore/paths/answers/";
    let more = json!({"outputData": {"score": {"jobOutputType": "UriFolder", "uri": uri}}});
    let (name, status) = desk.score_bottles(more).await;
    assert_eq!(status, "Completed", "{}", desk.step_log(&name));
    assert_eq!(desk.text(uri, "own.txt"), "xxx");
    let container = desk.emulator.container("workspaceblobstore").unwrap();
    assert_eq!(
        desk.emulator.blobs(&container, "answers/"),
        ["answers/own.txt"]
    );
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_or_fails_with_a_reason() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    for (compute, why) in [
        ("/x/computes/none", "Unknown compute target 'none'"),
        ("", "'compute' is required"),
    ] {
        let body = json!({"location": "eastus", "properties": {"compute": compute}});
        let told = desk
            .put("/batchEndpoints/wines/deployments/other", body)
            .await;
        assert!(
            told.status == 400 && told.body.to_string().contains(why),
            "{}",
            told.body
        );
    }
    for (input, why) in [
        (json!({}), "no input that is a file or a folder"),
        (
            json!({"a": {"jobInputType": "Basket", "uri": "x"}}),
            "type 'Basket'",
        ),
        (json!({"a": {"jobInputType": "UriFile"}}), "has no uri"),
    ] {
        let told = desk
            .invoke(Some("first"), json!({ "inputData": input }))
            .await;
        assert!(
            told.status == 400 && told.body.to_string().contains(why),
            "{}",
            told.body
        );
    }
    assert_eq!(desk.invoke(Some("none"), json!({})).await.status, 404);
    let nowhere = json!({"inputData": {"a": {"jobInputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/none/"}}});
    let (name, status) = desk.score_bottles(nowhere).await;
    assert_eq!(status, "Failed", "{name}");
}

#[tokio::test]
async fn a_pipeline_component_runs_its_own_steps_with_the_inputs_given() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    let step = desk.component(json!({
        "command": "cat ${{inputs.file}} > ${{outputs.out}}/copy.txt; echo ${{inputs.word}} >> ${{outputs.out}}/copy.txt",
        "inputs": {"file": {"type": "uri_file"}, "word": {"type": "string"}}, "outputs": {"out": {"type": "uri_folder"}},
    })).await;
    let spec = json!({
        "type": "pipeline", "name": "copier", "version": "1",
        "inputs": {"file": {"type": "uri_file"}, "word": {"type": "string", "default": "end"}}, "outputs": {"out": {"type": "uri_folder"}},
        "jobs": {"copy": {"type": "command", "componentId": step,
            "inputs": {"file": {"job_input_type": "literal", "value": "${{parent.inputs.file}}"}, "word": {"job_input_type": "literal", "value": "${{parent.inputs.word}}"}},
            "outputs": {"out": {"value": "${{parent.outputs.out}}", "type": "literal"}}}},
    });
    let component = desk
        .put(
            "/components/copier/versions/1",
            json!({"properties": {"componentSpec": spec}}),
        )
        .await;
    assert_eq!(component.status, 201, "{}", component.body);
    let configuration = json!({"deploymentConfigurationType": "PipelineComponent", "settings": {"default_compute": "cluster"},
        "componentId": {"referenceType": "Id", "assetId": component.body["id"]}});
    let body =
        json!({"location": "eastus", "properties": {"deploymentConfiguration": configuration}});
    let begun = desk
        .put("/batchEndpoints/wines/deployments/copier", body)
        .await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    desk.follow(&begun).await;
    let refused = desk.invoke(Some("copier"), json!({"inputData": {}})).await;
    assert!(
        refused.body.to_string().contains("required input 'file'"),
        "{}",
        refused.body
    );
    let file = desk.file("one.txt", "one\n").await;
    let properties = json!({"inputData": {"file": {"jobInputType": "UriFile", "uri": file}, "word": {"jobInputType": "Literal", "value": 7}},
        "outputData": {"out": {"jobOutputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/copies/"}}});
    let invoked = desk.invoke(Some("copier"), properties).await;
    let name = invoked.body["name"].as_str().unwrap().to_owned();
    assert_eq!(desk.emulator.wait_for_job(&name).await, Some("Completed"));
    assert_eq!(desk.text("x/paths/copies/", "copy.txt"), "one\n7\n");
}

#[tokio::test]
async fn an_mlflow_model_scores_csv_files_without_a_script() {
    let desk = Desk::open().await;
    desk.batch(json!({})).await;
    let described = "flavors:\n  python_function:\n    loader_module: adder\n    code: code\n";
    let uri = desk
        .file("ml/model/MLmodel", described)
        .await
        .replace("/MLmodel", "");
    let code = "class Adder:\n    def predict(self, rows):\n        rows = rows.values.tolist() if hasattr(rows, 'values') else rows\n        return [sum(row) for row in rows]\ndef _load_pyfunc(path):\n    return Adder()\n";
    desk.file("ml/model/code/adder.py", code).await;
    let model = json!({"properties": {"modelType": "mlflow_model", "modelUri": uri}});
    let model = desk.put("/models/adder/versions/1", model).await.body["id"].clone();
    let properties =
        json!({"model": {"referenceType": "Id", "assetId": model}, "compute": "azureml:cluster"});
    let body = json!({"location": "eastus", "properties": properties});
    let begun = desk
        .put("/batchEndpoints/wines/deployments/flow", body)
        .await;
    desk.follow(&begun).await;
    let file = desk.file("rows.csv", "a,b\n1,2\n3,4.5\n").await;
    let invoked = desk
        .invoke(
            Some("flow"),
            json!({"inputData": {"a": {"jobInputType": "UriFile", "uri": file}}}),
        )
        .await;
    let name = invoked.body["name"].as_str().unwrap().to_owned();
    assert_eq!(
        desk.emulator.wait_for_job(&name).await,
        Some("Completed"),
        "{}",
        desk.step_log(&name)
    );
    assert_eq!(
        desk.predictions(&name).unwrap(),
        "0,3.0,rows.csv\n1,7.5,rows.csv\n"
    );
}
