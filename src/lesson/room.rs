//! Where a lesson's commands run: a folder of its own with image stores of its own, removed at the end.

use super::guard::{PLACES, PREFIX};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// See the module. Dropping it removes everything, and so does the guard where it is not dropped.
pub struct Room {
    dir: PathBuf,
    path: String,
    guard: Child,
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output and error, as they came.
    pub text: String,
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
}

impl Room {
    /// Makes it. `program` is taremark itself, whose folder is the first in which the commands are looked for.
    pub fn new(program: &Path) -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let others = std::env::var("PATH").unwrap_or_default();
        // Folders for administrators too, which sudo leaves out.
        let programs = program.parent().unwrap_or(program).display();
        let path = format!("{programs}:{others}:/usr/local/sbin:/usr/sbin:/sbin");
        std::fs::create_dir(dir.path().join("work"))?;
        let mut guard = Command::new(program);
        guard.args(["learn", "--guard"]).arg(dir.path());
        // No open ends of the caller's pipes, and another group than the terminal's: Ctrl-C ends the lesson alone.
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let guard = guard.spawn()?;
        Ok(Self { dir: dir.keep(), path, guard })
    }

    /// Where the commands run.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// Runs it by a shell that stops at the first error.
    pub fn run(&self, command: &str) -> std::io::Result<Said> {
        let mut shell = Command::new("sh");
        shell.args(["-ec", &format!("exec 2>&1; {command}")]).current_dir(self.work()).stdin(Stdio::null());
        shell.env("PATH", &self.path).env("NO_COLOR", "1");
        shell.envs(PLACES.map(|(name, folder)| (name, self.dir.join(folder))));
        let output = shell.output()?;
        Ok(Said { text: String::from_utf8_lossy(&output.stdout).into_owned(), code: output.status.code() })
    }

    /// Ends what still runs, and removes everything.
    pub fn leave(mut self) -> std::io::Result<()> {
        self.dismiss()
    }

    fn dismiss(&mut self) -> std::io::Result<()> {
        drop(self.guard.stdin.take());
        let mut why = String::new();
        if let Some(mut told) = self.guard.stderr.take() {
            told.read_to_string(&mut why)?;
        }
        let dir = self.dir.display();
        let what = || {
            format!(
                "{dir}: something of it may be left: {}; try TAREMARK_STATE={dir}/state taremark rm --force --all, \
                 and remove the folder",
                why.trim()
            )
        };
        if self.guard.wait()?.success() { Ok(()) } else { Err(std::io::Error::other(what())) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // After `leave` there is nothing more to do; without it there is nobody to tell.
        let _ = self.dismiss();
    }
}
