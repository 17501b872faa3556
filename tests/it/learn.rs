//! Every lesson, unattended, as a new user would run it: each command does what the text says it does, and nothing stays.

use crate::bench::TAREMARK;
use crate::support::{errors, text};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

fn learn(args: &[&str]) -> std::process::Output {
    learn_in(&std::env::temp_dir(), args)
}

fn learn_in(dir: &Path, args: &[&str]) -> std::process::Output {
    Command::new(TAREMARK).arg("learn").args(args).env("TMPDIR", dir).output().expect("taremark")
}

#[test]
fn every_lesson_does_what_it_says_and_leaves_nothing() {
    let ground = tempfile::tempdir().expect("folder");
    let list = text(&learn(&[]));
    let names: Vec<&str> =
        list.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split(' ').next()).collect();
    assert!(names.len() >= 8, "{list}");
    // What has to be seen in a lesson, so that one that only talks is none.
    let seen = [
        ("image", "all is well"),
        ("container", "I am process 1"),
        ("commands", "Exited ("),
        ("dockerise", "hello, version 2"),
        ("ship", "refused, as it should be"),
        ("image-or-container", "mine"),
        ("container-or-machine", "microvm ("),
        ("choose", "container"),
    ];
    for name in names {
        let output = learn_in(ground.path(), &[name, "--yes"]);
        assert!(output.status.success(), "{name}: {}{}", text(&output), errors(&output));
        let (_, wanted) = seen.iter().find(|s| s.0 == name).expect("a lesson without an expectation");
        assert!(text(&output).contains(wanted), "{name}: {wanted:?} is not in {}", text(&output));
        let prose = |l: &&str| !l.starts_with("    ");
        let wide: Vec<_> = text(&output)
            .lines()
            .filter(prose)
            .filter(|l| l.chars().count() > 80)
            .map(String::from)
            .collect();
        assert!(wide.is_empty(), "{name}: {wide:?}");
    }
    assert!(is_empty(ground.path()) && !works_in(ground.path()));
}

/// Whether a process has the folder in its environment, or a container's of it runs.
fn works_in(dir: &Path) -> bool {
    let all = std::fs::read_dir("/proc").expect("proc").flatten();
    let told = |what: &str, p: &std::fs::DirEntry| std::fs::read(p.path().join(what)).unwrap_or_default();
    let path = dir.as_os_str().as_bytes();
    all.into_iter().any(|p| {
        ["environ", "cmdline"].iter().any(|w| told(w, &p).windows(path.len()).any(|part| part == path))
    })
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).expect("folder").next().is_none()
}

/// Ctrl-C in a terminal goes to the learner and its shell alike; `kill -9` to the learner alone.
#[test]
fn a_lesson_that_is_ended_midway_leaves_nothing() {
    for (signal, to_all) in
        [(nix::libc::SIGINT, true), (nix::libc::SIGTERM, false), (nix::libc::SIGKILL, false)]
    {
        let ground = tempfile::tempdir().expect("folder");
        let mut learner = Command::new(TAREMARK)
            .args(["learn", "commands", "--yes"])
            .env("TMPDIR", ground.path())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("taremark");
        let worker = || {
            let room = std::fs::read_dir(ground.path()).expect("folder").flatten().next();
            room.is_some_and(|room| {
                let state = room.path().join("state");
                let mut ps = Command::new(TAREMARK);
                ps.args(["ps", "-q"]).env("TAREMARK_STATE", state).env("TMPDIR", "/");
                !text(&ps.output().expect("taremark")).is_empty()
            })
        };
        crate::support::oci::eventually("its container runs", worker);
        let pid = i32::try_from(learner.id()).expect("pid");
        let to = nix::unistd::Pid::from_raw(if to_all { -pid } else { pid });
        nix::sys::signal::kill(to, nix::sys::signal::Signal::try_from(signal).expect("signal"))
            .expect("kill");
        assert_eq!(learner.wait().expect("wait").signal(), Some(signal));
        crate::support::oci::eventually("nothing is left", || {
            is_empty(ground.path()) && !works_in(ground.path())
        });
    }
}

/// What it measures with is neither a container nor its child: the session of a bench, with its cgroups and machines.
#[test]
fn a_lesson_that_is_killed_while_it_measures_leaves_no_session() {
    let ground = tempfile::tempdir().expect("folder");
    let mut learner = Command::new(TAREMARK)
        .args(["learn", "container-or-machine", "--yes"])
        .env("TMPDIR", ground.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("taremark");
    let record = || {
        let all = std::fs::read_dir(ground.path()).expect("folder").flatten();
        all.map(|room| room.path().join("work/record/runs.csv")).find(|rows| rows.is_file())
    };
    // A session's scratch folder stands beside the lesson's.
    let sessions = || {
        let all = std::fs::read_dir("/run/taremark").into_iter().flatten().flatten();
        let scratch = all.filter_map(|s| std::fs::read_link(s.path().join("scratch")).ok());
        scratch.filter(|to| to.starts_with(ground.path())).count()
    };
    let from = std::time::Instant::now();
    while record().is_none() || sessions() == 0 {
        assert!(learner.try_wait().expect("wait").is_none(), "it ended before it measured");
        assert!(from.elapsed().as_secs() < 180, "it does not begin to measure");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    learner.kill().expect("kill -9");
    learner.wait().expect("wait");
    crate::support::oci::eventually("nothing is left", || {
        sessions() == 0 && is_empty(ground.path()) && !works_in(ground.path())
    });
}

#[test]
fn a_lesson_whose_command_fails_leaves_nothing() {
    let ground = tempfile::tempdir().expect("folder");
    let (tools, rooms) = (ground.path().join("tools"), ground.path().join("rooms"));
    std::fs::create_dir(&tools).expect("folder");
    std::fs::create_dir(&rooms).expect("folder");
    std::os::unix::fs::symlink("/bin/false", tools.join("sleep")).expect("link");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("PATH"));
    // What comes right after the container's start fails.
    let mut learner = Command::new(TAREMARK);
    learner.args(["learn", "dockerise", "--yes"]).env("TMPDIR", &rooms).env("PATH", path);
    let output = learner.output().expect("taremark");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = errors(&output);
    assert!(told.contains("lesson dockerise: this command ended with code 1: taremark run -d"), "{told}");
    assert!(is_empty(&rooms) && !works_in(&rooms));
}

#[test]
fn the_guard_removes_no_other_folder() {
    let mine = tempfile::tempdir().expect("folder");
    let mut guard = Command::new(TAREMARK);
    guard.args(["learn", "--guard"]).arg(mine.path()).stdin(Stdio::null());
    let output = guard.output().expect("taremark");
    assert!(
        !output.status.success() && errors(&output).contains("no lesson's folder"),
        "{}",
        errors(&output)
    );
    assert!(mine.path().is_dir());
}

#[test]
fn an_unknown_lesson_is_named() {
    let output = learn(&["everything"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("unknown lesson \"everything\": image, container"),
        "{}",
        errors(&output)
    );
}

#[test]
fn commands_are_timed_side_by_side() {
    let output = Command::new(TAREMARK)
        .args(["time", "-n", "5", "--json", "true", "sleep 0.01"])
        .env("NO_TEXT", std::ffi::OsStr::from_bytes(b"\xff"))
        .output()
        .expect("taremark");
    assert!(output.status.success(), "{}", errors(&output));
    let told: serde_json::Value = serde_json::from_str(&text(&output)).expect("JSON");
    let rows = &told["commands"];
    assert!(rows[0]["more_ms"].is_null() && rows[1]["more_ms"].as_f64().is_some_and(|m| m > 3.0), "{rows:?}");
    let missing = Command::new(TAREMARK).args(["time", "no-such-program"]).output().expect("taremark");
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn a_lesson_stands_in_the_report_with_what_it_said_here() {
    let ground = crate::figures::Ground::new();
    let (dir, _) = ground.record("record", &["--runs", "3", "--warmup", "0"]);
    let into = dir.display().to_string();
    let output = learn_in(&ground.path(""), &["image", "--yes", "--into", &into]);
    assert!(output.status.success(), "{}", errors(&output));
    let page = std::fs::read_to_string(dir.join("report.html")).expect("report");
    for word in ["What an image is", "$ taremark image verify", "all is well", "That config and every layer"]
    {
        assert!(page.contains(word), "{word:?} is not in the report");
    }
    let nowhere = learn_in(&ground.path(""), &["image", "--yes", "--into", "/nowhere"]);
    assert_eq!(
        (nowhere.status.code(), text(&nowhere).as_str()),
        (Some(1), ""),
        "told before anything is done"
    );
}

#[test]
fn a_lesson_that_boots_a_machine_says_first_that_a_kernel_is_missing() {
    let empty = tempfile::tempdir().expect("folder");
    let output = Command::new(TAREMARK)
        .args(["learn", "container-or-machine", "--yes"])
        .env("XDG_CACHE_HOME", empty.path())
        .env_remove("TAREMARK_KERNEL")
        .output()
        .expect("taremark");
    let told = errors(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("boots a machine") && told.contains("taremark kernel fetch"), "{told}");
    assert!(text(&output).is_empty(), "{}", text(&output));
}
