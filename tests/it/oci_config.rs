//! config.md of the runtime-spec: process, root, mounts. Above each test stand the clauses that it holds.

use crate::support::oci::{Oci, refuses, says};
use crate::support::{busybox, shell};
use serde_json::json;

/// Holds: config.ociVersion
#[test]
fn versions_of_the_first_major_are_taken() {
    for good in ["1.0.0", "1.2.1", "1.3.0-rc.1", "1.0.2-dev"] {
        assert_eq!(says("echo ran", |c| c["ociVersion"] = json!(good)), "ran\n", "{good}");
    }
    for bad in ["", "2.0.0", "0.9.0", "1", "1.x.0"] {
        refuses("ociVersion", |c| c["ociVersion"] = json!(bad));
    }
}

/// Holds: config.root.path, config.root.path-relative, config.root.missing
#[test]
fn the_root_is_absolute_or_of_the_bundle() {
    let oci = Oci::new("echo ran", |_| ());
    let to = oci.ground.bundle().join("rootfs");
    let _ = std::fs::remove_dir(&to);
    std::os::unix::fs::symlink(oci.layer.path(), &to).expect("link");
    let mut config = serde_json::to_value(shell(oci.layer.path(), "echo ran").config()).expect("config");
    config["annotations"] = json!({});
    config["root"]["path"] = json!("rootfs");
    oci.write(&config.to_string());
    assert_eq!(oci.run().1, "ran\n");
    refuses("root.path", |c| c["root"]["path"] = json!("/no/such/folder"));
    refuses("root.path", |c| c["root"]["path"] = json!("/dev/null"));
    refuses("root.path", |c| c["root"] = json!({}));
}

/// Holds: config.root.readonly
#[test]
fn a_read_only_root_cannot_be_written() {
    let script = "touch /new 2>/dev/null && echo written; touch /dev/shm/new && echo shm";
    assert_eq!(says(script, |_| ()), "written\nshm\n");
    assert_eq!(says(script, |c| c["root"]["readonly"] = json!(true)), "shm\n");
}

/// Holds: config.process.args, config.process.env, config.process.cwd
#[test]
fn arguments_environment_and_folder_are_as_given() {
    let out = says("", |c| {
        c["process"]["args"] = json!([
            "sh",
            "-c",
            "echo $0 $#:$2; pwd; echo $A; busybox env | busybox wc -l",
            "name",
            "x",
            "y z"
        ]);
        c["process"]["env"] = json!(["PATH=/bin", "A=b c"]);
        c["process"]["cwd"] = json!("/tmp");
    });
    // PWD, SHLVL and _ may be the shell's own.
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(&lines[..3], ["name 2:y z", "/tmp", "b c"], "{out}");
    assert!(lines[3].trim().parse::<u32>().expect("count") <= 6, "{out}");
    home_is_the_users();
    refuses("process.cwd", |c| c["process"]["cwd"] = json!("tmp"));
    refuses("process.cwd", |c| c["process"]["cwd"] = json!("/no/such"));
    refuses("process.args", |c| c["process"]["args"] = json!([]));
    refuses("process.args[1]", |c| c["process"]["args"] = json!(["sh", "a\0b"]));
    refuses("executable file not found in $PATH", |c| c["process"]["args"] = json!(["no-such-program"]));
    refuses("exec /etc/none", |c| c["process"]["args"] = json!(["/etc/none"]));
}

/// HOME is of the image's /etc/passwd where it is not given, as with other runtimes; whatever that file is.
fn home_is_the_users() {
    let home = |uid: u32, passwd: &str, env: &[&str]| {
        let oci = Oci::new("echo $HOME", |c| {
            c["process"]["user"]["uid"] = json!(uid);
            c["process"]["env"] = json!([&["PATH=/bin"], env].concat());
        });
        std::fs::write(oci.layer.path().join("etc/passwd"), passwd).expect("passwd");
        oci.run().1
    };
    let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:7:7::/home/user:/bin/sh\n";
    assert_eq!(home(0, passwd, &[]), "/root\n");
    assert_eq!(home(7, passwd, &[]), "/home/user\n");
    assert_eq!(home(8, passwd, &[]), "/\n");
    assert_eq!(home(7, passwd, &["HOME=/given"]), "/given\n");
    let oci = Oci::new("echo $HOME", |_| ());
    nix::unistd::mkfifo(&oci.layer.path().join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    assert_eq!(oci.run().1, "/\n");
}

/// Holds: config.user.uid, config.user.gid, config.user.additionalGids, config.user.umask
#[test]
fn ids_groups_and_umask_are_as_given() {
    let out = says("id -u; id -g; id -G; umask", |c| {
        c["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [7, 9], "umask": 0o27});
    });
    assert_eq!(out, "1000\n1001\n1001 7 9\n0027\n");
}

/// Holds: config.process.rlimits, config.process.rlimits-duplicate, config.process.rlimits-unknown
#[test]
fn resource_limits_are_set() {
    let script = "ulimit -Sn; ulimit -Hn; grep processes /proc/self/limits";
    let out = says(script, |c| {
        c["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_NPROC", "soft": 33, "hard": 44}]);
    });
    assert!(out.starts_with("100\n200\n"), "{out}");
    assert_eq!(out.split_whitespace().filter(|w| ["33", "44"].contains(w)).count(), 2, "{out}");
    let limit = json!({"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2});
    refuses("process.rlimits[1].type", |c| c["process"]["rlimits"] = json!([limit, limit]));
    let unknown = json!([{"type": "RLIMIT_LUCK", "soft": 1, "hard": 2}]);
    refuses("process.rlimits[0].type", |c| c["process"]["rlimits"] = unknown);
}

/// Holds: config.process.capabilities
#[test]
fn all_five_sets_of_capabilities_are_set() {
    let out = says("grep -E '^Cap' /proc/self/status", |c| {
        c["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        // CAP_KILL is bit 5, CAP_NET_BIND_SERVICE bit 10, CAP_CHOWN bit 0.
        c["process"]["capabilities"] = json!({
            "bounding": ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN"],
            "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_KILL"],
            "inheritable": ["CAP_NET_BIND_SERVICE"],
            "ambient": ["CAP_NET_BIND_SERVICE"],
        });
    });
    // What an exec makes of them for a user other than root: ambient ones become permitted and effective.
    let expected = [
        "CapInh:\t0000000000000400",
        "CapPrm:\t0000000000000400",
        "CapEff:\t0000000000000400",
        "CapBnd:\t0000000000000421",
        "CapAmb:\t0000000000000400",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

/// Holds: config.process.capabilities-unknown
#[test]
fn a_capability_that_cannot_be_granted_is_warned_about() {
    let oci = Oci::new("echo ran", |c| {
        c["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_TIME_TRAVEL"]);
        c["process"]["capabilities"]["effective"] = json!([]);
        c["process"]["capabilities"]["permitted"] = json!([]);
    });
    let (code, out, err) = oci.run();
    assert_eq!((code, out.as_str()), (0, "ran\n"), "{err}");
    assert!(err.contains("warning") && err.contains("CAP_TIME_TRAVEL"), "{err}");
}

/// Holds: config.process.noNewPrivileges
#[test]
fn no_new_privileges_is_set_and_only_where_asked() {
    let script = "grep NoNewPrivs /proc/self/status";
    for (on, digit) in [(true, "1"), (false, "0")] {
        let out = says(script, |c| c["process"]["noNewPrivileges"] = json!(on));
        assert_eq!(out, format!("NoNewPrivs:\t{digit}\n"));
    }
}

/// Holds: config.process.oomScoreAdj, config.process.oomScoreAdj-unset
#[test]
fn the_oom_score_is_set_or_left_alone() {
    let script = "cat /proc/self/oom_score_adj";
    assert_eq!(says(script, |c| c["process"]["oomScoreAdj"] = json!(321)), "321\n");
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").expect("own score");
    assert_eq!(says(script, |_| ()), own);
    refuses("process.oomScoreAdj", |c| c["process"]["oomScoreAdj"] = json!(2000));
}

/// Holds: config.process.scheduler, config.process.ioPriority
#[test]
fn scheduler_and_io_priority_are_set() {
    // Fields 19 and 41 of proc(5): nice, policy (3: SCHED_BATCH).
    let script = "busybox cut -d' ' -f19,41 /proc/self/stat; busybox ionice -p $$";
    let out = says(script, |c| {
        c["process"]["scheduler"] =
            json!({"policy": "SCHED_BATCH", "nice": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
        c["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
    });
    assert_eq!(out, "7 3\nbest-effort: prio 6\n");
    refuses("process.scheduler.policy", |c| c["process"]["scheduler"] = json!({"policy": "SCHED_BEST"}));
    let class = json!({"class": "IOPRIO_CLASS_BEST", "priority": 1});
    refuses("process.ioPriority.class", |c| c["process"]["ioPriority"] = class);
}

/// Holds: config.process.execCPUAffinity
#[test]
fn an_executed_process_stays_on_its_cpus() {
    let oci = Oci::new("sleep 60", |c| {
        c["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "1"});
    })
    .started();
    let (_, out, err) = oci.exec(&[], "grep Cpus_allowed_list /proc/self/status");
    assert_eq!(out, "Cpus_allowed_list:\t1\n", "{err}");
    refuses("process.execCPUAffinity.final", |c| c["process"]["execCPUAffinity"] = json!({"final": "x"}));
}

/// Holds: config.process.apparmorProfile, config.process.selinuxLabel
#[test]
fn labels_that_the_kernel_cannot_hold_are_refused() {
    let has_apparmor = std::path::Path::new("/sys/module/apparmor").exists();
    let has_selinux = std::path::Path::new("/sys/fs/selinux/enforce").exists();
    if !has_apparmor {
        refuses("process.apparmorProfile", |c| c["process"]["apparmorProfile"] = json!("tested"));
    }
    if !has_selinux {
        refuses("process.selinuxLabel", |c| c["process"]["selinuxLabel"] = json!("system_u:system_r:x:s0"));
    }
    assert_eq!(says("echo ran", |c| c["process"]["apparmorProfile"] = json!("unconfined")), "ran\n");
}

/// Holds: config.hostname, config.domainname
#[test]
fn names_are_of_the_container() {
    let before = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("host name");
    let out = says("hostname; cat /proc/sys/kernel/domainname", |c| {
        c["hostname"] = json!("inside");
        c["domainname"] = json!("example");
    });
    assert_eq!(out, "inside\nexample\n");
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/hostname").expect("host name"), before);
}

/// Holds: config.annotations
#[test]
fn unknown_annotations_do_no_harm() {
    assert_eq!(says("echo ran", |c| c["annotations"] = json!({"com.example.key": "", "x": "y"})), "ran\n");
}

/// Holds: config.extensibility
#[test]
fn unknown_properties_do_no_harm() {
    let out = says("echo ran", |c| {
        c["com.example.more"] = json!({"a": [1]});
        c["process"]["unheardOf"] = json!(true);
    });
    assert_eq!(out, "ran\n");
}

/// Holds: config.process.terminal, config.process.consoleSize
#[test]
fn a_terminal_has_its_size_and_is_the_console() {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo terminal; busybox stty size; \
                  test -c /dev/console && echo console; busybox tty";
    let out = says(script, |c| {
        c["process"]["terminal"] = json!(true);
        c["process"]["consoleSize"] = json!({"height": 25, "width": 91});
    });
    assert_eq!(out.replace('\r', ""), "terminal\n25 91\nconsole\n/dev/pts/0\n");
    // Without a terminal the size is to be ignored.
    let out =
        says("test -t 0 || echo none", |c| c["process"]["consoleSize"] = json!({"height": 1, "width": 1}));
    assert_eq!(out, "none\n");
}

/// Holds: config.mounts.order, config.mounts.destination, config.mounts.source-relative, config.mounts.options
#[test]
fn mounts_come_in_order_and_with_their_options() {
    let oci = Oci::new("cat /a/b/file; grep ' /a ' /proc/self/mountinfo; touch /ro/x || echo refused", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({"destination": "/a", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "nosuid", "size=64k"]}));
        mounts.push(json!({"destination": "/a/b", "type": "none", "source": "beside", "options": ["bind"]}));
        mounts.push(json!({"destination": "/ro", "source": "beside", "options": ["rbind", "ro"]}));
    });
    std::fs::create_dir(oci.ground.bundle().join("beside")).expect("folder");
    std::fs::write(oci.ground.bundle().join("beside/file"), "content\n").expect("file");
    let (_, out, err) = oci.run();
    assert!(out.starts_with("content\n"), "{out}{err}");
    assert!(out.contains("nosuid,noexec") && out.contains("size=64k"), "{out}");
    assert!(out.ends_with("refused\n") && err.contains("Read-only"), "{out}{err}");
    let below_root = |c: &mut serde_json::Value| c["mounts"][0]["destination"] = json!("proc");
    assert_eq!(
        says("test -e /proc/self && echo proc", below_root),
        "proc\n",
        "relative to /, as older tools write it"
    );
    for bad in ["/a/../b", ""] {
        refuses("mounts[0].destination", |c| c["mounts"][0]["destination"] = json!(bad));
    }
    refuses("/no/such/source", |c| {
        c["mounts"] = json!([{"destination": "/x", "source": "/no/such/source", "options": ["bind"]}]);
    });
}

/// Holds: config.mounts.recursive
#[test]
fn recursive_options_reach_the_mounts_beneath() {
    let script = "touch /deep/below/x 2>/dev/null && echo written || echo refused";
    let below = tempfile::tempdir().expect("folder");
    for (options, expected) in [(json!(["rbind", "ro"]), "written\n"), (json!(["rbind", "rro"]), "refused\n")]
    {
        let out = says(script, |c| {
            let mounts = c["mounts"].as_array_mut().expect("mounts");
            mounts.push(json!({"destination": "/src", "type": "tmpfs", "source": "tmpfs"}));
            mounts.push(json!({"destination": "/src/below", "source": below.path(), "options": ["bind"]}));
            // The container's own mounts as a source: /proc/self/root of the init is not yet the container's, so the
            // tree is bound by its path in the image.
            mounts.push(json!({"destination": "/deep", "source": "LAYER/src", "options": options}));
            let layer = c["root"]["path"].as_str().expect("path").to_owned();
            let mounts = c["mounts"].as_array_mut().expect("mounts");
            let source =
                mounts.last().expect("mount")["source"].as_str().expect("source").replace("LAYER", &layer);
            mounts.last_mut().expect("mount")["source"] = json!(source);
        });
        assert_eq!(out, expected, "{options}");
    }
}

/// Holds: config.mounts.propagation
#[test]
fn a_mount_has_the_propagation_that_is_asked_for() {
    for (option, expected) in [("rshared", "shared:"), ("rprivate", "none"), ("runbindable", "unbindable")] {
        let script = "line=$(grep ' /data ' /proc/self/mountinfo); case $line in *shared:*) echo shared:;; \
                      *unbindable*) echo unbindable;; *) echo none;; esac";
        let out = says(script, |c| {
            let mounts = c["mounts"].as_array_mut().expect("mounts");
            mounts.push(
                json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": [option]}),
            );
        });
        assert_eq!(out.trim(), expected, "{option}");
    }
}

/// Holds: config.mounts.tmpcopyup
#[test]
fn a_fresh_tmpfs_can_begin_with_the_images_files() {
    let layer = busybox();
    std::fs::create_dir_all(layer.path().join("data/sub")).expect("folder");
    std::fs::write(layer.path().join("data/sub/file"), "kept\n").expect("file");
    std::os::unix::fs::symlink("sub/file", layer.path().join("data/link")).expect("link");
    let oci = Oci::over(layer, "cat /data/link; echo new > /data/sub/file; cat /data/link", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.push(
            json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}),
        );
    });
    assert_eq!(oci.run().1, "kept\nnew\n");
    assert_eq!(std::fs::read_to_string(oci.layer.path().join("data/sub/file")).expect("file"), "kept\n");
}

/// Holds: config.mounts.idmap
#[test]
fn an_idmapped_mount_shows_mapped_owners() {
    let data = tempfile::tempdir().expect("folder");
    std::fs::write(data.path().join("file"), "").expect("file");
    std::os::unix::fs::chown(data.path().join("file"), Some(5), Some(6)).expect("chown");
    let out = says("busybox stat -c %u:%g /data/file", |c| {
        let mounts = c["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({"destination": "/data", "source": data.path(), "options": ["rbind", "idmap"],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
            "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 100}]}));
    });
    assert_eq!(out, "1005:2006\n");
    refuses("mounts[0].gidMappings", |c| {
        c["mounts"] = json!([{"destination": "/x", "source": "/tmp", "options": ["bind"],
            "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}]);
    });
}
