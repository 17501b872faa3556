//! Volumes: named, anonymous, filled from the image, and gone when they should be.

use super::{Ground, fails};

/// An image with a folder of its own user's, which it wants as a volume.
fn with_volume(ground: &Ground) {
    let file = ground.path("Containerfile");
    let text = "FROM shell\nRUN busybox mkdir -p /data/sub && echo image > /data/sub/file && busybox chown -R 100:101 /data \
                && busybox chmod 700 /data\nVOLUME /data\n";
    std::fs::write(&file, text).expect("write");
    let (file, context) = (file.display().to_string(), ground.path("").display().to_string());
    let built = ground.run(&["image", "build", "-q", "-t", "keeper", "-f", &file, &context]);
    assert!(built.status.success(), "{}", crate::support::errors(&built));
}

#[test]
fn a_named_volume_outlives_its_containers_and_is_filled_from_the_image_once() {
    let ground = Ground::new();
    with_volume(&ground);
    for target in ["container", "process"] {
        let run = |more: &[&str], script: &str| {
            let head = ["run", "--rm", "--target", target];
            ground.says(&[&head[..], more, &["keeper", "sh", "-c", script]].concat())
        };
        let look = "busybox stat -c '%u:%g %a' /data; cat /data/sub/file";
        assert_eq!(run(&["-v", "kept:/data"], look), "100:101 700\nimage\n", "{target}");
        run(&["-v", "kept:/data"], "echo changed > /data/sub/file");
        assert_eq!(run(&["--mount", "src=kept,dst=/data,ro"], "cat /data/sub/file"), "changed\n", "{target}");
        assert_eq!(run(&["-v", "plain:/data:nocopy"], "ls /data"), "", "{target}");
        assert_eq!(
            ground.says(&["volume", "ls", "-q"]),
            "kept\nplain\n",
            "the anonymous ones went with --rm"
        );
        let at = ground.says(&["volume", "inspect", "-f", "{{.Mountpoint}}", "kept"]);
        let file = std::path::Path::new(at.trim()).join("sub/file");
        assert_eq!(std::fs::read_to_string(file).expect("on the host"), "changed\n");
        ground.says(&["volume", "rm", "kept", "plain"]);
    }
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

/// As with podman: a hard link stays one, and modes, times and devices are the image's.
#[test]
fn what_a_volume_is_filled_with_is_all_that_the_image_has() {
    let ground = Ground::new();
    let file = ground.path("Containerfile");
    let text = "FROM shell\nRUN mkdir /d && cd /d && echo x > file && busybox ln file linked && busybox ln -s file soft && busybox mknod null c 1 3 \
                && busybox mkfifo pipe && busybox chmod 4751 file && busybox touch -d @1000000000 file . && busybox chown 3:4 pipe\n";
    std::fs::write(&file, text).expect("write");
    let (file, context) = (file.display().to_string(), ground.path("").display().to_string());
    let built = ground.run(&["image", "build", "-q", "-t", "odd", "-f", &file, &context]);
    assert!(built.status.success(), "{}", crate::support::errors(&built));
    let look = "cd /d && busybox stat -c '%n %F %a %u:%g %h %t:%T %Y' . file linked null; busybox stat -c '%n %F %a %u:%g' soft pipe; \
                busybox test file -ef linked && echo one";
    let of_image = ground.says(&["run", "--rm", "odd", "sh", "-c", look]);
    assert!(of_image.contains("linked regular file 4751 0:0 2 0:0 1000000000"), "{of_image}");
    assert!(of_image.ends_with("one\n"), "{of_image}");
    assert_eq!(ground.says(&["run", "--rm", "-v", "v:/d", "odd", "sh", "-c", look]), of_image);
    ground.says(&["volume", "rm", "v"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn anonymous_volumes_go_with_rm_v_and_used_ones_are_kept() {
    let ground = Ground::new();
    with_volume(&ground);
    let volumes = || ground.says(&["volume", "ls", "-q"]).lines().count();
    ground.says(&["run", "--name", "a", "-v", "/more", "keeper", "sh", "-c", "echo x > /more/x"]);
    assert_eq!(volumes(), 2, "VOLUME and -v /more");
    ground.says(&["rm", "a"]);
    assert_eq!(volumes(), 2, "as with podman, without -v they stay");
    assert_eq!(ground.says(&["volume", "prune", "-f"]).lines().count(), 2);
    ground.says(&["run", "--name", "b", "keeper", "true"]);
    assert_eq!(volumes(), 1);
    ground.says(&["rm", "-v", "b"]);
    assert_eq!(volumes(), 0);
    assert_eq!(ground.says(&["volume", "create", "mine"]), "mine\n");
    fails(&ground.run(&["volume", "create", "mine"]), 1, "already exists");
    ground.says(&["create", "--name", "c", "-v", "mine:/m", "shell"]);
    fails(&ground.run(&["volume", "rm", "mine"]), 2, "is being used by the following container(s): c");
    assert_eq!(ground.says(&["volume", "prune", "-f"]), "");
    assert_eq!(ground.says(&["ps", "-aq", "--filter", "volume=mine"]).lines().count(), 1);
    assert_eq!(ground.says(&["volume", "rm", "-f", "mine"]), "mine\n");
    assert_eq!(ground.says(&["ps", "-aq"]), "", "-f removes who has it");
    fails(&ground.run(&["volume", "rm", "mine"]), 1, "no such volume");
    fails(&ground.run(&["volume", "prune"]), 2, "--force");
    // As a killed command leaves them: one half made, one half removed.
    for half in [".new-one/_data", ".gone-another/_data"] {
        std::fs::create_dir_all(ground.path("state/volumes").join(half)).expect("made");
    }
    assert_eq!(ground.says(&["volume", "prune", "-f"]), "", "they never were volumes");
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_volume_is_said_before_anything_is_made() {
    let ground = Ground::new();
    for (volume, why) in [
        ("/no/such:/a", "statfs /no/such: No such file"),
        ("/tmp:a", "must be an absolute path"),
        ("/tmp:/a:xx", "invalid option type"),
        ("a/b:/x", "names must match"),
    ] {
        fails(&ground.run(&["run", "-v", volume, "shell"]), 125, why);
    }
    fails(&ground.run(&["run", "-v", "x:/a", "-v", "/tmp:/a", "shell"]), 125, "duplicate mount destination");
    let machine = ["run", "--target", "microvm", "-v", "x:/a", "shell"];
    fails(&ground.run(&machine), 125, "not possible with --target microvm");
    assert_eq!(ground.says(&["volume", "ls", "-q"]), "");
    // A link of the image's does not lead the copy out of it.
    let file = ground.path("Containerfile");
    std::fs::write(&file, "FROM shell\nRUN busybox ln -s / /out\n").expect("write");
    let (file, context) = (file.display().to_string(), ground.path("").display().to_string());
    ground.says(&["image", "build", "-q", "-t", "sly", "-f", &file, &context]);
    let seen = ground.says(&["run", "--rm", "-v", "leak:/out/etc", "sly", "ls", "/out/etc"]);
    assert!(!seen.contains("shadow") && !seen.contains("debian_version"), "files of the host: {seen}");
    ground.says(&["volume", "rm", "leak"]);
    assert_eq!(ground.left(&[]), Vec::<String>::new());
}
