//! A classic machine: chipset q35 with PCI and ACPI, an operating system on a qcow2 disk, booted by firmware and boot
//! loader, or with its kernel given to QEMU. The workload's image is a second disk.

use super::arguments::{Arguments, Bus, fresh_ram};
use super::arm::Command;
use super::debian::Debian;
use super::fds::{Given, INITRD, KERNEL, OS, OS_BASE, OS_READ, ROOT, SCRATCH, SCRATCH_READ, TOOLS};
use super::qemu::{Accelerator, Qemu};
use std::path::PathBuf;
use std::time::Duration;

/// Machine type.
pub const MACHINE_TYPE: &str = "q35";
/// For the operating system to come up; under emulation on a busy host a minute is not rare.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(180);
/// For it to shut down.
pub const SHUTDOWN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Clone)]
pub struct Pc {
    /// The program.
    pub qemu: Qemu,
    /// How its processors are run.
    pub accelerator: Accelerator,
    /// Processors.
    pub cpus: u32,
    /// Guest's RAM, bytes.
    pub memory_bytes: u64,
    /// The operating system.
    pub os: Debian,
    /// Its kernel is given to QEMU; else firmware and boot loader find it on the disk.
    pub direct: bool,
    /// qcow2 on top of the operating system's disk that takes what this run writes.
    pub overlay: PathBuf,
    /// Disk with our part, see [`super::debian::tools`].
    pub tools: PathBuf,
    /// Read-only, the image's root.
    pub root: PathBuf,
    /// Writable, for `/scratch`.
    pub scratch: Option<PathBuf>,
    /// Hardware address of a network card on the tap device that is passed along.
    pub network: Option<[u8; 6]>,
    /// QEMU runs behind its own system call filter and as a user without rights.
    pub isolated: bool,
    /// More for the kernel's command line, where the kernel is given to QEMU.
    pub parameters: Vec<String>,
}

impl Pc {
    /// The argument vector.
    pub fn arguments(&self) -> Vec<String> {
        let mut argv =
            Arguments::new("qemu-system-x86_64", format!("{MACHINE_TYPE},memory-backend=ram"), Bus::Pci);
        let ram = fresh_ram(self.memory_bytes, false);
        argv.processors(self.accelerator, self.cpus, self.memory_bytes, ram);
        if self.direct {
            argv.add("-kernel", format!("/dev/fd/{KERNEL}"));
            argv.add("-initrd", format!("/dev/fd/{INITRD}"));
            let mut line = vec![self.os.command_line()];
            line.extend(self.parameters.iter().cloned());
            argv.add("-append", line.join(" "));
        }
        // First, so that it is vda.
        for (fd, set) in [(OS, OS), (OS_READ, OS), (OS_BASE, OS_BASE)] {
            argv.add("-add-fd", format!("fd={fd},set={set}"));
        }
        let file =
            |set: i32| serde_json::json!({ "driver": "file", "filename": format!("/dev/fdset/{set}") });
        let mut below = file(OS_BASE);
        below["read-only"] = true.into();
        let backing = serde_json::json!({ "driver": "qcow2", "read-only": true, "file": below });
        let disk =
            serde_json::json!({ "driver": "qcow2", "node-name": "os", "file": file(OS), "backing": backing });
        argv.add("-blockdev", disk.to_string());
        argv.add("-device", "virtio-blk-pci,drive=os,serial=os,bootindex=1".into());
        argv.read_only_disk("taremark", TOOLS);
        argv.read_only_disk("root", ROOT);
        argv.wires();
        argv.add("-device", "virtio-rng-pci".into());
        if self.scratch.is_some() {
            argv.scratch();
        }
        if let Some(mac) = self.network {
            argv.network(mac);
        }
        argv.finish(self.isolated)
    }

    /// All that it is started with.
    pub(super) fn command(&self) -> Command<'_> {
        let mut files = vec![
            Given::write(OS, &self.overlay),
            Given::read(OS_READ, &self.overlay),
            Given::read(OS_BASE, &self.os.disk),
            Given::read(TOOLS, &self.tools),
            Given::read(ROOT, &self.root),
        ];
        if self.direct {
            files.extend([Given::read(KERNEL, &self.os.vmlinux), Given::read(INITRD, &self.os.initramfs)]);
        }
        if let Some(path) = &self.scratch {
            files.extend([Given::write(SCRATCH, path), Given::read(SCRATCH_READ, path)]);
        }
        Command {
            program: &self.qemu.program,
            arguments: self.arguments(),
            files,
            isolated: self.isolated,
            restored: false,
            power_button: Some(SHUTDOWN),
        }
    }
}
