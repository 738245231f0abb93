//! The inputs of an invoke of a batch endpoint (service notes 16.3): given by name, type and value as a stage's inputs say them, not
//! by a document. Local files and folders become uploads, assets references, as in a job. It does not know the endpoint.

use std::path::Path;

use super::draft::Object;
use super::fields::Field;
use super::io::Asset;
use super::plan::Target;
use super::session::Session;
use super::yaml::Node;
use super::{Files, Plan, Problems};

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeInput {
    /// The input's name; a deployment with a single one takes it without.
    pub name: Option<String>,
    /// `uri_file`, `uri_folder`, `mltable`, ..., or [`LITERAL`]. Told from the value when not given.
    pub kind: Option<String>,
    /// A path, an address, `azureml:name:version`, or the literal.
    pub value: String,
}

/// The type of an input that is no data.
pub const LITERAL: &str = "literal";

/// Types and how the endpoint spells them.
const TYPES: &[(&str, &str)] = &[
    ("uri_file", "UriFile"),
    ("uri_folder", "UriFolder"),
    ("mltable", "MLTable"),
    ("mlflow_model", "MLFlowModel"),
    ("custom_model", "CustomModel"),
    ("triton_model", "TritonModel"),
    (LITERAL, "Literal"),
];

/// The types that an input may have.
pub fn invoke_types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(word, _)| *word)
}

/// How the endpoint spells a type.
pub fn invoke_type(word: &str) -> Option<&'static str> {
    let row = TYPES.iter().find(|(known, _)| *known == word);
    row.map(|(_, spelled)| *spelled)
}

/// The plan whose last request's body is the `inputData` of the invoke. That request is not one to Resource Manager: it is not
/// sent, but its uploads and references are what there is to make ready.
pub fn invocation(
    inputs: &[InvokeInput],
    working_directory: &Path,
    files: &dyn Files,
) -> Result<Plan, Problems> {
    let mut session = Session::new(files, working_directory);
    let mut data = Object::default();
    for input in inputs {
        let kind = input
            .kind
            .clone()
            .unwrap_or_else(|| kind_of(&input.value, working_directory, files));
        let node = Node::text_input(&input.value);
        let field = Field::at_path(&node, input.name.as_deref().unwrap_or("input"));
        let Some(spelled) = invoke_type(&kind) else {
            let words: Vec<_> = invoke_types().collect();
            let message = format!(
                "`{kind}` is no type of an input; types are {}",
                words.join(", ")
            );
            field.problem(&mut session.report, message);
            continue;
        };
        let mut body = Object::default();
        body.put("jobInputType", spelled);
        if kind == LITERAL {
            // Literals keep their JSON type; what is no JSON is text.
            let json = serde_json::from_str::<serde_json::Value>(&input.value).ok();
            let scalar = json.filter(|value| !value.is_object() && !value.is_array());
            body.put(
                "value",
                scalar.unwrap_or_else(|| input.value.clone().into()),
            );
        } else {
            let asset = Asset::of_text(&field, &kind, &input.value);
            if let Some(uri) = asset.uri(&mut session, working_directory) {
                body.put("uri", uri);
            }
        }
        data.put(
            input.name.clone().unwrap_or_else(|| spelled.to_owned()),
            body,
        );
    }
    let needs = session.take_needs();
    let target = Target::Named {
        collection: "jobs",
        name: None,
    };
    session.request(target, "", data, needs);
    session.finish()
}

/// A file is a file; everything else is a folder, as `az ml batch-endpoint invoke` takes it.
fn kind_of(value: &str, base: &Path, files: &dyn Files) -> String {
    let local = super::session::absolute(base, value);
    let is_file = files.metadata(&local).is_ok_and(|found| !found.is_folder);
    let kind = if is_file { "uri_file" } else { "uri_folder" };
    kind.to_owned()
}
