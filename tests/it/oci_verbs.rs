//! The command line that engines use, verb by verb.

use crate::support::oci::{Oci, eventually};
use crate::support::{TAREC, errors, text};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

fn waiting() -> Oci {
    Oci::new("sleep 60", |c| c["process"]["terminal"] = json!(false)).started()
}

#[test]
fn exec_runs_in_the_container() {
    let oci = waiting();
    let (code, out, err) = oci.exec(&[], "hostname; echo $$ > /tmp/x; ls /proc | grep -c '^1$'; pwd; exit 9");
    assert_eq!((code, out.as_str()), (9, "tested\n1\n/\n"), "{err}");
    let pid = oci.state()["pid"].to_string();
    for file in ["pid", "net", "mnt", "ipc", "uts", "cgroup"] {
        let theirs = std::fs::read_link(format!("/proc/{pid}/ns/{file}")).expect("namespace");
        let (_, out, _) = oci.exec(&[], &format!("busybox readlink /proc/self/ns/{file}"));
        assert_eq!(out.trim(), theirs.to_string_lossy());
    }
    let (_, out, _) = oci.exec(&[], "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status");
    assert_eq!(out, "CapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    let (_, out, _) = oci.exec(&[], "cat /proc/self/cgroup");
    let of_init = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    assert!(
        of_init.contains(oci.id()) && out.lines().filter(|l| l.contains("memory")).all(|l| l.ends_with(":/"))
    );
}

#[test]
fn exec_takes_user_folder_environment_and_capabilities() {
    let oci = waiting();
    let options = ["--user", "12:34", "-g", "56", "--cwd", "/tmp", "--env", "A=b c", "-e", "PATH=/bin"];
    let (_, out, err) = oci.exec(&options, "id -u; id -g; id -G; pwd; echo $A");
    assert_eq!(out, "12\n34\n34 56\n/tmp\nb c\n", "{err}");
    let bit = |out: &str| u64::from_str_radix(out.trim(), 16).expect("hex") >> 21 & 1;
    let script = "grep CapEff /proc/self/status | busybox cut -f2";
    assert_eq!(bit(&oci.exec(&[], script).1), 0, "CAP_SYS_ADMIN is not there by itself");
    assert_eq!(bit(&oci.exec(&["--cap", "CAP_SYS_ADMIN"], script).1), 1);
}

#[test]
fn exec_takes_a_process_in_json() {
    let oci = waiting();
    let path = oci.ground.bundle().join("process.json");
    let process = json!({"args": ["sh", "-c", "id -u; echo $X; umask"], "env": ["PATH=/bin", "X=y"], "cwd": "/",
        "user": {"uid": 5, "gid": 6, "umask": 63}});
    std::fs::write(&path, process.to_string()).expect("process");
    let output = oci.verb(&["exec", "--process", &path.display().to_string()], &[]);
    assert_eq!(text(&output), "5\ny\n0077\n", "{}", errors(&output));
    std::fs::write(&path, r#"{"args": ["x"], "cwd": 5}"#).expect("process");
    let output = oci.verb(&["exec", "--process", &path.display().to_string()], &[]);
    assert_eq!(output.status.code(), Some(255));
    assert!(errors(&output).contains("process.cwd"), "{}", errors(&output));
}

#[test]
fn exec_detached_writes_its_pid() {
    let oci = waiting();
    let file = oci.ground.bundle().join("pid");
    oci.quiet(&["exec", "--detach", "--pid-file", &file.display().to_string()], &["sleep", "61"])
        .expect("exec");
    let pid = std::fs::read_to_string(&file).expect("pid file");
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("process");
    assert_eq!(line, "sleep\x0061\0");
    let pids: Vec<i64> =
        serde_json::from_slice(&oci.verb(&["ps", "--format", "json"], &[]).stdout).expect("ps");
    assert!(pids.contains(&pid.parse().expect("pid")) && pids.len() == 2, "{pids:?}");
}

#[test]
fn exec_fails_with_255_and_says_why() {
    let oci = waiting();
    let output = oci.verb(&["exec"], &["no-such-program"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(errors(&output).contains("executable file not found in $PATH"), "{}", errors(&output));
    let pids: Vec<i64> = serde_json::from_slice(&oci.verb(&["ps", "-f", "json"], &[]).stdout).expect("ps");
    assert_eq!(pids.len(), 1, "something was left");
    oci.quiet(&["kill"], &["KILL"]).expect("kill");
    oci.becomes("stopped");
    let output = oci.verb(&["exec"], &["true"]);
    assert!(errors(&output).contains("container not running"), "{}", errors(&output));
}

#[test]
fn exec_with_a_terminal() {
    let oci = waiting();
    let (code, out, err) = oci.exec(&["--tty"], "test -t 0 && busybox tty; exit 4");
    assert_eq!((code, out.trim()), (4, "/dev/pts/0"), "{err}");
}

#[test]
fn a_signal_to_exec_reaches_its_program() {
    let oci = waiting();
    let mut command = oci.command(&[
        "exec",
        oci.id(),
        "sh",
        "-c",
        "trap 'exit 5' TERM; echo up; while true; do sleep 0.02; done",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("tarec");
    let mut line = [0u8; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("output"), &mut line).expect("up");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("kill");
    assert_eq!(child.wait().expect("wait").code(), Some(5));
}

#[test]
fn a_console_socket_gets_the_master() {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
    let oci =
        Oci::new("test -t 1 && echo on a terminal; sleep 60", |c| c["process"]["terminal"] = json!(true));
    let path = oci.ground.bundle().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("socket");
    let why = oci.create().expect_err("nobody takes the terminal");
    assert!(why.contains("--console-socket"), "{why}");
    let socket = path.display().to_string();
    oci.quiet(&["create", "--bundle", &oci.bundle(), "--console-socket", &socket], &[]).expect("create");
    let (stream, _) = listener.accept().expect("connection");
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0u8; 64];
    let got = rustix::net::recvmsg(
        &stream,
        &mut [std::io::IoSliceMut::new(&mut name)],
        &mut ancillary,
        RecvFlags::empty(),
    )
    .expect("message");
    assert!(String::from_utf8_lossy(&name[..got.bytes]).starts_with("/dev/pts/"));
    let master = ancillary.drain().find_map(|m| match m {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let mut master = std::fs::File::from(master.expect("a descriptor"));
    oci.quiet(&["start"], &[]).expect("start");
    let mut said = [0u8; 15];
    std::io::Read::read_exact(&mut master, &mut said).expect("output");
    assert_eq!(&said, b"on a terminal\r\n");
    let plain = waiting();
    let why = plain.quiet(&["exec", "--console-socket", &socket], &["true"]).expect_err("no terminal");
    assert!(why.contains("--console-socket"), "{why}");
}

/// Holds: runtime-linux.descriptors
#[test]
fn descriptors_are_handed_through_and_named() {
    let oci =
        Oci::new("cat <&3; cat <&4; echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd | grep -c .", |_| ());
    // Through a shell, which puts the files at 3 and 4, and one at 5 that is not to be seen.
    let script = format!(
        "echo a > f; echo b > g; exec {TAREC} --root r run --preserve-fds 1 --bundle . {} 3<f 4<g 5<g",
        oci.id()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(oci.ground.bundle())
        .env("LISTEN_FDS", "1")
        .output()
        .expect("sh");
    // 0, 1, 2, 3, 4, and the one by which ls reads the folder.
    assert_eq!(text(&output), "a\nb\n1 1\n6\n", "{}", errors(&output));
    let output = oci.verb(&["run", "--preserve-fds", "90", "--bundle", &oci.bundle()], &[]);
    assert!(errors(&output).contains("is to be preserved, but is not open"), "{}", errors(&output));
}

/// Holds: runtime-linux.descriptors
#[test]
fn a_closed_descriptor_stays_closed() {
    let oci = Oci::new("ls /proc/self/fd | busybox tr '\\n' ' '", |_| ());
    let file = std::fs::File::open("/etc/hostname").expect("file");
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).expect("fcntl");
    assert!(file.as_raw_fd() > 2);
    assert_eq!(oci.run().1.trim(), "0 1 2 3");
}

#[test]
fn sigpipe_ends_the_workload_as_ever() {
    // Rust's start-up code has it ignored, and an exec would hand that on.
    let script = "grep SigIgn /proc/self/status | busybox cut -f2";
    let pipe =
        |out: String| u64::from_str_radix(out.trim(), 16).expect("hex") >> (nix::libc::SIGPIPE - 1) & 1;
    assert_eq!(pipe(Oci::new(script, |_| ()).run().1), 0);
    assert_eq!(pipe(waiting().exec(&[], script).1), 0);
}

#[test]
fn pause_and_resume() {
    let oci = Oci::new("while true; do echo x; sleep 0.01; done", |_| ()).started();
    eventually("output", || oci.said().len() > 4);
    oci.quiet(&["pause"], &[]).expect("pause");
    assert_eq!(oci.status(), "paused");
    let said = oci.said().len();
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!(oci.said().len(), said, "it went on");
    let output = oci.verb(&["exec"], &["true"]);
    assert!(errors(&output).contains("is paused"), "{}", errors(&output));
    let why = oci.quiet(&["pause"], &[]).expect_err("paused already");
    assert!(why.contains("is paused"), "{why}");
    oci.quiet(&["resume"], &[]).expect("resume");
    eventually("output", || oci.said().len() > said);
    let why = oci.quiet(&["resume"], &[]).expect_err("not paused");
    assert!(why.contains("has to be paused"), "{why}");
    oci.quiet(&["pause"], &[]).expect("pause");
    oci.quiet(&["delete", "--force"], &[]).expect("delete");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

#[test]
fn kill_all_reaches_every_process() {
    let oci = Oci::new("sleep 61 & sleep 62 & wait", |c| {
        c["linux"]["namespaces"].as_array_mut().expect("namespaces").retain(|n| n["type"] != "pid");
    })
    .started();
    let pids = || -> Vec<i64> {
        serde_json::from_slice(&oci.verb(&["ps", "--format", "json"], &[]).stdout).expect("ps")
    };
    eventually("three processes", || pids().len() == 3);
    oci.quiet(&["kill", "--all"], &["KILL"]).expect("kill");
    eventually("none", || pids().is_empty());
    for wrong in ["NOSUCH", "99"] {
        let why = oci.quiet(&["kill"], &[wrong]).expect_err("unknown signal");
        assert!(why.contains("is not known"), "{why}");
    }
}

#[test]
fn list_and_ps_show_what_runs() {
    let oci = waiting();
    let list = oci.command(&["list", "--format", "json"]).output().expect("list");
    let all: Value = serde_json::from_slice(&list.stdout).expect("json");
    assert_eq!((&all[0]["id"], &all[0]["status"]), (&json!(oci.id()), &json!("running")));
    assert_eq!(all[0]["pid"], oci.state()["pid"]);
    assert!(all[0]["created"].as_str().expect("created").starts_with("20") && all[0]["owner"] == "root");
    let table = text(&oci.command(&["list"]).output().expect("list"));
    assert!(table.starts_with("ID ") && table.contains(oci.id()) && table.contains("running"), "{table}");
    let quiet = text(&oci.command(&["list", "-q"]).output().expect("list"));
    assert_eq!(quiet.trim(), oci.id());
    let table = || text(&oci.verb(&["ps"], &["-o", "pid,args"]));
    // `start` does not wait for the exec.
    eventually("its program", || table().contains("sleep 60"));
    assert_eq!(table().lines().count(), 2, "{}", table());
    let none = oci.command(&["--root", "/no/such/root", "list"]).output().expect("list");
    assert!(none.status.success());
}

#[test]
fn events_give_figures() {
    let oci = waiting();
    let output = oci.verb(&["events", "--stats"], &[]);
    let event: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(oci.id())));
    let data = &event["data"];
    assert!(data["memory"]["usage"]["usage"].as_u64().expect("usage") > 0, "{event}");
    assert_eq!(data["pids"]["current"], 1, "{event}");
    assert!(data["cpu"]["usage"]["total"].as_u64().expect("cpu") > 0, "{event}");
    // The stream ends with the container.
    let mut command = oci.command(&["events", "--interval", "10ms", oci.id()]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("tarec");
    let mut lines = BufReader::new(child.stdout.take().expect("pipe")).lines();
    assert!(lines.next().expect("a line").expect("text").contains("stats"), "one that has begun");
    oci.quiet(&["kill"], &["KILL"]).expect("kill");
    assert!(lines.all(|line| line.is_ok()) && child.wait().expect("wait").success());
}

#[test]
fn spec_writes_what_run_takes() {
    for rootless in [false, true] {
        let oci = Oci::new("true", |_| ());
        std::fs::remove_file(oci.ground.bundle().join("config.json")).expect("remove");
        let more: &[&str] = if rootless { &["--rootless"] } else { &[] };
        let output =
            oci.command(&[&["spec", "--bundle", &oci.bundle()], more].concat()).output().expect("spec");
        assert!(output.status.success(), "{}", errors(&output));
        let path = oci.ground.bundle().join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("config")).expect("json");
        assert_eq!(config["linux"]["uidMappings"].as_array().map_or(0, Vec::len), usize::from(rootless));
        config["process"]["args"] = json!(["sh", "-c", "test -t 0 && id -u"]);
        config["root"]["path"] = json!(oci.layer.path());
        oci.write(&config.to_string());
        let (code, out, err) = oci.run();
        assert_eq!((code, out.trim()), (0, "0"), "{err}");
        let again = oci.command(&["spec", "--bundle", &oci.bundle()]).output().expect("spec");
        assert!(errors(&again).contains("create"), "an existing one stays: {}", errors(&again));
    }
}

#[test]
fn features_and_version_are_told() {
    let output = Command::new(TAREC).arg("features").output().expect("features");
    let all: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(all["hooks"].as_array().expect("hooks").len(), 6);
    for option in ["rro", "rbind", "tmpcopyup", "idmap", "nosymfollow"] {
        assert!(all["mountOptions"].as_array().expect("options").contains(&json!(option)), "{option}");
    }
    assert_eq!(all["linux"]["namespaces"].as_array().expect("namespaces").len(), 8);
    let version = text(&Command::new(TAREC).arg("--version").output().expect("version"));
    assert!(version.starts_with("tarec version ") && version.contains("\nspec: 1.2"), "{version}");
    for verb in ["", "run", "exec", "update"] {
        let help = Command::new(TAREC)
            .args([verb, "--help"].iter().filter(|a| !a.is_empty()))
            .output()
            .expect("help");
        assert!(help.status.success() && text(&help).contains("Usage: tarec"), "{verb}");
    }
}

#[test]
fn errors_go_to_stderr_and_to_the_log() {
    let dir = tempfile::tempdir().expect("folder");
    for (form, json) in [("json", true), ("text", false)] {
        let log = dir.path().join(form);
        let log_text = log.display().to_string();
        let args =
            ["--debug", "--log", &log_text, "--log-format", form, "--root", "/no/such", "state", "nobody"];
        let output = Command::new(TAREC).args(args).output().expect("tarec");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(errors(&output), "tarec: container nobody does not exist\n");
        let written = std::fs::read_to_string(&log).expect("log");
        let last = written.lines().last().expect("line");
        if json {
            let line: Value = serde_json::from_str(last).expect("json");
            assert_eq!(
                (&line["level"], &line["msg"]),
                (&json!("error"), &json!("container nobody does not exist"))
            );
            assert!(line["time"].is_string());
        } else {
            assert!(
                last.starts_with("time=\"") && last.contains("level=error msg=\"container nobody"),
                "{last}"
            );
        }
        assert!(written.contains("debug"), "{written}");
    }
    let usage = Command::new(TAREC).args(["run", "--no-such-option", "x"]).output().expect("tarec");
    assert_eq!(usage.status.code(), Some(2), "{}", errors(&usage));
}

#[test]
fn run_detached_and_kept() {
    let oci = Oci::new("sleep 60", |_| ());
    let pid_file = oci.ground.bundle().join("pid").display().to_string();
    oci.quiet(&["run", "--detach", "--pid-file", &pid_file, "--bundle", &oci.bundle()], &[]).expect("run");
    assert_eq!(oci.state()["pid"].to_string(), std::fs::read_to_string(&pid_file).expect("pid file"));
    oci.quiet(&["delete", "--force"], &[]).expect("delete");
    oci.quiet(&["delete", "--force"], &[]).expect("one that is gone is no error");
    let kept = Oci::new("exit 3", |_| ());
    let output = kept.verb(&["run", "--keep", "--bundle", &kept.bundle()], &[]);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    assert_eq!(kept.status(), "stopped");
}

#[test]
fn what_the_host_lacks_is_told() {
    let oci = waiting();
    let output =
        oci.command(&["checkpoint", oci.id()]).env("PATH", "/nowhere").current_dir(oci.states()).output();
    let said = errors(&output.expect("tarec"));
    assert!(said.contains("checkpoint needs the program criu"), "{said}");
    if !std::path::Path::new("/run/systemd/system").exists() {
        let other = Oci::new("true", |_| ());
        let why = other
            .quiet(&["--systemd-cgroup", "run", "--bundle", &other.bundle()], &[])
            .expect_err("no systemd");
        assert!(why.contains("--systemd-cgroup: systemd does not run"), "{why}");
    }
}

#[test]
fn a_checkpoint_is_made_or_it_is_said_why_not() {
    let oci = waiting();
    let images = oci.ground.bundle().join("images").display().to_string();
    let output = oci.verb(&["checkpoint", "--image-path", &images], &[]);
    if !output.status.success() {
        // As on kernels that criu does not know.
        let said = errors(&output);
        assert!(said.contains("criu dump failed") && said.contains("dump.log"), "{said}");
        assert_eq!(oci.status(), "running", "it goes on");
        return;
    }
    oci.becomes("stopped");
    oci.quiet(&["delete"], &[]).expect("delete");
    oci.quiet(&["restore", "--detach", "--image-path", &images, "--bundle", &oci.bundle()], &[])
        .expect("restore");
    assert_eq!(oci.status(), "running");
}

#[test]
fn a_root_can_be_moved_instead_of_pivoted() {
    let oci = Oci::new("ls / | busybox tr '\\n' ' '", |_| ());
    let output = oci.verb(&["run", "--no-pivot", "--no-new-keyring", "--bundle", &oci.bundle()], &[]);
    assert_eq!(text(&output).trim(), "bin dev etc proc sys tmp", "{}", errors(&output));
}
