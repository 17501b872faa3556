//! Which certificates are trusted.

use super::error::RegistryError;
use super::options::Options;
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Folders where Docker and podman look for a registry's own authorities.
const FOLDERS: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// The system's authorities, those of `certs.d` for this host, and the one that was given.
pub(super) fn config(host: &str, options: &Options) -> Result<TlsConfig, RegistryError> {
    if options.insecure {
        return Ok(TlsConfig::builder().disable_verification(true).build());
    }
    let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|c| Certificate::from_der(c).to_owned())
        .collect();
    let folders = FOLDERS.iter().map(|d| Path::new(d).join(host));
    for path in folders.filter_map(|d| std::fs::read_dir(d).ok()).flatten().flatten().map(|e| e.path()) {
        if path.extension().is_some_and(|e| e == "crt") {
            roots.extend(read(&path)?);
        }
    }
    if let Some(path) = &options.ca {
        roots.extend(read(path)?);
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build())
}

fn read(path: &PathBuf) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let bad = |why: String| RegistryError::Certificates { path: path.clone(), why };
    let text = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| bad(e.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(bad("no certificate in PEM form is in it".into())) } else { Ok(found) }
}
