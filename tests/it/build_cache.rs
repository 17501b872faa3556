//! What a build need not do again, and that it comes out the same.

use crate::support::builds::{Ground, folder, sh, tree};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use taremark::image::Image;
use taremark::image::build::{Context, Event, Options};
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;

#[test]
fn what_was_built_before_is_not_built_again() {
    let ground = Ground::new();
    let context = folder(&ground, &[("a", "1"), ("b", "1")]);
    let text = "FROM base AS dep\nCOPY a /a\nRUN cat /a > /dep\nFROM base\nCOPY b /b\nRUN echo ran && cat /b > /c\n\
        COPY --from=dep /dep /dep\nCMD [\"x\"]\n";
    let count = |text: &str, change: &dyn Fn(&mut Options)| {
        let file = ground.path("Dockerfile");
        std::fs::write(&file, text).expect("write");
        let mut options = Options::new(Context::Folder(context.clone()));
        options.file = Some(file);
        change(&mut options);
        let cached = Mutex::new(0);
        let built = ground.build_seeing(&options, &|e| {
            if matches!(e, Event::Cached { .. }) {
                *cached.lock().expect("lock") += 1;
            }
        });
        let built = built.expect("builds");
        (built.digest, built.cached, cached.into_inner().expect("lock"))
    };
    let (first, whole, hits) = count(text, &|_| ());
    assert_eq!((whole, hits), (false, 0));
    let (second, whole, hits) = count(text, &|_| ());
    assert_eq!((&second, whole, hits), (&first, true, 5));
    // A new time alone changes nothing; a mode does.
    std::fs::write(context.join("b"), "1").expect("touch");
    assert!(count(text, &|_| ()).1);
    std::fs::set_permissions(context.join("b"), std::fs::Permissions::from_mode(0o600)).expect("mode");
    assert_eq!(count(text, &|_| ()).2, 2, "the other stage is still known, and nothing else");
    std::fs::write(context.join("a"), "2").expect("change");
    let (_, whole, hits) = count(text, &|_| ());
    assert_eq!((whole, hits), (false, 2), "its own stage and what copies from it");
    let (_, whole, hits) = count(&text.replace("\"x\"", "\"y\""), &|_| ());
    assert_eq!((whole, hits), (false, 5));
    assert_eq!(count(text, &|o| o.no_cache = true).2, 0);
    let argument = "FROM base\nARG V\nRUN echo $V > /v\n";
    count(argument, &|o| drop(o.arguments.insert("V".into(), "1".into())));
    assert_eq!(count(argument, &|o| drop(o.arguments.insert("V".into(), "2".into()))).2, 0);
    assert_eq!(count(argument, &|o| drop(o.arguments.insert("V".into(), "1".into()))).2, 1);
}

/// Circumstances that must not be seen in an image.
struct Elsewhere<'a> {
    order: &'a [String],
    umask: &'a str,
    time: &'a str,
    owner: &'a str,
    zone: &'a str,
    host: &'a str,
}

/// Builds one context there, in a store of its own, as a user would; digest, layers and config.
fn built_elsewhere(ground: &Ground, at: &str, there: &Elsewhere<'_>, compression: &str) -> (String, String) {
    let context = ground.path(&format!("context-{at}"));
    std::fs::create_dir_all(context.join("d")).expect("folder");
    for name in there.order {
        std::fs::write(context.join(name), name).expect("write");
    }
    let dress = "chmod -R u=rwX,go=rX .; chown -R";
    sh(&format!("{dress} {} .; find . -exec touch -d '{}' {{}} +", there.owner, there.time), &context);
    let store = Store::open(&ground.path(&format!("store-{at}"))).expect("store");
    let archive = std::fs::File::open(ground.path("base.tar")).expect("tar");
    let name = "base".parse().expect("reference");
    import(&store, archive, &name, &ImportOptions::default()).expect("import");
    let file = ground.path("Dockerfile");
    let text = "FROM base\nCOPY d /d\nWORKDIR /new/dir\nRUN mkdir -p /m/n && touch /m/n/f && mv /etc/motd /moved\n\
        COPY <<x /x\ny\nx\nUSER app\nRUN echo a > /tmp/a\n";
    std::fs::write(&file, text).expect("write");
    let (program, umask, host) = (env!("CARGO_BIN_EXE_taremark"), there.umask, there.host);
    let script = format!(
        "hostname {host}; umask {umask}; exec {program} image build -q --compression {compression} -f {} {}",
        file.display(),
        context.display()
    );
    let mut run = Command::new("unshare");
    run.args(["--uts", "sh", "-ec", &script]).env("TAREMARK_STORE", store.root()).env("TZ", there.zone);
    run.env("SOURCE_DATE_EPOCH", "1700000000").env("USER", host).env("HOME", ground.path(at));
    let built = run.output().expect("unshare");
    assert!(built.status.success(), "{}", crate::support::errors(&built));
    let digest = crate::support::text(&built).trim().to_owned();
    let image = Image::read(&store, &digest.parse().expect("digest")).expect("image");
    (digest, format!("{:#} {:?}", image.config_json(), image.diff_ids()))
}

#[test]
fn the_same_context_gives_the_same_digest() {
    let ground = Ground::new();
    let names: Vec<String> = (0..40).map(|n| format!("d/{}", (n * 17) % 40)).collect();
    let mut backwards = names.clone();
    backwards.reverse();
    let here = Elsewhere {
        order: &names,
        umask: "022",
        time: "2024-05-05",
        owner: "0:0",
        zone: "UTC",
        host: "here",
    };
    let there = Elsewhere {
        order: &backwards,
        umask: "077",
        time: "1999-01-01",
        owner: "1234:77",
        zone: "XYZ-9:30",
        host: "there",
    };
    for compression in ["gzip", "zstd"] {
        let one = built_elsewhere(&ground, &format!("one-{compression}"), &here, compression);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let two = built_elsewhere(&ground, &format!("two-{compression}"), &there, compression);
        assert_eq!(one, two, "{compression}");
        assert!(one.1.contains("\"created\": \"2023-11-14T22:13:20Z\""), "{}", one.1);
    }
}

/// All of an unpacked layer. When a whiteout was made is nowhere in an archive.
fn layer(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = crate::support::trees::listed(dir);
    for told in all.values_mut().filter(|t| t.contains(" device 0")) {
        *told = "a whiteout".into();
    }
    all
}

#[test]
fn unpacked_layers_are_what_their_archives_unpack_to() {
    let ground = Ground::new();
    let context = ground.context();
    let text = "FROM base\nCOPY tree /t\nRUN rm -r /gone && mkdir /gone && echo n > /gone/n && rm /etc/motd && ln /etc/passwd /hard\n\
        RUN chmod 700 /\nADD packed.tar.gz /\nCOPY special /s\n";
    for compression in [taremark::image::build::Compression::Gzip, taremark::image::build::Compression::Zstd]
    {
        let image = ground.text(text, &context, |o| o.compression = compression).expect("builds");
        let here = image.lower_dirs(&ground.store).expect("layers");
        let other = Store::open(&ground.path(&format!("other-{compression:?}"))).expect("store");
        for blob in image.blobs().expect("blobs").keys() {
            let bytes = std::fs::read(ground.store.blob_path(blob)).expect("blob");
            other.put(&bytes[..], None).expect("put");
        }
        let again = Image::read(&other, image.digest()).expect("image").lower_dirs(&other).expect("unpacks");
        for (a, b) in here.iter().zip(&again) {
            assert_eq!(layer(a), layer(b), "{compression:?}");
        }
    }
}

#[test]
fn one_layer_where_one_is_asked_for() {
    let ground = Ground::new();
    let context = ground.context();
    let text = "FROM base\nCOPY tree /t\nRUN rm -r /gone /t/sub && echo x > /x\nCOPY a.txt /x\nRUN echo y > /y\nENV A=1\n";
    let many = ground.text(text, &context, |_| ()).expect("builds");
    let one = ground.text(text, &context, |o| o.squash = true).expect("builds");
    assert_eq!((many.diff_ids().len(), one.diff_ids().len()), (5, 2));
    assert_eq!(tree(ground.flat(&many).path()), tree(ground.flat(&one).path()));
    assert_eq!(many.run_spec(), one.run_spec());
}

#[test]
fn one_layer_is_known_by_what_it_would_be_made_of() {
    let ground = Ground::new();
    let context = folder(&ground, &[("a", "1")]);
    let file = ground.path("Dockerfile");
    std::fs::write(
        &file,
        "FROM base AS first\nRUN echo x > /x\nFROM base\nCOPY --from=first /x /x\nCOPY a /a\nWORKDIR /w\nRUN echo y > y\nCMD [\"z\"]\n",
    )
    .expect("write");
    let mut options = Options::new(Context::Folder(context.clone()));
    options.file = Some(file);
    options.squash = true;
    let built = || {
        let ran = Mutex::new(0);
        let told = ground.build_seeing(&options, &|e| {
            if let Event::Step { .. } = e {
                *ran.lock().expect("lock") += 1;
            }
        });
        (told.expect("builds"), ran.into_inner().expect("lock"))
    };
    let (first, steps) = built();
    assert_eq!((first.cached, steps), (false, 8));
    let (second, steps) = built();
    assert_eq!(
        (second.cached, second.digest, steps),
        (true, first.digest.clone(), 2),
        "the other stage's alone"
    );
    std::fs::write(context.join("a"), "2").expect("change");
    let (third, _) = built();
    assert!(!third.cached && third.digest != first.digest);
}

#[test]
fn a_prune_takes_what_builds_keep_for_the_next() {
    let ground = Ground::new();
    let context = folder(&ground, &[("a", "1")]);
    let text = "FROM base\nCOPY a /a\nRUN --mount=type=cache,target=/c echo kept >> /c/f && cat /c/f > /f\n";
    let lines = |image: &Image| crate::support::builds::read(ground.flat(image).path(), "f").lines().count();
    let no_cache = |o: &mut Options| o.no_cache = true;
    assert_eq!(lines(&ground.text(text, &context, no_cache).expect("builds")), 1);
    assert_eq!(lines(&ground.text(text, &context, no_cache).expect("builds")), 2);
    let removed = taremark::image::remove::prune(&ground.store).expect("prune");
    // Two lines of the folder; and where the machine is slow enough for the file to be old, what is known of it.
    assert!(removed.build_bytes == 10 || removed.build_bytes > 100, "{} bytes", removed.build_bytes);
    assert_eq!(lines(&ground.text(text, &context, no_cache).expect("builds")), 1);
}
