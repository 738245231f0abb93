//! How the sweep of a text or image task samples and when it ends early. It does not know the search space.

use serde_json::{Map, Value};

use super::shape::{Literal, Row, Shape, read_rows, row};
use crate::spec::fields::{Case, Field};
use crate::spec::io::Spelling;
use crate::spec::problem::Report;
use crate::spec::python;
use crate::spec::sweep;

pub(super) const SWEEP: &[Row] = &[
    row("sampling_algorithm", Shape::Other(sampling_algorithm)).required(),
    row("early_termination", Shape::Other(early_termination)),
];

const EVALUATION: [Row; 2] = [
    row("delay_evaluation", Shape::Integer).or(Literal::Integer(0)),
    row("evaluation_interval", Shape::Integer).or(Literal::Integer(0)),
];

/// Policies as the service spells them, and what each says.
const POLICIES: [(&str, &[Row]); 3] = [
    (
        "Bandit",
        &[
            EVALUATION[0],
            EVALUATION[1],
            row("slack_factor", Shape::Number).or(Literal::Integer(0)),
            row("slack_amount", Shape::Number).or(Literal::Integer(0)),
        ],
    ),
    (
        "MedianStopping",
        &[
            EVALUATION[0],
            row("evaluation_interval", Shape::Integer).or(Literal::Integer(1)),
        ],
    ),
    (
        "TruncationSelection",
        &[
            EVALUATION[0],
            EVALUATION[1],
            row("truncation_percentage", Shape::Integer).required(),
        ],
    ),
];

/// The SDK cannot write down the settings of an algorithm for a job; for a step it can.
fn sampling_algorithm(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    match (field.node.entries(), spelling) {
        (None, _) => field
            .choice(report, &sweep::ALGORITHMS, Case::Lower)
            .map(Value::String),
        (Some(_), Spelling::Step) => sweep::sampling_algorithm(field, spelling, report),
        (Some(_), Spelling::Job) => {
            field.problem(
                report,
                "a job can only name the algorithm, such as `random`, and not say how it samples",
            );
            None
        }
    }
}

fn early_termination(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let names = POLICIES.map(|(name, _)| python::camel_to_snake(name));
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &names.each_ref().map(String::as_str), Case::Snake)?;
    let (name, rows) = POLICIES
        .into_iter()
        .find(|(name, _)| python::camel_to_snake(name) == kind)?;
    let mut body = Map::new();
    match spelling {
        Spelling::Job => body.insert("policyType".into(), name.into()),
        Spelling::Step => body.insert("type".into(), kind.into()),
    };
    body.extend(read_rows(&mut fields, rows, spelling, report));
    fields.refuse_rest(report);
    Some(Value::Object(body))
}
