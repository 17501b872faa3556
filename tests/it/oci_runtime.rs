//! runtime.md of the runtime-spec: state, life cycle, operations; and the hooks of config.md.

use crate::support::oci::{Oci, eventually, refuses};
use crate::support::{TAREC, errors, shell, text};
use serde_json::{Value, json};

/// Holds: runtime.state, runtime.state.annotations
#[test]
fn the_state_has_all_its_properties() {
    let oci = Oci::new("sleep 60", |c| c["annotations"] = json!({"com.example.k": "v"})).started();
    let state = oci.state();
    let version: String = serde_json::from_value(state["ociVersion"].clone()).expect("ociVersion");
    assert!(version.starts_with("1."), "{state}");
    assert_eq!(state["id"], oci.id());
    assert_eq!(state["status"], "running");
    assert_eq!(state["bundle"], oci.ground.bundle().canonicalize().expect("bundle").display().to_string());
    assert_eq!(state["annotations"], json!({"com.example.k": "v"}));
    let pid = state["pid"].as_i64().expect("pid");
    eventually("the process", || {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("process").starts_with("sh\0-c\0sleep")
            || std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("process") == "sleep\n"
    });
}

/// Holds: runtime.lifecycle.create-runs-nothing, runtime.create.status, runtime.create.config-fixed, runtime.start
#[test]
fn create_runs_nothing_and_fixes_the_config() {
    let oci = Oci::new("echo first", |_| ());
    oci.create().expect("create");
    assert_eq!((oci.status().as_str(), oci.said().as_str()), ("created", ""));
    let other = shell(oci.layer.path(), "echo second").config();
    oci.write(&serde_json::to_string(&other).expect("json"));
    oci.quiet(&["start"], &[]).expect("start");
    oci.becomes("stopped");
    assert_eq!(oci.said(), "first\n");
    assert_eq!(oci.state()["pid"], 0);
}

/// Holds: runtime.create.unique, runtime.create.id-valid, runtime.create.needs-bundle, runtime.delete.id-free
#[test]
fn an_id_is_taken_once_at_a_time() {
    let oci = Oci::new("sleep 60", |_| ()).started();
    let taken = oci.create().expect_err("must fail");
    assert!(taken.contains("exists already"), "{taken}");
    assert_eq!(oci.status(), "running");
    oci.quiet(&["delete", "--force"], &[]).expect("delete");
    oci.create().expect("its id is free again");
    for bad in ["../x", "a/b", "", ".hidden", "a\nb"] {
        let output = oci.command(&["create", "--bundle", &oci.bundle(), bad]).output().expect("tarec");
        assert!(!output.status.success() && errors(&output).contains("id"), "{bad:?}: {}", errors(&output));
    }
    let output = oci.command(&["create", "--bundle", "/no/such/bundle", "other"]).output().expect("tarec");
    assert!(errors(&output).contains("/no/such/bundle"), "{}", errors(&output));
}

/// Holds: runtime.ops.need-id, runtime.ops.unknown-id
#[test]
fn every_operation_needs_a_container() {
    let oci = Oci::new("true", |_| ());
    for verb in ["state", "create", "start", "kill", "delete", "pause", "resume", "events", "ps", "exec"] {
        let output = oci.command(&[verb]).output().expect("tarec");
        assert_eq!(output.status.code(), Some(2), "{verb}: {}", errors(&output));
    }
    for verb in ["state", "start", "kill", "delete", "pause", "resume", "events", "ps"] {
        let output = oci.command(&[verb, "nobody"]).output().expect("tarec");
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert!(errors(&output).contains("container nobody does not exist"), "{verb}: {}", errors(&output));
    }
}

/// Holds: runtime.start.twice, runtime.kill, runtime.kill.not-running, runtime.delete.running, runtime.delete
#[test]
fn operations_fit_the_state() {
    let oci = Oci::new("trap 'echo got; exit 3' USR1; echo up; while true; do sleep 0.02; done", |_| ());
    oci.create().expect("create");
    let why = oci.quiet(&["delete"], &[]).expect_err("created");
    assert!(why.contains("has to be stopped"), "{why}");
    oci.quiet(&["start"], &[]).expect("start");
    let why = oci.quiet(&["start"], &[]).expect_err("started already");
    assert!(why.contains("is running"), "{why}");
    let why = oci.quiet(&["delete"], &[]).expect_err("running");
    assert!(why.contains("has to be stopped"), "{why}");
    eventually("up", || oci.said().contains("up"));
    oci.quiet(&["kill"], &["USR1"]).expect("kill");
    oci.becomes("stopped");
    assert_eq!(oci.said(), "up\ngot\n");
    let why = oci.quiet(&["kill"], &["KILL"]).expect_err("stopped");
    assert!(why.contains("container not running"), "{why}");
    let why = oci.quiet(&["start"], &[]).expect_err("stopped");
    assert!(why.contains("is stopped"), "{why}");
    oci.quiet(&["delete"], &[]).expect("delete");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

/// Holds: runtime.delete.only-own
#[test]
fn what_others_have_made_stays_when_a_container_is_deleted() {
    let mut holder =
        std::process::Command::new("unshare").args(["--net", "sleep", "60"]).spawn().expect("unshare");
    let network = std::path::PathBuf::from(format!("/proc/{}/ns/net", holder.id()));
    let ours = std::fs::read_link("/proc/self/ns/net").expect("namespace");
    eventually("a network of its own", || std::fs::read_link(&network).is_ok_and(|n| n != ours));
    let theirs = tempfile::tempdir().expect("folder");
    std::fs::write(theirs.path().join("f"), "theirs").expect("write");
    let oci = Oci::new("sleep 60", |c| {
        for n in c["linux"]["namespaces"].as_array_mut().expect("namespaces") {
            if n["type"] == "network" {
                n["path"] = json!(network);
            }
        }
        let mount =
            json!({"destination": "/mnt", "type": "bind", "source": theirs.path(), "options": ["rbind"]});
        c["mounts"].as_array_mut().expect("mounts").push(mount);
    })
    .started();
    oci.quiet(&["exec"], &["cat", "/mnt/f"]).expect("exec");
    assert_eq!(oci.said(), "theirs");
    let init = oci.state()["pid"].as_i64().expect("pid");
    let joined = std::fs::read_link(format!("/proc/{init}/ns/net")).expect("namespace");
    assert_eq!(joined, std::fs::read_link(&network).expect("namespace"));
    oci.quiet(&["delete", "--force"], &[]).expect("delete");
    assert_eq!(std::fs::read_to_string(theirs.path().join("f")).expect("there"), "theirs");
    assert!(holder.try_wait().expect("wait").is_none(), "who shared its network was ended");
    assert_eq!(std::fs::read_link(&network).expect("still there"), joined);
    holder.kill().and_then(|()| holder.wait()).expect("ended");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

/// Holds: runtime.errors.leave-nothing
#[test]
fn a_create_that_fails_leaves_nothing() {
    let oci = Oci::new("true", |c| c["process"]["cwd"] = json!("/no/such/folder"));
    let why = oci.create().expect_err("must fail");
    assert!(why.contains("process.cwd"), "{why}");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

/// A hook that appends a word, its state and what it sees of the host to `log`.
fn hook(word: &str, log: &std::path::Path) -> Value {
    let script = format!(
        "read state; echo \"{word} $(test -e /etc/only-inside && echo inside || echo outside) \
        $(readlink /proc/self/ns/uts) $state\" >> {}",
        log.display()
    );
    json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}])
}

/// Holds: config.hooks.order, config.hooks.state, config.hooks.namespaces, runtime.hooks.prestart, runtime.hooks.createRuntime, runtime.hooks.createContainer, runtime.hooks.startContainer, runtime.hooks.poststart, runtime.hooks.poststop
#[test]
fn all_six_kinds_of_hooks_are_run_where_and_when_they_should() {
    let logs = tempfile::tempdir().expect("folder");
    let log = logs.path().join("log");
    let oci = Oci::new("echo main >> /logs/log; sleep 60", |c| {
        for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            c["hooks"][kind] = hook(kind, &log);
        }
        c["hooks"]["startContainer"] = hook("startContainer", std::path::Path::new("/logs/log"));
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({"destination": "/logs", "source": logs.path(), "options": ["bind"]}));
    });
    // The hook in the container is one of its programs.
    std::fs::write(oci.layer.path().join("etc/only-inside"), "").expect("file");
    std::os::unix::fs::symlink("busybox", oci.layer.path().join("bin/readlink")).expect("link");
    oci.create().expect("create");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    let created = read();
    let words =
        |text: &str| text.lines().map(|l| l.split(' ').next().expect("word").to_owned()).collect::<Vec<_>>();
    assert_eq!(words(&created), ["prestart", "createRuntime", "createContainer"], "{created}");
    let pid = oci.state()["pid"].clone();
    oci.quiet(&["start"], &[]).expect("start");
    eventually("main", || read().contains("main"));
    let main_uts = std::fs::read_link(format!("/proc/{pid}/ns/uts")).expect("namespace");
    oci.quiet(&["delete", "--force"], &[]).expect("delete");
    let all = read();
    let mut order = words(&all);
    // The process and poststart begin at the same time.
    let main = order.iter().position(|w| w == "main").expect("main");
    order.remove(main);
    assert_eq!(
        order,
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    );
    assert!(main > 3, "{all}");
    let host_uts = std::fs::read_link("/proc/self/ns/uts").expect("namespace");
    for line in all.lines().filter(|l| *l != "main") {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let (status, place, uts) = match parts[0] {
            "prestart" | "createRuntime" => ("creating", "outside", &host_uts),
            "createContainer" => ("creating", "outside", &main_uts),
            "startContainer" => ("created", "inside", &main_uts),
            "poststart" => ("running", "outside", &host_uts),
            _ => ("stopped", "outside", &host_uts),
        };
        let state: Value = serde_json::from_str(parts[3]).expect("state");
        assert_eq!(parts[1..3], [place, &uts.to_string_lossy()], "{line}");
        assert_eq!(
            (state["status"].as_str(), state["id"].as_str()),
            (Some(status), Some(oci.id())),
            "{line}"
        );
        let expected = if status == "stopped" { json!(0) } else { pid.clone() };
        assert_eq!(state["pid"], expected, "{line}");
    }
}

/// Holds: config.hooks.timeout, config.hooks.failure
#[test]
fn a_hook_that_fails_or_hangs_ends_the_start() {
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"] {
        refuses(&format!("hooks.{kind}[0]"), |c| {
            c["hooks"][kind] = json!([{"path": "/bin/false"}]);
            if kind == "startContainer" {
                c["hooks"][kind] = json!([{"path": "/bin/no-such-program"}]);
            }
            c["process"]["args"] = json!(["sleep", "60"]);
        });
    }
    refuses("hooks.createRuntime[0] (/bin/sleep): did not end within its timeout of 1 s", |c| {
        c["hooks"]["createRuntime"] = json!([{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]);
    });
    refuses("hooks.poststop[0].timeout", |c| {
        c["hooks"]["poststop"] = json!([{"path": "/bin/true", "timeout": 0}])
    });
    refuses("hooks.prestart[0].path", |c| c["hooks"]["prestart"] = json!([{"path": "bin/true"}]));
}

/// Holds: config.hooks.failure
#[test]
fn a_start_container_hook_that_fails_ends_start_and_container() {
    let oci =
        Oci::new("sleep 60", |c| c["hooks"]["startContainer"] = json!([{"path": "/bin/no-such-program"}]));
    oci.create().expect("create");
    let why = oci.quiet(&["start"], &[]).expect_err("must fail");
    assert!(why.contains("hooks.startContainer[0]"), "{why}");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

/// Holds: runtime.lifecycle.poststart-failure
#[test]
fn a_poststart_hook_that_fails_ends_start_and_container() {
    let dir = tempfile::tempdir().expect("folder");
    let mark = dir.path().join("mark");
    let oci = Oci::new("echo up; sleep 60", |c| {
        c["hooks"]["poststart"] = json!([{"path": "/bin/false"}]);
        c["hooks"]["poststop"] = json!([{"path": "/bin/touch", "args": ["touch", mark]}]);
    });
    oci.create().expect("create");
    assert!(!mark.exists(), "nothing has ended");
    let why = oci.quiet(&["start"], &[]).expect_err("must fail");
    assert!(why.contains("hooks.poststart[0]"), "{why}");
    assert!(mark.exists(), "poststop hooks are run");
    assert_eq!(oci.ground.left(), Vec::<String>::new());
}

/// Holds: config.hooks.failure-poststop
#[test]
fn after_a_hook_that_fails_those_of_the_end_are_run() {
    for kind in ["prestart", "createRuntime", "createContainer", "poststart"] {
        let dir = tempfile::tempdir().expect("folder");
        let mark = dir.path().join("mark");
        refuses(&format!("hooks.{kind}[0]"), |c| {
            c["hooks"][kind] = json!([{"path": "/bin/false"}]);
            c["hooks"]["poststop"] = json!([{"path": "/bin/touch", "args": ["touch", mark]}]);
            c["process"]["args"] = json!(["sleep", "60"]);
        });
        assert!(mark.exists(), "{kind}");
    }
}

/// Holds: config.hooks.poststop-failure
#[test]
fn a_poststop_hook_that_fails_is_a_warning() {
    let oci =
        Oci::new("true", |c| c["hooks"]["poststop"] = json!([{"path": "/bin/false"}, {"path": "/bin/true"}]));
    let (code, _, err) = oci.run();
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("warning") && err.contains("hooks.poststop[0]"), "{err}");
}

/// A container whose cgroup nobody outside knows is in the hierarchies of cpu, the freezer and pids only once they are
/// needed; whoever waits for its end removes them all the same.
#[test]
fn hierarchies_joined_late_go_with_the_container() {
    let oci = Oci::new("sleep 60", |config| {
        config["linux"].as_object_mut().expect("linux").remove("cgroupsPath");
    });
    let mut run = oci.command(&["run", "--bundle", &oci.bundle(), oci.id()]).spawn().expect("run");
    eventually("state", || oci.verb(&["state"], &[]).status.success());
    oci.becomes("running");
    let folders = || {
        let all = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|e| e.path());
        all.filter(|h| h.join(oci.id()).is_dir()).count()
    };
    let before = folders();
    oci.quiet(&["pause"], &[]).expect("pause");
    assert_eq!(oci.status(), "paused");
    oci.quiet(&["resume"], &[]).expect("resume");
    oci.quiet(&["update", "--cpu-shares", "512"], &[]).expect("update");
    let stats = oci.verb(&["events", "--stats"], &[]).stdout;
    let stats: Value = serde_json::from_slice(&stats).expect("events");
    assert!(stats["data"]["pids"]["current"].as_u64() >= Some(1), "{stats}");
    assert!(folders() >= before, "{before}");
    oci.quiet(&["kill"], &["KILL"]).expect("kill");
    assert_eq!(run.wait().expect("wait").code(), Some(137));
    assert_eq!(folders(), 0);
}

/// With a pid namespace of its own and in the caller's.
#[test]
fn a_run_that_is_to_die_with_its_parent_does_so_and_leaves_nothing() {
    for own_pids in [true, false] {
        let oci = Oci::new("sleep 4171.5; true", |c| {
            if !own_pids {
                let all = c["linux"]["namespaces"].as_array_mut().expect("namespaces");
                all.retain(|n| n["type"] != "pid");
            }
        });
        let run = |flags: &str| {
            format!(
                "{TAREC} --root {} run {flags} --bundle {} {} & wait",
                oci.states().display(),
                oci.bundle(),
                oci.id()
            )
        };
        let start = |flags: &str| {
            let child = std::process::Command::new("sh").args(["-c", &run(flags)]).spawn().expect("sh");
            eventually("it runs", || text(&oci.verb(&["state"], &[])).contains("running"));
            child
        };
        let end = |mut parent: std::process::Child| {
            parent.kill().expect("kill -9");
            parent.wait().expect("wait");
        };
        // Without the flag it goes on, as in other runtimes.
        end(start(""));
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(oci.status(), "running");
        let pid = oci.state()["pid"].as_i64().expect("pid");
        oci.quiet(&["delete", "--force"], &[]).expect("delete");
        eventually("the other run has ended", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
        end(start("--die-with-parent"));
        eventually("nothing is left", || !oci.states().join(oci.id()).exists());
    }
    let oci = Oci::new("true", |_| ());
    let both = oci.verb(&["run", "--die-with-parent", "--detach", "--bundle", &oci.bundle()], &[]);
    assert_eq!(both.status.code(), Some(2), "{}", errors(&both));
}
