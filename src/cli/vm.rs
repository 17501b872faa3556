//! `taremark vm`: make and list the operating systems of the targets vm and vm:small.

use super::bytes::decimal;
use super::failure::Lacks;
use super::json::Json;
use crate::machine::cache;
use crate::machine::debian::{self, Debian, Flavour};
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
    /// Make a Debian with systemd on a disk from the distribution's packages; a minute or two, once
    Build(BuildArguments),
    /// List what was made, with its sizes
    Ls(Json),
}

#[derive(Debug, clap::Args)]
struct BuildArguments {
    /// The smallest that boots, for the target vm:small, instead of a usual server's
    #[arg(long)]
    small: bool,
    /// Make it anew with the newest packages, even if it is there
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache_dir = cache::dir();
    match &arguments.verb {
        Verb::Build(b) => {
            if !nix::unistd::geteuid().is_root() {
                let what = "files of an operating system have many owners, which root alone can give".into();
                return Err(Lacks { what, mend: "the same through sudo".into() }.into());
            }
            let flavour = if b.small { Flavour::Small } else { Flavour::Full };
            let init = crate::target::lookup::own_program("tare-init")?;
            let made = debian::build(&cache_dir, flavour, &init, b.again);
            let made = made.context("make an operating system for the target vm")?;
            b.json.or(&as_json(flavour, &made), || show(flavour, &made))?;
        }
        Verb::Ls(json) => list(*json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: Json) -> anyhow::Result<()> {
    let flavours = [Flavour::Full, Flavour::Small];
    let found = flavours.map(|f| (f, debian::find(&cache::dir(), f).ok()));
    let found: Vec<_> = found.iter().filter_map(|(f, made)| Some((*f, made.as_ref()?))).collect();
    let rows: Vec<_> = found.iter().map(|(flavour, made)| as_json(*flavour, made)).collect();
    json.or(&serde_json::json!({ "schema": 1, "systems": rows }), || {
        found.iter().for_each(|(flavour, made)| show(*flavour, made));
    })
}

fn as_json(flavour: Flavour, made: &Debian) -> serde_json::Value {
    serde_json::json!({ "flavour": flavour.name(), "disk": made.disk, "disk_bytes": length(made),
        "about": made.about })
}

fn length(made: &Debian) -> u64 {
    std::fs::metadata(&made.disk).map_or(0, |m| m.len())
}

fn show(flavour: Flavour, made: &Debian) {
    let about = &made.about;
    println!("{}: {}", flavour.name(), about.version);
    println!(
        "  {} on disk, {} as the guest sees it, {} to move (zstd); made in {:.0} s",
        decimal(length(made)),
        decimal(about.virtual_bytes),
        decimal(about.transfer_bytes),
        about.made_in_s
    );
    println!("  {}", made.disk.display());
}
