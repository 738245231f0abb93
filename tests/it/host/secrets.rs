//! Planted secrets never show, in any form, on any host (checklist D2); and what is no secret is not masked (D3).

use super::{AzureTask, GitHubStep, TerminalRun, all_files, say_everywhere};
use aml_runner::host::{Host, Options, Outcome, Output};
use aml_runner::report::{
    Change, Check, Job, Metric, Phase, PhaseKind, Report, Resource, SmokeTest, Step,
};
use aml_runner::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Everything that Markdown, JSON, URLs, commands and base64 write differently.
const SECRET: &str = "Pl4nted_*\"se|cret\\%&=~`<x>/+é";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIplantedfirstline\nMIIplantedsecondline==\n-----END PRIVATE KEY-----\n";

/// A secret in each form in which it tends to turn up.
fn forms() -> Vec<String> {
    let json = serde_json::to_string(SECRET).unwrap();
    vec![
        SECRET.to_owned(),
        json.trim_matches('"').to_owned(),
        url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
        STANDARD.encode(SECRET),
        URL_SAFE_NO_PAD.encode(SECRET),
        // A header for basic authentication.
        STANDARD.encode(format!("u:{SECRET}:more")),
        "MIIplantedfirstline".to_owned(),
        "MIIplantedsecondline==".to_owned(),
    ]
}

/// What may be said of it: nothing that holds one of these.
fn fragments() -> Vec<String> {
    let mut all = forms();
    all.extend([
        // The part of that header that the secret alone decides.
        STANDARD.encode(format!("u:{SECRET}"))[4..20].to_owned(),
        "Pl4nted".to_owned(),
        "se|cret".to_owned(),
        "MIIplanted".to_owned(),
    ]);
    all
}

fn report() -> Report {
    let text = forms().join(" and ");
    Report {
        stage: text.clone(),
        outcome: text.clone(),
        outputs: [(text.clone(), text.clone())].into(),
        resources: vec![Resource {
            kind: text.clone(),
            name: text.clone(),
            version: Some(text.clone()),
            change: Change::Created,
            id: text.clone(),
            link: Some(format!("https://blob.example/x?sig={}", forms()[2])),
        }],
        job: Some(Job {
            name: text.clone(),
            display_name: Some(text.clone()),
            status: text.clone(),
            link: Some(format!("https://blob.example/{SECRET}")),
            duration: None,
            steps: vec![Step {
                name: text.clone(),
                run: text.clone(),
                status: text.clone(),
                duration: None,
                reused: false,
                error: Some(text.clone()),
            }],
            metrics: vec![Metric {
                step: Some(text.clone()),
                key: text.clone(),
                value: 1.0,
            }],
            error: Some(text.clone()),
        }),
        smoke_tests: vec![SmokeTest {
            endpoint: text.clone(),
            deployment: Some(text.clone()),
            passed: false,
            calls: 1,
            latency: None,
            checks: vec![Check {
                rule: text.clone(),
                passed: false,
                found: Some(text.clone()),
            }],
        }],
        phases: vec![Phase {
            name: text.clone(),
            kind: PhaseKind::Working,
            took: None,
        }],
        error: Some(text.clone()),
        advice: Some(text.clone()),
        notes: vec![text.clone()],
        plan: Some(serde_json::json!({ text.clone(): [text] })),
    }
}

fn exercise(host: &dyn Host) {
    for secret in [SECRET, PEM] {
        host.mask(&Secret::new(secret)).unwrap();
    }
    for form in forms() {
        say_everywhere(host, &format!("before {form} after"));
    }
    say_everywhere(host, PEM);
    for name in ["output", "job-name"] {
        host.output(name, &format!("x {SECRET}")).unwrap();
        host.output(name, &format!("x {}", PEM.trim())).unwrap();
        host.set_env(name, SECRET).unwrap();
        host.save_state(name, SECRET).unwrap();
    }
    host.report(&report()).unwrap();
    host.finished(Outcome::Failed).unwrap();
}

fn assert_clean(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty: nothing was tried");
    for line in text.lines() {
        // The line that registers a secret with the host has to name it.
        if line.starts_with("::add-mask::") || line.starts_with("##vso[task.setsecret]") {
            continue;
        }
        for fragment in fragments() {
            assert!(!line.contains(&fragment), "{what} shows {fragment}: {line}");
        }
    }
}

#[test]
fn planted_secrets_never_show_on_github() {
    let step = GitHubStep::new(&[]);
    exercise(&step.host);
    assert_clean("the log", &step.log.text());
    assert_clean("the summary", &step.file("GITHUB_STEP_SUMMARY"));
    for name in ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE"] {
        assert_eq!(step.file(name), "", "{name}");
    }
    assert!(
        step.log
            .text()
            .contains("output was not set: its value contains a secret")
    );
    assert!(!format!("{:?}", step.host).contains("Pl4nted"));
}

#[test]
fn planted_secrets_never_show_on_azure_pipelines() {
    let task = AzureTask::new(&[]);
    exercise(&task.host);
    assert_clean("the log", &task.log.text());
    assert_clean("the summary", &all_files(task.folder.path()));
    assert!(!format!("{:?}", task.host).contains("Pl4nted"));
}

#[test]
fn planted_secrets_never_show_in_a_terminal() {
    for output in [Output::Text, Output::Json] {
        for watched in [true, false] {
            let options = Options {
                output,
                verbose: true,
                ..Options::default()
            };
            let run = TerminalRun::new(&[], options, watched);
            exercise(&run.host);
            assert_clean("the log", &run.log.text());
            assert_clean("the data", &run.data.text());
        }
    }
}

#[test]
fn a_secret_is_registered_with_the_host_line_by_line_and_readable_for_it() {
    let secret = "50%\nab\n  two:words,and;more]  \n-----BEGIN X-----";
    let step = GitHubStep::new(&[]);
    step.host.mask(&Secret::new(secret)).unwrap();
    let lines = step.log.text();
    let values: Vec<_> = lines
        .lines()
        .map(|line| super::wire::github_command(line).unwrap())
        .map(|command| (command.name, command.data))
        .collect();
    assert_eq!(
        values,
        [("add-mask".to_owned(), "two:words,and;more]".to_owned())]
    );
    let task = AzureTask::new(&[]);
    task.host
        .mask(&Secret::new("100%secret\nab\nsecond;line]"))
        .unwrap();
    let values: Vec<_> = task
        .commands()
        .into_iter()
        .map(|command| command.data)
        .collect();
    assert_eq!(values, ["100%secret", "second;line]"]);
}

#[test]
fn short_values_are_not_masked_and_ids_are_nobodys_secret() {
    let step = GitHubStep::new(&[
        ("AZURE_CLIENT_ID", "11111111-aaaa"),
        ("AZURE_SUBSCRIPTION_ID", "22222222-bbbb"),
        ("INPUT_TENANT-ID", "33333333-cccc"),
    ]);
    step.host.mask(&Secret::new("abc")).unwrap();
    step.host.mask(&Secret::new("")).unwrap();
    assert_eq!(step.log.take(), "");
    let text = "abc 11111111-aaaa 22222222-bbbb 33333333-cccc";
    step.host
        .emit(&aml_runner::event::Event::Note { text })
        .unwrap();
    assert_eq!(step.log.text(), format!("{text}\n"));
}

#[test]
fn what_the_agent_hands_over_is_redacted_before_anybody_asks() {
    let task = AzureTask::new(&[
        ("SECRET_DBPASSWORD", "planted-variable"),
        ("SECRET_SUBSCRIPTION", "22222222-bbbb"),
        (
            "ENDPOINT_AUTH_PARAMETER_abc_SERVICEPRINCIPALKEY",
            "planted-key",
        ),
        ("ENDPOINT_AUTH_PARAMETER_abc_TENANTID", "tenant-id"),
        (
            "ENDPOINT_AUTH_SYSTEMVSSCONNECTION",
            r#"{"parameters":{"AccessToken":"planted-token"},"scheme":"OAuth"}"#,
        ),
        ("HTTPS_PROXY", "http://user:planted-proxy@proxy:1"),
        ("AZURE_CLIENT_SECRET", "planted-client"),
    ]);
    let text = "planted-variable planted-key planted-token planted-proxy planted-client tenant-id";
    task.host
        .emit(&aml_runner::event::Event::Note { text })
        .unwrap();
    assert_eq!(task.log.take(), "*** *** *** *** *** tenant-id\n");
    // A secret variable of the user's may be what a later step needs; the agent does not show the command.
    task.host
        .set_env("AZURE_SUBSCRIPTION_ID", "22222222-bbbb")
        .unwrap();
    assert_eq!(task.commands()[0].data, "22222222-bbbb");
    // A token is nobody's output.
    task.host.output("x", "planted-token").unwrap();
    assert!(task.log.text().contains("x was not set"));
}
