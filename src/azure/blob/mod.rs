//! Blob storage: containers opened by a signed URL, by an account key or by the caller's identity, and storage's errors in our
//! terms. Owns how an address and a permission become a client; does not know what is stored or why.

pub(crate) mod datastore;
pub(crate) mod sas;

use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_storage_blob::models::BlobContainerClientListBlobsOptions;
use azure_storage_blob::{
    BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions, StorageError,
};
use futures::TryStreamExt;
use time::OffsetDateTime;
use url::Url;

use self::datastore::{Datastore, Grant};
use super::error::{ServiceError, SignInError, scrub};
use super::transport::{chain, deepest};
use super::{ArmError, Azure, Notice};
use crate::secret::Secret;

/// How long a signature made from an account key holds.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A container and what opens it.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    azure: Azure,
    /// Without a signature.
    url: Url,
    /// A signed query; without one the caller's own identity is used.
    signature: Option<Secret>,
}

/// A blob of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl Container {
    /// The container that a signed URL names.
    pub(crate) fn signed(azure: &Azure, signed: &str) -> Result<Self, ArmError> {
        let mut url = parse(azure, signed)?;
        let signature = url.query().map(|query| {
            for secret in sas::secrets_of(query) {
                (azure.observer())(&Notice::Minted(secret));
            }
            Secret::new(query)
        });
        url.set_query(None);
        Ok(Self {
            azure: azure.clone(),
            url,
            signature,
        })
    }

    /// A datastore's container, opened with what the service handed out for it.
    pub(crate) fn of_datastore(
        azure: &Azure,
        datastore: &Datastore,
        grant: &Grant,
    ) -> Result<Self, ArmError> {
        let signature = match grant {
            Grant::Identity => None,
            Grant::Sas(_) | Grant::Key(_) if datastore.by_identity => None,
            Grant::Sas(query) => Some(query.clone()),
            Grant::Key(key) => {
                let expires = OffsetDateTime::from(azure.clock().now() + SIGNATURE_LIFETIME);
                let query =
                    sas::container_sas(&datastore.account, key, &datastore.container, expires)
                        .ok_or_else(|| ArmError::Decode {
                            request: format!("POST datastores/{}/listSecrets", datastore.name),
                            reason: "the account key is not base64".into(),
                        })?;
                for secret in sas::secrets_of(query.expose()) {
                    (azure.observer())(&Notice::Minted(secret));
                }
                Some(query)
            }
        };
        Ok(Self {
            azure: azure.clone(),
            url: parse(azure, &datastore.container_uri())?,
            signature,
        })
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
            if !path.is_empty() {
                segments.extend(path.split('/'));
            }
        }
        url.set_query(self.signature.as_ref().map(Secret::expose));
        url
    }

    /// A client for one blob; its path keeps its slashes, so that servers need not decode `%2F`.
    pub(crate) fn blob(&self, path: &str) -> Result<BlobClient, ArmError> {
        let options = BlobClientOptions {
            client_options: self.azure.client_options(),
            ..BlobClientOptions::default()
        };
        let credential = match self.signature {
            Some(_) => None,
            None => Some(self.azure.credential()),
        };
        BlobClient::new(self.address(path), credential, Some(options))
            .map_err(|error| to_arm(error, self.describe("open", path)))
    }

    /// What is done to which blob, for errors: never with a signature.
    pub(crate) fn describe(&self, method: &str, path: &str) -> String {
        format!("{method} {}/{path}", self.url)
    }

    /// Every blob below a prefix, page by page.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Entry>, ArmError> {
        let fail = |error| to_arm(error, self.describe("LIST", prefix));
        let options = BlobContainerClientOptions {
            client_options: self.azure.client_options(),
            ..BlobContainerClientOptions::default()
        };
        let credential = match self.signature {
            Some(_) => None,
            None => Some(self.azure.credential()),
        };
        let client =
            BlobContainerClient::new(self.address(""), credential, Some(options)).map_err(fail)?;
        let pages = client
            .list_blobs(Some(BlobContainerClientListBlobsOptions {
                prefix: Some(prefix.to_owned()),
                ..BlobContainerClientListBlobsOptions::default()
            }))
            .map_err(fail)?;
        let mut items = pages;
        let mut found = Vec::new();
        while let Some(item) = items.try_next().await.map_err(fail)? {
            let folder = item
                .metadata
                .and_then(|metadata| metadata.values)
                .is_some_and(|values| values.contains_key("hdi_isfolder"));
            if let Some(name) = item.name.filter(|_| !folder) {
                let size = item
                    .properties
                    .and_then(|properties| properties.content_length);
                found.push(Entry {
                    name,
                    size: size.unwrap_or_default(),
                });
            }
        }
        Ok(found)
    }
}

fn parse(azure: &Azure, address: &str) -> Result<Url, ArmError> {
    let refuse = |reason: String| ArmError::Decode {
        request: "reading a storage address".into(),
        reason,
    };
    // The address may be signed: it is not repeated.
    let url = Url::parse(address).map_err(|error| refuse(error.to_string()))?;
    if url.cannot_be_a_base() {
        return Err(refuse("it has no path".into()));
    }
    Ok(azure.lift(&url))
}

fn sign_in_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a SignInError> {
    if let Some(ArmError::SignIn(refused)) = cause.downcast_ref::<ArmError>() {
        return Some(refused);
    }
    cause.downcast_ref::<SignInError>()
}

/// Storage's refusal in the terms of every other refusal.
pub(crate) fn to_arm(error: azure_core::Error, request: String) -> ArmError {
    let Some(status) = error.http_status().map(u16::from) else {
        if let Some(refused) = chain(&error).find_map(sign_in_error) {
            return ArmError::SignIn(refused.clone());
        }
        let reason = scrub(&deepest(&error));
        if matches!(error.kind(), ErrorKind::Credential) {
            return ArmError::SignIn(SignInError {
                message: format!("No token for storage: {reason}"),
                advice: None,
                network: false,
            });
        }
        return ArmError::Transport { request, reason };
    };
    let mut said = ServiceError {
        status,
        request,
        ..ServiceError::default()
    };
    if let ErrorKind::HttpResponse {
        error_code: Some(code),
        ..
    } = error.kind()
    {
        said.code.clone_from(code);
    }
    let plain = error.to_string();
    match StorageError::try_from(error) {
        Ok(storage) => {
            if let Some(code) = storage.error_code {
                said.code = code.to_string();
            }
            said.request_id = storage.request_id;
            // The first line: the others repeat the request id and the time.
            let text = storage.message.unwrap_or_default();
            said.message = scrub(text.lines().next().unwrap_or_default());
        }
        Err(_) => said.message = scrub(&plain),
    }
    if said.message.is_empty() {
        said.message = format!("storage answered {status}");
    }
    let said = Box::new(said);
    match status {
        401 | 403 => ArmError::Denied(said),
        404 => ArmError::NotFound(said),
        409 | 412 => ArmError::Conflict(said),
        429 => ArmError::Throttled(said),
        _ => ArmError::Api(said),
    }
}
