//! `taremark fleet`: thin faces on Slurm and on `merge`.

mod collect;
mod status;
mod submit;

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a campaign's folder and submit its array
    Submit(submit::Arguments),
    /// Say which tasks of a campaign wait, run, are done or failed
    Status(status::Arguments),
    /// Merge what the tasks of a campaign have handed over
    Collect(collect::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Submit(a) => submit::run(a),
        Verb::Status(a) => status::run(a),
        Verb::Collect(a) => collect::run(a),
    }
}
