//! Targets as data: another program that runs the workload, with the commands that do it. Built-in rows and those of
//! users are read the same way.

mod command;
mod target;
pub mod words;

pub use command::{CleanUp, DEADLINE, run_left};
pub use target::RowTarget;

use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;
use words::{Place, Word};

/// The rows that come with the program.
const BUILT_IN: &str = include_str!("builtin.toml");

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As given to `--target`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Prints the version; its first line is recorded. No placeholders.
    pub version: Vec<String>,
    /// Runs the workload in the foreground, with its output on standard output and error.
    pub run: Command,
    /// Removes what a run may have left. Always run, also when all went well.
    pub clean: Command,
    /// Run once for each image before the first run.
    pub prepare: Vec<Command>,
    /// Undoes that at the end of the bench.
    pub forget: Vec<Command>,
    /// Variables of the bench's own environment that the commands get.
    pub inherit: Vec<String>,
    /// Further programs that take part, to be recorded with version and digest.
    pub needs: Vec<String>,
    /// Why nobody knows yet whether it works; empty: it was seen to.
    pub untested: String,
}

/// The first word is the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Name or path.
    pub program: String,
    /// What follows.
    pub words: Vec<Word>,
}

impl Command {
    fn uses(&self, placeholder: &str) -> bool {
        self.words.iter().flat_map(Word::holes).any(|h| h == placeholder)
    }

    fn arguments(&self, values: &words::Values) -> Vec<String> {
        self.words.iter().flat_map(|w| w.expand(values)).collect()
    }
}

/// Why a file of targets was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// It cannot be read.
    #[error("read targets from {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It says something that is not a target.
    #[error("{path}:{line}: {field}: {why}")]
    Bad {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Such as `target[0].run[2]`; empty where the text is not TOML.
        field: String,
        /// In one line.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    target: Vec<WrittenRow>,
}

type Words = Spanned<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    name: Spanned<String>,
    #[serde(default)]
    description: String,
    version: Words,
    run: Words,
    clean: Words,
    #[serde(default)]
    prepare: Vec<Words>,
    #[serde(default)]
    forget: Vec<Words>,
    #[serde(default)]
    inherit: Vec<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    untested: String,
}

/// The rows that come with the program.
pub fn built_in() -> Result<Vec<Row>, RowError> {
    parse(BUILT_IN, Path::new("(built in)"), &[])
}

/// Any other runtime with the OCI command line.
pub fn of_runtime(program: &str) -> Result<Row, RowError> {
    let words = |more: &str| format!("[{program:?}, \"--root\", \"{{states}}\", {more}]");
    let text = format!(
        "[[target]]\nname = \"oci:named\"\nversion = [{program:?}, \"--version\"]\nrun = {}\nclean = {}\n",
        words("\"run\", \"--bundle\", \"{bundle}\", \"{id}\""),
        words("\"delete\", \"--force\", \"{id}\"")
    );
    let mut row = parse(&text, Path::new(program), &[])?.remove(0);
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    row.name = format!("oci:{name}");
    row.description = format!("{name} with the bundle that our own runtime gets");
    Ok(row)
}

/// Reads a file of targets. `taken` are names that no row may have.
pub fn read(path: &Path, taken: &[&str]) -> Result<Vec<Row>, RowError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| RowError::Io { path: path.to_owned(), source })?;
    parse(&text, path, taken)
}

/// As [`read`], of a text; `path` is named in errors.
pub fn parse(text: &str, path: &Path, taken: &[&str]) -> Result<Vec<Row>, RowError> {
    let bad = |at: usize, field: String, why: String| RowError::Bad {
        path: path.to_owned(),
        line: text[..at.min(text.len())].matches('\n').count() + 1,
        field,
        why: why.lines().collect::<Vec<_>>().join(" "),
    };
    let at = |e: &toml::de::Error| e.span().map_or(0, |s| s.start);
    let document = toml::Deserializer::parse(text)
        .map_err(|e| bad(at(&e), "not TOML".into(), e.message().to_owned()))?;
    let written: Written = serde_path_to_error::deserialize(document).map_err(|e| {
        let field = e.path().to_string().replace(".$__serde_spanned_private_value", "");
        bad(at(e.inner()), field, e.inner().message().to_owned())
    })?;
    let mut rows: Vec<Row> = Vec::new();
    for (n, row) in written.target.into_iter().enumerate() {
        let name = row.name.get_ref().clone();
        let twice = rows.iter().any(|r| r.name == name);
        if let Some(why) = bad_name(&name, taken, twice) {
            return Err(bad(row.name.span().start, format!("target[{n}].name"), why));
        }
        let row = checked(row).map_err(|(at, field, why)| bad(at, format!("target[{n}].{field}"), why))?;
        rows.push(row);
    }
    Ok(rows)
}

fn bad_name(name: &str, taken: &[&str], twice: bool) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ":._-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        Some(format!("{name:?} is no name: up to 64 of a-z, 0-9 and : . _ -"))
    } else if taken.contains(&name) {
        Some(format!("{name:?} is a target of the program itself"))
    } else {
        twice.then(|| format!("{name:?} is there twice"))
    }
}

/// What is wrong, with its offset and field.
type Wrong = (usize, String, String);

fn checked(row: WrittenRow) -> Result<Row, Wrong> {
    let (run_at, clean_at) = (row.run.span().start, row.clean.span().start);
    let many = |field: &str, all: Vec<Words>, places: &[Place]| {
        let each = all.into_iter().enumerate();
        each.map(|(n, words)| command(&format!("{field}[{n}]"), words, places)).collect::<Result<Vec<_>, _>>()
    };
    let version = row.version.get_ref().iter().map(|w| w.get_ref().clone()).collect::<Vec<_>>();
    if version.is_empty() {
        return Err((row.version.span().start, "version".into(), "a command has at least a program".into()));
    }
    let made = Row {
        name: row.name.into_inner(),
        description: row.description,
        version,
        run: command("run", row.run, &[Place::Run, Place::Job])?,
        clean: command("clean", row.clean, &[Place::Run])?,
        prepare: many("prepare", row.prepare, &[Place::Prepare])?,
        forget: many("forget", row.forget, &[])?,
        inherit: row.inherit,
        needs: row.needs,
        untested: row.untested,
    };
    if !made.run.uses("bundle") && !made.run.uses("argv") {
        let why = "neither {bundle} nor {argv}: the workload would not be run";
        return Err((run_at, "run".into(), why.into()));
    }
    if made.clean.uses("bundle") || made.clean.uses("root") {
        let why = "{bundle} and {root} are removed after it; name the run by {id}";
        return Err((clean_at, "clean".into(), why.into()));
    }
    Ok(made)
}

fn command(field: &str, words: Words, places: &[Place]) -> Result<Command, Wrong> {
    let at = words.span().start;
    let mut words = words.into_inner().into_iter();
    let no_program = || (at, field.to_owned(), "a command has at least a program".to_owned());
    let program = words.next().filter(|p| !p.get_ref().is_empty()).ok_or_else(no_program)?;
    if program.get_ref().contains(['{', '}']) {
        let why = "the program is a name or a path, without placeholders".to_owned();
        return Err((program.span().start, format!("{field}[0]"), why));
    }
    let parsed = words.enumerate().map(|(n, word)| {
        Word::parse(word.get_ref(), places)
            .map_err(|why| (word.span().start, format!("{field}[{}]", n + 1), why))
    });
    Ok(Command { program: program.into_inner(), words: parsed.collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests;
