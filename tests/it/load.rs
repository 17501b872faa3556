//! The built-in workloads: what they print, alone and as all there is in a root file system.

use crate::runs::{all, in_session, value};
use crate::support::{Ground, errors, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use taremark::container::spec::Bundle;
use taremark::target::Job;
use taremark::workload::builtin::builtin;
use taremark::workload::output::split;
use taremark::workload::{ImageSource, Workload};

const LOAD: &str = env!("CARGO_BIN_EXE_tare-load");

/// A root file system that holds the program and nothing else.
fn scratch_root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    std::fs::copy(LOAD, dir.path().join("tare-load")).expect("copy tare-load");
    dir
}

fn load(args: &[&str]) -> Output {
    Command::new(LOAD).args(args).output().expect("tare-load")
}

fn job(root: &Path, workload: &Workload) -> Job {
    Job {
        name: workload.name.clone(),
        image_digest: "sha256:none".into(),
        lower_dirs: vec![root.to_owned()],
        argv: workload.argv.clone(),
        env: Vec::new(),
        cwd: "/".into(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        cpus: 1,
        memory_bytes: 256 << 20,
        network: workload.network,
        port: None,
        scratch_bytes: workload.scratch_bytes,
    }
}

#[test]
fn tasks_print_their_figures_and_else_the_same_each_time() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let folder = dir.path().display().to_string();
    let tasks: &[(&[&str], &[&str])] = &[
        (&["hello"], &[]),
        (&["cpu", "50"], &["rate"]),
        (&["memory", "1"], &["rate", "write_rate", "read_rate"]),
        (&["syscall", "1000"], &["rate"]),
        (&["disk", "4", &folder], &["write_rate", "read_rate"]),
    ];
    for (args, expected) in tasks {
        let runs = [load(args), load(args)];
        for run in &runs {
            assert!(run.status.success(), "{args:?}: {}", errors(run));
            let figures = split(&run.stdout).figures;
            let names: Vec<&str> = figures.iter().map(|f| f.0.as_str()).collect();
            assert_eq!(names, *expected, "{args:?}");
            assert!(figures.iter().all(|f| f.1 > 0.0), "{args:?}: {figures:?}");
        }
        let [a, b] = runs.map(|r| split(&r.stdout).checked_digest);
        assert_eq!(a, b, "{args:?}");
    }
    assert_eq!(text(&load(&["hello"])), "hello from taremark\n");
    assert!(text(&load(&["--version"])).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_and_failures_have_exit_codes_of_their_own() {
    let wrong = load(&["dance"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("usage:"), "{}", errors(&wrong));
    let failed = load(&["disk", "1", "/nonexistent"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(errors(&failed).contains("/nonexistent"), "{}", errors(&failed));
    assert_eq!((failed.stdout.len(), wrong.stdout.len()), (0, 0));
}

#[test]
fn it_is_all_that_a_root_file_system_needs() {
    let root = scratch_root();
    let chroot =
        Command::new("chroot").arg(root.path()).args(["/tare-load", "hello"]).output().expect("chroot");
    assert_eq!(text(&chroot), "hello from taremark\n", "{}", errors(&chroot));
    let bundle = Bundle {
        lower_dirs: vec![root.path().to_owned()],
        argv: ["/tare-load", "cpu", "5"].map(String::from).to_vec(),
        memory_bytes: Some(256 << 20),
        seccomp: true,
        ..Bundle::default()
    };
    let ground = Ground::new(&bundle);
    let contained = ground.run();
    assert!(contained.status.success(), "{}", errors(&contained));
    let bare = load(&["cpu", "5"]);
    assert_eq!(split(&contained.stdout).checked_digest, split(&bare.stdout).checked_digest);
    assert!(ground.left().is_empty(), "left: {:?}", ground.left());
}

/// A service under test, killed if the test fails.
struct Served(Child, BufReader<ChildStdout>);

impl Served {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(LOAD).args(args).stdout(Stdio::piped()).spawn().expect("tare-load");
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        out.read_line(&mut line).expect("line");
        assert_eq!(line, "ready\n");
        Self(child, out)
    }

    fn end(mut self, signal: nix::sys::signal::Signal) -> Option<i32> {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id() as i32), signal).expect("kill");
        let mut rest = String::new();
        self.1.read_to_string(&mut rest).expect("output");
        assert_eq!(rest, "");
        self.0.wait().expect("wait").code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn services_end_well_on_either_signal() {
    use nix::sys::signal::Signal::{SIGINT, SIGTERM};
    for signal in [SIGTERM, SIGINT] {
        assert_eq!(Served::start(&["idle"]).end(signal), Some(0), "idle, {signal}");
        // A port that was free a moment ago.
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port").port();
        let http = Served::start(&["http", &port.to_string()]);
        for (path, status) in [("/", "200 OK"), ("/none", "404 Not Found"), ("/", "200 OK")] {
            let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connect");
            // In two pieces, as a network may deliver it.
            write!(client, "GET {path} HTT").expect("ask");
            std::thread::sleep(std::time::Duration::from_millis(5));
            write!(client, "P/1.1\r\nHost: x\r\n\r\n").expect("ask");
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("answer");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        }
        let taken = load(&["http", &port.to_string()]);
        assert_eq!(taken.status.code(), Some(1));
        assert!(errors(&taken).contains(&format!("port {port}")), "{}", errors(&taken));
        assert_eq!(http.end(signal), Some(0), "http, {signal}");
    }
}

#[test]
fn every_one_runs_the_same_bare_and_in_a_container() {
    if !in_session("load::every_one_runs_the_same_bare_and_in_a_container") {
        return;
    }
    let root = scratch_root();
    let ours: Vec<Workload> = builtin().into_iter().filter(|w| w.image == ImageSource::Builtin).collect();
    assert_eq!(ours.len(), 7);
    for workload in &ours {
        let outcomes = all(&job(root.path(), workload), workload).into_iter();
        let outcomes: Vec<_> = outcomes.map(|o| o.expect(&workload.name)).collect();
        assert!(outcomes.len() >= 2, "bare and in a container at least");
        for outcome in &outcomes {
            assert_eq!(outcome.output_digest, outcomes[0].output_digest, "{}", workload.name);
            // A service as PID 1 that does not handle SIGTERM would be killed, and have no exit code 0.
            assert_eq!(outcome.exit_code, Some(0), "{}", workload.name);
            if workload.service {
                assert!(value(outcome, "pss_bytes") > 0.0, "{}", workload.name);
            }
        }
    }
}
