//! Kernel and shell for another processor, as packages of that architecture, through a configuration of apt that this
//! host's own knows nothing of.

use super::super::cache;
use super::super::debian::{KEYRING, sources_of_this_host};
use super::super::error::{MachineError, io};
use super::super::program::{find, run};
use super::Kind;
use std::path::{Path, PathBuf};
use std::process::Command;

const SHELL: &str = "busybox-static";

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// For this.
    pub kind: &'static Kind,
    /// As QEMU loads it.
    pub kernel: PathBuf,
    /// A static busybox for that processor.
    pub busybox: PathBuf,
}

/// Fetches kernel and shell, unless they are there.
pub fn fetch(cache_dir: &Path, kind: &'static Kind) -> Result<Foreign, MachineError> {
    let dir = cache_dir.join("foreign").join(format!("{}-2", kind.kernel));
    let there = Foreign { kind, kernel: dir.join("kernel"), busybox: dir.join("busybox") };
    if there.kernel.is_file() && there.busybox.is_file() {
        return Ok(there);
    }
    std::fs::create_dir_all(&dir).map_err(io("create", &dir))?;
    let making =
        tempfile::Builder::new().prefix(".making-").tempdir_in(&dir).map_err(io("create in", &dir))?;
    let config = apt_config(making.path(), kind)?;
    let apt = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(find(program, "apt")?);
        run(command.env("APT_CONFIG", &config).current_dir(making.path()).args(arguments))
    };
    apt("apt-get", &["-q", "update"])?;
    let about = apt("apt-cache", &["show", "--no-all-versions", kind.kernel])?;
    let depends = about.lines().find_map(|l| l.strip_prefix("Depends: ")).unwrap_or_default();
    let kernel = depends.split_whitespace().next().unwrap_or_default();
    // apt checks both against its signed lists.
    apt("apt-get", &["-q", "download", kernel, SHELL])?;
    let unpacked = making.path().join("unpacked");
    for package in listed(making.path())?.iter().filter(|p| p.extension().is_some_and(|e| e == "deb")) {
        run(Command::new(find("dpkg-deb", "dpkg")?).arg("-x").arg(package).arg(&unpacked))?;
    }
    let image = listed(&unpacked.join("boot"))?;
    let image =
        image.iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vmlinu")));
    let missing = || MachineError::NoPackage { package: kind.kernel.into() };
    // Since Debian 13 below /usr alone.
    let shells = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
    let shell = shells.iter().find(|p| p.is_file()).unwrap_or(&shells[0]);
    cache::put(&there.busybox, |to| copy(shell, to))?;
    cache::put(&there.kernel, |to| copy(image.ok_or_else(missing)?, to))?;
    Ok(there)
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), MachineError> {
    std::fs::copy(from, to).map(drop).map_err(io("copy", from))
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>, MachineError> {
    Ok(std::fs::read_dir(dir).map_err(io("list", dir))?.flatten().map(|e| e.path()).collect())
}

/// Folders and a configuration that has this host's sources and keys, and nothing else of it.
fn apt_config(dir: &Path, kind: &Kind) -> Result<PathBuf, MachineError> {
    for below in ["state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"] {
        let path = dir.join(below);
        std::fs::create_dir_all(&path).map_err(io("create", &path))?;
    }
    let sources = sources(kind)?;
    let (list, config) = (dir.join("sources.list"), dir.join("apt.conf"));
    std::fs::write(&list, sources).map_err(io("write", &list))?;
    let text = format!(
        "Dir \"{0}\";\nDir::State \"state\";\nDir::State::status \"/dev/null\";\nDir::Cache \"cache\";\nDir::Etc \"etc\";\n\
         Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"-\";\nDir::Etc::trusted \"/etc/apt/trusted.gpg\";\n\
         Dir::Etc::trustedparts \"/etc/apt/trusted.gpg.d\";\nAPT::Architecture \"{1}\";\n\
         APT::Architectures {{ \"{1}\"; }};\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n",
        dir.display(),
        kind.architecture
    );
    std::fs::write(&config, text).map_err(io("write", &config))?;
    Ok(config)
}

/// Where packages come from, a line each: this host's, or the first of them for another release.
fn sources(kind: &Kind) -> Result<String, MachineError> {
    let (mut sources, suite) = sources_of_this_host()?;
    if let Some(other) = kind.suite {
        let own = |l: &&str| l.split_whitespace().nth(2) == Some(&suite);
        let line = sources.lines().find(own).unwrap_or_default();
        sources = line.replacen(&format!(" {suite} "), &format!(" {other} "), 1) + "\n";
    }
    let signed = format!("deb [signed-by={KEYRING}] ");
    Ok(if Path::new(KEYRING).is_file() { sources.replace("deb ", &signed) } else { sources })
}
