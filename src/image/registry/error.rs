//! Why a registry could not be spoken to, or not be believed.

use crate::image::digest::Digest;
use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A name that begins with no host.
    #[error("{0} names no registry: a host comes first, as in docker.io/library/{0} or localhost:5000/{0}")]
    NoHost(String),
    /// No connection, or one that broke or stood still.
    #[error("{method} {url}")]
    Transport {
        /// What was asked.
        method: &'static str,
        /// Where.
        url: String,
        /// Reason.
        source: Box<ureq::Error>,
    },
    /// An answer that is not the one hoped for.
    #[error("{method} {url}: the registry answers {status}{message}")]
    Status {
        /// What was asked.
        method: &'static str,
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// `: ` and the registry's own words, or nothing.
        message: String,
        /// When it wants to be asked again, in seconds.
        retry_after_s: Option<u64>,
    },
    /// 401 or 403.
    #[error("{host} denies {action} of {repository}{message}")]
    Denied {
        /// The registry.
        host: String,
        /// Its repository.
        repository: String,
        /// `pull` or `push`.
        action: &'static str,
        /// `: ` and the registry's own words, or nothing.
        message: String,
    },
    /// There is no such manifest.
    #[error("{0} is not in the registry")]
    Unknown(String),
    /// The connection broke in the middle of a blob.
    #[error("blob {digest} from {url} broke off after {bytes} bytes")]
    BrokeOff {
        /// Of the blob.
        digest: Digest,
        /// From where.
        url: String,
        /// Bytes there so far.
        bytes: u64,
        /// Reason.
        source: std::io::Error,
    },
    /// The registry contradicts itself.
    #[error("{url}: {why}")]
    Lies {
        /// Where.
        url: String,
        /// What it said and what is so.
        why: String,
    },
    /// Somewhere that one does not go.
    #[error("{from} redirects to {to}: {why}")]
    Redirect {
        /// Asked.
        from: String,
        /// Told.
        to: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An image bigger than one takes.
    #[error("{image} is {bytes} bytes in the registry, and no more than {limit} are taken")]
    TooLarge {
        /// Reference.
        image: String,
        /// What its manifest says.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file with credentials.
    #[error("credentials in {path}: {why}")]
    Credentials {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A program that gives credentials.
    #[error("credential helper {program}: {why}")]
    Helper {
        /// Which.
        program: String,
        /// What is wrong.
        why: String,
    },
    /// A file with certificates.
    #[error("certificates in {path}: {why}")]
    Certificates {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl RegistryError {
    /// Whether the same request may go well a moment later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !matches!(
                **source,
                ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::BadUri(_) | ureq::Error::Http(_)
            ),
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::BrokeOff { .. } => true,
            _ => false,
        }
    }

    /// Whether TLS was tried on something that does not speak it, or whose certificate is not trusted.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Transport { source, .. } => match &**source {
                ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
                ureq::Error::Io(e) => {
                    e.get_ref().is_some_and(|e| e.to_string().contains("certificate"))
                        || e.kind() == std::io::ErrorKind::InvalidData
                }
                _ => false,
            },
            _ => false,
        }
    }
}
