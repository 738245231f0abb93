//! Translation of YAML, judged by what Microsoft's SDK sends for the same file. Nothing here talks to a network.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail and print as tests do"
)]

mod canon;
mod cases;
mod coverage;
pub(crate) mod damage;
mod kit;
mod render;
mod robustness;
mod seams;

use std::path::Path;

use aml_runner::spec::{Expected, LocalFiles, Overrides, Plan, Problems, Source, translate};
use damage::expected_of;

/// Translates a file as if the command had been started in the file's own folder.
fn translate_in_place(
    file: &Path,
    expected: Expected,
    overrides: &Overrides,
) -> Result<Plan, Problems> {
    let source = Source {
        expected,
        file: Some(Path::new(file.file_name().unwrap())),
        working_directory: file.parent().unwrap(),
        overrides,
    };
    translate(&source, &LocalFiles)
}

/// The names under which the oracle writes what a stage names.
fn overrides_of(kind: &str) -> Overrides {
    let (name, fields) = match kind {
        "job" => (Some("oracle-job"), Vec::new()),
        "online-endpoint" | "batch-endpoint" => (Some("oracle-endpoint"), Vec::new()),
        "online-deployment" | "batch-deployment" => (
            Some("oracle-deployment"),
            vec![("endpoint_name".to_owned(), "oracle-endpoint".to_owned())],
        ),
        _ => (None, Vec::new()),
    };
    Overrides {
        name: name.map(str::to_owned),
        fields,
        ..Overrides::default()
    }
}
