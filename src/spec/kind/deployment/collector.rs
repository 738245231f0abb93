//! The data collector of an online deployment: which payloads are kept, and the data assets they are kept in, which are registered
//! before the deployment.

use serde_json::Value;

use super::Names;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field};
use crate::spec::kind::data;
use crate::spec::plan::{Reference, Target, Version};
use crate::spec::problem::Report;
use crate::spec::session::Session;
use crate::spec::settings::text_list;

/// Where payloads go when the file does not say.
const FOLDER: &str = "azureml://datastores/workspaceblobstore/paths/modelDataCollector";
const RATES: [&str; 3] = ["minute", "hour", "day"];

pub(super) fn read(session: &mut Session<'_>, field: &Field<'_>, names: &Names) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let report = &mut session.report;
    let rolling = fields.choice("rolling_rate", report, &RATES, Case::Lower);
    let sampling = fields.read("sampling_rate", report, share);
    let logging = fields.read("request_logging", report, request_logging);
    let collections = fields.required("collections", report);
    let collections = collections.and_then(|field| field.entries(report));
    fields.refuse_rest(report);
    let mut kept = Object::default();
    for (name, field) in collections? {
        if let Some(collection) = collection(session, name, &field, names, sampling.as_ref()) {
            kept.put(name, collection);
        }
    }
    let mut body = Object::default();
    body.put("collections", kept);
    body.put_some("rollingRate", rolling);
    body.put_some("requestLogging", logging);
    Some(body)
}

/// A number from 0 to 1.
fn share(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let number = field.number(report)?;
    if !(0.0..=1.0).contains(&number) {
        field.problem(report, format!("{number} is not between 0.0 and 1.0"));
        return None;
    }
    Some(number.into())
}

fn request_logging(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let mut body = Object::default();
    body.put_some(
        "captureHeaders",
        fields.read("capture_headers", report, text_list),
    );
    fields.refuse_rest(report);
    Some(body)
}

fn collection(
    session: &mut Session<'_>,
    name: &str,
    field: &Field<'_>,
    names: &Names,
    sampling: Option<&Value>,
) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let report = &mut session.report;
    let enabled = fields.required("enabled", report);
    let enabled = enabled.and_then(|field| switch(&field, report));
    let client = fields.text("client_id", report);
    let data = fields.take("data");
    fields.refuse_rest(report);
    let asset = asset(session, name, data.as_ref(), names)?;
    let mut body = Object::default();
    body.put_some("dataCollectionMode", enabled);
    body.put_some("samplingRate", sampling.cloned());
    body.put("dataId", Draft::reference(asset));
    body.put_some("clientId", client);
    Some(body)
}

/// The SDK takes the words and not YAML's own booleans.
fn switch(field: &Field<'_>, report: &mut Report) -> Option<&'static str> {
    if field.node.as_text().is_none() && field.flag(&mut Report::default()).is_some() {
        let message = format!(
            "{} is written in quotes here: \"true\" or \"false\"",
            field.node.describe()
        );
        field.problem(report, message);
        return None;
    }
    let word = field.choice(report, &["true", "false"], Case::Lower)?;
    Some(if word == "true" {
        "enabled"
    } else {
        "disabled"
    })
}

/// Registers the folder that a collection is kept in, under the names of the deployment unless the file has others.
fn asset(
    session: &mut Session<'_>,
    collection: &str,
    field: Option<&Field<'_>>,
    names: &Names,
) -> Option<Reference> {
    let before = session.report.count();
    let mut fields = match field {
        Some(field) => Some(field.fields(&mut session.report)?),
        None => None,
    };
    let mut text = |name| {
        let found = fields.as_mut()?.text(name, &mut session.report);
        found.filter(|text| !text.is_empty())
    };
    let (name, version, path) = (text("name"), text("version"), text("path"));
    let _checked = text("data_id");
    if let Some(fields) = fields {
        fields.refuse_rest(&mut session.report);
    }
    let (endpoint, deployment) = (names.endpoint.as_ref()?, names.name.as_ref()?);
    if session.report.count() != before {
        return None;
    }
    let path = path.unwrap_or_else(|| format!("{FOLDER}/{endpoint}/{deployment}/{collection}"));
    let target = Target::Versioned {
        collection: "data",
        name: name.unwrap_or_else(|| format!("{endpoint}-{deployment}-{collection}")),
        version: Version::Fixed(version.unwrap_or_else(|| "1".into())),
    };
    Some(Reference::Answer(data::register_folder(
        session, target, &path,
    )))
}
