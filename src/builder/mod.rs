//! Runs the RUN steps of an image build in our own container runtime.
//!
//! `image` knows no runtime and `container` no images: this room joins them. Its product is the executor that
//! [`build`](crate::image::build::build) takes.

use crate::container::spec::{Bundle, Network};
use crate::container::{RuntimeError, config::NamespaceKind};
use crate::image::build::{Network as Wanted, RunStep};
use crate::sys::process::dies_with_us;
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a step could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// A file of ours.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bundle.
    #[error("write the bundle")]
    Bundle(#[from] RuntimeError),
    /// What the runtime says.
    #[error("{0}")]
    Runtime(String),
}

/// Runs steps by the program at `tarec`.
#[derive(Debug, Clone)]
pub struct Builder {
    tarec: PathBuf,
}

impl Builder {
    /// With the runtime at `tarec`.
    pub fn new(tarec: PathBuf) -> Self {
        Self { tarec }
    }

    /// Runs one; its exit code. As an executor: `&|step| builder.run(step)`.
    pub fn run(&self, step: &RunStep<'_>) -> Result<i32, Box<dyn Error + Send + Sync>> {
        Ok(self.run_step(step)?)
    }

    fn run_step(&self, step: &RunStep<'_>) -> Result<i32, BuilderError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("build-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let bundle = step.dir.join("bundle");
        write_bundle(step, &bundle, &name)?;
        let log = step.dir.join("log");
        let (mut reader, writer) = std::io::pipe().map_err(io("make a pipe for", &self.tarec))?;
        let second = writer.try_clone().map_err(io("make a pipe for", &self.tarec))?;
        let mut command = Command::new(&self.tarec);
        command.arg("--root").arg(step.dir.join("states")).arg("--log").arg(&log);
        // A build that is killed ends its step, too: the runtime itself goes on for as long as it takes to clean up.
        command.arg("run").arg("--die-with-parent").arg("--bundle").arg(&bundle).arg(&name);
        command.env_clear().stdin(Stdio::null()).stdout(writer).stderr(second);
        let mut child = dies_with_us(&mut command).spawn().map_err(io("run", &self.tarec))?;
        // Our ends of the pipe go with it.
        drop(command);
        let mut buffer = [0; 16 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => (step.output)(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io("read the output of", &self.tarec)(e)),
            }
        }
        let status = child.wait().map_err(io("wait for", &self.tarec))?;
        // The runtime's own exit code says nothing apart from the command's: its log does.
        match std::fs::read_to_string(&log) {
            Ok(text) if !text.is_empty() && !status.success() => Err(BuilderError::Runtime(said(&text))),
            _ => Ok(status.code().unwrap_or(1)),
        }
    }
}

/// Message of a line `time="…" level=error msg="…"`.
fn said(log: &str) -> String {
    let line = log.lines().last().unwrap_or_default();
    let message = line.split_once("msg=").map_or(line, |(_, m)| m);
    serde_json::from_str(message).unwrap_or_else(|_| message.to_owned())
}

fn write_bundle(step: &RunStep<'_>, dir: &Path, name: &str) -> Result<(), BuilderError> {
    let bundle = Bundle {
        rootfs: Some(step.root.to_owned()),
        argv: step.argv.to_vec(),
        env: step.env.to_vec(),
        cwd: step.cwd.to_owned(),
        uid: step.user.0,
        gid: step.user.1,
        additional_gids: step.groups.to_vec(),
        // The same for every build, so that what depends on it is reproducible.
        hostname: "build".into(),
        network: Network::New,
        mounts: step.mounts.to_vec(),
        cgroups_path: Some(format!("/taremark/{name}")),
        seccomp: true,
        ..Bundle::default()
    };
    let mut config = bundle.config();
    // As docker build: a step may use sudo.
    config.process.no_new_privileges = false;
    if step.network == Wanted::Host {
        config.linux.namespaces.retain(|n| n.kind != NamespaceKind::Network);
    }
    std::fs::create_dir(dir).map_err(io("create", dir))?;
    let path = dir.join("config.json");
    std::fs::write(&path, serde_json::to_vec(&config).unwrap_or_default()).map_err(io("write", &path))
}

fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuilderError {
    move |source| BuilderError::Io { step, path: path.to_owned(), source }
}
