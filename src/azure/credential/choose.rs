//! Which way to sign in, from the settings and from what the host offers. Decides and explains; does no network.

use std::sync::Arc;

use super::assertion::Source;
use super::certificate::Certificate;
use crate::azure::client::{AuthMethod, Settings};
use crate::azure::error::SignInError;
use crate::host::{ConnectionScheme, IdentityOffer, ServiceConnection};
use crate::secret::Secret;

/// An application in a tenant.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) tenant: String,
    pub(crate) client: String,
}

/// One way to sign in.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Secret {
        app: App,
        secret: Secret,
    },
    Assertion {
        app: App,
        source: Arc<Source>,
    },
    ManagedIdentity {
        client_id: Option<String>,
    },
    AzureCli {
        tenant: Option<String>,
        /// What to say besides, when the CLI turns out to have no session: what the user probably meant.
        instead: Option<SignInError>,
    },
}

impl Settings {
    /// Whether there is something to sign in with that somebody named; a session of the Azure CLI that may or may not be there does
    /// not count unless it was asked for.
    pub fn names_credentials(&self) -> bool {
        match choose(self) {
            Ok(Way::AzureCli { instead, .. }) => instead.is_none(),
            Ok(Way::Secret { .. } | Way::Assertion { .. } | Way::ManagedIdentity { .. }) => true,
            Err(_) => false,
        }
    }
}

pub(crate) fn choose(settings: &Settings) -> Result<Way, SignInError> {
    match settings.auth {
        AuthMethod::Auto => automatic(settings),
        AuthMethod::ClientSecret => client_secret(settings),
        AuthMethod::ClientCertificate => client_certificate(settings),
        AuthMethod::Oidc => oidc(settings),
        AuthMethod::ServiceConnection => match &settings.offer {
            IdentityOffer::ServiceConnection(connection) => {
                service_connection(settings, connection)
            }
            IdentityOffer::None
            | IdentityOffer::GitHubOidc { .. }
            | IdentityOffer::GitHubOidcMissing => Err(SignInError::refused(
                "auth is service-connection, but this step was given none.",
                "Set the task's azureSubscription input to an Azure Resource Manager service connection.",
            )),
        },
        AuthMethod::ManagedIdentity => Ok(Way::ManagedIdentity {
            client_id: settings.client_id.clone(),
        }),
        AuthMethod::AzureCli => Ok(Way::AzureCli {
            tenant: settings.tenant_id.clone(),
            instead: None,
        }),
    }
}

fn automatic(settings: &Settings) -> Result<Way, SignInError> {
    if settings.client_secret.is_some() {
        return client_secret(settings);
    }
    if settings.client_certificate.is_some() {
        return client_certificate(settings);
    }
    let named = settings.client_id.is_some() && settings.tenant_id.is_some();
    let instead = match &settings.offer {
        IdentityOffer::ServiceConnection(connection) => {
            return service_connection(settings, connection);
        }
        // An application without a secret means federation: say what it lacks rather than look for a CLI session.
        IdentityOffer::GitHubOidc { .. } if named || settings.client_id.is_some() => {
            return oidc(settings);
        }
        IdentityOffer::GitHubOidcMissing if named => return oidc(settings),
        IdentityOffer::GitHubOidc { .. } => Some(SignInError::refused(
            "GitHub offers an identity token, but client-id and tenant-id say for which application are missing.",
            "Set client-id and tenant-id (or AZURE_CLIENT_ID and AZURE_TENANT_ID) to use it.",
        )),
        IdentityOffer::GitHubOidcMissing => Some(permission_missing()),
        IdentityOffer::None => Some(SignInError::refused(
            "No credentials were given.",
            "Give tenant-id, client-id and client-secret (or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), \
             or auth: managed-identity on an Azure machine, or run `az login` first.",
        )),
    };
    Ok(Way::AzureCli {
        tenant: settings.tenant_id.clone(),
        instead,
    })
}

fn client_secret(settings: &Settings) -> Result<Way, SignInError> {
    let app = app(settings, None);
    match (app, settings.client_secret.clone()) {
        (Ok(app), Some(secret)) => Ok(Way::Secret { app, secret }),
        (app, secret) => Err(lacking("client-secret", app.err(), secret.is_none())),
    }
}

fn client_certificate(settings: &Settings) -> Result<Way, SignInError> {
    let app = app(settings, None);
    match (app, &settings.client_certificate) {
        (Ok(app), Some(pem)) => Ok(Way::Assertion {
            app,
            source: Arc::new(Source::Certificate(Certificate::from_pem(pem)?)),
        }),
        (app, pem) => Err(lacking("client-certificate", app.err(), pem.is_none())),
    }
}

fn oidc(settings: &Settings) -> Result<Way, SignInError> {
    match &settings.offer {
        IdentityOffer::GitHubOidc {
            request_url,
            request_token,
        } => {
            let app = app(settings, None)
                .map_err(|missing| lacking("GitHub OIDC", Some(missing), false))?;
            Ok(Way::Assertion {
                app,
                source: Arc::new(Source::GitHub {
                    request_url: request_url.clone(),
                    request_token: request_token.clone(),
                }),
            })
        }
        IdentityOffer::GitHubOidcMissing => Err(permission_missing()),
        // On Azure Pipelines the identity token belongs to the service connection.
        IdentityOffer::ServiceConnection(connection) => service_connection(settings, connection),
        IdentityOffer::None => Err(SignInError::refused(
            "auth is oidc, but nothing here issues identity tokens.",
            "OIDC works in GitHub Actions and, through a service connection, in Azure Pipelines. \
             Elsewhere use a client secret, a certificate or `az login`.",
        )),
    }
}

fn service_connection(
    settings: &Settings,
    connection: &ServiceConnection,
) -> Result<Way, SignInError> {
    let app = || {
        app(settings, Some(connection)).map_err(|missing| {
            SignInError::refused(
                format!(
                    "The service connection does not say its {}.",
                    missing.join(" and ")
                ),
                "Open the service connection in the project's settings, verify it and save it again.",
            )
        })
    };
    Ok(match &connection.scheme {
        ConnectionScheme::Secret(secret) => Way::Secret {
            app: app()?,
            secret: secret.clone(),
        },
        ConnectionScheme::Certificate(pem) => Way::Assertion {
            app: app()?,
            source: Arc::new(Source::Certificate(Certificate::from_pem(pem)?)),
        },
        ConnectionScheme::Federated {
            request_uri,
            job_token,
        } => Way::Assertion {
            app: app()?,
            source: Arc::new(Source::AzurePipelines {
                request_uri: request_uri.clone(),
                job_token: job_token.clone(),
                connection: connection.id.clone(),
            }),
        },
        ConnectionScheme::ManagedIdentity { client_id } => Way::ManagedIdentity {
            client_id: settings.client_id.clone().or_else(|| client_id.clone()),
        },
        ConnectionScheme::Unusable(why) => {
            return Err(SignInError::refused(
                format!("The service connection cannot be used to sign in to Azure ML: {why}."),
                "Use an Azure Resource Manager connection with workload identity federation, \
                 a service principal or a managed identity.",
            ));
        }
    })
}

/// The application; what the user gave wins over the connection. The error lists what is missing.
fn app(
    settings: &Settings,
    connection: Option<&ServiceConnection>,
) -> Result<App, Vec<&'static str>> {
    let tenant = settings
        .tenant_id
        .clone()
        .or_else(|| connection.and_then(|connection| connection.tenant_id.clone()));
    let client = settings
        .client_id
        .clone()
        .or_else(|| connection.and_then(|connection| connection.client_id.clone()));
    match (tenant, client) {
        (Some(tenant), Some(client)) => Ok(App { tenant, client }),
        (tenant, client) => {
            let mut missing = Vec::new();
            if tenant.is_none() {
                missing.push("tenant-id");
            }
            if client.is_none() {
                missing.push("client-id");
            }
            Err(missing)
        }
    }
}

fn lacking(what: &str, app: Option<Vec<&'static str>>, key_missing: bool) -> SignInError {
    let mut missing = app.unwrap_or_default();
    if key_missing && what == "client-secret" {
        missing.push("client-secret");
    } else if key_missing {
        missing.push("client-certificate");
    }
    SignInError::refused(
        format!(
            "Signing in with {what} needs {} too.",
            missing.join(" and ")
        ),
        "They can be given as inputs, or as AZURE_TENANT_ID, AZURE_CLIENT_ID and so on in the environment.",
    )
}

fn permission_missing() -> SignInError {
    SignInError::refused(
        "GitHub issues no identity token to this job: it lacks the permission `id-token: write`.",
        "Add to the job or workflow:\n  permissions:\n    id-token: write\n    contents: read\n\
         (setting any permission drops the others, hence `contents`). A called workflow needs its caller to grant it; \
         pull requests from forks never get it. Otherwise give a client-secret.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Settings {
        Settings {
            tenant_id: Some("tenant".to_owned()),
            client_id: Some("client".to_owned()),
            ..Settings::default()
        }
    }

    fn github() -> IdentityOffer {
        IdentityOffer::GitHubOidc {
            request_url: "https://example.org/?a=b".to_owned(),
            request_token: Secret::new("request-token"),
        }
    }

    fn connection(scheme: ConnectionScheme) -> IdentityOffer {
        IdentityOffer::ServiceConnection(Box::new(ServiceConnection {
            id: "connection".to_owned(),
            scheme,
            tenant_id: Some("its-tenant".to_owned()),
            client_id: Some("its-client".to_owned()),
            subscription_id: None,
            resource_group: None,
            workspace: None,
            environment: None,
            authority: None,
            arm_endpoint: None,
        }))
    }

    #[test]
    fn a_secret_wins_over_what_the_host_offers() {
        let way = choose(&Settings {
            client_secret: Some(Secret::new("s")),
            offer: github(),
            ..named()
        });
        assert!(matches!(way, Ok(Way::Secret { .. })), "{way:?}");
    }

    #[test]
    fn an_offer_wins_over_the_azure_cli() {
        let way = choose(&Settings {
            offer: github(),
            ..named()
        });
        assert!(matches!(way, Ok(Way::Assertion { .. })), "{way:?}");
        let way = choose(&Settings::default());
        assert!(matches!(way, Ok(Way::AzureCli { .. })), "{way:?}");
    }

    #[test]
    fn what_the_user_gave_wins_over_the_connection() {
        let way = choose(&Settings {
            client_id: Some("mine".to_owned()),
            offer: connection(ConnectionScheme::Secret(Secret::new("s"))),
            ..Settings::default()
        });
        let Ok(Way::Secret { app, .. }) = way else {
            panic!("{way:?}");
        };
        assert_eq!(
            (app.tenant.as_str(), app.client.as_str()),
            ("its-tenant", "mine")
        );
    }

    #[test]
    fn a_missing_permission_is_named_with_where_to_add_it() {
        for auth in [AuthMethod::Auto, AuthMethod::Oidc] {
            let error = choose(&Settings {
                auth,
                offer: IdentityOffer::GitHubOidcMissing,
                ..named()
            })
            .unwrap_err();
            assert!(error.message.contains("id-token: write"), "{error}");
            assert!(error.advice.unwrap().contains("permissions:"));
        }
        // Without an application an earlier `az login` may be meant; the permission is the second thing to say.
        let way = choose(&Settings {
            offer: IdentityOffer::GitHubOidcMissing,
            ..Settings::default()
        });
        let Ok(Way::AzureCli {
            instead: Some(instead),
            ..
        }) = way
        else {
            panic!("{way:?}");
        };
        assert!(instead.message.contains("id-token: write"));
    }

    #[test]
    fn everything_that_is_missing_is_listed_at_once() {
        let error = choose(&Settings {
            auth: AuthMethod::ClientSecret,
            ..Settings::default()
        })
        .unwrap_err();
        for name in ["tenant-id", "client-id", "client-secret"] {
            assert!(error.message.contains(name), "{error}");
        }
    }

    #[test]
    fn every_scheme_of_a_connection_has_its_way() {
        let of = |scheme| {
            choose(&Settings {
                offer: connection(scheme),
                ..Settings::default()
            })
        };
        assert!(matches!(
            of(ConnectionScheme::Federated {
                request_uri: "https://x".to_owned(),
                job_token: Secret::new("t")
            }),
            Ok(Way::Assertion { .. })
        ));
        assert!(matches!(
            of(ConnectionScheme::ManagedIdentity { client_id: None }),
            Ok(Way::ManagedIdentity { .. })
        ));
        let error = of(ConnectionScheme::Unusable(
            "it is a publish profile".to_owned(),
        ))
        .unwrap_err();
        assert!(error.message.contains("publish profile"));
    }
}
