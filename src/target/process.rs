//! Target `process`: the workload as a bare process, which is the net of every comparison.
//!
//! chroot into the image's files and exec: no namespace, no capability dropped, no filter. Its root is an overlay with
//! a fresh tmpfs on top, mounted before t0: the image must stay as it is, and a process that runs from a disk does
//! not pay for that.

use super::error::{TargetError, io};
use super::place::{Place, Undo, UndoStep};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, network, output::Pipes};
use crate::container::cgroup::Limits;
use crate::record::schema::TargetFacts;
use crate::sys::spawn::Spawn;
use nix::mount::{MsFlags, mount};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// See the module.
pub struct ProcessTarget {
    facts: TargetFacts,
    scratch: PathBuf,
}

impl ProcessTarget {
    /// `scratch` is a folder on the host's disk for the workloads that ask for a writable volume.
    pub fn new(scratch: PathBuf) -> Self {
        let kernel = nix::sys::utsname::uname()
            .map(|u| u.release().to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut facts = TargetFacts {
            name: "process".into(),
            description: "bare process: chroot and exec, host namespaces".into(),
            accelerator: String::new(),
            programs: Vec::new(),
            facts: Default::default(),
        };
        facts.facts.insert("kernel".into(), kernel);
        facts.facts.insert(
            "root".into(),
            "overlayfs on the unpacked layers, tmpfs on top, mounted before t0".into(),
        );
        Self { facts, scratch }
    }
}

impl Target for ProcessTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, job: &Job) -> Limits {
        Limits { cpus: Some(f64::from(job.cpus)), memory_bytes: Some(job.memory_bytes), pids: None }
    }

    fn prepare(&mut self, _: &Job) -> Result<Prepared, TargetError> {
        Ok(Prepared::default())
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        let root = mount_root(job, &place.dir, &mut undo)?;
        bind_host(&root, &mut undo)?;
        if job.scratch_bytes.is_some() {
            bind_scratch(&self.scratch, &root, &mut undo)?;
        }
        let program = super::lookup::program_in_image(job, &root)?;
        let pipes = Pipes::new().map_err(|source| TargetError::System { step: "make a pipe", source })?;
        let spawn =
            Spawn::new(Path::new(&program), &job.argv, &job.env)?.root(&root)?.cwd(Path::new(&job.cwd))?;
        let spawn = pipes.give(spawn.ids(job.uid, job.gid)).new_session().cgroup(place.cgroup.place());
        let kind = ArmedKind::Program {
            spawn: Box::new(spawn),
            output: pipes,
            address: Ipv4Addr::LOCALHOST,
            trace: None,
        };
        Ok(Armed { told: job.told(), undo, kind })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch_program(armed)
    }
}

/// Starts an armed program and the threads that watch it.
pub(super) fn launch_program(armed: Armed) -> Result<Running, TargetError> {
    let Armed { undo, kind, .. } = armed;
    let ArmedKind::Program { spawn, output, address, trace } = kind else {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
        return Err(TargetError::System { step: "launch a machine as a program", source });
    };
    let (send, events) = std::sync::mpsc::channel();
    let child = std::sync::Arc::new(spawn.start()?);
    let threads = vec![output.read(send.clone()), super::running::watch(&child, send)];
    let (t0_ns, spawned_ns) = (child.t0_ns, child.spawned_ns);
    let body = super::running::Body::Program { child, events, trace, threads, reaped: false };
    Ok(Running { t0_ns, spawned_ns, address, undo, body })
}

/// An overlay of the image's layers with upper and work on a fresh tmpfs. Used for targets whose runtime cannot mount
/// one itself.
pub(super) fn mount_root(job: &Job, dir: &Path, undo: &mut Undo) -> Result<PathBuf, TargetError> {
    let top = dir.join("top");
    let root = dir.join("root");
    for d in [&top, &root] {
        std::fs::create_dir(d).map_err(io("create", d))?;
    }
    do_mount("tmpfs", &top, Some("tmpfs"), MsFlags::MS_NODEV, Some("mode=0755"), undo)?;
    let (upper, work) = (top.join("upper"), top.join("work"));
    for d in [&upper, &work] {
        std::fs::create_dir(d).map_err(io("create", d))?;
    }
    let lower: Vec<String> = job.lower_dirs.iter().map(|d| d.display().to_string()).collect();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    do_mount("overlay", &root, Some("overlay"), MsFlags::empty(), Some(&options), undo)?;
    Ok(root)
}

fn bind_host(root: &Path, undo: &mut Undo) -> Result<(), TargetError> {
    for name in ["proc", "dev", "sys"] {
        let to = root.join(name);
        if !to.is_dir() {
            std::fs::create_dir(&to).map_err(io("create", &to))?;
        }
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        do_mount(&format!("/{name}"), &to, None, flags, None, undo)?;
    }
    Ok(())
}

pub(super) fn bind_scratch(scratch: &Path, root: &Path, undo: &mut Undo) -> Result<(), TargetError> {
    let to = root.join("scratch");
    if !to.is_dir() {
        std::fs::create_dir(&to).map_err(io("create", &to))?;
    }
    undo.push(UndoStep::EmptyDir(scratch.to_owned()));
    do_mount(&scratch.display().to_string(), &to, None, MsFlags::MS_BIND, None, undo)
}

fn do_mount(
    source: &str,
    to: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
    undo: &mut Undo,
) -> Result<(), TargetError> {
    mount(Some(source), to, kind, flags, options).map_err(|e| TargetError::Io {
        step: "mount on",
        path: to.to_owned(),
        source: e.into(),
    })?;
    undo.push(UndoStep::Unmount(to.to_owned()));
    Ok(())
}

/// Address at which a server of this job is reached.
pub(super) fn address_of(job: &Job) -> Ipv4Addr {
    if job.network { network::RUN_ADDRESS } else { Ipv4Addr::LOCALHOST }
}
