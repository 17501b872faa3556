//! An ordinary user: with the own id alone, and with ranges by newuidmap.

use crate::support::{busybox, errors, in_namespace, text};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const USER: u32 = 4242;

/// In a mount namespace of the test's own: a user who has a range of ids.
fn make_user(dir: &Path) {
    for (file, line) in [
        ("/etc/passwd", format!("rootless:x:{USER}:{USER}::/tmp:/bin/sh\n")),
        ("/etc/group", format!("rootless:x:{USER}:\n")),
        ("/etc/subuid", "rootless:200000:65536\n".into()),
        ("/etc/subgid", "rootless:200000:65536\n".into()),
    ] {
        let old = std::fs::read_to_string(file).unwrap_or_default();
        let new = dir.join(Path::new(file).file_name().expect("name"));
        std::fs::write(&new, old + &line).expect("file");
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o644)).expect("mode");
        assert!(Path::new(file).exists(), "this test needs {file} (package uidmap)");
        let status = Command::new("mount").arg("--bind").args([&new, Path::new(file)]).status();
        assert!(status.expect("mount").success(), "bind over {file}");
    }
}

struct Home {
    dir: tempfile::TempDir,
    tarec: PathBuf,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("mode");
        make_user(dir.path());
        let layer = busybox();
        let bundle = dir.path().join("bundle");
        std::fs::create_dir(&bundle).expect("folder");
        let copied = Command::new("cp").arg("-a").args([layer.path(), &bundle.join("rootfs")]).status();
        assert!(copied.expect("cp").success());
        std::fs::set_permissions(bundle.join("rootfs"), PermissionsExt::from_mode(0o755)).expect("mode");
        let tarec = dir.path().join("program");
        std::fs::copy(crate::support::TAREC, &tarec).expect("tarec");
        let owned = Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(dir.path()).status();
        assert!(owned.expect("chown").success());
        chown(dir.path(), Some(USER), Some(USER)).expect("chown");
        Self { dir, tarec }
    }

    /// tarec as that user.
    fn tarec(&self, args: &[&str]) -> Output {
        let id = USER.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps=-all"]).arg(&self.tarec);
        command.args(args).current_dir(self.dir.path().join("bundle"));
        command.env("XDG_RUNTIME_DIR", self.dir.path()).output().expect("setpriv (util-linux)")
    }

    /// Runs `script` with the config of `spec --rootless`, changed.
    fn run(&self, script: &str, change: impl FnOnce(&mut Value)) -> Output {
        let file = self.dir.path().join("bundle/config.json");
        let _ = std::fs::remove_file(&file);
        let made = self.tarec(&["spec", "--rootless"]);
        assert!(made.status.success(), "{}", errors(&made));
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file).expect("config")).expect("json");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
        change(&mut config);
        std::fs::write(&file, config.to_string()).expect("config");
        self.tarec(&["run", "rootless"])
    }
}

#[test]
fn an_ordinary_user_runs_a_container() {
    if !in_namespace("rootless::an_ordinary_user_runs_a_container", &[]) {
        return;
    }
    let home = Home::new();
    let seen = "id -u; wc -l < /proc/self/uid_map; hostname; touch /tmp/x && echo written; exit 3";
    let output = home.run(seen, |c| c["root"]["readonly"] = json!(false));
    assert_eq!(text(&output), "0\n1\nrunc\nwritten\n".replace("runc", "tarec"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("no cgroup is delegated"), "{}", errors(&output));
    let states = home.dir.path().join("tarec");
    assert_eq!(std::fs::read_dir(states).expect("states").count(), 0, "a state is left");
    let range = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}, {"containerID": 1, "hostID": 200_000, "size": 1000}]);
    let ranges = |c: &mut Value| {
        c["linux"]["uidMappings"] = range(USER);
        c["linux"]["gidMappings"] = range(USER);
        c["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9]});
    };
    let output = home.run("id -u; id -g; id -G; wc -l < /proc/self/uid_map", ranges);
    assert_eq!(text(&output), "7\n8\n8 9\n2\n", "{}", errors(&output));
    let foreign = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
    let output = home.run("true", |c| c["linux"]["uidMappings"] = foreign);
    assert!(errors(&output).contains("newuidmap"), "{}", errors(&output));
}
