//! A root file system and bundles for tests.

pub mod accounts;
pub mod archives;
pub mod buildah;
pub mod builds;
pub mod campaigns;
pub mod engines;
pub mod fleets;
pub mod keeper;
pub mod liar;
pub mod oci;
pub mod registries;
pub mod slurm;
pub mod trees;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use taremark::container::spec::Bundle;

/// The runtime under test.
pub const TAREC: &str = env!("CARGO_BIN_EXE_tarec");

/// A layer with a static busybox and its links, in a folder that is removed with the handle.
pub fn busybox() -> tempfile::TempDir {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).is_file());
    let from = found.expect("these tests need a static busybox: apt-get install busybox-static");
    assert!(nix::unistd::geteuid().is_root(), "these tests run containers and need root: try sudo");
    let dir = tempfile::tempdir().expect("temporary folder");
    for sub in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
        std::fs::create_dir(dir.path().join(sub)).expect("folder");
    }
    // By another process: a file that this one has open for writing would be open in whatever other tests start
    // meanwhile, and could not be executed ("Text file busy").
    let copied = Command::new("cp").arg(from).arg(dir.path().join("bin/busybox")).status();
    assert!(copied.expect("cp").success());
    for applet in [
        "sh", "cat", "wc", "echo", "id", "mount", "sleep", "ls", "hostname", "nc", "dd", "grep", "test",
        "touch", "true",
    ] {
        std::os::unix::fs::symlink("busybox", dir.path().join("bin").join(applet)).expect("link");
    }
    dir
}

/// A bundle that runs `sh -c script` over `layer`.
pub fn shell(layer: &Path, script: &str) -> Bundle {
    Bundle {
        lower_dirs: vec![layer.to_owned()],
        argv: ["sh", "-c", script].map(String::from).to_vec(),
        env: vec!["PATH=/bin".into()],
        hostname: "tested".into(),
        seccomp: true,
        ..Bundle::default()
    }
}

/// A folder for bundle and states, and a container id that no other test has.
pub struct Ground {
    dir: tempfile::TempDir,
    /// Container's id.
    pub id: String,
}

impl Ground {
    /// Writes `bundle` there.
    pub fn new(bundle: &Bundle) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(dir.path().join("bundle")).expect("bundle folder");
        bundle.write(&dir.path().join("bundle")).expect("bundle");
        Self { dir, id: format!("it-{}-{n}", std::process::id()) }
    }

    /// The bundle.
    pub fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    /// `tarec --root … args`.
    pub fn tarec(&self, args: &[&str]) -> Output {
        let root = self.dir.path().join("states");
        Command::new(TAREC).arg("--root").arg(root).args(args).output().expect("tarec")
    }

    /// `tarec run` of the bundle.
    pub fn run(&self) -> Output {
        self.tarec(&["run", "--bundle", &self.bundle().display().to_string(), &self.id])
    }

    /// Whether a cgroup or state of the container is still there.
    pub fn left(&self) -> Vec<String> {
        let roots =
            std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|e| e.path().join(&self.id));
        let places = roots.chain([self.dir.path().join("states").join(&self.id)]);
        places.filter(|p| p.exists()).map(|p| p.display().to_string()).collect()
    }
}

/// Standard output as text.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a test again in a process with a mount namespace of its own (`more`: further options of unshare), and says
/// whether this is that process.
pub fn in_namespace(test: &str, more: &[&str]) -> bool {
    const INSIDE: &str = "TAREMARK_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .arg("--mount")
        .args(more)
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("this test needs unshare (util-linux)");
    assert!(
        output.status.success() && text(&output).contains("1 passed"),
        "{}{}",
        text(&output),
        errors(&output)
    );
    false
}
