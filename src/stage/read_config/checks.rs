//! What Azure would refuse later: names that are too long or hold letters a resource may not have, and flags that are no flags.
//! Rules: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>

use super::file::Entry;
use crate::spec::Problem;

/// The names that a kind of resource may have.
struct Rule {
    /// Keys of the file that name such a resource.
    keys: &'static [&'static str],
    what: &'static str,
    shortest: usize,
    longest: usize,
    letters: fn(char) -> bool,
    allowed: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        keys: &["storage_account", "terraform_st_storage_account"],
        what: "a storage account's name",
        shortest: 3,
        longest: 24,
        letters: |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit(),
        allowed: "lower-case letters and digits",
    },
    Rule {
        keys: &["key_vault"],
        what: "a key vault's name",
        shortest: 3,
        longest: 24,
        letters: |letter| letter.is_ascii_alphanumeric() || letter == '-',
        allowed: "letters, digits and hyphens",
    },
    Rule {
        keys: &["container_registry"],
        what: "a container registry's name",
        shortest: 5,
        longest: 50,
        letters: |letter| letter.is_ascii_alphanumeric(),
        allowed: "letters and digits",
    },
    Rule {
        keys: &["resource_group", "terraform_st_resource_group"],
        what: "a resource group's name",
        shortest: 1,
        longest: 90,
        letters: |letter| letter.is_alphanumeric() || "-_.()".contains(letter),
        allowed: "letters, digits, hyphens, underscores, dots and parentheses",
    },
    Rule {
        keys: &["aml_workspace"],
        what: "a workspace's name",
        shortest: 3,
        longest: 33,
        letters: |letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_',
        allowed: "letters, digits, hyphens and underscores",
    },
];

pub(super) fn check(entries: &[Entry]) -> Vec<Problem> {
    entries
        .iter()
        .filter_map(|entry| {
            Some(Problem {
                place: entry.place.clone(),
                field: entry.name.clone(),
                message: wrong_with(entry)?,
            })
        })
        .collect()
}

fn wrong_with(entry: &Entry) -> Option<String> {
    if entry.name.starts_with("enable_")
        && !matches!(entry.value.to_ascii_lowercase().as_str(), "true" | "false")
    {
        return Some(format!("{:?} is neither true nor false", entry.value));
    }
    let rule = RULES
        .iter()
        .find(|rule| rule.keys.contains(&entry.name.as_str()))?;
    let length = entry.value.chars().count();
    if length < rule.shortest || length > rule.longest {
        return Some(format!(
            "{} has {} to {} characters, and {:?} has {length}; shorten `namespace` or `postfix`",
            rule.what, rule.shortest, rule.longest, entry.value
        ));
    }
    let wrong = entry
        .value
        .chars()
        .find(|letter| !(rule.letters)(*letter))?;
    Some(format!(
        "{} has only {}, and {:?} has {wrong:?}",
        rule.what, rule.allowed, entry.value
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(name: &str, value: &str) -> Option<String> {
        wrong_with(&Entry {
            name: name.to_owned(),
            value: value.to_owned(),
            place: None,
        })
    }

    #[test]
    fn a_storage_account_name_over_24_characters_is_refused_with_its_length() {
        let message = wrong("storage_account", "stverylongnamespace0001prod").unwrap();
        assert!(message.contains("has 27; shorten `namespace`"), "{message}");
        assert_eq!(wrong("storage_account", "stmlopsv20001prod"), None);
    }

    #[test]
    fn letters_that_azure_refuses_are_named() {
        assert!(
            wrong("storage_account", "st-mlops")
                .unwrap()
                .contains("'-'")
        );
        assert!(wrong("aml_workspace", "mlw mlops").unwrap().contains("' '"));
    }

    #[test]
    fn a_flag_is_true_or_false() {
        assert!(wrong("enable_monitoring", "ja").is_some());
        assert_eq!(wrong("enable_monitoring", "True"), None);
    }

    #[test]
    fn a_key_without_a_rule_is_taken_as_it_is() {
        assert_eq!(wrong("terraform_version", "1.9"), None);
    }
}
