//! What a machine is made of, and QEMU's arguments for it: `-M microvm`, direct boot of an uncompressed kernel through
//! PVH, virtio-mmio devices. Files reach QEMU as descriptors, so that it may run as a user that can open none of them.

use super::fds::{
    CHANNEL, CONSOLE, Given, INITRD, KERNEL, QMP, RAM, ROOT, SCRATCH, SCRATCH_READ, STAMPS, STATE, TAP,
};
use super::kernel::{Kernel, Origin};
use super::qemu::{Accelerator, Qemu};
use super::snapshot::Snapshot;
use crate::guest::wire::PORT_NAME;
use std::path::PathBuf;
use std::sync::Arc;

/// Machine type.
pub const MACHINE_TYPE: &str = "microvm";

/// The guest's RAM.
#[derive(Debug, Clone, Default)]
pub enum Memory {
    /// New, in a memfd.
    #[default]
    Fresh,
    /// New, in this file, to be kept when the machine is saved.
    Kept(PathBuf),
    /// That of a saved machine: its pages are shared until they are written.
    Restored(Arc<Snapshot>),
}

/// See the module.
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
    /// Kernel; its vmlinux is booted.
    pub kernel: Kernel,
    /// See [`super::initramfs`].
    pub initramfs: PathBuf,
    /// Rate of the host's time-stamp counter.
    pub tsc_khz: u64,
    /// Read-only, the image's root.
    pub root: Option<PathBuf>,
    /// Writable, for `/scratch`.
    pub scratch: Option<PathBuf>,
    /// Hardware address of a network card on the tap device that is passed along.
    pub network: Option<[u8; 6]>,
    /// Where the guest's RAM is.
    pub memory: Memory,
    /// QEMU runs behind its own system call filter and as a user without rights.
    pub isolated: bool,
    /// More for the kernel's command line: for the ablation.
    pub parameters: Vec<String>,
}

impl Machine {
    /// The kernel's command line. The console shows what is worse than an error (a panic), and costs little so.
    ///
    /// What is for TCG alone: the guest's time-stamp counter is the host's there, and calibrating it fails on a busy
    /// host, hence `tsc_early_khz`; patching the kernel's code for one processor is slow where code is translated, hence
    /// `noreplace-smp`; and so is setting up the local APIC's timer, which takes a tenth of a second of calibration and
    /// which one processor can do without, hence `nolapic_timer` (not with a distribution's kernel: ACPI's tables of this
    /// machine hide the other timer from it, and it would never wake from a sleep).
    pub fn command_line(&self) -> String {
        let loglevel = if verbose() { 7 } else { 1 };
        let mut line = format!("console=ttyS0 quiet loglevel={loglevel} reboot=t panic=-1 no_timer_check");
        if self.kernel.origin != Origin::Own {
            line += " cryptomgr.notests";
        }
        if self.accelerator == Accelerator::Tcg {
            line += &format!(" tsc_early_khz={} noreplace-smp", self.tsc_khz);
            if self.cpus == 1 && self.kernel.origin == Origin::Own {
                line += " nolapic_timer";
            }
        }
        for more in &self.parameters {
            line = line + " " + more;
        }
        line
    }

    /// A kernel of our own finds its devices on its command line, and needs no ACPI; a distribution's cannot.
    fn machine_options(&self) -> String {
        let acpi = if self.kernel.origin == Origin::Own {
            "off,auto-kernel-cmdline=on"
        } else {
            "on,auto-kernel-cmdline=off"
        };
        format!("{MACHINE_TYPE},acpi={acpi},pit=on,pic=on,rtc=on,isa-serial=on,memory-backend=ram")
    }

    /// Named, so that its share of QEMU's memory can be told from the rest.
    fn memory_object(&self) -> String {
        let bytes = self.memory_bytes;
        match self.memory {
            Memory::Fresh => format!("memory-backend-memfd,id=ram,size={bytes}B,share=on"),
            Memory::Kept(_) => {
                format!("memory-backend-file,id=ram,size={bytes}B,share=on,mem-path=/dev/fd/{RAM}")
            }
            Memory::Restored(_) => {
                format!("memory-backend-file,id=ram,size={bytes}B,share=off,mem-path=/dev/fd/{RAM}")
            }
        }
    }

    /// The argument vector.
    pub fn arguments(&self) -> Vec<String> {
        let mut argv: Vec<String> = vec!["qemu-system-x86_64".into()];
        let mut add = |name: &str, value: String| argv.extend([name.to_owned(), value]);
        add("-machine", self.machine_options());
        add("-accel", self.accelerator.name().into());
        add("-cpu", if self.accelerator == Accelerator::Kvm { "host" } else { "max" }.into());
        add("-smp", self.cpus.to_string());
        add("-m", format!("{}B", self.memory_bytes));
        add("-object", self.memory_object());
        if !self.qemu.firmware.as_os_str().is_empty() {
            add("-bios", self.qemu.firmware.display().to_string());
        }
        add("-kernel", format!("/dev/fd/{KERNEL}"));
        add("-initrd", format!("/dev/fd/{INITRD}"));
        add("-append", self.command_line());
        add("-chardev", format!("socket,id=console,fd={CONSOLE}"));
        add("-serial", "chardev:console".into());
        add("-chardev", format!("socket,id=stamps,fd={STAMPS}"));
        add("-device", "isa-debugcon,iobase=0xe9,chardev=stamps".into());
        add("-chardev", format!("socket,id=qmp,fd={QMP}"));
        add("-mon", "chardev=qmp,mode=control".into());
        add("-chardev", format!("socket,id=channel,fd={CHANNEL}"));
        add("-device", "virtio-serial-device,max_ports=2".into());
        add("-device", format!("virtserialport,chardev=channel,name={PORT_NAME}"));
        if self.root.is_some() {
            add("-add-fd", format!("fd={ROOT},set={ROOT}"));
            add("-drive", format!("if=none,id=root,format=raw,readonly=on,file=/dev/fdset/{ROOT}"));
            add("-device", "virtio-blk-device,drive=root,serial=root".into());
        }
        if self.scratch.is_some() {
            add("-add-fd", format!("fd={SCRATCH},set={SCRATCH}"));
            add("-add-fd", format!("fd={SCRATCH_READ},set={SCRATCH}"));
            add("-drive", format!("if=none,id=scratch,format=raw,cache=writeback,file=/dev/fdset/{SCRATCH}"));
            add("-device", "virtio-blk-device,drive=scratch,serial=scratch".into());
        }
        if let Some(mac) = self.network {
            let mac = mac.map(|b| format!("{b:02x}")).join(":");
            add("-netdev", format!("tap,id=net,fd={TAP},vhost=off"));
            add("-device", format!("virtio-net-device,netdev=net,mac={mac}"));
        }
        if self.isolated {
            let deny = "obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
            add("-sandbox", format!("on,{deny}"));
        }
        if let Memory::Restored(_) = self.memory {
            // The rest is said over its monitor, see `watch::resume`.
            add("-incoming", "defer".into());
        }
        argv.extend(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"].map(String::from));
        argv
    }

    /// The files that QEMU gets as descriptors.
    pub(super) fn files(&self) -> Vec<Given<'_>> {
        let mut files = vec![Given::read(KERNEL, &self.kernel.vmlinux), Given::read(INITRD, &self.initramfs)];
        files.extend(self.root.iter().map(|path| Given::read(ROOT, path)));
        if let Some(path) = &self.scratch {
            files.extend([Given::write(SCRATCH, path), Given::read(SCRATCH_READ, path)]);
        }
        match &self.memory {
            Memory::Fresh => {}
            Memory::Kept(path) => files.push(Given::write(RAM, path)),
            Memory::Restored(saved) => {
                files.push(Given::open(RAM, saved.ram()));
                files.push(Given::read(STATE, &saved.state));
            }
        }
        files
    }
}

/// TAREMARK_CONSOLE=verbose shows the whole of the guest's console in errors; for looking into a kernel that does not
/// boot, never for a measurement.
fn verbose() -> bool {
    std::env::var("TAREMARK_CONSOLE").is_ok_and(|v| v == "verbose")
}
