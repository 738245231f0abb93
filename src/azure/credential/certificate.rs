//! Client certificates: a signed assertion of our own (RS256, `x5t`), so that no OpenSSL is needed.
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use url::Url;

use crate::azure::error::SignInError;
use crate::secret::Secret;

const LIFETIME: Duration = Duration::from_secs(600);

/// A certificate's thumbprint and its private key.
#[derive(Clone)]
pub(crate) struct Certificate {
    key: Arc<KeyPair>,
    x5t: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("x5t", &self.x5t)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads one PEM text with the certificate and its RSA key (PKCS#8 or PKCS#1), in any order.
    pub(crate) fn from_pem(pem: &Secret) -> Result<Self, SignInError> {
        let text = pem.expose();
        let key = key_of(text)?;
        let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| {
                wrong(&format!(
                    "holds a certificate that cannot be read ({error})"
                ))
            })?;
        if certificates.is_empty() {
            return Err(wrong("holds no CERTIFICATE section"));
        }
        // A chain may come in any order; the certificate of the key is the one that holds its public half.
        let public: &[u8] = key.public().as_ref();
        let own = certificates
            .iter()
            .find(|der| der.windows(public.len()).any(|part| part == public))
            .ok_or_else(|| wrong("holds a key that belongs to none of its certificates"))?;
        // Entra identifies the certificate by this digest; nothing rests on its strength.
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, own);
        Ok(Self {
            key: Arc::new(key),
            x5t: URL_SAFE_NO_PAD.encode(thumbprint),
        })
    }

    /// A new assertion for one access token.
    pub(crate) fn assertion(
        &self,
        client: &str,
        endpoint: &Url,
        now: SystemTime,
    ) -> Result<String, SignInError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t": self.x5t});
        let claims = json!({
            "aud": endpoint.as_str(),
            "iss": client,
            "sub": client,
            "jti": uuid::Uuid::new_v4().to_string(),
            // Clocks differ by a little; an assertion from the future would be refused.
            "nbf": now.saturating_sub(Duration::from_secs(60)).as_secs(),
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_unspecified| wrong("holds a key that cannot sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn key_of(text: &str) -> Result<KeyPair, SignInError> {
    if text.contains("ENCRYPTED") {
        return Err(wrong(
            "holds a private key that is protected by a password; give it without (openssl pkey -in FILE)",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_unreadable| {
        wrong("holds no private key (PRIVATE KEY or RSA PRIVATE KEY section)")
    })?;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "foreign and non-exhaustive; every other kind is refused"
    )]
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(wrong("holds a key that is not RSA, which Entra ID needs")),
    };
    pair.map_err(|error| {
        wrong(&format!(
            "holds a private key that cannot be used ({error}); it must be RSA of at least 2048 bits"
        ))
    })
}

fn wrong(what: &str) -> SignInError {
    SignInError::refused(
        format!("The client certificate {what}."),
        "client-certificate is one PEM text with the certificate and its unencrypted RSA private key.",
    )
}
