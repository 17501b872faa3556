//! Packages of the distribution: looked up in apt's list, downloaded, checked. Never installed.

use crate::machine::cache;
use crate::machine::error::{MachineError, io, system};
use crate::machine::program::{find, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the package list says.
pub(super) struct Listed {
    pub package: String,
    pub version: String,
    pub sha256: String,
}

/// The newest version of `package`.
pub(super) fn listed(package: &str) -> Result<Listed, MachineError> {
    let text = stanza(package)?;
    match (field(&text, "Version"), field(&text, "SHA256")) {
        (Some(version), Some(sha256)) => Ok(Listed { package: package.to_owned(), version, sha256 }),
        _ => Err(MachineError::NoPackage { package: package.to_owned() }),
    }
}

/// The first package that `meta` depends on and whose name begins with `prefix`.
pub(super) fn dependency(meta: &str, prefix: &str) -> Result<String, MachineError> {
    let depends = field(&stanza(meta)?, "Depends").unwrap_or_default();
    let mut names = depends.split([',', '|']).filter_map(|d| d.split_whitespace().next());
    let found = names.find(|n| n.starts_with(prefix)).map(str::to_owned);
    found.ok_or_else(|| MachineError::NoPackage { package: meta.to_owned() })
}

fn stanza(package: &str) -> Result<String, MachineError> {
    let apt_cache = find("apt-cache", "apt")?;
    let text = run(Command::new(apt_cache).args(["show", "--no-all-versions", package]));
    text.map_err(|_| MachineError::NoPackage { package: package.to_owned() })
}

/// A field of a package's stanza (deb-control(5)).
fn field(stanza: &str, name: &str) -> Option<String> {
    let line = stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Downloads it into `dir` and checks its digest.
pub(super) fn download(listed: &Listed, dir: &Path) -> Result<PathBuf, MachineError> {
    let what = format!("{}={}", listed.package, listed.version);
    // apt's own download user cannot write to a folder of ours, and says so in a warning that helps nobody.
    let args = ["-q", "-o", "APT::Sandbox::User=root", "download", &what];
    run(Command::new(find("apt-get", "apt")?).args(args).current_dir(dir))?;
    let entries = std::fs::read_dir(dir).map_err(io("list", dir))?.flatten().map(|e| e.path());
    let package = entries.into_iter().find(|p| p.extension().is_some_and(|e| e == "deb"));
    let package = package.ok_or_else(|| {
        system("find the downloaded package")(std::io::Error::from(std::io::ErrorKind::NotFound))
    })?;
    let is = cache::digest(&package)?;
    if is == listed.sha256 {
        Ok(package)
    } else {
        Err(MachineError::Digest { path: package, is, wanted: listed.sha256.clone() })
    }
}

/// Unpacks a package's files to `to`.
pub(super) fn unpack(package: &Path, to: &Path) -> Result<(), MachineError> {
    run(Command::new(find("dpkg-deb", "dpkg")?).arg("-x").arg(package).arg(to)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let stanza = "Package: a\nVersion: 1:2\nDepends: linux-image-6 (= 1), b\nSHA256: ff\n";
        assert_eq!(field(stanza, "Version").as_deref(), Some("1:2"));
        assert_eq!(field(stanza, "SHA"), None);
    }
}
