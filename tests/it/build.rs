//! Builds: what buildah 1.28 cannot do, and what a build says when it fails.

use crate::registry::plain;
use crate::support::TAREC;
use crate::support::builds::{Ground, folder, read, sh, tree};
use crate::support::registries::Registry;
use serde_json::json;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use taremark::builder::Builder;
use taremark::image::Image;
use taremark::image::build::{Context, Options, Pull, build};
use taremark::image::registry::push::push;

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

#[test]
fn modes_may_be_said_as_changes() {
    let ground = Ground::new();
    let context = folder(&ground, &[("d/plain", "x"), ("d/sub/script", "x")]);
    sh("chmod 700 d d/sub; chmod 600 d/plain; chmod 700 d/sub/script", &context);
    let text = "FROM base\nARG MORE=go=rX\nCOPY --chmod=u=rwX,$MORE d /d\nCOPY --chmod=a-w,+x d/plain /locked\n\
        COPY --chmod=+x <<here /said\nx\nhere\n";
    let image = ground.text(text, &context, |_| ()).expect("builds");
    let flat = ground.flat(&image);
    let mode = |path: &str| std::fs::metadata(flat.path().join(path)).expect(path).mode() & 0o7777;
    assert_eq!([mode("d/plain"), mode("d/sub"), mode("d/sub/script")], [0o644, 0o755, 0o755]);
    assert_eq!([mode("locked"), mode("said")], [0o511, 0o755]);
    let wrong = "FROM base\nCOPY --chmod=u+q d /d\n";
    let told = taremark_chain(&ground.text(wrong, &context, |_| ()).map(drop).expect_err("no mode"));
    assert!(told.contains("--chmod=u+q: an octal number like 755, or changes"), "{told}");
}

#[test]
fn a_base_that_is_not_there_comes_from_its_registry() {
    let registry = Registry::start();
    let ground = Ground::new();
    let context = folder(&ground, &[]);
    let name = format!("{}/made/base:1", registry.host);
    let publish = |text: &str| {
        ground.text(text, &context, |o| o.tags = vec!["sent:1".parse().expect("reference")]).expect("builds");
        let to = name.parse().expect("reference");
        push(&ground.store, "sent:1", &to, &[], &plain(), &|_| ()).expect("push").digest
    };
    publish("FROM base\nRUN echo one > /v\n");
    let text = format!("FROM {name} AS a\nFROM {name}\nCOPY --from=a /v /copied\nRUN cat /v > /seen\n");
    let with = |pull: Pull| ground.text(&text, &context, |o| (o.pull, o.registry) = (pull, plain()));
    let seen =
        |image: &Image| read(ground.flat(image).path(), "seen") + &read(ground.flat(image).path(), "copied");
    let never = taremark_chain(&with(Pull::Never).map(drop).expect_err("it is not in the store"));
    assert!(never.contains("no image") && never.contains("in the store"), "{never}");
    assert_eq!(seen(&with(Pull::Missing).expect("fetched")), "one\none\n");
    publish("FROM base\nRUN echo two > /v\n");
    assert_eq!(seen(&with(Pull::Missing).expect("the store's")), "one\none\n");
    assert_eq!(seen(&with(Pull::Always).expect("fetched again")), "two\ntwo\n");
    drop(registry);
    assert_eq!(seen(&with(Pull::Newer).expect("the store's will do")), "two\ntwo\n");
    with(Pull::Always).map(drop).expect_err("the registry is gone");
    let local = "FROM nowhere\n";
    let told = taremark_chain(&ground.text(local, &context, |_| ()).map(drop).expect_err("not there"));
    assert!(told.contains("no image nowhere:latest in the store"), "{told}");
}
