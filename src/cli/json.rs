//! `--json`: one document on standard output, for programs.

use serde::Serialize;

/// The switch, for the verbs that print a result.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Json {
    /// For programs: the result as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Prints it.
pub fn print(document: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(document)?);
    Ok(())
}

impl Json {
    /// The document where it is asked for, else what people read.
    pub fn or(self, document: &impl Serialize, people: impl FnOnce()) -> anyhow::Result<()> {
        if self.json {
            return print(document);
        }
        people();
        Ok(())
    }
}
