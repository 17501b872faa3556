//! buildah, the builder that ours is held against.

use super::{errors, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A storage of its own.
pub struct Buildah {
    dir: PathBuf,
}

impl Buildah {
    /// Below `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.join("buildah") }
    }

    /// `buildah args`, which has to succeed; its output.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(output.status.success(), "buildah {args:?}: {}{}", text(&output), errors(&output));
        text(&output).trim().to_owned()
    }

    /// The same without a demand.
    pub fn try_run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.dir.join("root")).arg("--runroot").arg(self.dir.join("run"));
        command.args(["--storage-driver", "overlay"]).args(args);
        command.env("BUILDAH_ISOLATION", "chroot");
        command.output().expect("this test needs buildah: apt-get install buildah")
    }

    /// Makes an image of a tree.
    pub fn import(&self, tree: &Path, name: &str) {
        let container = self.run(&["from", "scratch"]);
        let mounted = self.run(&["mount", &container]);
        let copied = Command::new("cp").arg("-a").arg(format!("{}/.", tree.display())).arg(&mounted).status();
        assert!(copied.expect("cp").success());
        self.run(&["config", "--env", "PATH=/bin", &container]);
        self.run(&["commit", "--rm", "--format", "docker", &container, name]);
    }

    /// `buildah bud`.
    pub fn build(&self, file: &Path, context: &Path, name: &str, more: &[&str]) -> Result<(), String> {
        let (file, context) = (file.display().to_string(), context.display().to_string());
        let fixed =
            ["bud", "--format", "docker", "--isolation", "chroot", "--identity-label=false", "--quiet"];
        let names = ["--pull-never", "--network", "host", "-t", name, "-f", &file];
        let again = "sealing memfd copy: Device or resource busy";
        let mut why = String::new();
        for _ in 0..3 {
            let output = self.try_run(&[&fixed[..], &names, more, &[&context]].concat());
            if output.status.success() {
                return Ok(());
            }
            why = errors(&output);
            // Now and then, on a busy machine, its chroot cannot seal the copy of itself that it is about to execute.
            if !why.contains(again) {
                break;
            }
        }
        Err(why)
    }

    /// Where the tree of an image is mounted until the storage goes.
    pub fn tree(&self, name: &str) -> PathBuf {
        let container = self.run(&["from", "--pull-never", name]);
        PathBuf::from(self.run(&["mount", &container]))
    }

    /// The image's config, as Docker has it.
    pub fn config(&self, name: &str) -> Value {
        let all: Value =
            serde_json::from_str(&self.run(&["inspect", "--type", "image", name])).expect("JSON");
        all["Docker"].clone()
    }
}
