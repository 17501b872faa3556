//! Monitors and commands that are killed.

use super::{Ground, exists, kill, until};
use crate::support::text;

fn kill_monitor(ground: &Ground, name: &str) {
    let monitor = ground.pid(name, "ConmonPid");
    kill(monitor);
    until("its death", || !exists(monitor));
}

/// What it waits for. It may end before touch does, which is killed with it then.
fn go_on(ground: &Ground, name: &str) {
    let output = ground.run(&["exec", name, "touch", "/go"]);
    assert!(matches!(output.status.code(), Some(0 | 137)), "{}", crate::support::errors(&output));
}

#[test]
fn a_killed_monitor_is_replaced_and_the_exit_code_is_still_learnt() {
    let ground = Ground::new();
    let script = "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; exit 7";
    for target in ["container", "process"] {
        ground.says(&["run", "-d", "--name", target, "--target", target, "shell", "sh", "-c", script]);
        let (monitor, workload) = (ground.pid(target, "ConmonPid"), ground.pid(target, "Pid"));
        kill(monitor);
        until("its death", || !exists(monitor));
        // ps tells the truth, and has it watched again.
        assert!(ground.says(&["ps"]).contains("Up "), "{target}");
        let next = ground.pid(target, "ConmonPid");
        assert!(next != monitor && exists(next) && ground.pid(target, "Pid") == workload, "{target}");
        go_on(&ground, target);
        assert_eq!(ground.says(&["wait", target]), "7\n", "{target}");
        assert_eq!(ground.says(&["logs", target]), "one\ntwo\n", "{target}");
    }
    ground.says(&["rm", "-a"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn published_ports_and_names_come_back_with_the_next_monitor() {
    let ground = Ground::new();
    let serve = "mkdir /w; echo again >/w/index.html; exec httpd -f -p 80 -h /w";
    let run = ["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "shell", "sh", "-c", serve];
    ground.says(&run);
    let at = ground.says(&["port", "web", "80"]);
    until("a page", || super::network::get(at.trim()).contains("again"));
    kill_monitor(&ground, "web");
    ground.says(&["ps"]);
    until("a page by the next monitor", || super::network::get(at.trim()).contains("again"));
    assert_eq!(ground.says(&["run", "--rm", "shell", "wget", "-qO-", "http://web/"]), "again\n");
}

#[test]
fn nothing_is_left_when_monitor_and_workload_are_killed() {
    let ground = Ground::new();
    let mut ids = Vec::new();
    for (name, more) in [("kept", &[][..]), ("gone", &["--rm"])] {
        let run = [&["run", "-d", "--name", name], more, &["shell", "sleep", "60"]].concat();
        ids.push(ground.says(&run).trim().to_owned());
    }
    for name in ["kept", "gone"] {
        // Read before anything is killed: the next command already sets things right.
        let about = ground.inspect(name);
        for which in ["ConmonPid", "Pid"] {
            let pid = about["State"][which].as_i64().expect("pid") as i32;
            kill(pid);
            until("its death", || !exists(pid));
        }
    }
    let listed = ground.says(&["ps", "-a"]);
    assert!(listed.contains("kept") && !listed.contains("gone") && listed.contains("Exited ("), "{listed}");
    assert_eq!(ground.inspect("kept")["State"]["Running"], false);
    ground.says(&["rm", "kept"]);
    assert_eq!(ground.left(&ids), Vec::<String>::new());
}

#[test]
fn a_killed_command_leaves_its_container_and_rm_is_kept() {
    let ground = Ground::new();
    let script = "echo up; while [ ! -e /go ]; do sleep 0.05; done";
    let mut front = ground.start(&["run", "--rm", "--name", "x", "shell", "sh", "-c", script]);
    until("its first word", || text(&ground.run(&["logs", "x"])) == "up\n");
    let id = ground.inspect("x")["Id"].as_str().expect("id").to_owned();
    front.kill().expect("kill");
    front.wait().expect("reaped");
    assert!(ground.says(&["ps"]).contains("Up "), "it goes on, as podman's do");
    go_on(&ground, "x");
    until("its end", || ground.left(std::slice::from_ref(&id)).is_empty());
}

#[test]
fn a_command_in_the_foreground_whose_monitor_is_killed_still_ends_with_the_exit_code() {
    let ground = Ground::new();
    let script = "echo up; while [ ! -e /go ]; do sleep 0.05; done; exit 9";
    let front = ground.start(&["run", "--name", "x", "shell", "sh", "-c", script]);
    until("its first word", || text(&ground.run(&["logs", "x"])) == "up\n");
    kill_monitor(&ground, "x");
    go_on(&ground, "x");
    let output = front.wait_with_output().expect("end");
    assert_eq!(output.status.code(), Some(9));
}

/// Processes of the ground's containers: monitors, runtimes, and whatever else has its folder among its arguments.
fn of_ground(ground: &Ground) -> Vec<i32> {
    let state = ground.path("state").display().to_string();
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let pids = all.filter_map(|e| e.file_name().to_string_lossy().parse::<i32>().ok());
    pids.filter(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&state)
    })
    .collect()
}

#[test]
fn whatever_is_killed_at_whatever_moment_rm_leaves_nothing() {
    let ground = Ground::new();
    let mut ids = Vec::new();
    for (n, target) in ["container", "process"].into_iter().cycle().take(24).enumerate() {
        let name = format!("k{n}");
        let run = ["run", "-d", "--name", &name, "--target", target, "-p", "127.0.0.1::80", "-v", "/data"];
        let mut command = ground.start(&[&run[..], &["shell", "sleep", "600"]].concat());
        std::thread::sleep(std::time::Duration::from_millis(3 * (n % 16) as u64));
        let _ = command.kill();
        command.wait().expect("reaped");
        // The last eight times the command alone, whose monitor is starting something.
        for pid in of_ground(&ground).into_iter().filter(|_| n < 16) {
            // One that has ended meanwhile is no longer there to be killed.
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        let folders = std::fs::read_dir(ground.path("state")).into_iter().flatten().flatten();
        ids.extend(folders.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.len() == 64));
        let listed = ground.run(&["ps", "-a"]);
        assert!(listed.status.success(), "{n}: {}", crate::support::errors(&listed));
        ground.says(&["rm", "-f", "-a", "-v"]);
        // A volume that was made before its container was: nobody has it.
        ground.says(&["volume", "prune", "-f"]);
        assert_eq!(ground.left(&ids), Vec::<String>::new(), "{n}: killed after {} ms", 3 * (n % 16));
        let tables = std::process::Command::new("nft").args(["list", "tables"]).output().expect("nft");
        let ours = |id: &String| text(&tables).contains(&format!("-{}\n", &id[..12]));
        assert!(!ids.iter().any(ours), "rules are left: {}", text(&tables));
    }
}

/// A runtime that starts nothing before there is a file `go`, and the file that holds its pid from then on.
fn slow_runtime(ground: &Ground) -> (String, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let (slow, pid_file) = (ground.path("slow"), ground.path("slow.pid"));
    let waits = format!("while [ ! -e {} ]; do sleep 0.02; done", ground.path("go").display());
    let at_run = format!("case \"$*\" in *' run '*) echo $$ >{}; {waits} ;; esac", pid_file.display());
    std::fs::write(&slow, format!("#!/bin/sh\n{at_run}\nexec {} \"$@\"\n", crate::support::TAREC))
        .expect("script");
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("mode");
    (slow.display().to_string(), pid_file)
}

fn runtime_at_work(pid_file: &std::path::Path) -> i32 {
    let pid = || std::fs::read_to_string(pid_file).ok()?.trim().parse::<i32>().ok();
    crate::support::oci::eventually("the runtime", || pid().is_some());
    pid().expect("pid")
}

/// Lets the slow runtime go on while this command waits for it.
fn go(ground: &Ground, command: &mut std::process::Child) {
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(command.try_wait().expect("status").is_none(), "it waits");
    std::fs::write(ground.path("go"), "").expect("write");
    assert!(command.wait().expect("end").success());
}

/// A runtime that was at work when its monitor was killed would make a cgroup after all had been removed.
#[test]
fn what_is_left_is_removed_when_the_runtime_that_was_at_work_has_ended() {
    let ground = Ground::new();
    let (slow, pid_file) = slow_runtime(&ground);
    let mut command = ground.start(&["run", "-d", "--runtime", &slow, "shell", "sleep", "600"]);
    let runtime = runtime_at_work(&pid_file);
    let _ = command.kill();
    command.wait().expect("reaped");
    for other in of_ground(&ground).into_iter().filter(|p| *p != runtime) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(other), nix::sys::signal::Signal::SIGKILL);
    }
    go(&ground, &mut ground.start(&["rm", "-f", "-a"]));
    assert!(!exists(runtime), "it was waited for");
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

/// Its folder must not go while its monitor makes more of it.
#[test]
fn what_is_being_started_is_removed_by_force_alone_and_whole() {
    let ground = Ground::new();
    let (slow, pid_file) = slow_runtime(&ground);
    let command = ground.start(&["run", "-d", "--name", "x", "--runtime", &slow, "shell", "sleep", "600"]);
    let runtime = runtime_at_work(&pid_file);
    let id = ground.inspect("x")["Id"].as_str().expect("id").to_owned();
    super::fails(&ground.run(&["rm", "x"]), 2, "being started");
    go(&ground, &mut ground.start(&["rm", "-f", "x"]));
    assert!(!exists(runtime), "it was waited for");
    assert_eq!(ground.left(std::slice::from_ref(&id)), Vec::<String>::new());
    assert!(!command.wait_with_output().expect("end").status.success(), "its container was not started");
    assert_eq!(ground.left(std::slice::from_ref(&id)), Vec::<String>::new());
}

#[test]
fn what_is_being_started_is_stopped_once_it_runs() {
    let ground = Ground::new();
    let (slow, pid_file) = slow_runtime(&ground);
    let script = "trap 'exit 3' TERM; while :; do sleep 0.05; done";
    let run = ["run", "-d", "--name", "x", "--runtime", &slow, "shell", "sh", "-c", script];
    let command = ground.start(&run);
    runtime_at_work(&pid_file);
    super::fails(&ground.run(&["stop", "-t", "0", "x"]), 125, "still being started");
    go(&ground, &mut ground.start(&["stop", "x"]));
    assert!(command.wait_with_output().expect("end").status.success(), "it was started");
    assert_eq!(ground.inspect("x")["State"]["Running"], false);
}

/// Between the folder and its monitor's first word there is a moment, too: its place is taken all the while.
#[test]
fn a_place_that_is_taken_is_waited_for() {
    use rustix::fs::{FlockOperation, flock};
    let ground = Ground::new();
    ground.says(&["create", "--name", "x", "shell", "sleep", "600"]);
    let id = ground.inspect("x")["Id"].as_str().expect("id").to_owned();
    let place = std::fs::File::open(ground.path("state").join(&id).join("monitor.lock")).expect("lock");
    flock(&place, FlockOperation::LockExclusive).expect("locked");
    let mut command = ground.start(&["rm", "-f", "x"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(command.try_wait().expect("status").is_none(), "it waits");
    assert!(ground.path("state").join(&id).join("spec.json").exists());
    drop(place);
    assert!(command.wait().expect("end").success());
    assert_eq!(ground.left(std::slice::from_ref(&id)), Vec::<String>::new());
}
