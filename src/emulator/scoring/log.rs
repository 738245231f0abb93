//! What a deployment's containers say. Knows no process.

use std::sync::Mutex;

use crate::emulator::clock;
use crate::emulator::store::lock;

/// A deployment that runs for days must not grow with every request.
const KEPT: usize = 1 << 20;

/// The logs of one deployment, over all its processes.
#[derive(Debug, Default)]
pub(crate) struct Log {
    server: Mutex<Vec<u8>>,
    storage: Mutex<Vec<u8>>,
}

impl Log {
    /// What the process that runs the script writes.
    pub(crate) fn server(&self, bytes: &[u8]) {
        add(&self.server, bytes);
    }

    /// A line of the container that brings model and code.
    pub(crate) fn storage(&self, text: &str) {
        let line = format!("[{}] {text}\n", clock::short(clock::now()));
        add(&self.storage, line.as_bytes());
    }

    /// The last lines of a container's log; `None` for a container that deployments do not have.
    pub(crate) fn tail(&self, container: &str, lines: usize) -> Option<String> {
        let log = match container.to_lowercase().as_str() {
            "inferenceserver" => &self.server,
            "storageinitializer" => &self.storage,
            _ => return None,
        };
        let text = String::from_utf8_lossy(&lock(log)).into_owned();
        let skip = text.lines().count().saturating_sub(lines);
        let kept: Vec<&str> = text.split_inclusive('\n').skip(skip).collect();
        Some(kept.concat())
    }
}

fn add(log: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut log = lock(log);
    log.extend_from_slice(bytes);
    let excess = log.len().saturating_sub(KEPT);
    log.drain(..excess);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_whole_lines_and_the_last_of_them() {
        let log = Log::default();
        log.server(b"one\ntwo\nthree");
        assert_eq!(
            log.tail("InferenceServer", 2).as_deref(),
            Some("two\nthree")
        );
        assert_eq!(log.tail("StorageInitializer", 9).as_deref(), Some(""));
        assert_eq!(log.tail("Kitchen", 1), None);
    }
}
