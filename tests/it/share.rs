//! What leaves the store and comes back: archives that peers read and that they wrote, trees, disks. They need skopeo,
//! podman, umoci, erofs-utils, squashfs-tools, e2fsprogs and qemu-img.

use crate::image::{imported, sh, store};
use crate::registry::{noise, sample};
use crate::support::archives::{Layout, archive, member, pax};
use crate::support::trees::listed;
use std::path::Path;
use std::process::Command;
use taremark::image::load::{load, load_as};
use taremark::image::save_docker::docker_archive;
use taremark::image::store::Store;
use taremark::image::{Image, compare, export, history, save};

/// Runs the program on a store.
fn taremark(store: &Store, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_taremark"))
        .args(["image"].iter().chain(args))
        .env("TAREMARK_STORE", store.root())
        .output()
        .expect("taremark");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn oci_archives_go_round_through_skopeo_and_umoci() {
    let (dir, here) = store();
    let digest = sample(dir.path(), &here, "team/sample:1");
    let names = ["team/sample:1".to_owned()];
    let path = |name: &str| dir.path().join(name);
    save::layout(&here, &names, &path("ours")).expect("layout");
    save::archive(&here, &names, std::fs::File::create(path("ours.tar")).expect("file")).expect("archive");
    sh(
        dir.path(),
        "skopeo copy -q --preserve-digests oci:ours:team/sample:1 oci:skopeo:team/sample:1
         skopeo copy -q --preserve-digests oci-archive:ours.tar:team/sample:1 oci-archive:skopeo.tar:team/sample:1
         umoci ls --layout ours | grep -qx team/sample:1
         tar -tf ours.tar > list; grep -qx oci-layout list",
    );
    for form in ["skopeo", "skopeo.tar", "ours", "ours.tar"] {
        let (_dir, there) = store();
        load(&there, &path(form)).expect(form);
        assert_eq!(there.resolve("team/sample:1").expect(form).digest(), &digest, "{form}");
    }
    // A second image joins the folder, and replaces its own name only.
    sample(dir.path(), &here, "other:2");
    save::layout(&here, &["other:2".to_owned()], &path("ours")).expect("added");
    save::layout(&here, &["other:2".to_owned()], &path("ours")).expect("again");
    let (_dir, there) = store();
    assert_eq!(load(&there, &path("ours")).expect("both").len(), 2);
    // What another tool wrote over ours.
    sh(dir.path(), "umoci tag --image ours:other:2 third; umoci gc --layout ours");
    assert_eq!(load(&there, &path("ours")).expect("three").len(), 3);
    let program = env!("CARGO_BIN_EXE_taremark");
    let (from, to) = (here.root().display(), path("piped"));
    sh(
        dir.path(),
        &format!(
            "TAREMARK_STORE={from} {program} image save other:2 -o - | TAREMARK_STORE={} {program} image load -",
            to.display()
        ),
    );
    let piped = Store::open(&to).expect("store").resolve("other:2").expect("piped");
    assert_eq!(piped.digest(), here.resolve("other:2").expect("image").digest());
}

#[test]
fn docker_archives_go_round_through_skopeo_and_podman() {
    let (dir, here) = store();
    sample(dir.path(), &here, "team/sample:1");
    let image = here.resolve("team/sample:1").expect("image");
    let ours = dir.path().join("ours.tar");
    let mut file = std::fs::File::create(&ours).expect("file");
    docker_archive(&here, &["team/sample:1".to_owned()], &mut file).expect("docker-archive");
    let graph = "podman --root $PWD/graph --runroot $PWD/run --storage-driver vfs";
    sh(
        dir.path(),
        &format!(
            "skopeo copy -q docker-archive:ours.tar docker-archive:skopeo.tar:docker.io/team/sample:1
             {graph} load -q -i ours.tar > loaded
             {graph} save -q --format docker-archive -o podman-docker.tar localhost/team/sample:1
             {graph} save -q --format oci-archive -o podman-oci.tar localhost/team/sample:1
             gzip -1 -k podman-oci.tar"
        ),
    );
    for form in ["skopeo.tar", "podman-docker.tar", "podman-oci.tar", "podman-oci.tar.gz"] {
        let (_dir, there) = store();
        let name = "back:1".parse().expect("reference");
        load_as(&there, &dir.path().join(form), Some(&name)).expect(form);
        let back = there.resolve("back:1").expect(form);
        assert_eq!(back.diff_ids(), image.diff_ids(), "{form}");
        assert_eq!(back.run_spec(), image.run_spec(), "{form}");
    }
    sh(dir.path(), &format!("{graph} rmi -f localhost/team/sample:1 > rmi"));
}

/// An image with all that an archive can hold but times below a second and attributes.
fn varied(store: &Store) -> Image {
    let members = [
        member("./", b'5', "", b""),
        member("bin/", b'5', "", b""),
        member("bin/app", b'0', "", &noise(100_000)),
        member("bin/same", b'1', "bin/app", b""),
        member("bin/link", b'2', "app", b""),
        member("empty", b'0', "", b""),
        member("fifo", b'6', "", b""),
        [pax(&[("path", "n".repeat(200).as_bytes())]), member("short", b'0', "", b"long name")].concat(),
    ];
    imported(store, &archive(&members), "varied").expect("import")
}

#[test]
fn an_export_is_the_tree_and_comes_back_as_it() {
    let (dir, store) = store();
    let image = varied(&store);
    let file = dir.path().join("tree.tar");
    export::export(&store, &image, std::fs::File::create(&file).expect("file")).expect("export");
    sh(dir.path(), "mkdir gnu; tar --xattrs --xattrs-include='*' --numeric-owner -C gnu -xpf tree.tar");
    let lower = image.lower_dirs(&store).expect("unpack");
    assert_eq!(listed(&dir.path().join("gnu")), listed(&lower[0]));
    let again = imported(&store, &std::fs::read(&file).expect("tar"), "again").expect("import");
    assert_eq!(compare::images(&store, &image, &again).expect("compare"), []);
    let twice = dir.path().join("twice.tar");
    export::export(&store, &again, std::fs::File::create(&twice).expect("file")).expect("export");
    assert!(std::fs::read(&file).expect("tar") == std::fs::read(&twice).expect("tar"), "not the same bytes");
}

#[test]
fn disks_hold_the_tree() {
    if !crate::support::in_namespace("share::disks_hold_the_tree", &[]) {
        return;
    }
    let (dir, store) = store();
    let image = varied(&store);
    let tree = dir.path().join("tree");
    taremark(&store, &["unpack", "varied", "--to", &tree.display().to_string()]);
    let expected = listed(&tree);
    assert_eq!(expected, listed(&image.lower_dirs(&store).expect("layers")[0]));
    std::fs::create_dir(dir.path().join("mnt")).expect("folder");
    for form in ["a.erofs", "a.squashfs", "a.ext4", "a.qcow2"] {
        let path = dir.path().join(form);
        taremark(&store, &["convert", "varied", "-o", &path.display().to_string()]);
        let raw = "qemu-img convert -f qcow2 -O raw a.qcow2 raw.ext4; mount -o ro,loop raw.ext4 mnt";
        let mount = if form == "a.qcow2" { raw.to_owned() } else { format!("mount -o ro,loop {form} mnt") };
        sh(dir.path(), &mount);
        let mut found = listed(&dir.path().join("mnt"));
        found.remove(Path::new("lost+found"));
        // mkfs.ext4 makes lost+found within the root, whose time is then its own.
        let root = expected.get(Path::new("")).expect("root").clone();
        if form.ends_with("ext4") || form.ends_with("qcow2") {
            found.insert("".into(), root);
        }
        assert_eq!(found, expected, "{form}");
        sh(dir.path(), "umount mnt");
    }
    taremark(&store, &["convert", "varied", "-o", &dir.path().join("a.cpio").display().to_string()]);
    sh(dir.path(), "mkdir cpio; cd cpio; busybox cpio -idm < ../a.cpio 2>/dev/null");
    let mut found = listed(&dir.path().join("cpio"));
    // Folders have the time of their last entry there, and busybox gives links none.
    for folder in ["", "bin", "bin/link"] {
        found.insert(folder.into(), expected.get(Path::new(folder)).expect("folder").clone());
    }
    assert_eq!(found, expected, "initramfs");
    let left = std::fs::read_dir(store.root().join("tmp")).expect("tmp").count();
    assert_eq!(left, 0);
}

#[test]
fn history_tree_and_diff_tell_what_layers_hold() {
    let (dir, store) = store();
    let layers = [
        archive(&[member("kept", b'0', "", &[1; 1000]), member("twice", b'0', "", &[2; 5000])]),
        archive(&[member("twice", b'0', "", &[3; 700]), member(".wh.gone", b'0', "", b"")]),
    ];
    let path = dir.path().join("layout");
    Layout(&path).finish(Layout(&path).image("amd64", &layers), Some("two"));
    Layout(&dir.path().join("base"))
        .finish(Layout(&dir.path().join("base")).image("amd64", &layers[..1]), Some("one"));
    load(&store, &path).expect("load");
    load(&store, &dir.path().join("base")).expect("load");
    let (one, two) = (store.resolve("one").expect("one"), store.resolve("two").expect("two"));
    let told = history::layers(&store, &two).expect("layers");
    let figures: Vec<_> = told.iter().map(|l| (l.files, l.bytes, l.whiteouts, l.wasted_bytes)).collect();
    assert_eq!(figures, [(2, 6000, 0, 5000), (1, 700, 1, 0)]);
    assert_eq!(history::events(&two).expect("events").len(), 2, "layers without history are told");
    let different = compare::images(&store, &one, &two).expect("compare");
    let shown: Vec<_> =
        different.iter().map(|d| (d.path.as_str(), d.what.join(","), d.after_bytes)).collect();
    assert_eq!(shown, [("/twice", "content".to_owned(), 700)]);
    assert!(taremark(&store, &["diff", "one", "two"]).starts_with("~ /twice 5.0 kB -> 700 B (content)\n"));
    assert!(taremark(&store, &["tree", "two"]).ends_with("2 layers, 6.7 kB unpacked, 5.0 kB of it wasted\n"));
    assert_eq!(taremark(&store, &["history", "two", "--json"]).matches("created_by").count(), 2);
    taremark(&store, &["tag", "two", "team/two:3"]);
    assert_eq!(store.resolve("team/two:3").expect("tagged").digest(), two.digest());
}

#[test]
fn a_reader_that_has_enough_ends_the_program_without_a_word() {
    let (dir, store) = store();
    varied(&store);
    let program = env!("CARGO_BIN_EXE_taremark");
    // The reader is gone before anything is printed: it has nowhere to go.
    let script = format!("{program} image ls | true; echo ${{PIPESTATUS[0]}}");
    for _ in 0..20 {
        let run = Command::new("bash").args(["-c", &script]).env("TAREMARK_STORE", store.root()).output();
        let run = run.expect("bash");
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!((told.as_str(), String::from_utf8_lossy(&run.stdout).trim()), ("", "0"));
    }
    let no_archive = dir.path().join("text");
    std::fs::write(&no_archive, "root:x:0:0::/root:/bin/sh\n".repeat(99)).expect("write");
    let mut run = Command::new(program);
    let run = run.args(["image", "load"]).arg(&no_archive).env("TAREMARK_STORE", store.root()).output();
    let told = String::from_utf8_lossy(&run.expect("taremark").stderr).into_owned();
    assert!(told.contains("it is no tar archive"), "{told}");
}
