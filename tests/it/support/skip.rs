//! Finds the files that may lie next to the repository (`../shared`) and says loudly when they do not.

use std::io::Write;
use std::path::PathBuf;

/// The variable that turns a skip into a failure. `.ci/run` sets it where `../shared` is there.
const REQUIRE: &str = "AML_RUNNER_REQUIRE_SHARED";

/// `../shared/<name>`, seen from the repository; `None`, and a line that says so, when it is not there.
///
/// # Panics
/// When it is not there although `AML_RUNNER_REQUIRE_SHARED` is set.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the test run, not of the program"
    )]
    let required = std::env::var_os(REQUIRE).is_some_and(|value| !value.is_empty());
    assert!(
        !required,
        "../shared/{name} is not there, and {REQUIRE} asks for it"
    );
    // Past the test runner's capture, which hides what a passing test prints.
    writeln!(
        std::io::stderr(),
        "SKIPPED: ../shared/{name} is not there ({})",
        std::thread::current().name().unwrap_or("a test")
    )
    .expect("standard error takes a line");
    None
}
