//! The Azure client against scripted servers on this machine.

mod send;
mod support;
