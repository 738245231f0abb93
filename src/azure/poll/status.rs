//! The states that operations and resources are in, as data. A state that is not here counts as in progress: the service adds words
//! faster than clients learn them.

/// What a state means for somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Running,
    Succeeded,
    Failed,
    Canceled,
    /// Counts as running; worth a notice, once.
    Unknown,
}

/// One state, and where it is written down or was seen.
#[derive(Debug)]
pub struct State {
    pub state: &'static str,
    pub meaning: Meaning,
    pub source: &'static str,
}

const ARM: &str = "https://github.com/cloud-and-ai-microsoft/resource-provider-contract/blob/master/v1.0/async-api-reference.md";
const COMPUTE: &str = "https://learn.microsoft.com/rest/api/azureml/compute/get (ProvisioningState, api-version 2023-08-01-preview)";
const ENDPOINT: &str = "https://learn.microsoft.com/rest/api/azureml/online-deployments/get (DeploymentProvisioningState, 2023-04-01-preview)";
const RECORDED: &str = "recorded status answers of azure-ai-ml's tests, 2022 to 2025";

pub const STATES: &[State] = &[
    State {
        state: "Succeeded",
        meaning: Meaning::Succeeded,
        source: ARM,
    },
    State {
        state: "Failed",
        meaning: Meaning::Failed,
        source: ARM,
    },
    State {
        state: "Canceled",
        meaning: Meaning::Canceled,
        source: ARM,
    },
    // Both spellings are in use: https://github.com/Azure/azure-sdk-for-rust/pull/2997
    State {
        state: "Cancelled",
        meaning: Meaning::Canceled,
        source: ARM,
    },
    State {
        state: "InProgress",
        meaning: Meaning::Running,
        source: ARM,
    },
    State {
        state: "Running",
        meaning: Meaning::Running,
        source: ARM,
    },
    State {
        state: "Accepted",
        meaning: Meaning::Running,
        source: ARM,
    },
    State {
        state: "Creating",
        meaning: Meaning::Running,
        source: COMPUTE,
    },
    State {
        state: "Updating",
        meaning: Meaning::Running,
        source: COMPUTE,
    },
    State {
        state: "Deleting",
        meaning: Meaning::Running,
        source: COMPUTE,
    },
    // Written as the REST specification has it, for a compute whose state the service lost track of.
    State {
        state: "Unknown",
        meaning: Meaning::Running,
        source: COMPUTE,
    },
    State {
        state: "Scaling",
        meaning: Meaning::Running,
        source: ENDPOINT,
    },
    State {
        state: "Provisioning",
        meaning: Meaning::Running,
        source: RECORDED,
    },
    State {
        state: "NotStarted",
        meaning: Meaning::Running,
        source: RECORDED,
    },
];

/// Looks a state up, whatever its case.
pub fn meaning(state: &str) -> Meaning {
    STATES
        .iter()
        .find(|row| row.state.eq_ignore_ascii_case(state))
        .map_or(Meaning::Unknown, |row| row.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_any_case_and_names_its_source() {
        for row in STATES {
            assert_eq!(
                meaning(&row.state.to_uppercase()),
                row.meaning,
                "{}",
                row.state
            );
            assert!(!row.source.is_empty());
            let same = STATES
                .iter()
                .filter(|other| other.state == row.state)
                .count();
            assert_eq!(same, 1, "{} is listed twice", row.state);
        }
        assert_eq!(meaning("Pondering"), Meaning::Unknown);
    }
}
