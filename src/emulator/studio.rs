//! Pages for people: what ran, its steps, metrics and log. Where Azure shows its Studio, a job's link leads here. Unauthenticated, on loopback.
//! Everything that a job could have had a say in is escaped, and the page may run no script.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::blob::sas;
use super::clock;
use super::job::{Job, Output, Status};
use super::problem::{Problem, xml_text};
use super::request::{self, Reply};
use super::site::ARTIFACT_CONTAINER;
use super::state::State;

const STYLE: &str = "
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 15%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:2rem 0 .5rem}a{color:#2f6fde}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;opacity:.7}th,.s{white-space:nowrap}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.s{display:inline-block;border-radius:1rem;padding:0 .7rem;font-size:.85rem;color:#fff;background:#6b7280}
.s.Completed{background:#15803d}.s.Failed{background:#b91c1c}.s.Running,.s.Finalizing{background:#1d4ed8}.s.Canceled,.s.CancelRequested{background:#a16207}
pre{background:color-mix(in srgb,currentColor 6%,transparent);padding:1rem;border-radius:.5rem;overflow:auto;max-height:34rem;white-space:pre-wrap;margin:.5rem 0}
pre.e,.w{border-left:3px solid #b91c1c}.w{display:block;padding-left:.6rem;margin-top:.3rem;white-space:pre-wrap}.dim{opacity:.65}
summary{font-weight:600;font-size:1.05rem;margin:2rem 0 .5rem;cursor:pointer}";

/// Styles and nothing else: should a text escape its escaping, it still runs nothing and fetches nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How much of a log a page shows: its end.
const SHOWN: u64 = 64 << 10;

fn page(title: &str, refresh: bool, body: &str) -> Response {
    let refresh = if refresh {
        "<meta http-equiv=\"refresh\" content=\"2\">"
    } else {
        ""
    };
    let page = request::html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">{refresh}<title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        escape(title)
    ));
    request::with(page, "content-security-policy", POLICY)
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
    let spent = (job.ended.unwrap_or_else(clock::now) - start).as_seconds_f64();
    if spent < 60.0 {
        return format!("{spent:.1} s");
    }
    format!("{:.0} min {:.0} s", (spent / 60.0).floor(), spent % 60.0)
}

fn created(job: &Job) -> String {
    clock::short(job.created)
        .replace('T', " ")
        .replace('Z', " UTC")
}

fn link(job: &Job) -> String {
    let name = request::percent_encode(&job.name);
    format!(
        "<a href=\"/studio/runs/{name}\">{}</a>",
        escape(&job.display_name)
    )
}

fn message(job: &Job) -> Option<&str> {
    job.error.as_ref()?["error"]["message"].as_str()
}

fn table(heads: &[&str], rows: &str) -> String {
    let heads: String = heads
        .iter()
        .map(|head| format!("<th>{head}</th>"))
        .collect();
    format!("<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
}

/// A part with its heading, when there is anything in it.
fn section(title: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("<h2>{title}</h2>{}", table(heads, rows))
}

/// All jobs, newest first.
pub(crate) fn index(state: &State) -> Response {
    let mut jobs = state.jobs.roots();
    jobs.reverse();
    let rows: String = jobs
        .iter()
        .map(|job| {
            format!(
                "<tr><td>{} <span class=\"dim\">{}</span></td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                link(job),
                escape(&job.name),
                escape(&job.experiment),
                badge(job.status),
                duration(job),
                created(job)
            )
        })
        .collect();
    let list = if rows.is_empty() {
        "<p class=\"dim\">Nothing has run yet.</p>".to_owned()
    } else {
        let heads = ["Job", "Experiment", "Status", "Duration", "Created"];
        table(&heads, &rows)
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
    let mut body = format!(
        "<p>{}</p><h1>{} {}</h1><p class=\"dim\">{} in {}, {}, created {}</p>",
        above(state, &job),
        escape(&job.display_name),
        badge(job.status),
        escape(&job.name),
        escape(&job.experiment),
        duration(&job),
        created(&job)
    );
    if let Some(message) = message(&job) {
        body.push_str(&format!("<pre class=\"e\">{}</pre>", escape(message)));
    }
    body.push_str(&steps(&children));
    body.push_str(&metrics(&job, &children));
    body.push_str(&inputs(&job));
    body.push_str(&outputs(&job));
    if let Some(command) = job.request["command"].as_str() {
        body.push_str(&format!("<h2>Command</h2><pre>{}</pre>", escape(command)));
    }
    body.push_str(&logs(state, &job));
    Ok(page(&job.display_name, !job.status.is_final(), &body))
}

/// The way back: all jobs, and the pipelines that a step is in.
fn above(state: &State, job: &Job) -> String {
    let mut way = String::new();
    let mut parent = job.parent.clone();
    while let Some(job) = parent.and_then(|name| state.jobs.get(&name)) {
        way = format!(" / {}{way}", link(&job));
        parent = job.parent;
    }
    format!("<a href=\"/studio\">All jobs</a>{way}")
}

fn steps(children: &[Job]) -> String {
    let row = |job: &Job| {
        let why = message(job)
            .map(|why| format!("<span class=\"w\">{}</span>", escape(why)))
            .unwrap_or_default();
        format!(
            "<tr><td>{}{why}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            link(job),
            badge(job.status),
            duration(job)
        )
    };
    let rows: String = children.iter().map(row).collect();
    section("Steps", &["Step", "Status", "Duration"], &rows)
}

fn metrics(job: &Job, children: &[Job]) -> String {
    let mut rows = String::new();
    for one in std::iter::once(job).chain(children) {
        for (key, metric) in one.last_metrics() {
            rows.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
                escape(&one.display_name),
                escape(key),
                escape(&text(&metric.value))
            ));
        }
    }
    section("Metrics", &["Run", "Metric", "Value"], &rows)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn inputs(job: &Job) -> String {
    let given = job.request["inputs"].as_object().into_iter().flatten();
    let rows: String = given
        .map(|(name, input)| {
            let value = ["uri", "value", "path"]
                .iter()
                .find_map(|field| input.get(*field));
            format!(
                "<tr><td>{}</td><td>{}</td></tr>",
                escape(name),
                escape(&short(&text(value.unwrap_or(input))))
            )
        })
        .collect();
    section("Inputs", &["Input", "Value"], &rows)
}

fn outputs(job: &Job) -> String {
    let row = |(name, output): (&String, &Output)| {
        format!(
            "<tr><td>{}</td><td title=\"{}\">{}</td><td>{}</td></tr>",
            escape(name),
            escape(&output.uri),
            escape(&short(&output.uri)),
            escape(&short(output.registered.as_deref().unwrap_or("")))
        )
    };
    let rows: String = job.outputs.iter().map(row).collect();
    section("Outputs", &["Output", "Where", "Registered as"], &rows)
}

/// An address or an id without the workspace, which is the same for all.
fn short(address: &str) -> String {
    let place = address
        .starts_with("azureml:")
        .then(|| address.split_once("/datastores/"))
        .flatten();
    if let Some((_, place)) = place {
        return place.replacen("/paths/", ": ", 1);
    }
    let asset = address
        .strip_prefix("/subscriptions/")
        .and_then(|rest| rest.split_once("/workspaces/"))
        .and_then(|(_, rest)| rest.split_once('/'));
    asset.map_or_else(
        || address.to_owned(),
        |(_, asset)| asset.replacen("/versions/", ", version ", 1),
    )
}

/// What the job wrote first, what the emulator says of it folded up behind.
fn logs(state: &State, job: &Job) -> String {
    let mut names: Vec<&String> = job.logs.iter().collect();
    names.sort_by_key(|name| name.starts_with("system_logs/"));
    let shown = names.into_iter().filter_map(|log| {
        let path = format!("{}{log}", Job::log_prefix(&job.name));
        let content = state.blobs.get(ARTIFACT_CONTAINER, &path).ok()?.content;
        let from = content.len().saturating_sub(SHOWN);
        let bytes = content.read(from, content.len() - from).ok()?;
        let open = if log.starts_with("system_logs/") {
            ""
        } else {
            " open"
        };
        let note = if from > 0 {
            format!(
                "<p class=\"dim\">The last {SHOWN} of {} bytes; the link has all.</p>",
                content.len()
            )
        } else {
            String::new()
        };
        let whole = format!(
            "{}?{}",
            state.site.blob_url(ARTIFACT_CONTAINER, &path),
            sas::read_blob(&state.site, ARTIFACT_CONTAINER, &path)
        );
        Some(format!(
            "<details{open}><summary><a href=\"{}\">{}</a></summary>{note}<pre>{}</pre></details>",
            escape(&whole),
            escape(log),
            escape(&String::from_utf8_lossy(&bytes))
        ))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_the_workspace() {
        for (long, shown) in [
            (
                "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a/b/",
                "d: a/b/",
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/models/m/versions/1",
                "models/m, version 1",
            ),
            ("${{parent.inputs.x}}", "${{parent.inputs.x}}"),
            (
                "see /workspaces/ and /datastores/",
                "see /workspaces/ and /datastores/",
            ),
        ] {
            assert_eq!(short(long), shown);
        }
    }
}
