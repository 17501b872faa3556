//! The kernel's source: the distribution's package, or a tree or archive that the user names.

use super::package;
use crate::machine::cache;
use crate::machine::error::{MachineError, io};
use crate::machine::program::{find, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's kernel source, with the distribution's patches (a .tar.xz in a package).
const PACKAGE: &str = "linux-source-6.1";

/// Parts of the tree of which our own configuration compiles nothing: two thirds of its files. What configures and finds
/// things in them (Kconfig, Makefile) is kept.
const UNUSED: [&str; 23] = [
    "Documentation",
    "arch/arm",
    "arch/arm64",
    "arch/mips",
    "arch/powerpc",
    "arch/riscv",
    "arch/s390",
    "arch/sh",
    "arch/sparc",
    "drivers/gpu",
    "drivers/iio",
    "drivers/infiniband",
    "drivers/input",
    "drivers/media",
    "drivers/mfd",
    "drivers/mtd",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/scsi",
    "drivers/staging",
    "drivers/usb",
    "sound",
    "tools/testing",
];

/// A source that is known and not yet unpacked.
pub(super) struct Source {
    /// For people: package and version, or the path.
    pub version: String,
    /// What it is known by in the cache's key.
    pub digest: String,
    from: From,
}

enum From {
    Package(package::Listed),
    Archive(PathBuf),
}

/// `given` is a .tar, .tar.gz, .tar.xz or .tar.zst of a kernel tree.
pub(super) fn of(given: Option<&Path>) -> Result<Source, MachineError> {
    if let Some(path) = given {
        let digest = cache::digest(path)?;
        return Ok(Source {
            version: path.display().to_string(),
            digest,
            from: From::Archive(path.to_owned()),
        });
    }
    let listed = package::listed(PACKAGE)?;
    let version = format!("{} {}", listed.package, listed.version);
    Ok(Source { version, digest: listed.sha256.clone(), from: From::Package(listed) })
}

impl Source {
    /// Unpacks it below `dir` and gives the folder with its Makefile. `whole`: with what our own configuration has no use
    /// for.
    pub fn unpack(&self, dir: &Path, whole: bool) -> Result<PathBuf, MachineError> {
        let tree = dir.join("source");
        std::fs::create_dir(&tree).map_err(io("create", &tree))?;
        let archive = match &self.from {
            From::Archive(path) => path.clone(),
            From::Package(listed) => {
                let package = package::download(listed, dir)?;
                let unpacked = dir.join("package");
                package::unpack(&package, &unpacked)?;
                std::fs::remove_file(&package).map_err(io("remove", &package))?;
                archive_in(&unpacked.join("usr/src"))?
            }
        };
        // The archive's one folder is left out, whatever its name.
        let mut tar = Command::new(find("tar", "tar")?);
        if !whole {
            tar.args(UNUSED.iter().flat_map(|dir| {
                ["*.[chS]", "*.rst", "*.dts", "*.dtsi", "*.yaml", "*.txt"]
                    .map(|kind| format!("--exclude=*/{dir}/{kind}"))
            }));
        }
        run(tar.arg("-xf").arg(&archive).arg("--strip-components=1").arg("-C").arg(&tree))?;
        let makefile = tree.join("Makefile");
        std::fs::metadata(&makefile).map_err(io("find in the source", &makefile))?;
        Ok(tree)
    }
}

fn archive_in(dir: &Path) -> Result<PathBuf, MachineError> {
    let entries = std::fs::read_dir(dir).map_err(io("list", dir))?.flatten().map(|e| e.path());
    let found = entries.into_iter().find(|p| p.to_string_lossy().contains(".tar."));
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    found.ok_or_else(|| io("find an archive in", dir)(missing()))
}
