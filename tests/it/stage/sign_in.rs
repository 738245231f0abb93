//! Signing in from a CI job, through the real binary where the job's length matters: tokens that end before the job does, and
//! refusals in the user's words.

use std::collections::BTreeSet;
use std::time::Duration;

use aml_runner::emulator::{Fault, Options, Recorded};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use crate::support::process::start;
use crate::support::world::{World, github_job};

const CONNECTION: &str = "11111111-2222-3333-4444-555555555555";

/// The variables of a GitHub job with `id-token: write`.
fn github(world: &World) -> Vec<(String, String)> {
    let mut env = github_job();
    env.push((
        "ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(),
        world.emulator.github_oidc_url(),
    ));
    env.push((
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(),
        "request-token".to_owned(),
    ));
    without_secret(env)
}

/// The variables of a task with a service connection that federates.
fn azure_pipelines(world: &World) -> Vec<(String, String)> {
    let parameter = |name: &str| format!("ENDPOINT_AUTH_PARAMETER_{CONNECTION}_{name}");
    let job_token = "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN";
    let env = [
        ("TF_BUILD".to_owned(), "True"),
        ("INPUT_AZURESUBSCRIPTION".to_owned(), CONNECTION),
        (
            format!("ENDPOINT_AUTH_SCHEME_{CONNECTION}"),
            "WorkloadIdentityFederation",
        ),
        (parameter("SERVICEPRINCIPALID"), "client"),
        (parameter("TENANTID"), "tenant"),
        (
            format!("ENDPOINT_DATA_{CONNECTION}_ENVIRONMENT"),
            "AzureCloud",
        ),
        (job_token.to_owned(), "job-token"),
        (
            "SYSTEM_OIDCREQUESTURI".to_owned(),
            &world.emulator.azure_pipelines_oidc_url(),
        ),
    ];
    let env = env.into_iter();
    without_secret(env.map(|(name, value)| (name, value.to_owned())).collect())
}

fn without_secret(mut env: Vec<(String, String)>) -> Vec<(String, String)> {
    env.push(("AZURE_CLIENT_SECRET".to_owned(), String::new()));
    env
}

fn pairs(env: &[(String, String)]) -> Vec<(&str, &str)> {
    env.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// A job that runs for as long as the test holds its connection.
struct Held {
    world: World,
    listener: TcpListener,
}

impl Held {
    async fn with(options: Options) -> Self {
        let world = World::with(options).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        world
            .stage(
                "create-compute",
                &[("name", "cpu"), ("size", "Standard_DS3_v2")],
            )
            .await
            .succeeded();
        world.file(
            "job.yml",
            &format!(
                "command: cat < /dev/tcp/127.0.0.1/{port}\nenvironment: azureml:AzureML-x@latest\ncompute: cpu\n"
            ),
        );
        Self { world, listener }
    }

    /// Starts `run-job` and returns once the job runs.
    async fn run(&self, env: &[(String, String)]) -> (Child, TcpStream) {
        let child = start(&self.world, &["run-job", "--file", "job.yml"], env);
        let (hold, _) = self.listener.accept().await.unwrap();
        (child, hold)
    }

    fn polls(&self) -> Vec<Recorded> {
        self.world.requests("GET", "/details")
    }

    /// Lets the job end and its follower too; both must have gone well.
    async fn ends_well(&self, child: Child, hold: TcpStream) {
        drop(hold);
        let output = child.wait_with_output().await.unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0), "{text}");
        let jobs = self.world.emulator.job_names();
        assert_eq!(jobs.len(), 1);
        assert_eq!(self.world.emulator.job_status(&jobs[0]), Some("Completed"));
    }

    /// The sign-ins of the follower, which has an assertion and no secret.
    fn sign_ins(&self) -> Vec<Recorded> {
        let all = self.world.requests("POST", "/oauth2/v2.0/token");
        all.into_iter()
            .filter(|one| assertion(one).is_some())
            .collect()
    }
}

fn assertion(request: &Recorded) -> Option<&str> {
    request.body.as_ref()?.get("client_assertion")?.as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_its_tokens_because_every_call_signs_in_with_an_assertion_of_its_own() {
    for host in [github, azure_pipelines] {
        let held = Held::with(Options {
            token_lifetime: Duration::from_secs(300),
            refuse_reused_assertions: true,
            ..Options::default()
        })
        .await;
        let (child, hold) = held.run(&host(&held.world)).await;
        while held.polls().len() < 5 {
            tokio::task::yield_now().await;
        }
        held.ends_well(child, hold).await;

        let sign_ins = held.sign_ins();
        let assertions: BTreeSet<_> = sign_ins.iter().filter_map(assertion).collect();
        assert_eq!(assertions.len(), sign_ins.len());
        assert!(sign_ins.iter().all(|one| one.status == Some(200)));
        // No poll went out with the token of another.
        let polls = held.polls();
        let tokens: BTreeSet<_> = polls
            .iter()
            .map(|poll| poll.claims.as_ref().unwrap()["jti"].to_string())
            .collect();
        assert_eq!(tokens.len(), polls.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_in_mid_job_is_renewed_once_and_the_job_ends_well() {
    let held = Held::with(Options::default()).await;
    let (child, hold) = held.run(&github(&held.world)).await;
    let before = held.sign_ins().len();
    let expired = Fault::arm(
        401,
        "ExpiredAuthenticationToken",
        "The access token has expired.",
    );
    held.world
        .emulator
        .faults()
        .add("GET", "/details", 1, expired);
    let told = held.polls().len();
    while held.world.emulator.faults().pending() > 0 || held.polls().len() < told + 3 {
        tokio::task::yield_now().await;
    }
    held.ends_well(child, hold).await;
    assert_eq!(held.sign_ins().len(), before + 1);
}

#[tokio::test]
async fn a_job_without_the_permission_is_told_which_and_where() {
    let world = World::new().await;
    let env = [("AZURE_CLIENT_SECRET", "")];
    for auth in ["auto", "oidc"] {
        let ran = world.on_github("connect", &[("auth", auth)], &env).await;
        assert_eq!(ran.code, 3, "{}", ran.shown);
        assert!(ran.shown.contains("id-token: write"), "{}", ran.shown);
        assert!(ran.shown.contains("permissions:"), "{}", ran.shown);
    }
    assert!(world.requests("POST", "/token").is_empty());
}

#[tokio::test]
async fn a_subject_that_the_application_does_not_trust_is_named_with_what_to_change() {
    let world = World::with(Options {
        federated_subject: Some("repo:octo/wine:environment:prod".to_owned()),
        ..Options::default()
    })
    .await;
    let on_github = github(&world);
    let on_azure = azure_pipelines(&world);
    let connect = "connect";
    for (ran, subject) in [
        (
            world.on_github(connect, &[], &pairs(&on_github)).await,
            "repo:example/mlops:ref:refs/heads/main",
        ),
        (
            world
                .on_azure_pipelines(connect, &[], &pairs(&on_azure))
                .await,
            "sc://example/mlops/azure",
        ),
    ] {
        assert_eq!(ran.code, 3, "{}", ran.shown);
        let error = ran.report.error.unwrap();
        assert!(error.contains(&format!("subject `{subject}`")), "{error}");
        let advice = ran.report.advice.unwrap();
        let change = format!("its subject is exactly `{subject}`");
        assert!(advice.contains(&change), "{advice}");
        assert!(advice.contains("federated credential"), "{advice}");
    }
}

#[tokio::test]
async fn refusals_of_a_secret_and_of_a_tenant_are_exit_code_three_with_a_next_step() {
    for (number, says, next) in [
        (7_000_222, "has expired", "Create a new secret"),
        (7_000_215, "is wrong", "not its id"),
        (90_002, "There is no tenant", "Check tenant-id"),
        (700_016, "There is no application", "Check client-id"),
    ] {
        let world = World::new().await;
        world.emulator.faults().refuse_sign_in(number, "no", 1);
        let ran = world.stage("connect", &[]).await;
        assert_eq!(ran.code, 3, "{}", ran.shown);
        assert!(ran.shown.contains(says), "{}", ran.shown);
        assert!(ran.shown.contains(next), "{}", ran.shown);
    }
}

#[tokio::test]
async fn a_certificate_signs_in_from_its_file() {
    let world = World::new().await;
    let pem = concat!(
        include_str!("../azure/certificate/certificate.pem"),
        include_str!("../azure/certificate/key.pkcs8.pem")
    );
    world.file("certificate.pem", pem);
    let inputs = [
        ("auth", "client-certificate"),
        ("client-certificate-path", "certificate.pem"),
    ];
    let ran = world.stage("connect", &inputs).await.succeeded();
    assert!(
        ran.shown.contains("with a client certificate"),
        "{}",
        ran.shown
    );
    world.file("certificate.pem", "no certificate at all");
    let ran = world.stage("connect", &inputs).await;
    assert_eq!(ran.code, 3);
    assert!(ran.shown.contains("holds no private key"), "{}", ran.shown);
}

#[tokio::test]
async fn an_arm_endpoint_that_cannot_be_one_is_a_matter_of_inputs() {
    let world = World::new().await;
    for (endpoint, says) in [
        ("http://management.azure.com", "plain http"),
        ("http://10.0.0.1:80", "plain http"),
        ("http://localhost", "needs its port"),
        ("localhost:5000", "does not begin with https://"),
        ("management.azure.com", "begins with https://"),
        (
            "https://user:marked-password@example.org",
            "user name or password",
        ),
    ] {
        let ran = world.stage("connect", &[("arm-endpoint", endpoint)]).await;
        assert_eq!(ran.code, 2, "{endpoint}: {}", ran.shown);
        assert!(ran.shown.contains(says), "{endpoint}: {}", ran.shown);
        assert!(ran.shown.contains("--arm-endpoint"), "{}", ran.shown);
        assert!(!ran.shown.contains("marked"), "{}", ran.shown);
    }
    for endpoint in [
        format!("{}/", world.emulator.endpoint()),
        format!("http://127.0.0.1:{}", world.emulator.port()),
    ] {
        let given = [("arm-endpoint", endpoint.as_str())];
        world.stage("connect", &given).await.succeeded();
    }
}
