//! `type: computeinstance`: a workstation of one user.

use serde_json::{Map, Value, json};

use super::{described, size, subnet};
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::settings::{capitalized, environment_variables};

/// Ports that an application on an instance may use, both ends left out.
const PORTS: (i128, i128) = (1025, 65535);

pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Object {
    fields.without_effect(&["resource_id"]);
    fields.read_only(&["state", "last_operation", "services", "os_image_metadata"]);
    let mut properties = Object::default();
    properties.put("vmSize", size(fields, report));
    properties.put_some("subnet", fields.read("network_settings", report, subnet));
    let open = fields.flag("ssh_public_access_enabled", report);
    let ssh = fields.read("ssh_settings", report, ssh_key);
    if open.is_some() || ssh.is_some() {
        let access = if open == Some(true) {
            "Enabled"
        } else {
            "Disabled"
        };
        let mut settings = Object::default();
        settings.put("sshPublicAccess", access);
        settings.put_some("adminPublicKey", ssh.flatten());
        properties.put("sshSettings", settings);
    }
    let owner = fields.read("create_on_behalf_of", report, owner);
    properties.put_some("personalComputeInstanceSettings", owner);
    let minutes = fields.read("idle_time_before_shutdown_minutes", report, Field::whole);
    let minutes = minutes.filter(|minutes| *minutes != 0);
    let duration = fields.text("idle_time_before_shutdown", report);
    let idle = minutes.map(|minutes| format!("PT{minutes}M")).or(duration);
    properties.put_some("idleTimeBeforeShutdown", idle);
    for (yaml, rest, default) in [
        ("enable_node_public_ip", "enableNodePublicIp", true),
        ("enable_sso", "enableSSO", true),
        ("enable_root_access", "enableRootAccess", true),
        ("release_quota_on_stop", "releaseQuotaOnStop", false),
        ("enable_os_patching", "enableOSPatching", false),
    ] {
        properties.put(rest, fields.flag(yaml, report).unwrap_or(default));
    }
    properties.put("applicationSharingPolicy", "Shared");
    properties.put("computeInstanceAuthorizationType", "personal");
    properties.put_some("schedules", fields.read("schedules", report, schedules));
    properties.put_some(
        "setupScripts",
        fields.read("setup_scripts", report, scripts),
    );
    let applications = fields.read("custom_applications", report, applications);
    properties.put_some("customServices", applications);
    let mut body = described("ComputeInstance", fields, properties, report);
    body.put("disableLocalAuth", open != Some(true));
    body
}

fn ssh_key(field: &Field<'_>, report: &mut Report) -> Option<Option<String>> {
    let mut fields = field.fields(report)?;
    fields.read_only(&["$schema", "admin_username", "ssh_port"]);
    let key = fields.text("ssh_key_value", report);
    fields.refuse_rest(report);
    Some(key)
}

fn owner(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    fields.read_only(&["$schema"]);
    let tenant = fields.required("user_tenant_id", report);
    let object = fields.required("user_object_id", report);
    fields.refuse_rest(report);
    let (tenant, object) = (tenant?.text(report), object?.text(report));
    Some(json!({"assignedUser": {"objectId": object, "tenantId": tenant}}))
}

fn schedules(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let listed = fields.read("compute_start_stop", report, Field::items);
    fields.refuse_rest(report);
    let listed: Vec<Value> = listed
        .unwrap_or_default()
        .iter()
        .filter_map(|field| schedule(field, report))
        .collect();
    Some(json!({ "computeStartStop": listed }))
}

fn schedule(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let action = fields.required("action", report);
    let action = action.and_then(|field| field.choice(report, &["start", "stop"], Case::Lower));
    let state = fields.choice("state", report, &["enabled", "disabled"], Case::Lower);
    let trigger = fields.required("trigger", report);
    let trigger = trigger.and_then(|field| trigger_of(&field, report));
    fields.refuse_rest(report);
    let mut body = Map::new();
    body.insert("action".into(), action?.into());
    body.insert(
        "status".into(),
        state.unwrap_or_else(|| "Enabled".into()).into(),
    );
    body.extend(trigger?);
    Some(Value::Object(body))
}

fn trigger_of(field: &Field<'_>, report: &mut Report) -> Option<Map<String, Value>> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &["cron", "recurrence"], Case::Lower)?;
    let mut body = Map::new();
    if let Some(start) = fields.text("start_time", report) {
        body.insert("startTime".into(), start.into());
    }
    let zone = fields.text("time_zone", report);
    body.insert(
        "timeZone".into(),
        zone.unwrap_or_else(|| "UTC".into()).into(),
    );
    if kind == "cron" {
        let expression = fields.required("expression", report);
        let expression = expression.and_then(|field| field.text(report));
        body.insert("expression".into(), expression?.into());
    } else {
        let frequency = fields.required("frequency", report);
        let words = ["minute", "hour", "day", "week", "month"];
        let frequency = frequency.and_then(|field| field.choice(report, &words, Case::Lower));
        let interval = fields.required("interval", report);
        let interval = interval.and_then(|field| field.integer(report));
        let pattern = fields.read("schedule", report, recurrence);
        body.insert("frequency".into(), frequency?.into());
        body.insert("interval".into(), interval?);
        body.insert("schedule".into(), pattern.unwrap_or_else(|| json!({})));
    }
    fields.refuse_rest(report);
    let name = capitalized(&kind);
    body.insert("triggerType".into(), name.clone().into());
    let mut trigger = Map::new();
    trigger.insert("triggerType".into(), name.into());
    trigger.insert(kind, Value::Object(body));
    Some(trigger)
}

fn recurrence(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    const DAYS: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let mut fields = field.fields(report)?;
    let mut body = Map::new();
    for (yaml, rest) in [("hours", "hours"), ("minutes", "minutes")] {
        if let Some(items) = fields.read(yaml, report, Field::items) {
            let numbers = items.iter().filter_map(|item| item.integer(report));
            body.insert(rest.into(), numbers.collect());
        }
    }
    if let Some(items) = fields.read("week_days", report, Field::items) {
        let days = items
            .iter()
            .filter_map(|item| item.choice(report, &DAYS, Case::Lower));
        body.insert("weekDays".into(), days.map(Value::String).collect());
    }
    fields.refuse_rest(report);
    Some(Value::Object(body))
}

fn scripts(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let mut body = Map::new();
    for (yaml, rest) in [
        ("startup_script", "startupScript"),
        ("creation_script", "creationScript"),
    ] {
        if let Some(script) = fields.read(yaml, report, script) {
            body.insert(rest.into(), script);
        }
    }
    fields.refuse_rest(report);
    Some(json!({ "scripts": body }))
}

fn script(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let path = fields.text("path", report);
    let command = fields.text("command", report);
    let timeout = fields.read("timeout_minutes", report, Field::whole);
    fields.refuse_rest(report);
    let mut body = json!({
        "scriptSource": "workspaceStorage",
        "scriptData": path,
        "scriptArguments": command,
    });
    // Without one the SDK sends `Nonem`; the service has a default.
    if let Some(timeout) = timeout {
        body["timeout"] = format!("{timeout}m").into();
    }
    Some(body)
}

fn applications(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut names: Vec<String> = Vec::new();
    let mut services = Vec::new();
    for item in field.items(report)? {
        let Some(service) = application(&item, report) else {
            continue;
        };
        let name = service["name"].as_str().unwrap_or_default().to_owned();
        if names.contains(&name) {
            item.problem(report, format!("there are two applications `{name}`"));
        }
        names.push(name);
        services.push(service);
    }
    Some(Value::Array(services))
}

fn application(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let name = fields.required("name", report);
    let name = name.and_then(|field| field.text(report));
    fields.choice("type", report, &["docker"], Case::Lower);
    let image = fields.required("image", report);
    let image = image.and_then(|field| image_of(&field, report));
    let endpoints = fields.required("endpoints", report);
    let endpoints = endpoints
        .and_then(|field| field.items(report))
        .unwrap_or_default();
    let endpoints: Vec<Value> = endpoints
        .iter()
        .filter_map(|item| endpoint(item, report))
        .collect();
    let variables = fields.read("environment_variables", report, environment_variables);
    let variables = variables.map(|variables| {
        let typed = variables
            .into_iter()
            .map(|(name, value)| (name, json!({"type": "local", "value": value})));
        Value::Object(typed.collect())
    });
    let mounts = fields.read("bind_mounts", report, Field::items);
    let mounts = mounts.map(|items| {
        items
            .iter()
            .filter_map(|item| mount(item, report))
            .collect::<Value>()
    });
    fields.refuse_rest(report);
    Some(json!({
        "name": name?,
        "type": "docker",
        "image": {"type": "docker", "reference": image?},
        "endpoints": endpoints,
        "environmentVariables": variables,
        "volumes": mounts,
        "docker": {"privileged": true},
    }))
}

fn image_of(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let mut fields = field.fields(report)?;
    let reference = fields.required("reference", report);
    fields.refuse_rest(report);
    reference?.text(report)
}

fn endpoint(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let mut port = |name: &'static str, report: &mut Report| {
        let field = fields.required(name, report)?;
        let port = field.whole(report)?;
        if port <= PORTS.0 || port >= PORTS.1 {
            field.problem(
                report,
                format!("a port is between {} and {}", PORTS.0 + 1, PORTS.1 - 1),
            );
        }
        i64::try_from(port).ok()
    };
    let (target, published) = (port("target", report), port("published", report));
    fields.refuse_rest(report);
    Some(json!({"name": "connect", "target": target?, "published": published?, "protocol": "http"}))
}

fn mount(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let source = fields
        .required("source", report)
        .and_then(|field| field.text(report));
    let target = fields
        .required("target", report)
        .and_then(|field| field.text(report));
    fields.refuse_rest(report);
    Some(json!({"type": "bind", "readOnly": false, "source": source?, "target": target?}))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::yaml::parse;

    #[test]
    fn a_setup_script_without_a_timeout_is_sent_without_one() {
        let node = parse(
            b"startup_script: {path: x.sh, command: ls}\n",
            Path::new("c.yml"),
        )
        .unwrap();
        let mut report = Report::default();
        let sent = scripts(&Field::root(&node), &mut report).unwrap();
        assert_eq!(
            sent["scripts"]["startupScript"],
            json!({"scriptSource": "workspaceStorage", "scriptData": "x.sh", "scriptArguments": "ls"})
        );
        assert!(report.into_result().is_ok());
    }
}
