//! What one run writes to an operating system's disk.

use super::super::error::MachineError;
use super::super::program::{find, run};
use std::path::Path;
use std::process::Command;

/// Makes an empty qcow2 on top of `base`, which stays as it is.
pub fn overlay(base: &Path, to: &Path) -> Result<(), MachineError> {
    let mut qemu_img = Command::new(find("qemu-img", "qemu-utils")?);
    run(qemu_img.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(base).arg(to)).map(drop)
}
