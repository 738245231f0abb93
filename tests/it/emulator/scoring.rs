//! The scoring address: scripts that run, traffic request by request, keys and tokens, and everything that goes wrong with a script.

use std::time::Duration;

use aml_runner::emulator::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::Desk;
use super::serving::SCRIPT;

const E: &str = "/onlineEndpoints/wine";

#[tokio::test]
async fn a_script_answers_with_its_model_and_the_headers_of_the_service() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let key = desk.key("wine").await;
    let answer = desk.score("wine", &key, None, json!({"x": [1, "é"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body,
        json!({"model": "blue", "who": "blue", "echo": {"x": [1, "é"]}})
    );
    assert_eq!(answer.header("azureml-model-deployment"), "blue");
    assert_eq!(answer.header("x-ms-run-function-failed"), "False");
    assert_eq!(answer.header("server"), "azureml-frontdoor");
    assert_eq!(answer.header("content-type"), "application/json");
    let log = desk.log("wine", "blue", 50).await;
    assert!(
        log.contains("loaded blue") && log.contains("Users's init has completed successfully"),
        "{log}"
    );
    assert!(desk.log("wine", "blue", 1).await.lines().count() == 1);
}

#[tokio::test]
async fn traffic_is_split_request_by_request_and_the_header_goes_past_it() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 90, "green": 10})).await;
    let key = desk.key("wine").await;
    for _ in 0..200 {
        let answer = desk.score("wine", &key, None, json!({})).await;
        assert_eq!(
            answer.header("azureml-model-deployment"),
            answer.body["model"]
        );
    }
    let (blue, green) = (
        desk.emulator.served("wine", "blue"),
        desk.emulator.served("wine", "green"),
    );
    assert_eq!(blue.live + green.live, 200);
    assert!(blue.live.abs_diff(180) <= 2, "{blue:?} {green:?}");
    let named = desk.score("wine", &key, Some("green"), json!({})).await;
    assert_eq!(named.body["model"], "green");
    let after = desk.emulator.served("wine", "green");
    assert_eq!((after.by_name, after.live), (1, green.live));
    assert_eq!(
        desk.score("wine", &key, Some("red"), json!({}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn an_endpoint_without_traffic_answers_404_but_its_deployments_can_be_named() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 0})).await;
    let key = desk.key("wine").await;
    assert_eq!(desk.score("wine", &key, None, json!({})).await.status, 404);
    assert_eq!(
        desk.score("wine", &key, Some("blue"), json!({}))
            .await
            .status,
        200
    );
    assert_eq!(desk.score("none", &key, None, json!({})).await.status, 404);
}

#[tokio::test]
async fn only_the_keys_of_the_endpoint_open_it_and_a_new_key_replaces_the_old_one() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let old = desk.key("wine").await;
    for wrong in ["", "nonsense", &desk.token()] {
        assert_eq!(
            desk.score("wine", wrong, None, json!({})).await.status,
            401,
            "{wrong}"
        );
    }
    let path = format!("{E}/regenerateKeys");
    let body = json!({"keyType": "Primary", "keyValue": old});
    let begun = desk.arm(Method::POST, &path, Some(body)).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    assert_eq!(
        desk.score("wine", &old, None, json!({})).await.status,
        200,
        "until it is done"
    );
    desk.follow(&begun).await;
    assert_eq!(desk.score("wine", &old, None, json!({})).await.status, 401);
    let new = desk.key("wine").await;
    assert_eq!(desk.score("wine", &new, None, json!({})).await.status, 200);
    assert_eq!(
        desk.arm(Method::POST, &format!("{E}/token"), None)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn token_endpoints_take_their_own_tokens_and_entra_endpoints_those_of_entra() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let begun = desk
        .endpoint(
            "wine",
            json!({"authMode": "AMLToken", "traffic": {"blue": 100}}),
        )
        .await;
    desk.follow(&begun).await;
    let token = desk
        .arm(Method::POST, &format!("{E}/token"), None)
        .await
        .body;
    assert_eq!(token["tokenType"], "Bearer");
    let span =
        token["expiryTimeUtc"].as_i64().unwrap() - token["refreshAfterTimeUtc"].as_i64().unwrap();
    assert_eq!(span, 43_200);
    let entra = desk.emulator.access_token("https://ml.azure.com");
    let ours = token["accessToken"].as_str().unwrap();
    assert_eq!(desk.score("wine", ours, None, json!({})).await.status, 200);
    assert_eq!(
        desk.score("wine", &entra, None, json!({})).await.status,
        401
    );
    let begun = desk
        .endpoint(
            "wine",
            json!({"authMode": "AADToken", "traffic": {"blue": 100}}),
        )
        .await;
    desk.follow(&begun).await;
    assert_eq!(
        desk.score("wine", &entra, None, json!({})).await.status,
        200
    );
    assert_eq!(
        desk.score("wine", &desk.token(), None, json!({}))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn mirrored_requests_are_counted_and_change_nothing_for_the_caller() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100, "green": 0})).await;
    let properties = json!({"traffic": {"blue": 100}, "mirrorTraffic": {"green": 20}});
    let begun = desk.endpoint("wine", properties).await;
    desk.follow(&begun).await;
    let key = desk.key("wine").await;
    for _ in 0..50 {
        let answer = desk.score("wine", &key, None, json!({})).await;
        assert_eq!(answer.body["model"], "blue");
    }
    // Nobody waits for copies; a request of our own to the same process comes after them.
    desk.score("wine", &key, Some("green"), json!({})).await;
    let green = desk.emulator.served("wine", "green");
    assert_eq!((green.live, green.by_name), (0, 1));
    assert!(green.mirrored.abs_diff(10) <= 1, "{green:?}");
}

#[tokio::test]
async fn a_script_that_raises_in_init_fails_the_deployment_and_its_log_says_where() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    let script =
        "def init():\n    raise RuntimeError('no licence')\ndef run(data):\n    return 1\n";
    let status = desk.deploy("wine", "blue", script).await;
    assert_eq!(status["status"], "Failed");
    assert_eq!(status["error"]["code"], "ResourceNotReady");
    assert!(
        status["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("User container has crashed or terminated")
    );
    let blue = desk.get(&format!("{E}/deployments/blue")).await.body;
    assert_eq!(blue["properties"]["provisioningState"], "Failed");
    let log = desk.log("wine", "blue", 100).await;
    assert!(
        log.contains("User's init function failed") && log.contains("RuntimeError: no licence"),
        "{log}"
    );
    let refused = desk
        .endpoint("wine", json!({"traffic": {"blue": 100}}))
        .await;
    assert_eq!(refused.status, 400, "no traffic to what never was ready");
    let key = desk.key("wine").await;
    assert_eq!(
        desk.score("wine", &key, Some("blue"), json!({}))
            .await
            .status,
        404
    );
    // Another PUT repairs it.
    let body = desk.deployment("blue2", SCRIPT, json!({})).await;
    let begun = desk.put(&format!("{E}/deployments/blue"), body).await;
    assert_eq!(desk.follow(&begun).await["status"], "Succeeded");
    assert_eq!(
        desk.score("wine", &key, Some("blue"), json!({}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_a_script_lacks_is_said_in_its_log() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    for (name, script, file, why) in [
        (
            "one",
            "import nothing_like_it\n",
            "score.py",
            "No module named 'nothing_like_it'",
        ),
        (
            "two",
            "def init():\n    pass\n",
            "score.py",
            "does not have a run() function",
        ),
        ("three", SCRIPT, "other.py", "Scoring script not found"),
    ] {
        let mut body = desk.deployment(name, script, json!({})).await;
        body["properties"]["codeConfiguration"]["scoringScript"] = file.into();
        let begun = desk.put(&format!("{E}/deployments/{name}"), body).await;
        assert_eq!(desk.follow(&begun).await["status"], "Failed");
        let log = desk.log("wine", name, 100).await;
        assert!(log.contains(why), "{log}");
    }
}

#[tokio::test]
async fn an_init_that_never_ends_fails_by_its_liveness_probe() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    let probe = json!({"initialDelay": "PT0.1S", "period": "PT0.1S", "failureThreshold": 1});
    let script = "import time\ndef init():\n    time.sleep(600)\ndef run(data):\n    return 1\n";
    let body = desk
        .deployment("blue", script, json!({ "livenessProbe": probe }))
        .await;
    let begun = desk.put(&format!("{E}/deployments/blue"), body).await;
    let status = desk.follow(&begun).await;
    assert!(
        status["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Liveness probe failed"),
        "{status}"
    );
}

#[tokio::test]
async fn a_script_that_raises_dies_or_hangs_is_told_apart_and_serves_again() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    let settings = json!({"requestSettings": {"requestTimeout": "PT2S"}});
    let body = desk.deployment("blue", SCRIPT, settings).await;
    let begun = desk.put(&format!("{E}/deployments/blue"), body).await;
    assert_eq!(desk.follow(&begun).await["status"], "Succeeded");
    let key = desk.key("wine").await;
    let score = async |body: Value| desk.score("wine", &key, Some("blue"), body).await;
    let raised = score(json!({"raise": true})).await;
    assert_eq!(raised.status, 424);
    assert_eq!(raised.header("ms-azureml-model-error-statuscode"), "500");
    assert_eq!(
        raised.header("ms-azureml-model-error-reason"),
        "model_error"
    );
    assert_eq!(raised.header("x-ms-run-function-failed"), "True");
    assert_eq!(score(json!({"die": true})).await.status, 502);
    assert_eq!(
        score(json!({})).await.status,
        200,
        "a new process took over"
    );
    assert_eq!(score(json!({"hang": true})).await.status, 408);
    assert_eq!(score(json!({})).await.status, 200);
    let log = desk.log("wine", "blue", 1000).await;
    for line in ["ValueError: no such wine", "Worker exiting with code 9"] {
        assert!(log.contains(line), "{log}");
    }
    assert_eq!(desk.emulator.served("wine", "blue").failed, 3);
}

#[tokio::test]
async fn an_update_serves_with_the_old_process_until_the_new_one_is_ready() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let key = desk.key("wine").await;
    let path = format!("{E}/deployments/blue");
    // Scaling changes nothing that runs.
    let mut same = desk.get(&path).await.body;
    same["sku"]["capacity"] = 3.into();
    let begun = desk.put(&path, same).await;
    desk.follow(&begun).await;
    assert_eq!(desk.get(&path).await.body["sku"]["capacity"], 3);
    assert_eq!(
        desk.log("wine", "blue", 100)
            .await
            .matches("loaded")
            .count(),
        1
    );
    let other = desk.deployment("other", SCRIPT, json!({})).await;
    let begun = desk.put(&path, other).await;
    assert_eq!(begun.body["properties"]["provisioningState"], "Updating");
    let (status, served) = tokio::join!(desk.follow(&begun), async {
        for _ in 0..20 {
            assert_eq!(desk.score("wine", &key, None, json!({})).await.status, 200);
        }
    });
    let ((), status) = (served, status["status"].clone());
    assert_eq!(status, "Succeeded");
    assert_eq!(
        desk.score("wine", &key, None, json!({})).await.body["model"],
        "other"
    );
    // One whose new script is broken goes on with what it had.
    let broken = desk.deployment("broken", "1/0", json!({})).await;
    let begun = desk.put(&path, broken.clone()).await;
    assert_eq!(desk.follow(&begun).await["status"], "Failed");
    // The very same again is tried again.
    let begun = desk.put(&path, broken).await;
    assert_eq!(desk.follow(&begun).await["status"], "Failed");
    assert_eq!(
        desk.score("wine", &key, None, json!({})).await.body["model"],
        "other"
    );
}

#[tokio::test]
async fn a_process_ends_after_its_last_request_and_not_before() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 0})).await;
    let script = "import json, os, time\ndef init():\n    pass\ndef run(data):\n    path = json.loads(data)\n    open(path + '.in', 'w').close()\n    while not os.path.exists(path + '.out'):\n        time.sleep(0.01)\n    return os.getpid()\n";
    assert_eq!(
        desk.deploy("wine", "slow", script).await["status"],
        "Succeeded"
    );
    let (key, folder) = (desk.key("wine").await, tempfile::tempdir().unwrap());
    let mark = folder.path().join("mark").display().to_string();
    let path = format!("{E}/deployments/slow");
    let delete = async {
        while !folder.path().join("mark.in").exists() {
            tokio::task::yield_now().await;
        }
        let begun = desk.arm(Method::DELETE, &path, None).await;
        assert_eq!(desk.follow(&begun).await["status"], "Succeeded");
        assert_eq!(desk.get(&path).await.status, 404);
        std::fs::write(folder.path().join("mark.out"), "").unwrap();
    };
    let (answer, ()) = tokio::join!(desk.score("wine", &key, Some("slow"), json!(mark)), delete);
    assert_eq!(answer.status, 200);
    let process = format!("/proc/{}", answer.body);
    let gone = async {
        while std::path::Path::new(&process).exists() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(waited.is_ok(), "{process} outlived its deployment");
}

#[tokio::test]
async fn scoring_meets_faults_and_is_recorded() {
    let desk = Desk::open().await;
    desk.serving("wine", json!({"blue": 100})).await;
    let key = desk.key("wine").await;
    desk.emulator.faults().add(
        "POST",
        "/online/wine/score",
        1,
        Fault::arm(429, "TooManyRequests", "slow down"),
    );
    assert_eq!(
        desk.score("wine", &key, None, json!({"n": 1})).await.status,
        429
    );
    assert_eq!(
        desk.score("wine", &key, None, json!({"n": 2})).await.status,
        200
    );
    let all = desk.emulator.requests();
    let asked: Vec<_> = all
        .iter()
        .filter(|one| one.path == "/online/wine/score")
        .collect();
    assert_eq!(
        asked.iter().map(|one| one.status).collect::<Vec<_>>(),
        [Some(429), Some(200)]
    );
    assert_eq!(asked[1].body, Some(json!({"n": 2})));
}

#[tokio::test]
async fn an_mlflow_model_needs_no_script_where_python_has_its_loader() {
    let desk = Desk::open().await;
    let begun = desk.endpoint("wine", json!({})).await;
    desk.follow(&begun).await;
    let deploy = async |name: &str, loader: &str| {
        let root = format!("mlmodels/{name}/model");
        let described = format!(
            "flavors:\n  python_function:\n    loader_module: {loader}\n    data: weights.txt\n    code: code\n"
        );
        desk.file(&format!("{root}/MLmodel"), &described).await;
        desk.file(&format!("{root}/weights.txt"), "3").await;
        let code = "class Model:\n    def __init__(self, path):\n        self.times = int(open(path).read())\n    def predict(self, rows):\n        return [sum(row) * self.times for row in rows]\ndef _load_pyfunc(path):\n    return Model(path)\n";
        let uri = desk
            .file(&format!("{root}/code/plain_loader.py"), code)
            .await;
        let uri = uri.replace("/code/plain_loader.py", "");
        let body = json!({"properties": {"modelType": "mlflow_model", "modelUri": uri}});
        let model = desk.put(&format!("/models/{name}/versions/1"), body).await;
        let body = json!({"location": "eastus", "sku": {"name": "Default", "capacity": 1}, "properties": {
            "endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2", "model": model.body["id"]}});
        let begun = desk.put(&format!("{E}/deployments/{name}"), body).await;
        assert_eq!(begun.status, 201, "{}", begun.body);
        desk.follow(&begun).await
    };
    assert_eq!(deploy("plain", "plain_loader").await["status"], "Succeeded");
    let key = desk.key("wine").await;
    let answer = desk
        .score(
            "wine",
            &key,
            Some("plain"),
            json!({"input_data": [[1, 2], [3, 4]]}),
        )
        .await;
    assert_eq!(answer.body, json!([9, 21]), "{}", answer.status);
    assert_eq!(
        deploy("other", "package_that_is_not_there.sklearn").await["status"],
        "Failed"
    );
    let log = desk.log("wine", "other", 100).await;
    assert!(log.contains("needs 'package_that_is_not_there'"), "{log}");
}
