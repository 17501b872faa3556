//! QEMU's arguments: `-M microvm`, direct boot of an uncompressed kernel through PVH, virtio-mmio devices.

use super::arm::{CHANNEL_FD, QMP_FD, STAMPS_FD, TAP_FD};
use super::error::MachineError;
use super::program;
use crate::guest::wire::PORT_NAME;
use std::path::{Path, PathBuf};

/// Firmware that QEMU loads: 64 KiB, starts the kernel at once (github.com/bonzini/qboot).
pub const FIRMWARE: &str = "qboot.rom";
/// Machine type.
pub const MACHINE_TYPE: &str = "microvm";

/// How the guest's processors are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the host's.
    Kvm,
    /// By emulation.
    Tcg,
}

impl Accelerator {
    /// As in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// The program on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// Its path.
    pub program: PathBuf,
    /// Where its firmware is; empty if QEMU has to find it itself.
    pub firmware: PathBuf,
}

/// Finds QEMU; TAREMARK_QEMU names another one.
pub fn find() -> Result<Qemu, MachineError> {
    let named = std::env::var("TAREMARK_QEMU").ok().filter(|v| !v.is_empty());
    let program = match named {
        Some(path) if Path::new(&path).is_file() => PathBuf::from(path),
        Some(path) => return Err(MachineError::Missing { program: path, package: "qemu-system-x86" }),
        None => program::find("qemu-system-x86_64", "qemu-system-x86")?,
    };
    let beside = program.parent().and_then(Path::parent).map(|p| p.join("share/qemu").join(FIRMWARE));
    let firmware = beside.filter(|p| p.is_file()).unwrap_or_default();
    Ok(Qemu { program, firmware })
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The program.
    pub qemu: Qemu,
    /// How its processors are run.
    pub accelerator: Accelerator,
    /// Processors.
    pub cpus: u32,
    /// Guest's RAM, bytes.
    pub memory_bytes: u64,
    /// Uncompressed kernel.
    pub vmlinux: PathBuf,
    /// See [`super::initramfs`].
    pub initramfs: PathBuf,
    /// Rate of the host's time-stamp counter.
    pub tsc_khz: u64,
    /// Read-only, the image's root.
    pub root: Option<PathBuf>,
    /// Writable, for `/scratch`.
    pub scratch: Option<PathBuf>,
    /// Hardware address of a network card on the tap device that is passed as [`TAP_FD`].
    pub network: Option<[u8; 6]>,
    /// File for the guest's console.
    pub console: PathBuf,
}

impl Machine {
    /// The kernel's command line. The console shows what is worse than an error (a panic), and costs little so.
    ///
    /// What is for TCG alone: the guest's time-stamp counter is the host's there, and calibrating it fails on a busy
    /// host, hence `tsc_early_khz`; patching the kernel's code for one processor is slow where code is translated, hence
    /// `noreplace-smp`; and so is setting up the local APIC's timer, which one processor can do without.
    pub fn command_line(&self) -> String {
        let mut line = format!(
            "console=ttyS0 quiet loglevel={} reboot=t panic=-1 cryptomgr.notests no_timer_check",
            if verbose() { 7 } else { 1 }
        );
        if self.accelerator == Accelerator::Tcg {
            line += &format!(" tsc_early_khz={} noreplace-smp", self.tsc_khz);
        }
        line
    }

    /// The argument vector.
    pub fn arguments(&self) -> Vec<String> {
        let mut argv: Vec<String> = vec!["qemu-system-x86_64".into()];
        let mut add = |name: &str, value: String| argv.extend([name.to_owned(), value]);
        add(
            "-machine",
            format!(
                "{MACHINE_TYPE},acpi=on,pit=on,pic=on,rtc=on,isa-serial=on,auto-kernel-cmdline=off,memory-backend=ram"
            ),
        );
        add("-accel", self.accelerator.name().into());
        add("-cpu", if self.accelerator == Accelerator::Kvm { "host" } else { "max" }.into());
        add("-smp", self.cpus.to_string());
        add("-m", format!("{}B", self.memory_bytes));
        // Named, so that its share of QEMU's memory can be told from the rest.
        add("-object", format!("memory-backend-memfd,id=ram,size={}B,share=on", self.memory_bytes));
        if !self.qemu.firmware.as_os_str().is_empty() {
            add("-bios", self.qemu.firmware.display().to_string());
        }
        add("-kernel", self.vmlinux.display().to_string());
        add("-initrd", self.initramfs.display().to_string());
        add("-append", self.command_line());
        add("-chardev", format!("file,id=console,path={}", commas(&self.console)));
        add("-serial", "chardev:console".into());
        add("-chardev", format!("socket,id=stamps,fd={STAMPS_FD}"));
        add("-device", "isa-debugcon,iobase=0xe9,chardev=stamps".into());
        add("-chardev", format!("socket,id=qmp,fd={QMP_FD}"));
        add("-mon", "chardev=qmp,mode=control".into());
        add("-chardev", format!("socket,id=channel,fd={CHANNEL_FD}"));
        add("-device", "virtio-serial-device,max_ports=2".into());
        add("-device", format!("virtserialport,chardev=channel,name={PORT_NAME}"));
        if let Some(root) = &self.root {
            add("-drive", format!("if=none,id=root,format=raw,readonly=on,file={}", commas(root)));
            add("-device", "virtio-blk-device,drive=root,serial=root".into());
        }
        if let Some(scratch) = &self.scratch {
            add("-drive", format!("if=none,id=scratch,format=raw,cache=writeback,file={}", commas(scratch)));
            add("-device", "virtio-blk-device,drive=scratch,serial=scratch".into());
        }
        if let Some(mac) = self.network {
            let mac = mac.map(|b| format!("{b:02x}")).join(":");
            add("-netdev", format!("tap,id=net,fd={TAP_FD},vhost=off"));
            add("-device", format!("virtio-net-device,netdev=net,mac={mac}"));
        }
        argv.extend(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"].map(String::from));
        argv
    }
}

/// TAREMARK_CONSOLE=verbose shows the whole of the guest's console in errors; for looking into a kernel that does not
/// boot, never for a measurement.
fn verbose() -> bool {
    std::env::var("TAREMARK_CONSOLE").is_ok_and(|v| v == "verbose")
}

/// QEMU's options separate by comma and double one that is meant.
fn commas(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
