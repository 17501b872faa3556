//! Target `microvm`: QEMU's smallest machine, with a small image in its initramfs and any other as a read-only disk below a tmpfs. `microvm:own` is the
//! same with a kernel made for it.

use super::error::TargetError;
use super::in_guest::{frame, guest_job, told_by};
use super::lookup::{digest, identify, own_program};
use super::place::{Place, Undo, UndoStep};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, direct, network, process};
use crate::container::cgroup::Limits;
use crate::machine::accelerator::{self, Choice, Wanted};
use crate::machine::kernel::{self, Initialises, Kernel, Origin};
use crate::machine::qemu::{self, Qemu};
use crate::machine::recipe::MACHINE_TYPE;
use crate::machine::root::{self, Root};
use crate::machine::{Machine, MachineError, Memory, USER, disk, pc, running};
use crate::record::schema::{Program, TargetFacts};
use crate::sys::clock::tsc_khz;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a machine is made with.
#[derive(Debug, Clone)]
pub struct MicroVmOptions {
    /// Kernels, disks and initramfs are kept here: [`crate::machine::cache::dir`].
    pub cache_dir: PathBuf,
    /// `--kernel`; without it TAREMARK_KERNEL, or the one that was fetched last.
    pub kernel: Option<PathBuf>,
    /// Boot a kernel of our own, the one that was built or chosen last: target `microvm:own`.
    pub own: bool,
    /// `--accel`.
    pub accelerator: Wanted,
    /// QEMU runs behind its own system call filter and as a user without rights. On, but for what that costs.
    pub isolated: bool,
    /// The image is on a disk even if it is small: for the ablation.
    pub on_disk: bool,
    /// More for the kernel's command line: for the ablation.
    pub parameters: Vec<String>,
    /// A tree below the image's in the root: for what a large root costs.
    pub beneath: Option<PathBuf>,
    /// RAM that the host's kernel may merge with that of others: private memory, not a file.
    pub mergeable: bool,
    /// Another name in the record.
    pub name: Option<String>,
    /// A folder on the host's disk, for the volumes of workloads that ask for one.
    pub scratch: PathBuf,
    /// For the guest's init to speak; [`running::BOOT_DEADLINE`] unless a test wants it shorter.
    pub boot_deadline: Duration,
    /// For an operating system to shut down; [`pc::SHUTDOWN`] unless a test wants it shorter.
    pub shutdown_deadline: Duration,
}

impl MicroVmOptions {
    /// The user's cache, the kernel that was fetched last, and the accelerator that works.
    pub fn new(scratch: PathBuf) -> Self {
        Self {
            cache_dir: crate::machine::cache::dir(),
            kernel: None,
            own: false,
            accelerator: Wanted::Auto,
            isolated: true,
            on_disk: false,
            parameters: Vec::new(),
            beneath: None,
            mergeable: false,
            name: None,
            scratch,
            boot_deadline: running::BOOT_DEADLINE,
            shutdown_deadline: pc::SHUTDOWN,
        }
    }
}

/// See the module.
pub struct MicroVmTarget {
    pub(super) facts: TargetFacts,
    pub(super) options: MicroVmOptions,
    pub(super) qemu: Qemu,
    pub(super) kernel: Kernel,
    init: PathBuf,
    choice: Choice,
    tsc_khz: u64,
    /// Read once: it takes milliseconds, and does not change.
    pub(super) initialises: Initialises,
}

impl MicroVmTarget {
    /// Finds QEMU, the kernel and `tare-init`, and decides about the accelerator, by a probe where there is none in the
    /// cache.
    pub fn new(options: MicroVmOptions) -> Result<Self, TargetError> {
        let qemu = qemu::find()?;
        let kernel = if options.own {
            kernel::own(&options.cache_dir)?
        } else {
            kernel::find(&options.cache_dir, options.kernel.as_deref())?
        };
        let init = own_program("tare-init")?;
        let choice = accelerator::choose(options.accelerator, &options.cache_dir, &qemu, &kernel, &init)?;
        let initialises = Initialises::of_host();
        let mut facts = facts(&options, &qemu, &kernel, &init, &choice)?;
        let memory = format!("as the host's kernel: {}", initialises.parameter());
        facts.facts.insert("memory initialisation".into(), memory);
        Ok(Self { facts, options, qemu, kernel, init, choice, tsc_khz: tsc_khz(), initialises })
    }

    /// Which accelerator is used, and why.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The machine for a job.
    pub(super) fn machine(&self, job: &Job, scratch: Option<PathBuf>) -> Result<Machine, TargetError> {
        let cache_dir = &self.options.cache_dir;
        let parts = direct::parts(cache_dir, &self.init, &self.kernel, job, self.root(job)?.0)?;
        Ok(Machine {
            qemu: self.qemu.clone(),
            accelerator: self.choice.accelerator,
            cpus: job.cpus,
            memory_bytes: job.memory_bytes,
            initramfs: parts.initramfs,
            kernel: parts.kernel,
            tsc_khz: self.tsc_khz,
            root: parts.disk,
            scratch,
            network: job.network.then_some(network::RUN_MAC),
            memory: if self.options.mergeable { Memory::Mergeable } else { Memory::Fresh },
            isolated: self.options.isolated,
            initialises: self.initialises,
            parameters: self.options.parameters.clone(),
        })
    }

    /// Where the image is, and whether it had to be brought there.
    fn root(&self, job: &Job) -> Result<(Root, bool), MachineError> {
        let (cache_dir, digest, layers) = (&self.options.cache_dir, &job.image_digest, self.layers(job));
        if self.options.on_disk {
            root::on_disk(cache_dir, digest, &layers)
        } else {
            root::of(cache_dir, &self.kernel, digest, &layers)
        }
    }

    /// What the root is made of, top first.
    fn layers(&self, job: &Job) -> Vec<PathBuf> {
        job.lower_dirs.iter().chain(&self.options.beneath).cloned().collect()
    }

    /// Where a run's volume is, gone with the run.
    pub(super) fn scratch_path(&self, job: &Job, place: &Place, undo: &mut Undo) -> Option<PathBuf> {
        job.scratch_bytes?;
        let path = self.options.scratch.join(format!("{}.ext4", place.name));
        undo.push(UndoStep::RemoveFile(path.clone()));
        Some(path)
    }
}

fn facts(
    options: &MicroVmOptions,
    qemu: &Qemu,
    kernel: &Kernel,
    init: &Path,
    choice: &Choice,
) -> Result<TargetFacts, TargetError> {
    let vmlinux =
        Program { name: "kernel".into(), version: kernel.version.clone(), digest: digest(&kernel.vmlinux)? };
    let mut programs =
        vec![identify("qemu-system-x86_64", &qemu.program)?, vmlinux, identify("tare-init", init)?];
    if qemu.firmware.is_file() {
        let version = format!("{} of QEMU", qemu::FIRMWARE);
        programs.push(Program { name: "firmware".into(), version, digest: digest(&qemu.firmware)? });
    }
    let isolation = if options.isolated {
        format!("QEMU with -sandbox on, as user {USER}, files as descriptors, image read-only")
    } else {
        "none: QEMU runs as the harness does".to_owned()
    };
    let pairs = [
        ("machine", MACHINE_TYPE.to_owned()),
        ("guest kernel", format!("{} ({})", kernel.release, kernel.origin.name())),
        ("accelerator", format!("{}: {}", choice.accelerator.name(), choice.reason)),
        (
            "root",
            format!(
                "an image of at most {} MiB in the initramfs; else {}, uncompressed, on virtio-blk, overlayfs with tmpfs on top",
                root::MOST_IN_MEMORY >> 20,
                disk::ROOT_FORMAT
            ),
        ),
        ("scratch", "ext4 on virtio-blk, raw sparse file on the host's disk, cache=writeback".into()),
        ("isolation", isolation),
        ("randomisation", "the kernel's own address is fixed, as with every direct boot of a vmlinux".into()),
    ];
    let (name, whose) = match kernel.origin {
        Origin::Own => ("microvm:own", "a kernel made for it from the distribution's source"),
        Origin::Distribution => ("microvm", "the distribution's cloud kernel"),
        Origin::User => ("microvm", "a kernel of the user's"),
    };
    Ok(TargetFacts {
        name: options.name.clone().unwrap_or_else(|| name.to_owned()),
        description: format!("QEMU microvm: {whose}, booted directly, tare-init as PID 1"),
        accelerator: choice.accelerator.name().into(),
        programs,
        facts: pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    })
}

impl Target for MicroVmTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, _: &Job) -> Limits {
        Limits::default()
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        let cache_dir = &self.options.cache_dir;
        let mut prepared = direct::prepare(cache_dir, &self.init, &self.kernel, job, || self.root(job))?;
        if self.qemu.firmware.is_file() {
            prepared.sizes.push(("firmware_bytes", direct::length(&self.qemu.firmware)?));
            prepared.files.push(self.qemu.firmware.clone());
        }
        Ok(prepared)
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        let scratch = self.scratch_path(job, place, &mut undo);
        if let (Some(path), Some(bytes)) = (&scratch, job.scratch_bytes) {
            disk::scratch(path, bytes)?;
        }
        let machine = self.machine(job, scratch)?;
        let tap = if job.network { Some(network::tap()?) } else { None };
        let told_to_guest = guest_job(job);
        let told = told_by(&machine.arguments(), &frame(&told_to_guest))?;
        let place_in = place.cgroup.place();
        let armed = crate::machine::Armed::new(&machine, Some(&told_to_guest), tap, place_in, &place.dir)?;
        let kind = ArmedKind::Machine {
            armed: Box::new(armed.boot_deadline(self.options.boot_deadline)),
            address: process::address_of(job),
            memory_bytes: job.memory_bytes,
        };
        Ok(Armed { told, undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch(armed)
    }
}

/// Starts an armed machine.
pub(super) fn launch(armed: Armed) -> Result<Running, TargetError> {
    let Armed { undo, kind, .. } = armed;
    let ArmedKind::Machine { armed, address, memory_bytes } = kind else {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
        return Err(TargetError::System { step: "launch a program as a machine", source });
    };
    let machine = Box::new(armed.start()?);
    let (t0_ns, spawned_ns) = (machine.t0_ns, machine.spawned_ns);
    let body = super::running::Body::Machine { machine, memory_bytes };
    Ok(Running { t0_ns, spawned_ns, address, undo, body })
}
