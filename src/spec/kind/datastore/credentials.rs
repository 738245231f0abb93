//! How a datastore is opened. Everything secret goes under `secrets`, where whoever shows a request hides it.

use crate::spec::draft::Object;
use crate::spec::fields::{Field, Fields};
use crate::spec::problem::Report;

/// Public Azure's, as the SDK has it unless it was configured for another cloud.
const DEFAULT_AUTHORITY: &str = "https://login.microsoftonline.com";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    AccountKey,
    Sas,
    ServicePrincipal,
    Certificate,
}

impl Credential {
    /// What the service calls it.
    fn rest(self) -> &'static str {
        match self {
            Self::AccountKey => "AccountKey",
            Self::Sas => "Sas",
            Self::ServicePrincipal => "ServicePrincipal",
            Self::Certificate => "Certificate",
        }
    }

    /// The field that no other kind has and that this one needs.
    fn mark(self) -> &'static str {
        match self {
            Self::AccountKey => "account_key",
            Self::Sas => "sas_token",
            Self::ServicePrincipal => "client_secret",
            Self::Certificate => "thumbprint",
        }
    }

    /// The secret: its names in YAML and in the request.
    fn secret(self) -> (&'static str, &'static str) {
        match self {
            Self::AccountKey => ("account_key", "key"),
            Self::Sas => ("sas_token", "sasToken"),
            Self::ServicePrincipal => ("client_secret", "clientSecret"),
            Self::Certificate => ("certificate", "certificate"),
        }
    }

    fn has_tenant(self) -> bool {
        match self {
            Self::ServicePrincipal | Self::Certificate => true,
            Self::AccountKey | Self::Sas => false,
        }
    }
}

/// Access by identity.
pub(super) fn none() -> Object {
    let mut body = Object::default();
    body.put("credentialsType", "None");
    body
}

/// One of the kinds that the type of datastore has.
pub(super) fn read(
    field: &Field<'_>,
    allowed: &[Credential],
    report: &mut Report,
) -> Option<Object> {
    let mut fields = field.fields(report)?;
    if field.node.entries().is_some_and(<[_]>::is_empty) {
        return Some(none());
    }
    let kind = (allowed.iter().copied()).find(|kind| field.node.get(kind.mark()).is_some());
    let Some(kind) = kind else {
        let marks: Vec<_> = allowed
            .iter()
            .map(|kind| format!("`{}`", kind.mark()))
            .collect();
        let message = format!(
            "the credentials of this type of datastore have {}; without any it is opened with an identity",
            marks.join(" or ")
        );
        field.problem(report, message);
        return None;
    };
    let mut body = Object::default();
    body.put("credentialsType", kind.rest());
    if kind.has_tenant() {
        tenant(&mut fields, &mut body, report);
    }
    if kind == Credential::Certificate {
        body.put_some("thumbprint", fields.text("thumbprint", report));
    }
    let (yaml, rest) = kind.secret();
    let mut secrets = Object::default();
    secrets.put("secretsType", kind.rest());
    secrets.put_some(rest, fields.text(yaml, report));
    body.put("secrets", secrets);
    fields.refuse_rest(report);
    Some(body)
}

fn tenant(fields: &mut Fields<'_>, body: &mut Object, report: &mut Report) {
    for (yaml, rest) in [("tenant_id", "tenantId"), ("client_id", "clientId")] {
        let text = fields.required(yaml, report);
        body.put_some(rest, text.and_then(|field| field.text(report)));
    }
    body.put_some("resourceUrl", fields.text("resource_url", report));
    let (former, authority) = (fields.take("authority_uri"), fields.take("authority_url"));
    if let (Some(former), Some(_)) = (&former, &authority) {
        former.problem(
            report,
            "this is the former name of `authority_url`; keep one of them",
        );
    }
    let authority = authority.or(former).and_then(|field| field.text(report));
    body.put(
        "authorityUrl",
        authority.unwrap_or_else(|| DEFAULT_AUTHORITY.into()),
    );
}
