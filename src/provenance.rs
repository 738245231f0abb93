//! Where the code of a job comes from: git facts as `az ml` stamps them on a job, and the CI run as tags.
//! Asks the `git` on the PATH and nothing else; knows no Azure and never prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use crate::host::RunFacts;

/// A repository that answers slower than this (a stuck network share) is left out: a job is not worth less without it.
const GIT_LIMIT: Duration = Duration::from_secs(10);

/// What git may see of our environment: where it is, its configuration, and nothing that is secret.
const GIT_ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "USERPROFILE",
    "SYSTEMROOT",
    "XDG_CONFIG_HOME",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// The git properties of a job submitted from `folder`, by the names and the variables (`AZUREML_GIT_*`) of
/// azure-ai-ml 1.35.2, `get_git_properties`. Empty without git, without a repository and without those variables.
///
/// The SDK drops everything when the remote's URL holds a token; here only the token goes.
pub async fn git_properties(folder: &Path, env: &[(String, String)]) -> BTreeMap<String, String> {
    let given = |name: &str| {
        let found = env.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| tidy(value))
    };
    let repository = repository(folder, env).await.unwrap_or_default();
    let url = given("AZUREML_GIT_REPOSITORY_URI").or(repository.url);
    let dirty = match given("AZUREML_GIT_DIRTY") {
        Some(text) => Some(matches!(text.to_lowercase().as_str(), "true" | "1")),
        None => repository.dirty,
    };
    let facts = [
        (
            "mlflow.source.git.repoURL",
            url.and_then(|url| without_credentials(&url)),
        ),
        (
            "mlflow.source.git.branch",
            given("AZUREML_GIT_BRANCH").or(repository.branch),
        ),
        (
            "mlflow.source.git.commit",
            given("AZUREML_GIT_COMMIT").or(repository.commit),
        ),
        // Python's spelling, as the service has it.
        (
            "azureml.git.dirty",
            dirty.map(|dirty| if dirty { "True" } else { "False" }.to_owned()),
        ),
        ("azureml.git.build_id", given("AZUREML_GIT_BUILD_ID")),
        (
            "azureml.git.build_uri",
            given("AZUREML_GIT_BUILD_URI").and_then(|url| without_credentials(&url)),
        ),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// Tags that lead from a job back to the CI run that submitted it. Empty where there is no run to lead to.
pub fn ci_tags(facts: &RunFacts) -> BTreeMap<String, String> {
    if facts.run_id.is_none() && facts.link.is_none() {
        return BTreeMap::new();
    }
    let tags = [
        ("ci.host", tidy(facts.host)),
        (
            "ci.run",
            facts.link.clone().or_else(|| facts.run_id.clone()),
        ),
        ("ci.repository", facts.repository.clone()),
        ("ci.workflow", facts.workflow.clone()),
        ("ci.commit", facts.commit.clone()),
        ("ci.branch", facts.branch.clone()),
        ("ci.actor", facts.actor.clone()),
        (
            "ci.pull_request",
            facts.pull_request.map(|number| number.to_string()),
        ),
    ];
    tags.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), tidy(&value?)?)))
        .collect()
}

#[derive(Default)]
struct Repository {
    url: Option<String>,
    branch: Option<String>,
    commit: Option<String>,
    dirty: Option<bool>,
}

/// `None` when the folder is in no work tree, or git is not there.
async fn repository(folder: &Path, env: &[(String, String)]) -> Option<Repository> {
    let (inside, url, branch, commit, status) = tokio::join!(
        git(folder, env, &["rev-parse", "--is-inside-work-tree"]),
        git(folder, env, &["ls-remote", "--get-url"]),
        git(folder, env, &["symbolic-ref", "--short", "HEAD"]),
        git(folder, env, &["rev-parse", "HEAD"]),
        git(folder, env, &["status", "--porcelain", "."]),
    );
    (inside?.trim() == "true").then(|| Repository {
        url: url.as_deref().and_then(tidy),
        branch: branch.as_deref().and_then(tidy),
        commit: commit.as_deref().and_then(tidy),
        dirty: status.map(|changes| !changes.is_empty()),
    })
}

/// What one git command prints; `None` when it fails, is missing or takes too long.
async fn git(folder: &Path, env: &[(String, String)], args: &[&str]) -> Option<String> {
    let seen = env
        .iter()
        .filter(|(name, _)| GIT_ENVIRONMENT.contains(&name.as_str()));
    let output = Command::new("git")
        // A repository's own file-system monitor is a program of its choosing, and `status` would start it.
        .args(["-c", "core.fsmonitor=false"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(seen.map(|(name, value)| (name, value)))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(GIT_LIMIT, output).await.ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The address without user, password and query. `ssh` keeps its user: it says whom to ask for, and is no secret.
/// `None` for the form that the SDK knows too, `https://host/TOKEN@...`, where no part can be trusted.
fn without_credentials(address: &str) -> Option<String> {
    let Some((scheme, _)) = address.split_once("://") else {
        // A path, or `git@host:path`; a password has no place in either.
        return Some(address.to_owned());
    };
    let mut url = Url::parse(address).ok()?;
    if url.password().is_some() {
        url.set_password(None).ok()?;
    }
    if scheme.starts_with("http") {
        if !url.username().is_empty() {
            url.set_username("").ok()?;
        }
        url.set_query(None);
        url.set_fragment(None);
        let mut segments = url.path_segments()?;
        if segments.next().is_some_and(|first| first.contains('@')) {
            return None;
        }
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use std::process;

    use tempfile::TempDir;

    use super::*;

    /// A repository with one commit on `main`.
    fn repository() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("train.py"), "print(1)\n").unwrap();
        run(&folder, &["init", "--quiet", "--initial-branch=main"]);
        run(&folder, &["add", "."]);
        run(&folder, &["commit", "--quiet", "--message=first"]);
        folder
    }

    fn run(folder: &TempDir, args: &[&str]) -> String {
        let output = process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .current_dir(folder.path())
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .output()
            .expect("git is on the PATH");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// An environment with git in it, and nothing of the developer's own configuration.
    fn env(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let usual = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin";
        let quiet = [("GIT_CONFIG_NOSYSTEM", "1"), ("PATH", usual)];
        let all = quiet.iter().chain(more);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn a_clean_work_tree_gives_branch_commit_and_not_dirty() {
        let folder = repository();
        let found = git_properties(folder.path(), &env(&[])).await;
        let commit = run(&folder, &["rev-parse", "HEAD"]);
        let expected = [
            ("azureml.git.dirty", "False"),
            ("mlflow.source.git.branch", "main"),
            ("mlflow.source.git.commit", commit.as_str()),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[tokio::test]
    async fn a_changed_file_is_dirty_and_a_detached_head_has_no_branch() {
        let folder = repository();
        run(&folder, &["checkout", "--quiet", "--detach"]);
        std::fs::write(folder.path().join("new.py"), "").unwrap();
        let found = git_properties(folder.path(), &env(&[])).await;
        assert_eq!(found["azureml.git.dirty"], "True");
        assert!(!found.contains_key("mlflow.source.git.branch"));
    }

    #[tokio::test]
    async fn only_changes_below_the_folder_make_it_dirty() {
        let folder = repository();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        std::fs::write(folder.path().join("train.py"), "print(2)\n").unwrap();
        let below = folder.path().join("pipelines");
        let found = git_properties(&below, &env(&[])).await;
        assert_eq!(found["azureml.git.dirty"], "False");
    }

    #[tokio::test]
    async fn the_remotes_address_comes_without_its_credentials() {
        let folder = repository();
        let remote = "https://me:ghp_marked@github.com/org/repo.git?token=marked";
        run(&folder, &["remote", "add", "origin", remote]);
        let found = git_properties(folder.path(), &env(&[])).await;
        assert_eq!(
            found["mlflow.source.git.repoURL"],
            "https://github.com/org/repo.git"
        );
        assert!(found.values().all(|value| !value.contains("marked")));
    }

    #[test]
    fn addresses_of_every_form_lose_what_is_secret() {
        for (address, cleaned) in [
            (
                "git@github.com:org/repo.git",
                Some("git@github.com:org/repo.git"),
            ),
            (
                "ssh://git:pw@host/org/repo",
                Some("ssh://git@host/org/repo"),
            ),
            (
                "https://pat@dev.azure.com/o/p/_git/r",
                Some("https://dev.azure.com/o/p/_git/r"),
            ),
            ("https://dev.azure.com/pat@dev.azure.com/o", None),
            ("../elsewhere", Some("../elsewhere")),
            ("https://[broken", None),
        ] {
            assert_eq!(
                without_credentials(address).as_deref(),
                cleaned,
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn without_a_repository_only_the_variables_count() {
        let folder = tempfile::tempdir().unwrap();
        let ceiling = folder.path().parent().unwrap().to_str().unwrap();
        let bare = env(&[
            ("GIT_CEILING_DIRECTORIES", ceiling),
            ("AZUREML_GIT_BRANCH", " "),
        ]);
        assert_eq!(git_properties(folder.path(), &bare).await, BTreeMap::new());

        let given = env(&[
            ("GIT_CEILING_DIRECTORIES", ceiling),
            ("AZUREML_GIT_COMMIT", "abc"),
            ("AZUREML_GIT_DIRTY", "1"),
            ("AZUREML_GIT_REPOSITORY_URI", "https://u:p@host/r"),
            ("AZUREML_GIT_BUILD_ID", "17"),
            ("AZUREML_GIT_BUILD_URI", "https://ci.example/17"),
        ]);
        let found = git_properties(folder.path(), &given).await;
        let expected = [
            ("azureml.git.build_id", "17"),
            ("azureml.git.build_uri", "https://ci.example/17"),
            ("azureml.git.dirty", "True"),
            ("mlflow.source.git.commit", "abc"),
            ("mlflow.source.git.repoURL", "https://host/r"),
        ];
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_machine_without_git_gives_nothing() {
        let folder = repository();
        let env = [("PATH".to_owned(), folder.path().display().to_string())];
        assert_eq!(git_properties(folder.path(), &env).await, BTreeMap::new());
    }

    #[test]
    fn a_ci_run_is_tagged_with_what_leads_back_to_it() {
        let facts = RunFacts {
            host: "github",
            run_id: Some("42".to_owned()),
            link: Some("https://github.com/org/repo/actions/runs/42".to_owned()),
            workflow: Some("train".to_owned()),
            actor: Some("ada".to_owned()),
            branch: Some(String::new()),
            pull_request: Some(7),
            ..RunFacts::default()
        };
        let tags = ci_tags(&facts);
        let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("ci.actor", "ada"),
            ("ci.host", "github"),
            ("ci.pull_request", "7"),
            ("ci.run", "https://github.com/org/repo/actions/runs/42"),
            ("ci.workflow", "train"),
        ];
        assert_eq!(tags, expected);
    }

    #[test]
    fn a_terminal_adds_no_tags() {
        let facts = RunFacts {
            host: "terminal",
            actor: Some("ada".to_owned()),
            ..RunFacts::default()
        };
        assert_eq!(ci_tags(&facts), BTreeMap::new());
    }
}
