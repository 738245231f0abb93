//! What several suites need. A helper that one suite needs stays in that suite.

pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod skip;
pub(crate) mod world;
