//! What the verbs hand to a process and tell of it: descriptors, rights, the size of a terminal, keys, its end for want of
//! memory, and errors in the form that engines read.

use crate::support::oci::{Oci, eventually};
use crate::support::{TAREC, errors, text};
use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

#[test]
fn exec_hands_descriptors_through() {
    let oci = Oci::new("sleep 60", |_| ()).started();
    let script = format!(
        "echo a > f; echo b > g; exec {TAREC} --root \"$ROOT\" exec --preserve-fds 1 {} sh -c \
         'cat <&3; cat <&4; echo $LISTEN_FDS; ls /proc/self/fd | grep -c .' 3<f 4<g 5<g",
        oci.id()
    );
    let run = |listen: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(oci.ground.bundle()).env("ROOT", oci.states());
        let output = command.env("LISTEN_FDS", listen).output().expect("sh");
        text(&output) + &errors(&output)
    };
    // 0, 1, 2, those handed through, and the one by which ls reads the folder.
    assert_eq!(run("1"), "a\nb\n1\n6\n");
    let one = run("0");
    assert!(
        one.starts_with("a\n") && one.contains("4: Bad file descriptor") && one.contains("\n5\n"),
        "{one}"
    );
    let output = oci.verb(&["exec", "--preserve-fds", "90"], &["true"]);
    assert!(errors(&output).contains("is to be preserved, but is not open"), "{}", errors(&output));
}

#[test]
fn exec_takes_away_new_privileges_and_changes_its_user() {
    let oci = Oci::new("sleep 60", |c| c["process"]["noNewPrivileges"] = json!(false)).started();
    let script = "grep NoNewPrivs /proc/self/status";
    assert_eq!(oci.exec(&[], script).1, "NoNewPrivs:\t0\n");
    assert_eq!(oci.exec(&["--no-new-privs"], script).1, "NoNewPrivs:\t1\n");
    // The group stays the container's, as with runc.
    for (user, ids) in [("12", "12 0"), ("12:34", "12 34")] {
        let (_, out, err) =
            oci.exec(&["--user", user], "echo $(id -u) $(id -g); grep CapEff /proc/self/status");
        assert!(out.starts_with(&format!("{ids}\n")) && out.ends_with("0000000000000000\n"), "{out}{err}");
    }
    for wrong in ["root", "1:x", "-1", "4294967296"] {
        let output = oci.verb(&["exec", "--user", wrong], &["true"]);
        assert!(
            !output.status.success() && errors(&output).contains("--user"),
            "{wrong}: {}",
            errors(&output)
        );
    }
}

/// A terminal with `tarec … id more` in front of it, as its session's leader; the end that a person sits at.
fn in_front(oci: &Oci, args: &[&str], more: &[&str], size: Winsize) -> (std::process::Child, std::fs::File) {
    let pty = openpty(Some(&size), None).expect("a terminal");
    let end = || Stdio::from(pty.slave.try_clone().expect("descriptor"));
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", TAREC, "--root"]).arg(oci.states()).args(args).arg(oci.id()).args(more);
    let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("this test needs setsid");
    (child, std::fs::File::from(pty.master))
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Reads on until `words` have come.
fn until(master: &mut std::fs::File, words: &str) -> String {
    let mut seen = String::new();
    let mut bytes = [0u8; 1024];
    while !seen.contains(words) {
        let n = master.read(&mut bytes).unwrap_or_else(|e| panic!("{e} before {words:?}, after {seen:?}"));
        seen += &String::from_utf8_lossy(&bytes[..n]);
    }
    seen
}

#[test]
fn a_terminal_follows_the_size_of_the_one_in_front() {
    let script =
        "trap 'busybox stty size' WINCH; busybox stty size; echo ready; while true; do sleep 0.05; done";
    let oci = Oci::new(script, |c| c["process"]["terminal"] = json!(true));
    let bundle = oci.bundle();
    let follows = |args: &[&str], more: &[&str]| {
        let (mut child, mut master) = in_front(&oci, args, more, size(31, 77));
        let seen = until(&mut master, "ready");
        assert!(seen.contains("31 77"), "its first size is not ours: {seen}");
        let new = rustix::termios::Winsize { ws_row: 12, ws_col: 34, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, new).expect("size");
        until(&mut master, "12 34");
        // Ctrl-C comes to the program through the terminal, and ends it.
        master.write_all(b"\x03").expect("input");
        child.wait().expect("tarec")
    };
    let ended = follows(&["run", "--bundle", &bundle], &[]);
    assert_eq!(ended.code(), Some(130), "128 + SIGINT");
    let other = Oci::new("sleep 60", |_| ()).started();
    let (mut child, mut master) = in_front(&other, &["exec", "--tty"], &["sh", "-c", script], size(9, 99));
    assert!(until(&mut master, "ready").contains("9 99"));
    let new = rustix::termios::Winsize { ws_row: 5, ws_col: 6, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, new).expect("size");
    until(&mut master, "5 6");
    master.write_all(b"\x03").expect("input");
    assert_eq!(child.wait().expect("tarec").code(), Some(130));
}

#[test]
fn events_tell_of_an_end_for_want_of_memory() {
    let script = "until test -e /go; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=40M count=1; sleep 0.5; echo over; sleep 60";
    let oci = Oci::new(script, |c| {
        c["linux"]["resources"]["memory"] = json!({"limit": 10 << 20, "swap": 10 << 20});
    })
    .started();
    let mut command = oci.command(&["events", "--interval", "1m", oci.id()]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("tarec");
    let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
    let mut next =
        || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("json") };
    assert_eq!(next()["type"], "stats");
    std::fs::write(oci.layer.path().join("go"), "").expect("file");
    assert_eq!(next(), json!({"type": "oom", "id": oci.id()}));
    eventually("the end", || oci.said().contains("over"));
    child.kill().expect("kill");
    let _ = child.wait();
}

/// Joins a session keyring of its own, puts a key in it that only its possessors see, and goes on as tarec.
const WITH_A_KEY: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    got = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if got < 0: sys.exit(f"{args}: {os.strerror(ctypes.get_errno())}")
    return got
ADD_KEY, KEYCTL, JOIN, SETPERM, SESSION = 248, 250, 1, 5, -3
call(KEYCTL, JOIN, b"of-the-caller")
key = call(ADD_KEY, b"user", b"secret-of-the-caller", b"word", 4, SESSION)
call(KEYCTL, SETPERM, key, 0x3f000000)
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// The keys of whoever calls the runtime are no business of a container, unless it is asked to share them.
#[cfg(target_arch = "x86_64")]
#[test]
fn keys_of_the_caller_stay_with_the_caller() {
    let script = "grep -c secret-of-the-caller /proc/keys; echo end";
    let run = |args: &[&str], more: &[&str], oci: &Oci| {
        let mut command = Command::new("python3");
        command
            .args(["-c", WITH_A_KEY, TAREC, "--root"])
            .arg(oci.states())
            .args(args)
            .arg(oci.id())
            .args(more);
        let output = command.stdin(Stdio::null()).output().expect("this test needs python3");
        text(&output) + &errors(&output)
    };
    let open = |c: &mut Value| c["linux"]["maskedPaths"] = json!([]);
    let oci = Oci::new(script, open);
    assert_eq!(
        run(&["run", "--no-new-keyring", "--bundle", &oci.bundle()], &[], &oci),
        "1\nend\n",
        "the test is blind"
    );
    assert_eq!(run(&["run", "--bundle", &oci.bundle()], &[], &oci), "0\nend\n");
    let running = Oci::new("sleep 60", open).started();
    assert_eq!(run(&["exec"], &["sh", "-c", script], &running), "0\nend\n");
}

#[test]
fn a_create_that_fails_says_so_as_engines_read_it() {
    let oci = Oci::new("", |c| c["process"]["args"] = json!(["no-such-program"]));
    let log = oci.ground.bundle().join("log.json");
    let run = |args: &[&str]| {
        let path = log.display().to_string();
        let all = [&["--log", &path, "--log-format", "json"], args].concat();
        let output = oci.command(&all).output().expect("tarec");
        assert_eq!(output.status.code(), Some(1));
        let written = std::fs::read_to_string(&log).expect("log");
        std::fs::remove_file(&log).expect("log");
        // containerd and conmon take the last line with this level, and its message.
        let lines: Vec<Value> =
            written.lines().map(|l| serde_json::from_str(l).expect("each line is JSON")).collect();
        let last = lines.into_iter().rfind(|l| l["level"] == "error").expect("an error");
        is_a_time(last["time"].as_str().expect("time"));
        last["msg"].as_str().expect("msg").to_owned()
    };
    let said = run(&["create", "--bundle", &oci.bundle(), oci.id()]);
    assert!(said.contains("exec: \"no-such-program\"") || said.contains("no-such-program"), "{said}");
    assert!(said.contains("executable file not found in $PATH"), "{said}");
    assert!(run(&["state", "nobody"]).contains("does not exist"));
    assert!(run(&["start", "nobody"]).contains("does not exist"));
    let words = "quote \" and\nline";
    let said = run(&["create", "--bundle", words, oci.id()]);
    assert!(said.contains("quote"), "{said}");
}

/// RFC 3339, as 2026-11-28T15:00:00Z.
fn is_a_time(time: &str) {
    let digits = |range: std::ops::Range<usize>| {
        time.get(range).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()))
    };
    assert!(digits(0..4) && time.as_bytes()[10] == b'T' && digits(11..13) && time.ends_with('Z'), "{time}");
}
