//! Inputs between the host and a stage: collected by the stage's table, checked all at once, then parsed into the stage's own struct.
//! Knows shapes, not meanings; how a host spells an input is the host's business.

pub mod common;
mod creds;
mod problem;
mod shape;

use serde::de::DeserializeOwned;

use super::{COMMON_INPUTS, InputDef, Shape, Stage};
use crate::host::Host;

pub use common::{CommonInputs, WorkspaceNeed};
pub use problem::{InputProblem, InputProblems, nearest};
pub use shape::{HumanDuration, Lines, parse_duration, yaml_bool};

/// The inputs that were given and are well-formed, by snake_case name; blank ones are absent, defaults are filled in.
#[derive(Clone, Default)]
pub struct RawInputs {
    pairs: Vec<(String, String)>,
    /// Names of those whose value is secret.
    secret: Vec<String>,
}

impl std::fmt::Debug for RawInputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.pairs.iter().map(|(name, _)| name).collect();
        f.debug_tuple("RawInputs").field(&names).finish()
    }
}

/// What collecting gave. The caller adds the problems that only it can see (see [`CommonInputs::resolve`]) and then asks for the result.
#[derive(Debug, Default)]
pub struct Collected {
    pub inputs: RawInputs,
    pub problems: InputProblems,
    /// Worth a warning: inputs that no stage knows, with the nearest name.
    pub warnings: Vec<String>,
}

impl Collected {
    /// The inputs, or everything that is wrong with them.
    pub fn into_result(self) -> Result<RawInputs, InputProblems> {
        self.problems.into_result()?;
        Ok(self.inputs)
    }
}

impl RawInputs {
    /// Collects a stage's inputs from the host. `all` are the stages there are: an input of another stage is not unknown.
    pub fn collect(host: &dyn Host, stage: &Stage, all: &[&Stage]) -> Collected {
        let mut collected = Collected {
            warnings: unknown(host, stage, all),
            ..Collected::default()
        };
        for def in defs(stage) {
            collected.take(host, def);
        }
        collected
    }

    /// From pairs that are checked already, as a stage that runs another one has them.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        Self {
            pairs: pairs
                .into_iter()
                .map(|(name, value)| (snake_case(&name.into()), value.into()))
                .collect(),
            secret: Vec::new(),
        }
    }

    /// An input by its kebab-case or snake_case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = snake_case(name);
        self.pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The values that must be masked before anything else happens.
    pub fn secrets(&self) -> impl Iterator<Item = crate::secret::Secret> {
        self.secret
            .iter()
            .filter_map(|name| self.get(name))
            .map(crate::secret::Secret::new)
    }

    /// Parses into a stage's struct, whose fields are named like the inputs. Lists are [`Lines`], durations [`HumanDuration`],
    /// secrets [`Secret`](crate::secret::Secret). Fails only where the struct is stricter than the table: a number that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputProblems> {
        envy::from_iter(self.pairs.iter().cloned()).map_err(|error| {
            InputProblems(vec![match error {
                envy::Error::MissingValue(name) => InputProblem::Missing {
                    label: kebab_case(name),
                    help: String::new(),
                    also: Vec::new(),
                },
                envy::Error::Custom(why) => InputProblem::Malformed {
                    label: String::new(),
                    why,
                },
            }])
        })
    }

    fn push(&mut self, def: &InputDef, value: String) {
        let name = snake_case(def.name);
        if def.shape == Shape::Secret {
            self.secret.push(name.clone());
        }
        self.pairs.push((name, value));
    }
}

impl Collected {
    fn take(&mut self, host: &dyn Host, def: &InputDef) {
        let given = host.input(def.name);
        let label = host.input_label(def.name);
        let Some(value) = given.as_deref().or(def.default).map(str::trim) else {
            if def.required {
                self.problems.0.push(InputProblem::Missing {
                    label,
                    help: def.help.to_owned(),
                    also: Vec::new(),
                });
            }
            return;
        };
        if value.is_empty() {
            return;
        }
        if let Some(variable) = undefined_variable(host, def.shape, value) {
            self.problems
                .0
                .push(InputProblem::UndefinedVariable { label, variable });
            return;
        }
        match shape::normalise(def.shape, value, host.booleans_ignore_case()) {
            Ok(value) => self.inputs.push(def, value),
            Err(problem) => self.problems.0.push(problem.named(label)),
        }
    }
}

/// All inputs of a stage, its own first. A stage's own definition wins over the common one of that name.
pub fn defs(stage: &Stage) -> impl Iterator<Item = &'static InputDef> {
    let own = stage.inputs;
    own.iter().chain(
        COMMON_INPUTS
            .iter()
            .filter(move |common| !own.iter().any(|def| def.name == common.name)),
    )
}

/// A list may hold a shell's `$(...)` in an item; there only a whole value counts.
fn undefined_variable(host: &dyn Host, shape: Shape, value: &str) -> Option<String> {
    match shape {
        Shape::Lines => value.lines().find_map(|line| {
            let item = line.split_once('=').map_or(line, |(_, item)| item).trim();
            let whole = item.starts_with("$(") && item.find(')') == Some(item.len() - 1);
            whole.then(|| host.undefined_variable(item)).flatten()
        }),
        Shape::Text
        | Shape::Secret
        | Shape::Flag
        | Shape::Choice(_)
        | Shape::Duration
        | Shape::Count
        | Shape::Path => host.undefined_variable(value),
    }
}

fn unknown(host: &dyn Host, stage: &Stage, all: &[&Stage]) -> Vec<String> {
    let mut known: Vec<&str> = all
        .iter()
        .copied()
        .chain([stage])
        .flat_map(defs)
        .map(|def| def.name)
        .collect();
    known.sort_unstable();
    known.dedup();
    let labels: Vec<_> = known.iter().map(|name| host.input_label(name)).collect();
    host.unknown_inputs(&known)
        .iter()
        .map(|name| {
            let nearest = nearest(name, labels.iter().map(String::as_str))
                .map_or(String::new(), |label| format!("; did you mean {label}?"));
            format!("there is no input {name}{nearest}")
        })
        .collect()
}

fn snake_case(name: &str) -> String {
    name.replace('-', "_")
}

fn kebab_case(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{AzurePipelines, Env, GitHub, Options};
    use crate::secret::Secret;
    use serde::Deserialize;
    use std::time::Duration;

    const fn def(name: &'static str, required: bool, shape: Shape) -> InputDef {
        InputDef {
            name,
            help: "what it is",
            required,
            default: None,
            shape,
        }
    }

    static STAGE: Stage = Stage {
        name: "try",
        summary: "",
        inputs: &[
            def("file", true, Shape::Path),
            def("wait", false, Shape::Flag),
            def("pause", false, Shape::Duration),
            def("calls", false, Shape::Count),
            def("set", false, Shape::Lines),
            def("api-key", false, Shape::Secret),
            InputDef {
                name: "on-timeout",
                help: "",
                required: false,
                default: Some("leave"),
                shape: Shape::Choice(&["leave", "cancel"]),
            },
        ],
        outputs: &[],
        needs_workspace: true,
        run: crate::stage::does_nothing,
    };

    fn github(pairs: &[(&str, &str)]) -> GitHub {
        let env = Env::from_pairs(pairs.iter().copied());
        GitHub::writing_to(env, Options::default(), Box::new(std::io::sink()))
    }

    fn azure(pairs: &[(&str, &str)]) -> AzurePipelines {
        let env = Env::from_pairs(pairs.iter().copied());
        AzurePipelines::writing_to(env, Options::default(), Box::new(std::io::sink()))
    }

    #[derive(Deserialize)]
    struct Inputs {
        file: std::path::PathBuf,
        wait: bool,
        pause: HumanDuration,
        calls: u8,
        set: Lines,
        api_key: Secret,
        on_timeout: String,
        unset: Option<Lines>,
    }

    #[test]
    fn well_formed_inputs_become_the_stages_struct() {
        let host = github(&[
            ("INPUT_FILE", "job.yml"),
            ("INPUT_WAIT", "TRUE"),
            ("INPUT_PAUSE", "1h30m"),
            ("INPUT_CALLS", "007"),
            ("INPUT_SET", " a=1,2\r\n\n b=x \n"),
            ("INPUT_API-KEY", "the-key"),
            ("INPUT_ON-TIMEOUT", ""),
        ]);
        let raw = RawInputs::collect(&host, &STAGE, &[])
            .into_result()
            .unwrap();
        let inputs: Inputs = raw.parse().unwrap();
        assert_eq!(inputs.file, std::path::PathBuf::from("job.yml"));
        assert!(inputs.wait);
        assert_eq!(inputs.pause.0, Duration::from_secs(5400));
        assert_eq!(inputs.calls, 7);
        assert_eq!(inputs.set.0, ["a=1,2", "b=x"]);
        assert_eq!(inputs.api_key.expose(), "the-key");
        assert_eq!(inputs.on_timeout, "leave");
        assert!(inputs.unset.is_none());
        assert_eq!(raw.secrets().collect::<Vec<_>>(), [Secret::new("the-key")]);
        assert!(!format!("{raw:?}").contains("the-key"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_in_the_hosts_own_words() {
        let host = azure(&[
            ("INPUT_WAIT", "yes"),
            ("INPUT_PAUSE", "90"),
            ("INPUT_CALLS", "-1"),
            ("INPUT_ONTIMEOUT", "cancell"),
            ("INPUT_APIKEY", "$(apiKey)"),
            ("INPUT_SET", "a=$(undefined)\nb=$(date +%s)"),
            ("INPUT_RESOURCEGROUP", "rg-$(env)"),
        ]);
        let problems = RawInputs::collect(&host, &STAGE, &[])
            .into_result()
            .unwrap_err();
        insta::assert_snapshot!(problems);
    }

    #[test]
    fn a_number_that_does_not_fit_is_a_problem_and_no_panic() {
        let host = github(&[
            ("INPUT_FILE", "f"),
            ("INPUT_CALLS", "300"),
            ("INPUT_WAIT", "true"),
        ]);
        let raw = RawInputs::collect(&host, &STAGE, &[])
            .into_result()
            .unwrap();
        assert!(raw.parse::<Inputs>().is_err());
    }

    #[test]
    fn booleans_are_yamls_and_in_any_case_only_where_the_host_says_so() {
        let ok = |value| {
            RawInputs::collect(
                &github(&[("INPUT_FILE", "f"), ("INPUT_WAIT", value)]),
                &STAGE,
                &[],
            )
            .into_result()
            .is_ok()
        };
        let ok_on_azure = |value| {
            RawInputs::collect(
                &azure(&[("INPUT_FILE", "f"), ("INPUT_WAIT", value)]),
                &STAGE,
                &[],
            )
            .into_result()
            .is_ok()
        };
        for value in ["true", "True", "TRUE", "false", "False", "FALSE"] {
            assert!(ok(value) && ok_on_azure(value), "{value}");
        }
        assert!(!ok("tRuE"));
        assert!(ok_on_azure("tRuE"));
        for value in ["yes", "on", "1", "0", "y"] {
            assert!(!ok(value) && !ok_on_azure(value), "{value}");
        }
    }

    #[test]
    fn a_misspelled_input_is_a_warning_with_the_nearest_name() {
        static OTHER: Stage = Stage {
            name: "other",
            summary: "",
            inputs: &[def("traffic", false, Shape::Text)],
            outputs: &[],
            needs_workspace: true,
            run: crate::stage::does_nothing,
        };
        let host = github(&[
            ("INPUT_FILE", "f"),
            ("INPUT_STAGE", "try"),
            ("INPUT_TRAFFIC", "blue=1"),
            ("INPUT_RESOURCE-GRUOP", "rg"),
            ("INPUT_ZZZZZZZZZ", "x"),
        ]);
        let collected = RawInputs::collect(&host, &STAGE, &[&STAGE, &OTHER]);
        assert_eq!(
            collected.warnings,
            [
                "there is no input resource-gruop; did you mean resource-group?",
                "there is no input zzzzzzzzz"
            ]
        );
        let host = azure(&[
            ("INPUT_FILE", "f"),
            ("INPUT_RESOURCEGRUOP", "rg"),
            ("INPUT_AZURESUBSCRIPTION", "id"),
        ]);
        assert_eq!(
            RawInputs::collect(&host, &STAGE, &[]).warnings,
            ["there is no input resourcegruop; did you mean resourceGroup?"]
        );
    }

    #[test]
    fn an_empty_file_path_on_azure_is_no_file() {
        let host = azure(&[
            ("SYSTEM_DEFAULTWORKINGDIRECTORY", "/w/1/s"),
            ("INPUT_FILE", "/w/1/s/"),
        ]);
        let problems = RawInputs::collect(&host, &STAGE, &[])
            .into_result()
            .unwrap_err();
        assert!(
            matches!(&problems.0[..], [InputProblem::Missing { label, .. }] if label == "file")
        );
    }
}
