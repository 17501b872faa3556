//! Attacks that runtimes have met. `scripts/prove-guards` takes each guard out and shows that its test then fails.

use crate::support::{Ground, TAREC, busybox, errors, shell, text};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// A bundle over `layer` whose config was changed.
pub fn ground(layer: &Path, script: &str, change: impl FnOnce(&mut Value)) -> Ground {
    let bundle = shell(layer, script);
    let mut config = serde_json::to_value(bundle.config()).expect("json");
    let ground = Ground::new(&bundle);
    change(&mut config);
    std::fs::write(ground.bundle().join("config.json"), config.to_string()).expect("config");
    ground
}

/// Runs `script` of sh outside, with $TAREC, $ROOT, $BUNDLE and $ID.
pub fn outside(ground: &Ground, script: &str) -> Output {
    let root = ground.bundle().parent().expect("parent").join("states");
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("TAREC", TAREC).env("ROOT", root);
    command.env("BUNDLE", ground.bundle()).env("ID", &ground.id).output().expect("sh")
}

pub fn refused(ground: &Ground, output: &Output, words: &str) {
    assert_ne!(output.status.code(), Some(0), "{}", text(output));
    assert!(errors(output).contains(words), "{words:?} is not in {:?}{:?}", text(output), errors(output));
    assert_eq!(ground.left(), Vec::<String>::new());
}

/// CVE-2019-5736: /proc/self/exe of the init is the runtime's binary until the exec is done.
#[test]
fn the_runtime_is_not_executed_from_inside() {
    let before = std::fs::read(TAREC).expect("tarec");
    let layer = busybox();
    let script = layer.path().join("bin/script");
    std::fs::write(&script, "#!/proc/self/exe\n").expect("script");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("mode");
    symlink("/proc/self/exe", layer.path().join("bin/linked")).expect("link");
    std::fs::write(layer.path().join("bin/twice"), "#!/bin/script\n").expect("script");
    std::fs::set_permissions(layer.path().join("bin/twice"), PermissionsExt::from_mode(0o755)).expect("mode");
    for program in ["/proc/self/exe", "/bin/script", "/bin/linked", "/bin/twice", "script"] {
        let ground = ground(layer.path(), "", |c| c["process"]["args"] = json!([program, "--version"]));
        let output = ground.run();
        refused(&ground, &output, "magic link");
    }
    assert!(std::fs::read(TAREC).expect("tarec") == before, "the binary was changed");
}

/// CVE-2016-9962, CVE-2019-5736: nobody who shares the pid namespace may open the files of a process that is still the
/// runtime, unless the kernel lets it trace everything.
#[test]
fn nobody_sees_into_an_init_before_its_exec() {
    let layer = busybox();
    let ground = ground(layer.path(), "sleep 60", |_| ());
    // Its standard streams go nowhere, or we would wait for its end.
    let made = outside(
        &ground,
        r#""$TAREC" --root "$ROOT" create --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID" </dev/null >/dev/null 2>&1
           setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace readlink "/proc/$(cat "$BUNDLE/pid")/exe"
           echo "code $?""#,
    );
    let gone = ground.tarec(&["delete", "--force", &ground.id]);
    assert!(gone.status.success(), "{}", errors(&gone));
    assert_eq!(text(&made), "code 1\n", "{}", errors(&made));
}

/// CVE-2024-21626: a folder of the host that the caller left open, as working directory.
#[test]
fn an_open_folder_of_the_host_is_no_working_directory() {
    let secrets = tempfile::tempdir().expect("folder");
    std::fs::write(secrets.path().join("secret"), "of the host").expect("secret");
    let layer = busybox();
    symlink("/proc/self/fd/9", layer.path().join("cwd")).expect("link");
    for cwd in ["/proc/self/fd/9", "/proc/self/fd/9/..", "/cwd", "/proc/thread-self/fd/9"] {
        let ground = ground(layer.path(), "cat secret; ls; pwd", |c| c["process"]["cwd"] = json!(cwd));
        let run = format!(
            "exec 9<'{}'; exec \"$TAREC\" --root \"$ROOT\" run --bundle \"$BUNDLE\" \"$ID\"",
            secrets.path().display()
        );
        let output = outside(&ground, &run);
        assert!(!text(&output).contains("of the host"), "{cwd}: {}", text(&output));
        refused(&ground, &output, "process.cwd");
    }
}

/// Nothing but the standard streams reaches the workload (CVE-2016-9962, CVE-2024-21626).
#[test]
fn no_descriptor_is_left_open() {
    let layer = busybox();
    let script = "for f in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && echo $f; done; echo end";
    let ground = ground(layer.path(), script, |_| ());
    let run = "exec 7</etc 8</proc 9</; exec \"$TAREC\" --root \"$ROOT\" run --bundle \"$BUNDLE\" \"$ID\" </dev/null";
    let output = outside(&ground, run);
    assert_eq!(text(&output), "end\n", "{}", errors(&output));
}

/// CVE-2025-31133: masking with a /dev/null that is the image's own.
#[test]
fn a_false_null_device_masks_nothing() {
    let layer = busybox();
    std::fs::write(layer.path().join("etc/writable"), "x").expect("file");
    for false_null in ["link", "file"] {
        let null = layer.path().join("dev/null");
        let _ = std::fs::remove_file(&null);
        match false_null {
            "link" => symlink("/etc/writable", &null).expect("link"),
            _ => std::fs::write(&null, "x").expect("file"),
        }
        let ground = ground(layer.path(), "echo pwned > /proc/kcore; cat /etc/writable", |c| {
            let mounts = c["mounts"].as_array_mut().expect("mounts");
            mounts.retain(|m| !m["destination"].as_str().is_some_and(|d| d.starts_with("/dev")));
        });
        let output = ground.run();
        refused(&ground, &output, "not the null device");
    }
}

/// CVE-2019-16884, CVE-2025-52881: files of a volume on /proc instead of the kernel's.
#[test]
fn a_false_proc_swallows_nothing() {
    let volume = tempfile::tempdir().expect("folder");
    std::fs::create_dir_all(volume.path().join("self")).expect("folder");
    std::fs::create_dir_all(volume.path().join("sys/kernel")).expect("folder");
    let (score, domain) =
        (volume.path().join("self/oom_score_adj"), volume.path().join("sys/kernel/domainname"));
    std::fs::write(&score, "false").expect("file");
    std::fs::write(&domain, "false").expect("file");
    let layer = busybox();
    let ground = ground(layer.path(), "sleep 60", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.retain(|m| m["destination"] != "/proc");
        mounts.insert(
            0,
            json!({"destination": "/proc", "type": "bind", "source": volume.path(), "options": ["bind"]}),
        );
        c["process"]["oomScoreAdj"] = json!(500);
        c["linux"]["sysctl"] = json!({"kernel.domainname": "told.to.the.kernel"});
        c["linux"]["maskedPaths"] = json!([]);
        c["linux"]["readonlyPaths"] = json!([]);
    });
    let made = outside(
        &ground,
        r#""$TAREC" --root "$ROOT" create --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID" </dev/null >"$BUNDLE/said" 2>&1
           code=$?; cat "$BUNDLE/said"; [ $code = 0 ] || exit $code
           pid=$(cat "$BUNDLE/pid"); cat /proc/$pid/oom_score_adj
           nsenter --target $pid --uts cat /proc/sys/kernel/domainname"#,
    );
    ground.tarec(&["delete", "--force", &ground.id]);
    assert_eq!(text(&made), "500\ntold.to.the.kernel\n", "{}", errors(&made));
    let read = |p| std::fs::read_to_string(p).expect("file");
    assert_eq!((read(score), read(domain)), ("false".into(), "false".into()), "the volume was written to");
}

/// CVE-2021-30465: the place of a mount is exchanged for a link while the container starts.
#[test]
fn a_link_exchanged_for_a_folder_leads_nowhere() {
    let (layer, host) = (busybox(), tempfile::tempdir().expect("folder"));
    let volume = tempfile::tempdir().expect("folder");
    std::fs::create_dir_all(host.path().join("vol")).expect("folder");
    let root = layer.path();
    std::fs::create_dir(root.join("folder")).expect("folder");
    symlink(host.path(), root.join("link")).expect("link");
    symlink(format!("../../../../../../..{}", host.path().display()), root.join("climb")).expect("link");
    std::fs::create_dir(root.join("at")).expect("folder");
    let (stop, mut good) = (std::sync::atomic::AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let other = ["folder", "link", "climb"][n % 3];
                // RENAME_EXCHANGE: there is always something at `at`.
                let (old, new) = (root.join("at"), root.join(other));
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, old, rustix::fs::CWD, new, flags)
                    .expect("exchange");
                n += 1;
            }
        });
        for _ in 0..60 {
            let ground = ground(root, "touch /at/vol/seen", |c| {
                // No overlay: the very tree that is being changed.
                c["annotations"] = json!({});
                c["root"]["path"] = json!(root);
                for name in ["vol/a", "vol/b", "vol/c"] {
                    c["mounts"].as_array_mut().expect("mounts").push(
                        json!({"destination": format!("/at/{name}"), "type": "bind", "source": volume.path(), "options": ["bind"]}),
                    );
                }
            });
            good += usize::from(ground.run().status.success());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let seen = std::fs::read_dir(host.path().join("vol")).expect("folder").count();
    assert_eq!(seen, 0, "something was made or mounted outside; {good} starts went well");
}

/// Verbs with ids that climb.
#[test]
fn an_id_leads_to_no_other_folder() {
    let layer = busybox();
    let ground = ground(layer.path(), "true", |_| ());
    let states = ground.bundle().parent().expect("parent").join("states");
    assert!(ground.run().status.success());
    // Never a folder that matters: without the guard it is removed.
    let other = tempfile::tempdir().expect("folder");
    let absolute = other.path().display().to_string();
    for id in ["../bundle", "..", ".", "a/../../bundle", &absolute, ""] {
        for verb in
            [vec!["delete", "--force", id], vec!["state", id], vec!["kill", id, "KILL"], vec!["start", id]]
        {
            let output = ground.tarec(&verb);
            assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", errors(&output));
        }
        let made = ground.tarec(&["create", "--bundle", &ground.bundle().display().to_string(), id]);
        assert!(errors(&made).contains("is not valid"), "{id:?}: {}", errors(&made));
    }
    assert!(ground.bundle().join("config.json").exists() && other.path().exists());
    assert_eq!(
        std::fs::metadata(states).expect("states").mode() & 0o777,
        0o700,
        "others can read the states"
    );
}

/// A config that is no file, or too much of one.
#[test]
fn a_config_that_never_ends_is_refused() {
    let layer = busybox();
    let big = json!({"ociVersion": "1.0.2", "x": "y".repeat(10 << 20)}).to_string();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, words) in [
        ("device", "regular file"),
        ("pipe", "regular file"),
        ("big", "is larger than"),
        ("deep", "mounts[0][0]"),
    ] {
        let ground = ground(layer.path(), "true", |_| ());
        let config = ground.bundle().join("config.json");
        match what {
            "big" => std::fs::write(&config, &big).expect("config"),
            "deep" => std::fs::write(&config, format!("{{\"mounts\": {deep}}}")).expect("config"),
            _ => {
                std::fs::remove_file(&config).expect("remove");
                match what {
                    "device" => symlink("/dev/zero", &config).expect("link"),
                    _ => nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRWXU).expect("pipe"),
                }
            }
        }
        let output =
            outside(&ground, r#"exec timeout 20 "$TAREC" --root "$ROOT" run --bundle "$BUNDLE" "$ID""#);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", errors(&output));
        refused(&ground, &output, words);
    }
    let ground = ground(layer.path(), "true", |c| {
        c["annotations"] = json!({});
        c["root"]["path"] = json!("/dev/null");
    });
    let output = ground.run();
    refused(&ground, &output, "root.path");
}

/// What is in use is not taken, and a start that fails removes nothing of others.
#[test]
fn the_cgroup_of_another_container_is_not_taken() {
    let layer = busybox();
    let first = ground(layer.path(), "sleep 60", |_| ());
    let path = format!("/{}", first.id);
    let made = outside(
        &first,
        r#"exec "$TAREC" --root "$ROOT" run --detach --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1"#,
    );
    assert!(made.status.success());
    let second = ground(layer.path(), "true", |c| c["linux"]["cgroupsPath"] = json!(path));
    let output = second.run();
    let state: Value = serde_json::from_slice(&first.tarec(&["state", &first.id]).stdout).expect("state");
    first.tarec(&["delete", "--force", &first.id]);
    refused(&second, &output, "has processes already");
    assert_eq!(state["status"], "running", "the first one was ended");
}
