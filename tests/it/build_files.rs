//! What a build believes of files that it has read before, and what it must not.

use crate::support::builds::{Ground, folder, read, sh};
use crate::support::in_namespace;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use taremark::image::Image;
use taremark::image::build::{Context, Event, Options};

/// Changes a file without a sign of it: what is written to a mapped page that is dirty already sets no time. So does any
/// change within one tick of a clock that is too coarse.
struct Mapped {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Mapped {
    fn open(path: &Path) -> Self {
        let script = "import mmap, os, sys\nf = os.open(sys.argv[1], os.O_RDWR)\nm = mmap.mmap(f, 0)\n\
            for line in sys.stdin:\n    m[0:1] = line[0].encode()\n    print(flush=True)\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let to = child.stdin.take().expect("pipe");
        let from = BufReader::new(child.stdout.take().expect("pipe"));
        Self { child, to, from }
    }

    fn write(&mut self, letter: char) {
        writeln!(self.to, "{letter}").expect("write");
        self.from.read_line(&mut String::new()).expect("answer");
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sign(path: &Path) -> (u64, u64, i64, i64, i64, i64) {
    let m = std::fs::metadata(path).expect("file");
    (m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec())
}

#[test]
fn a_file_that_may_have_changed_without_a_sign_is_read_again() {
    if !in_namespace("build_files::a_file_that_may_have_changed_without_a_sign_is_read_again", &[]) {
        return;
    }
    let ground = Ground::new();
    // Of its own: a build syncs the store's file system, after which the page would be watched again.
    sh("mkdir context; mount -t tmpfs none context", ground.dir.path());
    let context = folder(&ground, &[("f", "0 first"), ("other", "x")]);
    let file = context.join("f");
    let mut mapped = Mapped::open(&file);
    let built = || {
        let image = ground.text("FROM base\nCOPY . /d\n", &context, |_| ()).expect("builds");
        read(ground.flat(&image).path(), "d/f")
    };
    mapped.write('1');
    let before = sign(&file);
    assert_eq!(built(), "1 first");
    mapped.write('2');
    assert_eq!(built(), "2 first", "a young file was believed by its sign");
    assert_eq!(sign(&file), before, "the change has left a sign: nothing was tried");
    // What has not changed for a while is believed, as git believes it: this is what a second build saves.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(built(), "2 first");
    mapped.write('3');
    assert_eq!(sign(&file), before);
    assert_eq!(built(), "2 first", "a file that was old when it was read is not read again");
    // Any sign will do, whatever else is put back.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(before.2.cast_unsigned());
    let handle = std::fs::File::options().write(true).open(&file).expect("open");
    handle.set_modified(time).expect("time");
    assert_eq!(built(), "3 first", "the time of change was set, and not heeded");
    drop(mapped);
    sh("umount -l context", ground.dir.path());
}

#[test]
fn what_is_known_of_one_instruction_is_not_taken_for_another() {
    let ground = Ground::new();
    let context = folder(&ground, &[("d/a", "a"), ("d/b", "b"), ("e/a", "other"), ("e/b", "b")]);
    std::thread::sleep(Duration::from_secs(4));
    let text = |ignore: &str, text: &str| {
        std::fs::write(context.join(".dockerignore"), ignore).expect("write");
        let image = ground.text(&format!("FROM base\n{text}\n"), &context, |_| ()).expect("builds");
        let flat = ground.flat(&image);
        let all = |n: &str| std::fs::read_to_string(flat.path().join("to").join(n)).unwrap_or_default();
        all("a") + &all("b")
    };
    for _ in 0..2 {
        assert_eq!(text("", "COPY d /to"), "ab");
        assert_eq!(text("", "COPY e /to"), "otherb");
        assert_eq!(text("d/b", "COPY d /to"), "a");
        assert_eq!(text("", "COPY --exclude=a d /to"), "b");
        std::fs::rename(context.join("d"), context.join("x")).expect("rename");
        std::fs::rename(context.join("e"), context.join("d")).expect("rename");
        assert_eq!(text("", "COPY d /to"), "otherb", "other files under the same names");
        std::fs::rename(context.join("d"), context.join("e")).expect("rename");
        std::fs::rename(context.join("x"), context.join("d")).expect("rename");
    }
    // What is kept may be cut off or changed by anything: then it is not known.
    let kept = ground.store.root().join("build/files");
    for dir in std::fs::read_dir(&kept).expect("kept").flatten() {
        for file in std::fs::read_dir(dir.path()).expect("kept").flatten().map(|e| e.path()) {
            let bytes = std::fs::read(&file).expect("record");
            std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("cut");
        }
    }
    assert_eq!(text("", "COPY d /to"), "ab");
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_told_and_nothing_is_kept_of_it() {
    let ground = Ground::new();
    let context = folder(&ground, &[("d/log", "begun\n"), ("d/steady", "x")]);
    let mut options = Options::new(Context::Folder(context.clone()));
    std::fs::write(ground.path("Dockerfile"), "FROM base\nCOPY d /d\nRUN cp /d/log /copy\n").expect("write");
    options.file = Some(ground.path("Dockerfile"));
    let (done, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let (grows, hits) = (context.join("d/log"), Mutex::new(0));
    let see = |event: &Event<'_>| match event {
        Event::Warning(text) => told.lock().expect("lock").push(text.clone()),
        Event::Cached { .. } => *hits.lock().expect("lock") += 1,
        _ => {}
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = std::fs::File::options().append(true).open(&grows).expect("open");
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"x").expect("write");
            }
        });
        let built = ground.build_seeing(&options, &see);
        done.store(true, Ordering::Relaxed);
        built.expect("builds");
    });
    let all = told.lock().expect("lock").clone();
    assert!(matches!(&all[..], [one] if one.starts_with("d/log changed while it was copied")), "{all:?}");
    let again = ground.build_seeing(&options, &see).expect("builds");
    assert_eq!((again.cached, *hits.lock().expect("lock")), (false, 0), "something was kept");
    let image = Image::read(&ground.store, &again.digest).expect("image");
    assert_eq!(read(ground.flat(&image).path(), "copy"), read(&context, "d/log"));
    assert!(ground.build_seeing(&options, &see).expect("builds").cached);
}

#[test]
fn builds_of_one_context_beside_one_another_agree() {
    let ground = Ground::new();
    let names: Vec<(String, String)> =
        (0..200).map(|n| (format!("d{}/{n}", n % 20), n.to_string())).collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let context = folder(&ground, &names);
    std::fs::write(ground.path("Dockerfile"), "FROM base\nCOPY . /d\n").expect("write");
    let mut options = Options::new(Context::Folder(context.clone()));
    options.file = Some(ground.path("Dockerfile"));
    options.epoch = Some(1_700_000_000);
    for round in 0..3 {
        std::fs::write(context.join("d7/7"), format!("round {round}")).expect("write");
        std::thread::sleep(Duration::from_millis(if round == 1 { 3500 } else { 0 }));
        let digests: Vec<_> = std::thread::scope(|scope| {
            let one = || ground.build(&options).expect("builds").digest;
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
        let image = Image::read(&ground.store, &digests[0]).expect("image");
        assert_eq!(read(ground.flat(&image).path(), "d/d7/7"), format!("round {round}"));
        assert!(ground.build(&options).expect("builds").cached);
    }
    assert!(taremark::image::verify::verify(&ground.store).expect("verify").problems.is_empty());
}
