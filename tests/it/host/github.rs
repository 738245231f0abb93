//! A step on GitHub Actions.

use super::wire::{dotnet_lines, github_command};
use super::{GitHubStep, say_everywhere};
use aml_runner::event::Event;
use aml_runner::host::{Host, IdentityOffer, Outcome};
use aml_runner::report::{Change, Report, Resource};
use aml_runner::secret::Secret;

#[test]
fn the_log_of_a_step() {
    let step = GitHubStep::new(&[]);
    step.host
        .mask(&Secret::new("first line\nx\nsecond line"))
        .unwrap();
    say_everywhere(&step.host, "second line: 100% of a,b\n::error::no");
    step.host.finished(Outcome::Failed).unwrap();
    insta::assert_snapshot!(step.log.text());
}

#[test]
fn a_group_is_closed_by_the_next_by_a_failure_and_at_the_end() {
    let step = GitHubStep::new(&[]);
    for title in ["one", "two"] {
        step.host.emit(&Event::GroupStarted { title }).unwrap();
    }
    step.host
        .emit(&Event::Failed {
            title: "t",
            text: "x",
            advice: None,
            place: None,
        })
        .unwrap();
    step.host.emit(&Event::GroupEnded).unwrap();
    step.host
        .emit(&Event::GroupStarted { title: "three" })
        .unwrap();
    step.host.finished(Outcome::Failed).unwrap();
    assert_eq!(
        step.log.text(),
        "::group::one\n::endgroup::\n::group::two\n::endgroup::\n::error title=t::x\n::group::three\n::endgroup::\n"
    );
}

#[test]
fn what_the_host_would_drop_is_a_plain_line() {
    let step = GitHubStep::new(&[]);
    for number in 0..12 {
        let text = format!("warning {number}");
        step.host
            .emit(&Event::Warned {
                text: &text,
                place: None,
            })
            .unwrap();
    }
    let lines = dotnet_lines(&step.log.text());
    let annotated = lines
        .iter()
        .filter(|line| github_command(line).is_some())
        .count();
    assert_eq!(annotated, 10);
    assert_eq!(lines[10..], ["warning: warning 10", "warning: warning 11"]);
}

#[test]
fn a_long_message_keeps_its_advice_and_is_in_the_log_whole() {
    let step = GitHubStep::new(&[]);
    let text = "é".repeat(10_000);
    step.host
        .emit(&Event::Failed {
            title: "t",
            text: &text,
            advice: Some("do this"),
            place: None,
        })
        .unwrap();
    let lines = dotnet_lines(&step.log.text());
    let message = github_command(&lines[0]).unwrap().data;
    assert!(message.chars().count() < 4_096 && message.ends_with("\ndo this"));
    assert_eq!(lines[1], text);
}

#[test]
fn values_go_to_the_files_of_their_kind() {
    let step = GitHubStep::new(&[("STATE_job_name", "calm_fox")]);
    step.host.output("job-name", "a\nb").unwrap();
    step.host.output("job-status", "Completed").unwrap();
    step.host.set_env("AZURE_RESOURCE_GROUP", "rg").unwrap();
    step.host
        .add_path(std::path::Path::new("/opt/a b"))
        .unwrap();
    step.host.save_state("job-name", "calm_fox").unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        step.entries("GITHUB_OUTPUT"),
        [pair("job-name", "a\nb"), pair("job-status", "Completed")]
    );
    assert_eq!(
        step.entries("GITHUB_ENV"),
        [pair("AZURE_RESOURCE_GROUP", "rg")]
    );
    assert_eq!(step.file("GITHUB_PATH"), "/opt/a b\n");
    assert_eq!(step.entries("GITHUB_STATE"), [pair("job_name", "calm_fox")]);
    assert_eq!(step.host.state("job-name").as_deref(), Some("calm_fox"));
    assert!(step.host.add_path(std::path::Path::new("/a\n/b")).is_err());
    assert!(step.host.output("a\nb", "x").is_err());
}

#[test]
fn every_entry_has_a_delimiter_of_its_own() {
    let step = GitHubStep::new(&[]);
    step.host.output("a", "1").unwrap();
    step.host.output("b", "2").unwrap();
    let file = step.file("GITHUB_OUTPUT");
    let delimiters: Vec<_> = file
        .lines()
        .filter_map(|line| line.split_once("<<"))
        .collect();
    assert_eq!(delimiters.len(), 2);
    assert_ne!(delimiters[0].1, delimiters[1].1);
    assert!(delimiters[0].1.len() > 32);
}

#[test]
fn a_step_without_the_files_still_runs() {
    let log = super::Captured::default();
    let host = aml_runner::host::GitHub::writing_to(
        aml_runner::host::Env::from_pairs([("GITHUB_ACTIONS", "true")]),
        aml_runner::host::Options::default(),
        Box::new(log.clone()),
    );
    host.output("a", "1").unwrap();
    host.report(&Report::default()).unwrap();
    assert!(log.text().contains("::debug::GITHUB_OUTPUT is not set"));
}

#[test]
fn a_summary_stays_under_the_limit_counted_in_bytes() {
    let step = GitHubStep::new(&[]);
    let report = Report {
        stage: "register-data".into(),
        outcome: "succeeded".into(),
        resources: (0..40_000)
            .map(|number| Resource {
                kind: "data".into(),
                name: format!("数据-{number}-éééééééééééé"),
                version: Some("1".into()),
                change: Change::Created,
                id: String::new(),
                link: None,
            })
            .collect(),
        ..Report::default()
    };
    step.host.report(&report).unwrap();
    let summary = step.file("GITHUB_STEP_SUMMARY");
    assert!(
        summary.len() <= 1_000_000 && summary.len() > 990_000,
        "{}",
        summary.len()
    );
    assert!(summary.starts_with("## register-data: succeeded\n"));
    assert!(summary.trim_end().ends_with("too long for the host._"));
    // What another report of the same step adds still fits.
    step.host.report(&report).unwrap();
    assert!(step.file("GITHUB_STEP_SUMMARY").len() <= 1_000_000);
}

#[test]
fn an_identity_is_offered_only_with_the_permission() {
    let url = ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example/?x=1");
    let token = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token");
    assert!(matches!(
        GitHubStep::new(&[url, token]).host.identity(),
        IdentityOffer::GitHubOidc { request_url, request_token }
            if request_url == url.1 && request_token.expose() == token.1
    ));
    for pairs in [&[][..], &[url], &[(token.0, ""), url]] {
        assert!(matches!(
            GitHubStep::new(pairs).host.identity(),
            IdentityOffer::GitHubOidcMissing
        ));
    }
}
