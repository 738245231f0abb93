//! What each command line asks for, or why it is refused.

use super::*;

static RUN_JOB: Stage = Stage {
    name: "run-job",
    summary: "Submit a job and follow it",
    inputs: &[
        InputDef {
            name: "file",
            help: "Job YAML",
            required: true,
            default: None,
            shape: Shape::Path,
        },
        InputDef {
            name: "set",
            help: "Overrides",
            required: false,
            default: None,
            shape: Shape::Lines,
        },
        InputDef {
            name: "wait",
            help: "Follow the job",
            required: false,
            default: Some("true"),
            shape: Shape::Flag,
        },
        InputDef {
            name: "version",
            help: "Version",
            required: false,
            default: None,
            shape: Shape::Text,
        },
    ],
    outputs: &[],
    needs_workspace: true,
    run: crate::stage::does_nothing,
};
static CONNECT: Stage = Stage {
    name: "connect",
    summary: "Sign in",
    inputs: &[],
    outputs: &[],
    needs_workspace: true,
    run: crate::stage::does_nothing,
};
static ALL: &[&Stage] = &[&RUN_JOB, &CONNECT];

fn on(env: &[(&str, &str)], args: &[&str]) -> Result<Command, CliExit> {
    let args = ["aml-runner"].iter().chain(args);
    parse(args, &Env::from_pairs(env.iter().copied()), ALL)
}

fn stage_of(command: Result<Command, CliExit>) -> (&'static str, Options) {
    match command {
        Ok(Command::Stage { stage, options }) => (stage.name, options),
        other => panic!("{other:?}"),
    }
}

fn mistake(env: &[(&str, &str)], args: &[&str]) -> String {
    let exit = on(env, args).unwrap_err();
    assert_eq!((exit.code, exit.to_stderr), (2, true), "{}", exit.text);
    exit.text
}

#[test]
fn flags_become_inputs() {
    let (name, options) = stage_of(on(
        &[],
        &[
            "run-job",
            "--file",
            "job.yml",
            "--set",
            "a=1",
            "--set",
            "-b=2",
            "--wait",
            "--version",
            "3",
            "--resource-group=rg",
            "-v",
            "--output",
            "json",
        ],
    ));
    assert_eq!(name, "run-job");
    let flags: Vec<_> = options
        .flags
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        flags,
        [
            ("file", "job.yml"),
            ("resource-group", "rg"),
            ("set", "a=1\n-b=2"),
            ("version", "3"),
            ("wait", "true"),
        ]
    );
    assert!(options.verbose && options.from_flags);
    assert_eq!(options.output, Output::Json);
    for args in [
        &["run-job", "--wait=false"][..],
        &["run-job", "--wait", "false"],
    ] {
        let (_, options) = stage_of(on(&[], args));
        assert_eq!(options.flags["wait"], "false");
    }
}

#[test]
fn what_an_input_says_is_not_judged_here() {
    let (_, options) = stage_of(on(&[], &["connect", "--timeout", "soon", "--auth=magic"]));
    assert_eq!(options.flags["timeout"], "soon");
    assert_eq!(options.flags["auth"], "magic");
}

#[test]
fn without_arguments_a_ci_step_runs_the_stage_of_its_input() {
    for host in [("GITHUB_ACTIONS", "true"), ("TF_BUILD", "True")] {
        let (name, options) = stage_of(on(&[host, ("INPUT_STAGE", "connect")], &[]));
        assert_eq!(name, "connect");
        assert!(!options.from_flags);
        assert!(mistake(&[host, ("INPUT_STAGE", " ")], &[]).contains("run-job, connect"));
        assert!(mistake(&[host, ("INPUT_STAGE", "conect")], &[]).contains("did you mean connect?"));
        assert!(matches!(on(&[host], &["--post"]), Ok(Command::Post { .. })));
    }
}

#[test]
fn without_arguments_a_terminal_gets_the_help() {
    let text = mistake(&[], &[]);
    for word in ["run-job", "connect", "emulator", "demo", "stages", "--post"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn an_unknown_stage_is_answered_with_the_nearest_word() {
    assert!(mistake(&[], &["run_job", "--file", "x"]).contains("did you mean run-job?"));
    assert!(mistake(&[], &["--output", "json", "conect"]).contains("did you mean connect?"));
    assert!(mistake(&[], &["emulater"]).contains("did you mean emulator?"));
    assert!(!mistake(&[], &["xyzzy"]).contains("did you mean"));
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    for (args, instead) in [
        (
            vec!["connect", "--client-secret", "planted"],
            "AZURE_CLIENT_SECRET",
        ),
        (
            vec!["connect", "--client-secret=planted"],
            "AZURE_CLIENT_SECRET",
        ),
        (vec!["connect", "--creds={planted}"], "AZURE_CREDENTIALS"),
        (
            vec!["connect", "--client-certificate", "planted"],
            "--client-certificate-path",
        ),
    ] {
        let text = mistake(&[], &args);
        assert!(text.contains(instead), "{text}");
        assert!(!text.contains("planted"), "{text}");
    }
    let help = on(&[], &["connect", "--help"]).unwrap_err().text;
    assert!(!help.contains("--client-secret"));
    assert!(help.contains("--client-certificate-path"));
}

#[test]
fn claps_own_mistakes_end_with_2_and_help_with_0() {
    mistake(&[], &["connect", "--resource-gruop", "rg"]);
    mistake(&[], &["connect", "--output", "yaml"]);
    mistake(&[], &["emulator", "--port", "70000"]);
    for args in [["--help", ""], ["--version", ""], ["connect", "--help"]] {
        let args: Vec<_> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
        let exit = on(&[], &args).unwrap_err();
        assert_eq!((exit.code, exit.to_stderr), (0, false), "{args:?}");
    }
}

#[test]
fn the_other_commands_have_their_own_flags() {
    match on(&[], &["emulator", "--port", "8080", "--python", "/venv"]) {
        Ok(Command::Emulator { port, python, .. }) => {
            assert_eq!((port, python), (8080, Some(PathBuf::from("/venv"))));
        }
        other => panic!("{other:?}"),
    }
    match on(&[], &["demo", "--data", "x.csv", "--output", "json"]) {
        Ok(Command::Demo { data, options }) => {
            assert_eq!(data, Some(PathBuf::from("x.csv")));
            assert_eq!(options.output, Output::Json);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(on(&[], &["stages"]), Ok(Command::Stages { .. })));
}

#[test]
fn every_stage_of_the_table_makes_a_valid_tree() {
    tree(ALL).debug_assert();
    assert_eq!(
        stages_text(ALL),
        "run-job  Submit a job and follow it\nconnect  Sign in\n"
    );
}

#[test]
fn the_help_of_a_stage() {
    insta::assert_snapshot!(on(&[], &["run-job", "--help"]).unwrap_err().text);
}

#[test]
fn a_stage_by_its_name_in_the_templates_and_after_help_is_suggested_too() {
    for (args, word) in [
        (&["run-pipeline"][..], "run-job"),
        (&["run_pipeline"], "run-job"),
        (&["help", "conect"], "connect"),
    ] {
        let text = mistake(&[], args);
        assert!(text.contains(&format!("did you mean {word}?")), "{text}");
    }
    assert_eq!(on(&[], &["help", "connect"]).unwrap_err().code, 0);
}
