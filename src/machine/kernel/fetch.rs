//! Fetches Debian's kernel for clouds as a package: downloaded, checked, unpacked, never installed.

use super::{CURRENT, KERNELS, Kernel, LAYOUT, fetched, modules, vmlinux};
use crate::machine::cache;
use crate::machine::error::{MachineError, io, system};
use crate::machine::program::{find, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Depends on the newest kernel of the distribution, which is small and has what virtual machines need.
#[cfg(target_arch = "x86_64")]
const PACKAGE: &str = "linux-image-cloud-amd64";
#[cfg(not(target_arch = "x86_64"))]
const PACKAGE: &str = "linux-image-cloud-arm64";

/// Fetches the kernel that the package list names, unless it is in the cache.
pub fn fetch(cache_dir: &Path) -> Result<Kernel, MachineError> {
    let listed = listed()?;
    let kernels = cache_dir.join(KERNELS);
    let dir = kernels.join(format!("{}_{}_{LAYOUT}", listed.release, listed.version.replace(':', "_")));
    if !dir.join("layout").is_file() {
        std::fs::create_dir_all(&kernels).map_err(io("create", &kernels))?;
        let making = tempfile::Builder::new().prefix(".making-").tempdir_in(&kernels);
        let making = making.map_err(io("create in", &kernels))?;
        let package = download(&listed, making.path())?;
        let unpacked = making.path().join("unpacked");
        run(Command::new(find("dpkg-deb", "dpkg")?).arg("-x").arg(&package).arg(&unpacked))?;
        let made = making.path().join("made");
        std::fs::create_dir(&made).map_err(io("create", &made))?;
        keep(&listed, &unpacked, &made)?;
        // A leftover of another layout or a torn one; and another process may have been quicker.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::rename(&made, &dir).map_err(io("rename to", &dir))?;
    }
    cache::put(&kernels.join(CURRENT), |to| {
        let name = dir.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(name, to).map_err(io("create", to))
    })?;
    fetched(cache_dir)
}

/// What the package list says.
struct Listed {
    package: String,
    release: String,
    version: String,
    sha256: String,
}

fn listed() -> Result<Listed, MachineError> {
    let apt_cache = find("apt-cache", "apt")?;
    let no = |package: &str| MachineError::NoPackage { package: package.to_owned() };
    let meta = run(Command::new(&apt_cache).args(["show", "--no-all-versions", PACKAGE]));
    let meta = meta.map_err(|_| no(PACKAGE))?;
    let depends = field(&meta, "Depends").ok_or_else(|| no(PACKAGE))?;
    let mut names = depends.split([',', '|']).filter_map(|d| d.split_whitespace().next());
    let package = names.find(|n| n.starts_with("linux-image-")).ok_or_else(|| no(PACKAGE))?;
    let text = run(Command::new(&apt_cache).args(["show", "--no-all-versions", package]));
    let text = text.map_err(|_| no(package))?;
    match (field(&text, "Version"), field(&text, "SHA256")) {
        (Some(version), Some(sha256)) => Ok(Listed {
            package: package.to_owned(),
            release: package.trim_start_matches("linux-image-").to_owned(),
            version,
            sha256,
        }),
        _ => Err(no(package)),
    }
}

/// A field of a package's stanza (deb-control(5)).
fn field(stanza: &str, name: &str) -> Option<String> {
    let line = stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn download(listed: &Listed, dir: &Path) -> Result<PathBuf, MachineError> {
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

/// Keeps vmlinux, the wanted modules and the names; the rest of the package is dropped.
fn keep(listed: &Listed, unpacked: &Path, made: &Path) -> Result<(), MachineError> {
    let image = unpacked.join("boot").join(format!("vmlinuz-{}", listed.release));
    let bad = |why: String| MachineError::BadKernel { path: image.clone(), why };
    let file = std::fs::read(&image).map_err(io("read", &image))?;
    let bytes = vmlinux::prepare(&vmlinux::of_kernel(&file).map_err(bad)?).map_err(bad)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = made.join(name);
        std::fs::write(&path, bytes).map_err(io("write", &path))
    };
    write("vmlinux", &bytes)?;
    let mut tree = unpacked.join("lib/modules").join(&listed.release);
    if !tree.is_dir() {
        tree = unpacked.join("usr/lib/modules").join(&listed.release);
    }
    let ordered = modules::in_order(&listed.release, &tree)?;
    let builtin = tree.join("modules.builtin");
    let builtin = std::fs::read_to_string(&builtin).map_err(io("read", &builtin))?;
    modules::check(&listed.release, &ordered, &builtin)?;
    let kept = made.join("modules");
    std::fs::create_dir(&kept).map_err(io("create", &kept))?;
    for module in &ordered {
        let to = kept.join(module.file_name().unwrap_or_default());
        let bytes = std::fs::read(module).map_err(io("read", module))?;
        std::fs::write(&to, modules::without_signature(&bytes)).map_err(io("write", &to))?;
    }
    write("release", listed.release.as_bytes())?;
    write("version", format!("{} {}", listed.package, listed.version).as_bytes())?;
    write("layout", LAYOUT.as_bytes())
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
