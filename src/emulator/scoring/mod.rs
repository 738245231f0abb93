//! Deployments that really answer: a scoring script in a process of its own, and the requests that go to it.

pub(crate) mod log;
pub(crate) mod prepare;
pub(crate) mod serve;
mod wire;
pub(crate) mod worker;
