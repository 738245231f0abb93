//! No text from elsewhere becomes a command on either host (checklist D15), whatever is in it and wherever we show it.

use super::wire::{azure_command, azure_formatting, dotnet_lines, github_command};
use super::{AzureTask, GitHubStep, say_everywhere};
use aml_runner::event::Event;
use aml_runner::host::Host;

const PIECES: &[&str] = &[
    "::",
    ":",
    "#",
    "##",
    "[",
    "]",
    "##[",
    "##vso[",
    "vso[",
    "v",
    "s",
    "o",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\0",
    "\u{1b}[31m",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{2028}",
    "\u{2060}",
    "\u{feff}",
    "error",
    "warning",
    "add-mask",
    "set-output name=x",
    "group",
    "endgroup",
    "stop-commands",
    "debug",
    "task.complete result=Failed;",
    "task.setvariable variable=PATH",
    "%0A",
    "%0D",
    "%25",
    "%AZP25",
    "%3A",
    "=",
    ",",
    ";",
    "é",
    "::error::",
    "##[error]",
    "x",
];

fn random_text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(1..12))
        .map(|_| PIECES[random.usize(..PIECES.len())])
        .collect()
}

fn is_command_anywhere(line: &str) -> bool {
    github_command(line).is_some() || azure_command(line).is_some() || azure_formatting(line)
}

#[test]
fn no_relayed_line_is_a_command_on_either_host() {
    let mut random = fastrand::Rng::with_seed(20_260_825);
    let github = GitHubStep::new(&[]);
    let azure = AzureTask::new(&[]);
    let mut dangerous = 0;
    for _ in 0..10_000 {
        let text = random_text(&mut random);
        dangerous += usize::from(
            dotnet_lines(&text)
                .iter()
                .any(|line| is_command_anywhere(line)),
        );
        let hosts: [(&dyn Host, _); 2] = [(&github.host, &github.log), (&azure.host, &azure.log)];
        for (host, log) in hosts {
            for event in [
                Event::Note { text: &text },
                Event::LogLine {
                    source: "",
                    line: &text,
                },
                Event::LogLine {
                    source: &text,
                    line: &text,
                },
            ] {
                host.emit(&event).unwrap();
                let written = log.take();
                for line in dotnet_lines(&written) {
                    assert!(!is_command_anywhere(&line), "{text:?} became {line:?}");
                }
            }
        }
    }
    assert!(dangerous > 300, "the texts were too tame: {dangerous}");
}

#[test]
fn an_event_is_the_one_command_that_it_is_meant_to_be() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1_000 {
        let text = random_text(&mut random);
        // A new step each time, before the host stops annotating.
        let github = GitHubStep::new(&[]);
        say_everywhere(&github.host, &text);
        let commands: Vec<_> = dotnet_lines(&github.log.take())
            .iter()
            .filter_map(|line| github_command(line))
            .collect();
        let names: Vec<_> = commands
            .iter()
            .map(|command| command.name.as_str())
            .collect();
        let debug = names.iter().filter(|name| **name == "debug").count();
        assert_eq!(
            names[..names.len() - debug],
            ["group", "endgroup", "notice", "warning", "error"],
            "{text:?}"
        );
        for command in &commands {
            let keys: Vec<_> = command
                .properties
                .iter()
                .map(|(key, _)| key.as_str())
                .collect();
            assert!(
                keys.iter()
                    .all(|key| ["file", "line", "col", "title"].contains(key)),
                "{text:?}: {command:?}"
            );
            assert!(
                !command.data.lines().any(is_command_anywhere),
                "{text:?}: {command:?}"
            );
        }
        let azure = AzureTask::new(&[]);
        say_everywhere(&azure.host, &text);
        let commands = azure.commands();
        let names: Vec<_> = commands
            .iter()
            .map(|command| command.name.as_str())
            .collect();
        let debug = names.iter().filter(|name| **name == "task.debug").count();
        assert_eq!(
            names[..names.len() - debug],
            ["task.logissue", "task.logissue"],
            "{text:?}"
        );
        for command in &commands {
            assert!(
                !command.data.lines().any(is_command_anywhere),
                "{text:?}: {command:?}"
            );
        }
        let formatted: Vec<_> = dotnet_lines(&azure.log.take())
            .into_iter()
            .filter(|line| azure_formatting(line))
            .map(|line| line.split_inclusive(']').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            formatted,
            ["##[group]", "##[endgroup]", "##[section]"],
            "{text:?}"
        );
    }
}

#[test]
fn a_value_comes_out_of_the_files_and_commands_as_it_went_in() {
    let mut random = fastrand::Rng::with_seed(99);
    let github = GitHubStep::new(&[]);
    let azure = AzureTask::new(&[]);
    let mut expected = Vec::new();
    for index in 0..500 {
        let value = random_text(&mut random);
        let name = format!("out-{index}");
        github.host.output(&name, &value).unwrap();
        azure.host.output(&name, &value).unwrap();
        expected.push((name, value));
    }
    for tricky in [
        "",
        "\n",
        "a\n",
        "\n\na\n\n",
        "ghadelimiter\n=\n<<EOF\nx=y",
        "a\r\nb",
        "100%25 %AZP25 %0A",
    ] {
        let name = format!("out-{}", expected.len());
        github.host.output(&name, tricky).unwrap();
        azure.host.output(&name, tricky).unwrap();
        expected.push((name, tricky.to_owned()));
    }
    assert_eq!(github.entries("GITHUB_OUTPUT"), expected);
    let on_azure: Vec<_> = azure
        .commands()
        .into_iter()
        .map(|command| {
            assert_eq!(command.name, "task.setvariable");
            assert_eq!(command.property("isOutput"), Some("true"));
            let name = command.property("variable").unwrap().replace("out", "out-");
            (name, command.data)
        })
        .collect();
    assert_eq!(on_azure, expected);
    assert_eq!(dotnet_lines(&azure.log.text()).len(), expected.len());
}
