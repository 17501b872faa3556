//! `taremark volume …`: folders with a name that outlive their containers.

mod create;
mod inspect;
mod ls;
mod prune;
mod rm;

use crate::life::folder::Root;
use crate::life::inspect::time_of;
use crate::life::volume::{Record, users};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make one
    Create(create::Arguments),
    /// List them
    #[command(visible_alias = "list")]
    Ls(ls::Arguments),
    /// Show all that is known of them as JSON
    Inspect(inspect::Arguments),
    /// Remove some, with their files
    Rm(rm::Arguments),
    /// Remove all that no container has, with their files
    Prune(prune::Arguments),
}

pub fn run(a: &Arguments) -> anyhow::Result<ExitCode> {
    match &a.verb {
        Verb::Create(a) => create::run(a),
        Verb::Ls(a) => ls::run(a),
        Verb::Inspect(a) => inspect::run(a),
        Verb::Rm(a) => rm::run(a),
        Verb::Prune(a) => prune::run(a),
    }
}

fn as_json(root: &Root, record: &Record) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::json!({
        "Name": record.name,
        "Driver": "local",
        "Mountpoint": record.data,
        "CreatedAt": time_of(record.created_ms),
        "Anonymous": record.anonymous,
        "Containers": users(root, &record.name)?,
    }))
}
