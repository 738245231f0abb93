//! From resolved inputs to the client's settings: the one place where a host's facts become Azure's.

use std::path::Path;

use url::Url;

use super::inputs::{CommonInputs, InputProblem, InputProblems};
use crate::azure::client::Settings;
use crate::azure::{NetworkSettings, ProxySettings, cloud};
use crate::host::Host;
use crate::host::network::{Bypass, NetworkFacts};
use crate::secret::Secret;

/// Everything that sign-in depends on. Reads the certificate file, if one is named.
pub(super) fn settings(
    inputs: &CommonInputs,
    host: &dyn Host,
    folder: &Path,
) -> Result<Settings, InputProblems> {
    Ok(Settings {
        auth: inputs.auth,
        tenant_id: inputs.tenant_id.clone(),
        client_id: inputs.client_id.clone(),
        client_secret: inputs.client_secret.clone(),
        client_certificate: certificate(inputs, host, folder)?,
        offer: host.identity(),
        cloud: inputs.cloud.clone(),
        arm_endpoint: arm_endpoint(inputs, host)?,
        network: network(host.network()),
    })
}

fn certificate(
    inputs: &CommonInputs,
    host: &dyn Host,
    folder: &Path,
) -> Result<Option<Secret>, InputProblems> {
    if inputs.client_certificate.is_some() {
        return Ok(inputs.client_certificate.clone());
    }
    let Some(path) = &inputs.client_certificate_path else {
        return Ok(None);
    };
    let path = folder.join(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            // Only in our own texts: telling the host to mask it would write the key into its log.
            host.masker().learn(&text);
            Ok(Some(Secret::new(text)))
        }
        Err(error) => Err(malformed(
            host,
            "client-certificate-path",
            format!("{}: {error}", path.display()),
        )),
    }
}

fn arm_endpoint(inputs: &CommonInputs, host: &dyn Host) -> Result<Option<Url>, InputProblems> {
    let Some(text) = &inputs.arm_endpoint else {
        return Ok(None);
    };
    let wrong = |why| malformed(host, "arm-endpoint", why);
    let url = Url::parse(text).map_err(|error| {
        wrong(format!(
            "{text:?} is not an address ({error}); it begins with https://, or with http:// for an emulator on this machine"
        ))
    })?;
    cloud::check_endpoint(&url).map_err(wrong)?;
    Ok(Some(url))
}

/// The agent does not export its proxy; where `HTTPS_PROXY` is set the transport reads it, with `NO_PROXY`, by itself.
fn network(facts: NetworkFacts) -> NetworkSettings {
    let bypass = match facts.bypass {
        Bypass::None => Some(Vec::new()),
        Bypass::Suffixes(_) => None,
        Bypass::Patterns(patterns) => Some(patterns),
    };
    let proxy = facts
        .proxy
        .zip(bypass)
        .map(|(proxy, bypass)| ProxySettings {
            url: Secret::new(proxy.url),
            user: proxy.user,
            password: proxy.password,
            bypass,
        });
    NetworkSettings {
        proxy,
        extra_ca_files: facts.extra_ca_files,
    }
}

/// A problem with one input, named as this host's user wrote it.
pub(super) fn malformed(host: &dyn Host, name: &str, why: String) -> InputProblems {
    InputProblems(vec![InputProblem::Malformed {
        label: host.input_label(name),
        why,
    }])
}
