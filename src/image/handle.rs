//! One image of the store: manifest, config, and what can be asked of it.

use super::digest::Digest;
use super::error::{ImageError, json};
use super::platform::{self, Platform};
use super::store::Store;
use super::unpack::Limits;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an image says about its process.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct RunSpec {
    /// Entrypoint and command.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working folder; empty: `/`.
    pub cwd: String,
    /// `user[:group]`, names or numbers; empty: root.
    pub user: String,
}

/// Bytes of one image, as METHOD.md defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ImageSizes {
    /// Distinct blobs: manifest, config and layers as they are stored.
    pub registry_bytes: u64,
    /// Apparent bytes of the regular files that can be seen through all layers, hard links once.
    pub unpacked_bytes: u64,
    /// Bytes that those files and all folders occupy on the store's file system.
    pub allocated_bytes: u64,
}

/// See the module. The raw JSON is kept beside the types, which drop fields that they do not know.
#[derive(Debug, Clone)]
pub struct Image {
    digest: Digest,
    manifest_bytes: u64,
    manifest: ImageManifest,
    manifest_json: Value,
    config: ImageConfiguration,
    config_json: Value,
    diff_ids: Vec<Digest>,
}

impl Image {
    /// Reads the image whose manifest, or an index that leads to it, has this digest.
    pub fn read(store: &Store, digest: &Digest) -> Result<Self, ImageError> {
        Self::read_for(store, digest, &Platform::host())
    }

    /// The same for another platform.
    pub fn read_for(store: &Store, digest: &Digest, wanted: &Platform) -> Result<Self, ImageError> {
        let bytes = store.read(digest)?;
        let what = || format!("manifest {digest}");
        let manifest_json: Value = serde_json::from_slice(&bytes).map_err(json(what()))?;
        if manifest_json.get("manifests").is_some() {
            let index: ImageIndex = serde_json::from_slice(&bytes).map_err(json(what()))?;
            let chosen = digest_of(platform::choose(index.manifests(), digest, wanted)?)?;
            // An index within an index would be legal; one that holds itself cannot be made, its digest forbids it.
            return Self::read_for(store, &chosen, wanted);
        }
        let manifest: ImageManifest = serde_json::from_slice(&bytes).map_err(json(what()))?;
        let config_digest = digest_of(manifest.config())?;
        let config_bytes = store.read(&config_digest)?;
        let what = || format!("config {config_digest}");
        let config_json: Value = serde_json::from_slice(&config_bytes).map_err(json(what()))?;
        let config: ImageConfiguration = serde_json::from_slice(&config_bytes).map_err(json(what()))?;
        let diff_ids: Result<Vec<Digest>, _> = config.rootfs().diff_ids().iter().map(|d| d.parse()).collect();
        let diff_ids = diff_ids?;
        if diff_ids.len() != manifest.layers().len() {
            let why = format!("{} layers, but {} diff ids", manifest.layers().len(), diff_ids.len());
            return Err(ImageError::Inconsistent { image: digest.clone(), why });
        }
        let manifest_bytes = bytes.len() as u64;
        Ok(Self {
            digest: digest.clone(),
            manifest_bytes,
            manifest,
            manifest_json,
            config,
            config_json,
            diff_ids,
        })
    }

    /// Of the manifest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The manifest as it is stored.
    pub fn manifest_json(&self) -> &Value {
        &self.manifest_json
    }

    /// The config as it is stored.
    pub fn config_json(&self) -> &Value {
        &self.config_json
    }

    /// `os/architecture`, with a variant where there is one.
    pub fn platform(&self) -> String {
        let plain = format!("{}/{}", self.config.os(), self.config.architecture());
        self.config.variant().iter().fold(plain, |all, variant| format!("{all}/{variant}"))
    }

    /// An error if its programs cannot run here: it is for another processor, and the host's kernel was told of no emulator
    /// for that (binfmt_misc).
    pub fn check_host(&self) -> Result<(), ImageError> {
        let host = Platform::host();
        let theirs = self.config.architecture().to_string();
        if theirs == host.architecture || platform::is_emulated(&theirs) {
            return Ok(());
        }
        Err(ImageError::Foreign { theirs: self.platform(), host: host.to_string() })
    }

    /// When it was made, as its config says (RFC 3339).
    pub fn created(&self) -> Option<&str> {
        self.config.created().as_deref()
    }

    /// Digests of the uncompressed layers, bottom first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// What its process is.
    pub fn run_spec(&self) -> RunSpec {
        let Some(config) = self.config.config() else { return RunSpec::default() };
        let words = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        RunSpec {
            argv: [words(config.entrypoint()), words(config.cmd())].concat(),
            env: words(config.env()),
            cwd: config.working_dir().clone().unwrap_or_default(),
            user: config.user().clone().unwrap_or_default(),
        }
    }

    /// Whether every layer is unpacked.
    pub fn is_unpacked(&self, store: &Store) -> bool {
        self.diff_ids.iter().all(|id| store.layer_path(id).is_dir())
    }

    /// Unpacks the layers that are not yet; overlayfs' lower folders, top first. They stay as long as `store`, or a
    /// clone of it, is open.
    pub fn lower_dirs(&self, store: &Store) -> Result<Vec<PathBuf>, ImageError> {
        self.lower_dirs_within(store, Limits::default())
    }

    /// [`Image::lower_dirs`] with limits of one's own for each layer.
    pub fn lower_dirs_within(&self, store: &Store, limits: Limits) -> Result<Vec<PathBuf>, ImageError> {
        let (_, blobs) = self.described()?;
        let layers: Vec<_> = blobs.into_iter().zip(self.diff_ids.iter().cloned()).rev().collect();
        let mut dirs = Vec::new();
        for path in super::layer::unpacked(store, &layers, limits)? {
            // A layer that comes twice hides nothing that its upper copy does not: overlayfs refuses one folder twice.
            if !dirs.contains(&path) {
                dirs.push(path);
            }
        }
        Ok(dirs)
    }

    /// User, group and supplementary groups of its process, looked up in `layers`, top first.
    pub fn resolve_user(&self, layers: &[PathBuf]) -> Result<(u32, u32, Vec<u32>), ImageError> {
        super::user::resolve(&self.run_spec().user, layers)
    }

    /// As [`Image::resolve_user`], for another user than the image's own.
    pub fn resolve_named_user(
        &self,
        user: &str,
        layers: &[PathBuf],
    ) -> Result<(u32, u32, Vec<u32>), ImageError> {
        super::user::resolve(user, layers)
    }

    /// Blobs of its config and layers, bottom first.
    pub(super) fn described(&self) -> Result<(Digest, Vec<Digest>), ImageError> {
        let layers: Result<Vec<Digest>, _> = self.manifest.layers().iter().map(digest_of).collect();
        Ok((digest_of(self.manifest.config())?, layers?))
    }

    /// Every blob that it needs, with its bytes.
    pub fn blobs(&self) -> Result<BTreeMap<Digest, u64>, ImageError> {
        let described = self.manifest.layers().iter().chain([self.manifest.config()]);
        let mut all: BTreeMap<_, _> =
            described.map(|d| Ok((digest_of(d)?, d.size()))).collect::<Result<_, ImageError>>()?;
        all.insert(self.digest.clone(), self.manifest_bytes);
        Ok(all)
    }
}

/// Of a descriptor; other algorithms than sha256 are refused.
pub(super) fn digest_of(descriptor: &Descriptor) -> Result<Digest, ImageError> {
    descriptor.digest().to_string().parse()
}
