//! This machine as a compute: the search path, the Python that steps run on, and the process groups that must not outlive the emulator.
//! Knows no job.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::emulator::Options;
use crate::emulator::store::lock;

#[derive(Debug, Default)]
struct Groups {
    closed: bool,
    running: HashSet<i32>,
}

#[derive(Debug)]
pub(crate) struct Machine {
    search_path: OsString,
    /// Scripts called `python` and `python3`, first in every step's search path.
    shims: PathBuf,
    is_given: bool,
    found: OnceCell<()>,
    groups: Mutex<Groups>,
    tasks: TaskTracker,
}

impl Machine {
    pub(crate) fn new(options: &Options, scratch: &Path) -> io::Result<Self> {
        let shims = scratch.join("shims");
        std::fs::create_dir(&shims)?;
        let mut search_path = options.search_path.clone();
        if let Some(python) = &options.python {
            let interpreter = interpreter(python)?;
            write_shims(&shims, &interpreter)?;
            // The tools that a virtual environment brings are beside its interpreter.
            if let (true, Some(beside)) = (python.is_dir(), interpreter.parent()) {
                search_path = joined(beside, &search_path)?;
            }
        }
        Ok(Self {
            search_path: joined(&shims, &search_path)?,
            shims,
            is_given: options.python.is_some(),
            found: OnceCell::new(),
            groups: Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// The search path of steps. The first call finds the machine's own Python, so that `python` means the same as `python3` where only one
    /// exists, and so that a shim which depends on the user's home is not asked from within a job.
    pub(crate) async fn search_path(&self) -> &OsString {
        if !self.is_given {
            self.found
                .get_or_init(|| async {
                    if let Some(python) = ask_for_python(&self.search_path).await {
                        // A machine on which this fails has whatever Python the search path has.
                        write_shims(&self.shims, &python).ok();
                    }
                })
                .await;
        }
        &self.search_path
    }

    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Notes a process group. False when the emulator is stopping and the group must end at once.
    pub(super) fn enter(&self, group: Pid) -> bool {
        let mut groups = lock(&self.groups);
        groups.running.insert(group.as_raw_nonzero().get());
        !groups.closed
    }

    pub(super) fn leave(&self, group: Pid) {
        lock(&self.groups)
            .running
            .remove(&group.as_raw_nonzero().get());
    }

    /// Ends every process of every step, now and from now on.
    pub(crate) fn kill_all(&self) {
        let mut groups = lock(&self.groups);
        groups.closed = true;
        for group in groups.running.drain().filter_map(Pid::from_raw) {
            // One that has ended meanwhile is what was wanted.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// The search path that steps get when none is given: that of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the emulator knows nothing of the hosts' environment reader, and a machine without its search path runs nothing"
)]
pub(crate) fn inherited_search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

fn joined(first: &Path, rest: &OsString) -> io::Result<OsString> {
    let paths = std::iter::once(first.to_owned()).chain(std::env::split_paths(rest));
    std::env::join_paths(paths).map_err(io::Error::other)
}

/// The interpreter in a virtual environment's folder, or the file itself.
fn interpreter(python: &Path) -> io::Result<PathBuf> {
    let candidates = if python.is_dir() {
        vec![python.join("bin/python3"), python.join("bin/python")]
    } else {
        vec![python.to_owned()]
    };
    let found = candidates.into_iter().find(|path| path.is_file());
    let found = found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no Python interpreter at {}", python.display()),
        )
    })?;
    std::path::absolute(found)
}

/// A script rather than a link: Python finds its virtual environment by the path it was started as.
fn write_shims(shims: &Path, interpreter: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let quoted = interpreter.display().to_string().replace('\'', "'\\''");
    for name in ["python", "python3"] {
        let path = shims.join(name);
        std::fs::write(&path, format!("#!/bin/sh\nexec '{quoted}' \"$@\"\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

async fn ask_for_python(search_path: &OsString) -> Option<PathBuf> {
    for name in ["python3", "python"] {
        // Of two lookups in one search path, the child's is the one that counts.
        let asked = tokio::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(format!(
                "exec {name} -c 'import sys; print(sys.executable)'"
            ))
            .env("PATH", search_path)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .ok()?;
        let path = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
        if asked.status.success() && path.is_file() {
            return Some(path);
        }
    }
    None
}
