//! The known causes of a deployment's failure, as a table with sources. Only adds words: nothing is decided here.

/// What is known of a failure: the service's error, and what the containers wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) server: &'a str,
    pub(super) initializer: &'a str,
}

/// A row that fits, with what the log says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    name: &'static str,
    advice: &'static str,
    source: &'static str,
    /// The exception, where the log has one.
    raised: Option<String>,
}

impl Cause {
    /// `likely cause: the scoring script raised an exception: KeyError: 'x'`
    pub(super) fn text(&self) -> String {
        let raised = self.raised.as_deref();
        let raised = raised.map_or(String::new(), |raised| format!(": {raised}"));
        format!("likely cause: {}{raised}", self.name)
    }

    pub(super) fn advice(&self) -> String {
        format!("{} See {}", self.advice, self.source)
    }
}

/// One sign is enough; all are compared whatever their case.
struct Row {
    name: &'static str,
    /// Codes of the service's error.
    codes: &'static [&'static str],
    /// In its message.
    message: &'static [&'static str],
    /// In the log of the inference server.
    server: &'static [&'static str],
    /// In the log of the storage initializer.
    initializer: &'static [&'static str],
    advice: &'static str,
    /// Section of Microsoft's guide.
    section: &'static str,
}

macro_rules! guide {
    ($section:literal) => {
        concat!(
            "https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#",
            $section
        )
    };
}

const TRACEBACK: &str = "Traceback (most recent call last)";

/// The first row that fits counts: what says most comes first.
const ROWS: &[Row] = &[
    Row {
        name: "quota: no cores, machines or endpoints left for it",
        codes: &["OutOfQuota", "PodUnschedulable"],
        message: &["not enough quota", "outofquota", "quota limit"],
        server: &[],
        initializer: &[],
        advice: "Choose a smaller instance_type or fewer instances, delete deployments that serve nothing, or ask for more quota.",
        section: guide!("error-outofquota"),
    },
    Row {
        name: "the environment's image did not build",
        codes: &["ImageBuildFailure"],
        message: &[
            "image build failed",
            "environment image",
            "imagebuildfailure",
        ],
        server: &[],
        initializer: &[],
        advice: "The build log is in the studio, under the environment's version; pin the versions in the conda file that it names.",
        section: guide!("error-imagebuildfailure"),
    },
    Row {
        name: "the environment's image cannot be fetched",
        codes: &["ImagePullLoopBackOff"],
        message: &["unable to download user container image"],
        server: &[],
        initializer: &[],
        advice: "Check that the image exists, and that the endpoint's identity has AcrPull on its registry.",
        section: guide!("unable-to-download-user-container-image"),
    },
    Row {
        name: "the model was not found",
        codes: &["ModelNotFound"],
        message: &["unable to download user model", "model not found"],
        server: &["no such file or directory: '/var/azureml-app/azureml-models"],
        initializer: &["blobnotfound", "does not exist", "not found"],
        advice: "Check that the model's version is registered in this workspace and that its files are there still; below AZUREML_MODEL_DIR they have the folder's name that was registered.",
        section: guide!("unable-to-download-user-model"),
    },
    Row {
        name: "the endpoint's identity may not read the model or the image",
        codes: &[],
        message: &["authorization error", "incorrect role assignments"],
        server: &[],
        initializer: &["authorizationpermissionmismatch", "authorizationfailure"],
        advice: "Give the endpoint's identity Storage Blob Data Reader on the workspace's storage account and AcrPull on its registry.",
        section: guide!("authorization-error"),
    },
    Row {
        name: "the scoring script needs a package that the environment does not have",
        codes: &["UserScriptImportError"],
        message: &[],
        server: &["modulenotfounderror", "importerror"],
        initializer: &[],
        advice: "Add the package to the environment's conda file; azureml-inference-server-http must be there, too.",
        section: guide!("error-resourcenotready"),
    },
    Row {
        name: "the scoring script has no function init or run",
        codes: &["UserScriptFunctionNotFound"],
        message: &[],
        server: &[
            "run() is not found",
            "no attribute 'init'",
            "no attribute 'run'",
        ],
        initializer: &[],
        advice: "The file that code_configuration.scoring_script names must define init() and run(data).",
        section: guide!("error-userscriptfunctionnotfound"),
    },
    Row {
        name: "the container ran out of memory",
        codes: &["PodOutOfMemory"],
        message: &["out of memory", "oomkilled"],
        server: &[
            "memoryerror",
            "oomkilled",
            "sent sigkill! perhaps out of memory",
        ],
        initializer: &[],
        advice: "Choose an instance_type with more memory, or load less in init().",
        section: guide!("error-podoutofmemory"),
    },
    Row {
        name: "the scoring script raised an exception",
        codes: &["UserScriptInitFailed", "DeploymentCrashLoopBackOff"],
        message: &[],
        server: &["traceback (most recent call last)"],
        initializer: &[],
        advice: "Mend the script or its environment; `az ml online-deployment create --local` runs it in a container of yours.",
        section: guide!("error-resourcenotready"),
    },
    Row {
        name: "a liveness or readiness probe failed before the script was ready",
        codes: &[],
        message: &["liveness probe", "readiness probe", "startup probe"],
        server: &["liveness probe failed", "readiness probe failed"],
        initializer: &[],
        advice: "Allow init() more time with liveness_probe.initial_delay and failure_threshold, or choose a larger instance_type.",
        section: guide!("error-resourcenotready"),
    },
    Row {
        name: "the container started and ended, and wrote nothing of why",
        codes: &["ResourceNotReady", "KubernetesCrashLoopBackOff"],
        message: &["container has crashed or terminated"],
        server: &[],
        initializer: &[],
        advice: "Check the scoring script, the probes and the size of the machine; `az ml online-deployment create --local` runs it in a container of yours.",
        section: guide!("error-resourcenotready"),
    },
    Row {
        name: "something that it refers to is not there, or its registry is closed to it",
        codes: &["ResourceNotFound"],
        message: &[],
        server: &[],
        initializer: &[],
        advice: "Check the names in the file; the message has the one that was not found.",
        section: guide!("error-resourcenotfound"),
    },
    Row {
        name: "another operation of the service had priority",
        codes: &["OperationCanceled"],
        message: &[],
        server: &[],
        initializer: &[],
        advice: "Run the stage again in a minute.",
        section: guide!("error-operationcanceled"),
    },
    Row {
        name: "the workspace's managed network is not provisioned",
        codes: &["WorkspaceManagedNetworkNotReady"],
        message: &[],
        server: &[],
        initializer: &[],
        advice: "Provision it once: az ml workspace provision-network.",
        section: guide!("error-workspacemanagednetworknotready"),
    },
    Row {
        name: "a secret that a variable refers to could not be read",
        codes: &["SecretsInjectionError"],
        message: &[],
        server: &[],
        initializer: &[],
        advice: "Check the reference, and that the endpoint's identity may read secrets of the connection or vault.",
        section: guide!("error-secretsinjectionerror"),
    },
];

/// The cause that the evidence points to.
pub(super) fn find(evidence: &Evidence<'_>) -> Option<Cause> {
    let (message, server, initializer) = (
        evidence.message.to_lowercase(),
        evidence.server.to_lowercase(),
        evidence.initializer.to_lowercase(),
    );
    let has = |text: &str, signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    let row = ROWS.iter().find(|row| {
        let code = row
            .codes
            .iter()
            .any(|code| code.eq_ignore_ascii_case(evidence.code));
        code || has(&message, row.message)
            || has(&server, row.server)
            || has(&initializer, row.initializer)
    })?;
    let from_script = !row.server.is_empty();
    Some(Cause {
        name: row.name,
        advice: row.advice,
        source: row.section,
        raised: from_script.then(|| raised(evidence.server)).flatten(),
    })
}

/// The line of the last traceback that names the exception.
fn raised(log: &str) -> Option<String> {
    let (_, after) = log.rsplit_once(TRACEBACK)?;
    let line = after
        .lines()
        .skip(1)
        .find(|line| !line.trim().is_empty() && !line.starts_with(char::is_whitespace))?;
    Some(line.trim().chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAISED: &str = "starting\nTraceback (most recent call last):\n  File \"score.py\", line 3, in init\n    x = 1 / 0\nZeroDivisionError: division by zero\nWorker exiting\n";

    fn of(code: &str, message: &str, server: &str, initializer: &str) -> Option<String> {
        let evidence = Evidence {
            code,
            message,
            server,
            initializer,
        };
        find(&evidence).map(|cause| cause.text())
    }

    #[test]
    fn the_causes_that_people_meet_are_named() {
        for (code, message, server, initializer, word) in [
            ("OutOfQuota", "", "", "", "quota"),
            (
                "BadRequest",
                "VmSize: Not enough quota available for Standard_F4s_v2",
                "",
                "",
                "quota",
            ),
            ("ImageBuildFailure", "", "", "", "image did not build"),
            (
                "BadArgument",
                "Unable to download user model.",
                "",
                "",
                "model was not found",
            ),
            (
                "ResourceNotReady",
                "",
                "",
                "azure.core BlobNotFound",
                "model was not found",
            ),
            (
                "ResourceNotReady",
                "User container has crashed or terminated",
                RAISED,
                "",
                "ZeroDivisionError: division by zero",
            ),
            (
                "ResourceNotReady",
                "",
                "ModuleNotFoundError: No module named 'sklearn'",
                "",
                "package",
            ),
            (
                "ResourceNotReady",
                "Liveness probe failed: HTTP probe failed with statuscode: 502",
                "",
                "",
                "liveness",
            ),
            ("ResourceNotReady", "", "", "", "wrote nothing of why"),
            ("", "", RAISED, "", "the scoring script raised"),
        ] {
            let said = of(code, message, server, initializer).unwrap_or_default();
            assert!(said.contains(word), "{code} {message}: {said}");
        }
        assert_eq!(of("SomethingNew", "who knows", "", ""), None);
        assert_eq!(of("", "", "listening on 5001\n", "done\n"), None);
    }

    #[test]
    fn the_last_exception_of_a_log_is_the_one_that_counts() {
        let twice = format!(
            "{RAISED}{}",
            RAISED.replace("ZeroDivisionError", "KeyError")
        );
        assert_eq!(
            raised(&twice).as_deref(),
            Some("KeyError: division by zero")
        );
        assert_eq!(raised("Traceback (most recent call last)"), None);
        assert_eq!(raised("all is well"), None);
    }

    #[test]
    fn every_row_has_signs_in_lower_case_advice_and_a_source() {
        for row in ROWS {
            let signs = [row.message, row.server, row.initializer];
            let all: Vec<_> = signs.iter().flat_map(|signs| signs.iter()).collect();
            assert!(!all.is_empty() || !row.codes.is_empty(), "{}", row.name);
            assert!(
                all.iter().all(|sign| **sign == sign.to_lowercase()),
                "{}",
                row.name
            );
            assert!(row.section.starts_with("https://") && !row.advice.is_empty());
        }
    }
}
