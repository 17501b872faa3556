//! docs/commands.md: each example is run and compared with what the page says.

use crate::support::errors;
use std::path::Path;
use std::process::Command;

/// A command of the page with what it says.
#[derive(Debug, Default)]
struct Example {
    command: String,
    output: Vec<String>,
    code: i32,
}

fn examples(page: &str) -> Vec<Example> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().expect("block"));
    let mut all: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Example { command: command.to_owned(), ..Example::default() });
            continue;
        }
        let last = all.last_mut().expect("a command comes first");
        match line.strip_prefix("? ") {
            Some(code) => last.code = code.parse().expect("exit code"),
            None => last.output.push(line.to_owned()),
        }
    }
    all
}

/// Whether `line` is what `pattern` says, in which `[..]` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split("[..]").collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return pattern == line;
    }
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn patterns_fit_what_they_should() {
    for (pattern, line, good) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("[..]", "", true),
        ("a[..]c", "abc", true),
        ("a[..]c", "abd", false),
        ("a[..]b[..]", "a--b--", true),
        ("a[..]b[..]c", "abbc", true),
        ("[..]b", "ab", true),
    ] {
        assert_eq!(fits(pattern, line), good, "{pattern} {line}");
    }
}

#[test]
fn every_example_does_what_the_page_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md"));
    let all = examples(&page.expect("docs/commands.md"));
    assert!(all.len() > 40, "only {} examples: is this test blind?", all.len());
    let ground = tempfile::tempdir().expect("folder");
    let programs = Path::new(env!("CARGO_BIN_EXE_taremark")).parent().expect("folder of the programs");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let sh = |command: &str| {
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("({command}) 2>&1")]).current_dir(ground.path()).env("PATH", &path);
        sh.env("TAREMARK_STATE", ground.path().join("state"))
            .env("TAREMARK_STORE", ground.path().join("store"));
        sh.stdin(std::process::Stdio::null()).output().expect("sh")
    };
    let mut wrong = Vec::new();
    for example in &all {
        let output = sh(&example.command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let right = lines.len() == example.output.len()
            && example.output.iter().zip(&lines).all(|(p, l)| fits(p, l))
            && output.status.code() == Some(example.code);
        if !right {
            wrong.push(format!("{example:#?}\nsaid {:?}: {said}{}", output.status.code(), errors(&output)));
        }
    }
    sh("taremark rm -f -a");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
