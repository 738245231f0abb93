//! Who is signed in, as the access token has it: for people, who must give roles to this identity. Decides nothing; a token that
//! cannot be read leaves gaps.

use std::fmt;

use super::assertion::payload_of;
use super::mint::Minter;
use crate::secret::Secret;

/// Prints as `application A (object id O) of tenant T, with a client secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The way of signing in, in words.
    pub how: &'static str,
    /// `application A`, or a person's name.
    pub who: Option<String>,
    /// What roles are assigned to.
    pub object_id: Option<String>,
    pub tenant: Option<String>,
}

impl Identity {
    pub(super) fn of(minter: &Minter, token: Option<&Secret>) -> Self {
        Self::read(minter.how(), minter.client(), token)
    }

    fn read(how: &'static str, client: Option<&str>, token: Option<&Secret>) -> Self {
        let claims = token.and_then(|token| payload_of(token.expose()));
        let text = |name: &str| Some(claims.as_ref()?.get(name)?.as_str()?.to_owned());
        let person = text("upn").or_else(|| text("unique_name"));
        Self {
            how,
            who: person.or_else(|| {
                let application = text("appid").or_else(|| client.map(str::to_owned));
                application.map(|id| format!("application {id}"))
            }),
            object_id: text("oid"),
            tenant: text("tid"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.who.as_deref().unwrap_or("somebody"))?;
        if let Some(id) = &self.object_id {
            write!(f, " (object id {id})")?;
        }
        if let Some(tenant) = &self.tenant {
            write!(f, " of tenant {tenant}")?;
        }
        write!(f, ", with {}", self.how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    fn shown(claims: &Value) -> String {
        let token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
        Identity::read("a client secret", Some("given"), Some(&Secret::new(token))).to_string()
    }

    #[test]
    fn applications_people_and_opaque_tokens_are_told_apart() {
        assert_eq!(
            shown(&json!({"appid": "a", "oid": "o", "tid": "t"})),
            "application a (object id o) of tenant t, with a client secret"
        );
        assert_eq!(
            shown(&json!({"appid": "cli", "upn": "ada@example.org", "oid": "o", "tid": "t"})),
            "ada@example.org (object id o) of tenant t, with a client secret"
        );
        let opaque = Secret::new("opaque");
        assert_eq!(
            Identity::read("a client secret", Some("given"), Some(&opaque)).to_string(),
            "application given, with a client secret"
        );
        let nobody = Identity::read("the Azure CLI's session", None, None);
        assert_eq!(nobody.to_string(), "somebody, with the Azure CLI's session");
    }
}
