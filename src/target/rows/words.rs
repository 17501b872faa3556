//! The words of a row's commands: text with placeholders in braces. `{{` and `}}` stand for braces.
//!
//! A placeholder of many values (arguments, variables, groups) or of none (no network, no volume) makes its whole word
//! stand once for each value: `--env={env}` becomes as many words as there are variables.

use std::collections::BTreeMap;

/// What can stand in braces, where it may stand, and what it means. The table of docs/targets.md is compared with it.
pub const PLACEHOLDERS: [(&str, Place, &str); 19] = [
    ("id", Place::Run, "the run's name, unique on the host"),
    ("bundle", Place::Run, "folder of an OCI bundle: config.json, and the image's files as its root"),
    ("root", Place::Run, "the image's files, writable, mounted before t0"),
    ("states", Place::Run, "a path for the runtime's states, gone with the run"),
    ("cgroup", Place::Run, "the run's cgroup, as a path below the hierarchies' roots"),
    ("session", Place::Any, "a folder that lives as long as the bench"),
    ("image", Place::Any, "a name for the image in a program's own store"),
    ("root_tar", Place::Prepare, "a tar archive of the image's files"),
    ("argv", Place::Job, "each argument of the workload, the program first"),
    ("env", Place::Job, "each variable of the workload, as K=V"),
    ("cwd", Place::Job, "its working directory"),
    ("uid", Place::Job, "its user's number"),
    ("gid", Place::Job, "its group's number"),
    ("group", Place::Job, "each further group's number"),
    ("hostname", Place::Job, "a host name"),
    ("cpus", Place::Job, "CPUs that it may use"),
    ("memory", Place::Job, "bytes of memory that it may use"),
    ("netns", Place::Job, "path of the run's network namespace; none where the workload needs no network"),
    ("none", Place::Job, "the word none where the workload needs no network; else none at all"),
];
/// As those of [`PLACEHOLDERS`].
pub const SCRATCH: (&str, Place, &str) =
    ("scratch", Place::Job, "a folder on the host's disk, of workloads that ask for a volume");

/// The commands in which a placeholder may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In every command.
    Any,
    /// In `prepare`.
    Prepare,
    /// In `run` and `clean`.
    Run,
    /// In `run`: it is of the workload.
    Job,
}

/// Values by placeholder.
pub type Values = BTreeMap<&'static str, Vec<String>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(&'static str),
}

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(Vec<Part>);

fn known(name: &str) -> Option<(&'static str, Place)> {
    PLACEHOLDERS.iter().chain([&SCRATCH]).find(|p| p.0 == name).map(|p| (p.0, p.1))
}

impl Word {
    /// Reads a word of a command that may hold placeholders of `places`. The error is what is wrong with it.
    pub fn parse(text: &str, places: &[Place]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain += &rest[..at];
            let found = &rest[at..];
            if let Some(brace) = ["{{", "}}"].iter().find(|b| found.starts_with(**b)) {
                plain += &brace[..1];
                rest = &found[2..];
                continue;
            }
            let name = found.strip_prefix('{').and_then(|f| f.split_once('}'));
            let Some((name, after)) = name else {
                return Err(format!(
                    "a single brace in {text:?}: write {{{{ or }}}} for one that stands for itself"
                ));
            };
            let (name, place) = known(name).ok_or_else(|| {
                let all: Vec<&str> = PLACEHOLDERS.iter().chain([&SCRATCH]).map(|p| p.0).collect();
                format!("unknown placeholder {{{name}}}: known are {}", all.join(", "))
            })?;
            if place != Place::Any && !places.contains(&place) {
                return Err(format!("{{{name}}} cannot stand here: {}", stands(place)));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Hole(name));
            rest = after;
        }
        plain += rest;
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// A word that stands for itself.
    pub fn plain(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Names of the placeholders in it.
    pub fn holes(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|p| match p {
            Part::Hole(name) => Some(*name),
            Part::Text(_) => None,
        })
    }

    /// The words that it stands for.
    pub fn expand(&self, values: &Values) -> Vec<String> {
        let mut words = vec![String::new()];
        for part in &self.0 {
            match part {
                Part::Text(text) => words.iter_mut().for_each(|w| *w += text),
                Part::Hole(name) => {
                    let all = values.get(name).map(Vec::as_slice).unwrap_or_default();
                    words = words.iter().flat_map(|w| all.iter().map(move |v| format!("{w}{v}"))).collect();
                }
            }
        }
        words
    }
}

fn stands(place: Place) -> &'static str {
    match place {
        Place::Any => "it may stand anywhere",
        Place::Prepare => "only in prepare",
        Place::Run => "only in run and clean",
        Place::Job => "only in run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> Values {
        let list = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        [
            ("id", list(&["x1"])),
            ("env", list(&["A=1", "B=2"])),
            ("argv", list(&["echo", "{id}"])),
            ("netns", list(&[])),
            ("uid", list(&["5"])),
            ("gid", list(&["6"])),
        ]
        .into()
    }

    fn expanded(text: &str) -> Result<Vec<String>, String> {
        Word::parse(text, &[Place::Run, Place::Job]).map(|w| w.expand(&values()))
    }

    #[test]
    fn a_word_stands_once_for_each_value() {
        for (text, wanted) in [
            ("run", &["run"][..]),
            ("", &[""]),
            ("--name={id}!", &["--name=x1!"]),
            ("{env}", &["A=1", "B=2"]),
            ("--env={env}", &["--env=A=1", "--env=B=2"]),
            ("--network=ns:{netns}", &[]),
            ("{uid}:{gid}", &["5:6"]),
            // What a value holds is not looked into.
            ("{argv}", &["echo", "{id}"]),
            ("{{{{.ID}}}} {{id}}", &["{{.ID}} {id}"]),
        ] {
            assert_eq!(expanded(text).expect(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_word_is_said() {
        for (text, why) in [
            ("{ident}", "unknown placeholder {ident}: known are id, bundle,"),
            ("a{b", "a single brace"),
            ("a}b", "a single brace"),
            ("{}", "unknown placeholder {}"),
            ("{root_tar}", "{root_tar} cannot stand here: only in prepare"),
        ] {
            let said = expanded(text).expect_err(text);
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn every_text_can_be_said(text in ".*") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(expanded(&doubled), Ok(vec![text.clone()]));
            let _ = expanded(&text);
        }
    }
}
