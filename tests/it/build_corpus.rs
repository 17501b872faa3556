//! Builds, held against `buildah bud` of the same files, attribute by attribute.

use crate::support::buildah::Buildah;
use crate::support::builds::{Ground, tree};
use crate::support::in_namespace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use taremark::image::Image;
use taremark::image::build::{Context, Options, Secret};

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
    let secret = context.join("a.txt");
    options.secrets = [("s".to_owned(), Secret::File(secret.clone()))].into();
    let built = match ground.build(&options) {
        Ok(built) => built,
        Err(e) => return vec![format!("ours fails: {e:?}")],
    };
    let secret = format!("id=s,src={}", secret.display());
    let more = ["--build-arg", "GIVEN=given", "--secret", &secret];
    if let Err(why) = buildah.build(&file, context, &tag, &more) {
        return vec![format!("buildah's fails: {why}")];
    }
    let image = Image::read(&ground.store, &built.digest).expect("image");
    // To look at an image, buildah makes a container of it, and runs its triggers.
    let mut told = match name {
        "onbuild" | "onbuild-more" => Vec::new(),
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
    if !in_namespace("build_corpus::the_corpus_builds_to_what_buildah_builds", &[]) {
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
    assert!(names.len() > 35, "the corpus is not whole");
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
