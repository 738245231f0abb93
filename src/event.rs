//! What a stage tells the user while it works. Stages emit events, hosts render them; an event knows no host's syntax.

use std::path::PathBuf;

/// A place in a file of the user's, for an annotation on the very line. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

/// One thing to show. Texts may hold foreign content (service messages, paths, user input); every host neutralises all of them.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A stage begins.
    Started {
        stage: &'a str,
    },
    /// A collapsible group opens. Groups do not nest: opening one closes the one before.
    GroupStarted {
        title: &'a str,
    },
    GroupEnded,
    /// A line of ours.
    Note {
        text: &'a str,
    },
    /// Worth an annotation, though nothing is wrong.
    Notice {
        title: &'a str,
        text: &'a str,
    },
    Warned {
        text: &'a str,
        place: Option<&'a Place>,
    },
    /// The stage fails because of this. `advice` says what to do next.
    Failed {
        title: &'a str,
        text: &'a str,
        advice: Option<&'a str>,
        place: Option<&'a Place>,
    },
    /// A line of a remote job's own log, without its line end. `source` names the job or step that wrote it.
    LogLine {
        source: &'a str,
        line: &'a str,
    },
    /// Bytes moved by the uploads or downloads of this stage; a terminal draws a bar, the others stay silent.
    Transfer {
        label: &'a str,
        done: u64,
        total: u64,
    },
    /// Only with `--verbose` or the host's debug switch.
    Debug {
        text: &'a str,
    },
}
