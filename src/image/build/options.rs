//! What a build is asked for.

use super::super::platform::Platform;
use super::super::reference::Reference;
use super::super::registry;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// A folder.
    Folder(PathBuf),
    /// A tar, plain or compressed; or, if it is none, a Dockerfile without a context.
    Stdin,
    /// No files at all.
    Empty,
}

/// How layers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// What every tool reads.
    #[default]
    Gzip,
    /// Smaller and quicker; tools older than 2021 may not read it.
    Zstd,
    /// Not at all.
    None,
}

/// Of RUN steps that do not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// That of the host.
    #[default]
    Host,
    /// Nothing but lo.
    None,
}

/// When an image that a build stands on is fetched from its registry, as podman has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// Where the store does not have it.
    #[default]
    Missing,
    /// In each build; what has not changed is not fetched again.
    Always,
    /// In each build, but the store's will do where the registry does not answer.
    Newer,
    /// Never.
    Never,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files.
    pub context: Context,
    /// The Dockerfile; none: `Containerfile` or `Dockerfile` of the context. `-`: standard input.
    pub file: Option<PathBuf>,
    /// Stage to stop at; none: the last.
    pub target: Option<String>,
    /// Names of the result.
    pub tags: Vec<Reference>,
    /// `--build-arg`.
    pub arguments: BTreeMap<String, String>,
    /// Of the result, and of the images it builds on.
    pub platform: Platform,
    /// By id.
    pub secrets: BTreeMap<String, Secret>,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// Nothing is taken from the cache.
    pub no_cache: bool,
    /// One layer for all that the build adds.
    pub squash: bool,
    /// Of layers.
    pub compression: Compression,
    /// Of RUN steps.
    pub network: Network,
    /// Of the images that it stands on.
    pub pull: Pull,
    /// How their registries are spoken to.
    pub registry: registry::Options,
    /// SOURCE_DATE_EPOCH, seconds since 1970.
    pub epoch: Option<i64>,
}

impl Options {
    /// All as it is when nothing is said.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            file: None,
            target: None,
            tags: Vec::new(),
            arguments: BTreeMap::new(),
            platform: Platform::host(),
            secrets: BTreeMap::new(),
            labels: BTreeMap::new(),
            no_cache: false,
            squash: false,
            compression: Compression::Gzip,
            network: Network::Host,
            pull: Pull::Missing,
            registry: registry::Options::default(),
            epoch: None,
        }
    }
}
