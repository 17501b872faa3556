//! Manifests and indexes, one exchange each.

use super::error::RegistryError;
use super::http::{Ask, Client, MOST_JSON, Payload, shown};
use super::progress::Listener;
use super::retry::retried;
use crate::image::digest::Digest;
use crate::image::error::{ImageError, json};
use crate::image::reference::Version;
use serde_json::Value;

/// OCI's and Docker's (schema 2), which differ in these names alone.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest or index, as it is stored.
pub(super) struct Manifest {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

/// Fetches one, and believes it by its digest: the asked one, or the one that the registry tells for a tag.
pub(super) fn get(
    client: &Client,
    version: &Version,
    listener: Listener<'_>,
) -> Result<Manifest, ImageError> {
    retried(&client.options, listener, || 0, || once(client, version))
}

fn once(client: &Client, version: &Version) -> Result<Manifest, ImageError> {
    let (version_text, mark) = match version {
        Version::Tag(tag) => (tag.clone(), ':'),
        Version::Digest(digest) => (digest.to_string(), '@'),
    };
    let url = client.url(&format!("manifests/{version_text}"));
    let response = client.send(&Ask::new("GET", &url).header("accept", ACCEPT)).map_err(|e| match e {
        RegistryError::Status { status: 404, .. } => RegistryError::Unknown(format!(
            "{}/{}{mark}{version_text}",
            client.endpoint.host, client.endpoint.repository
        )),
        other => other,
    })?;
    let told =
        response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let lies = |why: String| RegistryError::Lies { url: shown(&url), why };
    let bytes =
        response.into_body().into_with_config().limit(MOST_JSON).read_to_vec().map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(_) => lies(format!("a manifest of more than {MOST_JSON} bytes")),
            source => RegistryError::Transport { method: "GET", url: shown(&url), source: Box::new(source) },
        })?;
    let digest = Digest::of(&bytes);
    if let Version::Digest(asked) = version
        && *asked != digest
    {
        return Err(lies(format!("asked for manifest {asked}, it gives {digest}")).into());
    }
    if let Some(told) = told
        && told.starts_with("sha256:")
        && told != digest.to_string()
    {
        return Err(lies(format!("it says that the manifest is {told}, it is {digest}")).into());
    }
    Ok(Manifest { digest, bytes })
}

/// Sends one.
pub(super) fn put(
    client: &Client,
    version: &str,
    bytes: &[u8],
    listener: Listener<'_>,
) -> Result<(), ImageError> {
    let digest = Digest::of(bytes);
    let url = client.url(&format!("manifests/{version}"));
    let value: Value = serde_json::from_slice(bytes).map_err(json(format!("manifest {digest}")))?;
    let kind = media_type(&value);
    let once = || {
        let mut ask = Ask::new("PUT", &url).header("content-type", kind);
        ask.payload = Payload::Bytes(bytes);
        let response = client.send(&ask)?;
        let told = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok());
        match told {
            Some(told) if told.starts_with("sha256:") && told != digest.to_string() => {
                let why = format!("manifest {digest} was sent, it says that it took {told}");
                Err(RegistryError::Lies { url: shown(&url), why }.into())
            }
            _ => Ok(()),
        }
    };
    retried(&client.options, listener, || 0, once)
}

/// As it names itself, or by what is in it.
pub(in crate::image) fn media_type(manifest: &Value) -> &str {
    let named = manifest.get("mediaType").and_then(Value::as_str);
    let config = manifest.pointer("/config/mediaType").and_then(Value::as_str).unwrap_or_default();
    match named {
        Some(named) => named,
        None if manifest.get("manifests").is_some() => "application/vnd.oci.image.index.v1+json",
        None if config.starts_with("application/vnd.docker") => {
            "application/vnd.docker.distribution.manifest.v2+json"
        }
        None => "application/vnd.oci.image.manifest.v1+json",
    }
}
