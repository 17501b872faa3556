//! A row as a target.

use super::command::CleanUp;
use super::words::Values;
use super::{Command, DEADLINE, Row};
use crate::container::cgroup::Limits;
use crate::record::schema::TargetFacts;
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::Spawn;
use crate::target::container::{bundle_of, told_by};
use crate::target::error::{TargetError, container, io};
use crate::target::lookup::{host_program, identify, identify_by};
use crate::target::output::Pipes;
use crate::target::place::{Undo, UndoStep};
use crate::target::process::{address_of, launch_program, mount_root};
use crate::target::{Armed, ArmedKind, Job, Place, Prepared, Running, Target, Told, network};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one command of a preparation: a whole image may be copied.
const PREPARE: Duration = Duration::from_secs(300);

/// See the module.
pub struct RowTarget {
    facts: TargetFacts,
    row: Row,
    program: PathBuf,
    /// Folder of the session.
    session: PathBuf,
    scratch: PathBuf,
    /// Variables from outside, and PATH.
    environment: Vec<String>,
    /// Held until the run is gone.
    namespace: Option<OwnedFd>,
    /// (image's digest, what undoes its preparation).
    prepared: Vec<(String, Vec<CleanUp>)>,
}

impl RowTarget {
    /// Finds the row's programs and asks their versions. `session` is a folder that lives as long as the bench; `scratch`
    /// as for the bare process.
    pub fn new(row: Row, session: &Path, scratch: PathBuf) -> Result<Self, TargetError> {
        let program = host_program(&row.run.program)?;
        let mut environment =
            vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        let inherited = row.inherit.iter().filter_map(|n| Some(format!("{n}={}", std::env::var(n).ok()?)));
        environment.extend(inherited);
        let facts = facts(&row, &program)?;
        let (namespace, prepared) = (None, Vec::new());
        Ok(Self {
            facts,
            row,
            program,
            session: session.to_owned(),
            scratch,
            environment,
            namespace,
            prepared,
        })
    }

    /// Why nobody knows yet whether it works; empty: it was seen to.
    pub fn untested(&self) -> &str {
        &self.row.untested
    }

    fn uses(&self, placeholder: &str) -> bool {
        self.row.run.uses(placeholder)
    }

    fn session_values(&self, job: &Job) -> Values {
        let hex = job.image_digest.rsplit(':').next().unwrap_or_default();
        let image =
            format!("localhost/taremark-{}:{}", session_name(&self.session), &hex[..hex.len().min(12)]);
        [("session", vec![self.session.display().to_string()]), ("image", vec![image])].into()
    }

    fn run_values(&self, job: &Job, place: &Place) -> Values {
        let mut values = self.session_values(job);
        let mut add = |name, value: String| values.insert(name, vec![value]);
        add("id", place.name.clone());
        add("states", place.dir.join("states").display().to_string());
        add("cgroup", format!("/taremark/{}", place.name));
        add("cwd", job.cwd.clone());
        add("uid", job.uid.to_string());
        add("gid", job.gid.to_string());
        add("hostname", job.name.clone());
        add("cpus", job.cpus.to_string());
        add("memory", job.memory_bytes.to_string());
        values.insert("argv", job.argv.clone());
        values.insert("env", job.env.clone());
        values.insert("group", job.groups.iter().map(u32::to_string).collect());
        values
    }

    fn clean_up(&self, command: &Command, values: &Values) -> Result<CleanUp, TargetError> {
        Ok(CleanUp {
            program: host_program(&command.program)?,
            arguments: command.arguments(values),
            environment: self.environment.clone(),
        })
    }

    /// What it would have to be given and cannot be.
    fn lacks(&self, job: &Job) -> Option<&'static str> {
        let bundle = self.uses("bundle");
        if job.network && !bundle && !self.uses("netns") {
            Some("a network")
        } else if job.scratch_bytes.is_some() && !bundle && !self.uses("scratch") {
            Some("a volume")
        } else {
            None
        }
    }

    /// Files and network of a run, as far as the command names them, and what it is told with them.
    fn make(
        &self,
        job: &Job,
        place: &Place,
        values: &mut Values,
        undo: &mut Undo,
    ) -> Result<Told, TargetError> {
        let root = if self.uses("root") || self.uses("bundle") {
            let root = mount_root(job, &place.dir, undo)?;
            values.insert("root", vec![root.display().to_string()]);
            Some(root)
        } else {
            None
        };
        if job.scratch_bytes.is_some() {
            undo.push(UndoStep::EmptyDir(self.scratch.clone()));
            values.insert("scratch", vec![self.scratch.display().to_string()]);
        }
        match &self.namespace {
            Some(fd) => {
                let path = format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
                values.insert("netns", vec![path]);
            }
            None => {
                values.insert("none", vec!["none".to_owned()]);
            }
        }
        if !self.uses("bundle") {
            return Ok(self.told(job));
        }
        let mut bundle = bundle_of(job, place, self.namespace.as_ref());
        bundle.rootfs = root;
        if job.scratch_bytes.is_some() {
            bundle.mounts.push((self.scratch.clone(), PathBuf::from("/scratch")));
        }
        let dir = place.dir.join("bundle");
        std::fs::create_dir(&dir).map_err(io("create", &dir))?;
        bundle.write(&dir).map_err(container)?;
        values.insert("bundle", vec![dir.display().to_string()]);
        told_by(&dir)
    }

    /// What a command without a bundle is told: what it names. The environment of one that does not name variables is the
    /// workload's, and limits that it does not name are those of the run's own cgroup.
    fn told(&self, job: &Job) -> Told {
        let mut told = job.told();
        if !self.uses("cwd") {
            told.cwd = "/".to_owned();
        }
        if !self.uses("uid") {
            told.uid = 0;
        }
        if !self.uses("gid") {
            told.gid = 0;
        }
        told
    }
}

/// `<pid>-<start time>`, in the letters of an image's name.
fn session_name(session: &Path) -> String {
    session.file_name().unwrap_or_default().to_string_lossy().to_lowercase().replace(['.', '_'], "-")
}

fn facts(row: &Row, program: &Path) -> Result<TargetFacts, TargetError> {
    let name = program.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let by = host_program(&row.version[0])?;
    let mut programs = vec![identify_by(&name, program, &by, &row.version[1..])?];
    for needed in &row.needs {
        programs.push(identify(needed, &host_program(needed)?)?);
    }
    let bundle = row.run.uses("bundle");
    let root = if bundle || row.run.uses("root") {
        "overlayfs on the unpacked layers, tmpfs on top, mounted before t0 (this runtime mounts none)"
    } else {
        "the program's own store"
    };
    let seccomp = if bundle { "default profile" } else { "the program's own default" };
    let mut facts: std::collections::BTreeMap<String, String> =
        [("root", root), ("seccomp", seccomp)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    if !row.untested.is_empty() {
        facts.insert("untested".into(), row.untested.clone());
    }
    Ok(TargetFacts {
        name: row.name.clone(),
        description: row.description.clone(),
        accelerator: String::new(),
        programs,
        facts,
    })
}

impl Target for RowTarget {
    fn facts(&self) -> &TargetFacts {
        &self.facts
    }

    fn outer_limits(&self, job: &Job) -> Limits {
        if self.uses("bundle") {
            return Limits::default();
        }
        Limits {
            cpus: (!self.uses("cpus")).then_some(f64::from(job.cpus)),
            memory_bytes: (!self.uses("memory")).then_some(job.memory_bytes),
            pids: None,
        }
    }

    fn prepare(&mut self, job: &Job) -> Result<Prepared, TargetError> {
        let made = self.prepared.iter().any(|p| p.0 == job.image_digest);
        if self.row.prepare.is_empty() || made {
            return Ok(Prepared::default());
        }
        let mut values = self.session_values(job);
        let place = tempfile::tempdir_in(&self.session).map_err(io("create a folder in", &self.session))?;
        let tar = self.scratch.join("root.tar");
        if self.row.prepare.iter().any(|c| c.uses("root_tar")) {
            archive(job, place.path(), &tar)?;
            values.insert("root_tar", vec![tar.display().to_string()]);
        }
        // Before anything is made, so that a preparation that is killed half-way is undone too.
        let forget = self.row.forget.iter().map(|c| self.clean_up(c, &values));
        let forget = forget.collect::<Result<Vec<_>, _>>()?;
        for (n, command) in forget.iter().enumerate() {
            command.leave(
                &self.session,
                &format!("forget-{}-{n}-{}", self.row.name.replace(':', "-"), self.prepared.len()),
            )?;
        }
        self.prepared.push((job.image_digest.clone(), forget));
        let from = monotonic_ns();
        let done = self.row.prepare.iter().try_for_each(|c| self.clean_up(c, &values)?.run_well(PREPARE));
        let _ = std::fs::remove_file(&tar);
        done?;
        let prepare_ms = Some((monotonic_ns() - from) as f64 / 1e6);
        Ok(Prepared { prepare_ms, ..Prepared::default() })
    }

    fn arm(&mut self, job: &Job, place: &Place) -> Result<Armed, TargetError> {
        if let Some(what) = self.lacks(job) {
            return Err(TargetError::CannotGive { target: self.row.name.clone(), what });
        }
        let mut undo = Undo::default();
        self.namespace = if job.network { Some(network::veth(&mut undo)?) } else { None };
        let mut values = self.run_values(job, place);
        let told = self.make(job, place, &mut values, &mut undo)?;
        let clean = self.clean_up(&self.row.clean, &values)?;
        clean.leave(&place.dir, "run")?;
        undo.push(UndoStep::Command(clean));
        let mut argv = vec![self.row.run.program.clone()];
        argv.extend(self.row.run.arguments(&values));
        let own = self.uses("bundle") || self.uses("env");
        let environment = if own { &self.environment } else { &job.env };
        let pipes = Pipes::new().map_err(|source| TargetError::System { step: "make a pipe", source })?;
        let spawn = Spawn::new(&self.program, &argv, environment)?;
        let spawn = Box::new(pipes.give(spawn).new_session().cgroup(place.cgroup.place()));
        let address = address_of(job);
        Ok(Armed { told, undo, kind: ArmedKind::Program { spawn, output: pipes, address, trace: None } })
    }

    fn launch(&mut self, armed: Armed, _: &Place) -> Result<Running, TargetError> {
        launch_program(armed)
    }
}

impl Drop for RowTarget {
    fn drop(&mut self) {
        for command in self.prepared.iter().flat_map(|p| &p.1) {
            let _ = command.run(DEADLINE);
        }
    }
}

/// Writes the image's files to `to`, from a mount below `dir`.
fn archive(job: &Job, dir: &Path, to: &Path) -> Result<(), TargetError> {
    let mut undo = Undo::default();
    let root = mount_root(job, dir, &mut undo)?;
    let words = [
        "--numeric-owner",
        "--xattrs",
        "-C",
        &root.display().to_string(),
        "-cf",
        &to.display().to_string(),
        ".",
    ];
    let tar = CleanUp {
        program: host_program("tar")?,
        arguments: words.map(str::to_owned).to_vec(),
        environment: vec!["PATH=/usr/bin:/bin".to_owned(), "LC_ALL=C".to_owned()],
    };
    let done = tar.run_well(PREPARE);
    done.and(undo.run())
}
