//! The one integration binary: each module is a suite.

#[cfg(test)]
mod emulator;
