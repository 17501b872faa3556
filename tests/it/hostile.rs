//! Archives that mean harm, and hosts that fail midway: nothing outside is touched, nothing half made is left.

use crate::image::{imported, sh, store};
use crate::support::archives::{archive, gzip, member, pax, with_size};
use crate::support::trees::listed;
use std::path::Path;
use taremark::image::ImageError;
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;
use taremark::image::unpack::{Limits, unpack};

/// Unpacks into `dir/root`, which lies beside `dir/outside`.
fn attempt(dir: &Path, members: &[Vec<u8>]) -> Result<(), ImageError> {
    let root = dir.join("root");
    std::fs::create_dir(&root).expect("folder");
    unpack(&archive(members)[..], "attack", &root, Limits::default()).map(drop)
}

/// What it is, the archive's members, and what the error has to say; none where unpacking is to go well inside the root.
type Attack = (&'static str, Vec<Vec<u8>>, Option<&'static str>);

/// Runs each attack, and expects the outside to be as before and the error, where one is named, to be told.
#[test]
fn nothing_leads_out_of_the_root() {
    let dir = |p: &str| member(p, b'5', "", b"");
    let file = |p: &str| member(p, b'0', "", b"evil");
    let soft = |p: &str, to: &str| member(p, b'2', to, b"");
    let hard = |p: &str, to: &str| member(p, b'1', to, b"");
    let long = |p: &str, text: &str| {
        [pax(&[("path", p.as_bytes())]), member("short", b'0', "", text.as_bytes())].concat()
    };
    let out = "leads out of the root";
    let attacks: Vec<Attack> = vec![
        ("dots", vec![file("../outside/evil")], Some("holds ..")),
        ("dots within", vec![dir("a/"), file("a/../../outside/evil")], Some("holds ..")),
        ("dots in pax", vec![long("../outside/evil", "x")], Some("holds ..")),
        ("absolute", vec![file("/outside-evil")], None),
        ("link up, then through it", vec![soft("l", "../outside"), file("l/evil")], Some(out)),
        ("absolute link, then through it", vec![soft("l", "/tmp"), file("l/taremark-evil")], Some(out)),
        ("link, then a folder through it", vec![soft("l", "../outside"), dir("l/evil/")], Some(out)),
        ("chain of links", vec![soft("a", "b"), soft("b", ".."), file("a/outside/evil")], Some(out)),
        ("circle of links", vec![soft("a", "b"), soft("b", "a"), file("a/x")], Some(out)),
        ("link, then written over", vec![soft("l", "../outside/secret"), file("l")], None),
        ("link, then its mode", vec![soft("l", "../outside"), dir("l/")], None),
        ("hard link outside", vec![hard("h", "../outside/secret")], Some("holds ..")),
        ("hard link through a link", vec![soft("l", "../outside"), hard("h", "l/secret")], Some(out)),
        (
            "hard link to a link, then written",
            vec![soft("l", "../outside/secret"), hard("h", "l"), file("h")],
            None,
        ),
        ("hard link to nothing", vec![hard("h", "none")], Some("not in this layer")),
        ("hard link to a folder", vec![dir("d/"), hard("h", "d")], Some("to a folder")),
        ("whiteout of ..", vec![dir("d/"), file("d/.wh...")], Some("a whiteout of nothing")),
        ("whiteout of .", vec![file(".wh..")], Some("a whiteout of nothing")),
        ("whiteout of nothing", vec![file(".wh.")], Some("a whiteout of nothing")),
        ("opaque through a link", vec![soft("l", "../outside"), file("l/.wh..wh..opq")], Some(out)),
        ("whiteout through a link", vec![soft("l", "../outside"), file("l/.wh.secret")], Some(out)),
        ("root as a link", vec![soft(".", "../outside"), file("evil")], Some("the root is a folder")),
        ("through proc", vec![soft("l", "/proc/self/cwd"), file("l/taremark-evil")], Some(out)),
        (
            "steering overlayfs",
            vec![pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")]), dir("d/")],
            Some("steers"),
        ),
        ("whiteout in disguise", vec![member("d", b'3', "", b"")], Some("in disguise")),
        ("long name", vec![long(&"n".repeat(256), "x")], Some("longer than 255")),
        ("long path", vec![long(&"abc/".repeat(1200), "x")], Some("longer than 4095")),
        ("huge size", vec![with_size("f", b'0', "", b"x", 1 << 60)], Some("more than")),
        ("size past the end", vec![with_size("f", b'0', "", b"x", 1 << 20)], Some("cut off")),
        ("huge pax size", vec![pax(&[("size", b"18446744073709551615")]), file("f")], Some("more than")),
        ("huge extended header", vec![with_size("pax", b'x', "", b"", 1 << 40)], Some("too long")),
        ("unknown member", vec![member("m", b'M', "", b"")], Some("not supported")),
        ("zero in a name", vec![long("a\0b", "x")], Some("zero byte")),
    ];
    for (name, members, expected) in attacks {
        let (ground, _store) = store();
        let outside = ground.path().join("outside");
        std::fs::create_dir(&outside).expect("folder");
        std::fs::write(outside.join("secret"), "secret").expect("secret");
        let before = listed(&outside);
        let told = attempt(ground.path(), &members);
        assert_eq!(listed(&outside), before, "{name}: the outside was changed");
        let names: Vec<_> =
            std::fs::read_dir(ground.path()).expect("ground").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names.len(), 3, "{name}: {names:?}");
        assert!(!Path::new("/tmp/taremark-evil").exists() && !Path::new("taremark-evil").exists(), "{name}");
        match (told, expected) {
            (Ok(()), None) => {}
            (Err(e), Some(words)) => assert!(e.to_string().contains(words), "{name}: {e}"),
            (told, expected) => panic!("{name}: {told:?}, but {expected:?} was expected"),
        }
    }
}

#[test]
fn the_last_of_two_members_counts_and_links_inside_are_followed() {
    let (ground, _store) = store();
    let file = |p: &str, text: &[u8]| member(p, b'0', "", text);
    let dir = |p: &str| member(p, b'5', "", b"");
    let members = [
        file("a", b"first"),
        member("b", b'1', "a", b""),
        file("a", b"second"),
        dir("usr/lib/"),
        member("lib", b'2', "usr/lib", b""),
        file("lib/x", b"x"),
        dir("d/e/"),
        file("d/e/f", b"f"),
        file("d", b"file"),
        file("g", b"g"),
        dir("g/"),
        file("g/h", b"h"),
        member("a", b'1', "a", b""),
        member("dev", b'6', "", b""),
        file("dev", b"no pipe"),
    ];
    attempt(ground.path(), &members).expect("unpack");
    let text = |p: &str| std::fs::read_to_string(ground.path().join("root").join(p)).expect(p);
    assert_eq!(
        (text("a"), text("b")),
        ("second".into(), "first".into()),
        "a rewritten file changed its other name"
    );
    assert_eq!(
        (text("usr/lib/x"), text("d"), text("g/h"), text("dev")),
        ("x".into(), "file".into(), "h".into(), "no pipe".into())
    );
}

#[test]
fn bombs_and_cut_archives_are_refused() {
    let (_ground, store) = store();
    let bomb = gzip(&archive(&[member("f", b'0', "", &vec![0; 32 << 20])]));
    assert!(bomb.len() < 1 << 20);
    let limits = Limits { bytes: 1 << 20, members: 3 };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let name = "bomb".parse().expect("reference");
    let told = import(&store, &bomb[..], &name, &options).expect_err("a bomb");
    assert!(matches!(told, ImageError::TooLarge { limit: 1_048_576 }), "{told}");
    let many: Vec<_> = (0..4).map(|n| member(&n.to_string(), b'0', "", b"")).collect();
    let told = import(&store, &archive(&many)[..], &name, &options).expect_err("too many");
    assert!(matches!(told, ImageError::TooMany { limit: 3 }), "{told}");
    let image = imported(&store, &bomb, "bomb").expect("the default limits let it in");
    assert!(matches!(image.lower_dirs_within(&store, limits), Err(ImageError::TooLarge { .. })));
    assert!(!image.is_unpacked(&store), "a refused layer was left");
    let honest = archive(&[member("a", b'0', "", b"a"), member("b", b'0', "", &[1; 700])]);
    for cut in [0, 1, 511, 512, 600, 1024, 1536, 2000, honest.len() - 1024] {
        let told = imported(&store, &honest[..cut], "cut").expect_err("cut off");
        assert!(matches!(told, ImageError::CutOff { .. }), "{cut}: {told}");
        let packed = gzip(&honest);
        imported(&store, &packed[..packed.len() * cut / honest.len()], "cut").expect_err("cut off");
    }
    store.resolve("cut").expect_err("what was cut off got a name");
    let told = imported(&store, &[b'x'; 2048], "cut").expect_err("no archive").to_string();
    assert!(told.contains("is no tar header"), "{told}");
    assert_eq!(std::fs::read_dir(store.root().join("tmp")).expect("tmp").count(), 0);
}

#[test]
fn a_file_of_holes_counts_as_long_as_it_says() {
    let (ground, store) = store();
    sh(ground.path(), "truncate -s 70G f; tar --sparse -cf holes.tar f; rm f");
    let archive = std::fs::read(ground.path().join("holes.tar")).expect("archive");
    assert!(archive.len() < 64 << 10, "a small archive");
    let told = imported(&store, &archive, "holes").and_then(|image| image.lower_dirs(&store).map(drop));
    let told = told.expect_err("longer than all of an image may be");
    assert!(matches!(told, ImageError::TooLarge { limit } if limit == Limits::default().bytes), "{told}");
}

#[test]
fn a_bomb_behind_an_archives_end_is_refused() {
    let (_ground, store) = store();
    let small = archive(&[member("f", b'0', "", b"small")]);
    let bomb = gzip(&[small, vec![0; 32 << 20]].concat());
    let limits = Limits { bytes: 1 << 20, members: 3 };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let told = import(&store, &bomb[..], &"bomb".parse().expect("reference"), &options);
    assert!(matches!(told, Err(ImageError::TooLarge { limit: 1_048_576 })), "{told:?}");
}

#[test]
fn a_full_disk_leaves_nothing_half_made() {
    if !crate::support::in_namespace("hostile::a_full_disk_leaves_nothing_half_made", &[]) {
        return;
    }
    let (ground, _unused) = store();
    sh(ground.path(), "mkdir small; mount -t tmpfs -o size=6m none small");
    let store = Store::open(&ground.path().join("small/store")).expect("store");
    let mut state = 1u64;
    let mut noise = vec![0; 8 << 20];
    for byte in &mut noise {
        // xorshift64: nothing that gzip could make smaller.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state.to_le_bytes()[3];
    }
    let big = archive(&[member("f", b'0', "", &noise)]);
    let told = imported(&store, &big, "big").map(drop).map_err(anyhow::Error::from).expect_err("no room");
    assert!(format!("{told:#}").contains("No space left"), "{told:#}");
    let small = archive(&[member("f", b'0', "", &vec![0; 8 << 20])]);
    let image = imported(&store, &small, "small").expect("it compresses well");
    let told = image.lower_dirs(&store).map(drop).map_err(anyhow::Error::from).expect_err("no room");
    assert!(format!("{told:#}").contains("cannot unpack \"f\": No space left"), "{told:#}");
    assert!(!image.is_unpacked(&store));
    assert_eq!(std::fs::read_dir(store.root().join("tmp")).expect("tmp").count(), 0);
    assert_eq!(std::fs::read_dir(store.root().join("layers")).expect("layers").count(), 0);
    sh(ground.path(), "umount small");
}
