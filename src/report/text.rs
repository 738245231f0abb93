//! The report as aligned plain text, for a terminal. The error of a failed stage is not in it: the log ends with that.

use super::{Job, PhaseKind, Report, SmokeTest, human, number, one_line};

/// Renders a report. No colours and no control characters of ours; the host cleans what is foreign.
pub fn render(report: &Report) -> String {
    let mut out = format!("{}: {}\n", report.stage, report.outcome);
    if let Some(job) = &report.job {
        render_job(&mut out, job, report.job_error());
    }
    for test in &report.smoke_tests {
        smoke_test(&mut out, test);
    }
    let job_link = report.job.as_ref().and_then(|job| job.link.as_ref());
    let resources: Vec<_> = report
        .resources
        .iter()
        .map(|resource| {
            vec![
                resource.change.as_str().to_owned(),
                resource.kind.clone(),
                match &resource.version {
                    Some(version) => format!("{}:{version}", resource.name),
                    None => resource.name.clone(),
                },
                resource
                    .link
                    .clone()
                    .filter(|link| Some(link) != job_link)
                    .unwrap_or_default(),
            ]
        })
        .collect();
    columns(&mut out, "Resources", &resources);
    phases(&mut out, report);
    let outputs: Vec<_> = report
        .other_outputs()
        .map(|(name, value)| vec![name.to_owned(), value.to_owned()])
        .collect();
    columns(&mut out, "Outputs", &outputs);
    let notes: Vec<_> = report.notes.iter().map(|note| vec![note.clone()]).collect();
    columns(&mut out, "Notes", &notes);
    out
}

fn render_job(out: &mut String, job: &Job, error: Option<&str>) {
    let mut rows = vec![vec![
        job.display_name.clone().unwrap_or_else(|| job.name.clone()),
        job.status.clone(),
        job.duration.map_or(String::new(), human),
    ]];
    if job.display_name.is_some() {
        rows[0].push(job.name.clone());
    }
    columns(out, "Job", &rows);
    if let Some(link) = &job.link {
        out.push_str(&format!("  {link}\n"));
    }
    if let Some(error) = error {
        block(out, "Error of the job", error);
    }
    let steps: Vec<_> = job
        .steps
        .iter()
        .map(|step| {
            let mut state = step.status.clone();
            if step.reused {
                state.push_str(" (reused)");
            }
            vec![
                step.name.clone(),
                state,
                step.duration.map_or(String::new(), human),
                step.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    columns(out, "Steps", &steps);
    let metrics: Vec<_> = job
        .metrics
        .iter()
        .map(|metric| {
            let name = match &metric.step {
                Some(step) => format!("{step}.{}", metric.key),
                None => metric.key.clone(),
            };
            vec![name, number(metric.value)]
        })
        .collect();
    columns(out, "Metrics", &metrics);
}

fn smoke_test(out: &mut String, test: &SmokeTest) {
    let title = format!("Smoke test of {}: {}", test.target(), test.outcome());
    let checks: Vec<_> = test
        .checks
        .iter()
        .map(|check| {
            let found = check.found.clone().unwrap_or_default();
            vec![check.verdict().to_owned(), check.rule.clone(), found]
        })
        .collect();
    columns(out, &title, &checks);
    let latency = test.latency.iter().flat_map(|latency| latency.rows());
    let row: Vec<_> = std::iter::once(test.calls_made())
        .chain(latency.map(|(name, value)| format!("{name} {value}")))
        .collect();
    columns(out, "Calls", &[row]);
}

fn phases(out: &mut String, report: &Report) {
    let row = |name: &str, took: String, kind| {
        let (working, waiting) = match kind {
            PhaseKind::Working => (took, String::new()),
            PhaseKind::Waiting => (String::new(), took),
        };
        vec![name.to_owned(), working, waiting]
    };
    let mut rows: Vec<_> = report
        .felt_phases()
        .map(|(phase, took)| row(&phase.name, human(took), phase.kind))
        .collect();
    if rows.len() > 1 {
        rows.push(vec![
            "together".to_owned(),
            report.felt_total(PhaseKind::Working),
            report.felt_total(PhaseKind::Waiting),
        ]);
    }
    if !rows.is_empty() {
        rows.insert(
            0,
            vec![String::new(), "working".to_owned(), "waiting".to_owned()],
        );
    }
    columns(out, "Time", &rows);
}

/// Rows whose columns begin below one another.
fn columns(out: &mut String, title: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    out.push_str(&format!("\n{title}\n"));
    for row in &rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let padding = width(column).saturating_sub(cell.chars().count()) + 2;
            line.push_str(cell);
            line.push_str(&" ".repeat(padding));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn block(out: &mut String, title: &str, text: &str) {
    out.push_str(&format!("\n{title}\n"));
    for line in text.lines() {
        out.push_str(format!("  {line}").trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::full;

    #[test]
    fn the_whole_text() {
        insta::assert_snapshot!(render(&full()));
    }
}
