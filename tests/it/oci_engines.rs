//! Real engines, from Debian's packages, that run their containers by tarec. Each test has mounts, storage and daemons of
//! its own.

use crate::support::engines::{Daemon, Engine, Ordinary, image_tar};
use crate::support::{errors, in_namespace, text};
use std::process::Command;

/// Limits that this machine may set even where it may not raise its own.
const LIMITS: [&str; 4] = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"];

/// Lives a moment longer than it speaks: an engine whose own input ends at once may lose what a process says that ends as
/// quickly (podman 4.3 does, the quicker the runtime the more often).
const TTY: [&str; 3] = ["sh", "-c", "tty; sleep 0.5"];

fn podman(dir: &std::path::Path) -> Engine {
    let storage = ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"];
    let engine = Engine::new("podman", &storage)
        .with(&["--root", &dir.join("root").display().to_string()])
        .with(&["--runroot", &dir.join("runroot").display().to_string()])
        .with(&["--runtime", crate::support::TAREC]);
    engine.ok(&["import", &image_tar(dir), "bb:1"]);
    engine
}

#[test]
fn podman_runs_its_containers() {
    if !in_namespace("oci_engines::podman_runs_its_containers", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let p = podman(dir.path());
    let run = |more: &[&str], command: &[&str]| {
        p.run(&[&["run", "--rm", "--network", "none"], &LIMITS[..], more, &["bb:1"], command].concat())
    };
    assert_eq!(run(&[], &["echo", "hello"]), (0, "hello\n".into()));
    assert_eq!(run(&[], &["sh", "-c", "exit 7"]).0, 7);
    assert_eq!(run(&[], &["no-such-program"]).0, 127);
    let volume = dir.path().join("volume");
    std::fs::create_dir(&volume).expect("folder");
    std::fs::write(volume.join("f"), "in a volume\n").expect("file");
    let bound = format!("{}:/v:ro", volume.display());
    assert_eq!(run(&["-v", &bound], &["sh", "-c", "cat /v/f; touch /v/g"]), (1, "in a volume\n".into()));
    assert_eq!(run(&["-v", "named:/d"], &["sh", "-c", "echo kept > /d/x"]).0, 0);
    assert_eq!(run(&["-v", "named:/d"], &["cat", "/d/x"]).1, "kept\n");
    let confined =
        ["--read-only", "--user", "5:6", "--cap-drop", "all", "--memory", "64m", "--pids-limit", "20"];
    let script = "id -u; touch /x 2>/dev/null || echo refused; busybox grep CapEff /proc/self/status; \
                  cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    assert_eq!(run(&confined, &["sh", "-c", script]).1, "5\nrefused\nCapEff:\t0000000000000000\n67108864\n");
    let tty = p.on_a_terminal(
        &[&["run", "--rm", "-it", "--network", "none"], &LIMITS[..], &["bb:1"], &TTY].concat(),
    );
    assert!(tty.contains("/dev/pts/0"), "{tty}");
}

#[test]
fn podman_manages_what_runs() {
    if !in_namespace("oci_engines::podman_manages_what_runs", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let p = podman(dir.path());
    let health = ["--health-cmd", "test -e /tmp/ok", "--health-interval", "disable"];
    let start =
        [&["run", "-d", "--name", "c", "--network", "none"], &LIMITS[..], &health, &["bb:1"]].concat();
    p.ok(&[&start[..], &["sh", "-c", "trap 'exit 3' TERM; while true; do sleep 0.05; done"]].concat());
    assert_eq!(p.run(&["exec", "c", "sh", "-c", "id -u; exit 5"]), (5, "0\n".into()));
    assert_eq!(p.run(&["exec", "c", "no-such-program"]).0, 127);
    assert!(p.on_a_terminal(&[&["exec", "-it", "c"], &TTY[..]].concat()).contains("/dev/pts/0"));
    assert_eq!(p.run(&["healthcheck", "run", "c"]).0, 1);
    p.ok(&["exec", "-d", "c", "touch", "/tmp/ok"]);
    crate::support::oci::eventually("health", || p.run(&["healthcheck", "run", "c"]).0 == 0);
    assert!(p.ok(&["top", "c"]).contains("sh -c"));
    let stats = p.ok(&["stats", "--no-stream", "--format", "{{.PIDs}}", "c"]);
    assert!(stats.trim().parse::<u32>().expect("number") >= 1, "{stats}");
    let status = || p.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c"]).trim().to_owned();
    p.ok(&["pause", "c"]);
    assert!(status().starts_with("paused"));
    p.ok(&["unpause", "c"]);
    p.ok(&["stop", "-t", "10", "c"]);
    assert_eq!(status(), "exited 3");
    p.ok(&["start", "c"]);
    p.ok(&["kill", "c"]);
    p.ok(&["rm", "-f", "c"]);
    p.ok(&["pod", "create", "--infra=false", "--name", "pod"]);
    p.ok(&[&["run", "-d", "--pod", "pod", "--network", "none"], &LIMITS[..], &["bb:1", "sleep", "60"]]
        .concat());
    assert!(p.ok(&["pod", "ps", "--format", "{{.Status}} {{.NumberOfContainers}}"]).contains("Running 1"));
    p.ok(&["pod", "kill", "pod"]);
    p.ok(&["pod", "rm", "-f", "pod"]);
}

#[test]
fn podman_runs_for_an_ordinary_user() {
    if !in_namespace("oci_engines::podman_runs_for_an_ordinary_user", &[]) {
        return;
    }
    let user = Ordinary::new();
    let tar = image_tar(user.dir.path());
    let podman =
        "podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime $RUNTIME";
    let script = format!(
        "{podman} import {tar} bb:1 >/dev/null && {podman} run --rm --network none --ulimit host bb:1 \
         sh -c 'id -u; cat /proc/self/uid_map; exit 9'"
    );
    let output = user.shell(&script);
    let words: Vec<String> = text(&output).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["0", "0", "4242", "1", "1", "200000", "65536"], "{}", errors(&output));
    assert_eq!(output.status.code(), Some(9), "{}", errors(&output));
}

#[test]
fn tarec_runs_for_an_ordinary_user() {
    if !in_namespace("oci_engines::tarec_runs_for_an_ordinary_user", &[]) {
        return;
    }
    let user = Ordinary::new();
    let tar = image_tar(user.dir.path());
    let script = format!(
        "mkdir -p b/rootfs && tar -C b/rootfs -xf {tar} && cd b && $RUNTIME spec --rootless && \
         sed -i 's/\"terminal\": true/\"terminal\": false/; s/^ *\"sh\"$/\"sh\", \"-c\", \"id -u; touch \\/x; test -c \\/dev\\/null \\&\\& cat \\/proc\\/self\\/uid_map\"/' config.json && \
         $RUNTIME run alone && sed -i 's/\"size\": 1$/\"size\": 1}}, {{\"containerID\": 1, \"hostID\": 200000, \"size\": 99/' config.json && $RUNTIME run ranges && ls $XDG_RUNTIME_DIR/tarec | wc -l"
    );
    let output = user.shell(&script);
    let said: Vec<String> =
        text(&output).lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = ["0", "0 4242 1", "0", "0 4242 1", "1 200000 99", "0"];
    assert_eq!(said, expected, "{}", errors(&output));
    assert!(errors(&output).contains("warning: no cgroup is delegated to this user"), "{}", errors(&output));
}

#[test]
fn buildah_builds_and_runs() {
    if !in_namespace("oci_engines::buildah_builds_and_runs", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    drop(podman(dir.path()));
    let b = Engine::new("buildah", &["--storage-driver", "vfs"])
        .with(&["--root", &dir.path().join("root").display().to_string()])
        .with(&["--runroot", &dir.path().join("runroot").display().to_string()]);
    let file = dir.path().join("Containerfile");
    std::fs::write(&file, "FROM localhost/bb:1\nRUN echo built on $(id -u) > /built\n").expect("file");
    let by_us = ["--runtime", crate::support::TAREC, "--isolation", "oci", "--network", "none"];
    let file = file.display().to_string();
    b.ok(&[&["bud"], &by_us[..], &LIMITS, &["-t", "built", "-f", &file, &dir.path().display().to_string()]]
        .concat());
    let container = b.ok(&["from", "localhost/built"]);
    let out = b.ok(&[&["run"], &by_us[..], &[container.trim(), "--", "cat", "/built"]].concat());
    assert_eq!(out, "built on 0\n");
    b.ok(&["rm", "-a"]);
}

#[test]
fn containerd_runs_its_tasks() {
    if !in_namespace("oci_engines::containerd_runs_its_tasks", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let p = podman(dir.path());
    let archive = dir.path().join("oci.tar").display().to_string();
    p.ok(&["save", "--format", "oci-archive", "-o", &archive, "bb:1"]);
    let daemon = Daemon::containerd(dir.path());
    let c = Engine::new("ctr", &["-a", &daemon.socket]);
    c.ok(&["images", "import", "--index-name", "bb:1", &archive]);
    let by_us = ["--runc-binary", crate::support::TAREC, "bb:1"];
    assert_eq!(
        c.run(&[&["run", "--rm"], &by_us[..], &["once", "echo", "hello"]].concat()),
        (0, "hello\n".into())
    );
    let (code, out) = c.run_all(&[&["run", "--rm"], &by_us[..], &["bad", "no-such-program"]].concat());
    assert!(code != 0 && out.contains("executable file not found"), "{out}");
    c.ok(&[&["run", "-d"], &by_us[..], &["long", "sleep", "60"]].concat());
    assert_eq!(
        c.run(&["tasks", "exec", "--exec-id", "a", "long", "sh", "-c", "id -u; exit 6"]),
        (6, "0\n".into())
    );
    c.ok(&["tasks", "pause", "long"]);
    assert!(c.ok(&["tasks", "ls"]).contains("PAUSED"));
    c.ok(&["tasks", "resume", "long"]);
    assert_eq!(c.ok(&["tasks", "ps", "long"]).lines().count(), 2);
    assert!(c.ok(&["tasks", "metrics", "long"]).contains("memory"));
    let tty = c.on_a_terminal(&[&["tasks", "exec", "-t", "--exec-id", "b", "long"], &TTY[..]].concat());
    assert!(tty.contains("/dev/pts/0"), "{tty}");
    c.ok(&["tasks", "kill", "-s", "SIGKILL", "long"]);
    crate::support::oci::eventually("the end", || c.ok(&["tasks", "ls"]).contains("STOPPED"));
    c.ok(&["tasks", "delete", "long"]);
    c.ok(&["containers", "delete", "long"]);
}

#[test]
fn docker_runs_its_containers() {
    if !in_namespace("oci_engines::docker_runs_its_containers", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let daemon = Daemon::docker(dir.path());
    let d = Engine::new("docker", &["-H", &daemon.socket]);
    d.ok(&["import", &image_tar(dir.path()), "bb:1"]);
    let run = |more: &[&str], command: &[&str]| {
        d.run(&[&["run", "--runtime", "tarec", "--network", "none"], more, &["bb:1"], command].concat())
    };
    assert_eq!(run(&["--rm"], &["echo", "hello"]), (0, "hello\n".into()));
    assert_eq!(run(&["--rm"], &["no-such-program"]).0, 127);
    // Docker leaves it to the runtime.
    assert_eq!(run(&["--rm"], &["sh", "-c", "echo $HOME"]).1, "/\n");
    let loop_script = "trap 'exit 3' TERM; while true; do sleep 0.05; done";
    assert_eq!(run(&["-d", "--name", "cc", "--memory", "64m"], &["sh", "-c", loop_script]).0, 0);
    assert_eq!(d.run(&["exec", "cc", "sh", "-c", "id -u; exit 4"]), (4, "0\n".into()));
    assert!(d.on_a_terminal(&[&["exec", "-it", "cc"], &TTY[..]].concat()).contains("/dev/pts/0"));
    assert!(d.ok(&["top", "cc"]).contains("sleep 0.05") || d.ok(&["top", "cc"]).contains("sh -c"));
    assert!(d.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "cc"]).contains("64MiB"));
    d.ok(&["update", "--memory", "128m", "--memory-swap", "256m", "cc"]);
    assert!(d.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "cc"]).contains("128MiB"));
    let status = || d.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "cc"]).trim().to_owned();
    d.ok(&["pause", "cc"]);
    assert!(status().starts_with("paused"));
    d.ok(&["unpause", "cc"]);
    d.ok(&["stop", "-t", "10", "cc"]);
    assert_eq!(status(), "exited 3");
    d.ok(&["rm", "cc"]);
}

#[test]
fn the_engines_really_used_tarec() {
    if !in_namespace("oci_engines::the_engines_really_used_tarec", &[]) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    // A runtime that says who calls it, and then is tarec.
    let spy = dir.path().join("spy");
    let log = dir.path().join("log");
    let script =
        format!("#!/bin/sh\necho \"$@\" >> {}\nexec {} \"$@\"\n", log.display(), crate::support::TAREC);
    std::fs::write(&spy, script).expect("script");
    let executable = Command::new("chmod").arg("+x").arg(&spy).output().expect("chmod");
    assert!(executable.status.success(), "{}", text(&executable));
    let p = podman(dir.path()).with(&["--runtime", &spy.display().to_string()]);
    p.ok(&[&["run", "--rm", "--network", "none"], &LIMITS[..], &["bb:1", "true"]].concat());
    let calls = std::fs::read_to_string(&log).expect("log");
    for verb in ["create --bundle ", "start ", "delete "] {
        assert!(calls.contains(verb), "{verb} is not in {calls}");
    }
}
