//! `tarec` with real containers.

use crate::support::{Ground, busybox, errors, shell, text};

/// Runs a script in a container and returns (exit code, output, errors), having checked that nothing is left.
fn ran(script: &str, change: impl FnOnce(&mut taremark::container::spec::Bundle)) -> (i32, String, String) {
    let layer = busybox();
    let mut bundle = shell(layer.path(), script);
    change(&mut bundle);
    let ground = Ground::new(&bundle);
    let output = ground.run();
    assert_eq!(ground.left(), Vec::<String>::new(), "{}", errors(&output));
    (output.status.code().unwrap_or(-1), text(&output), errors(&output))
}

#[test]
fn output_and_exit_code_come_back() {
    let (code, out, err) = ran("echo one; echo two >&2; exit 7", |_| ());
    assert_eq!((code, out.as_str(), err.as_str()), (7, "one\n", "two\n"));
}

#[test]
fn a_signal_is_128_plus_its_number() {
    let (code, ..) = ran("sh -c 'kill -9 $$'; exit $?", |_| ());
    assert_eq!(code, 137);
}

#[test]
fn it_sees_itself_alone() {
    let (code, out, err) =
        ran("echo $$; hostname; ls /proc | grep -c '^[0-9]'; ls /sys/class/net; ls /", |_| ());
    assert_eq!(code, 0, "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(&lines[..2], ["1", "tested"], "{out}");
    assert!(lines[2].parse::<u32>().expect("count") <= 3, "sees foreign processes: {out}");
    assert_eq!(lines[3], "lo", "{out}");
}

#[test]
fn privileges_are_gone() {
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; mount -t tmpfs x /tmp || echo refused";
    let (_, out, err) = ran(script, |_| ());
    // 14 capabilities of the default set: capabilities(7) numbers them.
    for line in
        ["CapEff:\t00000000a80425fb", "CapBnd:\t00000000a80425fb", "NoNewPrivs:\t1", "Seccomp:\t2", "refused"]
    {
        assert!(out.contains(line), "{line} is not in {out}{err}");
    }
}

#[test]
fn another_user_has_no_capability() {
    let (_, out, err) = ran("id -u; id -g; grep CapEff /proc/self/status", |b| (b.uid, b.gid) = (1000, 1001));
    assert_eq!(out, "1000\n1001\nCapEff:\t0000000000000000\n", "{err}");
}

#[test]
fn paths_are_masked_and_read_only() {
    let script = "cat /proc/kcore | dd bs=1 count=1 2>/dev/null | grep -c .; touch /proc/sys/kernel/x 2>&1; \
                  echo 1 > /proc/sys/kernel/panic; touch /sys/x; echo end";
    let (_, out, err) = ran(script, |_| ());
    assert!(out.starts_with("0\n") && out.ends_with("end\n"), "{out}");
    assert!(err.contains("Read-only file system"), "{out}{err}");
}

#[test]
fn the_image_stays_as_it_is() {
    let layer = busybox();
    let ground = Ground::new(&shell(layer.path(), "touch /new && rm /bin/cat && echo done"));
    std::os::unix::fs::symlink("busybox", layer.path().join("bin/rm")).expect("link");
    assert_eq!(text(&ground.run()), "done\n");
    assert!(!layer.path().join("new").exists() && layer.path().join("bin/cat").exists());
}

#[test]
fn memory_over_the_limit_is_killed() {
    let (code, _, err) =
        ran("dd if=/dev/zero of=/dev/null bs=200M count=1", |b| b.memory_bytes = Some(32 << 20));
    assert_eq!(code, 137, "{err}");
}

#[test]
fn a_life_step_by_step() {
    let layer = busybox();
    let ground = Ground::new(&shell(layer.path(), "sleep 60"));
    let bundle = ground.bundle().display().to_string();
    let status = || {
        let state: serde_json::Value =
            serde_json::from_slice(&ground.tarec(&["state", &ground.id]).stdout).expect("state");
        state["status"].as_str().expect("status").to_owned()
    };
    // No pipe of ours may be inherited by the container, or `output` would wait for its end.
    let quiet = |args: &[&str]| {
        let root = ground.bundle().parent().expect("parent").join("states");
        let mut command = std::process::Command::new(crate::support::TAREC);
        let null = std::process::Stdio::null;
        let command = command.arg("--root").arg(root).args(args).stdout(null()).stderr(null());
        assert!(command.status().expect("tarec").success(), "{args:?}");
    };
    quiet(&["create", "--bundle", &bundle, &ground.id]);
    assert_eq!(status(), "created");
    let again = ground.tarec(&["create", "--bundle", &bundle, &ground.id]);
    assert!(errors(&again).contains("exists already"), "{}", errors(&again));
    quiet(&["start", &ground.id]);
    assert_eq!(status(), "running");
    assert!(errors(&ground.tarec(&["start", &ground.id])).contains("is running"));
    assert!(errors(&ground.tarec(&["delete", &ground.id])).contains("has to be stopped"));
    quiet(&["kill", &ground.id, "KILL"]);
    let stopped = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        status() == "stopped"
    });
    assert!(stopped, "still {}", status());
    quiet(&["delete", &ground.id]);
    assert_eq!(ground.left(), Vec::<String>::new());
}

#[test]
fn a_bad_config_is_named_by_field_and_leaves_nothing() {
    let layer = busybox();
    let good = serde_json::to_value(shell(layer.path(), "true").config()).expect("json");
    let cases = [
        ("/process/args", serde_json::json!([]), "process.args"),
        ("/process/cwd", serde_json::json!("here"), "process.cwd"),
        ("/linux/namespaces/0/type", serde_json::json!("galaxy"), "linux.namespaces[0].type"),
        ("/linux/namespaces/1/type", serde_json::json!("pid"), "linux.namespaces[1]"),
        ("/mounts/0/destination", serde_json::json!("/a/../../etc"), "mounts[0].destination"),
        ("/hooks", serde_json::json!({"prestart": [{"path": "true"}]}), "hooks.prestart[0].path"),
        ("/ociVersion", serde_json::json!("9"), "ociVersion"),
        (
            "/linux/seccomp/architectures",
            serde_json::json!(["SCMP_ARCH_VAX"]),
            "linux.seccomp.architectures[0]",
        ),
    ];
    for (pointer, value, field) in cases {
        let ground = Ground::new(&shell(layer.path(), "true"));
        let mut config = good.clone();
        match config.pointer_mut(pointer) {
            Some(field) => *field = value,
            None => config[&pointer[1..]] = value,
        }
        std::fs::write(ground.bundle().join("config.json"), config.to_string()).expect("config");
        let output = ground.run();
        assert_eq!(output.status.code(), Some(1), "{pointer}");
        assert!(errors(&output).contains(field), "{field} is not named in {}", errors(&output));
        assert_eq!(ground.left(), Vec::<String>::new());
    }
}

#[test]
fn a_link_for_proc_is_refused() {
    let layer = busybox();
    std::fs::remove_dir(layer.path().join("proc")).expect("remove");
    std::os::unix::fs::symlink("/tmp", layer.path().join("proc")).expect("link");
    let output = Ground::new(&shell(layer.path(), "true")).run();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("no link may lead to /proc"), "{}", errors(&output));
}

#[test]
fn a_mount_over_a_link_stays_inside() {
    let layer = busybox();
    let outside = tempfile::tempdir().expect("folder");
    std::os::unix::fs::symlink(outside.path(), layer.path().join("out")).expect("link");
    let mut bundle = shell(layer.path(), "touch /out/seen; echo done");
    let shared = tempfile::tempdir().expect("folder");
    bundle.mounts.push((shared.path().to_owned(), "/out/here".into()));
    let output = Ground::new(&bundle).run();
    assert!(errors(&output).contains("open /out"), "{}", errors(&output));
    assert_eq!(std::fs::read_dir(outside.path()).expect("folder").count(), 0, "something was made outside");
}
