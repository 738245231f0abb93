//! The table of tasks: which fields and which data each takes, and what it says of itself in a request.

use super::shape::{Row, read_rows};
use super::{images, tables, texts};
use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::io::Spelling;
use crate::spec::problem::{Report, nearest};
use crate::spec::python;

/// A task.
pub(super) struct Task {
    /// The word under `task`.
    pub(super) name: &'static str,
    /// As the service spells it.
    pub(super) sent: &'static str,
    rows: [&'static [Row]; 2],
    pub(super) data: &'static [Data],
}

/// Data that a task takes.
pub(super) struct Data {
    pub(super) yaml: &'static str,
    required: bool,
    /// Whether a job sends it.
    pub(super) sent: bool,
}

impl Data {
    pub(super) fn take<'n>(
        &self,
        fields: &mut Fields<'n>,
        report: &mut Report,
    ) -> Option<Field<'n>> {
        if self.required {
            fields.required(self.yaml, report)
        } else {
            fields.take(self.yaml)
        }
    }
}

const TRAINING: Data = Data {
    yaml: "training_data",
    required: true,
    sent: true,
};
const VALIDATION: Data = Data {
    yaml: "validation_data",
    required: false,
    sent: true,
};
const TABLES: &[Data] = &[
    TRAINING,
    VALIDATION,
    Data {
        yaml: "test_data",
        required: false,
        sent: true,
    },
];
const TEXTS: &[Data] = &[TRAINING, VALIDATION];
/// The SDK takes test data for images, and the service has no place for it in jobs.
const IMAGES: &[Data] = &[
    TRAINING,
    VALIDATION,
    Data {
        yaml: "test_data",
        required: false,
        sent: false,
    },
];

static TASKS: [Task; 10] = [
    Task {
        name: "classification",
        sent: "Classification",
        rows: [tables::COMMON, tables::CLASSIFICATION],
        data: TABLES,
    },
    Task {
        name: "regression",
        sent: "Regression",
        rows: [tables::COMMON, tables::REGRESSION],
        data: TABLES,
    },
    Task {
        name: "forecasting",
        sent: "Forecasting",
        rows: [tables::COMMON, tables::FORECASTING],
        data: TABLES,
    },
    Task {
        name: "text_classification",
        sent: "TextClassification",
        rows: [texts::COMMON, texts::CLASSIFICATION],
        data: TEXTS,
    },
    Task {
        name: "text_classification_multilabel",
        sent: "TextClassificationMultilabel",
        rows: [texts::COMMON, texts::MULTILABEL],
        data: TEXTS,
    },
    Task {
        name: "text_ner",
        sent: "TextNER",
        rows: [texts::COMMON, texts::NER],
        data: TEXTS,
    },
    Task {
        name: "image_classification",
        sent: "ImageClassification",
        rows: [images::COMMON, images::CLASSIFICATION],
        data: IMAGES,
    },
    Task {
        name: "image_classification_multilabel",
        sent: "ImageClassificationMultilabel",
        rows: [images::COMMON, images::MULTILABEL],
        data: IMAGES,
    },
    Task {
        name: "image_object_detection",
        sent: "ImageObjectDetection",
        rows: [images::COMMON, images::DETECTION],
        data: IMAGES,
    },
    Task {
        name: "image_instance_segmentation",
        sent: "ImageInstanceSegmentation",
        rows: [images::COMMON, images::DETECTION],
        data: IMAGES,
    },
];

impl Task {
    /// The SDK tells tasks apart by the exact word; `None` after the problem is reported.
    pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> Option<&'static Self> {
        let field = fields.required("task", report)?;
        let text = field.text(report)?;
        let task = TASKS.iter().find(|task| task.name == text);
        if task.is_none() {
            let names = task_names();
            let hint = nearest(&python::camel_to_snake(&text), names);
            let listed: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("`{text}` is not one of {}{hint}", listed.join(", "));
            field.problem(report, message);
        }
        task
    }

    /// What the task says of itself besides its data.
    pub(super) fn settings(
        &self,
        fields: &mut Fields<'_>,
        spelling: Spelling,
        report: &mut Report,
    ) -> Object {
        let mut body = Object::default();
        for rows in self.rows {
            for (key, value) in read_rows(fields, rows, spelling, report) {
                body.put(key, value);
            }
        }
        body
    }
}

/// The words under `task`.
pub(in crate::spec) fn task_names() -> [&'static str; 10] {
    TASKS.each_ref().map(|task| task.name)
}
