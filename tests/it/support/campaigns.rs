//! Campaigns of real benches on a Slurm of the test's own, by `taremark fleet`.

use super::slurm::{Cluster, Setup};
use super::{errors, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use taremark::record::merge::MergedRecord;

const TAREMARK: &str = env!("CARGO_BIN_EXE_taremark");
pub const RUNS_EACH: u32 = 24;
pub const SEED: u64 = 11;

/// A cluster, and one image store for all of its nodes.
pub struct Ground {
    pub cluster: Cluster,
    store: PathBuf,
}

impl Ground {
    pub fn new(setup: Setup) -> Self {
        let store = tempfile::tempdir().expect("folder").keep();
        // One image store for all: made before the nodes ask for it.
        let made = Command::new(TAREMARK).args(["image", "ls"]).env("TAREMARK_STORE", &store).output();
        assert!(made.expect("taremark").status.success());
        let defaults = format!(
            "export TAREMARK={TAREMARK} TAREMARK_DOCTOR='--target process,container' TAREMARK_STORE={} PATH={}\n",
            store.display(),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        );
        Self { cluster: Cluster::start(&defaults, setup), store }
    }

    pub fn fleet(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(TAREMARK);
        command.arg("fleet").args(arguments).env("TAREMARK_STORE", &self.store);
        command.env("SLURM_CONF", self.cluster.path("slurm.conf")).env("TMPDIR", self.cluster.path("run"));
        command.output().expect("taremark")
    }

    pub fn submit(&self, campaign: &Path, how: [&str; 2]) {
        let bench = [
            "--",
            "--runs",
            &RUNS_EACH.to_string(),
            "--seed",
            &SEED.to_string(),
            "--workload",
            "hello",
            "--target",
            "process,container",
            "--settle",
            "0",
            "--wait",
            "0",
        ]
        .map(str::to_owned);
        let bench: Vec<&str> = bench.iter().map(String::as_str).collect();
        let dir = campaign.display().to_string();
        let output = self.fleet(&[&["submit", &dir, how[0], how[1]], &bench[..]].concat());
        assert!(output.status.success(), "{}{}", text(&output), errors(&output));
        assert!(text(&output).contains("tasks in"), "{}", text(&output));
    }

    /// Of each task its state, what Slurm says, and its runs.
    pub fn status(&self, campaign: &Path) -> BTreeMap<String, (String, String, u64)> {
        let output = self.fleet(&["status", "--json", &campaign.display().to_string()]);
        let tasks: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output), errors(&output)));
        let word = |t: &serde_json::Value, key: &str| t[key].as_str().unwrap_or_default().to_owned();
        let tasks = tasks.as_array().expect("tasks").iter();
        tasks
            .map(|t| (word(t, "name"), (word(t, "state"), word(t, "slurm"), t["runs"].as_u64().unwrap_or(0))))
            .collect()
    }

    #[track_caller]
    pub fn finished(&self, campaign: &Path) {
        let from = std::time::Instant::now();
        loop {
            let status = self.status(campaign);
            if status.values().all(|t| t.0 == "done") {
                return;
            }
            assert!(
                from.elapsed().as_secs() < 150 && status.values().all(|t| t.0 != "failed"),
                "{status:?}\n{}",
                self.cluster.logs(&campaign.join("log"))
            );
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }

    pub fn collect(&self, campaign: &Path) -> (MergedRecord, String) {
        let out = campaign.join("merged");
        let output =
            self.fleet(&["collect", &campaign.display().to_string(), "-o", &out.display().to_string()]);
        assert!(output.status.success(), "{}{}", text(&output), errors(&output));
        (MergedRecord::open(&out).expect("merged record"), text(&output))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.store);
    }
}
