//! The binary: parses, runs, sets the exit code. Everything else is in the library.

fn main() {}
