//! Commands beside a run: preparing, and cleaning up, also after a harness that was killed.

use crate::target::error::{TargetError, io};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// For a command that cleans up.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Files with this end in a session's folders are commands that its death leaves to others.
const LEFT: &str = ".clean.json";

/// A command with all of its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    /// Its path.
    pub program: PathBuf,
    /// What follows.
    pub arguments: Vec<String>,
    /// Its whole environment, `K=V`.
    pub environment: Vec<String>,
}

impl CleanUp {
    /// Runs it and says how it ended, and the last line that it wrote to standard error.
    pub fn run(&self, deadline: Duration) -> Result<(ExitStatus, String), TargetError> {
        let mut said = tempfile::tempfile()
            .map_err(|source| TargetError::System { step: "create a temporary file", source })?;
        let errors = said.try_clone().map_err(io("duplicate the output of", &self.program))?;
        let mut child = std::process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().filter_map(|e| e.split_once('=')))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(io("run", &self.program))?;
        let until = Instant::now() + deadline;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(io("wait for", &self.program))? {
                break status;
            }
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                return Err(TargetError::Late { command: self.line(), seconds: deadline.as_secs() });
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut text = String::new();
        let _ = std::io::Seek::rewind(&mut said);
        let _ = said.take(64 << 10).read_to_string(&mut text);
        Ok((status, text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default().to_owned()))
    }

    /// As [`Self::run`]; an end other than 0 is an error.
    pub fn run_well(&self, deadline: Duration) -> Result<(), TargetError> {
        let (status, said) = self.run(deadline)?;
        if status.success() {
            return Ok(());
        }
        Err(TargetError::Command { command: self.line(), status, said })
    }

    fn line(&self) -> String {
        let words = [self.program.display().to_string()];
        words.iter().chain(&self.arguments).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Leaves it to whoever cleans up after a dead session. `dir` is the session's or that of one of its runs.
    pub fn leave(&self, dir: &Path, name: &str) -> Result<PathBuf, TargetError> {
        let path = dir.join(format!("{name}{LEFT}"));
        let json = serde_json::to_vec(self).unwrap_or_default();
        std::fs::write(&path, json).map_err(io("write", &path))?;
        Ok(path)
    }
}

/// Runs what is left in the folder of a dead session and in those of its runs. What fails is passed over: there is
/// nobody to tell, and its processes and folders are removed in any case.
pub fn run_left(session: &Path) {
    let own = nix::unistd::geteuid().as_raw();
    let folders = std::fs::read_dir(session).into_iter().flatten().flatten().map(|e| e.path());
    let runs = folders.filter(|p| p.is_dir() && !p.is_symlink());
    let mut dirs: Vec<PathBuf> = runs.collect();
    // Last, because the containers of its runs use what it has prepared.
    dirs.push(session.to_owned());
    for dir in dirs {
        for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
            let ours = std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.uid() == own);
            if !ours || !path.to_string_lossy().ends_with(LEFT) {
                continue;
            }
            let command = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
            if let Some(command) = command {
                let command: CleanUp = command;
                let _ = command.run(DEADLINE);
            }
        }
    }
}
