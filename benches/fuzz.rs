//! The fuzz target: damages the spec cases' documents, and the conformance kit's where it is at hand, until the time is up.
//! `cargo bench --bench fuzz -- --minutes 10`. Ends with 1 after a panic, a document that takes longer than ten seconds, or more than
//! 200 MB of memory; the smallest document that shows a panic is printed. Knows nothing of YAML.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::exit,
    reason = "a program for developers, which watches itself"
)]

#[path = "../tests/it/spec/damage.rs"]
mod damage;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use aml_runner::spec::Expected;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRunner};

const TOO_LONG: Duration = Duration::from_secs(10);
const MOST_MEMORY_KB: u64 = 200 * 1024;
/// Documents between two looks at the clock and the memory.
const ROUND: u32 = 2000;

/// The document in hand, for the watchman.
static IN_HAND: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Peak resident memory of this process. 0 where `/proc` is not there.
fn peak_memory_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Puts a document where it can be looked at.
fn kept(document: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz-found.yml");
    fs::write(&path, document).unwrap();
    path
}

/// Ends the process when a document takes too long: nothing else would tell a hang from work.
fn watchman() -> mpsc::Sender<()> {
    let (alive, watch) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            match watch.recv_timeout(TOO_LONG) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let document = IN_HAND.lock().unwrap().clone();
                    println!("TOO SLOW: {}", kept(&document).display());
                    std::process::exit(1);
                }
            }
        }
    });
    alive
}

/// The kit's documents, by the kind that the kit gives them.
fn kit(documents: &mut Vec<(Expected, String)>) {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    for tree in ["azureml-examples", "mlops-template"] {
        let Ok(cases) = fs::read_dir(shared.join(tree).join("expected")) else {
            println!("SKIPPED: the conformance kit's {tree} is not there");
            continue;
        };
        for case in cases {
            let case = fs::read_to_string(case.unwrap().path()).unwrap();
            let case: serde_json::Value = serde_json::from_str(&case).unwrap();
            let file = shared
                .join(tree)
                .join("cases")
                .join(case["file"].as_str().unwrap());
            let expected = damage::expected_of(case["kind"].as_str().unwrap_or_default());
            if let (Some(expected), Ok(text)) = (expected, fs::read_to_string(file)) {
                documents.push((expected, text));
            }
        }
    }
}

fn minutes() -> f64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--minutes");
    let given = arguments.nth(1).and_then(|text| text.parse().ok());
    given.unwrap_or(0.1)
}

fn main() {
    let mut documents = damage::documents();
    kit(&mut documents);
    let until = Instant::now() + Duration::from_secs_f64(minutes() * 60.0);
    let alive = watchman();
    let config = Config {
        cases: ROUND,
        failure_persistence: None,
        // The usual one is wound forward for every case, ever longer.
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let (count, planned, slowest) = (
        Cell::new(0_u64),
        Cell::new(0_u64),
        Cell::new(Duration::ZERO),
    );
    while Instant::now() < until {
        let outcome = TestRunner::new(config.clone()).run(&damage::any_damage(), |damaged| {
            *IN_HAND.lock().unwrap() = damaged.text(&documents);
            alive
                .send(())
                .map_err(|gone| TestCaseError::fail(gone.to_string()))?;
            let start = Instant::now();
            let outcome = damaged.translate(&documents);
            slowest.set(slowest.get().max(start.elapsed()));
            count.set(count.get() + 1);
            planned.set(planned.get() + u64::from(outcome == damage::Outcome::Planned));
            if peak_memory_kb() > MOST_MEMORY_KB {
                let document = kept(&IN_HAND.lock().unwrap());
                let most = MOST_MEMORY_KB / 1024;
                println!("MORE THAN {most} MB: {}", document.display());
                std::process::exit(1);
            }
            alive
                .send(())
                .map_err(|gone| TestCaseError::fail(gone.to_string()))
        });
        if let Err(error) = outcome {
            let document = IN_HAND.lock().unwrap().clone();
            println!(
                "{error}\nthe document: {}",
                String::from_utf8_lossy(&document)
            );
            std::process::exit(1);
        }
    }
    let peak = peak_memory_kb();
    println!(
        "{} documents from {} ({} translated, the others refused): no panic, no hang; slowest {:?}, peak memory {} MB",
        count.get(),
        documents.len(),
        planned.get(),
        slowest.get(),
        peak / 1024
    );
}
