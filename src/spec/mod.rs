//! Azure ML YAML (CLI v2 schemas) to REST requests. Pure: it is given a document, overrides and a reader of local files, and
//! returns a [`Plan`] or problems. No network, no clock, no environment; it does not know hosts, stages or the client.

pub mod plan;
pub mod problem;
pub mod yaml;

pub use plan::Plan;
pub use problem::{Problem, Problems};

use std::io;
use std::path::{Path, PathBuf};

/// Which resource a document is to describe; a stage asks for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Job,
    Environment,
    Data,
    Compute,
}

/// What the user gave besides the file; it wins over the same field of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<String>,
    pub version: Option<String>,
    /// Other inputs of the stage, by the field they replace: `type`, `path`, `size`, `min_instances`, `conda_file`, `build.path`, ...
    /// Relative local paths among them start from [`Source::working_directory`], not from the file.
    pub fields: Vec<(String, String)>,
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
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Follows links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Names of a directory's entries, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>>;
    /// The path with links resolved.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    pub is_folder: bool,
    pub size: u64,
}
