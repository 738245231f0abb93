//! The other side of the wire: how the runner and the agent read a line and a file, written after their grammar and sharing nothing
//! with the code under test.

/// A command as a host understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) data: String,
}

impl Command {
    pub(crate) fn property(&self, key: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.as_str())
    }
}

/// The commands that the runner knows; other names are text.
const RUNNER_COMMANDS: &[&str] = &[
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// How .NET's `ReadLine` sees a stream.
pub(crate) fn dotnet_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .split('\n')
        .map(str::to_owned)
        .collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A line without the characters that a culture-aware comparison may skip.
fn as_compared(line: &str) -> String {
    line.chars()
        .filter(|c| {
            (!c.is_control() || c.is_whitespace())
                && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
        })
        .collect()
}

/// A command for GitHub's runner, in either of its two syntaxes, by an ordinal or by a culture-aware comparison.
pub(crate) fn github_command(line: &str) -> Option<Command> {
    github_v2(line)
        .or_else(|| github_v1(line))
        .or_else(|| github_v2(&as_compared(line)))
        .or_else(|| github_v1(&as_compared(line)))
}

fn github_v2(line: &str) -> Option<Command> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (info, data) = rest.split_once("::")?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    RUNNER_COMMANDS.contains(&name).then(|| Command {
        name: name.to_owned(),
        properties: properties_of(
            properties.trim(),
            ',',
            &[
                ("%0D", "\r"),
                ("%0A", "\n"),
                ("%3A", ":"),
                ("%2C", ","),
                ("%25", "%"),
            ],
        ),
        data: replaced(data, &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]),
    })
}

fn github_v1(line: &str) -> Option<Command> {
    let escapes = [
        ("%3B", ";"),
        ("%0D", "\r"),
        ("%0A", "\n"),
        ("%5D", "]"),
        ("%25", "%"),
    ];
    let (_, rest) = line.split_once("##[")?;
    let (info, data) = rest.split_once(']')?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    RUNNER_COMMANDS.contains(&name).then(|| Command {
        name: name.to_owned(),
        properties: properties_of(properties, ';', &escapes),
        data: replaced(data, &escapes),
    })
}

/// A command for the agent.
pub(crate) fn azure_command(line: &str) -> Option<Command> {
    azure_exact(line).or_else(|| azure_exact(&as_compared(line)))
}

fn azure_exact(line: &str) -> Option<Command> {
    let escapes = [
        ("%3B", ";"),
        ("%0D", "\r"),
        ("%0A", "\n"),
        ("%5D", "]"),
        ("%AZP25", "%"),
    ];
    let (_, rest) = line.split_once("##vso[")?;
    let (info, data) = rest.split_once(']')?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    (name.split('.').filter(|part| !part.is_empty()).count() == 2).then(|| Command {
        name: name.to_owned(),
        properties: properties_of(properties, ';', &escapes),
        data: replaced(data, &escapes),
    })
}

/// Whether the agent would show the line as a group, an error and so on.
pub(crate) fn azure_formatting(line: &str) -> bool {
    [line, &as_compared(line)].iter().any(|line| {
        line.strip_prefix("##[").is_some_and(|rest| {
            [
                "group]",
                "endgroup]",
                "section]",
                "warning]",
                "error]",
                "debug]",
                "command]",
            ]
            .iter()
            .any(|word| rest.starts_with(word))
        })
    })
}

fn properties_of(text: &str, separator: char, escapes: &[(&str, &str)]) -> Vec<(String, String)> {
    text.split(separator)
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (key.to_owned(), replaced(value, escapes)))
        .collect()
}

fn replaced(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| {
            text.replace(escape, plain)
        })
}

/// Reads `GITHUB_OUTPUT` and its like as the runner does on Linux; what it would refuse is an error.
pub(crate) fn file_command(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut entries = Vec::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = line
            .strip_suffix('\n')
            .ok_or("the last line has no end: the next writer appends to it")?;
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=');
        let heredoc = line.find("<<");
        match (equals, heredoc) {
            (Some(at), other) if other.is_none_or(|other| at < other) => {
                entries.push((line[..at].to_owned(), line[at + 1..].to_owned()));
            }
            (_, Some(at)) => {
                let delimiter = &line[at + 2..];
                if delimiter.is_empty() || at == 0 {
                    return Err(format!("no name or no delimiter: {line}"));
                }
                let mut value = String::new();
                loop {
                    let next = lines.next().ok_or(format!("no end line {delimiter}"))?;
                    if next.strip_suffix('\n') == Some(delimiter) {
                        break;
                    }
                    value.push_str(next);
                }
                let value = value.strip_suffix('\n').unwrap_or(&value);
                entries.push((line[..at].to_owned(), value.to_owned()));
            }
            _ => return Err(format!("neither = nor <<: {line}")),
        }
    }
    Ok(entries)
}

#[test]
fn the_readers_understand_what_they_must() {
    let command = github_command("  ::error file=a%2Cb,line=3::100%25%0A::x").unwrap();
    assert_eq!(command.name, "error");
    assert_eq!(command.property("file"), Some("a,b"));
    assert_eq!(command.data, "100%\n::x");
    assert!(github_command("text ##[add-mask]x").is_some());
    assert!(github_command("\u{200b}::add-mask::x").is_some());
    assert!(github_command("text ::error::x").is_none());
    assert!(github_command("::nothing::x").is_none());
    let command = azure_command("x ##vso[task.setvariable variable=a%3Bb;]50%AZP25 %25").unwrap();
    assert_eq!(command.property("VARIABLE"), Some("a;b"));
    assert_eq!(command.data, "50% %25");
    assert!(azure_command("##\u{ad}vso[task.complete]").is_some());
    assert!(azure_formatting("##[error]x") && !azure_formatting("x ##[error]"));
    assert_eq!(
        file_command("a=1<<2\nb<<E\nx\n\nE\n").unwrap(),
        [
            ("a".to_owned(), "1<<2".to_owned()),
            ("b".to_owned(), "x\n".to_owned())
        ]
    );
    assert!(file_command("a=1").is_err());
    assert!(file_command("b<<E\nx\n").is_err());
    assert!(file_command("plain\n").is_err());
}
