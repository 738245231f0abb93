//! Links to pages of Azure Machine Learning studio. Only for clouds that have one: an emulator's addresses come from its own answers.

use crate::azure::WorkspaceId;
use crate::azure::cloud::Cloud;
use crate::azure::endpoints::Family;

fn page(cloud: &Cloud, workspace: &WorkspaceId, path: &str) -> Option<String> {
    let studio = cloud.studio()?;
    Some(format!(
        "{}/{path}?wsid={workspace}",
        studio.trim_end_matches('/')
    ))
}

pub(crate) fn workspace(cloud: &Cloud, workspace: &WorkspaceId) -> Option<String> {
    page(cloud, workspace, "home")
}

pub(crate) fn asset(
    cloud: &Cloud,
    workspace: &WorkspaceId,
    kind: &str,
    name: &str,
    version: &str,
) -> Option<String> {
    match kind {
        "data" => page(cloud, workspace, &format!("data/{name}/{version}/details")),
        "environment" => page(
            cloud,
            workspace,
            &format!("environments/{name}/version/{version}"),
        ),
        "model" => page(cloud, workspace, &format!("model/{name}:{version}/details")),
        _ => None,
    }
}

pub(crate) fn endpoint(
    cloud: &Cloud,
    workspace: &WorkspaceId,
    family: Family,
    name: &str,
) -> Option<String> {
    let kind = match family {
        Family::Online => "realtime",
        Family::Batch => "batch",
    };
    page(cloud, workspace, &format!("endpoints/{kind}/{name}/detail"))
}

pub(crate) fn compute(cloud: &Cloud, workspace: &WorkspaceId, name: &str) -> Option<String> {
    page(cloud, workspace, &format!("compute/{name}/details"))
}
