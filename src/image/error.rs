//! Why an image operation failed.

use super::digest::Digest;
use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file or folder.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not `sha256:<64 hex digits>`.
    #[error("{0:?} is not a digest: sha256: and 64 lower-case hexadecimal digits are")]
    BadDigest(String),
    /// Not a reference.
    #[error("{text:?} is not an image reference: {why}")]
    BadReference {
        /// As given.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// For another processor or system.
    #[error("image is for {theirs}, host is {host}")]
    Foreign {
        /// Of the image.
        theirs: String,
        /// Of this host.
        host: String,
    },
    /// Unknown.
    #[error("no image {0} in the store")]
    NotFound(String),
    /// A blob that the store does not have.
    #[error("blob {0} is not in the store")]
    NoBlob(Digest),
    /// What came is not what was promised.
    #[error("blob {expected} has digest {found}: it is damaged")]
    WrongDigest {
        /// Promised.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// As above.
    #[error("blob {digest} has {found} bytes, {expected} were promised: it is cut off or damaged")]
    WrongSize {
        /// Of the blob.
        digest: Digest,
        /// Promised.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// JSON of a manifest, config or index.
    #[error("{what} is not readable")]
    Json {
        /// Which.
        what: String,
        /// Parser's reason.
        source: serde_json::Error,
    },
    /// Something that this program does not know.
    #[error("{what} {found:?} is not supported")]
    Unsupported {
        /// Which field.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// A stream that could not be read: not what it says it is, or its source failed.
    #[error("cannot read {what}")]
    Stream {
        /// Which.
        what: String,
        /// Reason.
        source: std::io::Error,
    },
    /// An archive that ends before its end is marked.
    #[error("{what} is cut off after {after:?}: the end of the archive is missing")]
    CutOff {
        /// Which archive.
        what: String,
        /// Last whole header's path.
        after: String,
    },
    /// A member that could not be made.
    #[error("cannot unpack {entry:?}")]
    Write {
        /// Path in the archive.
        entry: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A layer that unpacks to something else than the config says.
    #[error("layer {layer} unpacks to diff id {found}, its config promises {expected}")]
    WrongDiffId {
        /// Blob.
        layer: Digest,
        /// Promised.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A manifest and a config that do not belong together.
    #[error("image {image}: {why}")]
    Inconsistent {
        /// Manifest.
        image: Digest,
        /// What is wrong.
        why: String,
    },
    /// An index without the host's platform.
    #[error("image {image} is not there for {wanted}, but for {found}")]
    NoPlatform {
        /// Index.
        image: Digest,
        /// Of the host.
        wanted: String,
        /// What it has.
        found: String,
    },
    /// A user or group that the image does not have.
    #[error("user {user:?} of the image: {why}")]
    User {
        /// As the config says.
        user: String,
        /// What is wrong.
        why: String,
    },
    /// A file or folder that holds no image.
    #[error("{path} holds no image: {why}")]
    NoImage {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        why: String,
    },
    /// A layer whose archive is hostile or damaged.
    #[error("layer entry {entry:?}: {why}")]
    Entry {
        /// Path in the archive.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// A layer that unpacks to more than it may.
    #[error("layer unpacks to more than {limit} bytes: refused as a decompression bomb")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// A registry.
    #[error(transparent)]
    Registry(#[from] super::registry::RegistryError),
    /// A layer with more members than it may have.
    #[error("layer has more than {limit} members: refused")]
    TooMany {
        /// The limit.
        limit: u64,
    },
}

pub(super) fn json(what: impl std::fmt::Display) -> impl FnOnce(serde_json::Error) -> ImageError {
    move |source| ImageError::Json { what: what.to_string(), source }
}

pub(super) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> ImageError {
    move |source| ImageError::Io { step, path: path.to_owned(), source }
}
