//! Containers whose runtime config a test writes as it likes.

use super::{Ground, TAREC, busybox, errors, shell, text};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Bundle, states and image of one container; ended and deleted with the handle.
pub struct Oci {
    /// Folder and id.
    pub ground: Ground,
    /// Its image.
    pub layer: tempfile::TempDir,
}

impl Oci {
    /// `sh -c script`, with what `change` makes of the config.
    pub fn new(script: &str, change: impl FnOnce(&mut Value)) -> Self {
        Self::over(busybox(), script, change)
    }

    /// The same over this image.
    pub fn over(layer: tempfile::TempDir, script: &str, change: impl FnOnce(&mut Value)) -> Self {
        let bundle = shell(layer.path(), script);
        let ground = Ground::new(&bundle);
        let mut config = serde_json::to_value(bundle.config()).expect("config");
        // A plain folder as root, as engines have it: not our own annotation.
        config["annotations"] = serde_json::json!({});
        config["root"]["path"] = layer.path().display().to_string().into();
        change(&mut config);
        let oci = Self { ground, layer };
        oci.write(&config.to_string());
        oci
    }

    /// Writes config.json.
    pub fn write(&self, config: &str) {
        std::fs::write(self.ground.bundle().join("config.json"), config).expect("config.json");
    }

    /// `tarec --root … args`, ready to be changed and run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TAREC);
        command.arg("--root").arg(self.states()).args(args).stdin(Stdio::null());
        command
    }

    /// Its `--root`.
    pub fn states(&self) -> PathBuf {
        self.ground.bundle().parent().expect("parent").join("states")
    }

    /// `tarec … args id more`.
    pub fn verb(&self, args: &[&str], more: &[&str]) -> Output {
        let all: Vec<&str> = args.iter().copied().chain([self.id()]).chain(more.iter().copied()).collect();
        self.command(&all).output().expect("tarec")
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.ground.id
    }

    /// `tarec run`, with nothing left afterwards. Exit code, output, errors.
    pub fn run(&self) -> (i32, String, String) {
        let output = self.verb(&["run", "--bundle", &self.bundle()], &[]);
        assert_eq!(self.ground.left(), Vec::<String>::new(), "{}", errors(&output));
        (output.status.code().unwrap_or(-1), text(&output), errors(&output))
    }

    /// Its bundle.
    pub fn bundle(&self) -> String {
        self.ground.bundle().display().to_string()
    }

    /// A verb that leaves processes: with output in a file, as no pipe of ours may stay open in them. Its errors are
    /// returned where it fails.
    pub fn quiet(&self, args: &[&str], more: &[&str]) -> Result<String, String> {
        let all: Vec<&str> = args.iter().copied().chain([self.id()]).chain(more.iter().copied()).collect();
        let path = self.ground.bundle().join("output");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).expect("output");
        let errors = tempfile::NamedTempFile::new().expect("errors");
        let mut command = self.command(&all);
        command.stdout(file).stderr(errors.reopen().expect("errors"));
        let status = command.status().expect("tarec");
        let said = std::fs::read_to_string(errors.path()).expect("errors");
        if status.success() { Ok(said) } else { Err(said) }
    }

    /// What those have said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.ground.bundle().join("output")).unwrap_or_default()
    }

    /// `create`.
    pub fn create(&self) -> Result<String, String> {
        self.quiet(&["create", "--bundle", &self.bundle()], &[])
    }

    /// `create` and `start`.
    pub fn started(self) -> Self {
        self.create().expect("create");
        self.quiet(&["start"], &[]).expect("start");
        self
    }

    /// `exec` of a shell script. Exit code, output, errors.
    pub fn exec(&self, options: &[&str], script: &str) -> (i32, String, String) {
        let args: Vec<&str> = [&["exec"], options].concat();
        let output = self.verb(&args, &["sh", "-c", script]);
        (output.status.code().unwrap_or(-1), text(&output), errors(&output))
    }

    /// What `state` says.
    pub fn state(&self) -> Value {
        let output = self.verb(&["state"], &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", errors(&output)))
    }

    /// Its status.
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("status").to_owned()
    }

    /// Waits until it has this status.
    pub fn becomes(&self, status: &str) {
        eventually(&format!("status {status}"), || self.status() == status);
    }
}

impl Drop for Oci {
    fn drop(&mut self) {
        let _ = self.verb(&["delete", "--force"], &[]);
    }
}

/// Waits until `holds` does, for at most 20 s.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let from = Instant::now();
    while !holds() {
        assert!(from.elapsed() < Duration::from_secs(20), "{what} does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a script with a changed config and expects it to go well; what it says.
pub fn says(script: &str, change: impl FnOnce(&mut Value)) -> String {
    let (code, out, err) = Oci::new(script, change).run();
    assert_eq!(code, 0, "{script}: {out}{err}");
    out
}

/// Runs `true` with a changed config and expects an error of ours that has `part`, and nothing left.
pub fn refuses(part: &str, change: impl FnOnce(&mut Value)) {
    let (code, out, err) = Oci::new("true", change).run();
    assert_eq!(code, 1, "{part}: {out}{err}");
    assert!(err.contains(part), "{part:?} is not in {err}");
    assert_eq!(err.lines().count(), 1, "more than one line: {err}");
}
