//! The token endpoint and the CI hosts' identity tokens.

use std::time::Duration;

use aml_runner::emulator::Options;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use super::desk::{Answer, Desk};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn sign_in(desk: &Desk, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("scope", "https://management.azure.com/.default"),
    ];
    all.extend_from_slice(fields);
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(all)
        .finish();
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        desk.emulator.endpoint(),
        desk.emulator.tenant()
    );
    let request = desk
        .http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded");
    Answer::of(request.body(body).send().await.unwrap()).await
}

async fn github(desk: &Desk) -> String {
    let url = format!(
        "{}&audience=api%3A%2F%2FAzureADTokenExchange",
        desk.emulator.github_oidc_url()
    );
    let answer = Answer::of(
        desk.http
            .get(url)
            .bearer_auth("request-token")
            .send()
            .await
            .unwrap(),
    )
    .await;
    answer.body["value"].as_str().unwrap().to_owned()
}

async fn with_assertion(desk: &Desk, assertion: &str) -> Answer {
    sign_in(
        desk,
        &[
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion),
        ],
    )
    .await
}

#[tokio::test]
async fn a_secret_buys_a_token_for_the_audience_of_its_scope() {
    let options = Options {
        client_secret: Some("right".to_owned()),
        token_lifetime: Duration::from_secs(300),
        ..Options::default()
    };
    let desk = Desk::with(options).await;
    let answer = sign_in(&desk, &[("client_secret", "right")]).await;
    assert_eq!(
        (answer.status, &answer.body["expires_in"]),
        (200, &json!(300))
    );
    let token = answer.body["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], "https://management.azure.com");
    assert_eq!(claims(token)["tid"], desk.emulator.tenant());
    let wrong = sign_in(&desk, &[("client_secret", "wrong")]).await;
    assert_eq!(
        (wrong.status, &wrong.body["error_codes"]),
        (401, &json!([7_000_215]))
    );
    let scope = sign_in(&desk, &[("scope", "x"), ("client_secret", "right")]).await;
    assert_eq!(scope.status, 200, "the first scope counts");
}

#[tokio::test]
async fn a_federated_assertion_is_new_every_time_and_can_be_refused_when_it_is_not() {
    let options = Options {
        refuse_reused_assertions: true,
        ..Options::default()
    };
    let desk = Desk::with(options).await;
    let (one, two) = (github(&desk).await, github(&desk).await);
    assert_ne!(claims(&one)["jti"], claims(&two)["jti"]);
    assert_eq!(
        claims(&one)["sub"],
        "repo:example/mlops:ref:refs/heads/main"
    );
    assert_eq!(with_assertion(&desk, &one).await.status, 200);
    assert_eq!(
        with_assertion(&desk, &one).await.body["error"],
        "invalid_client"
    );
    assert_eq!(with_assertion(&desk, &two).await.status, 200);

    let url = format!(
        "{}?api-version=7.1&serviceConnectionId=guid",
        desk.emulator.azure_pipelines_oidc_url()
    );
    let answer = Answer::of(
        desk.http
            .post(&url)
            .bearer_auth("job-token")
            .send()
            .await
            .unwrap(),
    )
    .await;
    let token = answer.body["oidcToken"].as_str().unwrap().to_owned();
    assert_eq!(with_assertion(&desk, &token).await.status, 200);
    assert_eq!(desk.http.post(url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_subject_or_an_audience_that_does_not_match_is_named() {
    let options = Options {
        federated_subject: Some("repo:other/repo:environment:prod".to_owned()),
        ..Options::default()
    };
    let desk = Desk::with(options).await;
    let token = github(&desk).await;
    let refused = with_assertion(&desk, &token).await;
    let text = refused.body["error_description"].as_str().unwrap();
    assert!(
        text.starts_with("AADSTS700213:")
            && text.contains("repo:example/mlops:ref:refs/heads/main"),
        "{text}"
    );
    let url = format!("{}&audience=wrong", desk.emulator.github_oidc_url());
    let answer = Answer::of(desk.http.get(url).bearer_auth("t").send().await.unwrap()).await;
    let refused = with_assertion(&desk, answer.body["value"].as_str().unwrap()).await;
    assert_eq!(refused.body["error_codes"], json!([700_212]));
}

#[tokio::test]
async fn sign_in_can_be_refused_by_number() {
    let desk = Desk::open().await;
    desk.emulator.faults().refuse_sign_in(
        700_016,
        "Application with identifier 'me' was not found in the directory.",
        1,
    );
    let refused = sign_in(&desk, &[("client_secret", "s")]).await;
    assert_eq!(
        (refused.status, &refused.body["error"]),
        (400, &json!("unauthorized_client"))
    );
    assert!(
        refused.body["error_description"]
            .as_str()
            .unwrap()
            .starts_with("AADSTS700016: ")
    );
    assert_eq!(sign_in(&desk, &[("client_secret", "s")]).await.status, 200);
}
