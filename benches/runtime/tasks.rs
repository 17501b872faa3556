//! What is measured.

use crate::Sample;
use crate::peers::{Kind, Peer};
use std::path::{Path, PathBuf};
use std::process::Command;
use taremark::container::seccomp::profile;
use taremark::sys::clock::monotonic_ns;
use taremark::sys::process::wait_with_peak;
use taremark::sys::spawn::Spawn;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Run,
    RunSeccomp,
    /// The same, with nothing cached.
    RunSeccompCold,
    /// create, start, exec, state, delete.
    Life,
    PeakRss,
}

pub const ALL: [Task; 5] = [Task::Run, Task::RunSeccomp, Task::RunSeccompCold, Task::Life, Task::PeakRss];

/// Bundles and states, in a temporary folder.
pub struct Ground {
    dir: PathBuf,
    pub busybox: PathBuf,
    null: std::fs::File,
}

/// What `runc spec` writes, without a terminal, running /bin/true.
const DEFAULT: &str = include_str!("default.json");

impl Ground {
    pub fn new() -> Result<Self, String> {
        let busybox =
            ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(PathBuf::from).find(|p| p.is_file());
        let busybox = busybox.ok_or("a static busybox is needed: apt-get install busybox-static")?;
        let dir = std::env::temp_dir().join(format!("bench-runtime-{}", std::process::id()));
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        let ground = Self { dir, busybox, null: null.map_err(|e| format!("/dev/null: {e}"))? };
        let seccomp = serde_json::to_value(profile::default()).map_err(|e| e.to_string())?;
        ground.bundle("default", &["/bin/true"], None)?;
        ground.bundle("sleep", &["/bin/sleep", "1000"], None)?;
        ground.bundle("seccomp", &["/bin/true"], Some(seccomp))?;
        Ok(ground)
    }

    fn bundle(&self, name: &str, args: &[&str], seccomp: Option<serde_json::Value>) -> Result<(), String> {
        let root = self.path(name).join("rootfs");
        let made = ["bin", "proc", "dev", "sys", "tmp"]
            .iter()
            .try_for_each(|d| std::fs::create_dir_all(root.join(d)));
        let made = made.and_then(|()| std::fs::copy(&self.busybox, root.join("bin/busybox")));
        let link = |n: &str| std::os::unix::fs::symlink("busybox", root.join("bin").join(n));
        let made = made.and_then(|_| ["true", "sleep"].iter().try_for_each(|n| link(n)));
        let mut config: serde_json::Value = serde_json::from_str(DEFAULT).map_err(|e| e.to_string())?;
        config["process"]["args"] = serde_json::json!(args);
        if let Some(seccomp) = seccomp {
            config["linux"]["seccomp"] = seccomp;
        }
        let made =
            made.and_then(|()| std::fs::write(self.path(name).join("config.json"), config.to_string()));
        made.map_err(|e| format!("{}: {e}", root.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether a peer can run the default bundle at all.
    pub fn tried(&self, peer: &Peer) -> Result<(), String> {
        let output = Command::new(&peer.program)
            .args(self.run_args(peer, "default", &unique()))
            .output()
            .map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().into())
        }
    }

    fn root(&self, peer: &Peer) -> Vec<String> {
        vec!["--root".into(), self.path(&format!("states-{}", peer.name)).display().to_string()]
    }

    fn run_args(&self, peer: &Peer, bundle: &str, id: &str) -> Vec<String> {
        let path = self.path(bundle);
        let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match peer.kind {
            Kind::Bare => words("true".into()),
            Kind::Unshare => {
                words(format!("-fpmnui --mount-proc chroot {} /bin/true", path.join("rootfs").display()))
            }
            _ => [self.root(peer), words(format!("run --bundle {} {id}", path.display()))].concat(),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn unique() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("bench-{}-{n}", std::process::id())
}

/// Runs a program to its end: milliseconds from before the clone to after the reaping, exit code, peak RSS in bytes.
fn timed(ground: &Ground, program: &Path, args: &[String]) -> (f64, i32, u64) {
    let argv = [&[program.display().to_string()], args].concat();
    let env = [format!("PATH={}", std::env::var("PATH").unwrap_or_default())];
    let spawn = Spawn::new(program, &argv, &env).expect("no NUL in these");
    let spawn = (0..3).fold(spawn, |s, fd| s.fd(&ground.null, fd));
    let child = spawn.start().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let (code, peak) = wait_with_peak(child.pid).unwrap_or((-1, 0));
    ((monotonic_ns() - child.t0_ns) as f64 / 1e6, code, peak)
}

impl Task {
    /// One sample, or one of each verb.
    pub fn run(self, peer: &Peer, ground: &Ground, block: u32) -> Vec<Sample> {
        let sample = |task, value, exit| Sample { block, peer: peer.name.clone(), task, value, exit };
        let once = |task, bundle: &str| {
            let (ms, exit, _) = timed(ground, &peer.program, &ground.run_args(peer, bundle, &unique()));
            vec![sample(task, ms, exit)]
        };
        let runtime = matches!(peer.kind, Kind::Tarec | Kind::Oci);
        match self {
            Self::Run => once("run", "default"),
            Self::RunSeccomp => once("run with seccomp", "seccomp"),
            Self::RunSeccompCold if runtime => {
                // The caches of tarec and of newer cruns lie in the folder of states.
                let _ = std::fs::remove_dir_all(ground.path(&format!("states-{}", peer.name)));
                let cold = once("run with seccomp, nothing cached", "seccomp");
                // And the next warm run finds it again.
                timed(ground, &peer.program, &ground.run_args(peer, "seccomp", &unique()));
                cold
            }
            Self::Life if runtime => {
                life(peer, ground).into_iter().map(|(t, ms, x)| sample(t, ms, x)).collect()
            }
            Self::PeakRss if runtime => {
                // Through a small program: a child's peak begins with what its parent had.
                let program = peer.program.display().to_string();
                let words =
                    [vec!["env".into(), program], ground.run_args(peer, "default", &unique())].concat();
                let (_, exit, peak) = timed(ground, &ground.busybox, &words);
                vec![sample("peak RSS of run, bytes", peak as f64, exit)]
            }
            _ => Vec::new(),
        }
    }
}

fn life(peer: &Peer, ground: &Ground) -> Vec<(&'static str, f64, i32)> {
    let id = unique();
    let bundle = ground.path("sleep").display().to_string();
    let verb = |words: &[&str]| {
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        let (ms, exit, _) = timed(ground, &peer.program, &[ground.root(peer), words].concat());
        (ms, exit)
    };
    let mut samples = Vec::new();
    let mut note = |task, (ms, exit): (f64, i32)| samples.push((task, ms, exit));
    note("create", verb(&["create", "--bundle", &bundle, &id]));
    note("start", verb(&["start", &id]));
    note("exec", verb(&["exec", &id, "/bin/true"]));
    note("state", verb(&["state", &id]));
    note("kill", verb(&["kill", &id, "KILL"]));
    // The death of the init is not the runtime's time.
    std::thread::sleep(std::time::Duration::from_millis(10));
    note("delete", verb(&["delete", &id]));
    if samples.last().is_some_and(|s| s.2 != 0) {
        verb(&["delete", "--force", &id]);
    }
    samples
}
