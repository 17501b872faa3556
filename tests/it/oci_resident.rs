//! What of the runtime stays beside a running container: nothing, and of a `run` in the foreground next to nothing.

use crate::support::TAREC;
use crate::support::oci::{Oci, eventually};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Processes of the whole host that execute the runtime on behalf of this container: its binary, and the id among their
/// arguments, which a forked helper would have kept.
fn of_the_runtime(oci: &Oci) -> Vec<i32> {
    let own = std::fs::metadata(TAREC).expect("tarec");
    let is_ours = |pid: &i32| {
        let exe = std::fs::metadata(format!("/proc/{pid}/exe"));
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let named = cmdline.split(|b| *b == 0).any(|word| word == oci.id().as_bytes());
        named && exe.is_ok_and(|exe| (exe.dev(), exe.ino()) == (own.dev(), own.ino()))
    };
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
}

#[test]
fn nothing_stays_beside_a_detached_container() {
    let oci = Oci::new("sleep 60", |_| ());
    oci.quiet(&["run", "--detach", "--bundle", &oci.bundle()], &[]).expect("run");
    assert_eq!(oci.status(), "running");
    assert_eq!(of_the_runtime(&oci), Vec::<i32>::new(), "after run --detach");
    oci.quiet(&["exec", "--detach"], &["sleep", "60"]).expect("exec");
    assert_eq!(of_the_runtime(&oci), Vec::<i32>::new(), "after exec --detach");
}

#[test]
fn nothing_but_the_init_stays_after_create() {
    let oci = Oci::new("sleep 60", |_| ());
    oci.create().expect("create");
    let init = oci.state()["pid"].as_i64().expect("pid") as i32;
    assert_eq!(of_the_runtime(&oci), [init], "the init, which is still to execute the workload");
    oci.quiet(&["start"], &[]).expect("start");
    // `start` gives the word and does not wait for the exec.
    eventually("a container without the runtime", || of_the_runtime(&oci).is_empty());
    assert_eq!(oci.status(), "running");
}

#[test]
fn a_run_in_the_foreground_is_one_small_process() {
    let oci = Oci::new("sleep 60", |_| ());
    let run = oci.command(&["run", "--bundle", &oci.bundle(), oci.id()]).spawn();
    let mut run = run.expect("tarec");
    let pid = run.id() as i32;
    let resident_kb = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("number")
    };
    eventually("a state", || oci.states().join(oci.id()).join("state.json").exists());
    eventually("one process", || of_the_runtime(&oci) == [pid]);
    // The debug build, with its larger tables; as released it is 0.6 MB.
    eventually("less than 2 MB", || resident_kb() < 2048);
    oci.quiet(&["kill"], &["KILL"]).expect("kill");
    assert_eq!(run.wait().expect("tarec").code(), Some(137));
}

/// Whenever the runtime is killed: its init does not outlive it before the workload runs, and what is left is found.
#[test]
fn a_runtime_that_is_killed_leaves_what_delete_finds() {
    let oci = Oci::new("sleep 60", |_| ());
    let folders = || {
        let all = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|e| e.path());
        all.map(|h| h.join(oci.id()))
            .chain([Path::new("/sys/fs/cgroup").join(oci.id()), oci.states().join(oci.id())])
            .filter(|d| d.is_dir())
            .count()
    };
    let mut begun = 0;
    for step in 0..40u64 {
        let mut run = oci.command(&["run", "--bundle", &oci.bundle(), oci.id()]).spawn().expect("tarec");
        std::thread::sleep(std::time::Duration::from_micros(step * 500));
        run.kill().expect("kill");
        run.wait().expect("tarec");
        begun += folders();
        eventually("no process of the runtime", || of_the_runtime(&oci).is_empty());
        oci.quiet(&["delete", "--force"], &[]).expect("delete");
        assert_eq!(folders(), 0, "after {step} half milliseconds");
    }
    assert!(begun > 0, "none of them had begun");
}
