//! What a machine is made of, and QEMU's arguments for it: `-M microvm`, direct boot of an uncompressed kernel through
//! PVH, virtio-mmio devices. Files reach QEMU as descriptors, so that it may run as a user that can open none of them.

use super::arguments::{Arguments, Bus, fresh_ram};
use super::arm::Command;
use super::fds::{Given, INITRD, KERNEL, RAM, ROOT, SCRATCH, SCRATCH_READ, STATE};
use super::kernel::{Initialises, Kernel, Origin};
use super::qemu::{Accelerator, Qemu};
use super::snapshot::Snapshot;
use std::path::PathBuf;
use std::sync::Arc;

/// Machine type.
pub const MACHINE_TYPE: &str = "microvm";

/// A distribution's kernel need not let its cryptography test itself to run a program. Two tests are initialisers of their own,
/// which do nothing else (crypto/kdf_sp800108.c, lib/crypto/blake2s.c).
pub const UNTESTED: &str = "cryptomgr.notests initcall_blacklist=crypto_kdf108_init,blake2s_mod_init";
/// Nor, of its tracer, look up each function that could be traced for those that were replaced at link time, put the names
/// of constants into the events' descriptions, and describe each event in files (kernel/trace): a sixth, a twentieth and a
/// twentieth of all that Debian's kernel executes until its init runs. Its tracefs is empty for it: who traces within the guest
/// boots another kernel, as `--kernel` gives it.
pub const UNTRACED: &str =
    "initcall_blacklist=ftrace_check_for_weak_functions,trace_eval_init,tracer_init_tracefs";

/// Nor need it make files for each of its memory's caches and counters, of all of its memory and for hibernation, or read the
/// certificates of modules that are loaded without a signature. /sys/kernel/slab, /sys/bus/event_source, /proc/kcore and
/// /dev/snapshot are not there for it, and the keyring `.builtin_trusted_keys` is empty.
pub const UNLISTED: &str = "initcall_blacklist=slab_sysfs_init,perf_event_sysfs_init,proc_kcore_init,snapshot_device_init,\
     load_system_certificate_list";

/// The guest's RAM.
#[derive(Debug, Clone, Default)]
pub enum Memory {
    /// New: [`super::arguments::fresh_ram`].
    #[default]
    Fresh,
    /// The same, which the host's kernel may merge with that of others (KSM).
    Mergeable,
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
    /// What the guest's kernel initialises, as the host's does.
    pub initialises: Initialises,
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
        line = line + " " + self.initialises.parameter();
        if self.kernel.origin != Origin::Own {
            line += &format!(" {UNTESTED} {UNTRACED} {UNLISTED}");
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

    /// The object `ram`.
    fn memory_object(&self) -> String {
        let bytes = self.memory_bytes;
        match self.memory {
            Memory::Fresh => fresh_ram(bytes, false),
            Memory::Mergeable => fresh_ram(bytes, true),
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
        let mut argv = Arguments::new("qemu-system-x86_64", self.machine_options(), Bus::Mmio);
        argv.processors(self.accelerator, self.cpus, self.memory_bytes, self.memory_object());
        if !self.qemu.firmware.as_os_str().is_empty() {
            argv.add("-bios", self.qemu.firmware.display().to_string());
        }
        argv.add("-kernel", format!("/dev/fd/{KERNEL}"));
        argv.add("-initrd", format!("/dev/fd/{INITRD}"));
        argv.add("-append", self.command_line());
        argv.wires();
        if self.root.is_some() {
            argv.read_only_disk("root", ROOT);
        }
        if self.scratch.is_some() {
            argv.scratch();
        }
        if let Some(mac) = self.network {
            argv.network(mac);
        }
        if let Memory::Restored(_) = self.memory {
            // The rest is said over its monitor, see `watch::resume`.
            argv.add("-incoming", "defer".into());
        }
        argv.finish(self.isolated)
    }

    /// All that it is started with.
    pub(super) fn command(&self) -> Command<'_> {
        Command {
            program: &self.qemu.program,
            arguments: self.arguments(),
            files: self.files(),
            isolated: self.isolated,
            restored: matches!(self.memory, Memory::Restored(_)),
            power_button: None,
        }
    }

    /// The files that QEMU gets as descriptors.
    fn files(&self) -> Vec<Given<'_>> {
        let mut files = vec![Given::read(KERNEL, &self.kernel.vmlinux), Given::read(INITRD, &self.initramfs)];
        files.extend(self.root.iter().map(|path| Given::read(ROOT, path)));
        if let Some(path) = &self.scratch {
            files.extend([Given::write(SCRATCH, path), Given::read(SCRATCH_READ, path)]);
        }
        match &self.memory {
            Memory::Fresh | Memory::Mergeable => {}
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
