//! The JSON that `az ad sp create-for-rbac --sdk-auth` printed, which older workflows keep as one secret. Only its fields are used;
//! its secret field is a [`Secret`] of its own, since a mask on the whole text hides no part of it.

use serde::Deserialize;

use crate::secret::Secret;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Creds {
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) subscription_id: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) resource_manager_endpoint_url: Option<String>,
}

impl Creds {
    /// Parses the text; the error never repeats it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let creds: Self = serde_json::from_str(text).map_err(|error| {
            // serde's message can quote the value; its place cannot.
            format!(
                "not the JSON of `az ad sp create-for-rbac --sdk-auth` (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        let missing: Vec<_> = [
            ("clientId", creds.client_id.is_none()),
            ("clientSecret", creds.client_secret.is_none()),
            ("tenantId", creds.tenant_id.is_none()),
        ]
        .iter()
        .filter(|(_, missing)| *missing)
        .map(|(name, _)| *name)
        .collect();
        if missing.is_empty() {
            Ok(creds)
        } else {
            Err(format!("{} is not in it", missing.join(", ")))
        }
    }

    /// The cloud that the Resource Manager address belongs to, or the address itself when it is none of the three.
    pub(super) fn cloud(&self) -> Option<Result<&'static str, String>> {
        let url = self.resource_manager_endpoint_url.as_deref()?;
        let host = url::Url::parse(url).ok()?.host_str()?.to_owned();
        Some(match host.as_str() {
            "management.azure.com" => Ok("AzureCloud"),
            "management.usgovcloudapi.net" => Ok("AzureUSGovernment"),
            "management.chinacloudapi.cn" => Ok("AzureChinaCloud"),
            _ => Err(url.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_text_is_described_by_its_place_and_not_quoted() {
        let why = Creds::parse("{\"clientSecret\": planted}").unwrap_err();
        assert!(why.contains("column") && !why.contains("planted"), "{why}");
        let why = Creds::parse("{\"clientSecret\": \"planted\", \"clientId\": 5}").unwrap_err();
        assert!(!why.contains("planted"), "{why}");
        assert_eq!(
            Creds::parse("{\"clientId\": \"c\"}").unwrap_err(),
            "clientSecret, tenantId is not in it"
        );
    }

    #[test]
    fn the_secret_is_one_of_its_own() {
        let creds = Creds::parse(
            r#"{"clientId":"c","clientSecret":"planted","tenantId":"t","subscriptionId":"s",
                "resourceManagerEndpointUrl":"https://management.usgovcloudapi.net/","galleryEndpointUrl":"x"}"#,
        )
        .unwrap();
        assert!(!format!("{creds:?}").contains("planted"));
        assert_eq!(creds.client_secret.as_ref().unwrap().expose(), "planted");
        assert_eq!(creds.cloud(), Some(Ok("AzureUSGovernment")));
    }
}
