//! Pages for people: what ran, its steps, metrics and log. Where Azure shows its Studio, a job's link leads here. Unauthenticated, on loopback.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::clock;
use super::job::{Job, Status};
use super::problem::{Problem, xml_text};
use super::request::{self, Reply};
use super::site::ARTIFACT_CONTAINER;
use super::state::State;

const STYLE: &str = "
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 15%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:2rem 0 .5rem}a{color:#2f6fde}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;opacity:.7}td.n{font-variant-numeric:tabular-nums}
.s{display:inline-block;border-radius:1rem;padding:0 .7rem;font-size:.85rem;color:#fff;background:#6b7280}
.s.Completed{background:#15803d}.s.Failed{background:#b91c1c}.s.Running,.s.Finalizing{background:#1d4ed8}.s.Canceled,.s.CancelRequested{background:#a16207}
pre{background:color-mix(in srgb,currentColor 6%,transparent);padding:1rem;border-radius:.5rem;overflow:auto;max-height:34rem;white-space:pre-wrap}
.dim{opacity:.65}";

/// How much of a log a page shows: its end.
const SHOWN: u64 = 64 << 10;

fn page(title: &str, refresh: bool, body: &str) -> Response {
    let refresh = if refresh {
        "<meta http-equiv=\"refresh\" content=\"2\">"
    } else {
        ""
    };
    request::html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">{refresh}<title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        escape(title)
    ))
}

fn escape(text: &str) -> String {
    xml_text(text).replace('"', "&quot;")
}

fn badge(status: Status) -> String {
    let word = status.word();
    format!("<span class=\"s {word}\">{word}</span>")
}

fn duration(job: &Job) -> String {
    let Some(start) = job.started else {
        return "-".to_owned();
    };
    let spent = job.ended.unwrap_or_else(clock::now) - start;
    format!("{:.1} s", spent.as_seconds_f64())
}

fn row(job: &Job) -> String {
    format!(
        "<tr><td><a href=\"/studio/runs/{}\">{}</a></td><td>{}</td><td class=\"n\">{}</td></tr>",
        escape(&job.name),
        escape(&job.display_name),
        badge(job.status),
        duration(job)
    )
}

fn table(heads: &str, rows: &str) -> String {
    format!("<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
}

/// All jobs, newest first.
pub(crate) fn index(state: &State) -> Response {
    let mut jobs = state.jobs.roots();
    jobs.reverse();
    let rows: String = jobs.iter().map(row).collect();
    let list = if rows.is_empty() {
        "<p class=\"dim\">Nothing has run yet.</p>".to_owned()
    } else {
        table("<th>Job</th><th>Status</th><th>Duration</th>", &rows)
    };
    let title = format!("{} (emulator)", state.site.workspace);
    let body = format!("<h1>{}</h1>{list}", escape(&title));
    page(&title, jobs.iter().any(|job| !job.status.is_final()), &body)
}

/// One job with everything known of it.
pub(crate) fn run(state: &State, name: &str) -> Reply {
    let Some(job) = state.jobs.get(name) else {
        let message = format!("There is no job {name}.");
        return Err(Problem::arm(StatusCode::NOT_FOUND, "NotFound", message));
    };
    let children = state.jobs.children(&job);
    let up = job.parent.as_ref().map_or_else(
        || "<a href=\"/studio\">All jobs</a>".to_owned(),
        |parent| format!("<a href=\"/studio/runs/{}\">Pipeline</a>", escape(parent)),
    );
    let mut body = format!(
        "<p>{up}</p><h1>{} {}</h1><p class=\"dim\">{} in {}, {}, created {}</p>",
        escape(&job.display_name),
        badge(job.status),
        escape(&job.name),
        escape(&job.experiment),
        duration(&job),
        clock::short(job.created)
    );
    if let Some(message) = job
        .error
        .as_ref()
        .and_then(|error| error["error"]["message"].as_str())
    {
        body.push_str(&format!("<h2>Error</h2><pre>{}</pre>", escape(message)));
    }
    if !children.is_empty() {
        let rows: String = children.iter().map(row).collect();
        body.push_str("<h2>Steps</h2>");
        body.push_str(&table(
            "<th>Step</th><th>Status</th><th>Duration</th>",
            &rows,
        ));
    }
    body.push_str(&metrics(&job, &children));
    body.push_str(&outputs(&job));
    body.push_str(&logs(state, &job));
    Ok(page(&job.display_name, !job.status.is_final(), &body))
}

fn metrics(job: &Job, children: &[Job]) -> String {
    let mut rows = String::new();
    for one in std::iter::once(job).chain(children) {
        for (key, metric) in one.last_metrics() {
            rows.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
                escape(&one.display_name),
                escape(key),
                escape(&value_text(&metric.value))
            ));
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let heads = "<th>Run</th><th>Metric</th><th>Value</th>";
    format!("<h2>Metrics</h2>{}", table(heads, &rows))
}

fn value_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn outputs(job: &Job) -> String {
    let rows: String = job
        .outputs
        .iter()
        .map(|(name, output)| {
            let registered = output.registered.as_deref().unwrap_or("");
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(name),
                escape(&output.uri),
                escape(registered)
            )
        })
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let heads = "<th>Output</th><th>Where</th><th>Registered as</th>";
    format!("<h2>Outputs</h2>{}", table(heads, &rows))
}

fn logs(state: &State, job: &Job) -> String {
    let shown = job.logs.iter().filter_map(|log| {
        let path = format!("{}{log}", Job::log_prefix(&job.name));
        let content = state.blobs.get(ARTIFACT_CONTAINER, &path).ok()?.content;
        let from = content.len().saturating_sub(SHOWN);
        let bytes = content.read(from, content.len() - from).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(format!(
            "<h2>{}</h2><pre>{}</pre>",
            escape(log),
            escape(&text)
        ))
    });
    shown.collect()
}
