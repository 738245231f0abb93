//! A task on Azure Pipelines.

use super::wire::dotnet_lines;
use super::{AzureTask, say_everywhere};
use aml_runner::event::Event;
use aml_runner::host::{ConnectionScheme, Host, IdentityOffer, Outcome};
use aml_runner::report::Report;
use aml_runner::secret::Secret;

#[test]
fn the_log_of_a_task() {
    let task = AzureTask::new(&[]);
    task.host
        .mask(&Secret::new("first line\nx\nsecond line"))
        .unwrap();
    say_everywhere(
        &task.host,
        "second line: 100% of a;b]\n##vso[task.complete]no",
    );
    task.host.output("job-name", "calm_fox").unwrap();
    task.host.set_env("AZURE_RESOURCE_GROUP", "rg").unwrap();
    task.host
        .add_path(std::path::Path::new("/opt/a b"))
        .unwrap();
    task.host.save_state("job-name", "calm_fox").unwrap();
    task.host.finished(Outcome::Failed).unwrap();
    insta::assert_snapshot!(task.log.text());
}

#[test]
fn the_result_is_said_in_the_agents_own_spelling() {
    for (outcome, word) in [
        (Outcome::Succeeded, "Succeeded"),
        (Outcome::Failed, "Failed"),
        (Outcome::Cancelled, "Canceled"),
    ] {
        let task = AzureTask::new(&[]);
        task.host.finished(outcome).unwrap();
        let commands = task.commands();
        assert_eq!(commands.len(), 1);
        assert_eq!(commands[0].name, "task.complete");
        assert_eq!(commands[0].property("result"), Some(word));
    }
}

#[test]
fn what_the_host_would_drop_is_a_plain_line() {
    let task = AzureTask::new(&[]);
    for number in 0..12 {
        let text = format!("error {number}");
        let event = Event::Failed {
            title: "t",
            text: &text,
            advice: None,
            place: None,
        };
        task.host.emit(&event).unwrap();
    }
    assert_eq!(task.commands().len(), 10);
    assert_eq!(
        dotnet_lines(&task.log.text())[10..],
        ["error: t: error 10", "error: t: error 11"]
    );
}

#[test]
fn a_summary_is_a_file_by_its_whole_path() {
    let task = AzureTask::new(&[]);
    let report = Report {
        stage: "run-job".into(),
        outcome: "succeeded".into(),
        ..Report::default()
    };
    task.host.report(&report).unwrap();
    task.host.report(&report).unwrap();
    let paths: Vec<_> = task
        .commands()
        .iter()
        .map(|command| command.data.clone())
        .collect();
    assert_eq!(paths.len(), 2);
    assert_ne!(paths[0], paths[1]);
    for (command, path) in task.commands().iter().zip(&paths) {
        assert_eq!(command.name, "task.uploadsummary");
        assert!(
            std::path::Path::new(path).is_absolute() && path.ends_with("aml-runner run-job.md")
        );
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "## run-job: succeeded\n"
        );
    }
}

#[test]
fn inputs_are_found_by_their_names_and_the_root_is_no_file() {
    let task = AzureTask::new(&[
        ("INPUT_RESOURCEGROUP", " rg "),
        ("INPUT_FILE", "/w/1/s"),
        ("INPUT_CONFIG", "/w/1/s/config-infra-dev.yml"),
        ("INPUT_NAME", ""),
        ("SYSTEM_DEFAULTWORKINGDIRECTORY", "/w/1/s"),
        ("AZURE_TENANT_ID", "$(tenant)"),
    ]);
    let host = &task.host;
    assert_eq!(host.input("resource-group").as_deref(), Some("rg"));
    assert_eq!(host.input("file"), None);
    assert_eq!(
        host.input("config").as_deref(),
        Some("/w/1/s/config-infra-dev.yml")
    );
    assert_eq!(host.input("name"), None);
    assert_eq!(host.variable("AZURE_TENANT_ID"), None);
    assert_eq!(host.input_label("resource-group"), "resourceGroup");
}

#[test]
fn state_comes_back_in_the_agents_variable() {
    let task = AzureTask::new(&[("VSTS_TASKVARIABLE_JOB_NAME", "calm_fox")]);
    task.host.save_state("job-name", "calm_fox").unwrap();
    let commands = task.commands();
    assert_eq!(commands[0].name, "task.settaskvariable");
    assert_eq!(commands[0].property("variable"), Some("job_name"));
    assert_eq!(task.host.state("job-name").as_deref(), Some("calm_fox"));
}

#[test]
fn the_connection_is_the_one_of_the_tasks_input() {
    assert!(matches!(
        AzureTask::new(&[]).host.identity(),
        IdentityOffer::None
    ));
    let task = AzureTask::new(&[
        ("INPUT_AZURESUBSCRIPTION", "abc"),
        ("ENDPOINT_URL_abc", "https://management.azure.com/"),
        ("ENDPOINT_AUTH_SCHEME_abc", "WorkloadIdentityFederation"),
        ("ENDPOINT_AUTH_PARAMETER_abc_SERVICEPRINCIPALID", "client"),
        ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/o/oidctoken"),
        (
            "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN",
            "planted-job-token",
        ),
    ]);
    let offer = task.host.identity();
    let text = format!("{offer:?} {:?}", task.host);
    assert!(!text.contains("planted-job-token"), "{text}");
    assert!(matches!(
        offer,
        IdentityOffer::ServiceConnection(connection)
            if connection.id == "abc"
                && connection.client_id.as_deref() == Some("client")
                && matches!(connection.scheme, ConnectionScheme::Federated { .. })
    ));
}
