//! The command line, made from the table of stages: what was asked for, as data. Runs nothing and prints nothing.
//! Inputs are not checked here but together with a CI host's, so that every front door says the same about them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::host::{self, Env, HostKind, Options, Output};
use crate::stage::inputs::{defs, nearest};
use crate::stage::{InputDef, Shape, Stage};

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// A stage; its inputs are in the options, on a CI host in the environment too.
    Stage {
        stage: &'static Stage,
        options: Options,
    },
    /// The post part of a CI step.
    Post { options: Options },
    /// The list of stages.
    Stages { options: Options },
    Emulator {
        port: u16,
        python: Option<PathBuf>,
        options: Options,
    },
    Demo {
        data: Option<PathBuf>,
        options: Options,
    },
}

impl Command {
    pub fn options(&self) -> &Options {
        match self {
            Self::Stage { options, .. }
            | Self::Post { options }
            | Self::Stages { options }
            | Self::Emulator { options, .. }
            | Self::Demo { options, .. } => options,
        }
    }
}

/// The end of the program before it began: help, the version, or a mistake on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliExit {
    pub code: u8,
    pub text: String,
    pub to_stderr: bool,
}

impl CliExit {
    fn mistake(text: String) -> Self {
        Self {
            code: 2,
            text,
            to_stderr: true,
        }
    }
}

const POST: &str = "post";
const OUTPUT: &str = "output";
const VERBOSE: &str = "verbose";
/// Commands that are no stages.
const OTHERS: &[&str] = &["stages", "emulator", "demo", "help"];
/// What the accelerator's templates call the same things.
const FORMER_NAMES: &[(&str, &str)] = &[
    ("run-pipeline", "run-job"),
    ("read-yaml", "read-config"),
    ("set-env-branch", "read-config"),
    ("connect-to-workspace", "connect"),
    ("login", "connect"),
];
const AFTER_HELP: &str = "\
Secrets are not taken from the command line but from the variables AZURE_CLIENT_SECRET,
AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CREDENTIALS; without any, `az login` is used.
AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME, AZURE_TENANT_ID
and AZURE_CLIENT_ID stand in for the inputs of those names.

Exit codes: 0 done, 1 Azure or the job said no, 2 inputs or YAML, 3 sign-in,
4 timed out, 5 network, 70 a bug of ours, 130 and 143 cancelled";

/// Reads the command line; `args` begins with the program's own name. Without arguments a CI step runs the stage that its input `stage`
/// names, and a terminal gets the help.
pub fn parse<A>(
    args: impl IntoIterator<Item = A>,
    env: &Env,
    stages: &[&'static Stage],
) -> Result<Command, CliExit>
where
    A: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    refuse_secrets(&args, stages)?;
    refuse_unknown_stage(&args, stages)?;
    let matches = tree(stages)
        .try_get_matches_from(args)
        .map_err(|error| exit_of(&error))?;
    let mut options = Options {
        output: match matches.get_one::<String>(OUTPUT).map(String::as_str) {
            Some("json") => Output::Json,
            Some(_) | None => Output::Text,
        },
        verbose: matches.get_flag(VERBOSE),
        ..Options::default()
    };
    match matches.subcommand() {
        Some(("stages", _)) => Ok(Command::Stages { options }),
        Some(("emulator", sub)) => Ok(Command::Emulator {
            port: sub.get_one::<u16>("port").copied().unwrap_or_default(),
            python: sub.get_one::<PathBuf>("python").cloned(),
            options,
        }),
        Some(("demo", sub)) => Ok(Command::Demo {
            data: sub.get_one::<PathBuf>("data").cloned(),
            options,
        }),
        Some((name, sub)) => {
            let stage = find(name, stages)?;
            options.flags = flags(stage, sub);
            options.from_flags = true;
            Ok(Command::Stage { stage, options })
        }
        None if matches.get_flag(POST) => Ok(Command::Post { options }),
        None => without_command(env, stages, options),
    }
}

fn without_command(
    env: &Env,
    stages: &[&'static Stage],
    options: Options,
) -> Result<Command, CliExit> {
    match (host::kind(env), env.input("stage")) {
        (HostKind::Terminal, _) => Err(CliExit {
            code: 2,
            text: tree(stages).render_help().to_string(),
            to_stderr: true,
        }),
        (HostKind::GitHub | HostKind::AzurePipelines, Some(name)) => Ok(Command::Stage {
            stage: find(name, stages)?,
            options,
        }),
        (HostKind::GitHub | HostKind::AzurePipelines, None) => Err(CliExit::mistake(format!(
            "the input stage is missing; it is one of {}",
            names(stages)
        ))),
    }
}

/// What there is, one line each.
pub fn stages_text(stages: &[&Stage]) -> String {
    let width = stages.iter().map(|stage| stage.name.len()).max();
    let width = width.unwrap_or_default();
    stages
        .iter()
        .map(|stage| format!("{:width$}  {}\n", stage.name, stage.summary))
        .collect()
}

fn find(name: &str, stages: &[&'static Stage]) -> Result<&'static Stage, CliExit> {
    stages
        .iter()
        .find(|stage| stage.name == name)
        .copied()
        .ok_or_else(|| unknown_stage(name, stages))
}

fn unknown_stage(name: &str, stages: &[&Stage]) -> CliExit {
    let words = stages
        .iter()
        .map(|stage| stage.name)
        .chain(OTHERS.iter().copied());
    let former = nearest(name, FORMER_NAMES.iter().map(|(former, _)| *former))
        .and_then(|near| FORMER_NAMES.iter().find(|(former, _)| *former == near))
        .map(|(_, word)| *word);
    let nearest = nearest(name, words)
        .or(former)
        .map_or(String::new(), |word| format!("; did you mean {word}?"));
    CliExit::mistake(format!(
        "there is no stage {name:?}{nearest}\nstages: {}",
        names(stages)
    ))
}

fn names(stages: &[&Stage]) -> String {
    stages
        .iter()
        .map(|stage| stage.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A secret on a command line is in the process list and in the shell's history. The value is never repeated.
fn refuse_secrets(args: &[OsString], stages: &[&'static Stage]) -> Result<(), CliExit> {
    let flags = args
        .iter()
        .skip(1)
        .filter_map(|arg| arg.to_str())
        .take_while(|arg| *arg != "--")
        .filter_map(|arg| arg.strip_prefix("--"))
        .map(|arg| arg.split_once('=').map_or(arg, |(name, _)| name));
    for name in flags {
        let is_secret = stages
            .iter()
            .flat_map(|stage| defs(stage))
            .any(|def| def.name == name && def.shape == Shape::Secret);
        if is_secret {
            return Err(CliExit::mistake(format!(
                "--{name} is not taken from the command line, where other users and logs could see it; {}",
                instead_of(name)
            )));
        }
    }
    Ok(())
}

fn instead_of(name: &str) -> &'static str {
    match name {
        "client-secret" => "set the variable AZURE_CLIENT_SECRET",
        "client-certificate" => {
            "put it in a file and give --client-certificate-path or the variable AZURE_CLIENT_CERTIFICATE_PATH"
        }
        "creds" => {
            "set the variable AZURE_CREDENTIALS, or AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET"
        }
        _ => "set it as an input of a CI step",
    }
}

/// clap would say so too, but knows no stage by the name that it has in the accelerator's templates or with underscores.
fn refuse_unknown_stage(args: &[OsString], stages: &[&'static Stage]) -> Result<(), CliExit> {
    let mut rest = args.iter().skip(1).filter_map(|arg| arg.to_str());
    while let Some(arg) = rest.next() {
        match arg {
            "--output" => {
                rest.next();
            }
            _ if arg.starts_with('-') || arg == "help" => {}
            _ if OTHERS.contains(&arg) => return Ok(()),
            _ => return find(arg, stages).map(|_| ()),
        }
    }
    Ok(())
}

fn exit_of(error: &clap::Error) -> CliExit {
    let asked_for = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&error.kind());
    let code = if asked_for { 0 } else { 2 };
    CliExit {
        code,
        text: error.render().to_string(),
        to_stderr: error.use_stderr(),
    }
}

fn flags(stage: &Stage, matches: &ArgMatches) -> BTreeMap<String, String> {
    defs(stage)
        .filter(|def| def.shape != Shape::Secret)
        .filter_map(|def| {
            let values: Vec<_> = matches
                .get_many::<String>(def.name)?
                .map(String::as_str)
                .collect();
            Some((def.name.to_owned(), values.join("\n")))
        })
        .collect()
}

fn tree(stages: &[&'static Stage]) -> clap::Command {
    let output = Arg::new(OUTPUT)
        .long("output")
        .value_name("FORMAT")
        .value_parser(["text", "json"])
        .default_value("text")
        .global(true)
        .help("What to print on standard output: a text, or the report as one JSON object");
    let verbose = Arg::new(VERBOSE)
        .short('v')
        .long("verbose")
        .action(ArgAction::SetTrue)
        .global(true)
        .help("Say more on standard error");
    let post = Arg::new(POST)
        .long("post")
        .action(ArgAction::SetTrue)
        .help("The post part of a CI step: cancels or finishes what an interrupted step left");
    clap::Command::new("aml-runner")
        .bin_name("aml-runner")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs Azure Machine Learning pipelines from GitHub Actions, Azure Pipelines and a terminal")
        .args([output, verbose, post])
        .subcommand_value_name("STAGE")
        .subcommand_help_heading("Stages and commands")
        .subcommands(stages.iter().map(|stage| stage_command(stage)))
        .subcommand(clap::Command::new("stages").about("List the stages, one line each"))
        .subcommand(emulator_command())
        .subcommand(demo_command())
        .after_help(AFTER_HELP)
}

fn emulator_command() -> clap::Command {
    clap::Command::new("emulator")
        .about("Run the embedded Azure ML until Ctrl-C")
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .default_value("0")
                .help("Port on loopback; 0 takes a free one"),
        )
        .arg(
            Arg::new("python")
                .long("python")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("Virtual environment or interpreter that runs the jobs' Python"),
        )
}

fn demo_command() -> clap::Command {
    clap::Command::new("demo")
        .about("Run the whole training pipeline on the embedded emulator; no account needed")
        .arg(
            Arg::new("data")
                .long("data")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Train on this CSV instead of the example's own"),
        )
}

fn stage_command(stage: &'static Stage) -> clap::Command {
    let command = clap::Command::new(stage.name).about(stage.summary);
    command
        .after_help(AFTER_HELP)
        .args(
            defs(stage)
                .filter(|def| def.shape != Shape::Secret)
                .map(|def| {
                    let own = stage.inputs.iter().any(|input| input.name == def.name);
                    argument(def).help_heading(if own {
                        "Inputs"
                    } else {
                        "Inputs of every stage"
                    })
                }),
        )
}

/// One input as a flag. Only its form: values are judged with all others, so required and choices are for the help.
fn argument(def: &'static InputDef) -> Arg {
    let arg = Arg::new(def.name).long(def.name);
    let mut help = def.help.to_owned();
    let arg = match def.shape {
        Shape::Flag => arg
            .value_name("true|false")
            .num_args(0..=1)
            .default_missing_value("true"),
        Shape::Lines => {
            help.push_str(" (repeatable)");
            arg.value_name("ITEM").action(ArgAction::Append)
        }
        Shape::Choice(words) => {
            help.push_str(&format!(" [{}]", words.join(", ")));
            arg.value_name("WORD")
        }
        Shape::Duration => arg.value_name("DURATION"),
        Shape::Count => arg.value_name("NUMBER"),
        Shape::Path => arg.value_name("PATH"),
        Shape::Text | Shape::Secret => arg.value_name("TEXT"),
    };
    if def.required {
        help.push_str(" (required)");
    }
    if let Some(default) = def.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    // A value may begin with a dash: `--set -x`, a negative number.
    let takes_dashes = !matches!(def.shape, Shape::Flag);
    arg.allow_hyphen_values(takes_dashes).help(help)
}

#[cfg(test)]
mod tests;
