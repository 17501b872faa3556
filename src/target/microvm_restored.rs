//! Target `microvm-restored`: a microVM whose guest came up once and was saved; each run is restored from that.
//!
//! What is saved depends on the workload. A server is saved when it answers, so a restored one answers at once. Anything
//! else is saved when all is ready for it, right before it is started, so that it really runs in every run.

use super::error::{TargetError, container};
use super::in_guest::{frame, guest_job, told_by};
use super::microvm::{MicroVmOptions, MicroVmTarget, launch};
use super::place::{Place, Undo};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, network, process};
use crate::container::cgroup::{Limits, RunCgroup};
use crate::guest::wire::GuestJob;
use crate::machine::snapshot::{self, Snapshot};
use crate::machine::{MachineError, Memory, RunningMachine, disk};
use crate::record::schema::TargetFacts;
use crate::sys::clock::monotonic_ns;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// For a server to answer before it is saved.
const READY: Duration = Duration::from_secs(60);
/// Between a server's first answer and its saving, for what it does after it.
const SETTLE: Duration = Duration::from_millis(100);

/// See the module.
pub struct RestoredTarget {
    inner: MicroVmTarget,
    facts: TargetFacts,
    /// Those in use, by key: their RAM is held open.
    open: BTreeMap<String, Arc<Snapshot>>,
}

impl RestoredTarget {
    /// As [`MicroVmTarget::new`]; `microvm-restored`, or `microvm-restored:own` with a kernel of our own.
    pub fn new(options: MicroVmOptions) -> Result<Self, TargetError> {
        let inner = MicroVmTarget::new(options)?;
        let mut facts = inner.facts.clone();
        facts.name = facts.name.replacen("microvm", "microvm-restored", 1);
        facts.description =
            facts.description.replace("booted directly", "saved once and restored for each run");
        let saved = "devices' state by QEMU's migration, RAM mapped privately from a sealed memfd";
        facts.facts.insert("snapshot".into(), saved.into());
        Ok(Self { inner, facts, open: BTreeMap::new() })
    }

    /// What is sent to the guest that is to be saved.
    fn saved_job(job: &Job) -> GuestJob {
        GuestJob { hold: job.port.is_none(), ..guest_job(job) }
    }

    fn key(&self, job: &Job) -> Result<String, TargetError> {
        let mut machine = self.inner.machine(job, job.scratch_bytes.map(|_| "scratch".into()))?;
        // Measured anew for each target, and never twice the same to the last digit; the boot stands for it in the key.
        machine.tsc_khz = 0;
        let digests = self.facts.programs.iter().map(|p| p.digest.as_str()).collect::<Vec<_>>().join(" ");
        let root = machine.root.iter().map(|p| p.display().to_string()).collect::<String>();
        let arguments = machine.arguments().join("\0");
        let initramfs = machine.initramfs.display().to_string();
        let job = frame(&Self::saved_job(job));
        let parts = [arguments.as_bytes(), digests.as_bytes(), root.as_bytes(), initramfs.as_bytes(), &job];
        Ok(snapshot::key(&parts)?)
    }

    /// Boots the guest, waits until it is ready, and saves it in `dir`.
    fn make(&self, job: &Job, dir: &Path) -> Result<(), TargetError> {
        let scratch = match job.scratch_bytes {
            Some(bytes) => {
                let path = dir.join(snapshot::SCRATCH);
                disk::scratch(&path, bytes)?;
                Some(path)
            }
            None => None,
        };
        let mut machine = self.inner.machine(job, scratch)?;
        machine.memory = Memory::Kept(snapshot::empty_ram(dir, job.memory_bytes)?);
        let tap = if job.network { Some(network::tap()?) } else { None };
        let logs =
            tempfile::tempdir().map_err(|source| TargetError::System { step: "create a folder", source })?;
        let told = Self::saved_job(job);
        let cgroup = saving_cgroup(&self.inner.options.scratch)?;
        let place = cgroup.0.place();
        let armed = crate::machine::Armed::new(&machine, Some(&told), tap, place, logs.path())?;
        let mut running = armed.boot_deadline(self.inner.options.boot_deadline).start()?;
        match job.port {
            Some(port) => answers(&mut running, SocketAddr::from((network::RUN_ADDRESS, port)))?,
            None => running.held()?,
        }
        Ok(snapshot::save(&mut running, dir)?)
    }

    fn snapshot(&mut self, job: &Job) -> Result<(Arc<Snapshot>, bool), TargetError> {
        let key = self.key(job)?;
        if let Some(open) = self.open.get(&key) {
            return Ok((Arc::clone(open), false));
        }
        let cache_dir = self.inner.options.cache_dir.clone();
        let there = Snapshot::open(&cache_dir, &key)?;
        let made = there.is_none();
        if made {
            let mut failed = None;
            let done = snapshot::make(&cache_dir, &key, |dir| {
                self.make(job, dir).map_err(|e| {
                    let why = e.to_string();
                    failed = Some(e);
                    MachineError::Broke { why }
                })
            });
            match (done, failed) {
                (Err(_), Some(e)) => return Err(e),
                (done, _) => done?,
            }
        }
        let opened = match there {
            Some(opened) => opened,
            None => Snapshot::open(&cache_dir, &key)?
                .ok_or(MachineError::Broke { why: "it was not saved".into() })?,
        };
        let opened = Arc::new(opened);
        self.open.insert(key, Arc::clone(&opened));
        Ok((opened, made))
    }
}

/// A cgroup that is gone when it is dropped.
struct Saving(RunCgroup);

impl Drop for Saving {
    fn drop(&mut self) {
        let _ = self.0.kill_all();
        let _ = self.0.remove();
    }
}

/// Where a machine that is saved lives, under the session's name, by which it is found if the harness is killed.
fn saving_cgroup(scratch: &Path) -> Result<Saving, TargetError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = scratch.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let session =
        folder.strip_prefix("scratch-").map_or_else(|| std::process::id().to_string(), str::to_owned);
    let name = format!("{session}-saving-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(Saving(RunCgroup::create(&name, &Limits::default()).map_err(container)?))
}

/// Waits until something listens there.
fn answers(machine: &mut RunningMachine, address: SocketAddr) -> Result<(), TargetError> {
    let until = Instant::now() + READY;
    while Instant::now() < until {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            std::thread::sleep(SETTLE);
            return Ok(());
        }
        machine.alive()?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(MachineError::Silent { asked: "on its port", seconds: READY.as_secs() }.into())
}

impl Target for RestoredTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, job: &Job) -> Limits {
        self.inner.outer_limits(job)
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        let mut prepared = self.inner.prepare(job)?;
        let from = monotonic_ns();
        let (saved, made) = self.snapshot(job)?;
        if made {
            *prepared.prepare_ms.get_or_insert_default() += (monotonic_ns() - from) as f64 / 1e6;
        }
        prepared.sizes.push(("snapshot_bytes", saved.bytes));
        prepared.files.extend(saved.files());
        Ok(prepared)
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let (saved, _) = self.snapshot(job)?;
        let mut undo = Undo::default();
        let scratch = self.inner.scratch_path(job, place, &mut undo);
        if let Some(path) = &scratch {
            saved.copy_scratch(path)?;
        }
        let mut machine = self.inner.machine(job, scratch)?;
        machine.memory = Memory::Restored(saved);
        let tap = if job.network { Some(network::tap()?) } else { None };
        let now = guest_job(job);
        let told = told_by(&machine.arguments(), &frame(&now))?;
        let after = job.port.is_none().then_some(&now);
        let armed = crate::machine::Armed::new(&machine, after, tap, place.cgroup.place(), &place.dir)?;
        let kind = ArmedKind::Machine {
            armed: Box::new(armed.boot_deadline(self.inner.options.boot_deadline)),
            address: process::address_of(job),
            memory_bytes: job.memory_bytes,
        };
        Ok(Armed { told, undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch(armed)
    }
}
