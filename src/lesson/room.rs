//! Where a lesson's commands run: a folder of its own with image stores of its own, removed at the end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// See the module. Dropping it removes everything.
pub struct Room {
    dir: tempfile::TempDir,
    path: String,
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
    /// Makes it. `programs` is the folder of taremark's own programs, found first by the commands.
    pub fn new(programs: &Path) -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("taremark-lesson-").tempdir()?;
        let others = std::env::var("PATH").unwrap_or_default();
        // Folders for administrators too, which sudo leaves out.
        let path = format!("{}:{others}:/usr/local/sbin:/usr/sbin:/sbin", programs.display());
        std::fs::create_dir(dir.path().join("work"))?;
        Ok(Self { dir, path })
    }

    /// Where the commands run.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Runs it by a shell that stops at the first error. With `shown`, its output goes to the terminal as it comes and is
    /// not kept.
    pub fn run(&self, command: &str, shown: bool) -> std::io::Result<Said> {
        let mut shell = Command::new("sh");
        shell.args(["-ec", &format!("exec 2>&1; {command}")]).current_dir(self.work()).stdin(Stdio::null());
        shell.env("PATH", &self.path).env("NO_COLOR", "1");
        for (name, folder) in [("TAREMARK_STORE", "store"), ("TAREMARK_STATE", "state")] {
            shell.env(name, self.dir.path().join(folder));
        }
        if shown {
            let status = shell.status()?;
            return Ok(Said { text: String::new(), code: status.code() });
        }
        let output = shell.output()?;
        Ok(Said { text: String::from_utf8_lossy(&output.stdout).into_owned(), code: output.status.code() })
    }
}
