//! Connections that break: before anything was sent, and after the request had arrived.
#![expect(clippy::unwrap_used, reason = "a broken listener is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aml_runner::azure::client::Settings;
use aml_runner::azure::{Address, ArmError, Audience, Call, NetworkSettings, ProxySettings};
use aml_runner::secret::Secret;
use azure_core::http::{Context, Method, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;
use wiremock::MockServer;

use super::support::{SECRET, World, named};

/// What a listener does with the request for `jobs/..` number `n`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Answer,
    /// Reads the whole request, then closes without a word.
    ReadAndClose,
    /// Promises a body and breaks off in it.
    CutShort,
}

/// An Azure in thirty lines that can break connections, which wiremock cannot.
struct Breaking {
    port: u16,
    arrived: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Breaking {
    async fn start(acts: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let arrived = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&arrived);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, port, Arc::clone(&counter), acts));
            }
        });
        Self {
            port,
            arrived,
            listening,
        }
    }

    async fn world(&self) -> World {
        let settings = Settings {
            client_secret: Some(Secret::new(SECRET)),
            arm_endpoint: Some(Url::parse(&format!("http://127.0.0.1:{}", self.port)).unwrap()),
            ..named()
        };
        World::on(MockServer::start().await, settings)
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    arrived: Arc<AtomicUsize>,
    acts: &'static [Act],
) -> Option<()> {
    let head = read_request(&mut stream).await?;
    let base = format!("http://127.0.0.1:{port}");
    let body = if head.contains("/metadata/endpoints") {
        json!({"name": "AzureCloud", "authentication": {"loginEndpoint": base, "audiences": [base]}})
    } else if head.contains("/oauth2/v2.0/token") {
        json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": "token"})
    } else {
        let number = arrived.fetch_add(1, Ordering::SeqCst);
        match acts.get(number).copied().unwrap_or(Act::Answer) {
            Act::Answer => json!({"number": number}),
            Act::ReadAndClose => return None,
            Act::CutShort => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":";
                stream.write_all(half).await.ok()?;
                return None;
            }
        }
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // One request per connection, so that a closed listener is a closed server.
    stream.write_all(answer.as_bytes()).await.ok()
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream
            .read(&mut part)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(end) = text.find("\r\n\r\n") else {
            continue;
        };
        let length = text
            .to_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split_once("\r\n")?.0.parse::<usize>().ok())
            .unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Some(text);
        }
    }
}

fn put() -> Call {
    Call::put(
        Address::Workspace("jobs/j".to_owned()),
        "v",
        json!({"a": 1}),
    )
}

fn action() -> Call {
    Call::post_action(
        Address::Workspace("jobs/j/cancel".to_owned()),
        "v",
        json!({}),
    )
}

#[tokio::test]
async fn a_put_whose_connection_is_lost_after_it_arrived_is_sent_again() {
    for act in [Act::ReadAndClose, Act::CutShort] {
        let acts: &'static [Act] = match act {
            Act::CutShort => &[Act::CutShort],
            Act::ReadAndClose | Act::Answer => &[Act::ReadAndClose],
        };
        let server = Breaking::start(acts).await;
        let world = server.world().await;
        let answer = world.azure.send(put()).await.unwrap();
        assert_eq!(answer.body["number"], 1, "{act:?}");
        assert_eq!(world.waits().len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn an_action_whose_connection_is_lost_after_it_arrived_is_not_sent_again() {
    let server = Breaking::start(&[Act::ReadAndClose]).await;
    let world = server.world().await;
    let error = world.azure.send(action()).await.unwrap_err();
    assert!(matches!(error, ArmError::Transport { .. }), "{error:?}");
    assert_eq!(server.arrived.load(Ordering::SeqCst), 1);
    assert!(world.waits().is_empty());
}

#[tokio::test]
async fn an_action_that_finds_no_connection_was_not_sent_and_is_tried_again() {
    let server = Breaking::start(&[]).await;
    let world = server.world().await;
    world.azure.send(put()).await.unwrap();
    server.listening.abort();
    while !server.listening.is_finished() {
        tokio::task::yield_now().await;
    }
    let error = world.azure.send(action()).await.unwrap_err();
    assert!(matches!(error, ArmError::Transport { .. }), "{error:?}");
    assert_eq!(world.waits().len(), 5);
    assert_eq!(server.arrived.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_given_up_after_five_repeats() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let settings = Settings {
        client_secret: Some(Secret::new(SECRET)),
        arm_endpoint: Some(Url::parse(&format!("http://localhost:{port}")).unwrap()),
        ..named()
    };
    let world = World::on(MockServer::start().await, settings);
    let error = world.azure.send(action()).await.unwrap_err();
    let ArmError::Transport { request, reason } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(request, "GET metadata/endpoints");
    assert!(
        reason.starts_with(&format!("localhost:{port}: ")),
        "{reason}"
    );
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(world.waits().len(), 5);
}

#[tokio::test]
async fn requests_that_wait_for_the_same_answer_fail_together() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let settings = Settings {
        client_secret: Some(Secret::new(SECRET)),
        arm_endpoint: Some(Url::parse(&format!("http://localhost:{port}")).unwrap()),
        ..named()
    };
    let world = World::on(MockServer::start().await, settings);
    let (one, two, three) = tokio::join!(
        world.azure.send(put()),
        world.azure.send(put()),
        world.azure.workspace_facts()
    );
    assert!(one.is_err() && two.is_err() && three.is_err());
    assert_eq!(world.waits().len(), 5);
}

#[tokio::test]
async fn the_cloud_is_reached_through_the_proxy_and_this_machine_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.ok()?;
        let asked = read_request(&mut stream).await;
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal).await.ok()?;
        asked
    });
    let world = World::with(|_| Settings {
        client_secret: Some(Secret::new(SECRET)),
        network: NetworkSettings {
            proxy: Some(ProxySettings {
                url: Secret::new(format!("http://127.0.0.1:{port}")),
                user: Some("user".to_owned()),
                password: Some(Secret::new("password")),
                bypass: vec!["direct\\.invalid".to_owned()],
            }),
            ..NetworkSettings::default()
        },
        ..named()
    })
    .await;
    world.grant_tokens().await;
    world.azure.token(Audience::Arm).await.unwrap();
    for host in ["direct.invalid", "management.azure.com"] {
        let url = Url::parse(&format!("https://{host}/x")).unwrap();
        let mut request = Request::new(url, Method::Get);
        let sent = world
            .azure
            .transport()
            .send(&Context::new(), &mut request)
            .await;
        assert!(sent.is_err(), "{host}");
    }
    let asked = proxy.await.unwrap().unwrap().to_lowercase();
    assert!(
        asked.starts_with("connect management.azure.com:443"),
        "{asked}"
    );
    assert!(asked.contains("proxy-authorization: basic"), "{asked}");
}

#[tokio::test]
async fn a_server_without_tls_is_said_to_be_one_and_not_tried_again() {
    let server = MockServer::start().await;
    let settings = Settings {
        client_secret: Some(Secret::new(SECRET)),
        arm_endpoint: Some(Url::parse(&server.uri().replace("http://", "https://")).unwrap()),
        ..named()
    };
    let world = World::on(server, settings);
    let error = world.azure.send(put()).await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(world.waits().is_empty());
}
