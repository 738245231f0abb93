//! Copies of the example projects in folders of their own, so that a test may change them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::skip;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of `examples/wine` in `folder`.
pub(crate) fn wine(folder: &Path) {
    copy(&repository().join("examples/wine"), folder);
}

/// The accelerator's taxi data with a training pipeline around it, in `folder`; `None` when the data is not there.
pub(crate) fn taxi(folder: &Path) -> Option<()> {
    let data = skip::shared("data/taxi-data.csv")?;
    copy(&repository().join("tests/it/taxi"), folder);
    fs::copy(data, folder.join("taxi-data.csv")).expect("the taxi data is readable");
    let tracking = "src/tracking.py";
    fs::copy(
        repository().join("examples/wine").join(tracking),
        folder.join(tracking),
    )
    .expect("the example has a tracking module");
    Some(())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("the project is there") {
        let entry = entry.expect("a readable entry");
        if entry.file_name() == "__pycache__" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a readable file");
        }
    }
}
