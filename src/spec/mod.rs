//! Azure ML YAML (CLI v2 schemas) to REST requests. Pure: it is given a document, overrides and a reader of local files, and
//! returns a [`Plan`] or problems. No network, no clock, no environment; it does not know hosts, stages or the client.

mod binding;
mod code;
mod component;
mod draft;
mod duration;
mod environment;
mod fields;
mod files;
mod invocation;
mod io;
mod job;
mod kind;
mod overrides;
mod parallel;
pub mod plan;
pub mod problem;
mod python;
mod reference;
mod session;
mod settings;
mod snapshot;
mod spark;
mod sweep;
mod transfer;
pub mod yaml;

pub use files::LocalFiles;
pub use invocation::{InvokeInput, LITERAL, invocation, invoke_type, invoke_types};
pub use plan::Plan;
pub use problem::{Problem, Problems};

use std::path::{Path, PathBuf};

use fields::Field;
use session::Session;

/// YAML text as JSON: a conda file that the service gives back as JSON can so be compared with the one at hand. `None` when it
/// is no YAML.
pub fn yaml_to_json(text: &str) -> Option<serde_json::Value> {
    Some(python::json_of(&yaml::parse_value(text).ok()?))
}

/// Which resource a document is to describe; a stage asks for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Job,
    Environment,
    Data,
    Compute,
    Model,
    Component,
    Datastore,
    Schedule,
    Endpoint,
    Deployment,
}

/// The two families of endpoints: their resources, their fields and the way they are called differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    Online,
    Batch,
}

/// What the user gave besides the file; it wins over the same field of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<String>,
    pub version: Option<String>,
    /// Other inputs of the stage, by the field they replace: `type`, `path`, `size`, `min_instances`, `conda_file`, `build.path`, ...
    /// Relative local paths among them start from [`Source::working_directory`], not from the file.
    pub fields: Vec<(String, String)>,
    /// Of which family the endpoint or deployment is; what the document says of itself counts without it.
    pub endpoint_type: Option<EndpointType>,
    /// `--set key=value`: dotted keys with list indices, values typed as the SDK types them.
    pub set: Vec<(String, String)>,
}

/// What to translate.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub expected: Expected,
    /// `None` when the overrides say enough.
    pub file: Option<&'a Path>,
    /// Absolute.
    pub working_directory: &'a Path,
    pub overrides: &'a Overrides,
}

/// The reader of local files that a translation is given.
pub trait Files: Sync {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;
    /// Follows links.
    fn metadata(&self, path: &Path) -> std::io::Result<Metadata>;
    /// Names of a directory's entries, in no order.
    fn list(&self, path: &Path) -> std::io::Result<Vec<String>>;
    fn open(&self, path: &Path) -> std::io::Result<Box<dyn std::io::Read + Send>>;
    /// The path with links resolved.
    fn canonical(&self, path: &Path) -> std::io::Result<PathBuf>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    pub is_folder: bool,
    pub size: u64,
}

/// What must be written and uploaded for the document, or everything that is wrong with it.
pub fn translate(source: &Source<'_>, files: &dyn Files) -> Result<Plan, Problems> {
    let mut session = Session::new(files, source.working_directory);
    let (mut root, base) = match source.file {
        None => (overrides::empty_root(), source.working_directory.to_owned()),
        Some(file) => {
            let path = session::absolute(source.working_directory, &file.to_string_lossy());
            let bytes = files
                .read(&path)
                .map_err(|error| unreadable(file, &path, &error))?;
            let root = yaml::parse(&bytes, file)?;
            let base = path.parent().unwrap_or(source.working_directory).to_owned();
            (root, base)
        }
    };
    if overrides::check_root(&root, &mut session.report) {
        let directory = source.working_directory;
        overrides::apply(
            &mut root,
            source.overrides,
            source.expected,
            directory,
            &mut session.report,
        );
        let family = source.overrides.endpoint_type;
        kind::translate(
            &mut session,
            &Field::root(&root),
            source.expected,
            family,
            &base,
        );
    }
    session.finish()
}

fn unreadable(written: &Path, path: &Path, error: &std::io::Error) -> Problems {
    let message = if error.kind() == std::io::ErrorKind::NotFound {
        format!(
            "no file `{}`: {} does not exist",
            written.display(),
            path.display()
        )
    } else {
        format!("`{}` cannot be read: {error}", written.display())
    };
    Problems(vec![Problem {
        place: None,
        field: String::new(),
        message,
    }])
}
