//! `taremark image`: one file a verb.

mod import;
mod inspect;
mod load;
mod ls;
mod pull;
mod push;
mod registry;
mod rm;
mod tag;

use crate::image::store::Store;
use anyhow::Context;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Fetch an image from a registry
    Pull(pull::Arguments),
    /// Send an image to a registry
    Push(push::Arguments),
    /// Make an image of one layer from a root file system's tar
    Import(import::Arguments),
    /// Take in an OCI layout or docker-archive, as a tar or a folder
    Load(load::Arguments),
    /// List images
    Ls(ls::Arguments),
    /// Show manifest, config and sizes as JSON
    Inspect(inspect::Arguments),
    /// Give an image another name
    Tag(tag::Arguments),
    /// Remove images, and what no other image needs
    Rm(rm::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    let done = match &arguments.verb {
        Verb::Pull(a) => pull::run(&store, a),
        Verb::Push(a) => push::run(&store, a),
        Verb::Import(a) => import::run(&store, a),
        Verb::Load(a) => load::run(&store, a),
        Verb::Ls(a) => ls::run(&store, a),
        Verb::Inspect(a) => inspect::run(&store, a),
        Verb::Tag(a) => tag::run(&store, a),
        Verb::Rm(a) => rm::run(&store, a),
    };
    done.map(|()| ExitCode::SUCCESS)
}
