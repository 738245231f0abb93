//! ARM ids that must not be mixed up with other strings.

use std::fmt;

/// The coordinates of a workspace; prints as its ARM id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkspaceId {
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

/// Why this cannot be the name of a subscription, a resource group or a workspace, if it cannot. Their own rules are narrower
/// and the service's; this keeps a name within its segment of an address.
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>
pub fn check_name(name: &str) -> Result<(), String> {
    let odd = |c: &char| !c.is_alphanumeric() && !"-_.()".contains(*c);
    match name.chars().find(odd) {
        Some(odd) => Err(format!(
            "{name:?} holds {odd:?}, which no name on Azure has"
        )),
        None if name.ends_with('.') => Err(format!("{name:?} ends with a dot")),
        None => Ok(()),
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}",
            self.subscription, self.resource_group, self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_leave_its_segment_is_none() {
        for name in [
            "rg-mlops_1.dev(eu)",
            "groupe-été",
            "00000000-0000-0000-0000-000000000001",
        ] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in [
            "a/b", "..", "a?b", "a#b", "a b", "a%2Fb", "a\\b", "a\nb", "$(rg)",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
