//! Signing in: assertions that live shorter than the job, refusals in words, certificates.

use std::time::Duration;

use aml_runner::azure::client::{AuthMethod, Settings};
use aml_runner::azure::{Address, ArmError, Audience, Call};
use aml_runner::host::{ConnectionScheme, IdentityOffer, ServiceConnection};
use aml_runner::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use wiremock::matchers::{header as has, method, path, query_param};
use wiremock::{Mock, Request, Respond, ResponseTemplate};

use super::support::{Granting, World, form_field, header, job, named, now, ok, script, status};

/// Issues a new identity token each time.
struct Issuing {
    field: &'static str,
    count: AtomicUsize,
}

fn issuing(field: &'static str) -> Issuing {
    Issuing {
        field,
        count: AtomicUsize::new(0),
    }
}

const SUBJECT: &str = "repo:octo/wine:ref:refs/heads/main";

impl Respond for Issuing {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let claims = json!({"iss": "https://token.actions.githubusercontent.com", "sub": SUBJECT,
            "aud": "api://AzureADTokenExchange", "jti": number.to_string()});
        let token = format!(
            "head.{}.signature",
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        ok(json!({self.field: token}))
    }
}

/// On GitHub, with an application that trusts it.
async fn github() -> World {
    let world = World::with(|uri| Settings {
        offer: IdentityOffer::GitHubOidc {
            request_url: format!("{uri}/oidc?api-version=2"),
            request_token: Secret::new("request-token"),
        },
        ..named()
    })
    .await;
    Mock::given(method("GET"))
        .and(path("/oidc"))
        .and(query_param("audience", "api://AzureADTokenExchange"))
        .and(has("authorization", "bearer request-token"))
        .respond_with(issuing("value"))
        .mount(&world.server)
        .await;
    world
}

fn refused(number: u64, text: &str) -> ResponseTemplate {
    status(401).set_body_json(json!({"error": "invalid_client", "error_codes": [number],
        "error_description": format!("AADSTS{number}: {text}\r\nTrace ID: t\r\nCorrelation ID: c"), "correlation_id": "c"}))
}

async fn refusal_of(world: &World) -> (String, String) {
    match world.azure.send(job("j")).await {
        Err(ArmError::SignIn(error)) => (error.message, error.advice.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fifty_polls_with_tokens_that_live_five_minutes_take_fifty_assertions() {
    let world = github().await;
    world.tokens(Granting::new(300)).await;
    world.get("jobs/j", ok(json!({"status": "Running"}))).await;
    for _ in 0..50 {
        world.azure.send(job("j")).await.unwrap();
    }
    let sent = world.token_requests().await;
    let assertions: BTreeSet<_> = sent
        .iter()
        .filter_map(|request| form_field(request, "client_assertion"))
        .collect();
    assert_eq!((sent.len(), assertions.len()), (50, 50));
    // Each assertion and each token was announced, so that it can be masked.
    let minted: BTreeSet<_> = world.minted().into_iter().collect();
    assert_eq!(minted.len(), 100);
    assert!(assertions.is_subset(&minted));
}

#[tokio::test]
async fn a_token_request_that_is_repeated_carries_a_new_assertion() {
    let world = github().await;
    world
        .tokens(script([
            status(503).insert_header("retry-after", "3"),
            refused(50_166, "issuer unreachable"),
            ok(json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": "t"})),
        ]))
        .await;
    world.get("jobs/j", ok(json!({}))).await;
    world.azure.send(job("j")).await.unwrap();
    let sent = world.token_requests().await;
    let assertions: BTreeSet<_> = sent
        .iter()
        .filter_map(|request| form_field(request, "client_assertion"))
        .collect();
    assert_eq!((sent.len(), assertions.len()), (3, 3));
    assert_eq!(world.waits()[0], Duration::from_secs(3));
}

#[tokio::test]
async fn a_token_that_is_refused_in_mid_job_is_renewed_once() {
    let world = github().await;
    world.tokens(Granting::new(3600)).await;
    world
        .get(
            "jobs/j",
            script([ok(json!({})), status(401), ok(json!({"again": true}))]),
        )
        .await;
    world.azure.send(job("j")).await.unwrap();
    let answer = world.azure.send(job("j")).await.unwrap();
    assert_eq!(answer.body["again"], true);
    let used: Vec<_> = world.requests("jobs/j").await;
    let used: Vec<_> = used
        .iter()
        .map(|one| header(one, "authorization"))
        .collect();
    let (first, second) = (Some("Bearer token-1"), Some("Bearer token-2"));
    assert_eq!(used, [first, first, second]);
}

#[tokio::test]
async fn a_second_refusal_ends_it_with_the_services_words() {
    let world = github().await;
    world.tokens(Granting::new(3600)).await;
    let body =
        json!({"error": {"code": "InvalidAuthenticationTokenTenant", "message": "wrong issuer"}});
    world.get("jobs/j", status(401).set_body_json(body)).await;
    let (message, advice) = refusal_of(&world).await;
    assert!(message.contains("wrong issuer"), "{message}");
    assert!(advice.contains("tenant-id"), "{advice}");
    assert_eq!(world.requests("jobs/j").await.len(), 2);
    assert_eq!(world.token_requests().await.len(), 2);
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_asked_for_once_however_many_need_it() {
    let world = github().await;
    let granted = ok(
        json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": "t"}),
    );
    let tokens = script([granted, refused(700_016, "the application is gone")]);
    world.tokens(tokens).await;
    world.get("jobs/j", status(401)).await;
    let send = || world.azure.send(job("j"));
    let (one, two, three) = tokio::join!(send(), send(), send());
    for outcome in [one, two, three] {
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("the application is gone"), "{text}");
    }
    assert_eq!(world.token_requests().await.len(), 2);
}

#[tokio::test]
async fn concurrent_requests_share_a_sign_in_and_audiences_do_not_wait_for_one_another() {
    let world = github().await;
    world.tokens(Granting::new(300)).await;
    world.get("jobs/j", ok(json!({}))).await;
    world.on_request("PUT", "jobs/p", ok(json!({}))).await;
    let put = Call::put(Address::Workspace("jobs/p".to_owned()), "v", json!({})).with_ml_token();
    let (one, two, three, four) = tokio::join!(
        world.azure.send(job("j")),
        world.azure.send(job("j")),
        world.azure.send(job("j")),
        world.azure.send(put)
    );
    for outcome in [one, two, three, four] {
        outcome.unwrap();
    }
    let scopes: Vec<_> = world.token_requests().await;
    let mut scopes: Vec<_> = scopes
        .iter()
        .filter_map(|one| form_field(one, "scope"))
        .collect();
    scopes.sort();
    assert_eq!(
        scopes,
        [
            "https://management.azure.com/.default",
            "https://ml.azure.com/.default"
        ]
    );
    let put = &world.requests("jobs/p").await[0];
    let (arm, ml) = (header(put, "authorization"), header(put, "x-azureml-token"));
    assert!(ml.is_some_and(|ml| ml.starts_with("token-")), "{ml:?}");
    assert_ne!(arm.and_then(|arm| arm.strip_prefix("Bearer ")), ml);
}

#[tokio::test]
async fn a_subject_that_does_not_match_is_said_with_what_was_sent_and_what_to_change() {
    for number in [700_213, 70_021] {
        let world = github().await;
        world
            .tokens(refused(
                number,
                "No matching federated identity record found",
            ))
            .await;
        let (message, advice) = refusal_of(&world).await;
        for said in [
            SUBJECT,
            "https://token.actions.githubusercontent.com",
            "api://AzureADTokenExchange",
        ] {
            assert!(message.contains(said), "{message}");
        }
        assert!(message.contains(&format!("AADSTS{number}")), "{message}");
        assert!(
            advice.contains(SUBJECT) && advice.contains("federated credential"),
            "{advice}"
        );
        assert_eq!(world.token_requests().await.len(), 1);
    }
}

#[tokio::test]
async fn refusals_of_entra_are_said_in_the_users_words() {
    for (number, word) in [
        (7_000_215, "is wrong"),
        (7_000_222, "has expired"),
        (700_016, "no application client"),
        (90_002, "no tenant tenant"),
        (700_024, "lifetime"),
    ] {
        let world = World::new().await;
        world
            .tokens(refused(number, "with an \"escape\" in it"))
            .await;
        let (message, advice) = refusal_of(&world).await;
        assert!(message.contains(word), "{number}: {message}");
        assert!(message.contains("with an \"escape\" in it"), "{message}");
        assert!(!advice.is_empty(), "{number}");
    }
}

#[tokio::test]
async fn a_login_that_stays_away_is_a_matter_of_the_network() {
    let world = World::new().await;
    world
        .tokens(status(503).set_body_string("<html>gateway</html>"))
        .await;
    let error = world.azure.send(job("j")).await.unwrap_err();
    let ArmError::SignIn(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.network, "{error}");
    assert_eq!(world.token_requests().await.len(), 6);
}

#[tokio::test]
async fn a_service_connection_mints_through_azure_devops() {
    // An older server's operation is a preview, which its address says.
    for (query, version) in [("", "7.1"), ("?api-version=7.1-preview.1", "7.1-preview.1")] {
        mints_through_azure_devops(query, version).await;
    }
}

async fn mints_through_azure_devops(query: &str, version: &str) {
    let world = World::with(|uri| Settings {
        auth: AuthMethod::ServiceConnection,
        offer: IdentityOffer::ServiceConnection(Box::new(ServiceConnection {
            id: "connection-guid".to_owned(),
            scheme: ConnectionScheme::Federated {
                request_uri: format!("{uri}/devops/oidctoken{query}"),
                job_token: Secret::new("job-token"),
            },
            tenant_id: Some("tenant".to_owned()),
            client_id: Some("client".to_owned()),
            subscription_id: None,
            resource_group: None,
            workspace: None,
            environment: Some("AzureCloud".to_owned()),
            authority: None,
            arm_endpoint: None,
        })),
        ..Settings::default()
    })
    .await;
    Mock::given(method("POST"))
        .and(path("/devops/oidctoken"))
        .and(query_param("api-version", version))
        .and(query_param("serviceConnectionId", "connection-guid"))
        .and(has("authorization", "Bearer job-token"))
        .and(has("x-tfs-fedauthredirect", "Suppress"))
        .and(has("content-length", "0"))
        .respond_with(issuing("oidcToken"))
        .mount(&world.server)
        .await;
    world.grant_tokens().await;
    world.azure.token(Audience::Storage).await.unwrap();
    let sent = &world.token_requests().await[0];
    assert_eq!(
        form_field(sent, "scope").as_deref(),
        Some("https://storage.azure.com/.default")
    );
    assert!(
        form_field(sent, "client_assertion")
            .unwrap()
            .starts_with("head.")
    );
}

#[tokio::test]
async fn a_host_that_refuses_an_identity_token_is_named() {
    let world = World::with(|uri| Settings {
        offer: IdentityOffer::GitHubOidc {
            request_url: format!("{uri}/refusing?a=b"),
            request_token: Secret::new("request-token"),
        },
        ..named()
    })
    .await;
    world
        .get(
            "/refusing",
            status(403).set_body_json(json!({"message": "not for you"})),
        )
        .await;
    let (message, advice) = refusal_of(&world).await;
    assert!(
        message.contains("GitHub") && message.contains("not for you"),
        "{message}"
    );
    assert!(advice.contains("id-token: write"), "{advice}");
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_that_its_public_key_verifies() {
    for (pem, key) in [(PKCS8, "PKCS#8"), (PKCS1, "PKCS#1")] {
        let world = World::with(|_| Settings {
            client_certificate: Some(Secret::new(format!("{CERTIFICATE}\n{pem}"))),
            ..named()
        })
        .await;
        world.grant_tokens().await;
        world.azure.token(Audience::Arm).await.unwrap();
        let sent = &world.token_requests().await[0];
        let assertion = form_field(sent, "client_assertion").unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = hex::decode(PUBLIC_KEY.replace(char::is_whitespace, "")).unwrap();
        ring::signature::UnparsedPublicKey::new(
            &ring::signature::RSA_PKCS1_2048_8192_SHA256,
            public,
        )
        .verify(signed.as_bytes(), &signature)
        .unwrap_or_else(|_| panic!("{key}: the signature is wrong"));
        let part = |index: usize| -> Value {
            let text = signed.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        assert_eq!(part(0)["x5t"], X5T, "{key}");
        assert_eq!(part(0)["alg"], "RS256");
        let claims = part(1);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("client"), &json!("client"))
        );
        assert!(
            claims["aud"]
                .as_str()
                .unwrap()
                .ends_with("/tenant/oauth2/v2.0/token")
        );
        let seconds = now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(claims["exp"].as_u64().unwrap() > seconds);
    }
}

/// Made for this test with `openssl req -x509 -newkey rsa:2048 -nodes`; no account knows it.
const CERTIFICATE: &str = include_str!("certificate/certificate.pem");
const PKCS8: &str = include_str!("certificate/key.pkcs8.pem");
const PKCS1: &str = include_str!("certificate/key.pkcs1.pem");

/// SHA-1 of the certificate, as `openssl x509 -outform der | sha1sum` has it, in base64url.
const X5T: &str = "-419AzckG-S2_a7iigV2Z7c6yP8";

/// The public half, as `openssl rsa -RSAPublicKey_out -outform der` has it.
const PUBLIC_KEY: &str = "3082010a0282010100d64a5cbdd99a4b48d02805cea67865a9b45dd27eb656eb29ae746a62e11e612df6e26d12af010da233
05588ebf7c38769c057a792efed0dd7e7369b4c99328e07f0b4750b3c3183530a75f427aae627f955ee9f2bea14d0a916c68
fbc32a41ab896ad592ff2757356727af9d8dc3f6fb8b308d8eb045c472233b7a9befc92584edf1dece317714fcdfba53b5e8
df7d0a283c05b2bbdfaddd7d8b2810a5efc3efc0c6d86f4a4a3c2533b79ac56b6425cf77a476924d995057df06b7ad10350b
ae0f612b76c15e6fdf3c6b96694d0031d816fa4efab9d0ad5bebe0f44671cf10f3f5cc2eab652886212715391f8dcea29691
23c203ca979190927176ced503c9470203010001";
