//! An ordinary user: with the own id alone, and with ranges by newuidmap.

use crate::support::engines::{Ordinary, image_tar};
use crate::support::{busybox, errors, in_namespace, text};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// Of that user: runtime, bundle and states.
pub struct Home {
    dir: tempfile::TempDir,
    pub tarec: PathBuf,
}

impl Home {
    pub fn new() -> Self {
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
        self.command(args).output().expect("setpriv (util-linux)")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.as_user(Command::new("setpriv"), &self.tarec);
        command.args(args);
        command
    }

    /// `program` as that user, in the cgroup of v2 at `group`.
    pub fn command_in(&self, group: &Path, program: &Path) -> Command {
        let mut shell = Command::new("sh");
        let script = "echo 0 > \"$0/cgroup.procs\" && exec setpriv \"$@\"";
        shell.args(["-c", script]).arg(group);
        self.as_user(shell, program)
    }

    fn as_user(&self, mut setpriv: Command, program: &Path) -> Command {
        let id = USER.to_string();
        setpriv.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps=-all"]).arg(program);
        setpriv.current_dir(self.dir.path().join("bundle")).env("XDG_RUNTIME_DIR", self.dir.path());
        setpriv.env("HOME", self.dir.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        setpriv
    }

    /// Its home, which is its XDG_RUNTIME_DIR, too.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `script` with the config of `spec --rootless`, changed.
    fn run(&self, script: &str, change: impl FnOnce(&mut Value)) -> Output {
        self.configure(script, change);
        self.tarec(&["run", "rootless"])
    }

    pub fn configure(&self, script: &str, change: impl FnOnce(&mut Value)) {
        let file = self.dir.path().join("bundle/config.json");
        let _ = std::fs::remove_file(&file);
        let made = self.tarec(&["spec", "--rootless"]);
        assert!(made.status.success(), "{}", errors(&made));
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file).expect("config")).expect("json");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
        change(&mut config);
        std::fs::write(&file, config.to_string()).expect("config");
    }

    /// Exit code of a verb and what it said.
    pub fn verb(&self, args: &[&str]) -> (i32, String) {
        self.verb_of(&mut self.command(args))
    }

    /// The same of any command; by a file, as a container that stays would hold a pipe open.
    pub fn verb_of(&self, command: &mut Command) -> (i32, String) {
        let file = tempfile::NamedTempFile::new().expect("file");
        let [out, err] = [0, 1].map(|_| file.reopen().expect("file"));
        let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status().expect("setpriv");
        (status.code().unwrap_or(-1), std::fs::read_to_string(file.path()).expect("output"))
    }
}

/// By newuidmap.
fn map_ranges(config: &mut Value) {
    let own = json!({"containerID": 0, "hostID": USER, "size": 1});
    let map = json!([own, {"containerID": 1, "hostID": 200_000, "size": 1000}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
}

/// All verbs on a container without a cgroup of its own, which is what an ordinary user has on v1: those that need one
/// say so, the others work.
#[test]
fn an_ordinary_user_has_all_verbs_without_a_cgroup() {
    if !in_namespace("rootless::an_ordinary_user_has_all_verbs_without_a_cgroup", &[]) {
        return;
    }
    let home = Home::new();
    for map in [(|_| ()) as fn(&mut Value), map_ranges] {
        home.configure("trap 'exit 5' TERM; while :; do sleep 0.05; done", map);
        let fine = |args: &[&str]| {
            let (code, said) = home.verb(args);
            assert_eq!(code, 0, "{args:?}: {said}");
            said
        };
        fine(&["create", "c"]);
        fine(&["start", "c"]);
        assert!(fine(&["state", "c"]).contains("\"running\""));
        assert_eq!(fine(&["exec", "c", "id", "-u"]), "0\n");
        assert_eq!(home.verb(&["exec", "c", "sh", "-c", "exit 9"]).0, 9);
        let pid_file = home.dir.path().join("exec.pid");
        fine(&["exec", "--detach", "--pid-file", &pid_file.display().to_string(), "c", "sleep", "77"]);
        let second = std::fs::read_to_string(&pid_file).expect("pid file");
        let table = fine(&["ps", "c"]);
        assert!(table.lines().any(|l| l.contains(&second) && l.contains("sleep 77")), "{table}");
        assert!(!table.contains("setpriv"), "{table}");
        for needs in
            [&["pause", "c"][..], &["update", "--memory", "9999999", "c"], &["events", "--stats", "c"]]
        {
            let (code, said) = home.verb(needs);
            assert!(code == 1 && said.contains("none was delegated to its user"), "{needs:?}: {said}");
        }
        fine(&["kill", "c", "TERM"]);
        while !fine(&["state", "c"]).contains("\"stopped\"") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        fine(&["delete", "c"]);
        fine(&["create", "c"]);
        fine(&["start", "c"]);
        fine(&["exec", "--detach", "c", "sleep", "78"]);
        fine(&["kill", "--all", "c", "KILL"]);
        while !fine(&["state", "c"]).contains("\"stopped\"") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        fine(&["delete", "--force", "c"]);
        assert_eq!(std::fs::read_dir(home.dir.path().join("tarec")).expect("states").count(), 0);
    }
}

/// `--rootless` as runc has it: whether the lack of a cgroup is an error.
#[test]
fn the_lack_of_a_cgroup_is_an_error_where_that_is_asked_for() {
    if !in_namespace("rootless::the_lack_of_a_cgroup_is_an_error_where_that_is_asked_for", &[]) {
        return;
    }
    let home = Home::new();
    home.configure("echo runs", |_| ());
    for may in ["auto", "true"] {
        let (code, said) = home.verb(&["--rootless", may, "run", "c"]);
        assert!(
            code == 0 && said.contains("no cgroup is delegated") && said.contains("runs"),
            "{may}: {said}"
        );
    }
    let (code, said) = home.verb(&["--rootless", "false", "run", "c"]);
    assert!(code == 1 && said.contains("cgroup") && !said.contains("runs"), "{said}");
    assert_eq!(std::fs::read_dir(home.dir.path().join("tarec")).expect("states").count(), 0);
    let (code, said) = home.verb(&["--rootless=perhaps", "run", "c"]);
    assert!(code != 0 && said.contains("true, false or auto"), "{said}");
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
    let ranges = |c: &mut Value| {
        map_ranges(c);
        c["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9]});
    };
    let output = home.run("id -u; id -g; id -G; wc -l < /proc/self/uid_map", ranges);
    assert_eq!(text(&output), "7\n8\n8 9\n2\n", "{}", errors(&output));
    let foreign = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
    let output = home.run("true", |c| c["linux"]["uidMappings"] = foreign);
    assert!(errors(&output).contains("newuidmap"), "{}", errors(&output));
}

/// A server on this loopback: its port.
fn serve() -> u16 {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = server.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\nfrom the host\n");
        }
    });
    port
}

/// By slirp4netns, which podman starts beside the container; the server is on the host's loopback.
#[test]
fn podman_connects_the_container_of_an_ordinary_user() {
    if !in_namespace("rootless::podman_connects_the_container_of_an_ordinary_user", &["--net"]) {
        return;
    }
    let ready = "ip link set lo up && mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun";
    assert!(Command::new("sh").args(["-c", ready]).status().expect("sh").success(), "{ready}");
    assert!(Path::new("/usr/bin/slirp4netns").exists(), "this test needs slirp4netns: see scripts/test");
    let port = serve();
    let user = Ordinary::new();
    let tar = image_tar(user.dir.path());
    let podman =
        "podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime $RUNTIME";
    let script = format!(
        "{podman} import {tar} bb:1 >/dev/null
         for network in none slirp4netns:allow_host_loopback=true; do
           {podman} run --rm --network $network --ulimit host bb:1 busybox wget -q -O - http://10.0.2.2:{port}/
           echo $?
         done
         kill $(cat $XDG_RUNTIME_DIR/libpod/tmp/pause.pid)"
    );
    let output = user.shell(&script);
    assert_eq!(text(&output), "1\nfrom the host\n0\n", "{}", errors(&output));
}

/// By pasta, which is given the process of a container that was created and enters its namespaces.
#[test]
fn pasta_connects_the_container_of_an_ordinary_user() {
    if !in_namespace("rootless::pasta_connects_the_container_of_an_ordinary_user", &["--net"]) {
        return;
    }
    // What pasta copies into the container: an address, and a way out of here; by its gateway it shows this loopback.
    let ready = "ip link set lo up && ip link add out type veth peer name far && ip link set far up && ip link set out up && ip address add 192.0.2.2/24 dev out \
                 && ip route add default via 192.0.2.1 && mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 \
                 && chmod 666 /dev/net/tun";
    assert!(Command::new("sh").args(["-c", ready]).status().expect("sh").success(), "{ready}");
    assert!(Path::new("/usr/bin/pasta").exists(), "this test needs passt: see scripts/test");
    let port = serve();
    let home = Home::new();
    let script = format!("busybox wget -q -O /answer http://192.0.2.1:{port}/; echo $? >> /answer");
    home.configure(&script, |c| {
        c["root"]["readonly"] = json!(false);
        c["linux"]["namespaces"].as_array_mut().expect("namespaces").push(json!({"type": "network"}));
    });
    let answer = home.dir.path().join("bundle/rootfs/answer");
    let pasta_pid = home.dir.path().join("pasta.pid");
    for (connected, expected) in [(false, "1\n"), (true, "from the host\n0\n")] {
        let pid_file = home.dir.path().join("pid");
        let (code, said) = home.verb(&["create", "--pid-file", &pid_file.display().to_string(), "c"]);
        assert_eq!(code, 0, "{said}");
        if connected {
            let pid = std::fs::read_to_string(&pid_file).expect("pid");
            let mut pasta = home.as_user(Command::new("setpriv"), Path::new("/usr/bin/pasta"));
            pasta.arg("--pid").arg(&pasta_pid);
            pasta.args(["--config-net", "--tcp-ports", "none", "--udp-ports", "none", &pid]);
            let (code, said) = home.verb_of(&mut pasta);
            assert_eq!(code, 0, "{said}");
        }
        assert_eq!(home.verb(&["start", "c"]).0, 0);
        while !home.verb(&["state", "c"]).1.contains("\"stopped\"") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(home.verb(&["delete", "c"]).0, 0);
        assert_eq!(std::fs::read_to_string(&answer).expect("answer"), expected);
        std::fs::remove_file(&answer).expect("remove");
        // It keeps the namespaces that it has entered alive, and itself with them.
        if let Ok(pid) = std::fs::read_to_string(&pasta_pid) {
            let ended = Command::new("kill").arg(pid.trim()).status().expect("kill");
            assert!(ended.success() && connected, "{pid}");
        }
    }
}
