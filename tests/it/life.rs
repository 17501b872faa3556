//! `run`, `ps`, `logs` and the rest, as a user types them: real containers, processes, and a machine.

mod again;
mod crash;
mod files;
mod health;
mod machine;
mod network;
mod terminal;
mod volumes;

use crate::support::{errors, text};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;

const TAREMARK: &str = env!("CARGO_BIN_EXE_taremark");

/// A state folder and a store of the test's own, with the image `shell`: a static busybox.
pub struct Ground(tempfile::TempDir);

impl Ground {
    pub fn new() -> Self {
        let layer = crate::support::busybox();
        for applet in ["env", "httpd", "kill", "pwd", "stty", "tail", "tar", "wget", "head", "rm", "mkdir"] {
            let link = layer.path().join("bin").join(applet);
            std::os::unix::fs::symlink("busybox", link).expect("link");
        }
        let passwd = "root:x:0:0::/:/bin/sh\nweb:x:100:101::/:/bin/sh\n";
        std::fs::write(layer.path().join("etc/passwd"), passwd).expect("passwd");
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        archive.append_dir_all(".", layer.path()).expect("pack");
        let archive = archive.into_inner().expect("pack");
        let dir = tempfile::tempdir().expect("folder");
        let store = Store::open(&dir.path().join("store")).expect("store");
        let options = ImportOptions {
            argv: ["sh", "-c", "echo by default"].map(String::from).to_vec(),
            env: vec!["PATH=/bin".into(), "WORD=image".into()],
            ..ImportOptions::default()
        };
        import(&store, &archive[..], &"shell".parse().expect("reference"), &options).expect("import");
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TAREMARK);
        command
            .args(args)
            .env("TAREMARK_STORE", self.path("store"))
            .env("TAREMARK_STATE", self.path("state"));
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("taremark")
    }

    /// Of a command that has to end well.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {:?} {}", output.status, errors(&output));
        text(&output)
    }

    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("taremark")
    }

    /// The first element of `inspect`.
    pub fn inspect(&self, name: &str) -> serde_json::Value {
        let all: serde_json::Value = serde_json::from_str(&self.says(&["inspect", name])).expect("JSON");
        all[0].clone()
    }

    pub fn pid(&self, name: &str, which: &str) -> i32 {
        self.inspect(name)["State"][which].as_i64().expect("pid") as i32
    }

    /// Folders of containers, and cgroups whose names are theirs.
    pub fn left(&self, ids: &[String]) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("state")).into_iter().flatten().flatten();
        let mut left: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        left.retain(|n| n != "lock");
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|e| e.path());
        for hierarchy in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
            let ours = ids.iter().map(|id| hierarchy.join("taremark-run").join(id)).filter(|p| p.exists());
            left.extend(ours.map(|p| p.display().to_string()));
        }
        left
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.run(&["rm", "-f", "-a"]);
    }
}

#[track_caller]
pub fn fails(output: &Output, code: i32, says: &str) {
    let shown = errors(output);
    assert_eq!(output.status.code(), Some(code), "{shown}");
    assert!(shown.contains(says), "{says:?} is not in: {shown}");
    assert!(!shown.contains("panicked"), "{shown}");
}

pub fn until(what: &str, mut there: impl FnMut() -> bool) {
    let from = Instant::now();
    while !there() {
        assert!(from.elapsed() < Duration::from_secs(40), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
}

/// A zombie that nobody reaps lives no more.
pub fn exists(pid: i32) -> bool {
    taremark::container::state::start_time(pid).is_some()
}

#[test]
fn one_switch_puts_the_same_image_in_another_box() {
    let ground = Ground::new();
    for target in ["container", "process"] {
        let run = ["run", "--rm", "--target", target];
        let script = "echo $WORD $MORE $(pwd) $(id -u):$(id -g); echo apart >&2; exit 7";
        let with = ["-e", "MORE=given", "-w", "/tmp", "-u", "web", "shell", "sh", "-c", script];
        let output = ground.run(&[&run[..], &with].concat());
        assert_eq!(text(&output), "image given /tmp 100:101\n", "{target}: {}", errors(&output));
        assert_eq!((errors(&output).as_str(), output.status.code()), ("apart\n", Some(7)), "{target}");
        assert_eq!(ground.says(&[&run[..], &["shell"]].concat()), "by default\n");
        let entry = ["--entrypoint", "/bin/echo", "shell", "given"];
        assert_eq!(ground.says(&[&run[..], &entry].concat()), "given\n");
        let read_only = ground.run(&[&run[..], &["--read-only", "shell", "touch", "/x"]].concat());
        fails(&read_only, 1, "Read-only file system");
        // podman's exit codes for what cannot be started.
        fails(&ground.run(&[&run[..], &["-w", "/none", "shell"]].concat()), 126, "/none");
        fails(&ground.run(&[&run[..], &["-w", "none", "shell"]].concat()), 126, "absolute path");
        fails(&ground.run(&[&run[..], &["-u", "nobody", "shell"]].concat()), 126, "no line for nobody");
        fails(&ground.run(&[&run[..], &["--cpus", "many", "shell"]].concat()), 125, "a number of CPUs");
        fails(&ground.run(&[&run[..], &["shell", "no-such"]].concat()), 127, "no-such");
        fails(&ground.run(&[&run[..], &["shell", "/etc/passwd"]].concat()), 126, "ermission denied");
        fails(&ground.run(&[&run[..], &["no/such:image"]].concat()), 125, "no image no/such:image");
        let mut child = ground.command(&[&run[..], &["-i", "shell", "cat"]].concat());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run");
        let long = vec![b'x'; 3 << 20];
        let mut input = child.stdin.take().expect("stdin");
        let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &long));
        let output = child.wait_with_output().expect("end");
        writer.join().expect("writer").expect("write");
        assert!(output.stdout == vec![b'x'; 3 << 20], "{target}: {} bytes came back", output.stdout.len());
    }
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn a_detached_container_outlives_its_command_and_its_exit_code_is_kept() {
    let ground = Ground::new();
    let id = ground.says(&[
        "run",
        "-d",
        "--name",
        "a",
        "shell",
        "sh",
        "-c",
        "echo one; echo two >&2; sleep 1; exit 5",
    ]);
    let id = id.trim().to_owned();
    assert_eq!(id.len(), 64);
    let listed = ground.says(&["ps"]);
    let header = "CONTAINER ID  IMAGE  COMMAND";
    assert!(listed.lines().all(|l| l.chars().count() <= 80), "{listed}");
    assert!(listed.starts_with(header) && listed.contains(&id[..12]) && listed.contains("Up "), "{listed}");
    let follow = ground.start(&["logs", "-f", &id[..6]]);
    assert_eq!(ground.says(&["wait", "a"]), "5\n");
    let followed = follow.wait_with_output().expect("logs -f ends with the container");
    assert_eq!((text(&followed).as_str(), errors(&followed).as_str()), ("one\n", "two\n"));
    assert!(!ground.says(&["ps"]).contains(&id[..12]));
    assert!(ground.says(&["ps", "-a"]).contains("Exited (5) "));
    assert_eq!(ground.says(&["logs", "--tail", "1", "a"]), "");
    assert_eq!(ground.says(&["logs", "--tail", "2", "a"]), "one\n");
    assert!(ground.says(&["logs", "-t", "a"]).ends_with("Z one\n"));
    let about = ground.inspect("a");
    assert_eq!((about["State"]["ExitCode"].as_i64(), about["Name"].as_str()), (Some(5), Some("a")));
    fails(&ground.run(&["exec", "a", "true"]), 125, "can only exec in running containers");
    fails(&ground.run(&["kill", "a"]), 125, "can only kill running containers");
    assert_eq!(ground.says(&["stop", "a"]), "a\n", "one that has ended is no error");
    fails(&ground.run(&["run", "--name", "a", "shell"]), 125, "already in use");
    fails(&ground.run(&["image", "rm", "shell"]), 1, "image shell:latest is in use by a");
    assert_eq!(ground.says(&["rm", "a"]), "a\n");
    fails(&ground.run(&["rm", "a"]), 1, "no such container");
    fails(&ground.run(&["wait", "a"]), 125, "no such container");
    assert_eq!(ground.left(&[id]), Vec::<String>::new());
    assert!(ground.says(&["image", "rm", "shell"]).contains("removed shell:latest"));
}

#[test]
fn it_is_asked_to_stop_and_then_killed() {
    let ground = Ground::new();
    let heeds = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let deaf = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let mut ids = Vec::new();
    for (name, script, target) in
        [("heeds", heeds, "container"), ("deaf", deaf, "container"), ("bare", heeds, "process")]
    {
        let run = ["run", "-d", "--name", name, "--target", target, "shell", "sh", "-c", script];
        ids.push(ground.says(&run).trim().to_owned());
        until("its first word", || ground.says(&["logs", name]) == "up\n");
    }
    fails(&ground.run(&["rm", "heeds"]), 2, "cannot remove container");
    let from = Instant::now();
    assert_eq!(ground.says(&["stop", "heeds", "bare"]), "heeds\nbare\n");
    assert!(from.elapsed() < Duration::from_secs(8), "they were not asked");
    assert_eq!(ground.says(&["stop", "-t", "1", "deaf"]), "deaf\n");
    assert_eq!(ground.says(&["wait", "heeds", "deaf", "bare"]), "3\n137\n3\n");
    assert_eq!(ground.says(&["logs", "bare"]), "up\nbye\n");
    let again = ground.says(&["run", "-d", "--name", "hit", "shell", "sh", "-c", "kill -STOP $$; sleep 60"]);
    ids.push(again.trim().to_owned());
    fails(&ground.run(&["kill", "-s", "NONE", "hit"]), 2, "NONE");
    assert_eq!(ground.says(&["kill", "hit"]), "hit\n");
    assert_eq!(ground.says(&["wait", "hit"]), "137\n");
    // A signal to the command in the foreground is passed on.
    let front = ground.start(&["run", "--name", "front", "shell", "sh", "-c", heeds]);
    until("its first word", || text(&ground.run(&["logs", "front"])) == "up\n");
    let pid = nix::unistd::Pid::from_raw(front.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signal");
    let output = front.wait_with_output().expect("end");
    assert_eq!((text(&output).as_str(), output.status.code()), ("up\nbye\n", Some(3)));
    ground.says(&["rm", "-a"]);
    assert_eq!(ground.left(&ids), Vec::<String>::new());
}

#[test]
fn of_many_that_want_one_name_one_gets_it() {
    let ground = Ground::new();
    let all: Vec<Child> =
        (0..4).map(|_| ground.start(&["run", "--name", "x", "shell", "sleep", "0.2"])).collect();
    let outputs: Vec<Output> = all.into_iter().map(|c| c.wait_with_output().expect("end")).collect();
    let (well, badly): (Vec<_>, Vec<_>) = outputs.iter().partition(|o| o.status.success());
    assert_eq!(well.len(), 1, "{outputs:?}");
    badly.iter().for_each(|o| fails(o, 125, "the container name \"x\" is already in use by "));
    assert_eq!(ground.says(&["ps", "-a", "-q"]).lines().count(), 1);
    fails(&ground.run(&["run", "--name", "../x", "shell"]), 125, "names must match");
    // Names are given where none is asked for.
    let ids: Vec<String> = (0..2).map(|_| ground.says(&["run", "-d", "shell"]).trim().to_owned()).collect();
    let names: Vec<String> =
        ids.iter().map(|id| ground.inspect(id)["Name"].as_str().expect("name").to_owned()).collect();
    assert!(names[0] != names[1] && names[0].contains('_'), "{names:?}");
}

#[test]
fn limits_are_set_and_use_is_shown() {
    let ground = Ground::new();
    for target in ["container", "process"] {
        let run =
            ["run", "-d", "--name", target, "--target", target, "--memory", "64M", "--cpus", "0.5", "shell"];
        ground.says(&[&run[..], &["sh", "-c", "while :; do :; done"]].concat());
    }
    let shown = ground.says(&["stats", "--no-stream", "--json"]);
    let all: Vec<serde_json::Value> = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(all.len(), 2, "{shown}");
    for one in &all {
        let number = |name: &str| one[name].as_f64().expect(name);
        assert_eq!(number("mem_limit_bytes"), f64::from(64 << 20));
        assert!(number("mem_usage_bytes") > 0.0 && number("mem_usage_bytes") < f64::from(64 << 20), "{one}");
        assert!(number("cpu_percent") > 1.0 && number("cpu_percent") < 75.0, "half a CPU: {one}");
        assert!(number("pids") >= 1.0);
    }
    let table = ground.says(&["stats", "--no-stream", "--interval", "0.1", "process"]);
    assert!(table.lines().all(|l| l.chars().count() <= 80), "{table}");
    assert!(table.contains(" CPU %") && table.lines().count() == 2 && table.contains("67.1 MB"), "{table}");
    let greedy = [
        "run",
        "--rm",
        "--memory",
        "16M",
        "shell",
        "sh",
        "-c",
        "x=$(head -c 60000000 /dev/zero | tr '\\0' x)",
    ];
    let output = ground.run(&greedy);
    assert_ne!(output.status.code(), Some(0), "16 MB held 60");
}
