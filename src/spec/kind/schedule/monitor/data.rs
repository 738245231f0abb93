//! The data that a signal looks at: what is produced, in a window that moves with the monitor, and what it is compared with.

use std::path::Path;

use serde_json::Value;

use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io::{self, DATA_TYPES};
use crate::spec::kind::schedule::trigger::{Windows, date};
use crate::spec::problem::Report;
use crate::spec::reference::{REGISTRY, asset_id};
use crate::spec::session::Session;

const CONTEXTS: [&str; 6] = [
    "model_inputs",
    "model_outputs",
    "training",
    "test",
    "validation",
    "ground_truth",
];

/// Whether names in the place of the data become ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Resolved,
    /// The SDK forgets to in custom signals.
    Left,
}

/// `data_window`
#[derive(Debug, Default)]
struct Window {
    size: Option<String>,
    offset: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

impl Window {
    fn read(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        let mut fields = field.fields(report)?;
        let window = Self {
            size: fields.text("lookback_window_size", report),
            offset: fields.text("lookback_window_offset", report),
            start: fields.read("window_start", report, date),
            end: fields.read("window_end", report, date),
        };
        fields.refuse_rest(report);
        Some(window)
    }

    /// What production makes is always looked at in a window that moves.
    fn moving(field: &Field<'_>, report: &mut Report) -> Option<Self> {
        let window = Self::read(field, report)?;
        for name in ["window_start", "window_end"] {
            if let Some(node) = field.node.get(name) {
                Field::at_path(node, &format!("{}.{name}", field.path)).problem(
                    report,
                    "production data has `lookback_window_size` and `lookback_window_offset` only",
                );
            }
        }
        Some(window)
    }

    fn put(body: &mut Object, size: String, offset: Option<String>) {
        body.put("inputDataType", "Trailing");
        body.put("windowSize", size);
        body.put("windowOffset", offset.unwrap_or_else(|| "P0D".into()));
    }
}

/// What production makes.
pub(super) fn produced(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    windows: &Windows,
) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let window = fields.read("data_window", &mut session.report, Window::moving);
    let window = window.unwrap_or_default();
    let (mut body, component) = common(session, &mut fields, base, Names::Resolved)?;
    let size = window.size.clone().filter(|size| size != "default");
    let size = size.unwrap_or_else(|| windows.production.clone());
    Window::put(&mut body, size, window.offset);
    body.put_some("preprocessingComponentId", component);
    fields.refuse_rest(&mut session.report);
    Some(body)
}

/// Texts that a model made.
pub(super) fn generated(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    windows: &Windows,
) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let mut body = Object::default();
    let report = &mut session.report;
    body.put_some("columns", fields.read("data_column_names", report, columns));
    let window = fields.read("data_window", report, Window::moving);
    let input = fields.required("input_data", report)?;
    fields.refuse_rest(report);
    let asset = io::read_asset(&input, &DATA_TYPES, report)?;
    body.put("jobInputType", asset.kind.clone());
    body.put("uri", asset.uri(session, base)?);
    let window = window.unwrap_or_default();
    let size = window.size.clone();
    let size = size.unwrap_or_else(|| windows.production.clone());
    Window::put(&mut body, size, window.offset);
    Some(body)
}

/// What it is compared with: a moving window, a fixed one, or all of the data.
pub(super) fn reference(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    windows: &Windows,
    names: Names,
) -> Option<Object> {
    let mut fields = field.fields(&mut session.report)?;
    let (mut body, component) = common(session, &mut fields, base, names)?;
    let window = fields
        .take("data_window")
        .and_then(|field| Window::read(&field, &mut session.report))
        .unwrap_or_default();
    match (&window.size, &window.start, &window.end) {
        (Some(size), ..) => {
            let is_default = |text: &String| text == "default";
            let offset = window
                .offset
                .clone()
                .map(|offset| match is_default(&offset) {
                    true => windows.production.clone(),
                    false => offset,
                });
            let size = Some(size.clone()).filter(|size| !is_default(size));
            let size = size.unwrap_or_else(|| windows.reference.clone());
            Window::put(&mut body, size, offset);
            body.put_some("preprocessingComponentId", component);
        }
        (None, Some(start), Some(end)) => {
            body.put("inputDataType", "Static");
            body.put("windowStart", format!("{start}T00:00:00.000Z"));
            body.put("windowEnd", format!("{end}T00:00:00.000Z"));
            body.put_some("preprocessingComponentId", component);
        }
        (None, _, _) => body.put("inputDataType", "Fixed"),
    }
    fields.refuse_rest(&mut session.report);
    Some(body)
}

/// Place, context and columns, and the component that prepares the data.
fn common(
    session: &mut Session<'_>,
    fields: &mut Fields<'_>,
    base: &Path,
    names: Names,
) -> Option<(Object, Option<Draft>)> {
    let mut body = Object::default();
    let report = &mut session.report;
    body.put_some(
        "dataContext",
        fields.choice("data_context", report, &CONTEXTS, Case::Lower),
    );
    body.put_some("columns", fields.read("data_column_names", report, columns));
    let component = fields.take("pre_processing_component");
    let component = component.and_then(|field| component_id(session, &field));
    let input = fields.required("input_data", &mut session.report)?;
    let asset = io::read_asset(&input, &DATA_TYPES, &mut session.report)?;
    body.put("jobInputType", asset.kind.clone());
    let uri = match names {
        Names::Resolved => asset.uri(session, base)?,
        Names::Left => Draft::from(asset.written()),
    };
    body.put("uri", uri);
    Some((body, component))
}

fn columns(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let entries = field.entries(report)?;
    let texts = entries
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), field.text(report)?.into())));
    Some(Value::Object(texts.collect()))
}

fn component_id(session: &mut Session<'_>, field: &Field<'_>) -> Option<Draft> {
    let text = field.text(&mut session.report)?;
    let name = text.strip_prefix("azureml:").unwrap_or(&text);
    if text.starts_with(REGISTRY) || name.starts_with(REGISTRY) {
        return Some(Draft::from(name));
    }
    asset_id(session, field, name, "components")
}
