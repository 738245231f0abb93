//! What a rollout is asked for: steps, pause, what becomes of the old deployment, and which endpoint. Pure but for nothing; the
//! deployment's own inputs and those of the smoke test are parsed where those stages parse them.

use std::time::Duration;

use serde::Deserialize;

use super::journal::Old;
use crate::azure::endpoints::Family;
use crate::stage::inputs::{HumanDuration, InputProblems};
use crate::stage::{Context, InputDef, Shape, shaped, text};

pub(super) const STEPS: InputDef = InputDef {
    default: Some("10, 50, 100"),
    ..text(
        "steps",
        "Percent of the traffic that the new deployment gets, one after another, up to 100",
    )
};
pub(super) const PAUSE: InputDef = InputDef {
    default: Some("0s"),
    ..shaped(
        "pause",
        Shape::Duration,
        "How long each step is given before its smoke test",
    )
};
pub(super) const OLD_DEPLOYMENT: InputDef = InputDef {
    default: Some("keep"),
    ..shaped(
        "old-deployment",
        Shape::Choice(&["keep", "scale-down", "delete"]),
        "What becomes of the deployment that was replaced; scale-down leaves it one instance",
    )
};

/// How long a rollout may go forward when `timeout` does not say: a deployment takes about ten minutes, each step half a minute.
const USUAL: Duration = Duration::from_secs(2 * 60 * 60);

/// The rollout's own inputs, as they came.
#[derive(Debug, Deserialize)]
struct Raw {
    steps: String,
    pause: HumanDuration,
    old_deployment: Old,
}

/// The rollout's own inputs.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Ascending, up to 100.
    pub(super) steps: Vec<u32>,
    pub(super) pause: Duration,
    pub(super) old: Old,
    /// For everything until the new deployment is live; going back has a time of its own.
    pub(super) timeout: Duration,
}

impl Asked {
    pub(super) fn parse(
        context: &Context,
        raw: &crate::stage::inputs::RawInputs,
    ) -> Result<Self, InputProblems> {
        let given: Raw = raw.parse()?;
        let steps = steps(&given.steps).map_err(|why| context.malformed("steps", why))?;
        let timeout = context.timeout_or(USUAL);
        let pauses = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        let paused = given.pause.0.saturating_mul(pauses);
        if paused >= timeout {
            let why = format!(
                "the pauses of {} steps alone take {}, and the rollout may take {}: give a longer `timeout`",
                steps.len(),
                crate::report::human(paused),
                crate::report::human(timeout)
            );
            return Err(context.malformed("pause", why));
        }
        Ok(Self {
            steps,
            pause: given.pause.0,
            old: given.old_deployment,
            timeout,
        })
    }

    /// What only some endpoints can do.
    pub(super) fn check(&self, context: &Context, family: Family) -> Result<(), InputProblems> {
        match (family, self.old) {
            (Family::Batch, Old::ScaleDown) => Err(context.malformed(
                "old-deployment",
                "a batch deployment has no instances to scale down: keep or delete it",
            )),
            (Family::Batch, Old::Keep | Old::Delete) | (Family::Online, _) => Ok(()),
        }
    }
}

/// `10, 50, 100`, in one line or one a line.
fn steps(text: &str) -> Result<Vec<u32>, String> {
    let mut steps = Vec::new();
    let separator = |letter: char| letter.is_whitespace() || letter == ',' || letter == ';';
    for item in text.split(separator).filter(|item| !item.is_empty()) {
        let digits = item.bytes().all(|byte| byte.is_ascii_digit());
        let step = item
            .parse()
            .ok()
            .filter(|step| digits && (1..=100).contains(step));
        let Some(step) = step else {
            return Err(format!("{item:?} is not a whole number from 1 to 100"));
        };
        if steps.last().is_some_and(|last| *last >= step) {
            return Err(format!("{step} does not come after a smaller step"));
        }
        steps.push(step);
    }
    if steps.last() != Some(&100) {
        return Err(
            "the last step must be 100: a rollout ends with all the traffic on the new deployment"
                .to_owned(),
        );
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_to_100() {
        for (text, expected) in [
            ("10, 50, 100", vec![10, 50, 100]),
            ("1\n100\n", vec![1, 100]),
            ("100", vec![100]),
            ("25 50;75,100", vec![25, 50, 75, 100]),
        ] {
            assert_eq!(steps(text), Ok(expected), "{text:?}");
        }
        for (text, word) in [
            ("", "last step"),
            ("10, 50", "last step"),
            ("50, 10, 100", "10 does not"),
            ("100, 100", "100 does not"),
            ("0, 100", "\"0\""),
            ("10%, 100", "\"10%\""),
            ("101", "\"101\""),
            ("+5, 100", "\"+5\""),
            ("ten", "\"ten\""),
        ] {
            let why = steps(text).unwrap_err();
            assert!(why.contains(word), "{text:?}: {why}");
        }
    }
}
