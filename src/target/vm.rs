//! Target `vm`: what most people mean by a virtual machine. A whole operating system with its own init boots from a disk,
//! starts the workload as a service, and is shut down by its power button.

use super::error::TargetError;
use super::in_guest::{frame, guest_job, told_by};
use super::lookup::{identify, own_program};
use super::microvm::{MicroVmOptions, launch};
use super::place::{Place, Undo, UndoStep};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, direct, network, process};
use crate::container::cgroup::Limits;
use crate::machine::accelerator::{self, Choice};
use crate::machine::debian::{self, Debian, Flavour};
use crate::machine::pc::{BOOT_DEADLINE, MACHINE_TYPE, Pc};
use crate::machine::qemu::{self, Qemu};
use crate::machine::{USER, disk, kernel};
use crate::record::schema::{Program, TargetFacts};
use crate::sys::clock::monotonic_ns;
use std::path::{Path, PathBuf};

/// How it comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// SeaBIOS, then GRUB from the disk.
    Loader,
    /// QEMU loads the same kernel itself.
    Direct,
}

/// See the module.
pub struct VmTarget {
    facts: TargetFacts,
    options: MicroVmOptions,
    qemu: Qemu,
    os: Debian,
    boot: Boot,
    init: PathBuf,
    choice: Choice,
}

impl VmTarget {
    /// Finds the operating system, which `taremark vm build` made, and decides about the accelerator.
    pub fn new(options: MicroVmOptions, flavour: Flavour, boot: Boot) -> Result<Self, TargetError> {
        let os = debian::find(&options.cache_dir, flavour)?;
        let qemu = qemu::find()?;
        let init = own_program("tare-init")?;
        let probed = kernel::find(&options.cache_dir, options.kernel.as_deref())?;
        let choice = accelerator::choose(options.accelerator, &options.cache_dir, &qemu, &probed, &init)?;
        let facts = facts(&options, &qemu, &os, &init, &choice, flavour, boot)?;
        Ok(Self { facts, options, qemu, os, boot, init, choice })
    }

    fn pc(&self, job: &Job, overlay: PathBuf, scratch: Option<PathBuf>) -> Result<Pc, TargetError> {
        let cache_dir = &self.options.cache_dir;
        Ok(Pc {
            qemu: self.qemu.clone(),
            accelerator: self.choice.accelerator,
            cpus: job.cpus,
            memory_bytes: job.memory_bytes,
            os: self.os.clone(),
            direct: self.boot == Boot::Direct,
            overlay,
            tools: debian::tools(cache_dir, &self.init)?,
            root: disk::root(cache_dir, &job.image_digest, &job.lower_dirs)?.path,
            scratch,
            network: job.network.then_some(network::RUN_MAC),
            isolated: self.options.isolated,
            parameters: self.options.parameters.clone(),
        })
    }

    /// A file of this run on the host's disk.
    fn file(&self, place: &Place, ending: &str, undo: &mut Undo) -> PathBuf {
        let path = self.options.scratch.join(format!("{}.{ending}", place.name));
        undo.push(UndoStep::RemoveFile(path.clone()));
        path
    }
}

fn facts(
    options: &MicroVmOptions,
    qemu: &Qemu,
    os: &Debian,
    init: &Path,
    choice: &Choice,
    flavour: Flavour,
    boot: Boot,
) -> Result<TargetFacts, TargetError> {
    let name = match (flavour, boot) {
        (Flavour::Full, Boot::Loader) => "vm",
        (Flavour::Full, Boot::Direct) => "vm:direct",
        (Flavour::Small, Boot::Loader) => "vm:small",
        (Flavour::Small, Boot::Direct) => "vm:small-direct",
    };
    let (what, loaded) = match boot {
        Boot::Loader => ("firmware and boot loader", "SeaBIOS, GRUB from the disk, bzImage"),
        Boot::Direct => ("its kernel given to QEMU", "none: QEMU loads vmlinux and initramfs, PVH"),
    };
    let system = Program {
        name: "operating system".into(),
        version: os.about.version.clone(),
        digest: format!("sha256:{}", os.about.digest),
    };
    let isolation = if options.isolated {
        format!("QEMU with -sandbox on, as user {USER}, files as descriptors, disks below an overlay")
    } else {
        "none: QEMU runs as the harness does".to_owned()
    };
    let pairs = [
        ("machine", MACHINE_TYPE.to_owned()),
        ("boot loader", loaded.to_owned()),
        ("accelerator", format!("{}: {}", choice.accelerator.name(), choice.reason)),
        ("root", "ext4 in a qcow2 on virtio-blk, an empty qcow2 on top of it for each run".into()),
        ("image", format!("{}, uncompressed, on virtio-blk; overlayfs on the root", disk::ROOT_FORMAT)),
        ("init", "systemd; the workload is a service of multi-user.target; shut down by ACPI".into()),
        ("isolation", isolation),
    ];
    Ok(TargetFacts {
        name: options.name.clone().unwrap_or_else(|| name.to_owned()),
        description: format!("QEMU q35: a whole Debian ({}) with systemd, {what}", flavour.name()),
        accelerator: choice.accelerator.name().into(),
        programs: vec![identify("qemu-system-x86_64", &qemu.program)?, system, identify("tare-init", init)?],
        facts: pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    })
}

impl Target for VmTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, _: &Job) -> Limits {
        Limits::default()
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        let from = monotonic_ns();
        let cache_dir = &self.options.cache_dir;
        let (disk, made) = disk::root_and_whether_made(cache_dir, &job.image_digest, &job.lower_dirs)?;
        debian::tools(cache_dir, &self.init)?;
        let prepare_ms = made.then(|| (monotonic_ns() - from) as f64 / 1e6);
        let mut sizes = vec![("os_disk_bytes", direct::length(&self.os.disk)?), ("disk_bytes", disk.bytes)];
        let mut files = vec![self.os.disk.clone(), disk.path];
        if self.boot == Boot::Direct {
            files.extend([self.os.vmlinux.clone(), self.os.initramfs.clone()]);
            sizes.push(("kernel_bytes", direct::length(&self.os.vmlinux)?));
            sizes.push(("initramfs_bytes", direct::length(&self.os.initramfs)?));
        }
        let also = vec![
            ("os_disk_virtual_bytes", self.os.about.virtual_bytes),
            ("os_disk_transfer_bytes", self.os.about.transfer_bytes),
        ];
        Ok(Prepared { sizes, also, files, prepare_ms })
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        let overlay = self.file(place, "qcow2", &mut undo);
        debian::overlay(&self.os.disk, &overlay)?;
        let mut scratch = None;
        if let Some(bytes) = job.scratch_bytes {
            let path = self.file(place, "ext4", &mut undo);
            disk::scratch(&path, bytes)?;
            scratch = Some(path);
        }
        let pc = self.pc(job, overlay, scratch)?;
        let tap = if job.network { Some(network::tap()?) } else { None };
        let told_to_guest = guest_job(job);
        let told = told_by(&pc.arguments(), &frame(&told_to_guest))?;
        let armed = crate::machine::Armed::pc(&pc, &told_to_guest, tap, place.cgroup.place(), &place.dir)?;
        let armed = armed
            .boot_deadline(self.options.boot_deadline.max(BOOT_DEADLINE))
            .shutdown_deadline(self.options.shutdown_deadline);
        let kind = ArmedKind::Machine {
            armed: Box::new(armed),
            address: process::address_of(job),
            memory_bytes: job.memory_bytes,
        };
        Ok(Armed { told, undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch(armed)
    }
}
