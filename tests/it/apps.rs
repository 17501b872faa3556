//! The application images: made by their scripts from Debian's packages, then started bare and in a container.

use crate::runs::{all, in_session, value};
use crate::support::errors;
use std::path::{Path, PathBuf};
use std::process::Command;
use taremark::target::Job;
use taremark::workload::builtin::find;

/// Runs the script of an application; gives its tar and the config it printed.
fn image(name: &str, dir: &Path) -> (PathBuf, serde_json::Value) {
    let tar = dir.join(format!("{name}.tar"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/images").join(name);
    let output = Command::new(&script).arg(&tar).output().expect("bash");
    assert!(output.status.success(), "{}: {}", script.display(), errors(&output));
    (tar, serde_json::from_slice(&output.stdout).expect("config as JSON"))
}

/// Id of a user of the image.
fn user_id(root: &Path, user: &str) -> u32 {
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).expect("passwd");
    let line = passwd.lines().find(|l| l.starts_with(&format!("{user}:"))).expect("user");
    line.split(':').nth(2).and_then(|id| id.parse().ok()).expect("id")
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    serde_json::from_value(value.clone()).expect("strings")
}

/// Starts it on both targets. The outer process makes the image as well, to fetch the packages: inside the session there
/// is no network.
fn runs_on_both(name: &str, test: &str) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (tar, config) = image(name, dir.path());
    if !in_session(test) {
        return;
    }
    let root = dir.path().join("root");
    std::fs::create_dir(&root).expect("folder");
    let unpacked = Command::new("tar").arg("-xpf").arg(&tar).arg("-C").arg(&root).status().expect("tar");
    assert!(unpacked.success());
    let workload = find(name).expect("workload");
    let id = user_id(&root, config["user"].as_str().expect("user"));
    let job = Job {
        name: name.to_owned(),
        image_digest: "sha256:none".into(),
        lower_dirs: vec![root],
        argv: strings(&config["argv"]),
        env: strings(&config["env"]),
        cwd: config["cwd"].as_str().expect("cwd").to_owned(),
        uid: id,
        gid: id,
        groups: Vec::new(),
        cpus: 1,
        memory_bytes: 256 << 20,
        network: true,
        port: None,
        scratch_bytes: None,
    };
    let outcomes = all(&job, &workload).into_iter().map(|o| o.expect(name)).collect::<Vec<_>>();
    for outcome in &outcomes {
        assert_eq!(outcome.exit_code, Some(0), "{name} does not end well on SIGTERM");
        assert!(value(outcome, "pss_bytes") > 1e6, "{:?}", outcome.samples);
    }
    assert_eq!(outcomes[0].output_digest, outcomes[1].output_digest);
    assert!(!outcomes[0].output_digest.is_empty());
}

#[test]
fn redis_answers_in_both() {
    runs_on_both("redis", "apps::redis_answers_in_both");
}

#[test]
fn nginx_answers_in_both() {
    runs_on_both("nginx", "apps::nginx_answers_in_both");
}

#[test]
fn python_answers_in_both() {
    runs_on_both("python", "apps::python_answers_in_both");
}

#[test]
fn the_same_packages_give_the_same_bytes() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (tar, config) = image("nginx", dir.path());
    let first = std::fs::read(&tar).expect("tar");
    assert_eq!(config["argv"][0], "/usr/sbin/nginx");
    let (tar, _) = image("nginx", dir.path());
    assert!(first == std::fs::read(&tar).expect("tar"), "two tars of the same packages differ");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/images/nginx");
    assert_eq!(Command::new(&script).output().expect("bash").status.code(), Some(2));
}
