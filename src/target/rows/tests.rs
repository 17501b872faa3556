//! What a file of targets may say, and what is said of one that is wrong.

use super::*;

const GOOD: &str =
    "[[target]]\nname = \"mine\"\nversion = [\"true\"]\nrun = [\"x\", \"{argv}\"]\nclean = [\"y\"]\n";

fn said(text: &str) -> String {
    parse(text, Path::new("f.toml"), &["process"]).expect_err(text).to_string()
}

#[test]
fn the_built_in_rows_are_well_formed_and_can_be_cleaned() {
    let rows = built_in().expect("rows");
    let names: Vec<&str> = rows.iter().map(|r| r.name.as_str()).collect();
    for name in ["oci:runc", "oci:crun", "oci:youki", "oci:runsc", "oci:kata", "podman", "docker"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(rows.iter().all(|r| r.clean.uses("id") && !r.description.is_empty()));
    let named = of_runtime("/opt/my \"own\"/runtime").expect("row");
    assert_eq!((named.name.as_str(), named.run.program.as_str()), ("oci:runtime", "/opt/my \"own\"/runtime"));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_field() {
    assert_eq!(parse(GOOD, Path::new("f"), &[]).expect("good").len(), 1);
    for (from, to, wanted) in [
        ("\"mine\"", "\"mine", "f.toml:2: not TOML: "),
        ("\"mine\"", "7", "f.toml:2: target[0].name: invalid type: integer `7`"),
        ("\"mine\"", "\"My own\"", "f.toml:2: target[0].name: \"My own\" is no name"),
        (
            "\"mine\"",
            "\"process\"",
            "f.toml:2: target[0].name: \"process\" is a target of the program itself",
        ),
        ("\"{argv}\"", "\"{arg}\"", "f.toml:4: target[0].run[1]: unknown placeholder {arg}: known are id, "),
        ("\"{argv}\"", "7", "f.toml:4: target[0].run[1]: invalid type: integer `7`"),
        ("\"{argv}\"", "\"a\"", "f.toml:4: target[0].run: neither {bundle} nor {argv}"),
        ("[\"y\"]", "[]", "f.toml:5: target[0].clean: a command has at least a program"),
        ("[\"y\"]", "[\"{id}\"]", "f.toml:5: target[0].clean[0]: the program is a name"),
        (
            "[\"y\"]",
            "[\"y\", \"{argv}\"]",
            "f.toml:5: target[0].clean[1]: {argv} cannot stand here: only in run",
        ),
        ("[\"y\"]", "[\"y\", \"{root}\"]", "f.toml:5: target[0].clean: {bundle} and {root} are removed"),
        ("clean = [\"y\"]\n", "", "f.toml:1: target[0]: missing field `clean`"),
        ("clean", "clear", "f.toml:5: target[0].clear: unknown field `clear`"),
        ("version = [\"true\"]", "version = []", "f.toml:3: target[0].version: a command has"),
        ("[[target]]", "[[targets]]", "f.toml:1: targets: unknown field `targets`"),
    ] {
        let said = said(&GOOD.replacen(from, to, 1));
        assert!(said.starts_with(wanted), "{from} -> {to}: {said}");
    }
    let twice = said(&format!("{GOOD}{GOOD}"));
    assert!(twice.starts_with("f.toml:7: target[1].name: \"mine\" is there twice"), "{twice}");
}
