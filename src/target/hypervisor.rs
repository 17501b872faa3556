//! Targets `firecracker` and `cloud-hypervisor`: the microVM's kernel, initramfs and disk, booted by another monitor.

use super::error::TargetError;
use super::in_guest::guest_job;
use super::lookup::{digest, host_program, identify, own_program};
use super::microvm::MicroVmOptions;
use super::place::{Place, Undo, UndoStep};
use super::running::{Body, Running};
use super::{Armed, ArmedKind, Job, Prepared, Target, Told, direct, network, process};
use crate::container::cgroup::Limits;
use crate::machine::accelerator::{self, Wanted};
use crate::machine::hypervisor::{self, Kind};
use crate::machine::kernel::{Initialises, Kernel};
use crate::machine::qemu::{self, Accelerator, Qemu};
use crate::machine::root::{self, Root};
use crate::machine::{Machine, MachineError, Memory, USER, disk};
use crate::record::schema::{Program, TargetFacts};
use crate::sys::clock::tsc_khz;
use std::path::PathBuf;

/// See the module.
pub struct HypervisorTarget {
    kind: Kind,
    program: PathBuf,
    facts: TargetFacts,
    options: MicroVmOptions,
    kernel: Kernel,
    init: PathBuf,
}

impl HypervisorTarget {
    /// Finds the monitor (`program` is its name or path), the kernel with its drivers, and `tare-init`.
    pub fn new(kind: Kind, program: &str, options: MicroVmOptions) -> Result<Self, TargetError> {
        let program = host_program(program)?;
        let version = identify(kind.name(), &program)?;
        let kernel = hypervisor::kernel(&options.cache_dir, options.kernel.as_deref())?;
        let init = own_program("tare-init")?;
        let vmlinux = Program {
            name: "kernel".into(),
            version: kernel.version.clone(),
            digest: digest(&kernel.vmlinux)?,
        };
        let pairs = [
            ("guest kernel", format!("{} ({})", kernel.release, kernel.origin.name())),
            (
                "root",
                format!("{}, uncompressed, on virtio-blk; overlayfs with tmpfs on top", disk::ROOT_FORMAT),
            ),
            (
                "isolation",
                format!("the monitor's own filter, as user {USER}, files as descriptors, image read-only"),
            ),
            ("channel", "vsock, called by the guest's init; no console".into()),
            ("untested", hypervisor::UNTESTED.into()),
        ];
        let facts = TargetFacts {
            name: kind.name().into(),
            description: format!("{}: the microVM's kernel, initramfs and disk, by its API", kind.name()),
            accelerator: Accelerator::Kvm.name().into(),
            programs: vec![version, vmlinux, identify("tare-init", &init)?],
            facts: pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        };
        Ok(Self { kind, program, facts, options, kernel, init })
    }

    /// An error where KVM cannot run a guest: by the same probe that decides about QEMU's, where there is a QEMU.
    pub fn check_kvm(&self) -> Result<(), TargetError> {
        let (cache_dir, wanted) = (&self.options.cache_dir, Wanted::Only(Accelerator::Kvm));
        let kernel = crate::machine::kernel::find(cache_dir, self.options.kernel.as_deref())?;
        accelerator::choose(wanted, cache_dir, &qemu::find()?, &kernel, &self.init)?;
        Ok(())
    }

    /// Always on a disk: what their own guides boot.
    fn root(&self, job: &Job) -> Result<(Root, bool), MachineError> {
        root::on_disk(&self.options.cache_dir, &job.image_digest, &job.lower_dirs)
    }

    fn machine(&self, job: &Job, scratch: Option<PathBuf>) -> Result<Machine, TargetError> {
        let cache_dir = &self.options.cache_dir;
        let parts = direct::parts(cache_dir, &self.init, &self.kernel, job, self.root(job)?.0)?;
        Ok(Machine {
            qemu: Qemu { program: self.program.clone(), firmware: PathBuf::new() },
            accelerator: Accelerator::Kvm,
            cpus: job.cpus,
            memory_bytes: job.memory_bytes,
            initramfs: parts.initramfs,
            kernel: parts.kernel,
            tsc_khz: tsc_khz(),
            root: parts.disk,
            scratch,
            network: job.network.then_some(network::RUN_MAC),
            memory: Memory::Fresh,
            isolated: self.options.isolated,
            initialises: Initialises::of_host(),
            parameters: Vec::new(),
        })
    }
}

impl Target for HypervisorTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, _: &Job) -> Limits {
        Limits::default()
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        direct::prepare(&self.options.cache_dir, &self.init, &self.kernel, job, || self.root(job))
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        let scratch = job.scratch_bytes.map(|_| self.options.scratch.join(format!("{}.ext4", place.name)));
        if let (Some(path), Some(bytes)) = (&scratch, job.scratch_bytes) {
            undo.push(UndoStep::RemoveFile(path.clone()));
            disk::scratch(path, bytes)?;
        }
        let machine = self.machine(job, scratch)?;
        let tap = if job.network { Some(network::lasting_tap(USER, &mut undo)?) } else { None };
        let guest_job = guest_job(job);
        // Firecracker counts RAM in MiB.
        let told = Told { memory_bytes: job.memory_bytes >> 20 << 20, ..job.told() };
        let armed = hypervisor::Armed::new(
            self.kind,
            &self.program,
            &machine,
            &guest_job,
            tap,
            place.cgroup.place(),
            &place.dir,
        )?;
        let kind = ArmedKind::Hypervisor {
            armed: Box::new(armed.boot_deadline(self.options.boot_deadline)),
            address: process::address_of(job),
            memory_bytes: job.memory_bytes,
        };
        Ok(Armed { told, undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        let Armed { undo, kind, .. } = armed;
        let ArmedKind::Hypervisor { armed, address, memory_bytes } = kind else {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(TargetError::System { step: "launch something else by a monitor", source });
        };
        let machine = Box::new(armed.start()?);
        let (t0_ns, spawned_ns) = (machine.t0_ns, machine.spawned_ns);
        Ok(Running { t0_ns, spawned_ns, address, undo, body: Body::Machine { machine, memory_bytes } })
    }
}
