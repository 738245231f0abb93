//! Cloud metadata: where this cloud's ARM, sign-in and storage are. Unauthenticated, as in every cloud.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::emulator::problem::Problem;
use crate::emulator::request::{self, Call, Reply};
use crate::emulator::site::Site;

/// Not the name of a real cloud: a client must not mistake this for one it knows better.
const CLOUD: &str = "AmlRunnerEmulator";

/// `GET /metadata/endpoints`: an array until 2019-05-01, one object from 2022-09-01 on.
pub(crate) fn endpoints(site: &Site, call: &Call) -> Reply {
    let Some(version) = call.query("api-version") else {
        return Err(Problem::no_api_version());
    };
    let cloud = json!({
        "name": CLOUD,
        "portal": "https://portal.azure.com",
        "resourceManager": site.endpoint,
        "authentication": {
            "loginEndpoint": site.endpoint,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "gallery": "https://gallery.azure.com/",
        "batch": "https://batch.core.windows.net/",
        "media": "https://rest.media.azure.net",
        "suffixes": {
            "storage": site.storage_suffix(), "acrLoginServer": "azurecr.io", "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net", "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        },
    });
    let as_list = version < "2022-01-01";
    let body = if as_list {
        Value::Array(vec![cloud])
    } else {
        cloud
    };
    Ok(request::json(StatusCode::OK, &body))
}

/// `GET /<tenant>/[v2.0/].well-known/openid-configuration`.
pub(crate) fn openid(site: &Site, tenant: &str) -> Reply {
    let base = format!("{}/{tenant}", site.endpoint);
    Ok(request::ok(&json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "issuer": format!("{base}/v2.0"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "token"], "subject_types_supported": ["pairwise"],
        "tenant_region_scope": null, "cloud_instance_name": site.authority,
    })))
}

/// `GET /common/discovery/instance`.
pub(crate) fn instance(site: &Site) -> Reply {
    Ok(request::ok(&json!({
        "tenant_discovery_endpoint": format!("{}/{}/v2.0/.well-known/openid-configuration", site.endpoint, site.tenant),
        "api-version": "1.1",
        "metadata": [{"preferred_network": site.authority, "preferred_cache": site.authority, "aliases": [site.authority, site.loopback()]}],
    })))
}

/// `GET /discovery`, which sends all data-plane traffic here.
pub(crate) fn discovery(site: &Site) -> Reply {
    let own = &site.endpoint;
    Ok(request::ok(&json!({
        "api": own, "catalog": own, "experimentation": own, "gallery": own, "history": own, "hyperdrive": own,
        "labeling": own, "modelmanagement": own, "pipelines": own, "studio": own,
    })))
}
