//! Target `container`: our own runtime, started as an engine starts it, `tarec run` on a bundle.

use super::error::{TargetError, container, io};
use super::job::Told;
use super::lookup::{identify, own_program};
use super::place::{Place, Undo};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, network, output::Pipes, process};
use crate::container::cgroup::Limits;
use crate::container::spec::{Bundle, Network};
use crate::record::schema::TargetFacts;
use crate::sys::spawn::Spawn;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// See the module.
pub struct ContainerTarget {
    facts: TargetFacts,
    tarec: PathBuf,
    scratch: PathBuf,
    /// Held until the run is gone.
    namespace: Option<OwnedFd>,
}

impl ContainerTarget {
    /// Finds `tarec`. `scratch` as for the bare process.
    pub fn new(scratch: PathBuf) -> Result<Self, TargetError> {
        let tarec = own_program("tarec")?;
        let mut facts = TargetFacts {
            name: "container".into(),
            description: "our OCI runtime: namespaces, overlayfs, capabilities, seccomp, cgroup".into(),
            accelerator: String::new(),
            programs: vec![identify("tarec", &tarec)?],
            facts: Default::default(),
        };
        facts
            .facts
            .insert("root".into(), "overlayfs on the unpacked layers, tmpfs on top, mounted after t0".into());
        facts.facts.insert("seccomp".into(), "default profile".into());
        Ok(Self { facts, tarec, scratch, namespace: None })
    }

    /// Under another name: the second of an A/A pair.
    pub fn named(mut self, name: &str) -> Self {
        self.facts.name = name.to_owned();
        self
    }
}

impl Target for ContainerTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, _: &Job) -> Limits {
        Limits::default()
    }

    fn prepare(&mut self, _: &Job) -> Result<Prepared, TargetError> {
        Ok(Prepared::default())
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        let mut undo = Undo::default();
        self.namespace = if job.network { Some(network::veth(&mut undo)?) } else { None };
        let mut bundle = bundle_of(job, place, self.namespace.as_ref());
        bundle.lower_dirs = job.lower_dirs.clone();
        if job.scratch_bytes.is_some() {
            undo.push(super::place::UndoStep::EmptyDir(self.scratch.clone()));
            bundle.mounts.push((self.scratch.clone(), PathBuf::from("/scratch")));
        }
        let dir = place.dir.join("bundle");
        std::fs::create_dir(&dir).map_err(io("create", &dir))?;
        bundle.write(&dir).map_err(container)?;
        let told = told_by(&dir)?;
        let trace = place.dir.join("trace.json");
        let argv = run_argv(&place.dir, &dir, &trace, &place.name);
        let pipes = Pipes::new().map_err(|source| TargetError::System { step: "make a pipe", source })?;
        let spawn = Spawn::new(&self.tarec, &argv, &["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])?;
        let spawn = Box::new(pipes.give(spawn).new_session().cgroup(place.cgroup.place()));
        let address = process::address_of(job);
        Ok(Armed {
            told,
            undo,
            kind: ArmedKind::Program { spawn, output: pipes, address, trace: Some(trace) },
        })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        process::launch_program(armed)
    }
}

fn run_argv(dir: &Path, bundle: &Path, trace: &Path, name: &str) -> Vec<String> {
    let root = dir.join("tarec");
    let parts = ["tarec", "--root", &root.display().to_string(), "--trace", &trace.display().to_string()];
    let run = ["run", "--bundle", &bundle.display().to_string(), name];
    parts.iter().chain(&run).map(|s| (*s).to_owned()).collect()
}

/// The bundle that every OCI runtime gets for a job.
pub(super) fn bundle_of(job: &Job, place: &Place, namespace: Option<&OwnedFd>) -> Bundle {
    Bundle {
        argv: job.argv.clone(),
        env: job.env.clone(),
        cwd: job.cwd.clone(),
        uid: job.uid,
        gid: job.gid,
        additional_gids: job.groups.clone(),
        hostname: job.name.clone(),
        cpus: Some(f64::from(job.cpus)),
        memory_bytes: Some(job.memory_bytes),
        network: match namespace {
            Some(fd) => Network::Path(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()).into()),
            None => Network::New,
        },
        cgroups_path: Some(format!("/taremark/{}/container", place.name)),
        seccomp: true,
        ..Bundle::default()
    }
}

/// Reads back what the runtime is told.
pub(super) fn told_by(bundle: &Path) -> Result<Told, TargetError> {
    let path = bundle.join("config.json");
    let json = std::fs::read(&path).map_err(io("read", &path))?;
    let config: serde_json::Value = serde_json::from_slice(&json).map_err(container)?;
    let strings = |pointer: &str| -> Vec<String> {
        let list = config.pointer(pointer).and_then(|v| v.as_array());
        list.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let number =
        |pointer: &str| config.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let quota = number("/linux/resources/cpu/quota");
    let period = number("/linux/resources/cpu/period").max(1);
    Ok(Told {
        argv: strings("/process/args"),
        env: strings("/process/env"),
        cwd: config.pointer("/process/cwd").and_then(|v| v.as_str()).unwrap_or_default().to_owned(),
        uid: number("/process/user/uid") as u32,
        gid: number("/process/user/gid") as u32,
        cpus: (quota / period) as u32,
        memory_bytes: number("/linux/resources/memory/limit"),
    })
}
