//! The list of guards (`tests/guards/*.patch`) fits the code, the tests and docs/safety.md. That each test fails without
//! its guard is shown by `scripts/prove-guards`, which writes the table there.

use std::path::Path;

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text that a hunk of a patch expects: its lines but those that it adds.
fn before(hunk: &str) -> String {
    let lines = hunk.lines().skip(1).filter(|l| !l.starts_with('+'));
    lines.map(|l| l.get(1..).unwrap_or("").to_owned() + "\n").collect()
}

/// The patch fits the code, and its test is there: attack and test.
fn check(name: &str, patch: &str) -> (String, String) {
    let field = |key: &str| {
        let line = patch.lines().find_map(|l| l.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{name}: no line {key:?}")).trim().to_owned()
    };
    let (test, attack) = (field("Test:"), field("Attack:"));
    let (module, function) = test.split_once("::").expect("module::test");
    assert!(
        read(format!("tests/it/{module}.rs")).contains(&format!("fn {function}()")),
        "{name}: no test {test}"
    );
    let mut source = String::new();
    for part in patch.split("\n--- a/").skip(1) {
        let (path, hunks) = part.split_once('\n').expect("path");
        source = read(path);
        for hunk in hunks.split("\n@@ ").skip(1) {
            let old = before(hunk);
            assert_eq!(source.matches(&old).count(), 1, "{name} does not fit {path} any more:\n{old}");
        }
    }
    assert!(!source.is_empty(), "{name} changes nothing");
    (attack, test)
}

/// Each patch of a folder of `tests/`, by name.
fn each(folder: &str, mut take: impl FnMut(&str, &str)) -> usize {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries: Vec<_> = std::fs::read_dir(dir).expect(folder).map(|e| e.expect("entry")).collect();
    for entry in &entries {
        let name = entry.file_name().into_string().expect("name");
        take(&name, &read(format!("tests/{folder}/{name}")));
    }
    entries.len()
}

#[test]
fn each_guard_can_be_taken_out_and_is_in_the_table() {
    let safety = read("docs/safety.md");
    let count = each("guards", |name, patch| {
        let (attack, test) = check(name, patch);
        let row = safety.lines().find(|l| l.contains(&format!("| `{}` |", name.trim_end_matches(".patch"))));
        let row =
            row.unwrap_or_else(|| panic!("docs/safety.md has no row for {name}: run scripts/prove-guards"));
        assert!(row.contains(&attack) && row.contains(&test), "docs/safety.md is older than {name}");
    });
    let rows = safety.lines().filter(|l| l.starts_with("| `")).count();
    assert!(count >= 20 && rows == count, "{count} guards, {rows} rows in docs/safety.md");
}

/// By `scripts/prove-image-guards`.
#[test]
fn each_guard_of_images_can_be_taken_out() {
    assert!(each("guards-of-images", |name, patch| drop(check(name, patch))) >= 20);
}
