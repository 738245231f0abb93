//! One file per resource; each answers the operations of its resource and nothing else.

pub(crate) mod asset;
mod batch_deployment;
mod batch_endpoint;
pub(crate) mod batch_job;
mod code;
pub(crate) mod component;
pub(crate) mod compute;
pub(crate) mod data;
pub(crate) mod datastore;
pub(crate) mod deployment;
pub(crate) mod endpoint;
pub(crate) mod entra;
mod environment;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod metadata;
pub(crate) mod mlflow;
pub(crate) mod model;
pub(crate) mod oidc;
mod online_deployment;
pub(crate) mod online_endpoint;
pub(crate) mod operation;
pub(crate) mod run;
pub(crate) mod schedule;
mod submit;
pub(crate) mod unserved;
pub(crate) mod workspace;
