//! `azureml:..`: the ways in which a document names something that exists, and the id that goes into the request. It does not look
//! anything up: `@latest` stays symbolic.

use std::sync::LazyLock;

use regex::Regex;

use super::binding::pattern;
use super::draft::Draft;
use super::fields::Field;
use super::plan::Reference;
use super::session::Session;

static VERSIONED_ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^/?subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft.MachineLearningServices/workspaces/([^/]+)/([^/]+)/([^/]+)/versions/([^/]+)",
    )
});
static ANY_ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^/subscriptions/.*/resourceGroups/.*/providers/Microsoft.MachineLearningServices/workspaces/.*/([^/]+)/.*",
    )
});

/// What marshmallow's `Url` accepts: a scheme of the web, and a host with a top level of its own.
static WEB: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(https?|ftps?)://(?:[^:@]+?(?::[^:@]*?)?@)?",
        r"(?:(?:[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?\.)+(?:[A-Z]{2,6}\.?|[A-Z0-9-]{2,}\.?)|localhost",
        r"|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[A-F0-9]*:[A-F0-9:]+\])(?::\d+)?(?:/?|[/?]\S+)$",
    ))
});

pub(super) const REGISTRY: &str = "azureml://registries/";

/// Something versioned, as the text after `azureml:` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asset {
    /// A full id of a workspace's asset.
    Id(String),
    Version {
        name: String,
        version: String,
    },
    Label {
        name: String,
        label: String,
    },
    /// Neither version nor label.
    Bare(String),
}

impl Asset {
    /// `None` when the text cannot be a name: it has a `/` that no id has.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if VERSIONED_ID.is_match(text) || ANY_ID.is_match(text) {
            return Some(Self::Id(text.to_owned()));
        }
        if text.is_empty() || (text.contains('/') && !text.starts_with('/')) {
            return None;
        }
        if let Some((name, label)) = text.rsplit_once('@') {
            return Some(Self::Label {
                name: name.to_owned(),
                label: label.to_owned(),
            });
        }
        Some(match text.split_once(':') {
            Some((name, version)) if !version.is_empty() => Self::Version {
                name: name.to_owned(),
                version: version.to_owned(),
            },
            Some(_) | None => Self::Bare(text.to_owned()),
        })
    }
}

/// Whether the text is an ARM id of a workspace's resource of any kind.
pub(super) fn is_arm_id(text: &str) -> bool {
    ANY_ID.is_match(text)
}

/// The id of an asset of the workspace, or what the service expands by itself.
pub(super) fn asset_id(
    session: &mut Session<'_>,
    field: &Field<'_>,
    text: &str,
    collection: &'static str,
) -> Option<Draft> {
    let singular = collection.trim_end_matches('s');
    let Some(asset) = Asset::parse(text) else {
        let message = format!(
            "`{text}` is neither a name nor an id of {collection}: an id starts with `/subscriptions/`"
        );
        field.problem(&mut session.report, message);
        return None;
    };
    match asset {
        Asset::Id(id) => Some(Draft::from(id)),
        Asset::Version { name, version } => Some(Draft::in_workspace(&format!(
            "{collection}/{name}/versions/{version}"
        ))),
        Asset::Label { name, label } if label == "latest" => {
            Some(Draft::reference(Reference::Latest { collection, name }))
        }
        Asset::Label { name, label } if label == "default" && collection == "components" => Some(
            Draft::in_workspace(&format!("{collection}/{name}/labels/{label}")),
        ),
        Asset::Label { name, label } => {
            let message = format!(
                "`{name}` has no label `{label}` that can be looked up; use `@latest` or a version"
            );
            field.problem(&mut session.report, message);
            None
        }
        Asset::Bare(name) => {
            let message = format!(
                "the {singular} `{name}` needs a version or `@latest`: `azureml:{name}@latest`"
            );
            field.problem(&mut session.report, message);
            None
        }
    }
}

/// The id of a compute. `serverless` and computes of the workspace by name, ids as they are.
pub(super) fn compute_id(session: &mut Session<'_>, field: &Field<'_>, text: &str) -> Draft {
    let name = text.strip_prefix("azureml:").unwrap_or(text);
    if is_arm_id(name)
        || name
            .to_lowercase()
            .contains("microsoft.machinelearningservices/virtualclusters/")
    {
        return Draft::from(name.to_owned());
    }
    if let Some(cluster) = name
        .to_lowercase()
        .strip_prefix("virtualclusters/")
        .map(str::len)
    {
        return virtual_cluster(&name[name.len() - cluster..]);
    }
    if name != "serverless" {
        session.expect_compute(field, name);
    }
    Draft::in_workspace(&format!("computes/{name}"))
}

/// The compute of a pipeline or of one of its steps. Of a compute's id only the name counts: it is taken for one of this workspace.
pub(super) fn pipeline_compute_id(
    session: &mut Session<'_>,
    field: &Field<'_>,
    text: &str,
) -> Option<Draft> {
    let mut name = text.strip_prefix("azureml:").unwrap_or(text);
    let lower = name.to_lowercase();
    if is_arm_id(name) && !lower.contains("/virtualclusters/") {
        name = name.rsplit('/').next().unwrap_or(name);
    }
    let refusal = if name.is_empty() {
        "the name of the compute is missing"
    } else if lower.starts_with("virtualclusters/") {
        "a pipeline names a virtual cluster by its full id: `/subscriptions/..`"
    } else {
        return Some(compute_id(session, field, name));
    };
    field.problem(&mut session.report, refusal);
    None
}

fn virtual_cluster(name: &str) -> Draft {
    use super::plan::Part::{Reference as Ref, Text};
    Draft::Parts(vec![
        Text("/subscriptions/".into()),
        Ref(Reference::Subscription),
        Text("/resourceGroups/".into()),
        Ref(Reference::ResourceGroup),
        Text(format!(
            "/providers/Microsoft.MachineLearningServices/virtualclusters/{name}"
        )),
    ])
}

/// `scheme://host..`, as Python's `urlparse` finds one.
pub(super) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.is_empty()
            && !rest.starts_with(['/', '?', '#'])
    })
}

/// An address of the web, as the SDK takes one for code and for build contexts.
pub(super) fn is_web_address(text: &str) -> bool {
    WEB.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_web_have_a_host_with_a_top_level() {
        for good in [
            "https://a.blob.core.windows.net/c/d",
            "HTTPS://A.BC/x",
            "http://localhost/x",
            "http://1.2.3.4:80",
            "https://github.com/a/b.git#main",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "https://x/y",
            "https://a.b/c",
            "https://a.bc/a b",
            "git+https://a.bc/x",
            "azureml://datastores/a/paths/b",
            "https://-a.bc/",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    #[test]
    fn names_versions_labels_and_ids_are_told_apart() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/d/versions/1";
        assert_eq!(Asset::parse(id), Some(Asset::Id(id.into())));
        assert_eq!(
            Asset::parse("a:1:2"),
            Some(Asset::Version {
                name: "a".into(),
                version: "1:2".into()
            })
        );
        assert_eq!(
            Asset::parse("a@latest"),
            Some(Asset::Label {
                name: "a".into(),
                label: "latest".into()
            })
        );
        assert_eq!(Asset::parse("a"), Some(Asset::Bare("a".into())));
        assert_eq!(Asset::parse("a/b:1"), None);
    }

    #[test]
    fn urls_need_a_scheme_and_a_host() {
        assert!(
            is_url("azureml://datastores/d/paths/p")
                && is_url("wasbs://c@a.blob.core.windows.net/x")
        );
        assert!(
            !is_url("azureml:x:1")
                && !is_url("./a")
                && !is_url("file:///x")
                && !is_url("runs:/x/y")
        );
    }
}
