//! What holds of the whole command line.

use super::Arguments;
use clap::{Command, CommandFactory};

/// Verbs without `--json`, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("completions", "it is a shell's program"),
    ("man", "it is a manual page"),
    ("logs", "what it prints is the container's"),
    ("exec", "what it prints is the container's"),
    ("run", "what it prints is the container's, or its ID"),
    ("cp", "it prints nothing, or a tar"),
    ("create", "the ID, as podman prints it"),
    ("start", "the names that were given, as podman prints them"),
    ("restart", "the names that were given, as podman prints them"),
    ("pause", "the names that were given, as podman prints them"),
    ("unpause", "the names that were given, as podman prints them"),
    ("healthcheck run", "a word, as podman prints it"),
    ("volume create", "the name, as podman prints it"),
    ("volume rm", "the names that were given, as podman prints them"),
    ("volume prune", "names, as podman prints them"),
    ("volume ls", "--format json, as podman has it"),
    ("volume inspect", "it is JSON already"),
    ("monitor", "nobody reads it"),
    ("stop", "the names that were given, as podman prints them"),
    ("kill", "the names that were given, as podman prints them"),
    ("rm", "the names that were given, as podman prints them"),
    ("wait", "exit codes, as podman prints them"),
    ("inspect", "it is JSON already"),
    ("image inspect", "it is JSON already"),
    ("image save", "it prints nothing, or an archive"),
    ("image export", "it prints nothing, or a tar"),
];

fn leaves(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
    let below: Vec<&Command> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
    if below.is_empty() {
        found.push((name.to_owned(), command.clone()));
    }
    for verb in below {
        leaves(verb, format!("{name} {}", verb.get_name()).trim(), found);
    }
}

#[test]
fn every_verb_that_prints_a_result_prints_it_as_json_too() {
    let mut all = Vec::new();
    leaves(&Arguments::command(), "", &mut all);
    assert!(all.len() > 40, "{}: is this test blind?", all.len());
    for (name, command) in &all {
        let json = command.get_arguments().any(|a| a.get_long() == Some("json"));
        let without = WITHOUT.iter().any(|w| w.0 == name);
        assert!(json != without, "{name}: --json {json}, named as without {without}");
    }
    let unknown: Vec<_> = WITHOUT.iter().filter(|w| !all.iter().any(|a| a.0 == w.0)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn clap_finds_no_fault_with_the_command_line() {
    Arguments::command().debug_assert();
}
