//! A disk that is full, under a store and under what is written for others: the error says so, nothing half made has a
//! name, and with more room the same works.

use crate::image::{sh, store};
use crate::registry::noise;
use crate::support::archives::{archive, member};
use crate::support::{errors, in_namespace};
use std::path::Path;
use std::process::{Command, Output};
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;
use taremark::image::verify::verify;

fn taremark(store: &Store, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taremark"));
    command.arg("image").args(args).env("TAREMARK_STORE", store.root());
    command.output().expect("taremark")
}

/// It fails by the full disk, and says what it was about.
fn full(output: &Output, what: &str) {
    let told = errors(output);
    assert_eq!(output.status.code(), Some(3), "{what}: {told}");
    for part in ["No space left on device", "try: free space", what] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("folder").flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_written_for_others_is_whole_or_not_there() {
    if !in_namespace("full_disk::what_is_written_for_others_is_whole_or_not_there", &[]) {
        return;
    }
    let (dir, store) = store();
    let big = archive(&[member("noise", b'0', "", &noise(12 << 20))]);
    import(&store, &big[..], &"big:1".parse().expect("name"), &ImportOptions::default()).expect("import");
    sh(dir.path(), "mkdir small; mount -t tmpfs -o size=6m none small");
    let small = dir.path().join("small");
    let out = |name: &str| small.join(name).display().to_string();
    let save = |format: &'static str, to: &str| {
        ["save", "big:1", "--format", format, "-o", to].map(str::to_owned).to_vec()
    };
    let mut all = vec![save("oci-archive", &out("a.tar")), save("docker-archive", &out("d.tar"))];
    for verb_and_file in ["export e.tar", "convert x.erofs", "convert x.ext4", "convert x.squashfs"]
        .into_iter()
        .chain(["convert x.qcow2", "convert x.cpio"])
    {
        let (verb, file) = verb_and_file.split_once(' ').expect("two");
        all.push([verb, "big:1", "-o", &out(file)].map(str::to_owned).to_vec());
    }
    for args in &all {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let to = args.last().expect("a file");
        std::fs::write(to, "what was there before").expect("write");
        full(&taremark(&store, &args), to);
        assert_eq!(std::fs::read_to_string(to).expect("there"), "what was there before", "{args:?}");
        std::fs::remove_file(to).expect("remove");
        assert_eq!(names(&small), Vec::<String>::new(), "{args:?} left something");
    }
    full(&taremark(&store, &["unpack", "big:1", "--to", &out("tree")]), &out("tree"));
    assert_eq!(names(&small), Vec::<String>::new());
    // A folder is written blob by blob: those that are there are whole, and no index names what is not.
    let layout = out("layout");
    let words = ["save", "big:1", "--format", "oci-layout", "-o", &layout];
    full(&taremark(&store, &words), &layout);
    assert_eq!(names(Path::new(&layout)), ["blobs"]);
    assert!(names(&Path::new(&layout).join("blobs/sha256")).iter().all(|n| !n.starts_with('.')));
    sh(dir.path(), "mount -o remount,size=64m small");
    assert!(taremark(&store, &words).status.success());
    let other = Store::open(&dir.path().join("other")).expect("store");
    taremark::image::load::load(&other, Path::new(&layout)).expect("it is whole now");
    assert!(taremark(&store, &["unpack", "big:1", "--to", &out("tree")]).status.success());
    assert_eq!(verify(&store).expect("verify").problems, Vec::<String>::new());
    sh(dir.path(), "umount small");
}

#[test]
fn a_build_ends_and_leaves_the_store_whole() {
    if !in_namespace("full_disk::a_build_ends_and_leaves_the_store_whole", &[]) {
        return;
    }
    let ground = crate::support::builds::Ground::new();
    let dir = ground.dir.path();
    sh(dir, "mkdir small context; mount -t tmpfs -o size=24m none small; echo a > context/a");
    std::fs::write(dir.join("context/most"), noise(12 << 20)).expect("write");
    std::fs::write(dir.join("context/more"), noise(32 << 20)).expect("write");
    let store = Store::open(&dir.join("small/store")).expect("store");
    let tar = std::fs::File::open(dir.join("base.tar")).expect("tar");
    import(&store, tar, &"base".parse().expect("name"), &ImportOptions::default()).expect("import");
    let context = dir.join("context").display().to_string();
    let build = |text: &str| {
        std::fs::write(dir.join("context/Dockerfile"), text).expect("write");
        taremark(&store, &["build", "-t", "made:1", &context])
    };
    for (text, what) in [
        ("FROM base\nCOPY more /more\n", "copy more"),
        // The copy has room, its layer beside it has not.
        ("FROM base\nCOPY a /a\nCOPY most /most\n", "write the layer of"),
        ("FROM base\nCOPY --link more /more\n", "copy more"),
    ] {
        let told = build(text);
        full(&told, what);
        assert!(errors(&told).contains("Dockerfile:"), "no place: {}", errors(&told));
        store.resolve("made:1").expect_err("it has a name");
        assert_eq!(names(&store.root().join("tmp")), Vec::<String>::new(), "{text}");
        assert_eq!(verify(&store).expect("verify").problems, Vec::<String>::new(), "{text}");
    }
    // A command meets it as any command does.
    let told = build("FROM base\nRUN busybox dd if=/dev/urandom of=/f bs=1M count=40\n");
    assert_eq!(told.status.code(), Some(1), "{}", errors(&told));
    assert!(errors(&told).contains("No space left on device"), "{}", errors(&told));
    assert!(errors(&told).contains("the command ended with 1"), "{}", errors(&told));
    sh(dir, "mount -o remount,size=128m small");
    let well = build("FROM base\nCOPY a /a\nCOPY most /most\n");
    assert!(well.status.success(), "{}", errors(&well));
    let image = store.resolve("made:1").expect("named");
    let flat = ground.flat_of(&store, &image);
    assert_eq!(std::fs::read(flat.path().join("most")).expect("file"), noise(12 << 20));
    assert_eq!(verify(&store).expect("verify").problems, Vec::<String>::new());
    drop((image, store));
    sh(dir, "umount small");
}
