//! `create-compute`: clusters, instances, attached Kubernetes clusters and machines. What each of them has is in its own file.

mod attached;
mod cluster;
mod instance;

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::spec::binding::pattern;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::plan::{Part, Reference, Target};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings::capitalized;

const API: &str = "2023-08-01-preview";
const DEFAULT_SIZE: &str = "STANDARD_DS3_V2";
const CLUSTER: &str = "amlcompute";
const TYPES: [&str; 5] = [
    CLUSTER,
    "computeinstance",
    "kubernetes",
    "virtualmachine",
    "synapsespark",
];

static NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$"));
static ARM_ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^/subscriptions/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/resourcegroups/.*/providers/[a-z.]*/[a-z]*/.*$",
    )
});

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) {
    fields.read_only(&[
        "$schema",
        "id",
        "provisioning_errors",
        "created_on",
        "provisioning_state",
    ]);
    let report = &mut session.report;
    let name = fields.required("name", report);
    let name = name.and_then(|field| compute_name(&field, report));
    let kind = compute_type(&mut fields, report);
    let mut resource = Object::default();
    let location = fields.text("location", report);
    resource.put_some("tags", fields.read("tags", report, tags));
    if kind.as_deref() != Some("virtualmachine") {
        resource.put_some("identity", fields.read("identity", report, identity));
    }
    // Only a cluster may lie in another region than its workspace.
    let own = location.filter(|location| !location.is_empty() && kind.as_deref() == Some(CLUSTER));
    resource.put(
        "location",
        own.map_or(Draft::reference(Reference::Location), Draft::from),
    );
    let properties = match kind.as_deref() {
        Some(CLUSTER) => cluster::read(&mut fields, report),
        Some("computeinstance") => instance::read(&mut fields, report),
        Some("kubernetes") => attached::kubernetes(&mut fields, report),
        Some("virtualmachine") => attached::machine(session, &mut fields, base),
        Some(_) => attached::spark_pool(&mut fields, report),
        None => return,
    };
    resource.put("properties", properties);
    fields.refuse_rest(&mut session.report);
    let Some(name) = name else { return };
    let target = Target::Named {
        collection: "computes",
        name: Some(name),
    };
    session.request(target, API, resource, Vec::new());
}

fn compute_type(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    match fields.take("type") {
        Some(field) => field.choice(report, &TYPES, Case::Lower),
        // Without a file a name is enough; a file has to say what it describes.
        None if fields.at().node.is_input() => Some(CLUSTER.into()),
        None => {
            fields.missing("type", report);
            None
        }
    }
}

/// <https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster> states these limits.
fn compute_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if !NAME.is_match(&name) {
        let message = format!(
            "`{name}` cannot be the name of a compute: 2 to 32 letters, digits and `-`, a letter first, no `-` last"
        );
        field.problem(report, message);
        return None;
    }
    Some(name)
}

/// Unlike those of jobs, these may not be empty.
pub(super) fn tags(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let texts = entries
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), field.text(report)?.into())));
    Some(Value::Object(texts.collect()))
}

/// The size that was asked for, or the SDK's default.
fn size(fields: &mut Fields<'_>, report: &mut Report) -> String {
    let size = fields.text("size", report);
    size.filter(|size| !size.is_empty())
        .unwrap_or_else(|| DEFAULT_SIZE.into())
}

/// What the service calls the inner body: computes have two levels of `properties`.
fn described(
    kind: &str,
    fields: &mut Fields<'_>,
    properties: Object,
    report: &mut Report,
) -> Object {
    let mut body = Object::default();
    body.put("computeType", kind);
    body.put_some("description", fields.text("description", report));
    body.put("properties", properties);
    body
}

/// A subnet by its id, or by its name in a network of the workspace's resource group.
fn subnet(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    fields.read_only(&["$schema", "public_ip_address", "private_ip_address"]);
    let network = fields.text("vnet_name", report);
    let name = fields.text("subnet", report);
    if network.is_some() && name.is_none() {
        fields.missing("subnet", report);
    }
    let named = name.as_ref().is_some_and(|name| !ARM_ID.is_match(name));
    if named && network.is_none() {
        fields.missing("vnet_name", report);
    }
    fields.refuse_rest(report);
    let name = name?;
    let id = if named {
        Draft::Parts(vec![
            Part::Text("/subscriptions/".into()),
            Part::Reference(Reference::Subscription),
            Part::Text("/resourceGroups/".into()),
            Part::Reference(Reference::ResourceGroup),
            Part::Text(format!(
                "/providers/Microsoft.Network/virtualNetworks/{}/subnets/{name}",
                network.unwrap_or_default()
            )),
        ])
    } else {
        Draft::from(name)
    };
    let mut body = Object::default();
    body.put("id", id);
    Some(body)
}

fn identity(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    fields.read_only(&["$schema", "principal_id", "tenant_id"]);
    let words = [
        "system_assigned",
        "user_assigned",
        "none",
        "system_assigned,user_assigned",
    ];
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &words, Case::Snake);
    let mut body = Object::default();
    body.put_some("type", kind.map(|kind| pascal(&kind)));
    let mut assigned = Object::default();
    let listed = fields.read("user_assigned_identities", report, Field::items);
    for item in listed.unwrap_or_default() {
        let Some(mut fields) = item.fields(report) else {
            continue;
        };
        fields.read_only(&["$schema", "principal_id", "client_id", "tenant_id"]);
        let id = fields.required("resource_id", report);
        if let Some(id) = id.and_then(|field| field.text(report)) {
            assigned.put(id, json!({}));
        }
        fields.refuse_rest(report);
    }
    fields.refuse_rest(report);
    body.put_filled("userAssignedIdentities", assigned);
    Some(body)
}

/// `low_priority` is `LowPriority` to the service.
pub(super) fn pascal(snake: &str) -> String {
    let word = |word: &str| word.split('_').map(capitalized).collect::<String>();
    snake.split(',').map(word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_becomes_pascal_case_word_by_word() {
        assert_eq!(pascal("low_priority"), "LowPriority");
        assert_eq!(
            pascal("system_assigned,user_assigned"),
            "SystemAssigned,UserAssigned"
        );
    }

    #[test]
    fn names_that_the_service_refuses_are_known() {
        for good in ["cpu-cluster", "c1", "A-b-3"] {
            assert!(NAME.is_match(good), "{good}");
        }
        for bad in ["c", "1c", "cpu_cluster", "cpu-", "a b", &"c".repeat(33)] {
            assert!(!NAME.is_match(bad), "{bad}");
        }
    }
}
