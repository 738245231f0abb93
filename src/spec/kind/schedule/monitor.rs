//! `create_monitor`: what watches a model: on which compute, which target, and the signals. Without signals the SDK asks the
//! deployment what it collects; a translation asks nobody, so signals and their data have to be said.

mod data;
mod signal;
mod threshold;

use std::path::Path;

use serde_json::json;

use super::trigger::Windows;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field};
use crate::spec::problem::Report;
use crate::spec::reference::asset_id;
use crate::spec::session::Session;
use crate::spec::settings::text_list;

pub(super) fn read(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    windows: &Windows,
) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let mut definition = Object::default();
    let compute = fields.required("compute", &mut session.report);
    definition.put_some(
        "computeConfiguration",
        compute.and_then(|field| compute_of(&field, &mut session.report)),
    );
    if let Some(field) = fields.take("monitoring_target") {
        definition.put_some("monitoringTarget", target(session, &field));
    }
    if let Some(field) = fields.take("alert_notification") {
        let alert = alert(&field, &mut session.report);
        definition.put_some("alertNotificationSetting", alert);
    }
    match fields.take("monitoring_signals") {
        Some(field) => {
            let mut signals = Object::default();
            for (name, field) in field.entries(&mut session.report)? {
                signals.put_some(name, signal::read(session, &field, base, windows));
            }
            definition.put("signals", signals);
        }
        None => field.problem(
            &mut session.report,
            "say the `monitoring_signals`: those that a deployment's data collector stands for are not supported by this version",
        ),
    }
    fields.refuse_rest(&mut session.report);
    let mut action = Object::default();
    action.put("actionType", "CreateMonitor");
    action.put("monitorDefinition", definition);
    Some(action)
}

/// Serverless Spark is the only compute that monitors run on.
fn compute_of(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    body.put("computeType", "ServerlessSpark");
    body.put(
        "computeIdentity",
        json!({"computeIdentityType": "AmlToken"}),
    );
    let version = fields.required("runtime_version", report);
    let version = version.and_then(|field| field.choice(report, &["3.4", "3.5"], Case::Exact));
    body.put_some("runtimeVersion", version);
    let size = fields.required("instance_type", report);
    body.put_some("instanceType", size.and_then(|field| field.text(report)));
    fields.refuse_rest(report);
    Some(body)
}

fn target(session: &mut Session<'_>, field: &Field<'_>) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let mut body = Object::default();
    let task = fields.choice(
        "ml_task",
        &mut session.report,
        &["classification", "regression", "questionanswering"],
        Case::Lower,
    );
    body.put("taskType", task.unwrap_or_else(|| "classification".into()));
    if let Some(field) = fields.take("endpoint_deployment_id") {
        let text = field.text(&mut session.report)?;
        body.put_some("deploymentId", deployment(session, &field, &text));
    }
    if let Some(field) = fields.take("model_id") {
        let text = field.text(&mut session.report)?;
        match text.strip_prefix("azureml:") {
            Some(name) => body.put_some("modelId", asset_id(session, &field, name, "models")),
            None => field.problem(
                &mut session.report,
                format!("`{text}` is written `azureml:{text}` here"),
            ),
        }
    }
    fields.refuse_rest(&mut session.report);
    Some(body)
}

/// `azureml:<endpoint>:<deployment>`, or an id.
fn deployment(session: &mut Session<'_>, field: &Field<'_>, text: &str) -> Option<Draft> {
    let name = text.strip_prefix("azureml:").unwrap_or(text);
    if name.starts_with('/') {
        return Some(Draft::from(name));
    }
    let Some((endpoint, deployment)) = name.split_once(':') else {
        field.problem(
            &mut session.report,
            format!("`{text}` names no deployment: `azureml:<endpoint>:<deployment>`"),
        );
        return None;
    };
    Some(Draft::in_workspace(&format!(
        "onlineEndpoints/{endpoint}/deployments/{deployment}"
    )))
}

fn alert(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut body = Object::default();
    if field.node.entries().is_none() {
        field.choice(report, &["azmonitoring"], Case::Lower)?;
        body.put("alertNotificationType", "AzureMonitor");
        return Some(body);
    }
    let mut fields = field.fields(report)?;
    let emails = fields.read("emails", report, text_list);
    fields.refuse_rest(report);
    body.put("alertNotificationType", "Email");
    body.put(
        "emailNotificationSetting",
        json!({"emails": emails, "emailOn": ["JobFailed", "JobCompleted"]}),
    );
    Some(body)
}
