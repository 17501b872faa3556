//! Why a build failed.

use super::place::Place;
use crate::image::ImageError;
use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile says something that cannot be.
    #[error("{place}: {why}")]
    Syntax {
        /// Where.
        place: Box<Place>,
        /// What is wrong.
        why: String,
    },
    /// An instruction could not be carried out.
    #[error("{place}: {step}")]
    Step {
        /// Where.
        place: Box<Place>,
        /// The instruction, short.
        step: String,
        /// Reason.
        source: Box<StepError>,
    },
    /// An option that does not fit the Dockerfile.
    #[error("{0}")]
    Option(String),
    /// Another stage failed first.
    #[error("given up, because another stage failed")]
    GivenUp,
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
    /// Of the store.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl BuildError {
    /// Where in the Dockerfile, if there.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Syntax { place, .. } | Self::Step { place, .. } => Some(place),
            _ => None,
        }
    }
}

/// Why one instruction failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The command ran and said no.
    #[error("the command ended with {code}")]
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// The runtime could not start it.
    #[error("the command could not be run")]
    Run {
        /// Reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing of that name.
    #[error("{what}: there is no such file in {place}")]
    NoSource {
        /// As the instruction says.
        what: String,
        /// Context, stage or image.
        place: String,
    },
    /// What is not done, with the reason.
    #[error("{what}: {why}")]
    Refused {
        /// Of the instruction.
        what: String,
        /// Reason.
        why: String,
    },
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
    /// Of the store, or of an archive.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Another stage, which this one needs.
    #[error("the stage {0} that it needs has failed")]
    Stage(String),
}

pub(super) fn refused(what: impl Into<String>, why: impl Into<String>) -> StepError {
    StepError::Refused { what: what.into(), why: why.into() }
}

pub(super) fn io<E: Into<std::io::Error>>(
    step: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> StepError {
    move |e| StepError::Io { step, path: path.into(), source: e.into() }
}
