//! `aml-runner`: the MLOps loop on Azure Machine Learning, from GitHub Actions, Azure Pipelines or a terminal.
//! See ARCHITECTURE.md for the map; the binary is a thin shell around this library.

pub mod azure;
pub mod cancel;
pub mod cli;
pub mod demo;
pub mod dispatch;
pub mod emulator;
pub mod event;
pub mod failure;
pub mod host;
pub mod judge;
pub mod post;
pub mod provenance;
pub mod report;
pub mod run;
pub mod secret;
pub mod spec;
pub mod stage;
