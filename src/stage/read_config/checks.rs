//! What Azure would refuse later: names that are too long or hold letters a resource may not have, and flags that are no flags.

use super::file::Entry;
use crate::spec::Problem;
use crate::stage::names::{Named, WrongName};

/// Keys of the file that name a resource.
const NAMES: &[(&str, Named)] = &[
    ("storage_account", Named::StorageAccount),
    ("terraform_st_storage_account", Named::StorageAccount),
    ("key_vault", Named::KeyVault),
    ("container_registry", Named::ContainerRegistry),
    ("resource_group", Named::ResourceGroup),
    ("terraform_st_resource_group", Named::ResourceGroup),
    ("aml_workspace", Named::Workspace),
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
    let (_, named) = NAMES.iter().find(|(key, _)| *key == entry.name)?;
    match named.check(&entry.value) {
        Ok(()) => None,
        Err(WrongName::Length(text)) => Some(format!("{text}; shorten `namespace` or `postfix`")),
        Err(WrongName::Letter(text)) => Some(text),
    }
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
    fn a_flag_is_true_or_false() {
        assert!(wrong("enable_monitoring", "ja").is_some());
        assert_eq!(wrong("enable_monitoring", "True"), None);
    }

    #[test]
    fn a_key_without_a_rule_is_taken_as_it_is() {
        assert_eq!(wrong("terraform_version", "1.9"), None);
    }
}
