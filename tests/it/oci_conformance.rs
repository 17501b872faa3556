//! docs/conformance.md is made from the tests: the clauses of the specification that a test holds stand above it, as
//! `/// Holds: clause, clause`. A clause that no test holds, a name that is no clause, and a page that is out of date
//! fail here. `TAREMARK_WRITE=1 cargo test conformance` writes the page anew.

use crate::oci_clauses::{CLAUSES, ELSEWHERE};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Clause to the tests that hold it, read off the source of this crate.
fn held() -> BTreeMap<String, Vec<String>> {
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("tests/it")).expect("tests").flatten().map(|e| e.path()).collect();
    files.sort();
    for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let module = path.file_stem().expect("name").to_string_lossy().into_owned();
        for (clause, test) in of_source(&std::fs::read_to_string(path).expect("source")) {
            held.entry(clause).or_default().push(format!("{module}::{test}"));
        }
    }
    held
}

/// Pairs of clause and test. The lines of clauses have to stand right above `#[test]`, and the function right below.
fn of_source(source: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut pairs = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some(clauses) = line.strip_prefix("/// Holds: ") else { continue };
        let below =
            lines[i..].iter().position(|l| !l.starts_with("/// Holds: ")).map_or(lines.len(), |n| i + n);
        let below = below + usize::from(lines.get(below).is_some_and(|l| l.starts_with("#[cfg(")));
        let is_test = lines.get(below).is_some_and(|l| *l == "#[test]");
        let name = lines.get(below + 1).and_then(|l| l.strip_prefix("fn ")).and_then(|l| l.split('(').next());
        let name = name.filter(|_| is_test).unwrap_or_else(|| panic!("no test follows {line:?}"));
        pairs.extend(clauses.split(", ").map(|c| (c.trim().to_owned(), name.to_owned())));
    }
    pairs
}

fn page(held: &BTreeMap<String, Vec<String>>) -> String {
    let mut page = String::from(
        "# Conformance to runtime-spec 1.2\n\nMade from the tests by `tests/it/oci_conformance.rs`: do not edit, run\n\
         `TAREMARK_WRITE=1 cargo test conformance`. Each clause, and the test that holds it. All of them are run by\n\
         `scripts/test`.\n",
    );
    let mut document = "";
    for (of, clause, says) in CLAUSES {
        if *of != document {
            document = of;
            page += &format!("\n## {of}\n\n| clause | says | held by |\n| --- | --- | --- |\n");
        }
        let tests = match ELSEWHERE.iter().find(|(c, _)| c == clause) {
            Some((_, why)) => format!("not by a test: {why}"),
            None => held.get(*clause).map(|t| t.join("`, `")).map(|t| format!("`{t}`")).unwrap_or_default(),
        };
        page += &format!("| `{clause}` | {says} | {tests} |\n");
    }
    page
}

#[test]
fn every_clause_is_held_and_the_page_says_by_what() {
    let held = held();
    for (_, clause, _) in CLAUSES {
        let elsewhere = ELSEWHERE.iter().any(|(c, _)| c == clause);
        assert_ne!(
            held.contains_key(*clause),
            elsewhere,
            "{clause}: held by no test, or both held and excused"
        );
    }
    for clause in held.keys() {
        assert!(CLAUSES.iter().any(|(_, c, _)| c == clause), "{clause} is no clause");
    }
    let path: &Path = &root().join("docs/conformance.md");
    let page = page(&held);
    if std::env::var_os("TAREMARK_WRITE").is_some() {
        std::fs::write(path, &page).expect("docs/conformance.md");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/conformance.md is out of date: run TAREMARK_WRITE=1 cargo test conformance"
    );
}

#[test]
fn clauses_are_read_off_the_tests() {
    let source = "/// Holds: a.b\n/// Holds: c\n#[test]\nfn it_does() {\n}\n";
    assert_eq!(of_source(source), [("a.b".into(), "it_does".into()), ("c".into(), "it_does".into())]);
    assert!(std::panic::catch_unwind(|| of_source("/// Holds: a\nfn no_test() {\n")).is_err());
}
