//! Run history and the data plane's resolving of output ids.

use serde_json::{Map, Value, json};

use super::job;
use super::run;
use crate::emulator::asset::AssetKind;
use crate::emulator::problem::Problem;
use crate::emulator::reference::{self, Reference};
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

/// `/history/v1.0<workspace>/...`, with or without an experiment in between.
pub(crate) fn handle(state: &State, call: &Call, rest: &[&str]) -> Reply {
    let rest = match rest {
        [kind, _, inner @ ..]
            if kind.eq_ignore_ascii_case("experiments")
                || kind.eq_ignore_ascii_case("experimentids") =>
        {
            inner
        }
        other => other,
    };
    match (call.method.as_str(), rest) {
        ("GET", ["runs", name]) => {
            let job = find(state, name)?;
            Ok(request::ok(&run::run(state, &job)))
        }
        ("GET", ["runs", name, "details"]) => {
            let job = find(state, name)?;
            Ok(request::ok(&run::details(state, &job)))
        }
        ("GET", ["runs", name, "children"]) => children(state, call, name),
        ("PATCH", ["runs", name]) => patch(state, call, name),
        ("POST", ["rundata"]) => run_data(state, call),
        (method, rest) => {
            let words = rest.iter().enumerate();
            let shape: Vec<&str> = words
                .map(|(at, word)| if at == 1 { "{name}" } else { word })
                .collect();
            Err(Problem::not_implemented(&format!(
                "{method} history {}",
                shape.join("/")
            )))
        }
    }
}

fn find(state: &State, name: &str) -> Result<crate::emulator::job::Job, Problem> {
    job::find(state, name).map_err(|_job_words| {
        Problem::not_found(format!("Run {name} was not found."), "RunNotFound")
    })
}

fn children(state: &State, call: &Call, name: &str) -> Reply {
    let parent = find(state, name)?;
    let children = state.jobs.children(&parent);
    let from = call
        .query("$continuationToken")
        .or_else(|| call.query("continuationToken"))
        .and_then(|token| token.parse::<usize>().ok())
        .unwrap_or(0);
    let size = call
        .query("$top")
        .and_then(|top| top.parse::<usize>().ok())
        .unwrap_or(500)
        .clamp(1, 500);
    let page: Vec<Value> = children
        .iter()
        .skip(from)
        .take(size)
        .map(|child| run::run(state, child))
        .collect();
    let next = from + page.len();
    let token = (next < children.len()).then(|| next.to_string());
    let link = token.as_ref().map(|token| {
        format!(
            "{}/history/v1.0{}/runs/{name}/children?$top={size}&$continuationToken={token}",
            state.site.endpoint,
            state.site.id()
        )
    });
    Ok(request::ok(
        &json!({"value": page, "continuationToken": token, "nextLink": link}),
    ))
}

fn run_data(state: &State, call: &Call) -> Reply {
    let wish = call.json()?;
    let name = wish["runId"].as_str().unwrap_or("");
    let job = find(state, name)?;
    let chosen = |flag: &str, value: Value| {
        if wish[flag] == true {
            value
        } else {
            Value::Null
        }
    };
    Ok(request::ok(&json!({
        "runMetadata": run::run(state, &job),
        "runDefinition": chosen("selectRunDefinition", json!({})),
        "jobSpecification": chosen("selectJobSpecification", json!({"name": job.name, "properties": job.body})),
        "systemSettings": null,
    })))
}

fn patch(state: &State, call: &Call, name: &str) -> Reply {
    find(state, name)?;
    let change = call.json()?;
    let merge = |into: &mut Map<String, Value>, what: &Value| {
        for (key, value) in what.as_object().into_iter().flatten() {
            if value.is_null() {
                into.remove(key);
            } else {
                into.insert(key.clone(), value.clone());
            }
        }
    };
    state.jobs.update(name, |job| {
        if let Some(text) = change["displayName"].as_str() {
            text.clone_into(&mut job.display_name);
        }
        if change.get("description").is_some() {
            job.description = change["description"].clone();
        }
        if let Some(hidden) = change["hidden"].as_bool() {
            job.is_archived = hidden;
        }
        merge(&mut job.tags, &change["tags"]);
        merge(&mut job.properties, &change["properties"]);
    });
    let job = find(state, name)?;
    Ok(request::ok(&run::run(state, &job)))
}

/// `POST /data/v1.0<workspace>/dataversion/batchGetResolvedUris`.
pub(crate) fn resolve_uris(state: &State, call: &Call) -> Reply {
    let wish = call.json()?;
    let mut values = Map::new();
    for id in wish["values"].as_array().into_iter().flatten() {
        let Some(id) = id.as_str() else { continue };
        let found = match reference::parse(id, AssetKind::Data) {
            Some(Reference::Asset(AssetKind::Data, name, pick)) => {
                state.assets.find(AssetKind::Data, &name, &pick)
            }
            Some(Reference::Asset(..) | Reference::Curated(_)) | None => None,
        };
        let Some(version) = found else {
            return Err(Problem::not_found(
                format!("Data version {id} not found."),
                "DataVersionNotFound",
            ));
        };
        let properties = &version.properties;
        let kind = match properties["dataType"].as_str() {
            Some("uri_file") => "UriFile",
            Some("mltable") => "MLTable",
            Some(_) | None => "UriFolder",
        };
        values.insert(
            id.to_owned(),
            json!({"uri": properties["dataUri"], "type": kind}),
        );
    }
    Ok(request::ok(&json!({ "values": values })))
}
