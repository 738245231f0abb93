//! Nothing that a user can put into a file makes the translation panic, hang or overflow the stack: the spec cases' own documents,
//! damaged in a few thousand ways from a fixed seed.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aml_runner::spec::{Expected, Files, Metadata, Overrides, Source, translate};

const ROUNDS: usize = 6000;
const PIECES: [&str; 28] = [
    "\n",
    " ",
    "  ",
    "\t",
    ":",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "|",
    ">-",
    "~",
    "${{parent.inputs.x}}",
    "azureml:",
    "@latest",
    "file:",
    "1e999",
    "0b",
    "2020-01-01",
    "\u{feff}",
];

/// A few files in memory; every folder is empty but the root.
struct InMemory(HashMap<PathBuf, Vec<u8>>);

impl Files for InMemory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        if path == Path::new("/w") {
            return Ok(Metadata {
                is_folder: true,
                size: 0,
            });
        }
        self.read(path).map(|content| Metadata {
            is_folder: false,
            size: content.len() as u64,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        if path != Path::new("/w") {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self
            .0
            .keys()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        self.read(path)
            .map(|content| Box::new(io::Cursor::new(content)) as Box<dyn io::Read + Send>)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.metadata(path).map(|_| path.to_owned())
    }
}

fn documents() -> Vec<(Expected, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut documents = Vec::new();
    for (kind, expected) in [
        ("job", Expected::Job),
        ("data", Expected::Data),
        ("environment", Expected::Environment),
        ("compute", Expected::Compute),
    ] {
        for case in fs::read_dir(root.join(kind)).unwrap() {
            if let Ok(text) = fs::read_to_string(case.unwrap().path().join("in.yml")) {
                documents.push((expected, text));
            }
        }
    }
    documents.sort_by(|a, b| a.1.cmp(&b.1));
    documents
}

fn damaged(text: &str, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=bytes.len());
        let to = (at + random.usize(0..12)).min(bytes.len());
        match random.u8(0..5) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let piece = PIECES[random.usize(0..PIECES.len())];
                drop(bytes.splice(at..at, piece.bytes()));
            }
            2 => {
                let copy = bytes[at..to].to_vec();
                let target = random.usize(0..=bytes.len());
                drop(bytes.splice(target..target, copy));
            }
            3 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.u8(..);
                }
            }
        }
    }
    bytes
}

#[test]
fn damaged_documents_are_translated_or_refused_and_never_panic() {
    let documents = documents();
    let mut random = fastrand::Rng::with_seed(20_260_101);
    let overrides = Overrides::default();
    let (mut planned, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let (expected, text) = &documents[random.usize(0..documents.len())];
        let other = &documents[random.usize(0..documents.len())].1;
        let files = HashMap::from([
            (PathBuf::from("/w/in.yml"), damaged(text, &mut random)),
            (PathBuf::from("/w/conda.yml"), damaged(other, &mut random)),
            (PathBuf::from("/w/data.csv"), b"a,b".to_vec()),
        ]);
        let source = Source {
            expected: *expected,
            file: Some(Path::new("in.yml")),
            working_directory: Path::new("/w"),
            overrides: &overrides,
        };
        match translate(&source, &InMemory(files)) {
            Ok(plan) => {
                planned += 1;
                assert!(plan.requests.iter().all(|request| {
                    request
                        .slots
                        .iter()
                        .all(|slot| request.body.pointer(&slot.pointer).is_some())
                }));
            }
            Err(problems) => {
                refused += 1;
                assert!(!problems.0.is_empty() && !problems.to_string().is_empty());
            }
        }
    }
    assert!(
        planned > 0 && refused > 0,
        "{planned} planned, {refused} refused"
    );
}
