//! Engines and their daemons.

use super::{TAREC, errors, text};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An engine's client with the options that come before its verb.
#[derive(Clone)]
pub struct Engine {
    program: String,
    options: Vec<String>,
}

impl Engine {
    /// A program of this name.
    pub fn new(program: &str, options: &[&str]) -> Self {
        let found = Command::new(program).arg("--help").output();
        assert!(found.is_ok(), "this test needs {program}: see scripts/test");
        Self { program: program.into(), options: options.iter().map(|o| (*o).to_owned()).collect() }
    }

    /// With more options.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|o| (*o).to_owned()));
        self
    }

    fn output(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(&self.options).args(args).stdin(Stdio::null());
        // conmon and shims stay, and would hold a pipe open: files.
        let [out, err] = [0, 1].map(|_| tempfile::NamedTempFile::new().expect("file"));
        command.stdout(out.reopen().expect("file")).stderr(err.reopen().expect("file"));
        let status = command.status().expect("engine");
        let read = |f: &tempfile::NamedTempFile| std::fs::read(f.path()).expect("output");
        Output { status, stdout: read(&out), stderr: read(&err) }
    }

    /// Exit code and standard output.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let output = self.output(args);
        (output.status.code().unwrap_or(-1), text(&output))
    }

    /// Exit code, standard output and errors.
    pub fn run_all(&self, args: &[&str]) -> (i32, String) {
        let output = self.output(args);
        (output.status.code().unwrap_or(-1), text(&output) + &errors(&output))
    }

    /// Output of what has to go well.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output), errors(&output));
        text(&output)
    }

    /// The same with a terminal for its standard streams; all that appears there.
    pub fn on_a_terminal(&self, args: &[&str]) -> String {
        let quoted = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
        let words = [self.program.as_str()].into_iter().chain(self.options.iter().map(String::as_str));
        let line: Vec<String> = words.chain(args.iter().copied()).map(quoted).collect();
        let output =
            Command::new("script").args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::null()).output();
        text(&output.expect("this test needs script (bsdutils)"))
    }
}

/// An image of busybox as a plain tar in `dir`; its path.
pub fn image_tar(dir: &Path) -> String {
    let layer = super::busybox();
    for applet in ["tty", "busybox-none"] {
        let _ = std::os::unix::fs::symlink("busybox", layer.path().join("bin").join(applet));
    }
    std::fs::write(layer.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("passwd");
    let tar = dir.join("image.tar");
    let made = Command::new("tar").arg("-C").arg(layer.path()).arg("-cf").arg(&tar).arg(".").status();
    assert!(made.expect("tar").success());
    tar.display().to_string()
}

/// A daemon that ends with the handle.
pub struct Daemon {
    child: Child,
    /// Its address.
    pub socket: String,
}

impl Daemon {
    /// containerd with folders of its own.
    pub fn containerd(dir: &Path) -> Self {
        let socket = dir.join("cd.sock").display().to_string();
        let folder = |name: &str| dir.join(name).display().to_string();
        let args = ["--root", &folder("cd-root"), "--state", &folder("cd-state"), "--address", &socket];
        Self::start("containerd", &args, dir, socket.clone(), socket.clone())
    }

    /// dockerd with folders of its own, and tarec as one of its runtimes.
    pub fn docker(dir: &Path) -> Self {
        let path = dir.join("d.sock").display().to_string();
        let folder = |name: &str| dir.join(name).display().to_string();
        let socket = format!("unix://{path}");
        let runtime = format!("tarec={TAREC}");
        let args = [
            "--data-root",
            &folder("d-root"),
            "--exec-root",
            &folder("d-exec"),
            "-H",
            &socket,
            "-p",
            &folder("d.pid"),
            "--iptables=false",
            "--bridge=none",
            "--storage-driver",
            "vfs",
            "--add-runtime",
            &runtime,
            "--default-ulimit",
            "nofile=1024:1024",
        ];
        Self::start("dockerd", &args, dir, path, socket.clone())
    }

    fn start(program: &str, args: &[&str], dir: &Path, path: String, socket: String) -> Self {
        let log = std::fs::File::create(dir.join("daemon.log")).expect("log");
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("this test needs {program}, see scripts/test: {e}"));
        let daemon = Self { child, socket };
        let from = Instant::now();
        while std::os::unix::net::UnixStream::connect(&path).is_err() {
            let said = || std::fs::read_to_string(dir.join("daemon.log")).unwrap_or_default();
            assert!(from.elapsed() < Duration::from_secs(60), "{program} does not come up: {}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// An ordinary user with ranges of subordinate ids, known in this mount namespace only, which has to be the test's own.
pub struct Ordinary {
    /// Its home and all else; it may go into it.
    pub dir: tempfile::TempDir,
}

impl Ordinary {
    /// User 4242, and 65,536 ids from 200000 on.
    pub fn new() -> Self {
        use std::os::unix::fs::{PermissionsExt, chown};
        let dir = tempfile::tempdir().expect("folder");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        for name in ["home", "run"] {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).expect("folder");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("mode");
            chown(&path, Some(4242), Some(4242)).expect("chown");
        }
        let home = dir.path().join("home").display().to_string();
        let more = |path: &str, line: &str| std::fs::read_to_string(path).unwrap_or_default() + line + "\n";
        for (path, text) in [
            ("/etc/passwd", more("/etc/passwd", &format!("tester:x:4242:4242::{home}:/bin/sh"))),
            ("/etc/group", more("/etc/group", "tester:x:4242:")),
            ("/etc/subuid", "tester:200000:65536\n".into()),
            ("/etc/subgid", "tester:200000:65536\n".into()),
        ] {
            let ours = dir.path().join(path.trim_start_matches("/etc/"));
            std::fs::write(&ours, text).expect("file");
            assert!(Path::new(path).exists(), "this test needs {path} (package uidmap)");
            nix::mount::mount(Some(&ours), path, None::<&str>, nix::mount::MsFlags::MS_BIND, None::<&str>)
                .expect("bind");
        }
        // The build's folder may be closed to others.
        std::fs::copy(TAREC, dir.path().join("tarec")).expect("copy tarec");
        Self { dir }
    }

    /// Runs a script as that user in its home; `$RUNTIME` is tarec.
    pub fn shell(&self, script: &str) -> Output {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        Command::new("setpriv")
            .args(["--reuid=4242", "--regid=4242", "--clear-groups", "sh", "-c", script])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs([("HOME", path("home")), ("XDG_RUNTIME_DIR", path("run")), ("RUNTIME", path("tarec"))])
            .env("USER", "tester")
            .current_dir(path("home"))
            .stdin(Stdio::null())
            .output()
            .expect("this test needs setpriv (util-linux)")
    }
}
