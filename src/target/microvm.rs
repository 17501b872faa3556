//! Target `microvm`: QEMU's smallest machine, with the image as a read-only disk below a tmpfs.

use super::error::TargetError;
use super::event::{Event, EventKind, Stream};
use super::job::Told;
use super::lookup::{digest, identify, own_program};
use super::place::{Place, Undo, UndoStep};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, network, process};
use crate::container::cgroup::Limits;
use crate::guest::wire::{GuestJob, GuestNetwork, Message, ToGuest, VERSION};
use crate::machine::accelerator::{self, Choice, Wanted};
use crate::machine::kernel::{self, Kernel};
use crate::machine::qemu::{self, Machine, Qemu};
use crate::machine::running::{self, phase_of};
use crate::machine::{MachineEvent, RunningMachine, disk, initramfs, memory};
use crate::record::schema::{Program, TargetFacts};
use crate::sys::clock::{monotonic_ns, tsc_khz};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Soft and hard limit of open files; the container's are the same.
const OPEN_FILES: (u64, u64) = (1024, 1024);

/// What a machine is made with.
#[derive(Debug, Clone)]
pub struct MicroVmOptions {
    /// Kernels, disks and initramfs are kept here: [`crate::machine::cache::dir`].
    pub cache_dir: PathBuf,
    /// `--kernel`; without it TAREMARK_KERNEL, or the one that was fetched last.
    pub kernel: Option<PathBuf>,
    /// `--accel`.
    pub accelerator: Wanted,
    /// A folder on the host's disk, for the volumes of workloads that ask for one.
    pub scratch: PathBuf,
    /// For the guest's init to speak; [`running::BOOT_DEADLINE`] unless a test wants it shorter.
    pub boot_deadline: Duration,
}

impl MicroVmOptions {
    /// The user's cache, the kernel that was fetched last, and the accelerator that works.
    pub fn new(scratch: PathBuf) -> Self {
        Self {
            cache_dir: crate::machine::cache::dir(),
            kernel: None,
            accelerator: Wanted::Auto,
            scratch,
            boot_deadline: running::BOOT_DEADLINE,
        }
    }
}

/// See the module.
pub struct MicroVmTarget {
    facts: TargetFacts,
    options: MicroVmOptions,
    qemu: Qemu,
    kernel: Kernel,
    init: PathBuf,
    choice: Choice,
    tsc_khz: u64,
}

impl MicroVmTarget {
    /// Finds QEMU, the kernel and `tare-init`, and decides about the accelerator, by a probe where there is none in the
    /// cache.
    pub fn new(options: MicroVmOptions) -> Result<Self, TargetError> {
        let qemu = qemu::find()?;
        let kernel = kernel::find(&options.cache_dir, options.kernel.as_deref())?;
        let init = own_program("tare-init")?;
        let choice = accelerator::choose(options.accelerator, &options.cache_dir, &qemu, &kernel, &init)?;
        let facts = facts(&qemu, &kernel, &init, &choice)?;
        Ok(Self { facts, options, qemu, kernel, init, choice, tsc_khz: tsc_khz() })
    }

    /// Which accelerator is used, and why.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    fn machine(&self, job: &Job, place: &Path, scratch: Option<PathBuf>) -> Result<Machine, TargetError> {
        let cache_dir = &self.options.cache_dir;
        Ok(Machine {
            qemu: self.qemu.clone(),
            accelerator: self.choice.accelerator,
            cpus: job.cpus,
            memory_bytes: job.memory_bytes,
            vmlinux: self.kernel.vmlinux.clone(),
            initramfs: initramfs::build(cache_dir, &self.init, &self.kernel)?,
            tsc_khz: self.tsc_khz,
            root: Some(disk::root(cache_dir, &job.image_digest, &job.lower_dirs)?.path),
            scratch,
            network: job.network.then_some(network::RUN_MAC),
            console: place.join("console.log"),
        })
    }
}

fn facts(qemu: &Qemu, kernel: &Kernel, init: &Path, choice: &Choice) -> Result<TargetFacts, TargetError> {
    let vmlinux =
        Program { name: "kernel".into(), version: kernel.version.clone(), digest: digest(&kernel.vmlinux)? };
    let mut programs =
        vec![identify("qemu-system-x86_64", &qemu.program)?, vmlinux, identify("tare-init", init)?];
    if qemu.firmware.is_file() {
        let version = format!("{} of QEMU", qemu::FIRMWARE);
        programs.push(Program { name: "firmware".into(), version, digest: digest(&qemu.firmware)? });
    }
    let pairs = [
        ("machine", qemu::MACHINE_TYPE.to_owned()),
        ("guest kernel", kernel.release.clone()),
        ("accelerator", format!("{}: {}", choice.accelerator.name(), choice.reason)),
        ("root", format!("{}, uncompressed, on virtio-blk; overlayfs with tmpfs on top", disk::ROOT_FORMAT)),
        ("scratch", "ext4 on virtio-blk, raw sparse file on the host's disk, cache=writeback".into()),
    ];
    Ok(TargetFacts {
        name: "microvm".into(),
        description: "QEMU microvm: the distribution's cloud kernel, booted directly, tare-init as PID 1"
            .into(),
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
        let from = monotonic_ns();
        let cache_dir = &self.options.cache_dir;
        let (disk, made) = disk::root_and_whether_made(cache_dir, &job.image_digest, &job.lower_dirs)?;
        let initramfs = initramfs::build(cache_dir, &self.init, &self.kernel)?;
        let prepare_ms = made.then(|| (monotonic_ns() - from) as f64 / 1e6);
        let length =
            |path: &Path| std::fs::metadata(path).map(|m| m.len()).map_err(super::error::io("look at", path));
        let mut sizes = vec![
            ("disk_bytes", disk.bytes),
            ("kernel_bytes", length(&self.kernel.vmlinux)?),
            ("initramfs_bytes", length(&initramfs)?),
        ];
        if self.qemu.firmware.is_file() {
            sizes.push(("firmware_bytes", length(&self.qemu.firmware)?));
        }
        Ok(Prepared { sizes, prepare_ms })
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        let scratch = match job.scratch_bytes {
            Some(bytes) => {
                let path = self.options.scratch.join(format!("{}.ext4", place.name));
                undo.push(UndoStep::RemoveFile(path.clone()));
                disk::scratch(&path, bytes)?;
                Some(path)
            }
            None => None,
        };
        let machine = self.machine(job, &place.dir, scratch)?;
        let tap = if job.network { Some(network::tap()?) } else { None };
        let told_to_guest = guest_job(job);
        let told = told_by(&machine.arguments(), &ToGuest::Job(Box::new(told_to_guest.clone())).frame())?;
        let armed = crate::machine::Armed::new(
            &machine,
            Some(&told_to_guest),
            tap,
            place.cgroup.place(),
            &place.dir,
        )?;
        let kind = ArmedKind::Machine {
            armed: Box::new(armed.boot_deadline(self.options.boot_deadline)),
            address: process::address_of(job),
            memory_bytes: job.memory_bytes,
        };
        Ok(Armed { told, undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
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
}

fn guest_job(job: &Job) -> GuestJob {
    GuestJob {
        version: VERSION,
        argv: job.argv.clone(),
        env: job.env.clone(),
        cwd: job.cwd.clone(),
        uid: job.uid,
        gid: job.gid,
        groups: job.groups.clone(),
        hostname: job.name.clone(),
        open_files: OPEN_FILES,
        network: job.network.then_some(GuestNetwork {
            address: network::RUN_ADDRESS,
            prefix: network::PREFIX,
            host: network::HOST_ADDRESS,
            host_mac: network::HOST_MAC,
        }),
        scratch: job.scratch_bytes.is_some(),
        stdin: false,
        read_only: Vec::new(),
    }
}

/// Reads back what QEMU's arguments and the frame for the guest say.
fn told_by(arguments: &[String], frame: &[u8]) -> Result<Told, TargetError> {
    let after = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|n| arguments.get(n + 1)).map(String::as_str).unwrap_or_default()
    };
    let mut decoder = crate::guest::wire::Decoder::default();
    decoder.feed(frame);
    let Some(ToGuest::Job(job)) = decoder.take().map_err(crate::machine::MachineError::from)? else {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
        return Err(TargetError::System { step: "read back the guest's job", source });
    };
    Ok(Told {
        argv: job.argv,
        env: job.env,
        cwd: job.cwd,
        uid: job.uid,
        gid: job.gid,
        cpus: after("-smp").parse().unwrap_or_default(),
        memory_bytes: after("-m").trim_end_matches('B').parse().unwrap_or_default(),
    })
}

/// The machine's next event in the words of targets.
pub(super) fn next_event(machine: &mut RunningMachine, timeout: Duration) -> Option<Event> {
    let (at_ns, event) = machine.next(timeout)?;
    let kind = match event {
        MachineEvent::Stamp(byte) => EventKind::Milestone { phase: phase_of(byte)?.to_owned(), error_ns: 0 },
        MachineEvent::Output(fd, bytes) => {
            EventKind::Output { stream: if fd == 1 { Stream::Stdout } else { Stream::Stderr }, bytes }
        }
        MachineEvent::Exited(code) => EventKind::Exited { code },
        MachineEvent::Closed(error) => EventKind::Closed { error },
        // Only a workload that somebody executes something in has these.
        MachineEvent::Exec(..) => return None,
    };
    Some(Event { at_ns, kind })
}

/// Memory by part, from outside and from inside, and the channel's latency.
pub(super) fn figures(
    machine: &mut RunningMachine,
    memory_bytes: u64,
) -> Result<Vec<(&'static str, f64)>, TargetError> {
    let split = memory::split(machine.pid())?;
    let guest = machine.guest_memory()?;
    let echo_ns = machine.echo_ns()?;
    Ok(vec![
        ("guest_ram_touched_bytes", split.guest_ram_bytes as f64),
        ("vmm_bytes", split.vmm_bytes as f64),
        ("guest_used_bytes", guest.total_bytes.saturating_sub(guest.available_bytes) as f64),
        ("guest_kernel_bytes", memory_bytes.saturating_sub(guest.total_bytes) as f64),
        ("channel_ms", echo_ns as f64 / 2e6),
    ])
}
