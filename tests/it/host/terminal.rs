//! A terminal, and a script that reads from one.

use super::{TerminalRun, say_everywhere};
use aml_runner::host::{Host, Options, Outcome, Output};
use aml_runner::report::{Job, Metric, Report};

fn report() -> Report {
    Report {
        stage: "run-job".into(),
        outcome: "succeeded".into(),
        job: Some(Job {
            name: "calm_fox".into(),
            display_name: None,
            status: "Completed".into(),
            link: None,
            duration: None,
            steps: vec![],
            metrics: vec![Metric {
                step: None,
                key: "rmse".into(),
                value: 1.5,
            }],
            error: None,
        }),
        notes: vec!["a \u{1b}]0;title\u{7}note".into()],
        ..Report::default()
    }
}

#[test]
fn data_and_log_go_to_streams_of_their_own() {
    let options = Options {
        output: Output::Json,
        ..Options::default()
    };
    let run = TerminalRun::new(&[], options, false);
    say_everywhere(&run.host, "hello");
    run.host.output("job-status", "Completed").unwrap();
    run.host.output("model-id", "azureml:m:1").unwrap();
    run.host.report(&report()).unwrap();
    run.host.finished(Outcome::Succeeded).unwrap();
    let json: serde_json::Value = serde_json::from_str(&run.data.text()).unwrap();
    assert_eq!(json["job-status"], "Completed");
    assert_eq!(json["model-id"], "azureml:m:1");
    assert_eq!(json["metrics"]["rmse"], 1.5);
    insta::assert_snapshot!(run.log.text());
}

#[test]
fn colours_are_for_people_without_no_color() {
    let coloured = |env: &[(&str, &str)], watched| {
        let run = TerminalRun::new(env, Options::default(), watched);
        say_everywhere(&run.host, "hello");
        run.log.text().contains('\u{1b}')
    };
    assert!(coloured(&[], true));
    assert!(!coloured(&[], false));
    assert!(!coloured(&[("NO_COLOR", "1")], true));
    assert!(!coloured(&[("TERM", "dumb")], true));
}

#[test]
fn debug_lines_are_shown_only_when_asked_for() {
    let shown = |verbose| {
        let run = TerminalRun::new(
            &[],
            Options {
                verbose,
                ..Options::default()
            },
            false,
        );
        let event = aml_runner::event::Event::Debug { text: "a detail" };
        run.host.emit(&event).unwrap();
        run.log.text()
    };
    assert_eq!(
        (shown(false).as_str(), shown(true).as_str()),
        ("", "a detail\n")
    );
}

#[test]
fn a_text_report_obeys_nothing_that_is_in_it() {
    let run = TerminalRun::new(&[], Options::default(), true);
    run.host.report(&report()).unwrap();
    let text = run.data.text();
    assert!(
        text.contains("a note") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(run.log.text().is_empty());
}

#[test]
fn inputs_are_the_flags() {
    let options = Options {
        flags: [
            ("set".to_owned(), "a=1\nb=2".to_owned()),
            ("file".to_owned(), " ".to_owned()),
        ]
        .into(),
        from_flags: true,
        ..Options::default()
    };
    let run = TerminalRun::new(
        &[("INPUT_NAME", "x"), ("AZURE_TENANT_ID", " t ")],
        options,
        false,
    );
    assert_eq!(run.host.input("set").as_deref(), Some("a=1\nb=2"));
    assert_eq!(run.host.input("file"), None);
    assert_eq!(run.host.input("name"), None);
    assert_eq!(run.host.variable("AZURE_TENANT_ID").as_deref(), Some("t"));
}
