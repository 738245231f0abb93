//! Online deployments: managed ones and those on a Kubernetes cluster, which `type: kubernetes` says.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Names, Serving, collector, refuse_registry};
use crate::spec::draft::Object;
use crate::spec::duration::{duration_of, milliseconds_of};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::session::Session;

const API: &str = "2023-04-01-preview";
const PRIVATE: &str = "private_network_connection";

pub(in crate::spec::kind) fn translate(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) {
    // The SDK looks for this very word and takes everything else for managed.
    let kind = fields.at().node.get("type").and_then(|node| node.as_text());
    let kubernetes = kind == Some("kubernetes");
    let report = &mut session.report;
    let _checked = fields.choice("type", report, &["managed", "kubernetes"], Case::Snake);
    let names = Names::online(&mut fields, report);
    if kubernetes {
        refuse_registry(fields.at(), report);
    }
    let collector = fields
        .take("data_collector")
        .and_then(|field| collector::read(session, &field, &names));
    let Serving {
        model,
        code,
        environment,
        variables,
        description,
        properties: user_properties,
        mut resource,
    } = Serving::read(session, &mut fields, base);
    let report = &mut session.report;
    let mut properties = Object::default();
    properties.put_some("description", description);
    properties.put_some("model", model);
    properties.put_some("codeConfiguration", code);
    properties.put_some("environmentId", environment);
    properties.put_some("environmentVariables", variables);
    properties.put_some("dataCollector", collector);
    properties.put_some("modelMountPath", fields.text("model_mount_path", report));
    let insights = fields.flag("app_insights_enabled", report);
    properties.put("appInsightsEnabled", insights.unwrap_or(false));
    let scale = fields
        .take("scale_settings")
        .and_then(|field| scale(&field, kubernetes, report));
    properties.put_some("scaleSettings", scale);
    properties.put_some(
        "requestSettings",
        fields.read("request_settings", report, requests),
    );
    for (yaml, rest) in [
        ("liveness_probe", "livenessProbe"),
        ("readiness_probe", "readinessProbe"),
    ] {
        properties.put_some(rest, fields.read(yaml, report, probe));
    }
    let mut sku = Object::default();
    sku.put("name", "Default");
    sku.put_some("capacity", fields.integer("instance_count", report));
    resource.put("sku", sku);
    let _checked = fields.text("provisioning_state", report);
    if kubernetes {
        properties.put("endpointComputeType", "Kubernetes");
        properties.put_some("instanceType", fields.text("instance_type", report));
        let resources = fields.read("resources", report, resources);
        properties.put_some("containerResourceRequirements", resources);
        properties.put_some("properties", user_properties);
    } else {
        managed(&mut fields, user_properties, &mut properties, report);
    }
    fields.refuse_rest(report);
    names.put(session, API, resource, properties);
}

fn managed(
    fields: &mut Fields<'_>,
    user_properties: Option<Value>,
    properties: &mut Object,
    report: &mut Report,
) {
    properties.put("endpointComputeType", "Managed");
    let size = fields.required("instance_type", report);
    properties.put_some("instanceType", size.and_then(|field| field.text(report)));
    let words = ["enabled", "disabled"];
    let egress = fields.choice("egress_public_network_access", report, &words, Case::Lower);
    properties.put_some("egressPublicNetworkAccess", egress);
    let given = fields.at().node.get("properties");
    let user_properties = match fields.flag(PRIVATE, report) {
        // The SDK turns the others into texts when it adds this one.
        Some(true) => {
            let entries = given.and_then(|node| node.entries()).unwrap_or_default();
            let mut texts: Map<String, Value> = entries
                .iter()
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), text_or_null(value)?)))
                .collect();
            texts.insert("private-network-connection".into(), json!(true));
            Some(Value::Object(texts))
        }
        Some(false) | None => user_properties,
    };
    properties.put_some("properties", user_properties);
}

fn text_or_null(node: &crate::spec::yaml::Node) -> Option<Value> {
    if node.is_null() {
        return None;
    }
    Some(Value::String(python::str_of(node)))
}

fn scale(field: &Field<'_>, kubernetes: bool, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report);
    let words = ["default", "target_utilization"];
    let kind = kind.and_then(|field| {
        let kind = field.choice(report, &words, Case::Snake)?;
        if kind != "default" && !kubernetes {
            let message = "a managed deployment scales by `default` only; Azure Monitor autoscale changes its instances";
            field.problem(report, message);
            return None;
        }
        Some(kind)
    });
    let mut body = Object::default();
    if kind.as_deref() == Some("default") {
        body.put("scaleType", "Default");
    } else {
        body.put("scaleType", "TargetUtilization");
        let interval = fields.integer("polling_interval", report);
        body.put_some(
            "pollingInterval",
            interval.and_then(|value| duration_of(&value)),
        );
        for (yaml, rest) in [
            (
                "target_utilization_percentage",
                "targetUtilizationPercentage",
            ),
            ("min_instances", "minInstances"),
            ("max_instances", "maxInstances"),
        ] {
            body.put_some(rest, fields.integer(yaml, report));
        }
    }
    fields.refuse_rest(report);
    kind.map(|_| body)
}

fn requests(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    for (yaml, rest) in [
        ("request_timeout_ms", "requestTimeout"),
        ("max_queue_wait_ms", "maxQueueWait"),
    ] {
        let wait = fields.integer(yaml, report);
        body.put_some(rest, wait.and_then(|value| milliseconds_of(&value)));
    }
    let most = fields.integer("max_concurrent_requests_per_instance", report);
    body.put_some("maxConcurrentRequestsPerInstance", most);
    fields.refuse_rest(report);
    Some(body)
}

fn probe(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    for (yaml, rest) in [
        ("period", "period"),
        ("initial_delay", "initialDelay"),
        ("timeout", "timeout"),
    ] {
        let seconds = fields.integer(yaml, report);
        body.put_some(rest, seconds.and_then(|value| duration_of(&value)));
    }
    for (yaml, rest) in [
        ("success_threshold", "successThreshold"),
        ("failure_threshold", "failureThreshold"),
    ] {
        body.put_some(rest, fields.integer(yaml, report));
    }
    fields.refuse_rest(report);
    Some(body)
}

/// What a container on Kubernetes asks for and may take at most.
fn resources(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    for (yaml, rest) in [
        ("requests", "containerResourceRequests"),
        ("limits", "containerResourceLimits"),
    ] {
        body.put_some(rest, fields.read(yaml, report, container));
    }
    fields.refuse_rest(report);
    Some(body)
}

fn container(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    for name in ["cpu", "memory"] {
        body.put_some(name, fields.text(name, report));
    }
    // Kubernetes' own name for it is another spelling.
    let gpu = fields.text("nvidia.com/gpu", report);
    body.put_some("gpu", fields.text("gpu", report).or(gpu));
    fields.refuse_rest(report);
    Some(body)
}
