//! Builds, held against `buildah bud` of the same files, attribute by attribute; and what buildah 1.28 cannot do.

use crate::support::buildah::Buildah;
use crate::support::{TAREC, busybox, in_namespace};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use taremark::builder::Builder;
use taremark::image::Image;
use taremark::image::build::{BuildError, Built, Context, Event, Options, build};
use taremark::image::digest::Digest;
use taremark::image::import::{ImportOptions, import};
use taremark::image::store::Store;

/// Old, so that it is told apart from what a build makes: 2001-09-09.
const OLD: i64 = 1_000_000_000;

fn sh(script: &str, dir: &Path) {
    let output = Command::new("bash").args(["-euc", script]).current_dir(dir).output().expect("bash");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A store with the image `base`, the tree that it was made of, and a context.
struct Ground {
    dir: tempfile::TempDir,
    store: Store,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let layer = busybox();
        let base = dir.path().join("base");
        std::fs::rename(layer.path(), &base).expect("rename");
        sh(
            "printf 'root:x:0:0::/root:/bin/sh\\napp:x:1000:1001::/home/app:/bin/sh\\n' > etc/passwd
             printf 'root:x:0:\\napp:x:1001:\\nmore:x:5:app\\n' > etc/group
             echo motd > etc/motd; echo m > etc/move-me; touch etc/hosts etc/resolv.conf etc/hostname
             mkdir -p gone/with/more opt root home/app run var/tmp; echo x > gone/with/more/x; chmod 1777 tmp var/tmp
             for a in rm mkdir mv chmod chown ln mkfifo pwd stat find wc head sed date env printf; do ln -sf busybox bin/$a; done
             find . -exec touch -h -d @1000000000 {} +",
            &base,
        );
        sh("tar --numeric-owner -C base -cf base.tar .", dir.path());
        let store = Store::open(&dir.path().join("store")).expect("store");
        let options = ImportOptions { env: vec!["PATH=/bin".into()], ..ImportOptions::default() };
        let archive = std::fs::File::open(dir.path().join("base.tar")).expect("tar");
        import(&store, archive, &"base".parse().expect("reference"), &options).expect("import");
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A context with one of everything.
    fn context(&self) -> PathBuf {
        let context = self.path("context");
        std::fs::create_dir(&context).expect("folder");
        sh(
            r#"umask 022
             echo a > a.txt; echo b > b.txt; printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh; echo s > 'name with spaces'
             mkdir -p tree/sub/deep tree/empty libtree/lib special; echo 1 > tree/one; echo 2 > tree/sub/a2; echo 3 > tree/sub/d3
             echo 4 > tree/sub/e4; echo 5 > tree/sub/deep/five; chmod 640 tree/one; chmod 4755 tree/sub/a2
             chmod 700 tree/empty; ln -s one tree/link; ln -s /etc/passwd tree/absolute; echo h > tree/hard1; ln tree/hard1 tree/hard2
             ln -s a.txt link-to-a; ln -s tree link-to-tree; echo so > libtree/lib/x.so
             cp /bin/busybox static; echo not an archive > no-archive.tar.gz
             mkdir -p special/.hidden 'special/ä ö'; mkfifo special/fifo; printf 'x\ny' > special/.hidden/f; truncate -s 100000 special/sparse
             chown 3:4 tree/one
             mkdir -p pack/in; echo p > pack/in/p; ln -s p pack/in/l; ln pack/in/p pack/in/h; chown 42:43 pack/in/p; chmod 2750 pack/in
             find . -exec touch -h -d @1000000000 {} +
             tar -C pack --numeric-owner -cf plain.tar .; tar -C pack --numeric-owner -czf packed.tar.gz in
             tar -C pack --numeric-owner -cJf packed.tar.xz in; tar -C pack --numeric-owner --transform s/in/bz/ -cjf packed.tar.bz2 in
             touch -d @1000000000 . *.tar*"#,
            &context,
        );
        xattr::set(context.join("special/sparse"), "user.note", b"kept").expect("attribute");
        context
    }

    fn build(&self, options: &Options) -> Result<Built, BuildError> {
        self.build_seeing(options, &|_| ())
    }

    fn build_seeing(
        &self,
        options: &Options,
        tell: &(dyn Fn(&Event<'_>) + Sync),
    ) -> Result<Built, BuildError> {
        let builder = Builder::new(TAREC.into());
        build(&self.store, options, std::io::empty(), &|step| builder.run(step), tell)
    }

    /// Builds a Dockerfile given as text.
    fn text(
        &self,
        dockerfile: &str,
        context: &Path,
        change: impl FnOnce(&mut Options),
    ) -> Result<Image, BuildError> {
        let file = self.path("Dockerfile");
        std::fs::write(&file, dockerfile).expect("write");
        let mut options = Options::new(Context::Folder(context.to_owned()));
        options.file = Some(file);
        change(&mut options);
        Ok(Image::read(&self.store, &self.build(&options)?.digest)?)
    }

    fn flat(&self, image: &Image) -> tempfile::TempDir {
        let dir = tempfile::tempdir_in(self.dir.path()).expect("folder");
        image.flatten_to(&self.store, dir.path()).expect("flatten");
        dir
    }
}

/// All that can be told about a tree; times of what the build made itself are not compared.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), Vec<PathBuf>> = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let short = path.strip_prefix(root).expect("below").to_owned();
        let about = std::fs::symlink_metadata(&path).expect("metadata");
        let kind = about.file_type();
        let mut told = format!("{:o} {}:{}", about.mode(), about.uid(), about.gid());
        // A folder's time changes with what is put into it.
        if about.mtime() <= OLD && !kind.is_dir() {
            told += &format!(" at {}", about.mtime());
        }
        if kind.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("folder").flatten().map(|e| e.path()));
        } else {
            inodes.entry((about.dev(), about.ino())).or_default().push(short.clone());
        }
        if kind.is_file() {
            let content = std::fs::read(&path).expect("content");
            told += &format!(" {} bytes {}", content.len(), &Digest::of(&content).hex()[..12]);
            for name in xattr::list(&path).expect("attributes") {
                let value = xattr::get(&path, &name).expect("attribute").unwrap_or_default();
                told += &format!(
                    " {}={}",
                    String::from_utf8_lossy(name.as_bytes()),
                    String::from_utf8_lossy(&value)
                );
            }
        }
        if kind.is_symlink() {
            told += &format!(" -> {}", std::fs::read_link(&path).expect("link").display());
        }
        if kind.is_char_device() || kind.is_block_device() {
            told += &format!(" device {:x}", about.rdev());
        }
        // The root's mode is that of the storage.
        if !short.as_os_str().is_empty() {
            all.insert(short, told);
        }
    }
    for mut same in inodes.into_values() {
        same.sort();
        for path in &same {
            all.get_mut(path).expect("listed").push_str(&format!(" = {}", same[0].display()));
        }
    }
    all
}

fn differences(ours: &BTreeMap<PathBuf, String>, theirs: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let none = String::from("nothing");
    let lines = paths.into_iter().map(|p| (p, ours.get(p).unwrap_or(&none), theirs.get(p).unwrap_or(&none)));
    lines
        .filter(|(_, a, b)| a != b)
        .map(|(p, a, b)| format!("{}: ours {a}, buildah's {b}", p.display()))
        .collect()
}

/// The parts of a config that decide how the image runs; what is empty is the same as what is not there.
fn config(all: &Value) -> BTreeMap<&'static str, Value> {
    let fields = [
        "Env",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "User",
        "ExposedPorts",
        "Volumes",
        "Labels",
        "StopSignal",
        "Healthcheck",
        "OnBuild",
        "Shell",
    ];
    let empty = |v: &Value| {
        v.is_null()
            || v == ""
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(|o| o.is_empty())
    };
    let mut told: BTreeMap<_, _> =
        fields.into_iter().filter_map(|f| Some((f, all["config"].get(f)?.clone()))).collect();
    if let Some(labels) = told.get_mut("Labels").and_then(Value::as_object_mut) {
        // It says who built it.
        labels.remove("io.buildah.version");
    }
    // Their order means nothing, as each name is there once.
    if let Some(env) = told.get_mut("Env").and_then(Value::as_array_mut) {
        env.sort_by_key(Value::to_string);
    }
    told.retain(|_, v| !empty(v));
    for field in ["author", "architecture", "os"] {
        if let Some(value) = all.get(field).filter(|v| !empty(v)) {
            told.insert(field, value.clone());
        }
    }
    told
}

/// Compares one file of the corpus; what differs.
fn compare(ground: &Ground, buildah: &Buildah, context: &Path, name: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/dockerfiles").join(name);
    let tag = if name == "onbuild" { "with-onbuild".to_owned() } else { format!("made-{name}") };
    let mut options = Options::new(Context::Folder(context.to_owned()));
    options.file = Some(file.clone());
    options.tags = vec![tag.parse().expect("reference")];
    options.arguments = [("GIVEN".to_owned(), "given".to_owned())].into();
    let built = match ground.build(&options) {
        Ok(built) => built,
        Err(e) => return vec![format!("ours fails: {e:?}")],
    };
    if let Err(why) = buildah.build(&file, context, &tag, &["--build-arg", "GIVEN=given"]) {
        return vec![format!("buildah's fails: {why}")];
    }
    let image = Image::read(&ground.store, &built.digest).expect("image");
    // To look at an image, buildah makes a container of it, and runs its triggers.
    let mut told = match name {
        "onbuild" => Vec::new(),
        _ => differences(&tree(ground.flat(&image).path()), &tree(&buildah.tree(&tag))),
    };
    let (ours, theirs) = (config(image.config_json()), config(&buildah.config(&tag)));
    let fields: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for field in fields.into_iter().filter(|f| ours.get(*f) != theirs.get(*f)) {
        told.push(format!("config {field}: ours {:?}, buildah's {:?}", ours.get(field), theirs.get(field)));
    }
    told
}

#[test]
fn the_corpus_builds_to_what_buildah_builds() {
    if !in_namespace("build::the_corpus_builds_to_what_buildah_builds", &[]) {
        return;
    }
    let ground = Ground::new();
    let context = ground.context();
    let buildah = Buildah::new(ground.dir.path());
    buildah.import(&ground.path("base"), "base");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/dockerfiles");
    let mut names: Vec<String> = std::fs::read_dir(&corpus)
        .expect("corpus")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .filter(|n| !n.contains('.'))
        .collect();
    names.sort();
    assert!(names.len() > 25, "the corpus is not whole");
    let known = std::fs::read_to_string(corpus.join("deviations.txt")).expect("deviations");
    let mut known: Vec<&str> = known.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let mut wrong = Vec::new();
    for name in &names {
        let ignore = context.join(".dockerignore");
        if name == "ignored" {
            std::fs::write(
                &ignore,
                "# no\n*.txt\n!a.txt\ntree/sub/**\n!tree/sub/deep\n.dockerignore\npack\n**/x.so\n",
            )
            .expect("ignore file");
        }
        for difference in compare(&ground, &buildah, &context, name) {
            let said = format!("{name}: {difference}");
            match known.iter().position(|k| said.starts_with(k)) {
                Some(i) => drop(known.remove(i)),
                None => wrong.push(said),
            }
        }
        let _ = std::fs::remove_file(ignore);
    }
    wrong.extend(known.iter().map(|k| format!("told to deviate, and does not: {k}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn folder(ground: &Ground, files: &[(&str, &str)]) -> PathBuf {
    let context = ground.path("context");
    for (path, text) in files {
        let path = context.join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("write");
    }
    std::fs::create_dir_all(&context).expect("folder");
    context
}

#[test]
fn here_documents() {
    let ground = Ground::new();
    let context = folder(&ground, &[]);
    let text = "FROM base\nARG WHO=me\n\
        COPY <<one.txt <<-'two.txt' /docs/\nhello $WHO \"q\"\none.txt\n\t\tplain $WHO\n\ttwo.txt\n\
        COPY --chmod=755 --chown=app <<script /bin/say\n#!/bin/sh\necho said\nscript\n\
        RUN <<EOF\necho first > /first\ncd /tmp\npwd > /second\nEOF\n\
        RUN cat <<A > /third && cat <<B >> /third\nin a\nA\nin b\nB\n\
        RUN <<EOF\n#!/bin/busybox cat\nall of it\nEOF\n\
        RUN say > /fourth\nCMD [\"x\"]\n";
    let image = ground.text(text, &context, |_| ()).expect("builds");
    let flat = ground.flat(&image);
    assert_eq!(read(flat.path(), "docs/one.txt"), "hello me \"q\"\n");
    assert_eq!(read(flat.path(), "docs/two.txt"), "plain $WHO\n");
    assert_eq!(read(flat.path(), "first") + &read(flat.path(), "second"), "first\n/tmp\n");
    assert_eq!(read(flat.path(), "third") + &read(flat.path(), "fourth"), "in a\nin b\nsaid\n");
    let say = std::fs::metadata(flat.path().join("bin/say")).expect("say");
    assert_eq!((say.mode() & 0o7777, say.uid(), say.gid()), (0o755, 1000, 1001));
    assert_eq!(image.run_spec().argv, ["x"]);
}

#[test]
fn mounts_of_run() {
    let ground = Ground::new();
    let context =
        folder(&ground, &[("src/a", "context"), ("b", "b"), ("hidden", "no"), (".dockerignore", "hidden")]);
    std::fs::write(ground.path("secret"), "s3cret").expect("write");
    let text = "FROM base AS other\nRUN echo from-stage > /made\nFROM base\n\
        RUN --mount=type=bind,source=src,target=/in cat /in/a > /out && ! touch /in/x\n\
        RUN --mount=type=bind,target=/in,rw touch /in/b /in/x && test ! -e /in/hidden\n\
        RUN --mount=from=other,target=/o cat /o/made >> /out\n\
        RUN --mount=type=tmpfs,target=/t,size=65536 mount | grep ' /t ' | grep -q tmpfs && echo x > /t/x\n\
        RUN --mount=type=cache,target=/c,id=x,mode=0711 stat -c %a /c >> /out && echo cached > /c/f\n\
        RUN --mount=type=cache,target=/d,id=x,ro cat /d/f >> /out\n\
        RUN --mount=type=secret,id=s cat /run/secrets/s >> /out && stat -c %a /run/secrets/s >> /out\n\
        RUN --mount=type=secret,id=s,target=/etc/s,mode=0444,uid=7 stat -c %a:%u /etc/s >> /out\n\
        RUN --mount=type=secret,id=s,env=S echo $S >> /out\n\
        RUN --mount=type=secret,id=none true\n\
        RUN --network=none test $(ls /sys/class/net | wc -l) = 1\n";
    let secret = taremark::image::build::Secret::File(ground.path("secret"));
    let change = |o: &mut Options| drop(o.secrets.insert("s".into(), secret.clone()));
    let image = ground.text(text, &context, change).expect("builds");
    let flat = ground.flat(&image);
    assert_eq!(read(flat.path(), "out"), "contextfrom-stage\n711\ncached\ns3cret400\n444:7\ns3cret\n");
    let names: Vec<PathBuf> = tree(flat.path()).into_keys().collect();
    let base = tree(&ground.path("base"));
    let more: Vec<_> = names.iter().filter(|n| !base.contains_key(*n)).collect();
    assert_eq!(more, [Path::new("out")], "places to mount on were left");
    assert!(!context.join("src/x").exists() && !context.join("x").exists(), "the context was written to");
    assert!(!image.config_json().to_string().contains("s3cret"));
}

#[test]
fn parents_exclude_link() {
    let ground = Ground::new();
    let files = [("x/y/z.txt", "1"), ("x/y/z.md", "2"), ("x/w.txt", "3"), ("x/skip/a.txt", "4")];
    let context = folder(&ground, &files);
    let text = "FROM base\n\
        COPY --parents x/y/*.txt x/w.txt /p/\n\
        COPY --parents x/./y /pivot/\n\
        COPY --exclude=**/*.md --exclude=skip x /e/\n\
        COPY --link x/w.txt /l/w\n\
        RUN ln -s /somewhere /link && mkdir /somewhere\n\
        COPY --link x/w.txt /link/\n\
        WORKDIR /wd\nCOPY --link x/w.txt rel/\n";
    let image = ground.text(text, &context, |_| ()).expect("builds");
    let flat = ground.flat(&image);
    let all = tree(flat.path());
    for path in [
        "p/x/y/z.txt",
        "p/x/w.txt",
        "pivot/y/z.txt",
        "pivot/y/z.md",
        "e/y/z.txt",
        "l/w",
        "link/w.txt",
        "wd/rel/w.txt",
    ] {
        assert!(all.contains_key(Path::new(path)), "{path} is missing");
    }
    for path in ["p/x/y/z.md", "pivot/x", "e/y/z.md", "e/skip"] {
        assert!(!all.contains_key(Path::new(path)), "{path} is there");
    }
    // A layer of --link is the same on any base.
    let other = ground.text("FROM scratch\nCOPY --link x/w.txt /l/w\n", &context, |_| ()).expect("builds");
    assert!(image.diff_ids().contains(&other.diff_ids()[0]));
}

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

#[test]
fn the_same_context_gives_the_same_digest() {
    let ground = Ground::new();
    let names: Vec<String> = (0..40).map(|n| format!("d/{}", (n * 17) % 40)).collect();
    let digest = |at: &str, order: &[String], mask: u32, time: &str| {
        let context = ground.path(at);
        std::fs::create_dir_all(context.join("d")).expect("folder");
        for name in order {
            std::fs::write(context.join(name), name).expect("write");
        }
        sh(&format!("chmod -R u=rwX,go=rX .; find . -exec touch -d '{time}' {{}} +"), &context);
        let store = Store::open(&ground.path(&format!("store-{at}"))).expect("store");
        let archive = std::fs::File::open(ground.path("base.tar")).expect("tar");
        import(&store, archive, &"base".parse().expect("reference"), &ImportOptions::default())
            .expect("import");
        let file = ground.path("Dockerfile");
        let text = "FROM base\nCOPY d /d\nWORKDIR /new/dir\nRUN mkdir -p /m/n && date > /dev/null && touch /m/n/f && mv /etc/motd /moved\n\
            COPY <<x /x\ny\nx\n";
        std::fs::write(&file, text).expect("write");
        let mut options = Options::new(Context::Folder(context));
        options.file = Some(file);
        options.epoch = Some(1_700_000_000);
        let builder = Builder::new(TAREC.into());
        let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
        let built = build(&store, &options, std::io::empty(), &|s| builder.run(s), &|_| ());
        nix::sys::stat::umask(old);
        let image = Image::read(&store, &built.expect("builds").digest).expect("image");
        (image.digest().clone(), image.diff_ids().to_vec(), image.config_json().clone())
    };
    let mut backwards = names.clone();
    backwards.reverse();
    let one = digest("one", &names, 0o022, "2024-05-05");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let two = digest("two", &backwards, 0o077, "1999-01-01");
    assert_eq!(one, two);
    assert_eq!(one.2["created"], "2023-11-14T22:13:20Z");
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
    let text = "FROM base\nCOPY tree /t\nRUN rm -r /gone /t/sub && echo x > /x\nCOPY a.txt /x\nENV A=1\n";
    let many = ground.text(text, &context, |_| ()).expect("builds");
    let one = ground.text(text, &context, |o| o.squash = true).expect("builds");
    assert_eq!((many.diff_ids().len(), one.diff_ids().len()), (4, 2));
    assert_eq!(tree(ground.flat(&many).path()), tree(ground.flat(&one).path()));
    assert_eq!(many.run_spec(), one.run_spec());
}

#[test]
fn a_failure_shows_its_place() {
    let ground = Ground::new();
    let context = folder(&ground, &[("a", "1")]);
    let why = |text: &str| {
        let error = ground.text(text, &context, |_| ()).map(|_| ()).expect_err(text);
        let place = error.place().map(|p| format!("{}:{}", p.line, p.column)).unwrap_or_default();
        format!("{place} {}", taremark_chain(&error))
    };
    for (text, wanted) in [
        ("FROM base\nRUN exit 7\n", "2:1 RUN exit 7: the command ended with 7"),
        ("FROM base\n\nCOPY none /\n", "3:1 COPY none /: none: there is no such file in the context"),
        (
            "FROM base\nCOPY ../../etc/passwd /\n",
            "2:1 COPY ../../etc/passwd /: ../../etc/passwd: there is no such file",
        ),
        (
            "FROM base\nADD https://example.org/x /\n",
            "2:1 ADD https://example.org/x /: https://example.org/x: remote sources",
        ),
        ("FROM none\n", "1:1 FROM none: no image none:latest in the store"),
        ("FROM base\nCOPY a a /x\n", "2:1 COPY a a /x: /x: with several sources"),
        ("FROM base\nUSER nobody-there\nRUN true\n", "3:1 RUN true: user \"nobody-there\" of the image"),
        ("FROM base\nENV A=\"${B:?is needed}\"\n", "2:1 B: is needed"),
        ("FROM base\nSTOPSIGNAL SIGNO\n", "2:1 \"SIGNO\" is no signal"),
        (
            "FROM base\nRUN --mount=type=secret,id=q,required true\n",
            "2:1 RUN --mount=type=secret,id=q,required true: secret q: it is required",
        ),
        ("FROM base\nRUN [\"/no/such\"]\n", "2:1 RUN [\"/no/such\"]: the command could not be run"),
        ("FROM base\nCOPY a /etc/passwd/x\n", "2:1 COPY a /etc/passwd/x: make the folder"),
        (
            "FROM base AS x\nRUN exit 3\nFROM base\nCOPY --from=x / /\n",
            "2:1 RUN exit 3: the command ended with 3",
        ),
    ] {
        let told = why(text);
        assert!(
            told.contains(wanted.split_once(' ').expect("two").1)
                && told.starts_with(wanted.split(' ').next().expect("place")),
            "{told}"
        );
    }
    let left = std::fs::read_dir(ground.store.root().join("tmp")).expect("folder").count();
    assert_eq!(left, 0, "a failed build left something");
}

fn taremark_chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn links_of_a_context_and_of_an_image_lead_nowhere_outside() {
    let ground = Ground::new();
    let context = folder(&ground, &[("d/f", "inside")]);
    symlink("/etc", context.join("etc")).expect("link");
    symlink("../../../../etc/hostname", context.join("up")).expect("link");
    symlink("/d/f", context.join("rooted")).expect("link");
    for bad in ["COPY etc/hostname /", "COPY up /", "COPY etc /e/"] {
        ground.text(&format!("FROM base\n{bad}\n"), &context, |_| ()).map(|_| ()).expect_err(bad);
    }
    let mark = ground.path("outside");
    std::fs::create_dir(&mark).expect("folder");
    let text = format!(
        "FROM base\nCOPY rooted /r\nRUN ln -s {0} /out && ln -s ../../../../../..{0} /up\nCOPY d /out\nCOPY d/f /up/g\nWORKDIR /out/w\n",
        mark.display()
    );
    let image = ground.text(&text, &context, |_| ()).expect("builds");
    assert_eq!(std::fs::read_dir(&mark).expect("folder").count(), 0, "something was written outside");
    let flat = ground.flat(&image);
    let inside = mark.strip_prefix("/").expect("absolute");
    assert_eq!(read(flat.path(), "r"), "inside");
    assert_eq!(read(&flat.path().join(inside), "f") + &read(&flat.path().join(inside), "g"), "insideinside");
    assert!(flat.path().join(inside).join("w").is_dir());
}

#[test]
fn a_context_on_standard_input() {
    let ground = Ground::new();
    let context = folder(&ground, &[("Dockerfile", "FROM base\nCOPY f /f\n"), ("f", "from tar")]);
    sh("tar -czf ../context.tar.gz .", &context);
    let builder = Builder::new(TAREC.into());
    let of = |bytes: &[u8]| {
        let options = Options::new(Context::Stdin);
        let built = build(&ground.store, &options, bytes, &|s| builder.run(s), &|_| ()).expect("builds");
        Image::read(&ground.store, &built.digest).expect("image")
    };
    let image = of(&std::fs::read(ground.path("context.tar.gz")).expect("tar"));
    assert_eq!(read(ground.flat(&image).path(), "f"), "from tar");
    let image = of(b"FROM base\nRUN echo from text > /f\n");
    assert_eq!(read(ground.flat(&image).path(), "f"), "from text\n");
}

#[test]
fn a_built_image_runs_and_other_tools_read_it() {
    let ground = Ground::new();
    let context = folder(&ground, &[]);
    let text = "FROM base\nHEALTHCHECK CMD true\nSHELL [\"/bin/sh\", \"-c\"]\nONBUILD RUN true\nENV A=b\nRUN echo built > /f\n\
        CMD cat /f && echo $A\nLABEL x=y\n";
    let image = ground
        .text(text, &context, |o| o.labels = [("more".to_owned(), "z".to_owned())].into())
        .expect("builds");
    let run = image.run_spec();
    let bundle = taremark::container::spec::Bundle {
        lower_dirs: image.lower_dirs(&ground.store).expect("layers"),
        argv: run.argv,
        env: run.env,
        hostname: "tested".into(),
        ..Default::default()
    };
    assert_eq!(crate::support::text(&crate::support::Ground::new(&bundle).run()), "built\nb\n");
    let config = &image.config_json()["config"];
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(
        (config["OnBuild"].clone(), config["Labels"].clone()),
        (json!(["RUN true"]), json!({"x": "y", "more": "z"}))
    );
    let history = image.config_json()["history"].as_array().expect("history").clone();
    let filled = history.iter().filter(|h| h.get("empty_layer").is_none()).count();
    // The base was imported without a history.
    assert_eq!(filled + 1, image.diff_ids().len());
}
