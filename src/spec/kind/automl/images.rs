//! Classification of images, detection of objects and segmentation: what their jobs say besides their data.

use serde_json::Value;

use super::shape::{Literal, Row, Shape, read_rows, row};
use super::space::{Domain, Form, Parameter, parameter, spaces};
use super::sweep::SWEEP;
use super::words;
use crate::spec::fields::Field;
use crate::spec::io::Spelling;
use crate::spec::problem::Report;

pub(super) const COMMON: &[Row] = &[
    row("log_verbosity", Shape::Word(words::VERBOSITY)).or(Literal::Word("info")),
    row("target_column_name", Shape::Text).required(),
    row("validation_data_size", Shape::Number),
    row("limits", Shape::Table(LIMITS)).sent("limitSettings"),
    row("sweep", Shape::Table(SWEEP)).sent("sweepSettings"),
];

pub(super) const CLASSIFICATION: &[Row] = &[
    row(
        "primary_metric",
        Shape::OpenWord(words::CLASSIFICATION_METRICS),
    )
    .or(Literal::Word("accuracy")),
    CLASSIFIER,
    CLASSIFIER_SPACE,
];
pub(super) const MULTILABEL: &[Row] = &[
    row("primary_metric", Shape::OpenWord(words::MULTILABEL_METRICS)).or(Literal::Word("iou")),
    CLASSIFIER,
    CLASSIFIER_SPACE,
];
/// Of objects, and of their outlines.
pub(super) const DETECTION: &[Row] = &[
    row("primary_metric", Shape::OpenWord(words::PRECISION))
        .or(Literal::Word("mean_average_precision")),
    row("training_parameters", Shape::Other(detector)).sent("modelSettings"),
    row("search_space", Shape::Other(detector_space)),
];

const CLASSIFIER: Row = row("training_parameters", Shape::Other(classifier)).sent("modelSettings");
const CLASSIFIER_SPACE: Row = row("search_space", Shape::Other(classifier_space));

const LIMITS: &[Row] = &[
    row("max_concurrent_trials", Shape::Integer),
    row("max_trials", Shape::Integer),
    row("timeout_minutes", Shape::Minutes).sent("timeout"),
];

const MODEL: &[Row] = &[
    row("ams_gradient", Shape::Flag),
    row("advanced_settings", Shape::Text),
    row("beta1", Shape::Number),
    row("beta2", Shape::Number),
    row("checkpoint_frequency", Shape::Integer),
    row("checkpoint_run_id", Shape::Text),
    row("distributed", Shape::Flag),
    row("early_stopping", Shape::Flag),
    row("early_stopping_delay", Shape::Integer),
    row("early_stopping_patience", Shape::Integer),
    row("evaluation_frequency", Shape::Integer),
    row("enable_onnx_normalization", Shape::Flag),
    row("gradient_accumulation_step", Shape::Integer),
    row("layers_to_freeze", Shape::Integer),
    row("learning_rate", Shape::Number),
    row(
        "learning_rate_scheduler",
        Shape::Word(words::IMAGE_SCHEDULERS),
    ),
    row("model_name", Shape::Text),
    row("momentum", Shape::Number),
    row("nesterov", Shape::Flag),
    row("number_of_epochs", Shape::Integer),
    row("number_of_workers", Shape::Integer),
    row("optimizer", Shape::Word(words::OPTIMIZERS)),
    row("random_seed", Shape::Integer),
    row("step_lr_gamma", Shape::Number).sent("stepLRGamma"),
    row("step_lr_step_size", Shape::Integer).sent("stepLRStepSize"),
    row("training_batch_size", Shape::Integer),
    row("validation_batch_size", Shape::Integer),
    row("warmup_cosine_lr_cycles", Shape::Number).sent("warmupCosineLRCycles"),
    row("warmup_cosine_lr_warmup_epochs", Shape::Integer).sent("warmupCosineLRWarmupEpochs"),
    row("weight_decay", Shape::Number),
];
const CLASSIFIER_MODEL: &[Row] = &[
    row("training_crop_size", Shape::Integer),
    row("validation_crop_size", Shape::Integer),
    row("validation_resize_size", Shape::Integer),
    row("weighted_loss", Shape::Integer),
];
const DETECTOR_MODEL: &[Row] = &[
    row("box_detections_per_image", Shape::Integer),
    row("box_score_threshold", Shape::Number),
    row("image_size", Shape::Integer),
    row("max_size", Shape::Integer),
    row("min_size", Shape::Integer),
    row("model_size", Shape::Word(words::MODEL_SIZES)),
    row("multi_scale", Shape::Flag),
    row("nms_iou_threshold", Shape::Number),
    row("tile_grid_size", Shape::Text),
    row("tile_overlap_ratio", Shape::Number),
    row("tile_predictions_nms_threshold", Shape::Number),
    row("validation_iou_threshold", Shape::Number),
    row(
        "validation_metric_type",
        Shape::Word(words::VALIDATION_METRICS),
    ),
    row("log_training_metrics", Shape::Other(training_metrics)),
    row("log_validation_loss", Shape::Other(validation_loss)),
];

fn classifier(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    model(field, CLASSIFIER_MODEL, spelling, report)
}

fn detector(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    model(field, DETECTOR_MODEL, spelling, report)
}

fn model(field: &Field<'_>, own: &[Row], spelling: Spelling, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let mut body = read_rows(&mut fields, MODEL, spelling, report);
    body.extend(read_rows(&mut fields, own, spelling, report));
    fields.refuse_rest(report);
    Some(Value::Object(body))
}

fn training_metrics(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    switch(field, "LogTrainingMetrics", spelling, report)
}

fn validation_loss(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    switch(field, "LogValidationLoss", spelling, report)
}

/// `enable` or `disable`. A step has these two as the SDK writes them: as Python shows the member of its enumeration.
fn switch(
    field: &Field<'_>,
    enumeration: &str,
    spelling: Spelling,
    report: &mut Report,
) -> Option<Value> {
    let closed = Field::at_path(field.node, &field.path);
    let word = closed.choice(
        report,
        &["enable", "disable"],
        crate::spec::fields::Case::Snake,
    )?;
    Some(match spelling {
        Spelling::Job => crate::spec::settings::capitalized(&word).into(),
        Spelling::Step => format!("{enumeration}.{}", word.to_uppercase()).into(),
    })
}

const SPACE: &[Parameter] = &[
    parameter("ams_gradient", Domain::Flag),
    parameter("beta1", Domain::Float),
    parameter("beta2", Domain::Float),
    parameter("distributed", Domain::Flag),
    parameter("early_stopping", Domain::Flag),
    parameter("early_stopping_delay", Domain::Stepped),
    parameter("early_stopping_patience", Domain::Stepped),
    parameter("evaluation_frequency", Domain::Stepped),
    parameter("enable_onnx_normalization", Domain::Flag),
    parameter("gradient_accumulation_step", Domain::Stepped),
    parameter("layers_to_freeze", Domain::Stepped),
    parameter("learning_rate", Domain::Float),
    parameter(
        "learning_rate_scheduler",
        Domain::Word(words::IMAGE_SCHEDULERS),
    ),
    parameter("model_name", Domain::Text),
    parameter("momentum", Domain::Float),
    parameter("nesterov", Domain::Flag),
    parameter("number_of_epochs", Domain::Stepped),
    parameter("number_of_workers", Domain::Stepped),
    parameter("optimizer", Domain::Word(words::OPTIMIZERS)),
    parameter("random_seed", Domain::Stepped),
    parameter("step_lr_gamma", Domain::Float).sent("stepLRGamma"),
    parameter("step_lr_step_size", Domain::Stepped).sent("stepLRStepSize"),
    parameter("training_batch_size", Domain::Stepped),
    parameter("validation_batch_size", Domain::Stepped),
    parameter("warmup_cosine_lr_cycles", Domain::Float).sent("warmupCosineLRCycles"),
    parameter("warmup_cosine_lr_warmup_epochs", Domain::Stepped).sent("warmupCosineLRWarmupEpochs"),
    parameter("weight_decay", Domain::Float),
];
const CLASSIFIER_PARAMETERS: &[Parameter] = &[
    parameter("training_crop_size", Domain::Stepped),
    parameter("validation_crop_size", Domain::Stepped),
    parameter("validation_resize_size", Domain::Stepped),
    parameter("weighted_loss", Domain::Stepped),
];
const DETECTOR_PARAMETERS: &[Parameter] = &[
    parameter("box_detections_per_image", Domain::Stepped),
    parameter("box_score_threshold", Domain::Float),
    parameter("image_size", Domain::Stepped),
    parameter("max_size", Domain::Stepped),
    parameter("min_size", Domain::Stepped),
    parameter("model_size", Domain::Word(words::MODEL_SIZES)),
    parameter("multi_scale", Domain::Flag),
    parameter("nms_iou_threshold", Domain::Float),
    parameter("tile_grid_size", Domain::Text),
    parameter("tile_overlap_ratio", Domain::Float),
    parameter("tile_predictions_nms_threshold", Domain::Float),
    parameter("validation_iou_threshold", Domain::Float),
    parameter(
        "validation_metric_type",
        Domain::Word(words::VALIDATION_METRICS),
    ),
];

fn classifier_space(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let parameters = [SPACE, CLASSIFIER_PARAMETERS];
    spaces(field, &parameters, Form::Expressions, spelling, report)
}

fn detector_space(field: &Field<'_>, spelling: Spelling, report: &mut Report) -> Option<Value> {
    let parameters = [SPACE, DETECTOR_PARAMETERS];
    spaces(field, &parameters, Form::Expressions, spelling, report)
}
