//! `type: pipeline`: a component that is a graph of steps. It does not know the steps; the graph tells it which of its inputs they use.

use std::path::Path;

use super::{Component, Port};
use crate::spec::fields::Fields;
use crate::spec::io;
use crate::spec::kind::{Binding, Planned, Ports, plan_graph};
use crate::spec::session::Session;

/// The fields of a pipeline component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    component: &mut Component,
) {
    component.archived = None;
    component.read_common(&mut fields, None, &mut session.report);
    let properties = fields.read("properties", &mut session.report, io::values);
    component.properties = properties;
    let at = fields.at().clone();
    component.read_ports(&mut fields, &mut session.report);
    let ports = Ports::of_declarations(&component.inputs, &component.outputs);
    let planned = fields
        .take("jobs")
        .filter(|field| !field.node.is_null())
        .and_then(|field| plan_graph(session, &field, ports, base));
    let Planned {
        jobs,
        without_compute,
        bindings,
        steps: _,
    } = planned.unwrap_or_default();
    for (input, steps) in infer_optional(component, &bindings) {
        let path = crate::spec::fields::join(&at.path, &format!("inputs.{input}"));
        let node = at.node.get("inputs").and_then(|inputs| inputs.get(&input));
        let message = format!(
            "the input is optional, but {} cannot do without it",
            steps.join(", ")
        );
        session.report.add(node.unwrap_or(at.node), &path, message);
    }
    component.used = used(&component.inputs, &bindings);
    component.without_compute = without_compute;
    component.spec.put_filled("jobs", jobs);
    component.put_rest(fields);
}

/// The inputs that some step binds to.
pub(in crate::spec) fn used(inputs: &[(String, Port)], bindings: &[Binding]) -> Vec<String> {
    let known = inputs.iter().map(|(name, _)| name);
    let bound = |name: &&String| bindings.iter().any(|binding| binding.inputs.contains(name));
    known.filter(bound).cloned().collect()
}

/// An input that only optional inputs are bound to becomes optional, unless it says what it is. The answer: the inputs that say so and
/// the ports that need them all the same. Step by step, as the SDK goes through them, because a later one may take back what an
/// earlier one concluded.
fn infer_optional(component: &mut Component, bindings: &[Binding]) -> Vec<(String, Vec<String>)> {
    let mut contradicted = Vec::new();
    let mut inferred: Vec<String> = Vec::new();
    for of_step in bindings.chunk_by(|one, next| one.step == next.step) {
        for (name, port) in &mut component.inputs {
            let bound: Vec<_> = of_step
                .iter()
                .filter(|binding| binding.inputs.contains(name))
                .collect();
            if bound.is_empty() || bound.iter().any(|binding| binding.required.is_none()) {
                continue;
            }
            let spaced = bound.iter().any(|binding| binding.spaced);
            let needed: Vec<String> = bound
                .iter()
                .filter(|binding| binding.required == Some(true))
                // A name that is bound with blanks in the expression hides the port of the same name from the SDK.
                .filter(|binding| !(spaced && binding.port == *name))
                .map(|binding| format!("`{}.inputs.{}`", binding.step, binding.port))
                .collect();
            match (port.optional, needed.is_empty()) {
                (None, true) => {
                    port.optional = Some(true);
                    inferred.push(name.clone());
                }
                (Some(true), false) if inferred.contains(name) => {
                    port.optional = None;
                    inferred.retain(|known| known != name);
                }
                (Some(true), false) => contradicted.push((name.clone(), needed)),
                (None | Some(_), _) => {}
            }
        }
    }
    if let Some(inputs) = component.spec.object_mut("inputs") {
        for name in &inferred {
            if let Some(body) = inputs.object_mut(name) {
                body.put("optional", true);
            }
        }
    }
    contradicted
}
