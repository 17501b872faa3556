//! `-t`: a terminal, and that of the caller as it was before.

use super::Ground;
use nix::pty::openpty;
use nix::sys::termios::tcgetattr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// Runs a command on a terminal of 37 lines, types `keys` once `prompt` has come; what it said, and its exit code.
fn typed(ground: &Ground, args: &[&str], prompt: &str, keys: &[u8]) -> (String, Option<i32>) {
    let size = nix::pty::Winsize { ws_row: 37, ws_col: 91, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).expect("pty");
    let before = tcgetattr(&pty.slave).expect("mode");
    let own = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("descriptor"));
    let mut command = ground.command(args);
    command.stdin(own(&pty.slave)).stdout(own(&pty.slave)).stderr(own(&pty.slave));
    let mut child = command.spawn().expect("taremark");
    drop(command);
    let mut master = File::from(pty.master);
    let mut screen = String::new();
    let mut buffer = [0u8; 4096];
    let mut keys = Some(keys);
    let from = std::time::Instant::now();
    loop {
        if from.elapsed() > std::time::Duration::from_secs(60) {
            let _ = child.kill();
            panic!("it does not end: {screen}");
        }
        if screen.contains(prompt)
            && let Some(keys) = keys.take()
        {
            master.write_all(keys).expect("type");
        }
        if let Some(status) = child.try_wait().expect("wait") {
            let after = tcgetattr(&pty.slave).expect("mode");
            assert_eq!(after, before, "the terminal's mode was not put back");
            return (screen, status.code());
        }
        let mut fds = [rustix::event::PollFd::new(&master, rustix::event::PollFlags::IN)];
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        if rustix::event::poll(&mut fds, Some(&timeout)).expect("poll") > 0 {
            let n = master.read(&mut buffer).unwrap_or(0);
            screen += &String::from_utf8_lossy(&buffer[..n]);
        }
    }
}

#[test]
fn a_shell_on_a_terminal_works_and_the_mode_is_put_back() {
    let ground = Ground::new();
    crate::machine::kernel_is_there();
    for target in ["container", "process", "microvm"] {
        let run = ["run", "--rm", "-it", "--target", target, "-e", "PS1=ready: ", "shell", "sh"];
        let keys = b"stty size; test -t 0 && echo is $((40+2)); exit 4\n";
        let (screen, code) = typed(&ground, &run, "ready: ", keys);
        assert!(screen.contains("37 91") && screen.contains("is 42"), "{target}: {screen}");
        assert_eq!(code, Some(4), "{target}: {screen}");
    }
    // Ctrl-C is a key for the shell in there, not a signal for the command.
    let run = [
        "run",
        "--rm",
        "-it",
        "-e",
        "PS1=ready: ",
        "shell",
        "sh",
        "-c",
        "trap 'echo caught; exit 6' INT; echo ready: ; while :; do sleep 0.05; done",
    ];
    let (screen, code) = typed(&ground, &run, "ready:", b"\x03");
    assert!(screen.contains("caught") && code == Some(6), "{screen} {code:?}");
    ground.says(&["run", "-d", "--name", "x", "shell", "sleep", "60"]);
    let (screen, code) =
        typed(&ground, &["exec", "-it", "-e", "PS1=ready: ", "x", "sh"], "ready: ", b"stty size; exit 5\n");
    assert!(screen.contains("37 91") && code == Some(5), "{screen} {code:?}");
    // It is as large as the caller's before its program has looked.
    for target in ["container", "process", "microvm"] {
        let run = ["run", "--rm", "-t", "--target", target, "-u", "web", "shell", "sh", "-c"];
        let script = "stty size; echo own >/dev/stdout; test -t 0 && test -t 1 && test -t 2 && exit 7";
        let (screen, code) = typed(&ground, &[&run[..], &[script]].concat(), "never typed", b"");
        assert!(
            screen.contains("37 91") && screen.contains("own") && code == Some(7),
            "{target}: {screen} {code:?}"
        );
    }
    ground.says(&["run", "-d", "--name", "vm", "--target", "microvm", "shell", "sleep", "600"]);
    let script = "trap 'echo caught; exit 6' INT; stty size; echo ready: ; while :; do sleep 0.05; done";
    let (screen, code) = typed(&ground, &["exec", "-it", "vm", "sh", "-c", script], "ready:", b"\x03");
    assert!(screen.contains("37 91") && screen.contains("caught") && code == Some(6), "{screen} {code:?}");
    // Without one here it has one all the same, as with podman: what runs by a job of a build server may want it.
    let output = ground.run(&["run", "--rm", "-t", "shell", "sh", "-c", "test -t 1 && echo has one"]);
    assert_eq!(crate::support::text(&output), "has one\r\n");
}
