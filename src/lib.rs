//! `aml-runner`: the MLOps loop on Azure Machine Learning, from GitHub Actions, Azure Pipelines or a terminal.
//! See ARCHITECTURE.md for the map; the binary is a thin shell around this library.

pub mod azure;
pub mod cli;
pub mod emulator;
pub mod event;
pub mod host;
pub mod provenance;
pub mod report;
pub mod secret;
pub mod spec;
pub mod stage;
