//! Endpoints: what online and batch ones have in common, and the rules of their names. What only one family has is in its own file.

pub(super) mod batch;
pub(super) mod online;

use std::sync::LazyLock;

use regex::Regex;

use crate::spec::binding::pattern;
use crate::spec::draft::{Draft, Object};
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io;
use crate::spec::plan::{Reference, Target};
use crate::spec::problem::Report;
use crate::spec::session::Session;

const SHORTEST: usize = 3;
const LONGEST: usize = 32;

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"));

/// An endpoint in the making.
struct Endpoint {
    name: Option<String>,
    /// `key`, `aml_token` or `aad_token`, if one is given.
    auth: Option<String>,
    properties: Object,
    resource: Object,
}

impl Endpoint {
    fn read(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        fields.read_only(&["$schema", "kind"]);
        let name = fields.required("name", report);
        let mut properties = Object::default();
        let mut resource = Object::default();
        properties.put_some("description", fields.text("description", report));
        properties.put_some("properties", fields.read("properties", report, io::values));
        resource.put_some("tags", fields.read("tags", report, io::values));
        // An endpoint lies where its workspace lies, and the rest is the service's to say.
        for name in [
            "id",
            "location",
            "scoring_uri",
            "openapi_uri",
            "provisioning_state",
        ] {
            let _checked = fields.text(name, report);
        }
        resource.put("location", Draft::reference(Reference::Location));
        let modes = ["key", "aml_token", "aad_token"];
        Self {
            name: name.and_then(|field| checked_name(&field, report)),
            auth: fields.choice("auth_mode", report, &modes, Case::Snake),
            properties,
            resource,
        }
    }

    fn put(self, session: &mut Session<'_>, collection: &'static str, api: &'static str) {
        let (Some(name), mut resource) = (self.name, self.resource) else {
            return;
        };
        resource.put("properties", self.properties);
        let target = Target::Named {
            collection,
            name: Some(name),
        };
        session.request(target, api, resource, Vec::new());
    }
}

/// The name of an endpoint or of an online deployment, by the service's rules.
pub(super) fn checked_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if !NAME.is_match(&name) || !(SHORTEST..=LONGEST).contains(&name.len()) {
        let message = format!(
            "`{name}` cannot be a name here: {SHORTEST} to {LONGEST} letters, digits and `-`, a letter first, no `-` last"
        );
        field.problem(report, message);
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::yaml::parse;

    #[test]
    fn names_have_three_to_thirty_two_letters_digits_and_hyphens() {
        let long = "a".repeat(33);
        for (name, fine) in [
            ("abc", true),
            ("my-endpoint-1", true),
            (&long[1..], true),
            (long.as_str(), false),
            ("ab", false),
            ("1abc", false),
            ("abc-", false),
            ("a_bc", false),
        ] {
            let node = parse(format!("'{name}'").as_bytes(), Path::new("e.yml")).unwrap();
            let found = checked_name(&Field::root(&node), &mut Report::default());
            assert_eq!(found.is_some(), fine, "{name}");
        }
    }
}
