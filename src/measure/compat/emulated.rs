//! A foreign program by emulation: a handler of binfmt_misc, registered in a user namespace of its own (Linux 6.7), so that
//! the host's table stays as it is (Documentation/admin-guide/binfmt-misc.rst).

use super::super::error::MeasureError;
use super::Emulation;
use crate::target::lookup::host_program;
use crate::target::once::Ended;
use std::path::Path;
use std::process::Command;

/// The first 18 bytes of a 64-bit little-endian ELF program, before the number of its processor, and which bits of all 20
/// count.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
const SCRIPT: &str = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && \
    printf %s \"$1\" > /proc/sys/fs/binfmt_misc/register && exec chroot \"$2\" /bin/uname -m";

/// `uname -m` of the tree's own.
pub(super) fn in_private(tree: &Path, emulation: &Emulation) -> Result<Ended, MeasureError> {
    let failed = |source| MeasureError::Target { step: "emulate another processor", source };
    let unshare = host_program("unshare").map_err(failed)?;
    let emulator = match host_program(emulation.emulator) {
        Ok(found) => found,
        Err(e) => return Ok(Ended { text: e.to_string(), code: None }),
    };
    // F: the kernel opens the emulator now, so that it need not be in the tree.
    let line = format!(
        r":taremark-foreign:M::{MAGIC}\x{:02x}\x00:{MASK}:{}:F",
        emulation.elf_machine,
        emulator.display()
    );
    let mut command = Command::new(unshare);
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", &line]).arg(tree);
    let output = command.output().map_err(|source| MeasureError::System { step: "run unshare", source })?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(Ended { text, code: output.status.code() })
}
