//! Boots such a machine, which runs one script.

use super::super::cpio;
use super::super::error::{MachineError, io, system};
use super::super::program::find;
use super::fetch::copy;
use super::{Foreign, Kind};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For a script to end; the kernel needs about a second of it.
const DEADLINE: Duration = Duration::from_secs(60);
/// Around what the script says, so that the kernel's own words are told apart.
const BEGUN: &str = "taremark-begun";
const ENDED: &str = "taremark-ended ";

/// What a script said, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output and error.
    pub text: String,
    /// Exit code.
    pub code: i32,
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
    let dir = tempfile::tempdir().map_err(system("create a temporary folder"))?;
    let initramfs = dir.path().join("initramfs");
    cpio::write(&tree(foreign, script, dir.path())?, &initramfs)?;
    let mut command = qemu(foreign.kind)?;
    command.arg("-kernel").arg(&foreign.kernel).arg("-initrd").arg(&initramfs);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(system("start QEMU for another processor"))?;
    let console = console_of(child)?;
    said(&console).ok_or_else(|| {
        let tail: Vec<&str> = console.lines().rev().take(3).collect();
        MachineError::Broke { why: format!("the machine ended without a word: {}", tail.join(" | ")) }
    })
}

fn qemu(kind: &Kind) -> Result<Command, MachineError> {
    let mut command = Command::new(find(kind.emulator, kind.package)?);
    let memory = kind.memory_mib.to_string();
    command.args(["-M", "virt", "-cpu", kind.cpu, "-smp", "1", "-m", &memory]);
    command.args(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio"]);
    command.args(["-net", "none", "-sandbox", "on,spawn=deny"]);
    command.args(["-append", &format!("console={} quiet loglevel=1 panic=-1", kind.console)]);
    Ok(command)
}

/// All that it writes until it ends; ended by force after the deadline.
fn console_of(mut child: Child) -> Result<String, MachineError> {
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
    Ok(reader.and_then(|r| r.join().ok()).unwrap_or_default())
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
