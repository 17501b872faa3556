//! Images: unpacking against GNU tar, layers, hostile archives, faults. They need root, GNU tar and zstd.

use crate::support::trees;
use std::path::{Path, PathBuf};
use std::process::Command;
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;
use taremark::image::{Image, ImageError};

/// A store in a folder that goes with it.
pub fn store() -> (tempfile::TempDir, Store) {
    assert!(nix::unistd::geteuid().is_root(), "these tests make devices and owners and need root: try sudo");
    let dir = tempfile::tempdir().expect("folder");
    let store = Store::open(&dir.path().join("store")).expect("store");
    (dir, store)
}

/// Imports an archive as `name`.
pub fn imported(store: &Store, archive: &[u8], name: &str) -> Result<Image, ImageError> {
    import(store, archive, &name.parse().expect("reference"), &ImportOptions::default())
}

/// `sh -c script` in `dir`.
pub fn sh(dir: &Path, script: &str) {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).output().expect("sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Everything that an image can hold.
const EVERYTHING: &str = r#"
    mkdir -p tree/etc tree/dev tree/usr/bin tree/empty "tree/$(printf 'a%.0s' $(seq 90))/$(printf 'b%.0s' $(seq 200))"
    cd tree
    echo root:x:0:0::/: > etc/passwd
    head -c 3000000 /dev/urandom > usr/bin/big
    cp etc/passwd "$(printf 'a%.0s' $(seq 90))/$(printf 'b%.0s' $(seq 200))/$(printf 'c%.0s' $(seq 200))"
    ln usr/bin/big usr/bin/same; ln -s big usr/bin/soft; ln -s /nowhere usr/bin/dangling; ln usr/bin/soft usr/bin/soft2
    ln -s usr/bin bin
    mknod dev/null c 1 3; mknod dev/sda b 8 0; mkfifo dev/fifo
    touch odd; mv odd "$(printf 'line\nend \377')"
    echo setuid > usr/bin/su; chown 12:34 usr/bin/su; chmod 6755 usr/bin/su
    chmod 1777 empty; chown 65534:100000 empty
    truncate -s 5M usr/bin/holes; printf x | dd of=usr/bin/holes bs=1 seek=3000000 conv=notrunc 2>/dev/null
    touch -d '2001-02-03 04:05:06.123456789' usr/bin/su; touch -h -d '1969-12-31 23:59:58.25' usr/bin/dangling
    touch -d '2020-01-01 00:00:00.000000001' usr/bin empty etc dev .
"#;

fn everything(dir: &Path) {
    sh(dir, EVERYTHING);
    let capability = [1, 0, 0, 2, 0, 4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0];
    let set = |path: &str, name: &str, value: &[u8]| {
        xattr::set(dir.join("tree").join(path), name, value).expect("extended attribute");
    };
    set("usr/bin/big", "user.text", b"hello");
    set("usr/bin/su", "trusted.bytes", b"\n\0\n12 path=/x\n=");
    set("usr/bin/su", "security.capability", &capability);
    set("usr/bin/soft", "trusted.onlink", b"yes");
    set("empty", "user.dir", b"yes");
}

#[test]
fn unpacks_what_gnu_tar_unpacks() {
    let (dir, store) = store();
    everything(dir.path());
    for (n, options) in
        ["", "--sparse", "--sparse --sparse-version=0.1", "--sparse --sparse-version=0.0"].iter().enumerate()
    {
        let pack = format!(
            "tar --format=pax --xattrs --xattrs-include='*' --numeric-owner {options} -C tree -cf {n}.tar .; mkdir {n}.gnu
             tar --xattrs --xattrs-include='*' --numeric-owner -C {n}.gnu -xpf {n}.tar"
        );
        sh(dir.path(), &pack);
        let packer = ["cat", "gzip -1", "zstd -q", "cat"][n];
        sh(dir.path(), &format!("{packer} < {n}.tar > {n}.packed"));
        let archive = std::fs::read(dir.path().join(format!("{n}.packed"))).expect("archive");
        let image = imported(&store, &archive, &format!("tree:{n}")).expect("import");
        assert!(!image.is_unpacked(&store));
        let layers = image.lower_dirs(&store).expect("unpack");
        assert!(image.is_unpacked(&store));
        let gnu = trees::listed(&dir.path().join(format!("{n}.gnu")));
        assert!(gnu.len() > 20, "GNU tar unpacked only {gnu:?}");
        assert_eq!(trees::listed(&layers[0]), gnu, "{options}");
    }
    let holes = std::fs::metadata(image_path(&store, "tree:1").join("usr/bin/holes")).expect("holes");
    assert!(std::os::unix::fs::MetadataExt::blocks(&holes) * 512 < 1 << 20, "a sparse file lost its holes");
}

#[test]
fn unpacks_gnu_format_with_long_names() {
    let (dir, store) = store();
    everything(dir.path());
    sh(dir.path(), "tar --format=gnu --sparse -C tree -cf t.tar .; mkdir gnu; tar -C gnu -xpf t.tar");
    let archive = std::fs::read(dir.path().join("t.tar")).expect("archive");
    imported(&store, &archive, "tree").expect("import");
    assert_eq!(trees::listed(&image_path(&store, "tree")), trees::listed(&dir.path().join("gnu")));
}

fn image_path(store: &Store, name: &str) -> PathBuf {
    store.resolve(name).expect("image").lower_dirs(store).expect("unpack").remove(0)
}

#[test]
fn the_builtin_image_is_the_same_for_the_same_program() {
    let (dir, store) = store();
    let program = dir.path().join("tare-load");
    std::fs::write(&program, b"\x7fELF one").expect("program");
    let first = taremark::image::builtin::ensure(&store, &program).expect("made");
    assert_eq!(first.run_spec().argv, ["/tare-load"]);
    assert!(first.run_spec().env[0].starts_with("PATH="));
    let layers = first.lower_dirs(&store).expect("unpack");
    assert_eq!(std::fs::read(layers[0].join("tare-load")).expect("there"), b"\x7fELF one");
    assert_eq!(taremark::image::builtin::ensure(&store, &program).expect("again").digest(), first.digest());
    std::fs::write(&program, b"\x7fELF two").expect("program");
    let second = taremark::image::builtin::ensure(&store, &program).expect("made anew");
    assert_ne!(second.digest(), first.digest());
    let (_elsewhere, other) = self::store();
    let there = taremark::image::builtin::ensure(&other, &program).expect("made");
    assert_eq!(there.digest(), second.digest(), "the same program gives another image in another store");
}
