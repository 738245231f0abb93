//! Is translating and hashing ever the bottleneck? The largest pipeline at hand, and a code folder of 5,000 files beside the bare
//! SHA-256 of the same files. `cargo bench --bench translate`; prints the ratio of the medians of one run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for developers"
)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aml_runner::spec::{Expected, LocalFiles, Overrides, Plan, Source, translate};
use criterion::Criterion;
use sha2::{Digest, Sha256};

const FILES: usize = 5000;
/// Bytes of a file: what sources have.
const SIZE: usize = 6000;

fn plan(folder: &Path, file: &str) -> Plan {
    let source = Source {
        expected: Expected::Job,
        file: Some(Path::new(file)),
        working_directory: folder,
        overrides: &Overrides::default(),
    };
    translate(&source, &LocalFiles).unwrap()
}

/// Every pipeline of a tree.
fn pipelines(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pipelines(&path, found);
        } else if path
            .extension()
            .is_some_and(|end| end == "yml" || end == "yaml")
        {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.contains("type: pipeline") && text.contains("jobs:") {
                found.push(path);
            }
        }
    }
}

/// The pipeline whose requests are largest: the conformance kit's where it is at hand, else the example's.
fn largest() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("examples/wine/pipeline.yml")];
    pipelines(&root.join("../shared/conformance"), &mut found);
    let weight = |path: &PathBuf| {
        let source = Source {
            expected: Expected::Job,
            file: Some(path),
            working_directory: path.parent().unwrap(),
            overrides: &Overrides::default(),
        };
        translate(&source, &LocalFiles).map_or(0, |plan| {
            let bodies = plan
                .requests
                .iter()
                .map(|request| request.body.to_string().len());
            bodies.sum::<usize>()
        })
    };
    found.into_iter().max_by_key(weight).unwrap()
}

/// A folder of sources and the job that runs them.
fn sources() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..FILES {
        let below = folder.path().join(format!("src/package{}", index % 50));
        fs::create_dir_all(&below).unwrap();
        let line = format!("value_{index} = {index}\n");
        fs::write(
            below.join(format!("module{index}.py")),
            line.repeat(SIZE / line.len()),
        )
        .unwrap();
    }
    let job =
        "command: python -m package0\ncode: src\nenvironment: azureml:e:1\ncompute: azureml:c\n";
    fs::write(folder.path().join("job.yml"), job).unwrap();
    folder
}

/// What no client can save: each file read once and put through SHA-256.
fn bare(folder: &Path, hash: &mut Sha256) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bare(&path, hash);
        } else {
            hash.update(fs::read(&path).unwrap());
        }
    }
}

/// The median that criterion has just measured, in seconds.
fn median(name: &str) -> f64 {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion");
    let text = fs::read_to_string(target.join(name).join("new/estimates.json")).unwrap();
    let estimates: serde_json::Value = serde_json::from_str(&text).unwrap();
    estimates["median"]["point_estimate"].as_f64().unwrap() / 1e9
}

fn main() {
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(8))
        .sample_size(30)
        .configure_from_args();
    let pipeline = largest();
    let name = pipeline.file_name().unwrap().to_string_lossy().into_owned();
    println!(
        "largest pipeline: {name} of {}",
        pipeline
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
    );
    criterion.bench_function("pipeline", |bench| {
        bench.iter(|| black_box(plan(pipeline.parent().unwrap(), &name)));
    });
    let folder = sources();
    criterion.bench_function("code", |bench| {
        bench.iter(|| black_box(plan(folder.path(), "job.yml")));
    });
    criterion.bench_function("sha256", |bench| {
        bench.iter(|| {
            let mut hash = Sha256::new();
            bare(&folder.path().join("src"), &mut hash);
            black_box(hash.finalize())
        });
    });
    criterion.final_summary();
    let (code, sha256) = (median("code"), median("sha256"));
    println!("largest pipeline: {:.2} ms", median("pipeline") * 1e3);
    println!(
        "{FILES} files: {:.0} ms; bare SHA-256 of them: {:.0} ms; ratio {:.2}",
        code * 1e3,
        sha256 * 1e3,
        code / sha256
    );
}
