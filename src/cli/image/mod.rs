//! `taremark image`: one file a verb.

mod build;
mod build_progress;
mod convert;
mod diff;
mod export;
mod history;
mod import;
mod inspect;
mod load;
mod ls;
mod prune;
mod pull;
mod push;
mod registry;
mod rm;
mod save;
mod table;
mod tag;
mod tree;
mod unpack;
mod verify;

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
    /// Build an image from a Containerfile or Dockerfile
    Build(build::Arguments),
    /// Fetch an image from a registry
    Pull(pull::Arguments),
    /// Send an image to a registry
    Push(push::Arguments),
    /// Make an image of one layer from a root file system's tar
    Import(import::Arguments),
    /// Take in an OCI layout or docker-archive, as a tar or a folder
    Load(load::Arguments),
    /// Write images as an OCI layout or docker-archive
    Save(save::Arguments),
    /// Write the tree of an image as one tar
    Export(export::Arguments),
    /// Make of an image what a machine boots: erofs, ext4, squashfs, qcow2, initramfs
    Convert(convert::Arguments),
    /// Unpack an image now, and say where
    Unpack(unpack::Arguments),
    /// List images
    Ls(ls::Arguments),
    /// Show manifest, config and sizes as JSON
    Inspect(inspect::Arguments),
    /// Show how an image came to be
    History(history::Arguments),
    /// Show an image's layers: what each adds, and what is wasted
    Tree(tree::Arguments),
    /// Show the files in which two images differ
    Diff(diff::Arguments),
    /// Give an image another name
    Tag(tag::Arguments),
    /// Remove images, and what no other image needs
    Rm(rm::Arguments),
    /// Remove what no image needs
    Prune(prune::Arguments),
    /// Hash everything in the store again
    Verify(verify::Arguments),
}

/// An image by name and digest, as `--json` shows it.
fn named(reference: &impl std::fmt::Display, digest: &impl std::fmt::Display) -> serde_json::Value {
    serde_json::json!({ "reference": reference.to_string(), "digest": digest.to_string() })
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open(&Store::default_root()).context("open the image store")?;
    let done = match &arguments.verb {
        Verb::Build(a) => return build::run(&store, a),
        Verb::Pull(a) => pull::run(&store, a),
        Verb::Push(a) => push::run(&store, a),
        Verb::Import(a) => import::run(&store, a),
        Verb::Load(a) => load::run(&store, a),
        Verb::Save(a) => save::run(&store, a),
        Verb::Export(a) => export::run(&store, a),
        Verb::Convert(a) => convert::run(&store, a),
        Verb::Unpack(a) => unpack::run(&store, a),
        Verb::Ls(a) => ls::run(&store, a),
        Verb::Inspect(a) => inspect::run(&store, a),
        Verb::History(a) => history::run(&store, a),
        Verb::Tree(a) => tree::run(&store, a),
        Verb::Diff(a) => diff::run(&store, a),
        Verb::Tag(a) => tag::run(&store, a),
        Verb::Rm(a) => rm::run(&store, a),
        Verb::Prune(a) => prune::run(&store, a),
        Verb::Verify(a) => return verify::run(&store, a),
    };
    done.map(|()| ExitCode::SUCCESS)
}
