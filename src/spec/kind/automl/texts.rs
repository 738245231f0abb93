//! Classification of texts and recognition of names in them: what their jobs say besides their data.

use serde_json::Value;

use super::shape::{Literal, Row, Shape, row};
use super::space::{Domain, Form, Parameter, parameter, spaces};
use super::sweep::SWEEP;
use super::words;
use crate::spec::fields::Field;
use crate::spec::io::Spelling;
use crate::spec::problem::Report;

pub(super) const COMMON: &[Row] = &[
    row("log_verbosity", Shape::Word(words::VERBOSITY)).or_in_jobs(Literal::Word("info")),
    row("limits", Shape::Table(LIMITS))
        .sent("limitSettings")
        .or(Literal::Defaults(LIMITS)),
    row("featurization", Shape::Table(FEATURIZATION)).sent("featurizationSettings"),
    row("sweep", Shape::Other(sweep)).sent("sweepSettings"),
    row("training_parameters", Shape::Table(PARAMETERS)).sent("fixedParameters"),
    row("search_space", Shape::Other(search_space)),
];

pub(super) const CLASSIFICATION: &[Row] = &[
    row(
        "primary_metric",
        Shape::OpenWord(words::CLASSIFICATION_METRICS),
    )
    .or(Literal::Word("accuracy")),
    row("target_column_name", Shape::Text).required(),
];
pub(super) const MULTILABEL: &[Row] = &[
    ONLY_METRIC,
    row("target_column_name", Shape::Text).required(),
];
pub(super) const NER: &[Row] = &[
    ONLY_METRIC,
    row("target_column_name", Shape::Text).not_sent(),
];

/// The service knows one metric for these two, and jobs do not name it.
const ONLY_METRIC: Row = row("primary_metric", Shape::OpenWord(words::ACCURACY))
    .or_in_steps(Literal::Word("accuracy"))
    .not_sent();

const LIMITS: &[Row] = &[
    row("max_trials", Shape::Integer).or(Literal::Integer(1)),
    row("max_nodes", Shape::Integer).or(Literal::Integer(1)),
    row("max_concurrent_trials", Shape::Integer),
    row("timeout_minutes", Shape::Minutes).sent("timeout"),
    row("trial_timeout_minutes", Shape::Minutes).sent("trialTimeout"),
];

const FEATURIZATION: &[Row] = &[row("dataset_language", Shape::Text)];

const PARAMETERS: &[Row] = &[
    row("gradient_accumulation_steps", Shape::Integer),
    row("learning_rate", Shape::Number),
    row(
        "learning_rate_scheduler",
        Shape::Word(words::TEXT_SCHEDULERS),
    ),
    row("model_name", Shape::Text),
    row("number_of_epochs", Shape::Integer),
    row("training_batch_size", Shape::Integer),
    row("validation_batch_size", Shape::Integer),
    row("warmup_ratio", Shape::Number),
    row("weight_decay", Shape::Number),
];

const SPACE: &[Parameter] = &[
    parameter("gradient_accumulation_steps", Domain::Whole),
    parameter("learning_rate", Domain::Float),
    parameter(
        "learning_rate_scheduler",
        Domain::Word(words::TEXT_SCHEDULERS),
    ),
    parameter("model_name", Domain::Text),
    parameter("number_of_epochs", Domain::Whole),
    parameter("training_batch_size", Domain::Whole),
    parameter("validation_batch_size", Domain::Whole),
    parameter("warmup_ratio", Domain::Float),
    parameter("weight_decay", Domain::Float),
];

fn search_space(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let form = match spelling {
        Spelling::Job => Form::Expressions,
        Spelling::Step => Form::Structures,
    };
    spaces(field, &[SPACE], form, spelling, report)
}

/// Azure's SDK refuses the `sweep` of a text step: it cannot write down what it read.
fn sweep(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    match spelling {
        Spelling::Job => {
            super::shape::read_table(field, SWEEP, spelling, report).map(Value::Object)
        }
        Spelling::Step => {
            field.problem(
                report,
                "a step with a text task cannot sweep, only a job of its own can; leave `sweep` out",
            );
            None
        }
    }
}
