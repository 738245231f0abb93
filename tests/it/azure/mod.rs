//! The Azure client against scripted servers on this machine.

mod connection;
mod endpoints;
mod places;
mod poll;
mod scoring;
mod secrets;
mod send;
mod sign_in;
pub(crate) mod support;
