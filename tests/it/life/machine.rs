//! The same command line, a machine.

use super::{Ground, exists, fails, kill, until};
use crate::support::{errors, text};
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_machine_is_run_published_named_entered_and_stopped_like_a_container() {
    crate::machine::kernel_is_there();
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
    assert!(ground.says(&["stats", "--no-stream", "--interval", "0.2", "vm"]).contains("268.4 MB"));
    assert_eq!(ground.says(&["stop", "vm"]), "vm\n");
    assert_eq!(ground.says(&["wait", "vm"]), "3\n");
    assert_eq!(ground.says(&["logs", "vm"]), "up given\nbye\n");
    ground.says(&["rm", "vm"]);
    ground.says(&["rm", "-f", "beside"]);
    assert_eq!(ground.left(&[id]), Vec::<String>::new());
}

#[test]
fn files_are_copied_into_a_machine_and_out_of_it_however_large() {
    crate::machine::kernel_is_there();
    let ground = Ground::new();
    let host = ground.path("host");
    std::fs::create_dir_all(host.join("tree/sub")).expect("folder");
    std::fs::write(host.join("tree/sub/file"), "deep").expect("write");
    let path = |name: &str| host.join(name).display().to_string();
    ground.says(&[
        "run", "-d", "--name", "vm", "--target", "microvm", "--memory", "128M", "shell", "sleep", "600",
    ]);
    ground.says(&["cp", &path("tree"), "vm:/tmp"]);
    assert_eq!(ground.says(&["exec", "vm", "cat", "/tmp/tree/sub/file"]), "deep");
    ground.says(&["exec", "vm", "sh", "-c", "echo more >>/tmp/tree/sub/file; chmod 640 /tmp/tree/sub/file"]);
    ground.says(&["cp", "vm:/tmp/tree", &path("back")]);
    let file = host.join("back/sub/file");
    assert_eq!(std::fs::read_to_string(&file).expect("copied"), "deepmore\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("file").permissions());
    assert_eq!(mode & 0o777, 0o640);
    ground.says(&["cp", &path("tree/."), "vm:/tmp"]);
    ground.says(&["cp", "vm:/tmp/sub/file", &path("one")]);
    assert_eq!(std::fs::read_to_string(host.join("one")).expect("copied"), "deep");
    fails(&ground.run(&["cp", "vm:/no/such", &path("x")]), 1, "/no/such");
    fails(&ground.run(&["cp", &path("one"), "vm:/no/such/x"]), 1, "no folder that it could be put in");
    let packed = ground.run(&["cp", "vm:/tmp/tree", "-"]).stdout;
    let mut names: Vec<String> = tar::Archive::new(&packed[..])
        .entries()
        .expect("a tar archive")
        .map(|e| e.expect("entry").path().expect("path").display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["tree/", "tree/sub", "tree/sub/file"]);
    let mut into = ground.command(&["cp", "-", "vm:/etc"]).stdin(Stdio::piped()).spawn().expect("cp");
    into.stdin.take().expect("stdin").write_all(&packed).expect("write");
    assert!(into.wait().expect("end").success());
    assert_eq!(ground.says(&["exec", "vm", "cat", "/etc/tree/sub/file"]), "deepmore\n");
    // More than a guest of 128 MB could keep beside its files, if it were not sent piece by piece.
    let large: Vec<u8> = (0..40u32 << 20).map(|n| (n ^ (n >> 11)) as u8).collect();
    std::fs::write(host.join("large"), &large).expect("write");
    ground.says(&["cp", &path("large"), "vm:/large"]);
    ground.says(&["cp", "vm:/large", &path("again")]);
    assert!(std::fs::read(host.join("again")).expect("copied") == large, "40 MiB came back otherwise");
    // A program that does not read keeps nobody from anything.
    let mut deaf =
        ground.command(&["exec", "-i", "vm", "sleep", "600"]).stdin(Stdio::piped()).spawn().expect("exec");
    let mut input = deaf.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || input.write_all(&vec![0; 8 << 20]));
    assert_eq!(ground.says(&["exec", "vm", "echo", "still here"]), "still here\n");
    deaf.kill().expect("kill");
    deaf.wait().expect("reaped");
    let _ = writer.join().expect("writer");
    ground.says(&["stop", "-t", "2", "vm"]);
    fails(&ground.run(&["cp", "vm:/large", &path("x")]), 1, "in its memory, and gone with it");
    ground.says(&["rm", "vm"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn a_machine_is_paused_checked_and_started_again() {
    crate::machine::kernel_is_there();
    let ground = Ground::new();
    let run = ["run", "-d", "--name", "vm", "--target", "microvm", "--health-cmd", "test -e /well"];
    let more = ["--health-interval", "200ms", "--health-retries", "1", "shell", "sleep", "600"];
    ground.says(&[&run[..], &more].concat());
    let health = || ground.inspect("vm")["State"]["Health"]["Status"].clone();
    until("it to be ill", || health() == "unhealthy");
    ground.says(&["exec", "vm", "touch", "/well"]);
    until("it to be well", || health() == "healthy");
    ground.says(&["pause", "vm"]);
    assert!(ground.says(&["ps"]).contains("(Paused)"));
    fails(&ground.run(&["exec", "vm", "true"]), 125, "paused");
    ground.says(&["unpause", "vm"]);
    ground.says(&["exec", "vm", "true"]);
    ground.says(&["restart", "-t", "1", "vm"]);
    // It is a new one: what was in its memory is gone.
    fails(&ground.run(&["exec", "vm", "cat", "/well"]), 1, "No such file");
    ground.says(&["rm", "-f", "vm"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn a_machine_in_the_foreground_has_input_and_an_exit_code_and_ends_with_its_monitor() {
    crate::machine::kernel_is_there();
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
    let run = ["run", "--rm", "--target", "microvm"];
    fails(&ground.run(&[&run[..], &["shell", "no-such"]].concat()), 127, "no-such");
    fails(&ground.run(&[&run[..], &["shell", "/etc/passwd"]].concat()), 126, "ermission denied");
    fails(&ground.run(&[&run[..], &["-w", "/none", "shell"]].concat()), 126, "chdir");
    fails(&ground.run(&[&run[..], &["-u", "nobody", "shell"]].concat()), 126, "no line for nobody");
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
