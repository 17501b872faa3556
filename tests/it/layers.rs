//! Images of several layers: loaded from every form, merged as the kernel merges them, listed and removed.

use crate::image::{sh, store};
use crate::support::archives::{Layout, archive, docker_archive, gzip, member, pax};
use crate::support::trees::listed;
use std::path::Path;
use taremark::image::ImageError;
use taremark::image::digest::Digest;
use taremark::image::load::{load, load_as};
use taremark::image::remove::{prune, remove};
use taremark::image::store::Store;

/// Three layers that add, change, hide and bring back.
fn layers() -> Vec<Vec<u8>> {
    let dir = |path: &str| member(path, b'5', "", b"");
    let file = |path: &str, text: &str| member(path, b'0', "", text.as_bytes());
    let link = |path: &str, to: &str| member(path, b'1', to, b"");
    let passwd = "root:x:0:0::/:/bin/sh\napp:x:7:8::/srv:/bin/sh\n";
    vec![
        archive(&[
            dir("./"),
            dir("etc/"),
            file("etc/passwd", passwd),
            file("etc/group", "app:x:8:\nextra:x:9:app\n"),
            dir("gone/"),
            file("gone/a", "a"),
            dir("opaque/"),
            file("opaque/old", "old"),
            file("opaque/kept", "1"),
            dir("merged/"),
            file("merged/lower", "lower"),
            file("merged/hidden", "x"),
            file("twice", "lower"),
            file("one", "linked"),
            link("two", "one"),
            dir("wasdir/"),
            file("wasdir/x", "x"),
            file("wasfile", "f"),
            pax(&[("SCHILY.xattr.user.k", b"v\n\0"), ("mtime", b"1000000000.000000007")]),
            file("attr", "a"),
        ]),
        archive(&[
            dir("merged/"),
            file("merged/.wh.hidden", ""),
            file("merged/upper", "upper"),
            file(".wh.gone", ""),
            dir("opaque/"),
            file("opaque/new", "new"),
            file("opaque/.wh..wh..opq", ""),
            file("twice", "upper"),
            file("wasdir", "now a file"),
            dir("wasfile/"),
            file("wasfile/in", "in"),
            file(".wh.never", ""),
        ]),
        archive(&[
            file(".wh.merged", ""),
            dir("merged/"),
            file("merged/fresh", "only this"),
            file("opaque/.wh.new", ""),
            dir("gone/"),
            file("gone/back", "again"),
            file(".wh..wh.plnk", "note of aufs"),
        ]),
    ]
}

#[test]
fn merges_layers_as_the_kernel_does() {
    if !crate::support::in_namespace("layers::merges_layers_as_the_kernel_does", &[]) {
        return;
    }
    let (dir, store) = store();
    let source = dir.path().join("layout");
    let layout = Layout(&source);
    layout.finish(layout.image("amd64", &layers()), Some("merged:1"));
    let names = load(&store, &source).expect("load");
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["merged:1"]);
    let image = store.resolve("merged:1").expect("image");
    let lower = image.lower_dirs(&store).expect("unpack");
    assert_eq!(lower.len(), 3);
    let (flat, mounted) = (dir.path().join("flat"), dir.path().join("mounted"));
    std::fs::create_dir(&flat).expect("folder");
    std::fs::create_dir(&mounted).expect("folder");
    image.flatten_to(&store, &flat).expect("flatten");
    let shown: Vec<String> = lower.iter().map(|p| p.display().to_string()).collect();
    sh(dir.path(), &format!("mount -t overlay overlay -o lowerdir={} mounted", shown.join(":")));
    let kernel = listed(&mounted);
    let names: Vec<&str> = kernel.keys().filter_map(|p| p.to_str()).collect();
    let expected = [
        "",
        "attr",
        "etc",
        "etc/group",
        "etc/passwd",
        "gone",
        "gone/back",
        "merged",
        "merged/fresh",
        "one",
        "opaque",
        "twice",
        "two",
        "wasdir",
        "wasfile",
        "wasfile/in",
    ];
    assert_eq!(names, expected);
    assert_eq!(listed(&flat), kernel);
    let sizes = image.sizes(&store).expect("sizes");
    let files = [
        "attr",
        "etc/group",
        "etc/passwd",
        "gone/back",
        "merged/fresh",
        "one",
        "twice",
        "wasdir",
        "wasfile/in",
    ];
    let apparent: u64 = files.iter().map(|f| std::fs::metadata(mounted.join(f)).expect("file").len()).sum();
    assert_eq!(sizes.unpacked_bytes, apparent);
    assert!(sizes.allocated_bytes >= sizes.unpacked_bytes, "{sizes:?}");
    let blobs = std::fs::read_dir(source.join("blobs/sha256")).expect("blobs");
    let blobs: u64 = blobs.flatten().map(|b| b.metadata().expect("blob").len()).sum();
    assert_eq!(sizes.registry_bytes, blobs);
    assert_eq!(image.resolve_user(&lower).expect("user"), (7, 8, vec![9]));
    let run = image.run_spec();
    assert_eq!((run.argv.join(" "), run.cwd.as_str()), ("/bin/sh -c true".to_owned(), "/srv"));
    assert_eq!(
        image.config_json().pointer("/config/Healthcheck/Test/0").and_then(|v| v.as_str()),
        Some("NONE")
    );
    sh(dir.path(), "umount mounted");
}

#[test]
fn every_form_gives_the_same_layers() {
    let (dir, store) = store();
    let path = |name: &str| dir.path().join(name);
    let layout = Layout(&path("layout")).0.to_owned();
    let oci = Layout(&layout);
    let other = oci.image("s390x", &layers()[..1]);
    let index = oci.index(&[other, oci.image("amd64", &layers())]);
    oci.finish(index, Some("from/index:1"));
    std::fs::create_dir(path("docker")).expect("folder");
    docker_archive(&path("docker"), &["docker/one:1", "docker/two:2"], &layers());
    sh(dir.path(), "tar -C layout -cf layout.tar .; tar -C docker -czf docker.tgz .");
    let expected = layers().iter().map(|l| taremark::image::digest::Digest::of(l)).collect::<Vec<_>>();
    let mut manifests = Vec::new();
    for (form, name) in [
        ("layout", "from/index:1"),
        ("layout.tar", "from/index:1"),
        ("docker", "docker/one:1"),
        ("docker.tgz", "docker/two:2"),
    ] {
        let names = load(&store, &path(form)).expect(form);
        assert!(names.iter().any(|n| n.to_string() == name), "{form}: {names:?}");
        let image = store.resolve(name).expect(form);
        assert_eq!(image.diff_ids(), expected, "{form}");
        assert_eq!(image.platform(), "linux/amd64");
        manifests.push(image.digest().clone());
    }
    assert_eq!(manifests[0], manifests[1]);
    assert_eq!(manifests[2], manifests[3]);
    let named = load_as(&store, &path("layout"), Some(&"mine:9".parse().expect("reference"))).expect("named");
    assert_eq!(named[0].to_string(), "mine:9");
    assert_eq!(store.resolve(&format!("mine@{}", manifests[0])).expect("by digest").digest(), &manifests[0]);
}

#[test]
fn what_is_damaged_or_not_for_this_host_is_told() {
    let (dir, store) = store();
    let fails = |name: &str| load(&store, &dir.path().join(name)).expect_err(name);
    let source = |name: &str| dir.path().join(name);
    let other = Layout(&source("other")).0.to_owned();
    Layout(&other).finish(Layout(&other).image("s390x", &layers()), Some("x"));
    assert!(matches!(fails("other"), ImageError::NoPlatform { .. }), "{}", fails("other"));
    let nameless = source("nameless");
    Layout(&nameless).finish(Layout(&nameless).image("amd64", &layers()), None);
    assert!(fails("nameless").to_string().ends_with("the image has no name there: give one"));
    let bad = source("bad");
    // Layers that the store does not have from before.
    let fresh = archive(&[member("fresh", b'0', "", &crate::registry::noise(9000))]);
    let image = Layout(&bad).image("amd64", &[fresh]);
    Layout(&bad).finish(image, Some("x"));
    let largest = std::fs::read_dir(bad.join("blobs/sha256")).expect("blobs").flatten();
    let largest = largest.max_by_key(|b| b.metadata().expect("blob").len()).expect("a blob").path();
    let good = std::fs::read(&largest).expect("blob");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    std::fs::write(&largest, flipped).expect("damage");
    assert!(matches!(fails("bad"), ImageError::WrongDigest { .. }));
    std::fs::write(&largest, &good[..good.len() - 1]).expect("damage");
    assert!(matches!(fails("bad"), ImageError::WrongSize { .. }));
    std::fs::remove_file(&largest).expect("damage");
    assert!(fails("bad").to_string().starts_with("open "));
    std::fs::create_dir(source("docker")).expect("folder");
    docker_archive(&source("docker"), &["d"], &layers());
    let changed = archive(&[member("changed", b'0', "", b"!")]);
    std::fs::write(source("docker/1/layer.tar"), gzip(&changed)).expect("damage");
    assert!(matches!(fails("docker"), ImageError::WrongDiffId { .. }));
    std::fs::create_dir(source("empty")).expect("folder");
    assert!(matches!(fails("empty"), ImageError::NoImage { .. }));
    std::fs::write(source("junk"), vec![7; 4096]).expect("junk");
    fails("junk");
    assert!(store.references().expect("references").is_empty(), "something was named");
    assert_eq!(left_in_tmp(&store), 0);
    prune(&store).expect("prune");
    assert_eq!(std::fs::read_dir(store.root().join("blobs/sha256")).expect("blobs").count(), 0);
}

#[test]
fn a_layer_that_the_config_does_not_promise_is_not_unpacked() {
    let (dir, store) = store();
    let other = archive(&[member("promised", b'0', "", b"good")]);
    let layer = archive(&[member("given", b'0', "", b"evil")]);
    let path = dir.path().join("image");
    let image = Layout(&path).image_that_promises(std::slice::from_ref(&other), "amd64", &[layer]);
    Layout(&path).finish(image, Some("x"));
    let told = load(&store, &path).and_then(|_| store.resolve("x")?.lower_dirs(&store).map(drop));
    let told = told.expect_err("the config promises another");
    assert!(matches!(told, ImageError::WrongDiffId { .. }), "{told}");
    assert!(!store.layer_path(&Digest::of(&other)).exists(), "it lies there under the promised name");
    assert_eq!(left_in_tmp(&store), 0);
}

fn left_in_tmp(store: &Store) -> usize {
    std::fs::read_dir(store.root().join("tmp")).expect("tmp").count()
}

#[test]
fn removing_keeps_what_others_need() {
    let (dir, store) = store();
    let make = |name: &str, layers: &[Vec<u8>]| {
        let path = dir.path().join(name);
        Layout(&path).finish(Layout(&path).image("amd64", layers), Some(name));
        load(&store, &path).expect(name);
        store.resolve(name).expect(name)
    };
    let whole = make("whole", &layers());
    let base = make("base", &layers()[..1]);
    whole.lower_dirs(&store).expect("unpack");
    let shown = taremark::image::list::list(&store).expect("list");
    assert_eq!(
        shown.iter().map(|l| l.reference.as_str()).collect::<Vec<_>>(),
        ["base:latest", "whole:latest"]
    );
    let known = shown[1].known.as_ref().expect("known");
    assert_eq!((known.layers, known.platform.as_str()), (3, "linux/amd64"));
    assert_eq!(known.unpacked_bytes, Some(whole.sizes(&store).expect("sizes").unpacked_bytes));
    let inspected = taremark::image::list::inspect(&store, "whole").expect("inspect");
    assert_eq!(inspected.manifest["layers"].as_array().expect("layers").len(), 3);

    let name = "whole".parse().expect("reference");
    let user = Store::open(store.root()).expect("another process's");
    let removed = remove(&user, &name).expect("remove");
    assert_eq!(
        (removed.blobs, removed.layers, removed.layers_in_use),
        (4, 0, 2),
        "layers in use were removed"
    );
    assert!(whole.is_unpacked(&store));
    let root = store.root().to_owned();
    drop(store);
    let store = user;
    let removed = prune(&store).expect("prune");
    assert_eq!((removed.layers, removed.layers_in_use), (2, 0));
    assert!(base.is_unpacked(&store), "a layer that another image needs is gone");
    assert_eq!(base.lower_dirs(&store).expect("still there").len(), 1);
    assert!(matches!(remove(&store, &name), Err(ImageError::NotFound(_))));
    remove(&store, &"base".parse().expect("reference")).expect("remove");
    drop(store);
    prune(&Store::open(&root).expect("store")).expect("prune");
    for dir in ["blobs/sha256", "layers", "tmp"] {
        assert_eq!(std::fs::read_dir(Path::new(&root).join(dir)).expect("folder").count(), 0, "{dir}");
    }
}
