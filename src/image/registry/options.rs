//! How a registry is spoken to.

use std::path::PathBuf;
use std::time::Duration;

/// See the fields.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plain HTTP, or TLS whose certificate nobody checked, will do.
    pub insecure: bool,
    /// More certificates of authorities to trust, as PEM.
    pub ca: Option<PathBuf>,
    /// The only file with credentials; none: the files of podman and Docker.
    pub auth_file: Option<PathBuf>,
    /// Blobs at a time.
    pub jobs: usize,
    /// How often a request is made again after it failed in a way that may pass.
    pub retries: u32,
    /// The wait before the first repetition; each is twice as long as the one before.
    pub first_wait: Duration,
    /// A connection on which nothing moves for so long has failed.
    pub idle: Duration,
    /// More bytes than that, all blobs together, are not fetched.
    pub limit_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure: false,
            ca: None,
            auth_file: None,
            jobs: 4,
            retries: 5,
            first_wait: Duration::from_millis(250),
            idle: Duration::from_secs(30),
            limit_bytes: 64 << 30,
        }
    }
}
