//! `lessons.json`: what the lessons said when they were run on the record's machine. `taremark learn --into` writes it,
//! the report shows it.

use super::error::{RecordError, io};
use super::schema::SCHEMA;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in the record's folder.
pub const NAME: &str = "lessons.json";

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lessons {
    /// [`SCHEMA`].
    pub schema: u32,
    /// UTC, RFC 3339.
    pub taught_utc: String,
    /// In the order in which they were run.
    pub lessons: Vec<Taught>,
}

/// A lesson with what its commands said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Taught {
    /// Short name.
    pub name: String,
    /// Heading.
    pub title: String,
    /// Words and commands, in order.
    pub steps: Vec<Step>,
    /// The question at the end.
    pub asks: String,
    /// Answers to choose from.
    pub answers: Vec<String>,
    /// Index of the right one.
    pub right: usize,
    /// Why.
    pub why: String,
}

/// A paragraph, or a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// A paragraph; empty for a command.
    pub words: String,
    /// A command; empty for a paragraph.
    pub command: String,
    /// What it said, standard output and error as they came.
    pub said: String,
    /// How long it took, milliseconds.
    pub took_ms: f64,
}

/// Writes it into a record's folder.
pub fn write(dir: &Path, lessons: Vec<Taught>) -> Result<(), RecordError> {
    let path = dir.join(NAME);
    let all = Lessons { schema: SCHEMA, taught_utc: super::now_utc(), lessons };
    let text =
        serde_json::to_vec_pretty(&all).map_err(|source| RecordError::Json { path: path.clone(), source })?;
    std::fs::write(&path, text).map_err(io("write", &path))
}
