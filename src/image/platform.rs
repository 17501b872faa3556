//! Which image of an index is this host's.

use super::digest::Digest;
use super::error::ImageError;
use oci_spec::image::Descriptor;
use std::fmt;
use std::str::FromStr;

/// This host's architecture as images name it (Go's GOARCH).
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// Whether the host's kernel was told of an emulator for it: an entry of binfmt_misc with the processor's name, as
/// Debian's and Docker's are called (Documentation/admin-guide/binfmt-misc.rst).
pub(super) fn is_emulated(architecture: &str) -> bool {
    let name = match architecture {
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        "386" => "i386",
        other => other,
    };
    std::path::Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{name}")).exists()
}

/// `os/architecture`, and perhaps a variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// Go's GOOS.
    pub os: String,
    /// Go's GOARCH.
    pub architecture: String,
    /// As `v8`; none: any.
    pub variant: Option<String>,
}

impl Platform {
    /// This host's.
    pub fn host() -> Self {
        Self { os: "linux".to_owned(), architecture: architecture().to_owned(), variant: None }
    }

    /// An error where the image's config says that it is for another.
    pub(super) fn expect(&self, image: &super::Image) -> Result<(), ImageError> {
        let said = |key: &str| image.config_json()[key].as_str().unwrap_or_default();
        let (os, architecture) = (said("os"), said("architecture"));
        if (os, architecture) == (&self.os, &self.architecture) {
            return Ok(());
        }
        let found = format!("{os}/{architecture}");
        Err(ImageError::NoPlatform { image: image.digest().clone(), wanted: self.to_string(), found })
    }

    fn fits(&self, found: &oci_spec::image::Platform) -> bool {
        found.os().to_string() == self.os
            && found.architecture().to_string() == self.architecture
            && (self.variant.is_none() || *found.variant() == self.variant)
    }
}

impl FromStr for Platform {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(ImageError::Unsupported { what: "platform", found: text.to_owned() }),
        };
        let variant = variant.map(str::to_owned);
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|v| write!(f, "/{v}"))
    }
}

/// The entry for a platform; one without a platform serves when it is the only one.
pub(super) fn choose<'a>(
    entries: &'a [Descriptor],
    index: &Digest,
    wanted: &Platform,
) -> Result<&'a Descriptor, ImageError> {
    let fits = |d: &&Descriptor| d.platform().as_ref().is_some_and(|p| wanted.fits(p));
    if let Some(found) = entries.iter().find(fits) {
        return Ok(found);
    }
    match entries {
        [only] if only.platform().is_none() => Ok(only),
        _ => {
            let name =
                |d: &Descriptor| d.platform().as_ref().map(|p| format!("{}/{}", p.os(), p.architecture()));
            let found: Vec<String> = entries.iter().filter_map(name).collect();
            let (image, wanted) = (index.clone(), wanted.to_string());
            Err(ImageError::NoPlatform { image, wanted, found: found.join(", ") })
        }
    }
}
