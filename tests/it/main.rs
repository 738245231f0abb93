//! The one integration binary: each module is a suite.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do the functions it calls"
)]

mod azure;
mod data_plane;
mod demo;
mod emulator;
mod examples;
mod host;
mod layering;
mod spec;
mod stage;
mod support;
