//! The store: verified, shared by processes, and whole whatever ends them.

use crate::image::{sh, store};
use crate::registry::{plain, quiet, reference, sample};
use crate::support::registries::Registry;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use taremark::image::load::load;
use taremark::image::registry::push::push;
use taremark::image::remove::prune;
use taremark::image::store::Store;
use taremark::image::verify::verify;

#[test]
fn verify_finds_every_kind_of_damage() {
    let (dir, store) = store();
    sample(dir.path(), &store, "sample:1");
    let image = store.resolve("sample:1").expect("image");
    let layers = image.lower_dirs(&store).expect("unpack");
    let well = verify(&store).expect("verify");
    assert_eq!((well.blobs, well.references, well.layers, well.problems.len()), (5, 1, 3, 0));
    let damaged = |what: &str| {
        let found = verify(&store).expect("verify").problems;
        assert!(found.iter().any(|p| p.contains(what)), "{what:?} is not in {found:?}");
    };
    let passwd = layers[2].join("etc/passwd");
    let before = std::fs::read(&passwd).expect("file");
    let time = std::fs::metadata(&passwd).expect("file").modified().expect("time");
    sh(dir.path(), &format!("printf X | dd of={} bs=1 conv=notrunc status=none", passwd.display()));
    std::fs::File::options().write(true).open(&passwd).and_then(|f| f.set_modified(time)).expect("time");
    damaged("/etc/passwd differs (content), and 0 more");
    std::fs::write(&passwd, before).expect("mend");
    damaged("/etc/passwd differs (time)");
    std::fs::File::options().write(true).open(&passwd).and_then(|f| f.set_modified(time)).expect("time");
    std::fs::write(layers[2].join("etc/more"), "").expect("more");
    damaged("/etc");
    std::fs::remove_file(layers[2].join("etc/more")).expect("mend");
    let biggest = image.blobs().expect("blobs").into_iter().max_by_key(|(_, b)| *b).expect("a blob").0;
    let path = store.blob_path(&biggest);
    let good = std::fs::read(&path).expect("blob");
    std::fs::write(&path, &good[1..]).expect("damage");
    damaged("it is damaged");
    damaged("were promised");
    std::fs::remove_file(&path).expect("damage");
    damaged("is not in the store");
    std::fs::write(&path, &good).expect("mend");
    std::fs::write(store.root().join("blobs/sha256/junk"), "").expect("junk");
    damaged("junk is no blob");
}

/// Starts an operation again and again and kills it a little later each time, until it comes to its end.
/// Where a busy machine lets it end before it was killed three times, the next is killed sooner.
fn killed_at_every_moment(store: &Store, what: &str, arguments: &[String], before: &dyn Fn()) {
    let (mut delay, mut killed, mut too_late) = (Duration::from_micros(200), 0, 0);
    loop {
        before();
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_taremark"))
            .arg("image")
            .args(arguments)
            .env("TAREMARK_STORE", store.root())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("taremark");
        while started.elapsed() < delay && child.try_wait().expect("wait").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let ended = child.try_wait().expect("wait");
        if ended.is_none() {
            child.kill().expect("kill -9");
            killed += 1;
        }
        let output = child.wait_with_output().expect("wait");
        let after = Store::open(store.root()).expect("the store opens");
        let found = verify(&after).expect("verify");
        assert_eq!(found.problems, Vec::<String>::new(), "{what}, killed after {delay:?}");
        // A program that it had started may outlive it for a moment, and what that still writes is cleared once it has ended.
        let left = || std::fs::read_dir(store.root().join("tmp")).expect("tmp").count();
        let mut tmp = left();
        for _ in 0..100 {
            if tmp == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(30));
            drop(Store::open(store.root()).expect("the store opens"));
            tmp = left();
        }
        assert_eq!(tmp, 0, "{what}, killed after {delay:?}, left something that opening did not clear");
        if ended.is_some() {
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
            if killed >= 3 {
                return;
            }
            too_late += 1;
            assert!(too_late < 100, "{what} ended {too_late} times and was killed only {killed} times");
        }
        delay = delay.mul_f64(if ended.is_some() { 0.5 } else { 1.35 });
    }
}

#[test]
fn killed_at_any_moment_the_store_verifies() {
    let registry = Registry::start();
    let (dir, source) = store();
    sample(dir.path(), &source, "sample:1");
    let name = format!("{}/sample:1", registry.host);
    push(&source, "sample:1", &reference(&name), &[], &plain(), &quiet).expect("push");
    let layout = dir.path().join("sample-1");
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (_dir, store) = store();
    let forget = || {
        if store.resolve("sample:1").is_ok() || store.resolve(&name).is_ok() {
            for each in store.references().expect("references").keys() {
                store.forget(&reference(each)).expect("forget");
            }
        }
        prune(&Store::open(store.root()).expect("store")).expect("prune");
    };
    killed_at_every_moment(&store, "pull", &words(&format!("pull --insecure -q {name}")), &forget);
    killed_at_every_moment(&store, "load", &words(&format!("load {}", layout.display())), &forget);
    let loaded = || {
        forget();
        load(&store, &layout).map(drop).expect("load");
    };
    killed_at_every_moment(&store, "unpack", &words("unpack sample:1"), &loaded);
    let tar = dir.path().join("out.tar");
    let save = format!("save sample:1 -o {} --format docker-archive", tar.display());
    killed_at_every_moment(&store, "save", &words(&save), &|| {
        let _ = std::fs::remove_file(&tar);
        loaded();
    });
    let unpacked = || {
        loaded();
        // By a process of its own: a layer in use would stay.
        let other = Store::open(store.root()).expect("store");
        store.resolve("sample:1").expect("image").lower_dirs(&other).map(drop).expect("unpack");
    };
    killed_at_every_moment(&store, "rm", &words("rm sample:1"), &unpacked);
    let plain_tar = dir.path().join("plain.tar");
    sh(dir.path(), "mkdir t; head -c 4000000 /dev/urandom > t/f; tar -C t -cf plain.tar .");
    let import = format!("import {} imported:1", plain_tar.display());
    killed_at_every_moment(&store, "import", &words(&import), &forget);
    loaded();
    let again = format!("push --insecure -q sample:1 {}/again:1", registry.host);
    killed_at_every_moment(&store, "push", &words(&again), &|| ());
}

/// What is there of a file that appears when it is whole is whole; nothing else is in its folder.
fn is_whole_or_not_there(file: &std::path::Path, bytes: u64) {
    if let Ok(about) = std::fs::metadata(file) {
        assert_eq!(about.len(), bytes, "{} is not whole", file.display());
        std::fs::remove_file(file).expect("remove");
    }
}

#[test]
fn files_that_are_written_when_it_is_killed_are_whole_or_not_there() {
    let (dir, store) = store();
    sample(dir.path(), &store, "sample:1");
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("folder");
    for (verb, file) in [
        ("export", "x.tar"),
        ("save", "x.oci.tar"),
        ("convert", "x.erofs"),
        ("convert", "x.ext4"),
        ("convert", "x.cpio"),
        ("convert", "x.squashfs"),
        ("convert", "x.qcow2"),
    ] {
        let file = out.join(file);
        let words: Vec<String> =
            [verb, "sample:1", "-o", file.to_str().expect("path")].map(str::to_owned).to_vec();
        let run = Command::new(env!("CARGO_BIN_EXE_taremark"))
            .arg("image")
            .args(&words)
            .env("TAREMARK_STORE", store.root())
            .output()
            .expect("taremark");
        assert!(run.status.success(), "{words:?}: {}", String::from_utf8_lossy(&run.stderr));
        let bytes = std::fs::metadata(&file).expect("written").len();
        killed_at_every_moment(&store, verb, &words, &|| is_whole_or_not_there(&file, bytes));
        is_whole_or_not_there(&file, bytes);
        let left: Vec<_> =
            std::fs::read_dir(&out).expect("folder").flatten().map(|e| e.file_name()).collect();
        assert!(left.is_empty(), "{verb} left {left:?}");
    }
    let forget = || {
        let _ = store.forget(&reference("other:1"));
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    killed_at_every_moment(&store, "tag", &words("tag sample:1 other:1"), &forget);
    killed_at_every_moment(&store, "prune", &words("prune"), &|| {
        let (_dir, other) = crate::image::store();
        let layout = dir.path().join("sample-1");
        sample(_dir.path(), &other, "gone:1");
        load(&store, &_dir.path().join("gone-1")).expect("load");
        store.forget(&reference("gone:1")).expect("forget");
        assert!(layout.is_dir());
    });
}

#[test]
fn a_layout_that_is_written_when_it_is_killed_is_what_it_was_or_has_the_image_too() {
    let (dir, store) = store();
    sample(dir.path(), &store, "sample:1");
    sample(dir.path(), &store, "before:1");
    let out = dir.path().join("layout");
    let to = out.to_str().expect("path").to_owned();
    let save = |name: &'static str| ["save", name, "--format", "oci-layout", "-o", &to].map(str::to_owned);
    let before = || {
        if out.exists() {
            whole_layout(&out);
            std::fs::remove_dir_all(&out).expect("remove");
        }
        let run = Command::new(env!("CARGO_BIN_EXE_taremark"))
            .arg("image")
            .args(save("before:1"))
            .env("TAREMARK_STORE", store.root())
            .status();
        assert!(run.expect("taremark").success());
    };
    killed_at_every_moment(&store, "save", &save("sample:1"), &before);
    assert_eq!(whole_layout(&out), 2);
    let hidden: Vec<_> = std::fs::read_dir(out.join("blobs/sha256"))
        .expect("folder")
        .chain(std::fs::read_dir(&out).expect("folder"))
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// Loads all that a layout names; how many images.
fn whole_layout(dir: &std::path::Path) -> usize {
    let (_dir, other) = store();
    load(&other, dir).expect("the layout loads");
    assert_eq!(verify(&other).expect("verify").problems, Vec::<String>::new());
    let names = other.references().expect("references");
    assert!(names.keys().any(|n| n.contains("before")), "the image that was there before is gone: {names:?}");
    for blob in std::fs::read_dir(dir.join("blobs/sha256")).expect("blobs").flatten() {
        let (name, bytes) = (blob.file_name(), std::fs::read(blob.path()).expect("blob"));
        let name = name.to_string_lossy();
        assert!(
            name.starts_with('.') || taremark::image::digest::Digest::of(&bytes).hex() == name,
            "{name} is not whole"
        );
    }
    names.len()
}

#[test]
fn a_build_that_is_killed_leaves_a_whole_store_and_no_process() {
    let ground = crate::support::builds::Ground::new();
    let context = crate::support::builds::folder(
        &ground,
        &[
            ("a", &"x".repeat(300_000)),
            ("Dockerfile", "FROM base\nCOPY a /a\nRUN cat /a /a > /b && sleep 0.05417\nRUN rm /a\n"),
        ],
    );
    let words = ["build", "--no-cache", "-t", "made:1", context.to_str().expect("path")].map(str::to_owned);
    killed_at_every_moment(&ground.store, "build", &words, &|| ());
    std::thread::sleep(Duration::from_millis(300));
    let running = Command::new("ps").args(["-eo", "args"]).output().expect("ps");
    assert!(!String::from_utf8_lossy(&running.stdout).contains("sleep 0.05417"), "a step still runs");
}

/// A killed build's step ends with it, however long it would have run, and its runtime cleans up.
#[test]
fn a_step_does_not_outlive_its_killed_build() {
    let ground = crate::support::builds::Ground::new();
    let file = "FROM base\nRUN sh -c 'sleep 4170.5; true'\n";
    let context = crate::support::builds::folder(&ground, &[("Dockerfile", file)]);
    let mut build = Command::new(env!("CARGO_BIN_EXE_taremark"))
        .args(["image", "build", "-t", "never:1", context.to_str().expect("path")])
        .env("TAREMARK_STORE", ground.store.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("taremark");
    let cgroup = format!("/taremark/build-{}-", build.id());
    let of_the_step = || {
        let all = std::fs::read_dir("/proc").expect("proc").flatten();
        let texts = all.filter_map(|p| std::fs::read_to_string(p.path().join("cgroup")).ok());
        texts.filter(|text| text.contains(&cgroup)).count()
    };
    let groups = || {
        let out = Command::new("find").args(["/sys/fs/cgroup", "-path", &format!("*{cgroup}*")]).output();
        String::from_utf8_lossy(&out.expect("find").stdout).into_owned()
    };
    let becomes = |what: &str, holds: &dyn Fn() -> bool| {
        let from = Instant::now();
        while !holds() {
            assert!(from.elapsed() < Duration::from_secs(30), "not: {what}; {}", groups());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    becomes("shell and sleep run", &|| of_the_step() >= 2);
    assert!(!groups().is_empty());
    build.kill().expect("kill -9");
    build.wait().expect("wait");
    becomes("no process and no cgroup is left", &|| of_the_step() == 0 && groups().is_empty());
    becomes("its folder is cleared", &|| {
        drop(Store::open(ground.store.root()).expect("the store opens"));
        std::fs::read_dir(ground.store.root().join("tmp")).expect("tmp").next().is_none()
    });
    assert_eq!(verify(&ground.store).expect("verify").problems, Vec::<String>::new());
}

#[test]
fn a_prune_beside_pulls_takes_nothing_that_they_need() {
    let registry = Registry::start();
    let (dir, source) = store();
    for n in 0..4 {
        let name = format!("sample:{n}");
        sample(dir.path(), &source, &name);
        let to = reference(&format!("{}/{name}", registry.host));
        push(&source, &name, &to, &[], &plain(), &quiet).expect("push");
    }
    let (_dir, store) = store();
    let end = Instant::now() + Duration::from_secs(3);
    let start = |arguments: Vec<String>| {
        let root = store.root().to_owned();
        std::thread::spawn(move || {
            let mut times = 0;
            while Instant::now() < end {
                let run = Command::new(env!("CARGO_BIN_EXE_taremark"))
                    .arg("image")
                    .args(&arguments)
                    .env("TAREMARK_STORE", &root)
                    .output()
                    .expect("taremark");
                assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
                times += 1;
            }
            times
        })
    };
    let pull = |n: usize| {
        vec![
            "pull".to_owned(),
            "--insecure".to_owned(),
            "-q".to_owned(),
            format!("{}/sample:{n}", registry.host),
        ]
    };
    let threads: Vec<_> = (0..4).map(|n| start(pull(n))).chain([start(vec!["prune".to_owned()])]).collect();
    let times: Vec<u32> = threads.into_iter().map(|t| t.join().expect("no failure")).collect();
    assert!(times.iter().all(|n| *n > 0), "{times:?}");
    let found = verify(&store).expect("verify");
    assert_eq!((found.problems, found.references), (Vec::new(), 4));
}
