//! Entra's refusals in the user's words: what was sent, what is wrong, what to change. A table by AADSTS number.
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

use super::assertion::Claims;
use super::choose::App;
use super::entra::Refusal;
use crate::azure::error::SignInError;

struct Row {
    codes: &'static [u64],
    says: &'static str,
    advice: &'static str,
}

/// `{client}`, `{tenant}`, `{issuer}`, `{subject}` and `{audience}` are filled in.
const ROWS: &[Row] = &[
    Row {
        codes: &[700_213, 70_021],
        says: "Application {client} has no federated credential for the identity of this run. {sent}",
        advice: "Add or change a federated credential of application {client} (App registrations, Certificates & secrets, \
                 Federated credentials) so that its subject is exactly `{subject}`, its issuer `{issuer}` and its audience \
                 `{audience}`. A new credential takes a few minutes to count.",
    },
    Row {
        codes: &[700_211],
        says: "Application {client} has no federated credential for this issuer. {sent}",
        advice: "Change the issuer of its federated credential to exactly `{issuer}` (no trailing slash), with the subject \
                 `{subject}`. A new credential takes a few minutes to count.",
    },
    Row {
        codes: &[700_212],
        says: "The federated credential of application {client} names another audience. {sent}",
        advice: "Change the audience of the federated credential to `{audience}`.",
    },
    Row {
        codes: &[700_024],
        says: "Entra ID found the assertion outside its lifetime.",
        advice: "Check the clock of this machine: it must not differ by more than a few minutes.",
    },
    Row {
        codes: &[7_000_215],
        says: "The client secret of application {client} is wrong.",
        advice: "Give the secret's value, not its id, and check that it belongs to application {client}.",
    },
    Row {
        codes: &[7_000_222],
        says: "The client secret of application {client} has expired.",
        advice: "Create a new secret (App registrations, Certificates & secrets) and store it where this run reads it; \
                 with federation (OIDC) there is none to expire.",
    },
    Row {
        codes: &[700_016],
        says: "There is no application {client} in tenant {tenant}.",
        advice: "Check client-id (the application's id, not its object id) and tenant-id.",
    },
    Row {
        codes: &[7_000_229],
        says: "Application {client} has no service principal in tenant {tenant}.",
        advice: "Create it: az ad sp create --id {client}",
    },
    Row {
        codes: &[90_002, 900_023],
        says: "There is no tenant {tenant}.",
        advice: "Check tenant-id, and cloud if the tenant is not in public Azure.",
    },
    Row {
        codes: &[700_027, 700_030, 7_000_214],
        says: "Entra ID does not know the certificate of application {client}.",
        advice: "Upload the certificate (without its key) to the application: App registrations, Certificates & secrets.",
    },
    Row {
        codes: &[50_166],
        says: "Entra ID could not reach the issuer of the identity token.",
        advice: "This passes by itself: run again. If it stays, the issuer must be reachable from the internet.",
    },
    Row {
        codes: &[53_003, 53_000],
        says: "A Conditional Access policy of tenant {tenant} keeps application {client} out.",
        advice: "Ask the tenant's administrators to let this identity sign in from here.",
    },
    Row {
        codes: &[500_011],
        says: "Tenant {tenant} does not know the resource that a token was asked for.",
        advice: "Check cloud and arm-endpoint: they must belong to the tenant's cloud.",
    },
];

pub(crate) fn explain(refusal: &Refusal, app: &App, claims: Option<&Claims>) -> SignInError {
    let row = ROWS
        .iter()
        .find(|row| row.codes.iter().any(|code| refusal.codes.contains(code)));
    let unknown = Claims {
        issuer: "(unknown)".to_owned(),
        subject: "(unknown)".to_owned(),
        audience: "(unknown)".to_owned(),
        workflow: None,
    };
    let claims = claims.unwrap_or(&unknown);
    let fill = |text: &str| {
        let workflow = claims
            .workflow
            .as_ref()
            .map(|workflow| format!(", job_workflow_ref `{workflow}`"))
            .unwrap_or_default();
        let sent = format!(
            "Sent: issuer `{}`, subject `{}`, audience `{}`{workflow}.",
            claims.issuer, claims.subject, claims.audience
        );
        text.replace("{sent}", &sent)
            .replace("{client}", &app.client)
            .replace("{tenant}", &app.tenant)
            .replace("{issuer}", &claims.issuer)
            .replace("{subject}", &claims.subject)
            .replace("{audience}", &claims.audience)
    };
    let ours = row.map_or_else(
        || {
            let how = if refusal.is_passing() {
                "could not sign application {client} in just now"
            } else {
                "refused to sign application {client} in"
            };
            fill(&format!("Entra ID {how} (HTTP {}).", refusal.status))
        },
        |row| fill(row.says),
    );
    let correlation = refusal
        .correlation
        .as_ref()
        .map(|id| format!(" Correlation id {id}."))
        .unwrap_or_default();
    SignInError {
        message: format!(
            "{ours} Entra ID says: {}.{correlation}",
            refusal.description.trim_end_matches('.')
        ),
        advice: Some(row.map_or_else(|| without_row(refusal), |row| fill(row.advice))),
        network: refusal.is_passing(),
    }
}

fn without_row(refusal: &Refusal) -> String {
    if refusal.is_passing() {
        return "This passes by itself: run again later.".to_owned();
    }
    match refusal.codes.first() {
        Some(code) => format!("https://login.microsoftonline.com/error?code={code} says more."),
        None => {
            "Check tenant-id, client-id and cloud, and that no proxy answers in Entra ID's place."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_does_not_match_is_named_with_what_to_change() {
        let refusal = Refusal {
            status: 400,
            codes: vec![700_213],
            description: "AADSTS700213: No matching federated identity record found".to_owned(),
            ..Refusal::default()
        };
        let app = App {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
        };
        let claims = Claims {
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
            subject: "repo:o/r:pull_request".to_owned(),
            audience: "api://AzureADTokenExchange".to_owned(),
            workflow: None,
        };
        let error = explain(&refusal, &app, Some(&claims));
        for said in [&claims.issuer, &claims.subject, &claims.audience] {
            assert!(error.message.contains(said), "{error}");
        }
        assert!(
            error
                .advice
                .unwrap()
                .contains("exactly `repo:o/r:pull_request`")
        );
    }

    #[test]
    fn a_refusal_without_a_row_of_its_own_still_has_a_next_step() {
        let app = App {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
        };
        for (status, codes, word) in [
            (400, vec![999_999], "error?code=999999"),
            (403, vec![], "proxy"),
            (503, vec![], "run again"),
        ] {
            let refusal = Refusal {
                status,
                codes,
                ..Refusal::default()
            };
            let advice = explain(&refusal, &app, None).advice.unwrap();
            assert!(advice.contains(word), "{advice}");
        }
    }

    #[test]
    fn no_row_leaves_a_gap_unfilled() {
        let app = App {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
        };
        for row in ROWS {
            let refusal = Refusal {
                codes: vec![row.codes[0]],
                ..Refusal::default()
            };
            let error = explain(&refusal, &app, None);
            assert!(!error.message.contains('{'), "{error}");
            assert!(!error.advice.unwrap().contains('{'));
        }
    }
}
