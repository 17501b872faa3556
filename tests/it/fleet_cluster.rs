//! A Slurm on which something is wrong: a node that cannot measure, a task that fails and is forgotten, a user without rights.

use crate::support::campaigns::Ground;
use crate::support::slurm::{Setup, wait_for};
use crate::support::{errors, text};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use taremark::record::reader;

/// On the first node the runtime is no program any more.
const BROKEN: Setup = Setup {
    accounts: false,
    forgetful: false,
    before: [concat!("mount --bind /dev/null ", env!("CARGO_BIN_EXE_tarec")), "", "", ""],
};

#[test]
fn a_node_that_cannot_measure_is_drained_and_its_task_runs_elsewhere() {
    let ground = Ground::new(BROKEN);
    let campaign = ground.cluster.path("shards");
    // The first node is the one that Slurm takes first.
    ground.submit(&campaign, ["--shards", "1"]);
    ground.finished(&campaign);
    let nodes = ground.cluster.ask("sinfo", &["-h", "-N", "-o", "%N %t %E"]);
    let first = nodes.lines().find(|l| l.starts_with("n1 ")).expect("n1");
    assert!(first.contains("drain") && first.contains("Prolog"), "{nodes}");
    assert!(nodes.lines().filter(|l| !l.starts_with("n1 ")).all(|l| !l.contains("drain")), "{nodes}");
    let (merged, said) = ground.collect(&campaign);
    assert_eq!((merged.sessions.len(), &merged.head.gaps), (1, &vec![]), "{said}");
    assert_ne!(merged.sessions[0].host_name, "n1");
    // A bench that is bound to that node waits, and is said to.
    let bound = ground.cluster.path("bound");
    ground.submit(&bound, ["--hosts", "n1,n2"]);
    wait_for("the second node's record", 120, || (ground.status(&bound)["host-2"].0 == "done").then_some(()));
    let (state, slurm, runs) = ground.status(&bound)["host-1"].clone();
    assert_eq!((state.as_str(), runs), ("waiting", 0), "{slurm}");
    let output = ground.fleet(&["collect", &shown(&bound), "-o", &shown(&ground.cluster.path("half"))]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("task host-1 on n1 has handed over no record"), "{}", text(&output));
}

/// A task that fails, until the controller has forgotten it; what `fleet status` says then.
fn forgotten(accounts: bool) -> Output {
    let ground = Ground::new(Setup { accounts, forgetful: true, ..Setup::default() });
    let campaign = ground.cluster.path("failing");
    let bench = ["--", "--workload", "nosuch", "--target", "process", "--runs", "2"];
    let output = ground.fleet(&[&["submit", &shown(&campaign), "--hosts", "n2"], &bench[..]].concat());
    assert!(output.status.success(), "{}", errors(&output));
    wait_for("the task's end", 60, || (ground.status(&campaign)["host-1"].0 == "failed").then_some(()));
    wait_for("the controller to forget", 90, || {
        let queue = ground.cluster.ask("squeue", &["-h", "--states=all"]);
        queue.trim().is_empty().then_some(())
    });
    ground.fleet(&["status", &shown(&campaign)])
}

#[test]
fn what_the_controller_forgot_is_in_the_accounts() {
    let output = forgotten(true);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("host-1       failed") && said.contains("FAILED n2"), "{said}");
    assert!(said.contains("0 done, 0 running, 0 waiting, 1 failed, 0 lost"), "{said}");
    assert!(!said.contains("note:"), "{said}");
}

#[test]
fn without_accounts_the_folder_still_says_why() {
    let output = forgotten(false);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("0 done, 0 running, 0 waiting, 0 failed, 1 lost"), "{said}");
    assert!(said.contains("n2 host-1: did not come to its end (exit code 2)"), "{said}");
    assert!(said.contains("note: by squeue and the campaign's folder alone"), "{said}");
    assert!(said.contains("sacct"), "why there are no accounts: {said}");
}

#[test]
fn a_user_without_rights_is_told_and_nothing_is_half_done() {
    let ground = Ground::new(Setup::default());
    let (shared, programs) = (ground.cluster.path("shared"), ground.cluster.path("bin"));
    for folder in [&shared, &programs] {
        std::fs::create_dir(folder).expect("folder");
    }
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).expect("mode");
    // Where others may start them: a checkout may lie in a home that is closed.
    for program in
        [env!("CARGO_BIN_EXE_taremark"), env!("CARGO_BIN_EXE_tarec"), env!("CARGO_BIN_EXE_tare-load")]
    {
        let name = Path::new(program).file_name().expect("name");
        std::fs::copy(program, programs.join(name)).expect("copy");
    }
    let campaign = shared.join("theirs");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(programs.join("taremark"))
        .args(["fleet", "submit", &shown(&campaign), "--hosts", "n3"])
        .args(["--", "--workload", "hello", "--target", "process,container", "--runs", "2"])
        .env("SLURM_CONF", ground.cluster.path("slurm.conf"))
        .env("TAREMARK_STORE", shared.join("store"))
        .env("HOME", &shared)
        .current_dir("/")
        .output()
        .expect("setpriv");
    assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    wait_for("the task's end", 90, || (ground.status(&campaign)["host-1"].0 == "failed").then_some(()));
    let output = ground.fleet(&["status", &shown(&campaign)]);
    let said = text(&output);
    assert!(said.contains("this node cannot measure what is asked for"), "{said}");
    let doctor = std::fs::read_to_string(campaign.join("log/host-1.doctor.json")).expect("what doctor said");
    assert!(doctor.contains("root"), "it is not said that rights are what is lacking: {doctor}");
    for folder in ["records", "partial"] {
        let left = std::fs::read_dir(campaign.join(folder)).expect("folder").count();
        assert_eq!(left, 0, "{folder}");
    }
    assert!(reader::read(&campaign.join("partial/host-1")).is_err());
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
