//! What a job may ask of Azure and cannot have here: refused by name, for a 201 to a distributed job that then runs once, or to a mounted
//! input whose changes are lost, would be a lie. What only says which machine to take (size, memory, queue) is no promise and is let pass.

use serde_json::{Map, Value};

use crate::emulator::problem::Problem;

/// Refuses what a command job's body asks for in vain.
pub(super) fn refuse_in_command(sent: &Map<String, Value>) -> Result<(), Problem> {
    let field = |name: &str| sent.get(name).unwrap_or(&Value::Null);
    refuse_many(
        field("distribution"),
        &field("resources")["instanceCount"],
        field("services"),
    )?;
    refuse_modes(field("inputs"), field("outputs"))
}

/// The same for a pipeline's own inputs and outputs.
pub(super) fn refuse_in_pipeline(sent: &Map<String, Value>) -> Result<(), Problem> {
    let field = |name: &str| sent.get(name).unwrap_or(&Value::Null);
    refuse_modes(field("inputs"), field("outputs"))
}

/// The same for a step: what the node says, else what its component says.
pub(super) fn refuse_in_step(node: &Value, spec: &Value) -> Result<(), Problem> {
    let either = |at: &str| {
        let own = node.pointer(at).filter(|own| !own.is_null());
        own.or_else(|| spec.pointer(at)).unwrap_or(&Value::Null)
    };
    refuse_many(
        either("/distribution"),
        either("/resources/instance_count"),
        either("/services"),
    )?;
    refuse_modes(&spec["inputs"], &spec["outputs"])?;
    refuse_modes(&node["inputs"], &node["outputs"])
}

fn refused(what: &str) -> Problem {
    Problem::not_implemented(&format!("PUT jobs ({what})"))
}

fn refuse_many(distribution: &Value, count: &Value, services: &Value) -> Result<(), Problem> {
    if let Some(distribution) = distribution.as_object() {
        let kind = ["distributionType", "distribution_type", "type"]
            .iter()
            .find_map(|name| distribution.get(*name)?.as_str());
        return Err(refused(&format!("distribution {}", kind.unwrap_or(""))));
    }
    let count = count
        .as_str()
        .map_or_else(|| count.to_string(), str::to_owned);
    if count != "1" && count != "null" {
        return Err(refused(&format!("{count} instances")));
    }
    if services.as_object().is_some_and(|all| !all.is_empty()) {
        return Err(refused("services"));
    }
    Ok(())
}

fn refuse_modes(inputs: &Value, outputs: &Value) -> Result<(), Problem> {
    let refuse = |ports: &Value, way: &str, kept: &[&str], known: &[&str]| {
        for (name, port) in ports.as_object().into_iter().flatten() {
            let Some(mode) = port["mode"].as_str() else {
                continue;
            };
            let plain = plain(mode);
            if !known.contains(&plain.as_str()) {
                let what = format!("The mode '{mode}' of the {way} '{name}' is invalid.");
                return Err(Problem::bad_request(what));
            }
            if !kept.contains(&plain.as_str()) {
                return Err(refused(&format!("{way} mode {mode}")));
            }
        }
        Ok(())
    };
    let read = ["readonlymount", "romount", "download", "direct"];
    let write = ["readwritemount", "rwmount", "mount", "upload"];
    let known = [&read[..], &write, &["evalmount", "evaldownload"]].concat();
    refuse(inputs, "input", &read, &known)?;
    refuse(outputs, "output", &write, &known)
}

/// Bodies spell modes `ReadOnlyMount`, components `ro_mount`.
fn plain(mode: &str) -> String {
    mode.replace('_', "").to_lowercase()
}

/// Whether an input is handed over as the address itself.
pub(crate) fn is_direct(port: &Value) -> Option<bool> {
    port["mode"].as_str().map(|mode| plain(mode) == "direct")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(result: Result<(), Problem>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn a_step_is_judged_by_its_own_words_before_those_of_its_component() {
        let spec = json!({"resources": {"instance_count": "4"}, "distribution": null});
        let told = refusal(refuse_in_step(&json!({}), &spec));
        assert!(told.contains("4 instances"), "{told}");
        let node = json!({"resources": {"instance_count": 1}});
        assert!(refuse_in_step(&node, &spec).is_ok());
        let node = json!({"distribution": {"type": "mpi"}});
        let told = refusal(refuse_in_step(&node, &json!({})));
        assert!(told.contains("distribution mpi"), "{told}");
    }

    #[test]
    fn both_spellings_of_a_mode_are_known() {
        let ports = |mode: &str| json!({"x": {"mode": mode}});
        for mode in ["ReadOnlyMount", "ro_mount", "Download", "direct"] {
            assert!(refuse_modes(&ports(mode), &Value::Null).is_ok(), "{mode}");
        }
        for mode in ["ReadWriteMount", "rw_mount", "upload"] {
            assert!(refuse_modes(&Value::Null, &ports(mode)).is_ok(), "{mode}");
        }
        let lost = refusal(refuse_modes(&ports("rw_mount"), &Value::Null));
        assert!(lost.contains("input mode rw_mount"), "{lost}");
        let unknown = refusal(refuse_modes(&ports("by-post"), &Value::Null));
        assert!(unknown.contains("is invalid"), "{unknown}");
    }
}
