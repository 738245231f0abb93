//! The signals of a monitor. A type is one row in [`SIGNALS`] and the function that it names.

use std::path::Path;

use serde_json::{Value, json};

use super::data::{self, Names};
use super::threshold;
use crate::spec::draft::{List, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, DATA_TYPES, Spelling};
use crate::spec::kind::schedule::trigger::Windows;
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::session::Session;
use crate::spec::settings::text_list;

/// A type of signal.
struct SignalType {
    /// The word under `type`.
    name: &'static str,
    /// As the service spells it.
    sent: &'static str,
    read: fn(&mut Reading<'_, '_, '_>),
}

static SIGNALS: [SignalType; 8] = [
    SignalType {
        name: "data_drift",
        sent: "DataDrift",
        read: drift,
    },
    SignalType {
        name: "data_quality",
        sent: "DataQuality",
        read: quality,
    },
    SignalType {
        name: "prediction_drift",
        sent: "PredictionDrift",
        read: prediction,
    },
    SignalType {
        name: "feature_attribution_drift",
        sent: "FeatureAttributionDrift",
        read: attribution,
    },
    SignalType {
        name: "model_performance",
        sent: "ModelPerformance",
        read: performance,
    },
    SignalType {
        name: "custom",
        sent: "Custom",
        read: own,
    },
    SignalType {
        name: "generation_safety_quality",
        sent: "GenerationSafetyQuality",
        read: safety,
    },
    SignalType {
        name: "generation_token_statistics",
        sent: "GenerationTokenStatistics",
        read: tokens,
    },
];

/// Where the thresholds of a model's performance go.
const PERFORMANCE: &str = "azureml.modelmonitor.model_performance_thresholds";

/// A signal that is being read.
struct Reading<'r, 's, 'n> {
    session: &'r mut Session<'s>,
    fields: Fields<'n>,
    base: &'r Path,
    windows: &'r Windows,
    body: Object,
}

pub(super) fn read(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    windows: &Windows,
) -> Option<Object> {
    let report = &mut session.report;
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let names = SIGNALS.each_ref().map(|signal| signal.name);
    let word = kind.choice(report, &names, Case::Lower)?;
    let signal = SIGNALS.iter().find(|signal| signal.name == word)?;
    let mut body = Object::default();
    body.put("signalType", signal.sent);
    let alert = fields.flag("alert_enabled", report).unwrap_or_default();
    body.put("mode", if alert { "Enabled" } else { "Disabled" });
    let mut reading = Reading {
        session,
        fields,
        base,
        windows,
        body,
    };
    (signal.read)(&mut reading);
    let Reading {
        session,
        fields,
        body,
        ..
    } = reading;
    fields.refuse_rest(&mut session.report);
    Some(body)
}

/// Reads what production makes.
type Produced = fn(&mut Session<'_>, &Field<'_>, &Path, &Windows) -> Option<Object>;

impl Reading<'_, '_, '_> {
    /// Production and reference data, one of each.
    fn put_data(&mut self) {
        let field = self
            .fields
            .required("production_data", &mut self.session.report);
        let produced =
            field.and_then(|field| data::produced(self.session, &field, self.base, self.windows));
        self.body.put_some("productionData", produced);
        self.put_reference();
    }

    fn put_reference(&mut self) {
        let field = self
            .fields
            .required("reference_data", &mut self.session.report);
        let (base, windows) = (self.base, self.windows);
        let reference = field.and_then(|field| {
            data::reference(self.session, &field, base, windows, Names::Resolved)
        });
        self.body.put_some("referenceData", reference);
    }

    /// A list of production data.
    fn put_produced(&mut self, read: Produced) {
        let report = &mut self.session.report;
        let field = self.fields.required("production_data", report);
        let items = field.and_then(|field| field.items(report));
        let mut list = List::default();
        for item in items.unwrap_or_default() {
            list.push_some(read(self.session, &item, self.base, self.windows));
        }
        self.body.put("productionData", list);
    }

    fn put(
        &mut self,
        yaml: &'static str,
        key: &str,
        read: fn(&Field<'_>, &mut Report) -> Option<Value>,
    ) {
        let value = self.fields.read(yaml, &mut self.session.report, read);
        self.body.put_some(key, value);
    }

    /// The same for a field that has to be there.
    fn put_required(
        &mut self,
        yaml: &'static str,
        key: &str,
        read: fn(&Field<'_>, &mut Report) -> Option<Value>,
    ) {
        let report = &mut self.session.report;
        let field = self.fields.required(yaml, report);
        let value = field.and_then(|field| read(&field, report));
        self.body.put_some(key, value);
    }
}

fn drift(reading: &mut Reading<'_, '_, '_>) {
    reading.put_data();
    reading.put("features", "features", features);
    reading.put("feature_type_override", "featureDataTypeOverride", mapping);
    reading.put("data_segment", "dataSegment", segment);
    reading.put("properties", "properties", mapping);
    reading.put("metric_thresholds", "metricThresholds", threshold::drift);
}

fn quality(reading: &mut Reading<'_, '_, '_>) {
    reading.put_data();
    reading.put("features", "features", features);
    reading.put("feature_type_override", "featureDataTypeOverride", mapping);
    reading.put("properties", "properties", mapping);
    reading.put("metric_thresholds", "metricThresholds", threshold::quality);
}

fn prediction(reading: &mut Reading<'_, '_, '_>) {
    reading.put_data();
    // The SDK says so of every model.
    reading.body.put("modelType", "classification");
    reading.put("properties", "properties", mapping);
    reading.put("metric_thresholds", "metricThresholds", threshold::drift);
}

fn attribution(reading: &mut Reading<'_, '_, '_>) {
    reading.put_produced(data::produced);
    reading.put_reference();
    reading.put_required(
        "metric_thresholds",
        "metricThreshold",
        threshold::attribution,
    );
}

fn performance(reading: &mut Reading<'_, '_, '_>) {
    let report = &mut reading.session.report;
    let field = reading.fields.required("production_data", report);
    let produced = field
        .and_then(|field| data::produced(reading.session, &field, reading.base, reading.windows));
    let mut list = List::default();
    list.push_some(produced);
    reading.body.put("productionData", list);
    reading.put_reference();
    reading.put("data_segment", "dataSegment", segment);
    let report = &mut reading.session.report;
    let thresholds = reading.fields.required("metric_thresholds", report);
    let text = thresholds.and_then(|field| threshold::performance(&field, report));
    let properties = reading.fields.read("properties", report, mapping);
    let mut properties = properties.unwrap_or_else(|| json!({}));
    properties[PERFORMANCE] = text.into();
    reading.body.put("properties", properties);
    // Whatever the thresholds are: they are in the property.
    let constant =
        json!({"metric": "Accuracy", "modelType": "Classification", "threshold": {"value": 0.9}});
    reading.body.put("metricThreshold", constant);
}

fn own(reading: &mut Reading<'_, '_, '_>) {
    reading.put_required("component_id", "componentId", component);
    reading.put("connection", "workspaceConnection", connection);
    reading.put_required("metric_thresholds", "metricThresholds", threshold::own);
    let (base, windows) = (reading.base, reading.windows);
    if let Some(field) = reading.fields.take("inputs") {
        let mut inputs = Object::default();
        let entries = field.entries(&mut reading.session.report);
        for (name, field) in entries.unwrap_or_default() {
            let asset = io::read_asset(&field, &DATA_TYPES, &mut reading.session.report);
            let body = asset.and_then(|asset| asset.body(reading.session, base, Spelling::Job));
            inputs.put_some(name, body);
        }
        reading.body.put("inputs", inputs);
    }
    if let Some(field) = reading.fields.take("input_data") {
        let mut assets = Object::default();
        let entries = field.entries(&mut reading.session.report);
        for (name, field) in entries.unwrap_or_default() {
            let data = data::reference(reading.session, &field, base, windows, Names::Left);
            assets.put_some(name, data);
        }
        reading.body.put("inputAssets", assets);
    }
}

/// The SDK does not look it up.
fn component(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let text = field.text(report)?;
    let name = text.strip_prefix("azureml:").map(Value::from);
    if name.is_none() {
        field.problem(report, format!("`{text}` is written `azureml:{text}` here"));
    }
    name
}

fn safety(reading: &mut Reading<'_, '_, '_>) {
    reading.put_produced(data::generated);
    let report = &mut reading.session.report;
    let connection = reading.fields.text("connection_id", report);
    reading.body.put_some("workspaceConnectionId", connection);
    reading.put_required("metric_thresholds", "metricThresholds", threshold::safety);
    reading.put("properties", "properties", mapping);
    reading.put("sampling_rate", "samplingRate", threshold::number);
}

fn tokens(reading: &mut Reading<'_, '_, '_>) {
    let report = &mut reading.session.report;
    let field = reading.fields.required("production_data", report);
    let produced = field
        .and_then(|field| data::generated(reading.session, &field, reading.base, reading.windows));
    reading.body.put_some("productionData", produced);
    let report = &mut reading.session.report;
    let thresholds = match reading.fields.take("metric_thresholds") {
        Some(field) => threshold::tokens(&field, report),
        None => Some(threshold::no_tokens()),
    };
    reading.body.put_some("metricThresholds", thresholds);
    let rate = reading
        .fields
        .read("sampling_rate", report, threshold::number);
    reading
        .body
        .put("samplingRate", rate.unwrap_or_else(|| json!(0.1)));
    reading.put("properties", "properties", mapping);
}

/// All, some by name, or those that count most.
fn features(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    if field.node.items().is_some() {
        let names = text_list(field, report)?;
        return Some(json!({"filterType": "FeatureSubset", "features": names}));
    }
    if field.node.entries().is_none() {
        field.choice(report, &["all_features"], Case::Lower)?;
        return Some(json!({"filterType": "AllFeatures"}));
    }
    let mut fields = field.fields(report)?;
    let top = fields.integer("top_n_feature_importance", report);
    fields.refuse_rest(report);
    Some(json!({"filterType": "TopNByAttribution", "top": top.unwrap_or_else(|| json!(10))}))
}

fn segment(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let feature = fields.text("feature_name", report);
    let values = fields.read("feature_values", report, text_list);
    fields.refuse_rest(report);
    Some(json!({"feature": feature, "values": values}))
}

fn connection(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let variables = fields.read("environment_variables", report, io::texts);
    let secrets = fields.read("secret_config", report, io::texts);
    fields.refuse_rest(report);
    Some(json!({"environmentVariables": variables, "secrets": secrets}))
}

fn mapping(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    field.fields(report)?;
    Some(python::json_of(field.node))
}
