//! The report as GitHub-flavoured Markdown, for the summaries of both CI hosts. Names, messages and links come from elsewhere:
//! none of them may become markup, and only https links are links.

use super::{Job, Report, SmokeTest, human, number, one_line};
use crate::report::PhaseKind;
use std::fmt::Write as _;

/// Longer messages are cut in tables; the log has them whole.
const CELL: usize = 300;

/// Renders a report; secrets must be out of it already, since escaping hides them from a later look.
pub fn render(report: &Report) -> String {
    let mut out = format!(
        "## {}: {}\n",
        escape(&report.stage),
        escape(&report.outcome)
    );
    if let Some(error) = &report.error {
        fenced(&mut out, error);
    }
    if let Some(text) = &report.advice {
        advice(&mut out, text);
    }
    if let Some(job) = &report.job {
        render_job(&mut out, job, report.job_error());
    }
    for test in &report.smoke_tests {
        smoke_test(&mut out, test);
    }
    resources(&mut out, report);
    phases(&mut out, report);
    let outputs: Vec<_> = report
        .other_outputs()
        .map(|(name, value)| vec![escape(name), cell(value)])
        .collect();
    table(&mut out, "Outputs", &["Output", "Value"], &outputs);
    if !report.notes.is_empty() {
        out.push('\n');
        for note in &report.notes {
            push_line(&mut out, &format!("- {}", escape(note)));
        }
    }
    out
}

/// What to do next. Several lines are something to copy; in one line addresses can be clicked.
fn advice(out: &mut String, text: &str) {
    if text.trim().contains('\n') {
        paragraph(out, "**What to do:**");
        fenced(out, text);
        return;
    }
    let words: Vec<_> = text
        .split_whitespace()
        .map(|word| {
            let link = word.starts_with("https://").then_some(word);
            linked(word, link)
        })
        .collect();
    paragraph(out, &format!("**What to do:** {}", words.join(" ")));
}

fn resources(out: &mut String, report: &Report) {
    let rows: Vec<_> = report
        .resources
        .iter()
        .map(|resource| {
            vec![
                escape(&resource.kind),
                linked(&resource.name, resource.link.as_deref()),
                resource.version.as_deref().map_or(String::new(), escape),
                resource.change.as_str().to_owned(),
            ]
        })
        .collect();
    table(
        out,
        "Resources",
        &["Kind", "Name", "Version", "Change"],
        &rows,
    );
}

fn render_job(out: &mut String, job: &Job, error: Option<&str>) {
    let name = job.display_name.as_deref().unwrap_or(&job.name);
    let mut line = format!(
        "**Job** {}: **{}**",
        linked(name, job.link.as_deref()),
        escape(&job.status)
    );
    if job.display_name.is_some() {
        let _infallible = write!(line, " ({})", escape(&job.name));
    }
    if let Some(duration) = job.duration {
        let _infallible = write!(line, ", {}", human(duration));
    }
    paragraph(out, &line);
    if let Some(error) = error {
        fenced(out, error);
    }
    let steps: Vec<_> = job
        .steps
        .iter()
        .map(|step| {
            let state = if step.reused {
                format!("{} (reused)", escape(&step.status))
            } else {
                escape(&step.status)
            };
            vec![
                escape(&step.name),
                state,
                step.duration.map_or(String::new(), human),
                step.error.as_deref().map_or(String::new(), cell),
            ]
        })
        .collect();
    table(
        out,
        "Steps",
        &["Step", "State", "Duration", "Error"],
        &steps,
    );
    let metrics: Vec<_> = job
        .metrics
        .iter()
        .map(|metric| {
            vec![
                metric.step.as_deref().map_or(String::new(), escape),
                escape(&metric.key),
                number(metric.value),
            ]
        })
        .collect();
    table(out, "Metrics", &["Step", "Metric", "Value"], &metrics);
}

fn smoke_test(out: &mut String, test: &SmokeTest) {
    let latency = test.latency.iter().flat_map(|latency| latency.rows());
    let facts: Vec<_> = std::iter::once(test.calls_made())
        .chain(latency.map(|(name, value)| format!("{name} {value}")))
        .collect();
    let line = format!(
        "**Smoke test** of {}: **{}** ({})",
        escape(&test.target()),
        test.outcome(),
        escape(&facts.join(", "))
    );
    paragraph(out, &line);
    let checks: Vec<_> = test
        .checks
        .iter()
        .map(|check| {
            let found = check.found.as_deref().map_or(String::new(), cell);
            vec![check.verdict().to_owned(), cell(&check.rule), found]
        })
        .collect();
    table(out, "Checks", &["Verdict", "Expected", "Found"], &checks);
}

fn phases(out: &mut String, report: &Report) {
    let mut rows: Vec<_> = report
        .felt_phases()
        .map(|(phase, took)| match phase.kind {
            PhaseKind::Working => vec![escape(&phase.name), human(took), String::new()],
            PhaseKind::Waiting => vec![escape(&phase.name), String::new(), human(took)],
        })
        .collect();
    if rows.len() > 1 {
        rows.push(vec![
            "Together".to_owned(),
            report.felt_total(PhaseKind::Working),
            report.felt_total(PhaseKind::Waiting),
        ]);
    }
    table(out, "Time", &["Phase", "Working", "Waiting"], &rows);
}

fn table(out: &mut String, title: &str, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    push_line(out, &format!("\n### {title}\n"));
    // Of a run without errors the column of errors would be white space.
    let filled: Vec<usize> = (0..head.len())
        .filter(|&column| rows.iter().any(|row| !row[column].is_empty()))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<_> = cells.collect();
        format!("| {} |", cells.join(" | "))
    };
    push_line(out, &line(&mut filled.iter().map(|&column| head[column])));
    push_line(out, &format!("|{}", " --- |".repeat(filled.len())));
    for row in rows {
        push_line(
            out,
            &line(&mut filled.iter().map(|&column| row[column].as_str())),
        );
    }
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn paragraph(out: &mut String, text: &str) {
    push_line(out, &format!("\n{text}"));
}

/// A block of foreign text as it is, in a fence longer than any that it holds.
fn fenced(out: &mut String, text: &str) {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    paragraph(out, &format!("{fence}text\n{}\n{fence}", text.trim_end()));
}

fn cell(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(CELL) {
        Some((at, _)) => format!("{}…", escape(&line[..at])),
        None => escape(&line),
    }
}

/// Foreign text as one line that is only text: no markup, no HTML, no table cells, no links.
pub fn escape(text: &str) -> String {
    let line = one_line(text);
    let mut out = String::with_capacity(line.len() + 8);
    let mut only_digits = true;
    for (index, c) in line.chars().enumerate() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A colon would make links of addresses and pictures of `:words:`, a dollar sign mathematics.
            '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '|' | '~' | '#' | '!' | '$' | ':' => {
                out.push('\\');
                out.push(c);
            }
            // Only at the beginning: a list or an underlined heading.
            '-' | '+' | '=' if index == 0 => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if only_digits && index > 0 => {
                out.push('\\');
                out.push(c);
            }
            _ if c.is_control() => out.push(' '),
            _ => out.push(c),
        }
        only_digits &= c.is_ascii_digit();
    }
    // GFM links what begins with `www.`, whatever is escaped around it.
    replace_ignoring_case(&out, "www.", |found| format!("{}&#46;", &found[..3]))
}

fn replace_ignoring_case(text: &str, what: &str, with: impl Fn(&str) -> String) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in lower.match_indices(what) {
        out.push_str(&text[done..at]);
        done = at + what.len();
        out.push_str(&with(&text[at..done]));
    }
    out.push_str(&text[done..]);
    out
}

/// A name with a link, if the link is one to https.
fn linked(text: &str, link: Option<&str>) -> String {
    let Some(url) = link
        .and_then(|link| url::Url::parse(link).ok())
        .filter(|url| {
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
        })
    else {
        return escape(text);
    };
    let mut destination = String::new();
    for c in url.as_str().chars() {
        match c {
            '&' => destination.push_str("&amp;"),
            '(' | ')' | '|' | '\\' | '`' | '<' | '>' | '[' | ']' | '*' | '"' | '\'' => {
                let _infallible = write!(destination, "%{:02X}", u32::from(c));
            }
            _ => destination.push(c),
        }
    }
    format!("[{}]({destination})", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::full;

    #[test]
    fn foreign_text_stays_text() {
        for (text, escaped) in [
            ("a|b", "a\\|b"),
            ("`x` *y* _z_", "\\`x\\` \\*y\\* \\_z\\_"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("a\r\nb\n\n# c", "a b \\# c"),
            ("[x](http://e)", "\\[x\\](http\\://e)"),
            ("see www.e.com WWW.E.com", "see www&#46;e.com WWW&#46;E.com"),
            ("- item", "\\- item"),
            ("12. item", "12\\. item"),
            ("1.5 - 2", "1\\.5 - 2"),
            ("&lt;", "&amp;lt;"),
            ("$x$ :tada:", "\\$x\\$ \\:tada\\:"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn only_https_is_a_link() {
        assert_eq!(
            linked("n", Some("https://e.com/a b(c)|d?x=1&y=[2]")),
            "[n](https://e.com/a%20b%28c%29%7Cd?x=1&amp;y=%5B2%5D)"
        );
        for link in [
            "http://e.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://user:pw@e.com/",
            "/relative",
            "",
        ] {
            assert_eq!(linked("n", Some(link)), "n", "{link}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        let mut out = String::new();
        fenced(&mut out, "x\n````\n<b>\n");
        assert_eq!(out, "\n`````text\nx\n````\n<b>\n`````\n");
    }

    #[test]
    fn the_whole_summary() {
        insta::assert_snapshot!(render(&full()));
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let mut out = String::new();
        let rows = [["a", "", "1"], ["b", "", ""]].map(|row| row.map(str::to_owned).to_vec());
        table(&mut out, "T", &["x", "y", "z"], &rows);
        assert_eq!(
            out,
            "\n### T\n\n| x | z |\n| --- | --- |\n| a | 1 |\n| b |  |\n"
        );
    }

    #[test]
    fn an_empty_report_is_a_heading() {
        let report = Report {
            stage: "connect".into(),
            outcome: "succeeded".into(),
            ..Report::default()
        };
        assert_eq!(render(&report), "## connect: succeeded\n");
    }
}
