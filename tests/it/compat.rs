//! The compatibility matrix, whole and really run.

use crate::machine::in_machine_session;
use std::process::Command;
use std::sync::Mutex;
use taremark::machine::cache;
use taremark::machine::foreign::{self, KINDS};

/// A kernel and a shell for another processor, fetched while there is a network.
fn fetched() {
    static FETCH: Mutex<()> = Mutex::new(());
    let _one = FETCH.lock();
    for kind in &KINDS {
        foreign::fetch(&cache::dir(), kind).expect("these tests need apt with a mirror");
    }
}

#[test]
fn every_cell_comes_out_as_expected() {
    fetched();
    if !in_machine_session("compat::every_cell_comes_out_as_expected") {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let page = dir.path().join("page.md");
    let mut taremark = Command::new(env!("CARGO_BIN_EXE_taremark"));
    let done = taremark.args(["compat", "--json", "--out"]).arg(&page).output().expect("taremark");
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 8, "{text}");
    let pages = &rows[5]["elsewhere"];
    assert_eq!(
        (&pages["arm64"]["seen"], &pages["riscv64"]["seen"]),
        (&"4 kB".into(), &"4 kB".into()),
        "{text}"
    );
    assert_eq!(pages["arm64, 16 KiB pages"]["seen"], "16 kB", "{text}");
    assert_eq!(rows[7]["elsewhere"]["riscv64"]["seen"], "riscv64", "{text}");
    let foreign = rows[6]["container"]["seen"].as_str().expect("text");
    for part in ["as it is: image is for linux/arm64, host is linux/amd64", "Exec format error", "aarch64"] {
        assert!(foreign.contains(part), "{part}: {foreign}");
    }
    let page = std::fs::read_to_string(page).expect("page");
    assert!(page.contains("| the kernel's release: uname -r | ") && !page.contains("(expected: "), "{page}");
    let table = std::path::Path::new("/proc/sys/fs/binfmt_misc/taremark-foreign");
    assert!(!table.exists(), "the host's own table was changed");
}

#[test]
fn a_script_runs_on_another_processor_and_its_end_is_told() {
    fetched();
    let fetched = foreign::fetch(&cache::dir(), &KINDS[0]).expect("fetched");
    let said = foreign::execute(&fetched, "uname -m; cat /nothing; exit 3").expect("run");
    assert_eq!(said.code, 3);
    let lines: Vec<&str> = said.text.lines().collect();
    assert!(lines[0] == "aarch64" && lines[1].contains("No such file or directory"), "{said:?}");
}
