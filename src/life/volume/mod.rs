//! What a container sees besides its image: folders and files of the host, and volumes with a name, which are kept here.
//!
//! ```text
//! <root>/volumes/<name>/volume.json   what is known of it
//!                      /_data         what is in it
//!                      /new           until a container has used it: the image's files are yet to be copied
//! ```

mod copy_up;
mod parse;
mod store;

pub use copy_up::fill;
pub use parse::{parse, parse_mount};
pub use store::{Record, all, create, find, gone, prune, remove, settle, users};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A file or folder that is seen in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Volume {
    /// Absolute, on the host. Of a volume with a name it is known once the container has its folder.
    pub host: PathBuf,
    /// Absolute, in the container.
    pub inside: PathBuf,
    /// Cannot be written.
    pub read_only: bool,
    /// Of a volume that is kept here; empty for one that is to be given one at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Nobody gave it a name: it goes with its container, where that is asked for.
    #[serde(default)]
    pub anonymous: bool,
    /// What the image has in its place is copied into a new one.
    #[serde(default)]
    pub copy_up: bool,
}

impl Volume {
    /// One that nobody gave a name.
    pub fn anonymous(inside: PathBuf) -> Self {
        let name = Some(String::new());
        Self { inside, name, anonymous: true, copy_up: true, ..Self::default() }
    }

    /// Whether a filter means it: by its place in the container, by its name, or by its place on the host.
    pub fn is_called(&self, which: &str) -> bool {
        let name = self.name.as_deref().unwrap_or_default();
        self.inside.as_os_str() == which || self.host.as_os_str() == which || name == which
    }
}
