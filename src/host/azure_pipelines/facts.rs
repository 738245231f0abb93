//! What the agent tells of the run: the predefined variables.
//! <https://learn.microsoft.com/azure/devops/pipelines/build/variables>

use std::path::PathBuf;
use std::time::Duration;

use super::path;
use crate::host::{Env, Options, RunFacts, TimeLimit};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn facts(env: &Env, options: &Options) -> RunFacts {
    let get = |name: &str| env.get(name).map(str::to_owned);
    let first = |names: &[&str]| env.first(names).map(str::to_owned);
    RunFacts {
        host: "azure-pipelines",
        repository: get("BUILD_REPOSITORY_NAME"),
        repository_id: get("BUILD_REPOSITORY_ID"),
        // Classic releases have no build of their own.
        run_id: first(&["RELEASE_RELEASEID", "BUILD_BUILDID"]),
        run_attempt: get("SYSTEM_JOBATTEMPT"),
        workflow: first(&["RELEASE_DEFINITIONNAME", "BUILD_DEFINITIONNAME"]),
        job: job(env),
        // Not the instance id: that one is another at each attempt.
        step: first(&["SYSTEM_TASKINSTANCENAME", "SYSTEM_TASKINSTANCEID"]),
        commit: first(&["SYSTEM_PULLREQUEST_SOURCECOMMITID", "BUILD_SOURCEVERSION"]),
        branch: branch(env),
        actor: get("BUILD_REQUESTEDFOR"),
        link: link(env),
        pull_request: pull_request(env),
        time_limit: time_limit(env),
        working_directory: working_directory(env, options),
        temp_directory: path(env, "AGENT_TEMPDIRECTORY"),
    }
}

/// Stage, job and matrix leg: the name of a job repeats in every stage.
fn job(env: &Env) -> Option<String> {
    let parts: Vec<_> = ["SYSTEM_STAGENAME", "SYSTEM_PHASENAME", "SYSTEM_JOBNAME"]
        .iter()
        .filter_map(|name| env.get(name))
        .collect();
    if parts.is_empty() {
        return env.get("SYSTEM_JOBID").map(str::to_owned);
    }
    Some(parts.join("/"))
}

fn working_directory(env: &Env, options: &Options) -> PathBuf {
    match env.first(&["SYSTEM_DEFAULTWORKINGDIRECTORY", "BUILD_SOURCESDIRECTORY"]) {
        Some(folder) if !options.from_flags => PathBuf::from(folder),
        _ => env.directory().to_owned(),
    }
}

/// `Build.SourceBranchName` is only the last part of `feature/x`.
fn branch(env: &Env) -> Option<String> {
    env.first(&["SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"])
        .map(|name| name.strip_prefix("refs/heads/").unwrap_or(name))
        .filter(|name| !name.starts_with("refs/"))
        .map(str::to_owned)
}

fn link(env: &Env) -> Option<String> {
    if let Some(link) = env.get("RELEASE_RELEASEWEBURL") {
        return Some(link.to_owned());
    }
    let collection = env.first(&["SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"])?;
    let mut url = url::Url::parse(collection).ok()?;
    // Pushing segments encodes them: projects may have spaces in their names.
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .push(env.get("SYSTEM_TEAMPROJECT")?)
        .extend(["_build", "results"]);
    url.query_pairs_mut()
        .append_pair("buildId", env.get("BUILD_BUILDID")?);
    Some(url.into())
}

/// For a repository on GitHub the number is the one that people know; the id is a counter of the service's.
fn pull_request(env: &Env) -> Option<u64> {
    env.first(&[
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
        "SYSTEM_PULLREQUEST_PULLREQUESTID",
    ])
    .and_then(|number| number.parse().ok())
}

/// `System.JobTimeout` holds `timeoutInMinutes`; 0 is the most that the pool allows.
/// <https://learn.microsoft.com/azure/devops/pipelines/process/phases#timeouts>
fn time_limit(env: &Env) -> Option<TimeLimit> {
    let minutes = env
        .get("SYSTEM_JOBTIMEOUT")
        .and_then(|minutes| minutes.parse::<u64>().ok());
    match minutes {
        Some(0) if env.is_on("AGENT_ISSELFHOSTED") => None,
        Some(0) => {
            let public = env
                .get("SYSTEM_JOBPARALLELISMTAG")
                .is_some_and(|tag| tag.eq_ignore_ascii_case("Public"));
            Some(TimeLimit {
                limit: if public { HOUR * 6 } else { HOUR },
                assumed: true,
            })
        }
        Some(minutes) => Some(TimeLimit {
            limit: Duration::from_secs(minutes.saturating_mul(60)),
            assumed: false,
        }),
        None => Some(TimeLimit {
            limit: HOUR,
            assumed: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> RunFacts {
        facts(&Env::from_pairs(pairs.iter().copied()), &Options::default())
    }

    #[test]
    fn a_build_is_described_by_the_variables() {
        let facts = of(&[
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
            ("SYSTEM_TEAMPROJECT", "Churn & more/x"),
            ("BUILD_BUILDID", "42"),
            ("BUILD_SOURCEBRANCH", "refs/heads/feature/x"),
            ("SYSTEM_STAGENAME", "Train"),
            ("SYSTEM_PHASENAME", "Job"),
            ("SYSTEM_JOBNAME", "__default"),
            ("SYSTEM_TASKINSTANCENAME", "AmlRunner1"),
            (
                "SYSTEM_TASKINSTANCEID",
                "efa2bfe1-554a-50c8-79b6-ef106ad3c7c2",
            ),
        ]);
        assert_eq!(
            facts.link.as_deref(),
            Some("https://dev.azure.com/acme/Churn%20&%20more%2Fx/_build/results?buildId=42")
        );
        assert_eq!(facts.branch.as_deref(), Some("feature/x"));
        assert_eq!(facts.job.as_deref(), Some("Train/Job/__default"));
        assert_eq!(facts.step.as_deref(), Some("AmlRunner1"));
    }

    #[test]
    fn a_pull_request_and_a_release_are_told_apart_from_a_build() {
        let pull_request = of(&[
            ("BUILD_SOURCEBRANCH", "refs/pull/7/merge"),
            ("SYSTEM_PULLREQUEST_SOURCEBRANCH", "refs/heads/topic"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "998877"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "7"),
        ]);
        assert_eq!(pull_request.branch.as_deref(), Some("topic"));
        assert_eq!(pull_request.pull_request, Some(7));
        let release = of(&[
            ("RELEASE_RELEASEID", "5"),
            (
                "RELEASE_RELEASEWEBURL",
                "https://dev.azure.com/acme/p/_release?releaseId=5",
            ),
        ]);
        assert_eq!(release.run_id.as_deref(), Some("5"));
        assert_eq!(
            release.link.as_deref(),
            Some("https://dev.azure.com/acme/p/_release?releaseId=5")
        );
    }

    #[test]
    fn the_jobs_limit_is_what_the_agent_says_or_an_hour() {
        let limit = |pairs: &[(&str, &str)]| {
            of(pairs)
                .time_limit
                .map(|limit| (limit.limit.as_secs() / 60, limit.assumed))
        };
        assert_eq!(limit(&[]), Some((60, true)));
        assert_eq!(limit(&[("SYSTEM_JOBTIMEOUT", "360")]), Some((360, false)));
        assert_eq!(limit(&[("SYSTEM_JOBTIMEOUT", "0")]), Some((60, true)));
        assert_eq!(
            limit(&[
                ("SYSTEM_JOBTIMEOUT", "0"),
                ("SYSTEM_JOBPARALLELISMTAG", "Public")
            ]),
            Some((360, true))
        );
        assert_eq!(
            limit(&[("SYSTEM_JOBTIMEOUT", "0"), ("AGENT_ISSELFHOSTED", "1")]),
            None
        );
    }
}
