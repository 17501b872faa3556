//! What a build is asked for.

use super::super::reference::Reference;
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

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// As Go names it.
    pub architecture: String,
    /// `v7` and the like.
    pub variant: Option<String>,
}

impl Platform {
    /// This host's.
    pub fn host() -> Self {
        let architecture = super::super::platform::architecture().to_owned();
        Self { os: "linux".into(), architecture, variant: None }
    }
}

impl std::str::FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let bad = || format!("{text:?} is no platform: linux/amd64 or linux/arm/v7 is one");
        match parts[..] {
            ["linux", architecture] if !architecture.is_empty() => {
                Ok(Self { os: "linux".into(), architecture: architecture.into(), variant: None })
            }
            ["linux", architecture, variant] if !architecture.is_empty() && !variant.is_empty() => Ok(Self {
                os: "linux".into(),
                architecture: architecture.into(),
                variant: Some(variant.into()),
            }),
            _ => Err(bad()),
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|v| write!(f, "/{v}"))
    }
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
            epoch: None,
        }
    }
}
