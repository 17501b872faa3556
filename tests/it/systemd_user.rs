//! An ordinary user's containers as scopes of a real systemd of that user, on this host: with mounts of the test's own,
//! where v2 is mounted without controllers. With all of them and as root: `systemd_guest`.

use crate::rootless::Home;
use crate::support::in_namespace;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// v2 alone, a /run that says that systemd is the init, and a cgroup that is the user's.
const GROUND: &str =
    "mount --make-rprivate / && umount -lR /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
    mkdir -p $G/manager $G/shell && chown 4242:4242 $G $G/cgroup.procs $G/cgroup.subtree_control &&
    chown -R 4242:4242 $G/manager $G/shell && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system";

/// A systemd of the user, ended with the handle.
struct Manager {
    child: Child,
    group: PathBuf,
}

impl Manager {
    fn start(home: &Home) -> Self {
        let group = PathBuf::from(format!("/sys/fs/cgroup/tarec-test-{}", std::process::id()));
        let made = Command::new("sh").args(["-c", GROUND]).env("G", &group).status();
        assert!(made.expect("sh").success(), "{GROUND}");
        let mut command = home.command_in(&group.join("manager"), Path::new("/lib/systemd/systemd"));
        let child =
            command.args(["--user", "--unit=basic.target"]).stdout(Stdio::null()).stderr(Stdio::null());
        let manager = Self { child: child.spawn().expect("systemd"), group };
        let begun = Instant::now();
        while !home.path().join("systemd/private").exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "systemd --user does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        manager
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::write(self.group.join("cgroup.kill"), "1");
        let gone = "for n in 1 2 3 4 5 6 7 8 9; do find $G -depth -type d -exec rmdir {} + && break; sleep 0.1; done";
        let _ = Command::new("sh").args(["-c", gone]).env("G", &self.group).stderr(Stdio::null()).status();
    }
}

#[test]
fn containers_of_an_ordinary_user_are_scopes_of_the_user_s_systemd() {
    const NAME: &str = "systemd_user::containers_of_an_ordinary_user_are_scopes_of_the_user_s_systemd";
    if !in_namespace(NAME, &[]) {
        return;
    }
    let home = Home::new();
    home.configure("while :; do sleep 0.05; done", |_| ());
    let (code, said) = home.verb(&["--systemd-cgroup", "create", "c"]);
    assert!(code == 1 && said.contains("--systemd-cgroup: no systemd of this user runs"), "{said}");
    let manager = Manager::start(&home);
    let shell = manager.group.join("shell");
    let fine = |program: &Path, args: &[&str]| {
        let (code, said) = home.verb_of(home.command_in(&shell, program).args(args));
        assert_eq!(code, 0, "{args:?}: {said}");
        said
    };
    let tarec = |args: &[&str]| fine(&home.tarec, args);
    let systemctl = |args: &[&str]| fine(Path::new("systemctl"), &[&["--user"], args].concat());
    let pid_file = home.path().join("pid").display().to_string();
    // Twice: nothing of the first one is in the way of the second.
    for _ in 0..2 {
        tarec(&["--systemd-cgroup", "create", "--pid-file", &pid_file, "c"]);
        let pid = std::fs::read_to_string(&pid_file).expect("pid file");
        let place = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
        let end = format!(
            "{}/manager/user.slice/tarec-c.scope\n",
            manager.group.file_name().expect("name").display()
        );
        assert!(place.ends_with(&end), "{place}");
        tarec(&["start", "c"]);
        let shown = systemctl(&["show", "tarec-c.scope", "-p", "Slice,Delegate,ActiveState"]);
        for word in ["Slice=user.slice", "Delegate=yes", "ActiveState=active"] {
            assert!(shown.contains(word), "{shown}");
        }
        assert!(tarec(&["exec", "c", "cat", "/proc/self/cgroup"]).ends_with("0::/\n"));
        tarec(&["pause", "c"]);
        assert!(tarec(&["state", "c"]).contains("\"paused\""));
        tarec(&["resume", "c"]);
        tarec(&["delete", "--force", "c"]);
        let left = systemctl(&["list-units", "--all", "--plain", "--no-legend", "tarec*"]);
        assert_eq!(left, "");
    }
}
