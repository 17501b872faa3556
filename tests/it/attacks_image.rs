//! Attacks by what an image, or a volume, has where the runtime expects something else.

use crate::attacks::{ground, refused};
use crate::support::oci::Oci;
use crate::support::{busybox, errors, text};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The container's own folder as root, without a file system of its own on /dev: all there is the image's.
fn own_dev(c: &mut Value, root: &Path) {
    c["annotations"] = json!({});
    c["root"]["path"] = json!(root);
    let mounts = c["mounts"].as_array_mut().expect("mounts");
    mounts.retain(|m| m["destination"] != "/dev");
}

/// Exchanges `at` and `other`, both in `root`, again and again while `act` runs.
fn exchanging(root: &Path, at: &str, other: &str, act: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // RENAME_EXCHANGE: there is always something at `at`.
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let (old, new) = (root.join(at), root.join(other));
                rustix::fs::renameat_with(rustix::fs::CWD, old, rustix::fs::CWD, new, flags)
                    .expect("exchange");
            }
        });
        // Also where an assertion in it fails, or the scope would wait for ever.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|e| std::panic::resume_unwind(e));
    });
}

/// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867: /proc or /sys is a link, so that what is masked and
/// written there is something else.
#[test]
fn proc_and_sys_are_no_links() {
    for name in ["proc", "sys"] {
        let layer = busybox();
        let root = layer.path();
        std::fs::create_dir(root.join("elsewhere")).expect("folder");
        for to in ["/elsewhere", "../../../../../../../tmp"] {
            let _ = std::fs::remove_dir(root.join(name)).or_else(|_| std::fs::remove_file(root.join(name)));
            symlink(to, root.join(name)).expect("link");
            let ground = ground(root, "true", |_| ());
            let output = ground.run();
            refused(&ground, &output, "no link may lead to");
        }
    }
}

/// CVE-2025-31133, CVE-2025-62161: /dev/null is exchanged for a file while the container starts, to be bound, writable,
/// over what is masked.
#[test]
fn a_null_device_that_comes_and_goes_masks_nothing_else() {
    let layer = busybox();
    let root = layer.path();
    let null = nix::sys::stat::makedev(1, 3);
    let (kind, all) = (nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::from_bits_truncate(0o666));
    nix::sys::stat::mknod(&root.join("dev/null"), kind, all, null).expect("device");
    std::fs::write(root.join("etc/false-null"), "untouched").expect("file");
    let mut good = 0;
    exchanging(root, "dev/null", "etc/false-null", || {
        for _ in 0..40 {
            let ground = ground(root, "cat /proc/version; echo x > /proc/version; true", |c| {
                own_dev(c, root);
                // There on every kernel.
                c["linux"]["maskedPaths"] = json!(["/proc/version"]);
            });
            let output = ground.run();
            assert!(!text(&output).contains("untouched"), "the file lies over /proc/version");
            good += usize::from(output.status.success());
        }
    });
    let seen = ["dev/null", "etc/false-null"].map(|p| std::fs::read(root.join(p)).unwrap_or_default());
    assert!(seen.contains(&b"untouched".to_vec()), "the file was written to; {good} starts went well");
    assert!(good > 0, "no start met the true device");
}

/// CVE-2025-52565: /dev/console is a link, and the terminal comes to lie over what it leads to.
#[test]
fn a_console_that_is_a_link_leads_nowhere() {
    let layer = busybox();
    std::fs::write(layer.path().join("etc/target"), "untouched\n").expect("file");
    symlink("/etc/target", layer.path().join("dev/console")).expect("link");
    let root = layer.path().to_owned();
    let oci = Oci::over(layer, "test -c /etc/target && echo COVERED; cat /etc/target </dev/null", |c| {
        own_dev(c, &root);
        c["process"]["terminal"] = json!(true);
    });
    let (_, out, err) = oci.run();
    assert!(!out.contains("COVERED") && !err.contains("COVERED"), "{out}{err}");
}

/// CVE-2019-18837's kin: in a user namespace devices are bound over files of the image. A link there would have the
/// file made, and the device bound, in the host.
#[test]
fn a_device_that_is_a_link_makes_no_file_on_the_host() {
    let host = tempfile::tempdir().expect("folder");
    std::fs::set_permissions(host.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("mode");
    let layer = busybox();
    symlink(host.path().join("made"), layer.path().join("dev/full")).expect("link");
    let root = layer.path().to_owned();
    let oci = Oci::over(layer, "true", |c| {
        own_dev(c, &root);
        c["linux"]["namespaces"].as_array_mut().expect("namespaces").push(json!({"type": "user"}));
        let all = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
        c["linux"]["uidMappings"] = all.clone();
        c["linux"]["gidMappings"] = all;
    });
    let (code, out, err) = oci.run();
    assert!(!host.path().join("made").exists(), "a file was made on the host");
    assert!(code == 1 && err.contains("a link is there already"), "{code} {out}{err}");
}

/// A declared device where the image has another file: it would be that of the image.
#[test]
fn a_declared_device_is_the_very_device() {
    let layer = busybox();
    std::fs::write(layer.path().join("etc/fuse"), "x").expect("file");
    let ground = ground(layer.path(), "true", |c| {
        c["linux"]["devices"] = json!([{"path": "/etc/fuse", "type": "c", "major": 10, "minor": 229}]);
    });
    let output = ground.run();
    refused(&ground, &output, "another file is there already");
}

/// CVE-2019-14271's kin: what is copied into a fresh tmpfs is copied as it is; a link is not followed.
#[test]
fn links_are_not_followed_when_a_folder_is_copied_up() {
    let (layer, secret) = (busybox(), tempfile::tempdir().expect("folder"));
    std::fs::write(secret.path().join("secret"), "of the host").expect("secret");
    let up = layer.path().join("up");
    std::fs::create_dir(&up).expect("folder");
    symlink(secret.path().join("secret"), up.join("file")).expect("link");
    symlink(secret.path(), up.join("folder")).expect("link");
    let ground = ground(layer.path(), "cat /up/file /up/folder/secret; ls /up", |c| {
        let mount =
            json!({"destination": "/up", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]});
        c["mounts"].as_array_mut().expect("mounts").push(mount);
    });
    let output = ground.run();
    assert_eq!(text(&output), "file\nfolder\n", "{}", errors(&output));
}
