//! The same command line, a machine.

use super::{Ground, exists, fails, kill, until};
use crate::support::{errors, text};
use std::io::Write;
use std::process::Stdio;

fn kernel() {
    let cache = taremark::machine::cache::dir();
    if taremark::machine::kernel::find(&cache, None).is_err() {
        let fetched = taremark::machine::kernel::fetch(&cache);
        fetched.expect("these tests need a guest kernel, and it could not be fetched");
    }
}

#[test]
fn a_machine_is_run_published_named_entered_and_stopped_like_a_container() {
    kernel();
    let ground = Ground::new();
    let host = ground.path("host");
    std::fs::create_dir(&host).expect("folder");
    std::fs::write(host.join("index.html"), "from a machine\n").expect("write");
    let volume = format!("{}:/w:ro", host.display());
    let run = [
        "run",
        "-d",
        "--name",
        "vm",
        "--target",
        "microvm",
        "-p",
        "127.0.0.1::80",
        "-v",
        &volume,
        "-e",
        "WORD=given",
    ];
    let script =
        "echo up $WORD; trap 'echo bye; exit 3' TERM; httpd -p 80 -h /w; while :; do sleep 0.1; done";
    let id = ground.says(&[&run[..], &["shell", "sh", "-c", script]].concat()).trim().to_owned();
    until("its first word", || ground.says(&["logs", "vm"]) == "up given\n");
    let at = ground.says(&["port", "vm", "80"]);
    until("its page", || super::network::get(at.trim()).ends_with("from a machine\n"));
    // A container of the same network finds it, and it finds the container, which came later.
    let ask = ["run", "-d", "--name", "beside", "shell", "sh", "-c"];
    ground.says(&[&ask[..], &["mkdir /w; echo beside >/w/index.html; exec httpd -f -p 80 -h /w"]].concat());
    assert_eq!(ground.says(&["exec", "beside", "wget", "-qO-", "http://vm/"]), "from a machine\n");
    until("its name in the guest", || ground.says(&["exec", "vm", "cat", "/etc/hosts"]).contains("beside"));
    assert_eq!(ground.says(&["exec", "vm", "wget", "-qO-", "http://beside/"]), "beside\n");
    let own = ground.says(&["exec", "vm", "cat", "/proc/version"]);
    assert_ne!(
        own,
        std::fs::read_to_string("/proc/version").expect("version"),
        "it has no kernel of its own"
    );
    let output = ground.run(&["exec", "-u", "web", "vm", "sh", "-c", "id -u; echo apart >&2; exit 6"]);
    assert_eq!(
        (text(&output).as_str(), errors(&output).as_str(), output.status.code()),
        ("100\n", "apart\n", Some(6))
    );
    let mut cat = ground.command(&["exec", "-i", "vm", "cat"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("exec");
    cat.stdin.take().expect("stdin").write_all(&[b'x'; 100_000]).expect("write");
    assert_eq!(cat.wait_with_output().expect("end").stdout.len(), 100_000);
    fails(&ground.run(&["exec", "vm", "no-such"]), 127, "no-such");
    fails(&ground.run(&["exec", "vm", "touch", "/w/x"]), 1, "ead-only");
    fails(&ground.run(&["cp", "vm:/etc/hosts", "/tmp"]), 1, "not possible with --target microvm");
    assert!(ground.says(&["stats", "--no-stream", "--interval", "0.2", "vm"]).contains("268.4 MB"));
    assert_eq!(ground.says(&["stop", "vm"]), "vm\n");
    assert_eq!(ground.says(&["wait", "vm"]), "3\n");
    assert_eq!(ground.says(&["logs", "vm"]), "up given\nbye\n");
    ground.says(&["rm", "vm"]);
    ground.says(&["rm", "-f", "beside"]);
    assert_eq!(ground.left(&[id]), Vec::<String>::new());
}

#[test]
fn a_machine_in_the_foreground_has_input_and_an_exit_code_and_ends_with_its_monitor() {
    kernel();
    let ground = Ground::new();
    let mut run =
        ground.command(&["run", "--rm", "-i", "--target", "microvm", "shell", "sh", "-c", "cat; exit 9"]);
    let mut run =
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run");
    run.stdin.take().expect("stdin").write_all(b"through the channel").expect("write");
    let output = run.wait_with_output().expect("end");
    assert_eq!(
        (text(&output).as_str(), output.status.code()),
        ("through the channel", Some(9)),
        "{}",
        errors(&output)
    );
    fails(&ground.run(&["run", "--rm", "--target", "microvm", "shell", "no-such"]), 127, "no-such");
    fails(
        &ground.run(&["run", "--target", "microvm", "--network", "host", "shell"]),
        125,
        "a kernel, and so a network",
    );
    ground.says(&["run", "-d", "--name", "vm", "--target", "microvm", "shell", "sleep", "60"]);
    let (monitor, qemu) = (ground.pid("vm", "ConmonPid"), ground.pid("vm", "Pid"));
    kill(monitor);
    until("its death", || !exists(monitor));
    assert!(ground.says(&["ps", "-a"]).contains("Exited (137)"));
    assert!(!exists(qemu), "QEMU runs on");
    ground.says(&["rm", "vm"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}
