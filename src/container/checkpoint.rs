//! `checkpoint` and `restore`, by criu where it is installed.

use super::config::RuntimeConfig;
use super::create::{CreateOptions, saved};
use super::error::{RuntimeError, io, system};
use super::state::{StateDir, Status};
use super::{mount_options, namespaces};
use crate::sys::process::is_rootless;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the images are, and what may be in them.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Folder.
    pub path: PathBuf,
    /// Folder of the logs; None: that of the images.
    pub work: Option<PathBuf>,
    /// Do not end the container.
    pub leave_running: bool,
    /// criu's options `--tcp-established` and the like.
    pub allowed: Vec<String>,
}

impl Images {
    fn prepare(&self) -> Result<(PathBuf, PathBuf), RuntimeError> {
        let make = |path: &Path| {
            std::fs::create_dir_all(path).and_then(|()| path.canonicalize()).map_err(io("create", path))
        };
        let images = make(&self.path)?;
        let work = self.work.as_deref().map_or(Ok(images.clone()), make)?;
        Ok((images, work))
    }
}

fn criu(verb: &'static str, work: &Path, arguments: &[String]) -> Result<(), RuntimeError> {
    let log = format!("{}.log", verb);
    let mut command = Command::new("criu");
    command.arg(verb).arg("--work-dir").arg(work).args(["--log-file", &log, "-v4"]).args(arguments);
    let output = match command.output() {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let verb = if verb == "dump" { "checkpoint" } else { "restore" };
            return Err(RuntimeError::NoCriu { verb });
        }
        Err(e) => return Err(system("run criu")(e)),
    };
    if output.status.success() {
        return Ok(());
    }
    let log = work.join(log);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let last = text.lines().rfind(|l| l.contains("Error")).map(|l| format!(": {l}")).unwrap_or_default();
    Err(RuntimeError::Criu { verb, status: output.status.to_string(), log, last })
}

/// Mounts from outside have no place in the images: criu is told their destinations.
fn external(config: &RuntimeConfig) -> Vec<String> {
    let bind = |o: &[String]| mount_options::parse(o).flags.contains(nix::mount::MsFlags::MS_BIND);
    let binds = config.mounts.iter().filter(|m| bind(&m.options));
    binds.flat_map(|m| ["--external".into(), format!("mnt[{0}]:{0}", m.destination.display())]).collect()
}

/// Writes a running container to files; it ends unless it is left running.
pub fn checkpoint(root: &Path, id: &str, images: &Images) -> Result<(), RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let state = dir.load()?;
    let status = dir.status(&state);
    if status != Status::Running {
        return Err(RuntimeError::State { id: id.to_owned(), is: status.as_str().into(), wanted: "running" });
    }
    let config = dir.config()?;
    let (path, work) = images.prepare()?;
    let mut arguments: Vec<String> = vec![
        "--tree".into(),
        state.pid.to_string(),
        "--images-dir".into(),
        path.display().to_string(),
        "--manage-cgroups=ignore".into(),
    ];
    arguments.extend(external(&config));
    arguments.extend(images.allowed.iter().cloned());
    if images.leave_running {
        arguments.push("--leave-running".into());
    }
    criu("dump", &work, &arguments)
}

/// Goes on with a container from such files. Its exit code where it is waited for, else 0.
pub fn restore(options: &CreateOptions, images: &Images, detach: bool) -> Result<i32, RuntimeError> {
    let bundle = std::fs::canonicalize(&options.bundle).map_err(io("find bundle", &options.bundle))?;
    let (config, json) = RuntimeConfig::read(&bundle)?;
    let (path, work) = images.prepare()?;
    let dir = StateDir::create(&options.root, &options.id)?;
    let pid_file = dir.path().join("restored.pid");
    let root = bundle.join(&config.root.path);
    let mut arguments: Vec<String> = vec![
        "--images-dir".into(),
        path.display().to_string(),
        "--root".into(),
        root.display().to_string(),
        "--pidfile".into(),
        pid_file.display().to_string(),
        "--manage-cgroups=ignore".into(),
        "--restore-detached".into(),
        "--restore-sibling".into(),
    ];
    arguments.extend(external(&config));
    arguments.extend(images.allowed.iter().cloned());
    let _ = namespaces::open(&config)?;
    let restored = criu("restore", &work, &arguments).and_then(|()| {
        let text = std::fs::read_to_string(&pid_file).map_err(io("read", &pid_file))?;
        let pid = text.trim().parse::<i32>();
        let pid = pid.map_err(|e| io("parse", &pid_file)(std::io::Error::other(e)))?;
        dir.keep_config(&json)?;
        dir.save(&saved(options, &bundle, &config, is_rootless(), pid))?;
        if let Some(file) = &options.pid_file {
            std::fs::write(file, pid.to_string()).map_err(io("write", file))?;
        }
        Ok(pid)
    });
    match restored {
        Ok(_) if detach => Ok(0),
        Ok(pid) => super::run::wait(pid),
        Err(e) => {
            let _ = dir.remove();
            Err(e)
        }
    }
}
