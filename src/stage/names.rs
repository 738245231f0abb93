//! The names that Azure lets resources have, so that a wrong one is said before anything is sent. Knows neither files nor inputs.
//! Rules: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>

/// A kind of resource that users name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Subscription,
    ResourceGroup,
    Workspace,
    StorageAccount,
    KeyVault,
    ContainerRegistry,
}

struct Rule {
    what: &'static str,
    shortest: usize,
    longest: usize,
    letters: fn(char) -> bool,
    allowed: &'static str,
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WrongName {
    Length(String),
    Letter(String),
}

impl WrongName {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Length(text) | Self::Letter(text) => text,
        }
    }
}

impl Named {
    pub(crate) fn check(self, name: &str) -> Result<(), WrongName> {
        let rule = self.rule();
        let wrong = name.chars().find(|letter| !(rule.letters)(*letter));
        if let Some(wrong) = wrong {
            return Err(WrongName::Letter(format!(
                "{} has only {}, and {name:?} has {wrong:?}",
                rule.what, rule.allowed
            )));
        }
        let length = name.chars().count();
        if length < rule.shortest || length > rule.longest {
            return Err(WrongName::Length(format!(
                "{} has {} to {} characters, and {name:?} has {length}",
                rule.what, rule.shortest, rule.longest
            )));
        }
        Ok(())
    }

    fn rule(self) -> Rule {
        let rule = |what, shortest, longest, letters, allowed| Rule {
            what,
            shortest,
            longest,
            letters,
            allowed,
        };
        match self {
            // Not its display name, which people take for it.
            Self::Subscription => rule(
                "a subscription's id",
                1,
                36,
                |letter| letter.is_ascii_alphanumeric() || letter == '-',
                "letters, digits and hyphens",
            ),
            Self::ResourceGroup => rule(
                "a resource group's name",
                1,
                90,
                |letter| letter.is_alphanumeric() || "-_.()".contains(letter),
                "letters, digits, hyphens, underscores, dots and parentheses",
            ),
            Self::Workspace => rule(
                "a workspace's name",
                3,
                33,
                |letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_',
                "letters, digits, hyphens and underscores",
            ),
            Self::StorageAccount => rule(
                "a storage account's name",
                3,
                24,
                |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit(),
                "lower-case letters and digits",
            ),
            Self::KeyVault => rule(
                "a key vault's name",
                3,
                24,
                |letter| letter.is_ascii_alphanumeric() || letter == '-',
                "letters, digits and hyphens",
            ),
            Self::ContainerRegistry => rule(
                "a container registry's name",
                5,
                50,
                |letter| letter.is_ascii_alphanumeric(),
                "letters and digits",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_azure_refuses_are_named_before_the_length_is_counted() {
        for (named, name, word) in [
            (Named::StorageAccount, "st-mlops", "'-'"),
            (Named::Workspace, "mlw mlops", "' '"),
            (Named::Workspace, "../x", "'.'"),
            (Named::ResourceGroup, "a/b", "'/'"),
            (Named::Subscription, "Visual Studio Enterprise", "' '"),
            (Named::Workspace, "ab", "has 3 to 33 characters"),
        ] {
            let wrong = named.check(name).unwrap_err();
            assert!(wrong.text().contains(word), "{wrong:?}");
        }
    }

    #[test]
    fn names_that_azure_takes_pass() {
        for (named, name) in [
            (Named::Subscription, "00000000-0000-0000-0000-000000000001"),
            (Named::ResourceGroup, "rg-größe_1.(x)"),
            (Named::Workspace, "mlw-mlopsv2-0001prod"),
            (Named::StorageAccount, "stmlopsv20001prod"),
        ] {
            assert_eq!(named.check(name), Ok(()));
        }
    }
}
