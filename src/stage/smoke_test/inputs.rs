//! What a smoke test sends and expects, read from a stage's inputs: everything that is wrong is said at once, and before anything
//! is sent. `rollout` has the same inputs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::azure::endpoints::Family;
use crate::azure::scoring::Payload;
use crate::judge::{Assertion, BadSchema, Expectations, Schema, Statuses};
use crate::report::PhaseKind;
use crate::spec::{self, InvokeInput, LocalFiles, Plan, invoke_types};
use crate::stage::inputs::{HumanDuration, InputProblem, InputProblems, Lines, RawInputs};
use crate::stage::{Context, InputDef, Shape, shaped, text};

pub(crate) const REQUEST_FILE: InputDef = shaped(
    "request-file",
    Shape::Path,
    "File with the request to send to an online endpoint; its ending says what it is",
);
pub(crate) const REQUEST: InputDef = text(
    "request",
    "The request to send to an online endpoint, as JSON text",
);
pub(crate) const INPUT: InputDef = shaped(
    "input",
    Shape::Lines,
    "What a batch endpoint is to work on: a file, a folder, an address, azureml:name:version or a literal; `name=value` a line for several",
);
pub(crate) const INPUT_TYPE: InputDef = shaped(
    "input-type",
    Shape::Lines,
    "uri_file, uri_folder, mltable, a type of model or literal; `name=type` a line for several. Told from the input when not given",
);
pub(crate) const EXPECT_STATUS: InputDef = text(
    "expect-status",
    "HTTP status of the answer: 200, 2xx or 200-204, several with commas; 2xx when not given",
);
pub(crate) const EXPECT: InputDef = shaped(
    "expect",
    Shape::Lines,
    "What must hold of the answer, one a line: a query of RFC 9535, a comparison and a JSON value, as in `$.predictions[0] > 0`",
);
pub(crate) const EXPECT_SCHEMA: InputDef = shaped(
    "expect-schema",
    Shape::Path,
    "File with the JSON schema that the answer must follow",
);
pub(crate) const MAX_LATENCY: InputDef = shaped(
    "max-latency",
    Shape::Duration,
    "How long an answer may take: 500ms, 2s",
);
pub(crate) const CALLS: InputDef = shaped(
    "calls",
    Shape::Count,
    "How many times to send the request, one after the other; 1 when not given",
);

/// What to send, and what must come back.
#[derive(Debug, Clone)]
pub(crate) struct SmokeInputs {
    pub(crate) ask: Ask,
    pub(crate) expected: Expectations,
    pub(crate) calls: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// To an online endpoint.
    Request(Payload),
    /// To a batch endpoint: the inputs as they were given, and the plan whose last body they become.
    Job(Vec<InvokeInput>, Box<Plan>),
}

/// The inputs as they came.
#[derive(Debug, Deserialize)]
struct Given {
    request_file: Option<PathBuf>,
    request: Option<String>,
    input: Option<Lines>,
    input_type: Option<Lines>,
    expect_status: Option<String>,
    expect: Option<Lines>,
    expect_schema: Option<PathBuf>,
    max_latency: Option<HumanDuration>,
    calls: Option<usize>,
}

/// Calls of one test: more is a load test, which a step of a pipeline is not.
const MOST_CALLS: usize = 100_000;

/// Content types by the ending of a request file. What is not listed goes as bytes.
const ENDINGS: &[(&str, &str)] = &[
    ("json", JSON),
    ("csv", "text/csv"),
    ("txt", "text/plain"),
    ("xml", "application/xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
];
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// Collects problems under the names that the host's user knows.
struct Reader<'a> {
    context: &'a Context,
    problems: Vec<InputProblem>,
}

impl Reader<'_> {
    fn wrong(&mut self, input: &str, why: impl Into<String>) {
        self.problems.extend(self.context.malformed(input, why).0);
    }

    fn missing(&mut self, input: &InputDef, also: &[&str]) {
        let label = |name: &str| self.context.host.input_label(name);
        self.problems.push(InputProblem::Missing {
            label: label(input.name),
            help: input.help.to_owned(),
            also: also.iter().map(|name| label(name)).collect(),
        });
    }

    fn conflict(&mut self, inputs: &[&str], why: &str) {
        let labels = inputs
            .iter()
            .map(|name| self.context.host.input_label(name));
        self.problems.push(InputProblem::Conflict {
            labels: labels.collect(),
            why: why.to_owned(),
        });
    }

    fn file(&mut self, input: &str, path: &Path) -> Option<Vec<u8>> {
        match std::fs::read(self.context.path(path)) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let why = if error.kind() == std::io::ErrorKind::NotFound {
                    "there is no such file".to_owned()
                } else {
                    error.to_string()
                };
                self.wrong(input, format!("{}: {why}", path.display()));
                None
            }
        }
    }
}

impl SmokeInputs {
    /// Reads and checks all of them, files included. Sends nothing.
    pub(crate) async fn read(
        context: &Context,
        raw: &RawInputs,
        family: Family,
    ) -> anyhow::Result<Self> {
        let given: Given = raw.parse()?;
        let mut reader = Reader {
            context,
            problems: Vec::new(),
        };
        let (payload, inputs) = match family {
            Family::Online => (reader.request(&given), None),
            Family::Batch => (None, reader.job(&given)),
        };
        let expected = reader.expectations(&given);
        let calls = given.calls.unwrap_or(1);
        if calls == 0 || calls > MOST_CALLS {
            reader.wrong("calls", format!("{calls} is not from 1 to {MOST_CALLS}"));
        }
        InputProblems(reader.problems).into_result()?;
        let ask = match (payload, inputs) {
            (Some(payload), _) => Ask::Request(payload),
            (None, inputs) => planned(context, inputs.unwrap_or_default()).await?,
        };
        Ok(Self {
            ask,
            expected,
            calls,
        })
    }
}

/// Gigabytes may have to be hashed, and a signal must not wait for them.
async fn planned(context: &Context, inputs: Vec<InvokeInput>) -> anyhow::Result<Ask> {
    let folder = context.working_directory.clone();
    let _phase = context.phase("reading files", PhaseKind::Working);
    let reading = tokio::task::spawn_blocking(move || {
        let plan = spec::invocation(&inputs, &folder, &LocalFiles)?;
        Ok::<_, spec::Problems>(Ask::Job(inputs, Box::new(plan)))
    });
    Ok(reading.await??)
}

impl Reader<'_> {
    fn request(&mut self, given: &Given) -> Option<Payload> {
        for (name, there) in [
            ("input", given.input.is_some()),
            ("input-type", given.input_type.is_some()),
        ] {
            if there {
                self.wrong(
                    name,
                    "is for batch endpoints; an online endpoint is sent a `request-file`",
                );
            }
        }
        match (&given.request_file, &given.request) {
            (Some(_), Some(_)) => {
                self.conflict(&["request-file", "request"], "only one of them can be sent");
                None
            }
            (None, None) => {
                self.missing(&REQUEST_FILE, &["request"]);
                None
            }
            (None, Some(text)) => {
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                    self.wrong("request", format!("it is not JSON: {error}; what is not JSON is sent from a `request-file`"));
                    return None;
                }
                let bytes = text.clone().into_bytes();
                Some(Payload {
                    content_type: JSON,
                    bytes,
                })
            }
            (Some(path), None) => self.request_file(path),
        }
    }

    fn request_file(&mut self, path: &Path) -> Option<Payload> {
        let bytes = self.file("request-file", path)?;
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
        let ending = path.extension().and_then(|ending| ending.to_str());
        let content_type = match ending {
            Some(ending) => ENDINGS
                .iter()
                .find(|(known, _)| ending.eq_ignore_ascii_case(known))
                .map_or(BYTES, |(_, content_type)| content_type),
            // A file without an ending is what it looks like.
            None if is_json.is_ok() => JSON,
            None => BYTES,
        };
        if content_type == JSON
            && let Err(error) = is_json
        {
            let (file, line, column) = (path.display(), error.line(), error.column());
            self.wrong(
                "request-file",
                format!("{file}:{line}:{column}: it is not JSON: {error}"),
            );
            return None;
        }
        Some(Payload {
            content_type,
            bytes,
        })
    }

    fn job(&mut self, given: &Given) -> Option<Vec<InvokeInput>> {
        for (name, there) in [
            ("request-file", given.request_file.is_some()),
            ("request", given.request.is_some()),
            ("expect-status", given.expect_status.is_some()),
            ("expect", given.expect.is_some()),
            ("expect-schema", given.expect_schema.is_some()),
            ("max-latency", given.max_latency.is_some()),
            ("calls", given.calls.is_some()),
        ] {
            if there {
                self.wrong(name, "is for online endpoints; a batch endpoint is given an `input`, and its job and output are what is checked");
            }
        }
        let Some(Lines(lines)) = &given.input else {
            self.missing(&INPUT, &[]);
            return None;
        };
        let types = given
            .input_type
            .as_ref()
            .map_or(&[][..], |Lines(lines)| lines);
        let mut inputs = Vec::new();
        for line in lines {
            let (name, value) = match named(line) {
                Some((name, value))
                    if lines.len() > 1 || types.iter().any(|one| named(one).is_some()) =>
                {
                    (Some(name), value)
                }
                // One input whose name is said is named; a path with a `=` in it exists.
                Some((name, value)) if !self.context.path(Path::new(line)).exists() => {
                    (Some(name), value)
                }
                Some(_) | None => (None, line.as_str()),
            };
            if name.is_none() && lines.len() > 1 {
                self.wrong(
                    "input",
                    format!("{line:?} is not of the form name=value, which several inputs need"),
                );
            }
            inputs.push(InvokeInput {
                name: name.map(str::to_owned),
                kind: self.type_of(name, types),
                value: value.to_owned(),
            });
        }
        for line in types {
            if let Some((name, _)) = named(line)
                && !inputs
                    .iter()
                    .any(|input| input.name.as_deref() == Some(name))
            {
                self.wrong("input-type", format!("there is no input `{name}`"));
            }
        }
        Some(inputs)
    }

    /// The type that is said of an input: of this one, or of all.
    fn type_of(&mut self, name: Option<&str>, types: &[String]) -> Option<String> {
        let own = types
            .iter()
            .filter_map(|line| named(line))
            .find(|(of, _)| Some(*of) == name)
            .map(|(_, kind)| kind);
        let common = types.iter().find(|line| named(line).is_none());
        let kind = own.or(common.map(String::as_str))?;
        if !invoke_types().any(|known| known == kind) {
            let words: Vec<_> = invoke_types().collect();
            self.wrong(
                "input-type",
                format!("{kind:?} is no type; types are {}", words.join(", ")),
            );
        }
        Some(kind.to_owned())
    }

    fn expectations(&mut self, given: &Given) -> Expectations {
        let statuses = given.expect_status.as_deref().map(Statuses::parse);
        let statuses = statuses.unwrap_or_else(|| Ok(Statuses::default()));
        let statuses = statuses.unwrap_or_else(|error| {
            self.wrong("expect-status", error.to_string());
            Statuses::default()
        });
        let lines = given.expect.as_ref().map_or(&[][..], |Lines(lines)| lines);
        let mut assertions = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            match Assertion::parse(line) {
                Ok(assertion) => assertions.push(assertion),
                Err(misread) => {
                    let why = format!("line {}, {misread}, in `{line}`", index + 1);
                    self.wrong("expect", why);
                }
            }
        }
        let schema = given.expect_schema.as_deref();
        Expectations {
            statuses,
            assertions,
            schema: schema.and_then(|path| self.schema(path)),
            max_latency: given.max_latency.map(|HumanDuration(limit)| limit),
        }
    }

    fn schema(&mut self, path: &Path) -> Option<Schema> {
        let bytes = self.file("expect-schema", path)?;
        let file = path.display().to_string();
        match Schema::parse(file.as_str(), &String::from_utf8_lossy(&bytes)) {
            Ok(schema) => Some(schema),
            Err(error) => {
                let place = match &error {
                    BadSchema::NotJson { line, column, .. } => format!("{file}:{line}:{column}"),
                    BadSchema::NotSchema { .. } => file,
                };
                self.wrong("expect-schema", format!("{place}: {error}"));
                None
            }
        }
    }
}

/// `name=value`, where the name is one that an input can have.
fn named(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let mut bytes = name.bytes();
    let starts = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (starts && goes_on && !value.is_empty()).then_some((name, value))
}
