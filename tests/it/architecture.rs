//! The rules of docs/architecture.md, read off the source.

use std::path::{Path, PathBuf};

const MAY_USE: &[(&str, &[&str])] = &[
    ("sys", &["sys"]),
    ("image", &["image", "sys"]),
    ("builder", &["builder", "image", "container", "sys"]),
    ("record", &["record"]),
    ("report", &["report", "record", "stats"]),
    ("stats", &["stats"]),
    ("workload", &["workload"]),
    ("lesson", &["lesson", "stats", "sys"]),
    ("fleet", &["fleet"]),
    ("load", &["load", "workload"]),
    ("container", &["container", "sys"]),
    ("guest", &["guest", "sys"]),
    ("machine", &["machine", "guest", "sys"]),
    ("target", &["target", "container", "machine", "guest", "sys", "record"]),
    ("life", &["life", "target", "container", "machine", "guest", "image", "workload", "sys"]),
    ("measure", &["measure", "target", "workload", "record", "image", "sys", "container"]),
    (
        "cli",
        &[
            "cli", "builder", "fleet", "lesson", "life", "measure", "target", "workload", "record", "report",
            "image", "machine", "sys", "stats",
        ],
    ),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("source folder").flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { sources(&p) } else { vec![p] }).collect()
}

fn room(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    inside.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned()).unwrap_or_default()
}

fn each_source(mut check: impl FnMut(&Path, &str, &str)) {
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for path in all.into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(&path).expect("source");
        check(&path, &room(&path), &text);
    }
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut checked = 0;
    each_source(|path, room, text| {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            assert!(room.ends_with(".rs") || room == "bin", "{room} is in no rule");
            return;
        };
        for used in text.split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            assert!(allowed.contains(&name.as_str()), "{} may not use {name}", path.display());
            checked += 1;
        }
    });
    assert!(checked > 20, "only {checked} uses were found: the check is blind");
}

#[test]
fn unsafe_stands_in_sys_alone_and_files_are_small() {
    each_source(|path, room, text| {
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines: two rooms?", path.display());
        let is_unsafe = text.lines().any(|l| !l.trim_start().starts_with("//") && l.contains("unsafe {"));
        assert!(!is_unsafe || room == "sys", "{} has unsafe", path.display());
    });
}

#[test]
fn every_room_is_in_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/architecture.md")).expect("docs/architecture.md");
    for (room, _) in MAY_USE {
        assert!(text.contains(&format!("src/{room}/")), "src/{room}/ is not in docs/architecture.md");
    }
}
