//! The Azure client against scripted servers on this machine.

mod send;
pub(crate) mod support;
