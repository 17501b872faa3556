//! `create`, `start`, `restart`, `pause`: the life of a container that is longer than one run.

use super::{Ground, exists, fails, kill, until};
use crate::support::text;

#[test]
fn what_was_made_is_started_and_what_has_ended_is_started_again_with_its_files() {
    let ground = Ground::new();
    let mut ids = Vec::new();
    for target in ["container", "process"] {
        let script = "echo run >>/runs; cat /runs; exit 4";
        let make = ["create", "--name", target, "--target", target, "shell", "sh", "-c", script];
        let id = ground.says(&make).trim().to_owned();
        assert_eq!(
            ground.says(&["ps", "-a", "--format", "{{.ID}} {{.Status}}"]),
            format!("{} Created\n", &id[..12])
        );
        assert_eq!(ground.says(&["ps", "-q"]), "", "it does not run");
        fails(&ground.run(&["kill", target]), 125, "can only kill running containers");
        let first = ground.run(&["start", "-a", target]);
        assert_eq!((text(&first).as_str(), first.status.code()), ("run\n", Some(4)), "{target}");
        // What it wrote is there when it starts once more, and its log goes on.
        let second = ground.run(&["start", "--attach", target]);
        assert_eq!((text(&second).as_str(), second.status.code()), ("run\nrun\n", Some(4)), "{target}");
        assert_eq!(ground.says(&["logs", target]), "run\nrun\nrun\n", "{target}");
        assert_eq!(ground.says(&["start", target]), format!("{target}\n"));
        assert_eq!(ground.says(&["wait", target]), "4\n");
        ground.says(&["rm", target]);
        ids.push(id);
    }
    let id = ground.says(&["create", "--name", "never", "shell"]).trim().to_owned();
    assert_eq!(ground.says(&["rm", "never"]), "never\n", "one that never ran needs no force");
    fails(&ground.run(&["start", "never"]), 125, "no such container");
    ground.says(&["create", "--name", "x", "shell", "no-such"]);
    fails(&ground.run(&["start", "x"]), 127, "no-such");
    assert!(ground.says(&["ps", "-a"]).contains("Exited (127)"));
    ground.says(&["rm", "x"]);
    ids.push(id);
    assert_eq!(ground.left(&ids), Vec::<String>::new());
}

#[test]
fn a_restart_is_a_new_process_with_the_same_address_book_and_ports() {
    let ground = Ground::new();
    let serve = "mkdir -p /w; echo page >/w/index.html; trap 'exit 0' TERM; httpd -p 80 -h /w; while :; do sleep 0.05; done";
    ground.says(&["run", "-d", "--name", "web", "-p", "127.0.0.1:18441:80", "shell", "sh", "-c", serve]);
    until("its page", || super::network::get("127.0.0.1:18441").ends_with("page\n"));
    let (before, started) = (ground.pid("web", "Pid"), ground.inspect("web")["State"]["StartedAt"].clone());
    assert_eq!(ground.says(&["start", "web"]), "web\n", "one that runs is no error");
    assert_eq!(ground.pid("web", "Pid"), before);
    assert_eq!(ground.says(&["restart", "web"]), "web\n");
    assert!(ground.pid("web", "Pid") != before && !exists(before));
    assert_ne!(ground.inspect("web")["State"]["StartedAt"], started);
    until("its page", || super::network::get("127.0.0.1:18441").ends_with("page\n"));
    assert_eq!(ground.says(&["run", "--rm", "shell", "wget", "-qO-", "http://web/"]), "page\n");
    ground.says(&["run", "-d", "--rm", "--name", "gone", "shell", "sleep", "60"]);
    fails(&ground.run(&["restart", "gone"]), 125, "--rm");
    ground.says(&["rm", "-f", "web", "gone"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn what_is_paused_stands_still_and_can_still_be_ended() {
    let ground = Ground::new();
    for target in ["container", "process"] {
        let count = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done";
        ground.says(&["run", "-d", "--name", target, "--target", target, "shell", "sh", "-c", count]);
        until("its first words", || !ground.says(&["logs", target]).is_empty());
        fails(&ground.run(&["unpause", target]), 125, "as it is running");
        ground.says(&["pause", target]);
        assert!(ground.says(&["ps"]).contains("(Paused)"), "{target}");
        assert_eq!(ground.says(&["ps", "-q", "--filter", "status=paused"]).lines().count(), 1);
        assert_eq!(ground.inspect(target)["State"]["Status"], "paused");
        fails(&ground.run(&["exec", target, "true"]), 125, "paused");
        fails(&ground.run(&["pause", target]), 125, "as it is paused");
        std::thread::sleep(std::time::Duration::from_millis(300));
        let said = ground.says(&["logs", target]);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(ground.says(&["logs", target]), said, "{target} goes on");
        ground.says(&["unpause", target]);
        until("its next words", || ground.says(&["logs", target]) != said);
        ground.says(&["pause", target]);
        ground.says(&["stop", "-t", "1", target]);
        ground.says(&["rm", target]);
    }
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn a_killed_start_leaves_what_start_and_rm_can_take_up() {
    let ground = Ground::new();
    fails(&ground.run(&["run", "--name", "x", "shell", "sh", "-c", "exit 2"]), 2, "");
    for _ in 0..4 {
        let mut child = ground.start(&["start", "x"]);
        std::thread::sleep(std::time::Duration::from_millis(3));
        let _ = child.kill();
        let _ = child.wait();
    }
    until("its end", || ground.run(&["start", "x"]).status.success());
    until("its end", || ground.says(&["ps", "-a"]).contains("Exited (2)"));
    ground.says(&["run", "-d", "--name", "y", "shell", "sleep", "60"]);
    let (monitor, workload) = (ground.pid("y", "ConmonPid"), ground.pid("y", "Pid"));
    kill(monitor);
    kill(workload);
    until("its death", || !exists(monitor) && !exists(workload));
    assert_eq!(ground.says(&["start", "y"]), "y\n");
    assert!(exists(ground.pid("y", "Pid")));
    ground.says(&["rm", "-f", "x", "y"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}
