//! Schedules. They are kept and never fire: nothing here happens by the clock.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::asset::shape;
use super::operation::{self, Location};
use crate::emulator::clock;
use crate::emulator::operation::Progress;
use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::state::State;

/// How operations on schedules are named.
const OPERATION: &str = "s";

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    properties: Value,
    created: OffsetDateTime,
    modified: OffsetDateTime,
    /// Until this operation is done, the schedule is being made.
    operation: String,
    is_ready: bool,
}

pub(crate) fn handle(state: &State, call: &Call, rest: &[&str]) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let rows = state.schedules.list();
            let shown = rows.iter().filter(|(_, row)| listed(call, row));
            let bodies = shown.map(|(name, row)| body(name, row));
            Ok(request::list(&bodies.collect::<Vec<_>>()))
        }
        ("GET", [name]) => get(state, name),
        ("PUT", [name]) => put(state, call, name),
        ("DELETE", [name]) => delete(state, call, name),
        (method, rest) => Err(Problem::not_implemented(&format!(
            "{method} schedules{}",
            shape(rest)
        ))),
    }
}

/// `listViewType`: only those that are switched on, unless others are asked for.
fn listed(call: &Call, row: &Schedule) -> bool {
    let enabled = row.properties["isEnabled"] != json!(false);
    match call.query("listViewType") {
        Some("All") => true,
        Some("DisabledOnly") => !enabled,
        Some(_) | None => enabled,
    }
}

fn get(state: &State, name: &str) -> Reply {
    let Some(mut row) = state.schedules.get(name) else {
        let message = format!("Resource Trigger {name} not found");
        return Err(Problem::user(StatusCode::NOT_FOUND, message, &["NotFound"]));
    };
    if !row.is_ready && state.operations.look(&row.operation) != Some(Progress::Running) {
        row.is_ready = true;
        state.schedules.update(name, |row| row.is_ready = true);
    }
    Ok(request::ok(&body(name, &row)))
}

/// Without `id` and `type`, as the service answers.
fn body(name: &str, row: &Schedule) -> Value {
    json!({
        "name": name, "properties": answered(row),
        "systemData": State::system_data(row.created, row.modified),
    })
}

fn answered(row: &Schedule) -> Value {
    let mut properties = row.properties.clone();
    let word = if row.is_ready {
        "Succeeded"
    } else {
        "Creating"
    };
    properties["provisioningState"] = word.into();
    properties
}

fn put(state: &State, call: &Call, name: &str) -> Reply {
    let mut sent = call.json()?;
    let properties = &mut sent["properties"];
    refuse_bad(state, properties)?;
    if properties["isEnabled"].is_null() {
        properties["isEnabled"] = true.into();
    }
    let job = &mut properties["action"]["jobDefinition"];
    if job.is_object() {
        if job["experimentName"].as_str().is_none_or(str::is_empty) {
            job["experimentName"] = "Default".into();
        }
        job["status"] = "NotStarted".into();
        job["services"] = Value::Null;
    }
    let now = clock::now();
    let row = Schedule {
        properties: sent["properties"].clone(),
        created: state.schedules.get(name).map_or(now, |old| old.created),
        modified: now,
        operation: state.operations.begin(),
        is_ready: false,
    };
    state.schedules.put(name, row.clone());
    let answer = json!({"properties": answered(&row)});
    let answer = request::json(StatusCode::CREATED, &answer);
    let named = (OPERATION, row.operation.as_str());
    Ok(operation::begun(
        state,
        call,
        answer,
        named,
        Location::Resource,
    ))
}

fn delete(state: &State, call: &Call, name: &str) -> Reply {
    let Some(row) = state.schedules.get(name) else {
        return Ok(request::empty(StatusCode::NO_CONTENT));
    };
    if row.properties["isEnabled"] != json!(false) {
        return Err(Problem::bad_request(format!(
            "Schedule {name} is enabled. Disable it before it is deleted."
        )));
    }
    state.schedules.remove(name);
    let id = state.operations.begin();
    let answer = request::empty(StatusCode::ACCEPTED);
    Ok(operation::begun(
        state,
        call,
        answer,
        (OPERATION, &id),
        Location::Result,
    ))
}

fn refuse_bad(state: &State, properties: &Value) -> Result<(), Problem> {
    let trigger = &properties["trigger"];
    match trigger["triggerType"].as_str() {
        Some("Cron") => {
            let expression = trigger["expression"].as_str().unwrap_or_default();
            if !is_cron(expression) {
                return Err(Problem::bad_request(format!(
                    "The cron expression '{expression}' is invalid."
                )));
            }
        }
        Some("Recurrence") => {
            if trigger["interval"].as_i64().is_none_or(|every| every < 1) {
                return Err(Problem::bad_request("The interval must be 1 or more."));
            }
        }
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "The trigger type '{other}' is not known."
            )));
        }
        None => return Err(Problem::bad_request("The field 'trigger' is required.")),
    }
    let action = &properties["action"];
    match action["actionType"].as_str() {
        Some("CreateJob") => refuse_bad_job(state, &action["jobDefinition"]),
        Some(other) => Err(Problem::not_implemented(&format!(
            "PUT schedules ({other})"
        ))),
        None => Err(Problem::bad_request("The field 'action' is required.")),
    }
}

fn refuse_bad_job(state: &State, job: &Value) -> Result<(), Problem> {
    match job["jobType"].as_str() {
        Some("Pipeline") => {}
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "Jobs of type '{other}' cannot be scheduled."
            )));
        }
        None => {
            return Err(Problem::bad_request(
                "The field 'jobDefinition' is required.",
            ));
        }
    }
    if let Some(source) = job["sourceJobId"].as_str() {
        let name = source.rsplit('/').next().unwrap_or(source);
        if state.jobs.get(name).is_none() {
            return Err(Problem::not_found(
                format!("Job {name} not found."),
                "JobNotFound",
            ));
        }
    }
    Ok(())
}

/// Five fields of numbers, names, ranges, lists and steps.
fn is_cron(expression: &str) -> bool {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "*,-/?#".contains(letter);
    fields.len() == 5 && fields.iter().all(|field| field.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_have_five_fields() {
        for good in ["0 * * * *", "15 10 * * 1", "*/5 0-6 1,15 JAN MON-FRI"] {
            assert!(is_cron(good), "{good}");
        }
        for bad in ["", "hourly", "* * * *", "* * * * * *", "0 * * * $"] {
            assert!(!is_cron(bad), "{bad}");
        }
    }
}
