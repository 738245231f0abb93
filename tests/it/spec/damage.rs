//! Documents damaged in every way that a strategy can think of, and what must hold of their translation whatever they hold. Shared by
//! the test of robustness and by `benches/fuzz.rs`, which goes on for as long as it is told to.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aml_runner::spec::{Expected, Files, Metadata, Overrides, Source, translate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const PIECES: [&str; 32] = [
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
    "<<: *a",
    "&a [*a, *a]",
    "!!int ",
    "!!binary ",
    "|",
    ">-",
    "~",
    "${{parent.inputs.x}}",
    "${{parent.jobs.a.outputs.b}}",
    "azureml:",
    "@latest",
    "file:",
    "1e999",
    "0b",
    "2020-01-01",
    "\u{feff}",
];

/// One way to damage a text. Places are shares of its length, so that they fit whatever came before.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Cut {
        at: Index,
        length: usize,
    },
    Insert {
        at: Index,
        piece: Index,
    },
    Copy {
        from: Index,
        length: usize,
        to: Index,
    },
    /// A whole line, somewhere else.
    Line {
        from: Index,
        to: Index,
    },
    Truncate {
        at: Index,
    },
    Byte {
        at: Index,
        byte: u8,
    },
    /// Brackets in brackets.
    Nest {
        at: Index,
        opening: Index,
        depth: usize,
    },
    /// Each anchor names the one before it several times.
    Bomb {
        levels: usize,
        width: usize,
    },
}

const OPENINGS: [&str; 4] = ["[", "{a: ", "- ", "? "];

/// A document of a list, damaged, beside another one that it may name.
#[derive(Debug, Clone)]
pub(crate) struct Damaged {
    document: Index,
    other: Index,
    edits: Vec<Edit>,
    more: Vec<Edit>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 0_usize..12).prop_map(|(at, length)| Edit::Cut { at, length }),
        6 => (index(), index()).prop_map(|(at, piece)| Edit::Insert { at, piece }),
        4 => (index(), 0_usize..40, index()).prop_map(|(from, length, to)| Edit::Copy { from, length, to }),
        4 => (index(), index()).prop_map(|(from, to)| Edit::Line { from, to }),
        1 => index().prop_map(|at| Edit::Truncate { at }),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte { at, byte }),
        1 => (index(), index(), 1_usize..20_000).prop_map(|(at, opening, depth)| Edit::Nest { at, opening, depth }),
        1 => (1_usize..30, 1_usize..12).prop_map(|(levels, width)| Edit::Bomb { levels, width }),
    ]
}

pub(crate) fn any_damage() -> impl Strategy<Value = Damaged> {
    let edits = || vec(edit(), 1..6);
    (any::<Index>(), any::<Index>(), edits(), edits()).prop_map(|(document, other, edits, more)| {
        Damaged {
            document,
            other,
            edits,
            more,
        }
    })
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |index: &Index, bytes: &Vec<u8>| index.index(bytes.len() + 1);
        match self {
            Self::Cut { at, length } => {
                let at = place(at, bytes);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Insert { at, piece } => {
                let at = place(at, bytes);
                bytes.splice(at..at, PIECES[piece.index(PIECES.len())].bytes());
            }
            Self::Copy { from, length, to } => {
                let from = place(from, bytes);
                let copy = bytes[from..(from + length).min(bytes.len())].to_vec();
                let to = place(to, bytes);
                bytes.splice(to..to, copy);
            }
            Self::Line { from, to } => {
                let mut lines: Vec<Vec<u8>> = bytes
                    .split_inclusive(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                if !lines.is_empty() {
                    let line = lines[from.index(lines.len())].clone();
                    let to = to.index(lines.len() + 1);
                    lines.insert(to, line);
                }
                *bytes = lines.concat();
            }
            Self::Truncate { at } => bytes.truncate(place(at, bytes)),
            Self::Byte { at, byte } => {
                let at = place(at, bytes);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Nest { at, opening, depth } => {
                let at = place(at, bytes);
                let opening = OPENINGS[opening.index(OPENINGS.len())];
                bytes.splice(at..at, opening.repeat(*depth).into_bytes());
            }
            Self::Bomb { levels, width } => {
                let mut bomb = String::from("tags: &b0 {x: y}\n");
                for level in 1..*levels {
                    let below = format!("*b{}, ", level - 1).repeat(*width);
                    bomb.push_str(&format!("inputs{level}: &b{level} [{below}]\n"));
                }
                bytes.splice(0..0, bomb.into_bytes());
            }
        }
    }
}

fn damaged(text: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

/// What became of a damaged document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Planned,
    Refused,
}

impl Damaged {
    pub(crate) fn text(&self, documents: &[(Expected, String)]) -> Vec<u8> {
        damaged(
            &documents[self.document.index(documents.len())].1,
            &self.edits,
        )
    }

    /// Translates it. Panics where the translation does, and where its answer is none.
    pub(crate) fn translate(&self, documents: &[(Expected, String)]) -> Outcome {
        let expected = documents[self.document.index(documents.len())].0;
        let other = &documents[self.other.index(documents.len())].1;
        let files = HashMap::from([
            (PathBuf::from("/w/in.yml"), self.text(documents)),
            (PathBuf::from("/w/conda.yml"), damaged(other, &self.more)),
            (
                PathBuf::from("/w/component.yml"),
                damaged(other, &self.more),
            ),
            (PathBuf::from("/w/data.csv"), b"a,b".to_vec()),
        ]);
        let source = Source {
            expected,
            file: Some(Path::new("in.yml")),
            working_directory: Path::new("/w"),
            overrides: &Overrides::default(),
        };
        match translate(&source, &InMemory(files)) {
            Ok(plan) => {
                assert!(plan.requests.iter().all(|request| {
                    let mut slots = request.slots.iter();
                    slots.all(|slot| request.body.pointer(&slot.pointer).is_some())
                }));
                Outcome::Planned
            }
            Err(problems) => {
                assert!(!problems.0.is_empty() && !problems.to_string().is_empty());
                Outcome::Refused
            }
        }
    }
}

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

/// The documents of the spec cases.
pub(crate) fn documents() -> Vec<(Expected, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut documents = Vec::new();
    for kind in fs::read_dir(root).unwrap() {
        let kind = kind.unwrap().path();
        let Some(expected) = expected_of(&kind.file_name().unwrap().to_string_lossy()) else {
            continue;
        };
        for case in fs::read_dir(kind).unwrap() {
            if let Ok(text) = fs::read_to_string(case.unwrap().path().join("in.yml")) {
                documents.push((expected, text));
            }
        }
    }
    documents.sort_by(|a, b| a.1.cmp(&b.1));
    documents
}

/// What the conformance kit calls the kinds.
pub(crate) fn expected_of(kind: &str) -> Option<Expected> {
    match kind {
        "job" => Some(Expected::Job),
        "data" => Some(Expected::Data),
        "environment" => Some(Expected::Environment),
        "compute" => Some(Expected::Compute),
        "model" => Some(Expected::Model),
        "component" => Some(Expected::Component),
        "datastore" => Some(Expected::Datastore),
        "schedule" => Some(Expected::Schedule),
        "online-endpoint" | "batch-endpoint" => Some(Expected::Endpoint),
        "online-deployment" | "batch-deployment" => Some(Expected::Deployment),
        _ => None,
    }
}
