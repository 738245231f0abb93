//! Nothing that a user can put into a file makes the translation panic, hang or overflow the stack: the spec cases' own documents,
//! damaged in a few thousand ways, the same ones in every run. `cargo bench --bench fuzz` goes on from here.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::damage::{Outcome, any_damage, documents};

const ROUNDS: u32 = 4000;

#[test]
fn damaged_documents_are_translated_or_refused_and_never_panic() {
    let documents = documents();
    let config = Config {
        cases: ROUNDS,
        failure_persistence: None,
        ..Config::default()
    };
    let seeded = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let counts = std::cell::Cell::new((0, 0));
    TestRunner::new_with_rng(config, seeded)
        .run(&any_damage(), |damaged| {
            let (planned, refused) = counts.get();
            counts.set(match damaged.translate(&documents) {
                Outcome::Planned => (planned + 1, refused),
                Outcome::Refused => (planned, refused + 1),
            });
            Ok(())
        })
        .unwrap();
    let (planned, refused) = counts.get();
    assert!(
        planned > 0 && refused > 0,
        "{planned} planned, {refused} refused"
    );
}
