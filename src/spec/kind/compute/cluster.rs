//! `type: amlcompute`: a cluster that scales between two numbers of nodes.

use serde_json::{Value, json};

use super::{described, pascal, size, subnet};
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::settings::duration_of;

const DEFAULT_MOST: i64 = 4;
const DEFAULT_IDLE_SECONDS: i64 = 120;

pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Object {
    fields.without_effect(&["resource_id"]);
    let mut properties = Object::default();
    properties.put("osType", "Linux");
    properties.put("vmSize", size(fields, report));
    let tier = fields.choice("tier", report, &["low_priority", "dedicated"], Case::Lower);
    properties.put_some("vmPriority", tier.map(|tier| pascal(&tier)));
    properties.put("scaleSettings", scale(fields, report));
    let login = fields.flag("ssh_public_access_enabled", report);
    let access = login.map_or(
        "NotSpecified",
        |open| if open { "Enabled" } else { "Disabled" },
    );
    properties.put("remoteLoginPortPublicAccess", access);
    let account = fields.read("ssh_settings", report, account);
    let no_local_auth = account.is_none();
    properties.put_some("userAccountCredentials", account);
    properties.put_some("subnet", fields.read("network_settings", report, subnet));
    let public = fields.flag("enable_node_public_ip", report);
    properties.put("enableNodePublicIp", public.unwrap_or(true));
    let mut body = described("AmlCompute", fields, properties, report);
    body.put("disableLocalAuth", no_local_auth);
    body
}

fn scale(fields: &mut Fields<'_>, report: &mut Report) -> Object {
    let least = fields
        .take("min_instances")
        .map_or(Some(0), |field| count(&field, report));
    let most_field = fields.take("max_instances");
    let most = most_field
        .as_ref()
        .map_or(Some(DEFAULT_MOST), |field| count(field, report));
    if let (Some(field), Some(least), Some(most)) = (&most_field, least, most)
        && most < least
    {
        field.problem(
            report,
            format!("at most {most} nodes, but `min_instances` is {least}"),
        );
    }
    let idle = match fields.take("idle_time_before_scale_down") {
        Some(field) => field.integer(report),
        None => Some(json!(DEFAULT_IDLE_SECONDS)),
    };
    let mut scale = Object::default();
    scale.put_some("minNodeCount", least.map(Value::from));
    scale.put_some("maxNodeCount", most.map(Value::from));
    let idle = idle.and_then(|seconds| duration_of(&seconds));
    scale.put_some("nodeIdleTimeBeforeScaleDown", idle);
    scale
}

fn count(field: &Field<'_>, report: &mut Report) -> Option<i64> {
    let count = i64::try_from(field.whole(report)?).ok();
    let allowed = count.filter(|count| (0..=i64::from(i32::MAX)).contains(count));
    if allowed.is_none() {
        field.problem(report, "a number of nodes is not negative and not as large");
    }
    allowed
}

fn account(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    let user = fields.required("admin_username", report);
    body.put_some("adminUserName", user.and_then(|field| field.text(report)));
    for (yaml, rest) in [
        ("admin_password", "adminUserPassword"),
        ("ssh_key_value", "adminUserSshPublicKey"),
    ] {
        body.put_some(rest, fields.text(yaml, report));
    }
    fields.refuse_rest(report);
    Some(body)
}
