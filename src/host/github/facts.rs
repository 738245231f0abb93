//! What GitHub's runner tells of the run: the variables and the event file.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::host::{Env, Options, RunFacts, TimeLimit};

/// <https://docs.github.com/actions/reference/limits>
const HOSTED_LIMIT: Duration = Duration::from_secs(6 * 3600);
const SELF_HOSTED_LIMIT: Duration = Duration::from_secs(5 * 24 * 3600);

pub(super) fn facts(env: &Env, options: &Options) -> RunFacts {
    let get = |name: &str| env.get(name).map(str::to_owned);
    let event = event(env);
    RunFacts {
        host: "github",
        repository: get("GITHUB_REPOSITORY"),
        repository_id: get("GITHUB_REPOSITORY_ID"),
        run_id: get("GITHUB_RUN_ID"),
        run_attempt: get("GITHUB_RUN_ATTEMPT"),
        workflow: get("GITHUB_WORKFLOW"),
        job: get("GITHUB_JOB"),
        step: get("GITHUB_ACTION"),
        commit: head_commit(&event).or_else(|| get("GITHUB_SHA")),
        branch: branch(env),
        actor: get("GITHUB_ACTOR"),
        link: link(env),
        pull_request: pull_request(env, &event),
        time_limit: Some(TimeLimit {
            limit: if env.get("RUNNER_ENVIRONMENT") == Some("self-hosted") {
                SELF_HOSTED_LIMIT
            } else {
                HOSTED_LIMIT
            },
            assumed: true,
        }),
        working_directory: working_directory(env, options),
        temp_directory: get("RUNNER_TEMP").map(PathBuf::from),
    }
}

/// An action starts in the workspace, whatever the job's default; a command in a `run:` step starts where that step says.
fn working_directory(env: &Env, options: &Options) -> PathBuf {
    match env.get("GITHUB_WORKSPACE") {
        Some(workspace) if !options.from_flags => PathBuf::from(workspace),
        _ => env.directory().to_owned(),
    }
}

/// The event file; `Null` when there is none or it is not JSON.
fn event(env: &Env) -> Value {
    env.get("GITHUB_EVENT_PATH")
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// `GITHUB_SHA` of a pull request is a merge commit that nobody can look up later; the event names the head.
fn head_commit(event: &Value) -> Option<String> {
    event
        .pointer("/pull_request/head/sha")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn branch(env: &Env) -> Option<String> {
    if let Some(head) = env.get("GITHUB_HEAD_REF") {
        return Some(head.to_owned());
    }
    env.get("GITHUB_REF")?
        .strip_prefix("refs/heads/")
        .map(str::to_owned)
}

fn link(env: &Env) -> Option<String> {
    let server = env.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let repository = env.get("GITHUB_REPOSITORY")?;
    let run = env.get("GITHUB_RUN_ID")?;
    let attempt = env
        .get("GITHUB_RUN_ATTEMPT")
        .map_or(String::new(), |attempt| format!("/attempts/{attempt}"));
    Some(format!(
        "{}/{repository}/actions/runs/{run}{attempt}",
        server.trim_end_matches('/')
    ))
}

fn pull_request(env: &Env, event: &Value) -> Option<u64> {
    let in_event = event.pointer("/pull_request/number").or_else(|| {
        event
            .pointer("/issue/pull_request")
            .and_then(|_| event.pointer("/issue/number"))
    });
    if let Some(number) = in_event.and_then(Value::as_u64) {
        return Some(number);
    }
    let rest = env.get("GITHUB_REF")?.strip_prefix("refs/pull/")?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_described_by_the_variables() {
        let env = Env::from_pairs([
            ("GITHUB_REPOSITORY", "acme/churn"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SERVER_URL", "https://ghe.acme.example"),
            ("GITHUB_REF", "refs/heads/feature/x"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_ACTION", "__acme_aml-runner_2"),
            ("GITHUB_WORKSPACE", "/w"),
        ]);
        let facts = facts(&env, &Options::default());
        assert_eq!(
            facts.link.as_deref(),
            Some("https://ghe.acme.example/acme/churn/actions/runs/42/attempts/2")
        );
        assert_eq!(facts.branch.as_deref(), Some("feature/x"));
        assert_eq!(facts.commit.as_deref(), Some("abc"));
        assert_eq!(facts.step.as_deref(), Some("__acme_aml-runner_2"));
        assert_eq!(facts.pull_request, None);
        assert_eq!(facts.working_directory, PathBuf::from("/w"));
        let limit = facts.time_limit.unwrap();
        assert_eq!((limit.limit, limit.assumed), (HOSTED_LIMIT, true));
    }

    #[test]
    fn a_pull_request_is_described_by_its_event_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::fs::write(
            &path,
            r#"{"pull_request": {"number": 7, "head": {"sha": "head-sha"}}}"#,
        )
        .unwrap();
        let env = Env::from_pairs([
            ("GITHUB_EVENT_PATH", path.display().to_string().as_str()),
            ("GITHUB_SHA", "merge-sha"),
            ("GITHUB_REF", "refs/pull/7/merge"),
            ("GITHUB_HEAD_REF", "topic"),
            ("RUNNER_ENVIRONMENT", "self-hosted"),
        ]);
        let facts = facts(&env, &Options::default());
        assert_eq!(facts.commit.as_deref(), Some("head-sha"));
        assert_eq!(facts.branch.as_deref(), Some("topic"));
        assert_eq!(facts.pull_request, Some(7));
        assert_eq!(facts.time_limit.unwrap().limit, SELF_HOSTED_LIMIT);
    }

    #[test]
    fn without_an_event_file_the_ref_names_the_pull_request_and_a_tag_is_no_branch() {
        let env = Env::from_pairs([("GITHUB_REF", "refs/pull/12/merge")]);
        assert_eq!(facts(&env, &Options::default()).pull_request, Some(12));
        let env = Env::from_pairs([("GITHUB_REF", "refs/tags/v1")]);
        assert_eq!(facts(&env, &Options::default()).branch, None);
    }
}
