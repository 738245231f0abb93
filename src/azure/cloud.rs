//! Which Azure this is: its addresses, audiences and names. The three public clouds are a table (service notes 20); any other is
//! read from the metadata of its Resource Manager. Knows no tokens and does no network itself.

use serde_json::Value;
use url::Url;

use super::error::SignInError;
use super::transport::StandIn;

struct Known {
    name: &'static str,
    /// Other words for it, in lower case.
    also: &'static [&'static str],
    arm: &'static str,
    login: &'static str,
    ml: &'static str,
    storage_suffix: &'static str,
    portal: &'static str,
    /// What a federated identity token is issued for.
    exchange: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        name: "AzureCloud",
        also: &["azurepubliccloud", "public"],
        arm: "https://management.azure.com",
        login: "https://login.microsoftonline.com",
        ml: "https://ml.azure.com",
        storage_suffix: "core.windows.net",
        portal: "https://portal.azure.com",
        exchange: "api://AzureADTokenExchange",
    },
    Known {
        name: "AzureUSGovernment",
        also: &["azureusgovernmentcloud", "usgovernment"],
        arm: "https://management.usgovcloudapi.net",
        login: "https://login.microsoftonline.us",
        ml: "https://ml.azure.us",
        storage_suffix: "core.usgovcloudapi.net",
        portal: "https://portal.azure.us",
        exchange: "api://AzureADTokenExchangeUSGov",
    },
    Known {
        name: "AzureChinaCloud",
        also: &["china"],
        arm: "https://management.chinacloudapi.cn",
        login: "https://login.chinacloudapi.cn",
        ml: "https://ml.azure.cn",
        storage_suffix: "core.chinacloudapi.cn",
        portal: "https://portal.azure.cn",
        exchange: "api://AzureADTokenExchangeChina",
    },
];

/// Storage takes tokens for this audience in every cloud.
const STORAGE_AUDIENCE: &str = "https://storage.azure.com";

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Resource Manager, run history and the rest of the data plane.
    Arm,
    /// `x-azureml-token`, and endpoints that take Entra tokens.
    MachineLearning,
    Storage,
}

/// The addresses and audiences of one Azure.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub name: String,
    /// Resource Manager, https, without a path.
    pub arm: Url,
    /// Entra ID, https.
    pub login: Url,
    pub arm_audience: String,
    pub ml_audience: String,
    pub storage_audience: String,
    /// `core.windows.net`, or `localhost:PORT` on a stand-in.
    pub storage_suffix: String,
    /// Where the Studio is shown to people.
    pub studio: String,
    pub portal: String,
    /// The audience of federated identity tokens.
    pub token_exchange: String,
    stand_in: Option<StandIn>,
}

impl Cloud {
    pub(crate) fn known(name: &str) -> Option<Self> {
        let row = row(name)?;
        Some(Self {
            name: row.name.to_owned(),
            arm: Url::parse(row.arm).ok()?,
            login: Url::parse(row.login).ok()?,
            arm_audience: row.arm.to_owned(),
            ml_audience: row.ml.to_owned(),
            storage_audience: STORAGE_AUDIENCE.to_owned(),
            storage_suffix: row.storage_suffix.to_owned(),
            studio: row.ml.to_owned(),
            portal: row.portal.to_owned(),
            token_exchange: row.exchange.to_owned(),
            stand_in: None,
        })
    }

    /// One of the table, when `endpoint` is its own Resource Manager: then there is nothing to ask for.
    pub(crate) fn at(endpoint: &Url) -> Option<Self> {
        KNOWN
            .iter()
            .find(|row| Url::parse(row.arm).is_ok_and(|arm| arm.origin() == endpoint.origin()))
            .and_then(|row| Self::known(row.name))
    }

    /// Reads `GET {arm}/metadata/endpoints`: an object since api-version 2022, a list before.
    pub(crate) fn from_metadata(
        endpoint: &Url,
        stand_in: Option<&StandIn>,
        metadata: &Value,
    ) -> Result<Self, String> {
        let lift = |url: Url| stand_in.map_or_else(|| url.clone(), |own| own.lift(&url));
        let is_it = |entry: &&Value| {
            text(entry, "/resourceManager")
                .and_then(|text| Url::parse(&text).ok())
                .is_some_and(|url| lift(url).origin() == lift(endpoint.clone()).origin())
        };
        let entry = match metadata.as_array() {
            Some(all) => all
                .iter()
                .find(is_it)
                .or_else(|| all.first())
                .ok_or("the list of clouds is empty")?,
            None => metadata,
        };
        let login = text(entry, "/authentication/loginEndpoint")
            .ok_or("authentication.loginEndpoint is missing")?;
        let login = lift(Url::parse(&login).map_err(|error| format!("loginEndpoint: {error}"))?);
        if login.scheme() != "https" {
            return Err(format!("its login endpoint {login} is plain http"));
        }
        let name = text(entry, "/name").unwrap_or_else(|| "Custom".to_owned());
        let known = row(&name);
        let base = Self::known(&name)
            .or_else(|| Self::known("AzureCloud"))
            .ok_or("no such cloud")?;
        Ok(Self {
            arm: base_of(lift(endpoint.clone())),
            login: base_of(login),
            arm_audience: arm_audience(entry, known, endpoint),
            storage_suffix: text(entry, "/suffixes/storage").unwrap_or(base.storage_suffix),
            portal: text(entry, "/portal").unwrap_or(base.portal),
            name,
            stand_in: stand_in.cloned(),
            ..base
        })
    }

    /// The page of the Studio, where there is one: a stand-in's resources are not shown there.
    pub fn studio(&self) -> Option<&str> {
        self.stand_in.is_none().then_some(self.studio.as_str())
    }

    /// The scope to ask a token for.
    pub fn scope(&self, audience: Audience) -> String {
        let resource = match audience {
            Audience::Arm => &self.arm_audience,
            Audience::MachineLearning => &self.ml_audience,
            Audience::Storage => &self.storage_audience,
        };
        format!("{}/.default", resource.trim_end_matches('/'))
    }

    /// How a storage address is spelled inside a resource. A stand-in that is one of the known clouds by name keeps resources as
    /// that cloud spells them, so its own `ACCOUNT.blob.localhost:PORT` must not end up in an asset.
    pub fn storage_uri_for_service(&self, uri: &str) -> String {
        let (Some(stand_in), Some(known)) = (&self.stand_in, row(&self.name)) else {
            return uri.to_owned();
        };
        let Some(url) = Url::parse(uri).ok().filter(|url| stand_in.owns(url)) else {
            return uri.to_owned();
        };
        let labels: Vec<&str> = url.host_str().unwrap_or_default().split('.').collect();
        let &[account, service, "localhost"] = labels.as_slice() else {
            return uri.to_owned();
        };
        let rest = uri
            .split_once("://")
            .and_then(|(_, rest)| rest.find(['/', '?']).map(|at| &rest[at..]))
            .unwrap_or_default();
        format!("https://{account}.{service}.{}{rest}", known.storage_suffix)
    }
}

/// What keeps an address from being an `arm-endpoint`, if anything does.
pub(crate) fn check_endpoint(endpoint: &Url) -> Result<(), String> {
    StandIn::of(endpoint).map(|_| ())
}

/// The name in the spelling of the table, for settings and for the `cloud` input.
pub(crate) fn check_name(name: &str) -> Result<(), SignInError> {
    if row(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = KNOWN.iter().map(|row| row.name).collect();
    Err(SignInError::refused(
        format!("`{name}` is not a cloud this program knows."),
        format!(
            "cloud is one of {}; any other is reached by its arm-endpoint.",
            names.join(", ")
        ),
    ))
}

fn row(name: &str) -> Option<&'static Known> {
    let name = name.to_ascii_lowercase();
    KNOWN
        .iter()
        .find(|row| row.name.eq_ignore_ascii_case(&name) || row.also.contains(&name.as_str()))
}

/// The audience that Resource Manager takes: the table's own where the metadata lists it, else the endpoint, else the first listed.
fn arm_audience(entry: &Value, known: Option<&Known>, endpoint: &Url) -> String {
    let listed: Vec<&str> = entry
        .pointer("/authentication/audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let own = endpoint.as_str();
    let wanted = [known.map(|row| row.arm), Some(own)];
    wanted
        .into_iter()
        .flatten()
        .find_map(|want| {
            listed.iter().find(|text| {
                text.trim_end_matches('/')
                    .eq_ignore_ascii_case(want.trim_end_matches('/'))
            })
        })
        .or_else(|| listed.first())
        .map_or_else(
            || own.trim_end_matches('/').to_owned(),
            |text| text.trim_end_matches('/').to_owned(),
        )
}

fn base_of(mut url: Url) -> Url {
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stand_in_cloud(name: &str) -> Cloud {
        let endpoint = Url::parse("http://localhost:5000").unwrap();
        let stand_in = StandIn::of(&endpoint).unwrap();
        let metadata = json!({"name": name, "portal": "https://portal.azure.com", "resourceManager": "http://localhost:5000",
            "authentication": {"loginEndpoint": "http://localhost:5000", "audiences": ["http://localhost:5000", "https://management.azure.com"]},
            "suffixes": {"storage": "localhost:5000"}});
        Cloud::from_metadata(&endpoint, stand_in.as_ref(), &metadata).unwrap()
    }

    #[test]
    fn every_cloud_of_the_table_can_be_named() {
        for known in KNOWN {
            let cloud = Cloud::known(known.name).unwrap();
            assert_eq!(
                cloud.scope(Audience::Arm),
                format!("{}/.default", known.arm)
            );
            assert_eq!(
                Cloud::at(&Url::parse(known.arm).unwrap()).unwrap().name,
                known.name
            );
            assert_eq!(
                cloud.storage_uri_for_service("https://a.blob.x/y"),
                "https://a.blob.x/y"
            );
        }
        assert!(check_name("azurecloud").is_ok());
        assert!(check_name("AzureMoon").is_err());
    }

    #[test]
    fn metadata_of_a_stand_in_gives_https_addresses_and_its_audiences() {
        let cloud = stand_in_cloud("AzureCloud");
        assert_eq!(cloud.arm.as_str(), "https://localhost:5000/");
        assert_eq!(cloud.login.as_str(), "https://localhost:5000/");
        assert_eq!(
            cloud.scope(Audience::Arm),
            "https://management.azure.com/.default"
        );
        assert_eq!(
            cloud.scope(Audience::MachineLearning),
            "https://ml.azure.com/.default"
        );
        assert_eq!(cloud.storage_suffix, "localhost:5000");
        assert_eq!(
            stand_in_cloud("MyStack").scope(Audience::Arm),
            "http://localhost:5000/.default"
        );
    }

    #[test]
    fn a_list_of_clouds_is_searched_for_the_endpoint() {
        let endpoint = Url::parse("https://arm.example.org").unwrap();
        let entry = |arm: &str, login: &str| json!({"name": "x", "resourceManager": arm, "authentication": {"loginEndpoint": login, "audiences": []}});
        let list = json!([
            entry("https://other.example.org", "https://wrong.example.org"),
            entry("https://arm.example.org/", "https://right.example.org/adfs"),
        ]);
        let cloud = Cloud::from_metadata(&endpoint, None, &list).unwrap();
        assert_eq!(cloud.login.as_str(), "https://right.example.org/");
        assert_eq!(cloud.arm_audience, "https://arm.example.org");
    }

    #[test]
    fn a_login_endpoint_in_plain_http_is_refused() {
        let endpoint = Url::parse("https://arm.example.org").unwrap();
        let metadata = json!({"authentication": {"loginEndpoint": "http://login.example.org"}});
        let text = Cloud::from_metadata(&endpoint, None, &metadata).unwrap_err();
        assert!(text.contains("plain http"), "{text}");
    }

    #[test]
    fn storage_addresses_inside_resources_are_spelled_as_the_named_cloud_spells_them() {
        let cloud = stand_in_cloud("AzureCloud");
        for (ours, theirs) in [
            (
                "http://stmlops.blob.localhost:5000/c/LocalUpload/p%20q/",
                "https://stmlops.blob.core.windows.net/c/LocalUpload/p%20q/",
            ),
            (
                "https://stmlops.blob.localhost:5000/c/p",
                "https://stmlops.blob.core.windows.net/c/p",
            ),
            (
                "https://stmlops.blob.localhost:5001/c/p",
                "https://stmlops.blob.localhost:5001/c/p",
            ),
            ("https://github.com/a/b", "https://github.com/a/b"),
            ("not an address", "not an address"),
        ] {
            assert_eq!(cloud.storage_uri_for_service(ours), theirs);
        }
        let other = "http://stmlops.blob.localhost:5000/c/p";
        assert_eq!(
            stand_in_cloud("MyStack").storage_uri_for_service(other),
            other
        );
    }
}
