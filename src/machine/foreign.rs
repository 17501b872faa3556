//! A machine with another processor than the host's: the distribution's kernel for it, and a shell as its init that runs
//! one script and tells by the console what came of it. Kernel and shell come as packages of that architecture, through a
//! configuration of apt that this host's own knows nothing of.

use super::error::{MachineError, io, system};
use super::program::{find, run};
use super::{cache, cpio};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's name of the architecture.
pub const ARCHITECTURE: &str = "arm64";
const EMULATOR: &str = "qemu-system-aarch64";
const KERNEL_META: &str = "linux-image-cloud-arm64";
const SHELL: &str = "busybox-static";
/// For a script to end; the kernel needs about a second of it.
const DEADLINE: Duration = Duration::from_secs(60);
/// Around what the script says, so that the kernel's own words are told apart.
const BEGUN: &str = "taremark-begun";
const ENDED: &str = "taremark-ended ";

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// As QEMU loads it.
    pub kernel: PathBuf,
    /// A static busybox for that processor.
    pub busybox: PathBuf,
}

/// What a script said, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output and error.
    pub text: String,
    /// Exit code.
    pub code: i32,
}

/// Fetches kernel and shell, unless they are there.
pub fn fetch(cache_dir: &Path) -> Result<Foreign, MachineError> {
    let dir = cache_dir.join("foreign").join(format!("{ARCHITECTURE}-1"));
    let there = Foreign { kernel: dir.join("kernel"), busybox: dir.join("busybox") };
    if there.kernel.is_file() && there.busybox.is_file() {
        return Ok(there);
    }
    std::fs::create_dir_all(&dir).map_err(io("create", &dir))?;
    let making =
        tempfile::Builder::new().prefix(".making-").tempdir_in(&dir).map_err(io("create in", &dir))?;
    let config = apt_config(making.path())?;
    let apt = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(find(program, "apt")?);
        run(command.env("APT_CONFIG", &config).current_dir(making.path()).args(arguments))
    };
    apt("apt-get", &["-q", "update"])?;
    let about = apt("apt-cache", &["show", "--no-all-versions", KERNEL_META])?;
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
        image.iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz")));
    let missing = || MachineError::NoPackage { package: KERNEL_META.into() };
    cache::put(&there.busybox, |to| copy(&unpacked.join("bin/busybox"), to))?;
    cache::put(&there.kernel, |to| copy(image.ok_or_else(missing)?, to))?;
    Ok(there)
}

fn copy(from: &Path, to: &Path) -> Result<(), MachineError> {
    std::fs::copy(from, to).map(drop).map_err(io("copy", from))
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>, MachineError> {
    Ok(std::fs::read_dir(dir).map_err(io("list", dir))?.flatten().map(|e| e.path()).collect())
}

/// Folders and a configuration that has this host's sources and keys, and nothing else of it.
fn apt_config(dir: &Path) -> Result<PathBuf, MachineError> {
    for below in ["state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"] {
        let path = dir.join(below);
        std::fs::create_dir_all(&path).map_err(io("create", &path))?;
    }
    let (sources, _) = super::debian::sources_of_this_host()?;
    let signed = format!("deb [signed-by={}] ", super::debian::KEYRING);
    let sources =
        if Path::new(super::debian::KEYRING).is_file() { sources.replace("deb ", &signed) } else { sources };
    let (list, config) = (dir.join("sources.list"), dir.join("apt.conf"));
    std::fs::write(&list, sources).map_err(io("write", &list))?;
    let text = format!(
        "Dir \"{0}\";\nDir::State \"state\";\nDir::State::status \"/dev/null\";\nDir::Cache \"cache\";\nDir::Etc \"etc\";\n\
         Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"-\";\nDir::Etc::trusted \"/etc/apt/trusted.gpg\";\n\
         Dir::Etc::trustedparts \"/etc/apt/trusted.gpg.d\";\nAPT::Architecture \"{ARCHITECTURE}\";\n\
         APT::Architectures {{ \"{ARCHITECTURE}\"; }};\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n",
        dir.display()
    );
    std::fs::write(&config, text).map_err(io("write", &config))?;
    Ok(config)
}

/// A root with the shell and the script, whose init runs it; below `dir`.
pub fn tree(foreign: &Foreign, script: &str, dir: &Path) -> Result<PathBuf, MachineError> {
    use std::os::unix::fs::PermissionsExt;
    let root = dir.join("root");
    for below in ["bin", "proc", "sys", "dev", "tmp"] {
        let path = root.join(below);
        std::fs::create_dir_all(&path).map_err(io("create", &path))?;
    }
    copy(&foreign.busybox, &root.join("bin/busybox"))?;
    for applet in ["sh", "uname", "mount", "cat", "echo", "grep", "head", "poweroff", "sed"] {
        let link = root.join("bin").join(applet);
        std::os::unix::fs::symlink("busybox", &link).map_err(io("create", &link))?;
    }
    let init = format!(
        "#!/bin/sh\nmount -t proc proc /proc\nmount -t sysfs sysfs /sys\necho {BEGUN}\nsh /script 2>&1\n\
         echo {ENDED}$?\npoweroff -f\n"
    );
    for (name, text) in [("init", init.as_str()), ("script", script)] {
        let path = root.join(name);
        std::fs::write(&path, text).map_err(io("write", &path))?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).map_err(io("set the mode of", &path))?;
    }
    Ok(root)
}

/// Boots the machine, which runs the script and turns itself off.
pub fn execute(foreign: &Foreign, script: &str) -> Result<Said, MachineError> {
    let emulator = find(EMULATOR, "qemu-system-arm")?;
    let dir = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let initramfs = dir.path().join("initramfs");
    cpio::write(&tree(foreign, script, dir.path())?, &initramfs)?;
    let mut command = Command::new(emulator);
    command.args([
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-smp",
        "1",
        "-m",
        "256",
        "-nodefaults",
        "-no-user-config",
    ]);
    command.args([
        "-nographic",
        "-no-reboot",
        "-serial",
        "stdio",
        "-net",
        "none",
        "-sandbox",
        "on,spawn=deny",
    ]);
    command.arg("-kernel").arg(&foreign.kernel).arg("-initrd").arg(&initramfs);
    command.args(["-append", "console=ttyAMA0 quiet loglevel=1 panic=-1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(system("start QEMU for another processor"))?;
    let reader = child.stdout.take().map(|mut out| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = out.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).replace('\r', "")
        })
    });
    let until = Instant::now() + DEADLINE;
    while child.try_wait().map_err(system("wait for QEMU"))?.is_none() {
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return Err(MachineError::Silent { asked: "to run a script", seconds: DEADLINE.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let console = reader.and_then(|r| r.join().ok()).unwrap_or_default();
    said(&console).ok_or_else(|| {
        let tail: Vec<&str> = console.lines().rev().take(3).collect();
        MachineError::Broke { why: format!("the machine ended without a word: {}", tail.join(" | ")) }
    })
}

fn said(console: &str) -> Option<Said> {
    let (_, rest) = console.split_once(BEGUN)?;
    let (text, rest) = rest.rsplit_once(ENDED)?;
    let code = rest.lines().next()?.trim().parse().ok()?;
    Some(Said { text: text.trim_matches('\n').to_owned(), code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_said_is_told_from_what_the_kernel_did() {
        let console =
            "[ 1.0] noise\ntaremark-begun\naarch64\ntwo\ntaremark-ended 3\n[ 2.0] reboot: Power down\n";
        assert_eq!(said(console), Some(Said { text: "aarch64\ntwo".into(), code: 3 }));
        assert_eq!(said("Kernel panic"), None);
    }
}
