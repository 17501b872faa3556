//! Target `oci:<runtime>`: any other runtime with the OCI command line, on the same bundle as ours.

use super::container::{bundle_of, told_by};
use super::error::{TargetError, container, io};
use super::lookup::{host_program, identify};
use super::place::{Place, Undo, UndoStep};
use super::process::{address_of, launch_program, mount_root};
use super::{Armed, ArmedKind, Job, Prepared, Running, Target, network, output::Pipes};
use crate::container::cgroup::Limits;
use crate::record::schema::TargetFacts;
use crate::sys::spawn::Spawn;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// See the module.
pub struct OciTarget {
    facts: TargetFacts,
    program: PathBuf,
    scratch: PathBuf,
    /// Held until the run is gone.
    namespace: Option<OwnedFd>,
}

impl OciTarget {
    /// `runtime` is a program's name or path; `scratch` as for the bare process.
    pub fn new(runtime: &str, scratch: PathBuf) -> Result<Self, TargetError> {
        let program = host_program(runtime)?;
        let name = program.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut facts = TargetFacts {
            name: format!("oci:{name}"),
            description: format!("{name} with the bundle that our own runtime gets"),
            accelerator: String::new(),
            programs: vec![identify(&name, &program)?],
            facts: Default::default(),
        };
        let root =
            "overlayfs on the unpacked layers, tmpfs on top, mounted before t0 (this runtime mounts none)";
        facts.facts.insert("root".into(), root.into());
        facts.facts.insert("seccomp".into(), "default profile".into());
        Ok(Self { facts, program, scratch, namespace: None })
    }
}

impl Target for OciTarget {
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
        bundle.rootfs = Some(mount_root(job, &place.dir, &mut undo)?);
        if job.scratch_bytes.is_some() {
            undo.push(UndoStep::EmptyDir(self.scratch.clone()));
            bundle.mounts.push((self.scratch.clone(), PathBuf::from("/scratch")));
        }
        let dir = place.dir.join("bundle");
        std::fs::create_dir(&dir).map_err(io("create", &dir))?;
        bundle.write(&dir).map_err(container)?;
        let told = told_by(&dir)?;
        let states = place.dir.join("states").display().to_string();
        let words = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let bundle_dir = dir.display().to_string();
        let argv = words(&[&self.facts.name, "--root", &states, "run", "--bundle", &bundle_dir, &place.name]);
        let delete = words(&["--root", &states, "delete", "--force", &place.name]);
        undo.push(UndoStep::Command(self.program.clone(), delete));
        let pipes = Pipes::new().map_err(|source| TargetError::System { step: "make a pipe", source })?;
        let spawn = Spawn::new(&self.program, &argv, &["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])?;
        let spawn = Box::new(pipes.give(spawn).new_session().cgroup(place.cgroup.place()));
        let address = address_of(job);
        Ok(Armed { told, undo, kind: ArmedKind::Program { spawn, output: pipes, address, trace: None } })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch_program(armed)
    }
}
