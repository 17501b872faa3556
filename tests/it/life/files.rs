//! Volumes, `cp` and `exec`.

use super::{Ground, fails, until};
use crate::support::{errors, text};
use std::io::Write;
use std::process::Stdio;

#[test]
fn volumes_are_seen_and_read_only_ones_are_not_written() {
    let ground = Ground::new();
    let host = ground.path("host");
    std::fs::create_dir(&host).expect("folder");
    std::fs::write(host.join("word"), "from the host\n").expect("write");
    let volume = |more: &str| format!("{}:/data{more}", host.display());
    for target in ["container", "process"] {
        let run = |v: &str, script: &str| {
            ground.run(&["run", "--rm", "--target", target, "-v", v, "shell", "sh", "-c", script])
        };
        let output = run(&volume(""), "cat /data/word; echo back >/data/back");
        assert_eq!(text(&output), "from the host\n", "{target}: {}", errors(&output));
        assert_eq!(std::fs::read_to_string(host.join("back")).expect("written"), "back\n");
        std::fs::remove_file(host.join("back")).expect("remove");
        fails(&run(&volume(":ro"), "echo back >/data/back"), 1, "ead-only");
        assert!(!host.join("back").exists());
    }
    let file = format!("{}:/etc/word:ro", host.join("word").display());
    assert_eq!(ground.says(&["run", "--rm", "-v", &file, "shell", "cat", "/etc/word"]), "from the host\n");
}

#[test]
fn files_are_copied_both_ways_and_no_link_leads_out() {
    let ground = Ground::new();
    let host = ground.path("host");
    std::fs::create_dir_all(host.join("tree/sub")).expect("folder");
    std::fs::write(host.join("tree/sub/file"), "deep").expect("write");
    let path = |name: &str| host.join(name).display().to_string();
    let script = format!("ln -s {} /out; ln -s /tmp /link; echo ready >/ready; sleep 60", host.display());
    std::fs::write(host.join("ln"), "").expect("write");
    ground.says(&[
        "run",
        "-d",
        "--name",
        "c",
        "shell",
        "busybox",
        "sh",
        "-c",
        &script.replace("ln -s", "busybox ln -s"),
    ]);
    until("it to be ready", || ground.run(&["exec", "c", "test", "-e", "/ready"]).status.success());
    for running in [true, false] {
        ground.says(&["cp", &path("tree"), "c:/tmp"]);
        ground.says(&["cp", "c:/tmp/tree", &path("back")]);
        assert_eq!(std::fs::read_to_string(host.join("back/sub/file")).expect("copied"), "deep", "{running}");
        ground.says(&["cp", &path("tree/."), "c:/tmp"]);
        ground.says(&["cp", "c:/tmp/sub/file", &path("one")]);
        assert_eq!(std::fs::read_to_string(host.join("one")).expect("copied"), "deep");
        // /out is a link to a folder of the host: in the container there is no such folder.
        let out = ground.run(&["cp", &path("one"), "c:/out/two"]);
        assert!(!out.status.success() && !host.join("two").exists(), "it was written on the host");
        fails(&ground.run(&["cp", "c:/no/such", &path("x")]), 1, "/no/such");
        fails(&ground.run(&["cp", "/a", "/b"]), 2, "CONTAINER:PATH");
        let mut tar = ground.command(&["cp", "c:/tmp/tree", "-"]);
        let packed = tar.output().expect("cp").stdout;
        let names: Vec<String> = tar::Archive::new(&packed[..])
            .entries()
            .expect("a tar archive")
            .map(|e| e.expect("entry").path().expect("path").display().to_string())
            .collect();
        assert!(names.iter().any(|n| n.ends_with("tree/sub/file")), "{names:?}");
        let mut into = ground.command(&["cp", "-", "c:/etc"]).stdin(Stdio::piped()).spawn().expect("cp");
        into.stdin.take().expect("stdin").write_all(&packed).expect("write");
        assert!(into.wait().expect("end").success());
        ground.says(&["cp", "c:/etc/tree/sub/file", &path("three")]);
        std::fs::remove_dir_all(host.join("back")).expect("remove");
        ground.says(&["kill", if running { "c" } else { continue }]);
        ground.says(&["wait", "c"]);
    }
    ground.says(&["rm", "c"]);
}

#[test]
fn a_second_process_has_what_the_first_has() {
    let ground = Ground::new();
    for target in ["container", "process"] {
        let run =
            ["run", "-d", "--name", target, "--target", target, "-e", "WORD=given", "shell", "sleep", "60"];
        ground.says(&run);
        let script = "echo $WORD $MORE $(id -u) $(pwd); echo apart >&2; exit 4";
        let output =
            ground.run(&["exec", "-e", "MORE=more", "-u", "web", "-w", "/tmp", target, "sh", "-c", script]);
        assert_eq!(text(&output), "given more 100 /tmp\n", "{target}: {}", errors(&output));
        assert_eq!((errors(&output).as_str(), output.status.code()), ("apart\n", Some(4)), "{target}");
        let mut cat = ground.command(&["exec", "-i", target, "cat"]);
        let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("exec");
        cat.stdin.take().expect("stdin").write_all(b"through").expect("write");
        assert_eq!(cat.wait_with_output().expect("end").stdout, b"through", "{target}");
        fails(&ground.run(&["exec", target, "no-such"]), 127, "no-such");
        fails(&ground.run(&["exec", target, "/etc/passwd"]), 126, "ermission denied");
    }
    let inside = ground.says(&["exec", "container", "busybox", "ps"]);
    assert!(inside.lines().count() < 6 && inside.contains("sleep 60"), "its own pids alone: {inside}");
}
