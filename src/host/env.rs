//! The process environment as a value. This file is the only reader of `std::env`; everybody else takes an [`Env`].
//! It knows the hosts' spelling of inputs and which variables a sub-process may inherit, not what any of them mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A snapshot of environment variables and of the working directory. `Debug` shows names only: many values are secret.
#[derive(Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, String>,
    directory: PathBuf,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("names", &self.vars.keys())
            .field("directory", &self.directory)
            .finish()
    }
}

/// Names that a sub-process may inherit. Everything else stays with us: a host hands every secret variable of the job to
/// the process that it starts, and a job's own commands must not see them.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "TMPDIR",
    "TMP",
    "TEMP",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "CI",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AZURE_CONFIG_DIR",
    // How the runner and the agent find processes that a step left behind; without it an orphan outlives the job.
    "RUNNER_TRACKING_ID",
    "VSTS_PROCESS_LOOKUP_ID",
    "RUNNER_TEMP",
    "RUNNER_TOOL_CACHE",
    "AGENT_TEMPDIRECTORY",
    "AGENT_TOOLSDIRECTORY",
    // Windows programs do not start without these.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "NUMBER_OF_PROCESSORS",
    "PROCESSOR_ARCHITECTURE",
];

/// Families of names that a sub-process may inherit.
const INHERITED_PREFIXES: &[&str] = &["LC_", "XDG_"];

impl Env {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self { vars, directory }
    }

    /// An environment made of the given pairs, in the working directory `.`.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        Self {
            vars: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            directory: PathBuf::from("."),
        }
    }

    /// The same environment in another working directory.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A variable, trimmed; `None` when it is absent or blank. Hosts give unset values as empty strings.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The first of several variables that is given.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether a variable says `true` or `1`, in any case.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Whether a variable is there at all, even empty.
    pub fn has(&self, name: &str) -> bool {
        self.vars.contains_key(name)
    }

    /// All variables whose name begins with `prefix`: the rest of the name and the value, blank ones left out.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.vars.iter().filter_map(move |(name, value)| {
            let rest = name.strip_prefix(prefix)?;
            let value = value.trim();
            (!value.is_empty()).then_some((rest, value))
        })
    }

    /// An action's or task's input by any spelling of its name: `resource-group` finds `INPUT_RESOURCE-GROUP` and `INPUT_RESOURCEGROUP`.
    pub fn input(&self, name: &str) -> Option<&str> {
        let wanted = fold(name);
        self.with_prefix("INPUT_")
            .find(|(rest, _)| fold(rest) == wanted)
            .map(|(_, value)| value)
    }

    /// What a sub-process may inherit: an allow-list, so that no input, connection, token or secret variable gets out.
    pub fn for_children(&self) -> Vec<(String, String)> {
        self.vars
            .iter()
            .filter(|(name, _)| inheritable(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn inheritable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    INHERITED.contains(&name.as_str())
        || INHERITED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The form in which names of inputs are compared: upper case, nothing but letters and digits. GitHub keeps dashes in
/// `INPUT_RESOURCE-GROUP`, Azure Pipelines has none in `INPUT_RESOURCEGROUP`, users write either.
pub fn fold(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_found_by_every_spelling_of_its_name() {
        for spelling in [
            "INPUT_RESOURCE-GROUP",
            "INPUT_RESOURCEGROUP",
            "INPUT_RESOURCE_GROUP",
        ] {
            let env = Env::from_pairs([(spelling, "  rg \n")]);
            assert_eq!(env.input("resource-group"), Some("rg"), "{spelling}");
            assert_eq!(env.input("resourceGroup"), Some("rg"), "{spelling}");
            assert_eq!(env.input("resource"), None, "{spelling}");
        }
    }

    #[test]
    fn blank_is_absent() {
        let env = Env::from_pairs([("A", ""), ("B", " \t"), ("INPUT_C", "\n")]);
        assert_eq!(
            (env.get("A"), env.get("B"), env.input("c")),
            (None, None, None)
        );
        assert!(env.has("A"));
    }

    #[test]
    fn a_sub_process_inherits_nothing_that_could_be_secret() {
        let kept = [
            "PATH",
            "HOME",
            "Path",
            "LC_ALL",
            "https_proxy",
            "HTTPS_PROXY",
            "RUNNER_TRACKING_ID",
            "VSTS_PROCESS_LOOKUP_ID",
            "AZURE_CONFIG_DIR",
        ];
        let dropped = [
            "INPUT_CLIENT-SECRET",
            "SECRET_PASSWORD",
            "ENDPOINT_AUTH_PARAMETER_X_SERVICEPRINCIPALKEY",
            "ENDPOINT_URL_X",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "ACTIONS_RUNTIME_TOKEN",
            "SYSTEM_ACCESSTOKEN",
            "AZURE_CLIENT_SECRET",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            "AZURE_CLIENT_CERTIFICATE_PASSWORD",
            "VSTS_SECRET_VARIABLES",
            "VSTS_TASKVARIABLE_X",
            "SECUREFILE_TICKET_X",
            "GITHUB_TOKEN",
            "SOMETHING_NEW",
        ];
        let env = Env::from_pairs(kept.iter().chain(&dropped).map(|name| (*name, "v")));
        let children: Vec<_> = env
            .for_children()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for name in kept {
            assert!(children.iter().any(|c| c == name), "{name} is dropped");
        }
        for name in dropped {
            assert!(!children.iter().any(|c| c == name), "{name} is kept");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let env = Env::from_pairs([("SECRET_X", "planted-value")]);
        assert!(!format!("{env:?}").contains("planted-value"));
    }
}
