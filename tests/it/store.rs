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
fn killed_at_every_moment(store: &Store, what: &str, arguments: &[String], before: &dyn Fn()) {
    let (mut delay, mut killed) = (Duration::from_millis(1), 0);
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
        let tmp = std::fs::read_dir(store.root().join("tmp")).expect("tmp").count();
        assert_eq!(tmp, 0, "{what}, killed after {delay:?}, left something that opening did not clear");
        if ended.is_some() {
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(killed >= 3, "{what} was killed only {killed} times");
            return;
        }
        delay = delay.mul_f64(1.35);
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
